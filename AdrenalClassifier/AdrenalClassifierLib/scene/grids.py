"""Grids of MRML (RAS, i j k) and of the library (LPS, k j i)."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError
from AdrenalClassifierLib.imaging.geometry import Geometry, Vector

LPS_OF_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
Extent = tuple[int, int, int, int, int, int]
"""First and last index along i, j and k, both included, as VTK counts."""

_DIGITS_MM, _DIGITS_AXIS = 6, 9


def as_array(matrix: Any) -> NDArray[np.float64]:
    """A vtkMatrix4x4 as an array (4, 4)."""
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])


def as_matrix(values: NDArray[np.float64]) -> Any:
    """An array (4, 4) as a vtkMatrix4x4."""
    matrix = vtk.vtkMatrix4x4()
    for row in range(4):
        for column in range(4):
            matrix.SetElement(row, column, float(values[row, column]))
    return matrix


def geometry_of(ijk_to_ras: NDArray[np.float64], extent: Extent) -> Geometry:
    """The grid of the voxels in ``extent`` under a matrix from (i, j, k) to RAS mm.

    Numbers are rounded (spacing and origin to 1e-6 mm), so that a grid is the same after it was written to a file and read
    back: fingerprints of inputs are compared across sessions.

    Raises:
        GeometryError: the axes are not perpendicular to each other, or the extent is empty.
    """
    to_lps = LPS_OF_RAS @ ijk_to_ras
    columns = to_lps[:3, :3]
    spacing = np.linalg.norm(columns, axis=0)
    if not np.isfinite(to_lps).all() or spacing.min() <= 0:
        raise GeometryError("The volume's position, direction or spacing is not a number above zero; load it again.")
    start = np.array([extent[0], extent[2], extent[4], 1.0])
    origin = (to_lps @ start)[:3]
    axes = columns / spacing
    k, j, i = (_vector(axes[:, axis], _DIGITS_AXIS) for axis in (2, 1, 0))
    shape = (extent[5] - extent[4] + 1, extent[3] - extent[2] + 1, extent[1] - extent[0] + 1)
    return Geometry(shape, _vector(spacing[::-1], _DIGITS_MM), (k, j, i), _vector(origin, _DIGITS_MM))


def matrix_of(geometry: Geometry) -> NDArray[np.float64]:
    """The matrix from (i, j, k) to RAS mm of a grid, shape (4, 4)."""
    to_lps = np.eye(4)
    to_lps[:3, :3] = geometry.matrix[:, ::-1]
    to_lps[:3, 3] = geometry.origin
    return LPS_OF_RAS @ to_lps


def to_world(node: Any) -> NDArray[np.float64]:
    """The matrix (4, 4) from a node's own coordinates to the world, RAS.

    Raises:
        GeometryError: the node lies under a transform that bends space.
    """
    transform = node.GetParentTransformNode()
    if transform is None:
        return np.eye(4)
    if not transform.IsTransformToWorldLinear():
        raise GeometryError(
            "The volume or segmentation lies under a transform that bends space. Harden the transform in the module Transforms."
        )
    matrix = vtk.vtkMatrix4x4()
    transform.GetMatrixTransformToWorld(matrix)
    return as_array(matrix)


def ras_of(point: Vector | NDArray[np.float64]) -> tuple[float, float, float]:
    """LPS to RAS, or back: the first two signs change."""
    x, y, z = (float(v) for v in point)
    return (-x, -y, z)


def _vector(values: NDArray[np.float64], digits: int) -> Vector:
    x, y, z = (round(float(v), digits) + 0.0 for v in values)
    return (x, y, z)

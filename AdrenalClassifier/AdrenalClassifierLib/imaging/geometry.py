"""Where a grid of voxels lies in the patient."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError

Vector = tuple[float, float, float]

DIRECTION_TOLERANCE = 1e-3
"""Largest difference of a direction cosine between grids that count as one (files store them with few digits)."""
POSITION_TOLERANCE_VOXELS = 0.01
"""Largest shift of any corner, in voxels of the finer grid, between grids that count as one."""


def _as_vector(values: NDArray[np.float64] | Vector | list[float]) -> Vector:
    x, y, z = (float(v) for v in values)
    return (x, y, z)


@dataclass(frozen=True)
class Geometry:
    """A regular grid in the patient.

    Attributes:
        shape: number of voxels along the array axes ``(k, j, i)``.
        spacing: distance in mm between voxel centres along ``(k, j, i)``; positive.
        axes: for each array axis ``(k, j, i)`` its unit vector in LPS; mutually orthogonal, of either handedness.
        origin: LPS position in mm of the centre of voxel ``(0, 0, 0)``.

    Raises:
        GeometryError: a size is not positive, a number is not finite, or the axes are not orthogonal unit vectors.
    """

    shape: tuple[int, int, int]
    spacing: Vector
    axes: tuple[Vector, Vector, Vector]
    origin: Vector

    def __post_init__(self) -> None:
        numbers = [*self.spacing, *self.origin, *(x for axis in self.axes for x in axis)]
        if not all(math.isfinite(x) for x in numbers):
            raise GeometryError("The image's position, direction or spacing contains a value that is not a number.")
        if min(self.shape) < 1 or min(self.spacing) <= 0:
            raise GeometryError(
                f"The image has the size {self.shape} and the spacing {self.spacing} mm; every one of them must be above zero."
            )
        a = np.asarray(self.axes)
        if np.abs(a @ a.T - np.eye(3)).max() > 5e-3:
            raise GeometryError("The image's axes are not perpendicular to each other (sheared image); resample it first.")

    # -- between index and patient -------------------------------------------------------------------------------

    @cached_property
    def matrix(self) -> NDArray[np.float64]:
        """(3, 3): column ``a`` is the LPS step in mm of one voxel along array axis ``a`` (k, j, i)."""
        step: NDArray[np.float64] = np.array(self.axes, dtype=float).T * np.array(self.spacing, dtype=float)
        return step

    def to_world(self, index: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        """LPS positions in mm, shape ``(..., 3)``, of (fractional) array indices ``(..., 3)`` in (k, j, i) order."""
        world: NDArray[np.float64] = np.asarray(index, dtype=float) @ self.matrix.T + np.array(self.origin)
        return world

    def to_index(self, world: NDArray[np.floating]) -> NDArray[np.float64]:
        """Fractional array indices ``(..., 3)`` in (k, j, i) order of LPS positions ``(..., 3)`` in mm."""
        inverse = np.linalg.inv(self.matrix)
        index: NDArray[np.float64] = (np.asarray(world, dtype=float) - np.array(self.origin)) @ inverse.T
        return index

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel in mm3."""
        return float(np.prod(self.spacing))

    def corners(self) -> NDArray[np.float64]:
        """LPS positions in mm of the eight corner voxels' centres, shape (8, 3)."""
        last = np.asarray(self.shape) - 1
        unit = np.array([[k, j, i] for k in (0, 1) for j in (0, 1) for i in (0, 1)])
        return self.to_world(unit * last)

    # -- parts and comparisons -----------------------------------------------------------------------------------

    def crop(self, start: tuple[int, int, int], stop: tuple[int, int, int]) -> Geometry:
        """The grid of ``array[start[0]:stop[0], start[1]:stop[1], start[2]:stop[2]]``."""
        shape = (stop[0] - start[0], stop[1] - start[1], stop[2] - start[2])
        return Geometry(shape, self.spacing, self.axes, _as_vector(self.to_world(np.asarray(start))))

    def differences(self, other: Geometry) -> tuple[str, ...]:
        """What keeps two grids from being one, as phrases ("spacing 2 x 1 x 1 mm against ..."); empty if nothing does.

        Two grids are one when shape agrees and no corner moves by more than ``POSITION_TOLERANCE_VOXELS``.
        """
        found = []
        if self.shape != other.shape:
            found.append(f"size {_by(self.shape)} against {_by(other.shape)} voxels")
        if not np.allclose(self.spacing, other.spacing, rtol=1e-3, atol=0):
            found.append(f"spacing {_by(self.spacing)} against {_by(other.spacing)} mm")
        if not np.allclose(self.axes, other.axes, rtol=0, atol=DIRECTION_TOLERANCE):
            found.append("direction of the axes")
        if not found:
            shift = np.linalg.norm(self.corners() - other.corners(), axis=1).max()
            if shift > POSITION_TOLERANCE_VOXELS * min(*self.spacing, *other.spacing):
                found.append(f"position, by up to {shift:.3g} mm")
        return tuple(found)

    def same_grid(self, other: Geometry) -> bool:
        """True when both describe one grid, within rounding of what files store."""
        return not self.differences(other)

    def same_lattice(self, other: Geometry) -> bool:
        """True when every voxel centre of this grid is one of ``other``, continued beyond its borders if need be.

        So it is for a grid cut out of another, or stored with its axes in another order or direction.
        """
        step = np.linalg.inv(other.matrix) @ self.matrix
        if np.abs(step - np.rint(step)).max() > DIRECTION_TOLERANCE or not (np.abs(np.rint(step)).sum(axis=0) == 1).all():
            return False
        index = other.to_index(self.corners())
        return bool(np.abs(index - np.rint(index)).max() <= POSITION_TOLERANCE_VOXELS)

    def aligned_to_axes(self) -> tuple[int, int, int]:
        """For each patient axis (L, P, S) the array axis (0 = k, 1 = j, 2 = i) that runs most nearly along it."""
        weight = np.abs(np.asarray(self.axes))
        return max(
            ((a, b, c) for a in range(3) for b in range(3) for c in range(3) if len({a, b, c}) == 3),
            key=lambda p: weight[p[0], 0] + weight[p[1], 1] + weight[p[2], 2],
        )


def _by(values: tuple[float, ...] | tuple[int, ...]) -> str:
    return " x ".join(f"{v:.4g}" for v in values)


def identity(shape: tuple[int, int, int], spacing: Vector = (1.0, 1.0, 1.0), origin: Vector = (0.0, 0.0, 0.0)) -> Geometry:
    """A grid whose axes k, j, i run along S, P, L: the usual axial CT."""
    return Geometry(shape, spacing, ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), origin)

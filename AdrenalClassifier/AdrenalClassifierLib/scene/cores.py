"""The core of a lesion, whose attenuation is measured, as a thin contour in the slice views."""

from __future__ import annotations

from typing import Any

import numpy as np
import vtk
from numpy.typing import NDArray
from vtk.util.numpy_support import numpy_to_vtk

from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.grids import as_matrix, matrix_of
from AdrenalClassifierLib.scene.masks import lesion_number
from AdrenalClassifierLib.scene.overlays import role
from AdrenalClassifierLib.scene.volumes import OWN, remove_whole

Core = tuple[NDArray[np.bool_], Geometry]
"""Mask (k, j, i) and its grid."""
COLOUR = (1.0, 1.0, 1.0)


class Cores:
    """Draws every lesion's core.

    Args:
        case: the case.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self.active = True
        """False while the module is not on the screen."""

    def draw(self, segment_id: str, core: Core | None) -> None:
        """Bring the contour to where the core is; None, or a mask of nothing, takes it away."""
        box = None if core is None else bounding_box(core[0])
        if core is None or box is None:
            self.remove(segment_id)
            return
        node = self._case.reference(role("core", segment_id)) or self._new(segment_id)
        node.SetAndObservePolyData(_surface(np.pad(boxed(core[0], *box), 1), core[1], box[0]))

    def show(self) -> None:
        """Show or hide all contours as the case says; none while the module is not on the screen."""
        visible = self.active and self._case.state.core_visible
        for segment_id in self._case.segment_ids():
            node = self._case.reference(role("core", segment_id))
            if node is not None and node.GetDisplayNode() is not None:
                node.GetDisplayNode().SetVisibility(visible)

    def remove(self, segment_id: str) -> None:
        """Take a lesion's contour away."""
        node = self._case.reference(role("core", segment_id))
        if node is not None:
            remove_whole(self._case.scene, node)
        self._case.refer(role("core", segment_id), None)

    def _new(self, segment_id: str) -> Any:
        number = lesion_number(self._case.segmentation, segment_id)
        node = self._case.scene.AddNewNodeByClass("vtkMRMLModelNode", f"Lesion {number} core")
        node.SetAttribute(OWN, "core")
        node.SetSelectable(False)
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetColor(*COLOUR)
        display.SetVisibility2D(True)
        display.SetVisibility3D(False)
        display.SetSliceIntersectionThickness(1)
        display.SetVisibility(self.active and self._case.state.core_visible)
        self._case.refer(role("core", segment_id), node)
        return node


def _surface(mask: NDArray[np.bool_], geometry: Geometry, start: tuple[int, int, int]) -> Any:
    """The surface of a mask that was padded by one voxel, RAS mm; ``start`` is the voxel of ``geometry`` at which it began."""
    image = vtk.vtkImageData()
    image.SetDimensions(*mask.shape[::-1])
    image.SetOrigin(*(float(n - 1) for n in reversed(start)))
    image.GetPointData().SetScalars(numpy_to_vtk(np.ascontiguousarray(mask, np.uint8).ravel(), deep=True))
    surface = vtk.vtkDiscreteFlyingEdges3D()
    surface.SetInputData(image)
    surface.SetValue(0, 1)
    to_ras = vtk.vtkTransform()
    to_ras.SetMatrix(as_matrix(matrix_of(geometry)))
    placed = vtk.vtkTransformPolyDataFilter()
    placed.SetInputConnection(surface.GetOutputPort())
    placed.SetTransform(to_ras)
    placed.Update()
    return placed.GetOutput()

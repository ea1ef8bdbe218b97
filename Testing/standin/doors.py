"""What a person does in the views and in a list of nodes, for tests: paint, click, pick. Product code must not use these."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import vtk


def ball(editor: Any, centre_ras: Any, radius_mm: float, erase: bool = False) -> None:
    """Paint (or erase) a ball into the current segment, as the Paint effect with a sphere brush does.

    Undo, masking, the brush's intensity range and the overwrite mode are those of Slicer's own editor logic.
    """
    logic = editor._logic
    volume, identity = editor.sourceVolumeNode(), editor.currentSegmentID()
    if volume is None or not identity:
        raise AssertionError("the editor has no source volume or no segment to paint into")
    to_ijk = vtk.vtkMatrix4x4()
    volume.GetRASToIJKMatrix(to_ijk)
    to_ras = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(to_ras)
    middle = np.array(to_ijk.MultiplyPoint([*centre_ras, 1.0])[:3])
    reach = radius_mm / np.array(volume.GetSpacing())
    low = np.maximum(np.floor(middle - reach), 0).astype(int)
    high = np.minimum(np.ceil(middle + reach), np.array(volume.GetImageData().GetDimensions()) - 1).astype(int)
    if (low > high).any():
        raise AssertionError("this place lies outside of the CT")
    brush = slicer.vtkOrientedImageData()
    brush.SetImageToWorldMatrix(to_ras)
    brush.SetExtent(low[0], high[0], low[1], high[1], low[2], high[2])
    brush.AllocateScalars(vtk.VTK_UNSIGNED_CHAR, 1)
    k, j, i = np.ogrid[low[2] : high[2] + 1, low[1] : high[1] + 1, low[0] : high[0] + 1]
    spacing = np.array(volume.GetSpacing())
    distance = sum(((axis - m) * s) ** 2 for axis, m, s in zip((i, j, k), middle, spacing, strict=True))
    inside = (distance <= radius_mm**2).astype(np.uint8)
    from vtk.util.numpy_support import vtk_to_numpy

    vtk_to_numpy(brush.GetPointData().GetScalars())[:] = inside.ravel()
    editor.saveStateForUndo()
    mode = logic.ModificationModeRemove if erase else logic.ModificationModeAdd
    logic.ModifySegmentByLabelmap(editor.segmentationNode(), identity, brush, mode, False, False)


def click(place_widget: Any, ras: Any) -> None:
    """Click once in a view while a place widget waits for a point."""
    if not place_widget.placeModeEnabled:
        raise AssertionError("no point is waited for")
    place_widget.currentNode().AddControlPoint(vtk.vtkVector3d(*ras))
    if not place_widget.placeModePersistency:
        place_widget.placeModeEnabled = False


def pick(selector: Any, node: Any) -> None:
    """Choose a node, or "none" (None), in the list of a qMRMLNodeComboBox."""
    box = selector._combo
    places = [place for place in range(box.count) if box.itemData(place) is node]
    if not places:
        raise AssertionError("this is not in the list")
    box.setCurrentIndex(places[0])
    box.activated.emit(places[0])

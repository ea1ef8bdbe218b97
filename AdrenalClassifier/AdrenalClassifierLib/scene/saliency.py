"""What the network used, as a volume over the CT: shown by a switch, with its own colours and legend, earlier layers restored."""

from __future__ import annotations

from typing import Any

import numpy as np
import slicer
import slicer.util
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.colours import of_part
from AdrenalClassifierLib.scene.grids import as_matrix, matrix_of
from AdrenalClassifierLib.scene.masks import place_beside
from AdrenalClassifierLib.scene.overlays import role
from AdrenalClassifierLib.scene.segments import segment_of, tag
from AdrenalClassifierLib.scene.volumes import OWN, nodes_of, remove_whole

LEVELS = 256
HIDDEN_SHARE = 0.1
"""Design: parts below this share of the greatest are see-through: they would veil the CT and mean little."""
OPACITY = 0.6
OWN_FILL = "AdrenalClassifier.OwnFill"
"""Segment tag with the opacity that a lesion's fill had before its map was shown."""
TITLE = "Log-odds per mL\n+ toward malignant"

_Layers = tuple[str | None, float]


class Saliency:
    """Holds the maps of the lesions and shows that of the current one.

    Args:
        case: the case.
    """

    def __init__(self, case: Case) -> None:
        self._case = case
        self._before: dict[str, _Layers] = {}
        """Foreground and its opacity of every slice view before ours."""
        self.active = True
        """False while the module is not on the screen."""

    def put(self, segment_id: str, values: NDArray[np.float32], geometry: Geometry) -> None:
        """Make a lesion's volume from the map (k, j, i) on the crop's grid; a map of zeros only makes none."""
        self.remove(segment_id)
        greatest = float(np.abs(values).max())
        if greatest == 0 or not np.isfinite(greatest):
            return
        node = self._case.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "What the network used")
        node.SetAttribute(OWN, "saliency")
        slicer.util.updateVolumeFromArray(node, np.ascontiguousarray(values, np.float32))
        node.SetIJKToRASMatrix(as_matrix(matrix_of(geometry)))
        node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        display.SetAndObserveColorNodeID(self._colours(segment_id).GetID())
        display.SetAutoWindowLevel(False)
        display.SetWindowLevelMinMax(-greatest, greatest)
        display.SetInterpolate(False)
        legend = slicer.vtkSlicerColorLogic.AddDefaultColorLegendDisplayNode(node)
        legend.SetTitleText(TITLE)
        legend.SetLabelFormat("%+.2g")
        legend.SetNumberOfLabels(5)
        legend.SetPosition(0.02, 0.5)
        legend.SetSize(0.12, 0.4)
        legend.GetTitleTextProperty().SetFontSize(12)
        legend.GetLabelTextProperty().SetFontSize(11)
        legend.SetVisibility(False)
        if self._case.ct is not None:
            place_beside(self._case.scene, node, self._case.ct)
        self._case.refer(role("saliency", segment_id), node)

    def remove(self, segment_id: str, gone: Any = None) -> None:
        """Take a lesion's volume, colours and legend away; ``gone`` is the volume when somebody has deleted it."""
        if gone is not None:
            self._withdraw(gone)
            for n in reversed(range(gone.GetNumberOfDisplayNodes())):
                if gone.GetNthDisplayNode(n) is not None:
                    self._case.scene.RemoveNode(gone.GetNthDisplayNode(n))
        node = self._case.reference(role("saliency", segment_id))
        colours = self._case.reference(role("saliency", segment_id, "colours"))
        if node is not None:
            self._withdraw(node)
            remove_whole(self._case.scene, node)
        if colours is not None:
            storage = colours.GetStorageNode()
            self._case.scene.RemoveNode(colours)
            if storage is not None:
                self._case.scene.RemoveNode(storage)
        self._case.refer(role("saliency", segment_id), None)
        self._case.refer(role("saliency", segment_id, "colours"), None)

    def update(self, segment_id: str | None) -> None:
        """Show this lesion's map if maps are to be seen and it has one; show no other."""
        node = None if segment_id is None or not self._wanted else self._case.reference(role("saliency", segment_id))
        for other in self._all():
            if other is not node:
                self._withdraw(other)
        if node is None or segment_id is None:
            return
        self._unveil(segment_id)
        for composite in nodes_of(self._case.scene, "vtkMRMLSliceCompositeNode"):
            if composite.GetForegroundVolumeID() != node.GetID():
                self._before[composite.GetID()] = (composite.GetForegroundVolumeID(), composite.GetForegroundOpacity())
                composite.SetForegroundVolumeID(node.GetID())
                composite.SetForegroundOpacity(OPACITY)
        self._legend(node, True)

    @property
    def _wanted(self) -> bool:
        return self.active and self._case.state.saliency_visible

    def release(self) -> None:
        """Give the slice views back what they showed before."""
        for node in self._all():
            self._withdraw(node)
        self._before.clear()

    def _all(self) -> list[Any]:
        volumes = nodes_of(self._case.scene, "vtkMRMLScalarVolumeNode")
        return [node for node in volumes if node.GetAttribute(OWN) == "saliency"]

    def _withdraw(self, node: Any) -> None:
        for composite in nodes_of(self._case.scene, "vtkMRMLSliceCompositeNode"):
            if composite.GetForegroundVolumeID() == node.GetID():
                volume, opacity = self._before.pop(composite.GetID(), (None, composite.GetForegroundOpacity()))
                gone = volume is not None and self._case.scene.GetNodeByID(volume) is None
                composite.SetForegroundVolumeID(None if gone else volume)
                composite.SetForegroundOpacity(opacity)
        self._legend(node, False)
        self._veil()

    def _unveil(self, segment_id: str) -> None:
        """Leave a lesion its outline only, for its fill would lie over the map."""
        display, segment = self._case.segmentation.GetDisplayNode(), segment_of(self._case.segmentation, segment_id)
        if display is not None and not tag(segment, OWN_FILL):
            segment.SetTag(OWN_FILL, f"{display.GetSegmentOpacity2DFill(segment_id):.6g}")
            display.SetSegmentOpacity2DFill(segment_id, 0.0)

    def _veil(self) -> None:
        for segmentation in nodes_of(self._case.scene, "vtkMRMLSegmentationNode"):
            data = segmentation.GetSegmentation()
            for segment_id in data.GetSegmentIDs():
                opacity = tag(data.GetSegment(segment_id), OWN_FILL)
                if opacity:
                    data.GetSegment(segment_id).RemoveTag(OWN_FILL)
                    if segmentation.GetDisplayNode() is not None:
                        segmentation.GetDisplayNode().SetSegmentOpacity2DFill(segment_id, float(opacity))

    def _legend(self, node: Any, visible: bool) -> None:
        legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(node)
        if legend is not None:
            legend.SetVisibility(visible)

    def _colours(self, segment_id: str) -> Any:
        table = self._case.scene.AddNewNodeByClass("vtkMRMLColorTableNode", "What the network used, colours")
        table.SetAttribute(OWN, "colours")
        table.SetTypeToUser()
        table.SetNumberOfColors(LEVELS)
        for n in range(LEVELS):
            share = 2 * n / (LEVELS - 1) - 1
            table.SetColor(n, f"{share:+.3f}", *of_part(share), float(abs(share) >= HIDDEN_SHARE))
        table.SetHideFromEditors(True)
        self._case.refer(role("saliency", segment_id, "colours"), table)
        return table

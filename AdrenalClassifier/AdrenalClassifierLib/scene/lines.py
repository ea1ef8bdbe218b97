"""Diameters as lines in the views. A line that a reader moves is theirs: its length stands beside the measured one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.grids import ras_of
from AdrenalClassifierLib.scene.markups import add_markups
from AdrenalClassifierLib.scene.masks import lesion_number
from AdrenalClassifierLib.scene.observers import Observers
from AdrenalClassifierLib.scene.overlays import role
from AdrenalClassifierLib.scene.volumes import remove_whole

LINES = {"long": ("long_axis_mm", "long axis"), "short": ("short_axis_mm", "short axis")}
"""Part of the role -> measurement, and its name in the view."""
COLOURS = {"long": (0.34, 0.71, 0.91), "short": (0.90, 0.62, 0.00)}


class Lines:
    """Draws every lesion's two axial diameters.

    Args:
        case: the case.
        told: called with a lesion's id when a reader has moved one of its lines.
    """

    def __init__(self, case: Case, told: Callable[[str], None]) -> None:
        self._case, self._told = case, told
        self._observed: dict[str, Observers] = {}
        self._ours = False
        self.active = True

    def draw(self, segment_id: str, values: Measurements | None) -> None:
        """Bring the lines to where the measurements are; those set by hand stay. None takes away all but those."""
        for part, (key, words) in LINES.items():
            name = role("line", segment_id, part)
            if key in self._case.state.lesion(segment_id).by_hand:
                if self._case.reference(name) is not None:
                    self._watch(segment_id, part)
                    continue
                del self._case.state.lesion(segment_id).by_hand[key]  # its line was deleted
            if values is None:
                self._remove(segment_id, part)
                continue
            node = self._case.reference(name) or self._new(segment_id, part, words)
            # The length stands at the last point, and views write to its upper right: that one is most to the left and front.
            ends = sorted(getattr(values, key.replace("_mm", "_ends_mm")), key=lambda end: end[0] - end[1])
            self._ours = True
            was = node.StartModify()
            node.RemoveAllControlPoints()
            for end in ends:
                node.AddControlPointWorld(*ras_of(end))
            _label(node)
            node.EndModify(was)
            self._ours = False
            self._watch(segment_id, part)

    def show(self) -> None:
        """Show or hide all lines as the case says; none while the module is not on the screen."""
        visible = self.active and self._case.state.lines_visible
        for segment_id in self._case.segment_ids():
            for part in LINES:
                node = self._case.reference(role("line", segment_id, part))
                if node is not None and node.GetDisplayNode() is not None:
                    node.GetDisplayNode().SetVisibility(visible)

    def forget_by_hand(self, segment_id: str) -> None:
        """Drop what a reader set; ``draw`` then brings the lines back."""
        self._case.state.lesion(segment_id).by_hand.clear()

    def remove(self, segment_id: str) -> None:
        """Take a lesion's lines away."""
        for part in LINES:
            self._remove(segment_id, part)

    def lost(self) -> None:
        """Somebody may have deleted a line: watch it no more, and count it as set by hand no more."""
        for segment_id in self._case.segment_ids():
            for part, (key, _words) in LINES.items():
                name = role("line", segment_id, part)
                if name in self._observed and self._case.reference(name) is None:
                    self._observed.pop(name).clear()
                    self._case.state.lesion(segment_id).by_hand.pop(key, None)

    def release(self) -> None:
        """Remove all observers; the nodes stay."""
        for observers in self._observed.values():
            observers.clear()
        self._observed.clear()

    def _new(self, segment_id: str, part: str, words: str) -> Any:
        number = lesion_number(self._case.segmentation, segment_id)
        node = add_markups(self._case.scene, "vtkMRMLMarkupsLineNode", f"Lesion {number} {words}", "line")
        display = node.GetDisplayNode()
        display.SetVisibility(self.active and self._case.state.lines_visible)
        display.SetSelectedColor(*COLOURS[part])
        display.SetColor(*COLOURS[part])
        display.SetTextScale(2.5)
        display.SetGlyphScale(1.2)
        display.SetCurveLineSizeMode(display.UseLineThickness)
        display.SetLineThickness(0.4)
        display.SetPointLabelsVisibility(True)
        display.SetPropertiesLabelVisibility(False)  # it stands in the middle, where the two lines of a lesion cross
        self._case.refer(role("line", segment_id, part), node)
        return node

    def _remove(self, segment_id: str, part: str) -> None:
        name = role("line", segment_id, part)
        if name in self._observed:
            self._observed.pop(name).clear()
        node = self._case.reference(name)
        if node is not None:
            remove_whole(self._case.scene, node)
        self._case.refer(name, None)

    def _watch(self, segment_id: str, part: str) -> None:
        name = role("line", segment_id, part)
        if name in self._observed:
            self._observed.pop(name).clear()
        node = self._case.reference(name)
        self._observed[name] = observers = Observers()
        observers.add(node, node.PointModifiedEvent, lambda: self._moved(segment_id, part))

    def _moved(self, segment_id: str, part: str) -> None:
        node = self._case.reference(role("line", segment_id, part))
        if self._ours or node is None or node.GetNumberOfDefinedControlPoints() != 2:
            return
        length = float(node.GetLineLengthWorld())
        by_hand = self._case.state.lesion(segment_id).by_hand
        if by_hand.get(LINES[part][0]) != length:
            by_hand[LINES[part][0]] = length
            self._ours = True
            _label(node)
            self._ours = False
            self._told(segment_id)


def _label(node: Any) -> None:
    """Write a line's length at its last point."""
    node.SetNthControlPointLabel(0, "")
    node.SetNthControlPointLabel(1, f"{node.GetLineLengthWorld():.1f} mm")

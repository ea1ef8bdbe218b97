"""Results in the views follow the truth: shown while a result's inputs are unchanged, gone at once when they are not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer.util

from AdrenalClassifierLib.assessment import fingerprint
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.handover import assessment_of
from AdrenalClassifierLib.scene.overlays import Overlays, give_colour_back, role
from AdrenalClassifierLib.scene.ports import Timers
from AdrenalClassifierLib.scene.running import Kept, Running
from AdrenalClassifierLib.scene.saliency import Saliency
from AdrenalClassifierLib.scene.segments import segment_of
from AdrenalClassifierLib.scene.volumes import OWN, nodes_of, remove_whole

ROLES = ("label", "line", "core", "saliency", "colours")
"""What this software puts into a scene beside the lesions' segmentation."""


class Showing:
    """Keeps overlays in step with results.

    Args:
        case: the case.
        running: holds the results.
        timers: the clock.
        changed: called when a result has become stale or true again.
    """

    def __init__(self, case: Case, running: Running, timers: Timers, changed: Callable[[], None]) -> None:
        self._case, self._running, self._timers, self._changed = case, running, timers, changed
        self.overlays, self.saliency = Overlays(case), Saliency(case)
        self.active = True
        """False while the module is not on the screen: nothing is shown."""
        self._shown: dict[str, Kept] = {}
        self._unverified: list[str] = []
        self._stop_timer: Callable[[], None] | None = None

    def refresh(self) -> None:
        """Show what is true, take away what is not."""
        different = False
        ids = self._case.segment_ids()
        for segment_id in [*self._shown]:
            if segment_id not in ids:
                self._take_away(segment_id)
        for segment_id in ids:
            result, kept = self._running.result(segment_id), self._running.kept.get(segment_id)
            shown = self._shown.get(segment_id)
            fresh = kept is not None and not result.stale and self.active
            if shown is not None and (not fresh or shown is not kept):
                self._take_away(segment_id, map_too=self.active)
                different = True
            if fresh and kept is not None and self._shown.get(segment_id) is not kept:
                self._show(segment_id, kept)
                different = True
        for segment_id in ids:
            if segment_id not in self._shown:  # a copy of a lesion that has the colour of its probability
                give_colour_back(segment_of(self._case.segmentation, segment_id))
        self.overlays.update()
        self.saliency.update(self._case.state.current)
        if different:
            self._changed()

    def forget(self) -> None:
        """Know nothing any more; the scene is left as it is."""
        self._shown.clear()
        self._unverified.clear()
        if self._stop_timer is not None:
            self._stop_timer()
            self._stop_timer = None

    def set_active(self, active: bool) -> None:
        """Take every overlay out of the views, or bring back what is true. Maps stay in the scene, unseen."""
        self.active = self.saliency.active = active
        self.refresh()

    def restore(self) -> None:
        """Take up stored results. Each is stale until its inputs' fingerprint has been compared, one lesion at a time."""
        self.forget()
        for segment_id in self._case.segment_ids():
            lesion = self._case.state.lesions.get(segment_id)
            if lesion is None or lesion.assessment is None:
                continue
            try:
                assessment = assessment_of(lesion.assessment)
            except AdrenalError:
                lesion.assessment = None  # of another version: nothing that could be shown
                continue
            node = self._case.reference(role("saliency", segment_id))
            values = None if node is None or node.GetImageData() is None else slicer.util.arrayFromVolume(node).copy()
            self._running.kept[segment_id] = Kept(assessment, None, values)
            self._unverified.append(segment_id)
        self._plan()

    def sweep(self) -> None:
        """Remove nodes of ours that no case refers to, and colours of probabilities that nobody vouches for."""
        node = self._case.find_node()
        roles: list[str] = []
        if node is not None:
            node.GetNodeReferenceRoles(roles)
        kept = {item.GetID() for item in (self._case.reference(name) for name in roles) if item is not None}
        for kind in ("vtkMRMLMarkupsNode", "vtkMRMLModelNode", "vtkMRMLScalarVolumeNode", "vtkMRMLColorTableNode"):
            for item in nodes_of(self._case.scene, kind):
                if item.GetAttribute(OWN) in ROLES and item.GetID() not in kept:
                    if kind == "vtkMRMLColorTableNode":
                        self._case.scene.RemoveNode(item)
                    else:
                        remove_whole(self._case.scene, item)
        for segmentation in nodes_of(self._case.scene, "vtkMRMLSegmentationNode"):
            if segmentation is self._case.segmentation:
                continue
            data = segmentation.GetSegmentation()
            for segment_id in data.GetSegmentIDs():
                give_colour_back(data.GetSegment(segment_id))

    def lost(self, node: Any) -> None:
        """A node of ours was deleted by somebody: clear up what belonged to it."""
        for segment_id in self._case.segment_ids():
            if node.GetAttribute(OWN) == "saliency" and self._case.reference(role("saliency", segment_id)) is None:
                self.saliency.remove(segment_id, gone=node)

    def _show(self, segment_id: str, kept: Kept) -> None:
        try:
            self.overlays.show(segment_id, kept.assessment)
            if kept.saliency is not None and self._case.reference(role("saliency", segment_id)) is None:
                lesion = self._case.lesion(segment_id)
                if lesion.geometry.shape == kept.saliency.shape:
                    self.saliency.put(segment_id, kept.saliency, lesion.geometry)
        except AdrenalError:
            self._take_away(segment_id)
            return
        self._shown[segment_id] = kept

    def take_away(self, segment_id: str) -> None:
        """Take away what stands for a lesion."""
        self._take_away(segment_id)

    def _take_away(self, segment_id: str, map_too: bool = True) -> None:
        self._shown.pop(segment_id, None)
        self.overlays.hide(segment_id)
        if map_too:
            self.saliency.remove(segment_id)

    def _plan(self) -> None:
        if self._unverified and self._stop_timer is None:
            self._stop_timer = self._timers.later(0, self._verify)

    def _verify(self) -> None:
        self._stop_timer = None
        segment_id = self._unverified.pop(0)
        kept = self._running.kept.get(segment_id)
        if kept is not None and kept.key is None:
            true = False
            try:
                found = fingerprint(self._case.lesion(segment_id), self._case.patient()[0])
                made = self._case.state.lesion(segment_id).made_with
                true = found == kept.assessment.provenance.input_sha256 and made == self._case.made_with()
            except AdrenalError:
                pass
            if true:
                kept.key = self._running.key(segment_id)
                self._shown.pop(segment_id, None)
                self.refresh()
            else:
                self._take_away(segment_id)
            self._changed()
        self._plan()

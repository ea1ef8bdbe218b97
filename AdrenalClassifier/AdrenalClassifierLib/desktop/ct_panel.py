"""Section 1: which CT, which phase it is, and further phases by role."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import slicer

from AdrenalClassifierLib.desktop.dicom_phase import stated_phase
from AdrenalClassifierLib.desktop.icons import Resource
from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.desktop.timers import after
from AdrenalClassifierLib.desktop.wording import phase_words
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.scene.session import Session
from AdrenalClassifierLib.scene.volumes import is_ct_candidate, nodes_of

ASKED: tuple[Phase, ...] = ("unknown", "unenhanced", "arterial", "portal", "delayed")
ROLES: tuple[Phase, ...] = ASKED[1:]
LOADED_MS = 250
"""A volume is in the scene before its voxels and before the views show it; after this time both are there."""


class CtPanel:
    """The CT and its phases.

    Args:
        session: the work.
        resource: finds the module's files.
        load_sample: loads the sample case, for an empty scene.
    """

    def __init__(self, session: Session, resource: Resource, load_sample: Any) -> None:
        self._session = session
        self.widget = slicer.util.loadUI(resource("UI/CtPanel.ui"))
        self._ui = ui = slicer.util.childWidgetVariables(self.widget)
        self._selectors = {role: getattr(ui, f"{role}Selector") for role in ROLES}
        self._showing = False
        self._stop_looking: Callable[[], None] | None = None
        for phase in ASKED:
            ui.phaseSelector.addItem(_("Choose the phase") if phase == "unknown" else phase_words(phase), phase)
        for selector in (ui.ctSelector, *self._selectors.values()):
            selector.setMRMLScene(slicer.mrmlScene)
        # Not currentNodeChanged: a selector also says that when it is filled anew after a scene was read (it is empty in between)
        # and when the node that it shows was deleted (it goes on to the next one); neither is a person's choice.
        ui.ctSelector.connect("nodeActivated(vtkMRMLNode*)", self._ct_picked)
        ui.ctSelector.connect("nodeAdded(vtkMRMLNode*)", self._volume_added)
        ui.phaseSelector.connect("activated(int)", self._phase_picked)
        self._pickers = {role: guarded(lambda node, role=role: self._further_picked(role, node)) for role in ROLES}
        for role, selector in self._selectors.items():
            selector.connect("nodeActivated(vtkMRMLNode*)", self._pickers[role])
        ui.dicomButton.connect("clicked()", guarded(lambda: slicer.util.selectModule("DICOM")))
        ui.sampleButton.connect("clicked()", guarded(load_sample))
        session.changed.connect(self._changed)
        self.render()

    def enter(self) -> None:
        """Show what the scene holds now."""
        self.render()

    def close(self) -> None:
        """Leave the session and the scene."""
        if self._stop_looking is not None:
            self._stop_looking()
        self._session.changed.disconnect(self._changed)
        for selector in (self._ui.ctSelector, *self._selectors.values()):
            selector.blockSignals(True)
            selector.setMRMLScene(None)

    def render(self) -> None:
        """Show the session's state."""
        ui, session = self._ui, self._session
        self._showing = True
        try:
            ui.ctSelector.setCurrentNode(session.ct)
            there = session.ct is not None
            any_volume = there or any(is_ct_candidate(node) for node in nodes_of(slicer.mrmlScene, "vtkMRMLScalarVolumeNode"))
            ui.emptyFrame.visible = not any_volume
            ui.phaseSelector.enabled = there
            ui.phaseSelector.toolTip = "" if there else _("Choose the CT first.")
            ui.phaseSelector.currentIndex = ASKED.index(session.phase)
            ui.phaseHint.text = self._phase_hint()
            ui.phaseHint.visible = bool(ui.phaseHint.text)
            ui.problemLabel.text = session.ct_problem or ""
            ui.problemLabel.visible = bool(ui.problemLabel.text)
            ui.furtherBox.enabled = there
            for role, selector in self._selectors.items():
                own = role == session.phase
                selector.enabled = not own
                selector.setCurrentNode(session.further.get(role))
                selector.toolTip = _("The CT above is this phase.") if own else _("CT of this phase, of the same patient")
        finally:
            self._showing = False

    def _phase_hint(self) -> str:
        if self._session.ct is None:
            return ""
        if self._session.phase == "unknown":
            return _("The file does not state the phase. Without it there is no unenhanced attenuation and no washout.")
        read = self._session.phase == stated_phase(self._session.ct)
        if self._session.phase == "unenhanced":
            return _("The phase was read from the DICOM headers.") if read else ""
        if "unenhanced" not in self._session.further:
            return _("An unenhanced CT, given under further phases, adds the attenuation that rules adenomas in.")
        return _("The phase was read from the DICOM headers.") if read else ""

    def _changed(self, topic: str) -> None:
        if topic in ("ct", "problem"):
            self.render()

    def _volume_added(self, _node: Any) -> None:
        if self._stop_looking is not None:
            self._stop_looking()
        self._stop_looking = after(LOADED_MS, self._look_again)

    def _look_again(self) -> None:
        guarded(self._session.choose_visible_ct)()
        self.render()

    def _ct_picked(self, node: Any) -> None:
        if not self._showing:
            guarded(self._session.set_ct)(node)
            self.render()

    def _phase_picked(self, index: int) -> None:
        if not self._showing:
            guarded(self._session.set_phase)(ASKED[index])

    def _further_picked(self, role: Phase, node: Any) -> None:
        if not self._showing:
            try:
                self._session.set_further(role, node)
            finally:
                self.render()

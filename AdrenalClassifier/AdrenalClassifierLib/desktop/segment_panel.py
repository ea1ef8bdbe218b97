"""Section 2: the lesions, the Segment Editor inside the panel, the brush's range, and a first outline from one click."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import slicer

from AdrenalClassifierLib.desktop.grow_click import GrowClick
from AdrenalClassifierLib.desktop.icons import Resource, icon
from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.desktop.timers import after
from AdrenalClassifierLib.desktop.wording import lesion_words, side_words
from AdrenalClassifierLib.imaging.images import Side
from AdrenalClassifierLib.scene.session import LesionInfo, Session

PALETTE = (
    "Paint", "Erase", "Draw", "Threshold", "Level tracing", "Grow from seeds", "Islands", "Smoothing", "Scissors",
)  # fmt: skip
"""Effects of the Segment Editor that outlining a lesion needs, in the order of their use."""
SIDES: tuple[Side, ...] = ("right", "left", "unknown")
UNDO_STATES = 10
GUARDED = "AdrenalClassifier.Guarded"
"""Attribute of the editor node: the brush's range was set by this panel once, so what it holds now is the user's."""
TOPICS = ("ct", "lesions", "current", "result", "problem", "grow")


class SegmentPanel(slicer.util.VTKObservationMixin):  # type: ignore[misc]
    """The outlines."""

    def __init__(self, session: Session, resource: Resource) -> None:
        super().__init__()
        self._session = session
        self._entered = self._showing = self._closed = False
        self._keys = True
        self._leading = 0
        """Above 0 while the editor is brought in step with the session: what it says then is nobody's choice."""
        self._shown: tuple[Any, ...] | None = None
        self.widget = slicer.util.loadUI(resource("UI/SegmentPanel.ui"))
        self._ui = ui = slicer.util.childWidgetVariables(self.widget)
        self._editor = ui.editor
        for button, name in ((ui.newRightButton, "lesion_right"), (ui.newLeftButton, "lesion_left"), (ui.growButton, "grow")):
            button.setIcon(icon(resource, name))
        ui.removeButton.setIcon(icon(resource, "remove"))
        ui.removeButton.toolTip = _("Remove this lesion with its outline and result")
        ui.lesionSelector.toolTip = _("The lesion at work")
        ui.sideSelector.toolTip = _("The side of the patient on which the lesion lies")
        for side in SIDES:
            ui.sideSelector.addItem(side_words(side), side)
        self._set_up_editor()
        ui.segmentationSelector.setMRMLScene(slicer.mrmlScene)
        # See CtPanel: only what a person chooses counts.
        ui.segmentationSelector.connect("nodeActivated(vtkMRMLNode*)", guarded(self._segmentation_picked))
        ui.segmentationSelector.connect("nodeAdded(vtkMRMLNode*)", self._segmentation_added)
        self._grow = GrowClick(session, ui.placeWidget, ui.growButton, ui.growHint, self._editor)
        ui.newRightButton.connect("clicked()", guarded(lambda: self._new_lesion("right")))
        ui.newLeftButton.connect("clicked()", guarded(lambda: self._new_lesion("left")))
        ui.removeButton.connect("clicked()", guarded(self._remove))
        ui.lesionSelector.connect("activated(int)", guarded(self._lesion_picked))
        ui.sideSelector.connect("activated(int)", guarded(self._side_picked))
        ui.guardCheck.connect("toggled(bool)", guarded(lambda _on: self._guard_changed()))
        ui.guardLow.connect("valueChanged(int)", guarded(lambda _value: self._guard_changed()))
        ui.guardHigh.connect("valueChanged(int)", guarded(lambda _value: self._guard_changed()))
        session.changed.connect(self._changed)
        scene = slicer.mrmlScene
        self.addObserver(scene, scene.StartCloseEvent, self._scene_closing)
        self.addObserver(scene, scene.EndCloseEvent, self._scene_changed)
        self.addObserver(scene, scene.EndImportEvent, self._scene_changed)
        self.addObserver(scene, scene.StartBatchProcessEvent, self._batch_begins)
        self.addObserver(scene, scene.EndBatchProcessEvent, self._batch_ends)
        self.render()

    def _set_up_editor(self) -> None:
        editor = self._editor
        editor.setMaximumNumberOfUndoStates(UNDO_STATES)
        editor.segmentationNodeSelectorVisible = False
        editor.sourceVolumeNodeSelectorVisible = False
        editor.switchToSegmentationsButtonVisible = False
        editor.addRemoveSegmentButtonsVisible = False
        editor.maskingSectionVisible = False
        editor.effectColumnCount = 3
        editor.setEffectNameOrder(list(PALETTE))
        editor.unorderedEffectsVisible = False
        # The node before the scene, so that what the editor chooses by itself is kept in it.
        self._select_node()
        editor.setMRMLScene(slicer.mrmlScene)
        editor.connect("currentSegmentIDChanged(QString)", self._segment_picked)
        factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
        factory.connect("effectRegistered(QString)", self._effect_registered)

    # -- life ----------------------------------------------------------------------------------------------------

    def enter(self) -> None:
        """The module is shown: shortcuts and the views are the editor's."""
        self._entered = True
        self._show_keys()
        self._update_editor()

    def exit(self) -> None:
        """Another module is shown: give shortcuts and views back."""
        self._entered = False
        self._grow.stop()
        self._editor.setActiveEffect(None)
        self._show_keys()
        self._editor.removeViewObservations()

    def allow_keys(self, allowed: bool) -> None:
        """Say whether the editor may have its keys, digits and letters among them, while the module is shown: not while a person
        works in another section with the keyboard, where the same keys mean something else."""
        if allowed != self._keys:
            self._keys = allowed
            self._show_keys()

    def _show_keys(self) -> None:
        if self._entered and self._keys:
            # By default they go to the main window; without one they would belong to nothing, which Qt warns of for every key.
            self._editor.installKeyboardShortcuts(slicer.util.mainWindow() or self.widget)
        else:
            self._editor.uninstallKeyboardShortcuts()

    def close(self) -> None:
        """Leave the session, the scene and the effects' factory."""
        self._closed = True
        if self._entered:
            self.exit()
        self.removeObservers()
        self._session.changed.disconnect(self._changed)
        self._grow.close()
        self._ui.segmentationSelector.blockSignals(True)
        self._ui.segmentationSelector.setMRMLScene(None)
        factory = slicer.qSlicerSegmentEditorEffectFactory.instance()
        factory.disconnect("effectRegistered(QString)", self._effect_registered)
        self._editor.disconnect("currentSegmentIDChanged(QString)", self._segment_picked)

    def _effect_registered(self, _name: str) -> None:
        self._editor.updateEffectList()

    def _scene_closing(self, _caller: Any, _event: Any) -> None:
        self._grow.stop()
        self._editor.setSegmentationNode(None)
        self._editor.removeViewObservations()
        self._shown = None

    def _scene_changed(self, _caller: Any, _event: Any) -> None:
        if self._entered:
            self._update_editor()

    def _update_editor(self) -> None:
        self._select_node()
        self._editor.setupViewObservations()
        with self._led():
            self._editor.updateWidgetFromMRML()
        self.render()

    def _batch_begins(self, _caller: Any, _event: Any) -> None:
        # The editor looks at the scene only when a batch is over, before this panel is told: it then turns to the first segment.
        self._batch = True

    def _batch_ends(self, _caller: Any, _event: Any) -> None:
        self._batch = False
        self._show_in_editor()

    _batch = False

    @contextlib.contextmanager
    def _led(self) -> Iterator[None]:
        self._leading += 1
        try:
            yield
        finally:
            self._leading -= 1

    def _select_node(self) -> None:
        node = self._session.editor_node
        if node.GetAttribute(GUARDED) is None:
            node.SetAttribute(GUARDED, "1")
            # Lesions side by side: painting one never takes voxels from another.
            node.SetOverwriteMode(node.OverwriteNone)
            self._session.set_brush_range(self._ui.guardLow.value, self._ui.guardHigh.value)
        if self._editor.mrmlSegmentEditorNode() is not node:
            self._editor.setMRMLSegmentEditorNode(node)
        self._show_guard(node)

    # -- showing -------------------------------------------------------------------------------------------------

    def render(self) -> None:
        """Show the session's state."""
        ui, session = self._ui, self._session
        lesions = session.lesions
        reason = self._reason()
        for button in (ui.newRightButton, ui.newLeftButton, ui.growButton):
            button.enabled = not reason
        ui.newRightButton.toolTip = reason or _("Outline a lesion of the right adrenal gland")
        ui.newLeftButton.toolTip = reason or _("Outline a lesion of the left adrenal gland")
        ui.growButton.toolTip = reason or _("Click once inside the lesion in a view for a first outline; undo takes it back")
        ui.reasonLabel.text = reason or ("" if lesions else _("Start with a new lesion, then paint it or grow it from a click."))
        ui.reasonLabel.visible = bool(ui.reasonLabel.text)
        self._show_segmentation(reason)
        self._show_lesions(lesions)
        ui.workWidget.visible = bool(lesions)
        self._editor.enabled = not reason
        self._editor.toolTip = reason
        self._show_in_editor()
        self._grow.render()

    def _reason(self) -> str:
        if self._session.ct is None:
            return _("Choose the CT first, in section 1.")
        return self._session.ct_problem or ""

    def _show_segmentation(self, reason: str) -> None:
        """The choice between segmentations matters only where the scene holds one, such as one that was loaded from a file."""
        selector = self._ui.segmentationSelector
        self._showing = True
        selector.setCurrentNode(self._session.segmentation)
        self._showing = False
        for widget in (selector, self._ui.segmentationLabel):
            widget.visible = selector.nodeCount() > 0
        selector.enabled = not reason
        selector.toolTip = reason or _("Outlines from a file or from another module; every segment is a lesion")

    def _segmentation_picked(self, node: Any) -> None:
        if not self._showing:
            self._session.set_segmentation(node)
            self.render()

    def _segmentation_added(self, _node: Any) -> None:
        # Also said while a selector is filled anew after a scene was read; it knows the nodes only when that is done.
        after(0, self._look_again)

    def _look_again(self) -> None:
        if not self._closed:
            self._show_segmentation(self._reason())

    def _show_lesions(self, lesions: tuple[LesionInfo, ...]) -> None:
        now = (lesions, self._session.current)
        if now == self._shown:
            return
        self._shown = now
        selector = self._ui.lesionSelector
        selector.clear()
        for lesion in lesions:
            selector.addItem(lesion_words(lesion), lesion.segment_id)
        at = [lesion.segment_id for lesion in lesions].index(self._session.current) if self._session.current else -1
        selector.currentIndex = at
        self._ui.sideSelector.currentIndex = SIDES.index(lesions[at].side) if at >= 0 else -1

    def _show_in_editor(self) -> None:
        with self._led():
            self._bring_in_step()

    def _bring_in_step(self) -> None:
        editor, session = self._editor, self._session
        if session.segmentation is not None and not slicer.mrmlScene.IsNodePresent(editor.mrmlSegmentEditorNode()):
            self._select_node()  # somebody removed it
        if editor.segmentationNode() is not session.segmentation:
            editor.setSegmentationNode(session.segmentation)
        if session.segmentation is not None and session.ct is not None and editor.sourceVolumeNode() is not session.ct:
            editor.setSourceVolumeNode(session.ct)
        if session.current and editor.currentSegmentID() != session.current:
            editor.setCurrentSegmentID(session.current)

    def _show_guard(self, node: Any) -> None:
        ui = self._ui
        low, high = node.GetSourceVolumeIntensityMaskRange()
        for widget in (ui.guardCheck, ui.guardLow, ui.guardHigh):
            widget.blockSignals(True)
        ui.guardCheck.checked = bool(node.GetSourceVolumeIntensityMask())
        if ui.guardCheck.checked:
            ui.guardLow.value, ui.guardHigh.value = round(low), round(high)
        for widget in (ui.guardCheck, ui.guardLow, ui.guardHigh):
            widget.blockSignals(False)
        ui.guardLow.enabled = ui.guardHigh.enabled = ui.guardCheck.checked

    # -- what the user does --------------------------------------------------------------------------------------

    def _changed(self, topic: str) -> None:
        if topic in TOPICS:
            self.render()

    def _new_lesion(self, side: Side) -> None:
        self._session.add_lesion(side)
        if self._editor.activeEffect() is None:
            self._editor.setActiveEffectByName("Paint")

    def _remove(self) -> None:
        current = self._session.current
        if current is None:
            return
        outlined = not next(lesion for lesion in self._session.lesions if lesion.segment_id == current).empty
        if not outlined or slicer.util.confirmYesNoDisplay(_("Remove this lesion with its outline and its result?")):
            self._session.remove_lesion(current)

    def _lesion_picked(self, _index: int) -> None:
        self._session.set_current(self._ui.lesionSelector.currentData)

    def _side_picked(self, index: int) -> None:
        if self._session.current is not None:
            self._session.set_side(self._session.current, SIDES[index])

    def _segment_picked(self, segment_id: str) -> None:
        if segment_id and not self._leading and not self._batch and self._editor.segmentationNode() is self._session.segmentation:
            guarded(self._session.set_current)(segment_id)

    def _guard_changed(self) -> None:
        ui = self._ui
        ui.guardLow.enabled = ui.guardHigh.enabled = ui.guardCheck.checked
        if ui.guardLow.value > ui.guardHigh.value:
            ui.guardHigh.value = ui.guardLow.value  # comes back here
            return
        self._session.set_brush_range(ui.guardLow.value, ui.guardHigh.value if ui.guardCheck.checked else None)

"""The sections CT, Segment and Measurements, used as a person does, over the real session."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from AdrenalClassifierLib.desktop.ct_panel import CtPanel
from AdrenalClassifierLib.desktop.dicom_phase import CONTRAST_PHASE, INSTANCES, files_of, stated_phase
from AdrenalClassifierLib.desktop.measure_panel import MeasurePanel
from AdrenalClassifierLib.desktop.segment_panel import PALETTE, SegmentPanel
from AdrenalClassifierLib.scene.session import Session
from standin import LIBRARY, doors, pythonqt
from standin.plugin import Host, import_scene
from support.scene_cases import GRIDS, SPACING, add_ct, body, under_patient
from support.session_case import CENTRES, RADII, Work

import qt  # isort: skip
import slicer  # isort: skip


def resource(name: str) -> str:
    return str(LIBRARY / "Resources" / name)


@pytest.fixture
def work(host: Host) -> Iterator[Work]:
    """The real session over a worker that answers when told."""
    made = Work(host.scene)
    yield made
    made.session.close()


@pytest.fixture
def show(host: Host) -> Iterator[Callable[..., Any]]:
    """Makes a panel and shows it; closed in the end."""
    made: list[Any] = []

    def make(kind: Any, session: Session, *more: Any) -> Any:
        panel = kind(session, resource, *more)
        made.append(panel)
        host.show(panel.widget)
        return panel

    yield make
    for panel in made:
        panel.close()


def ras(lesion: int) -> tuple[float, float, float]:
    """The middle of one of the two balls, RAS mm."""
    place = GRIDS["axial"] @ [*CENTRES[lesion][::-1], 1.0]
    return (float(place[0]), float(place[1]), float(place[2]))


def visible_text(host: Host, panel: Any, name: str) -> str:
    label = host.child(panel.widget, name)
    return str(label.text) if label.isVisible() else ""


# -- CT ----------------------------------------------------------------------------------------------------------------


def test_an_empty_scene_offers_ways_to_a_ct(host: Host, work: Work, show: Callable[..., Any]) -> None:
    loaded: list[str] = []
    panel = show(CtPanel, work.session, lambda: loaded.append("sample"))
    assert "No CT is open" in visible_text(host, panel, "emptyLabel")
    host.click(host.child(panel.widget, "sampleButton"))
    host.click(host.child(panel.widget, "dicomButton"))
    assert loaded == ["sample"]
    assert ("module", "DICOM", "") in host.shown.messages
    phase = host.child(panel.widget, "phaseSelector")
    assert not phase.enabled
    assert phase.toolTip
    host.picture(panel.widget, "ct_empty")


def test_a_ct_that_is_loaded_while_the_panel_is_open_is_chosen(host: Host, work: Work, show: Callable[..., Any]) -> None:
    panel = show(CtPanel, work.session, lambda: None)
    ct = work.add_ct()
    host.wait(lambda: work.session.ct is ct, 5)
    assert host.child(panel.widget, "ctSelector").currentNode() is ct
    assert not host.child(panel.widget, "emptyFrame").isVisible()


def test_the_phase_is_asked_and_kept(host: Host, work: Work, show: Callable[..., Any]) -> None:
    work.add_ct()
    work.session.choose_visible_ct()
    panel = show(CtPanel, work.session, lambda: None)
    phase = host.child(panel.widget, "phaseSelector")
    assert phase.currentText == "Choose the phase"
    assert "does not state the phase" in visible_text(host, panel, "phaseHint")
    host.type(phase, "Portal")
    phase.activated.emit(phase.currentIndex)
    assert work.session.phase == "portal"
    assert "unenhanced" in visible_text(host, panel, "phaseHint").lower()
    host.picture(panel.widget, "ct_phase")
    phase.setCurrentIndex(1)
    phase.activated.emit(1)
    assert work.session.phase == "unenhanced"
    assert visible_text(host, panel, "phaseHint") == ""


def test_a_phase_that_was_read_is_said_to_be(host: Host, work: Work, show: Callable[..., Any]) -> None:
    ct = work.add_ct()
    ct.SetAttribute(INSTANCES, "1.1")
    database = slicer.dicomDatabase
    database.values = {("1.1", CONTRAST_PHASE): "PRE_CONTRAST"}
    try:
        work.session._stated_phase = stated_phase
        work.session.choose_visible_ct()
        panel = show(CtPanel, work.session, lambda: None)
        assert host.child(panel.widget, "phaseSelector").currentText == "Unenhanced"
        assert visible_text(host, panel, "phaseHint") == "The phase was read from the DICOM headers."
    finally:
        database.values = {}


def test_further_phases_have_roles_and_none_is_given_twice(host: Host, work: Work, show: Callable[..., Any]) -> None:
    ct = work.add_ct()
    other = add_ct(host.scene, "axial", body())
    other.SetName("Other series")
    work.session.set_ct(ct)
    work.session.set_phase("portal")
    panel = show(CtPanel, work.session, lambda: None)
    box = host.child(panel.widget, "furtherBox")
    assert box.collapsed
    box.collapsed = False
    host.process()
    own, first = host.child(panel.widget, "portalSelector"), host.child(panel.widget, "unenhancedSelector")
    assert not own.enabled
    assert own.toolTip
    doors.pick(first, other)
    assert work.session.further == {"unenhanced": other}
    host.picture(panel.widget, "ct_further")
    doors.pick(first, ct)
    assert host.shown.texts("error") == ["This volume is the CT itself. Choose another volume for the further phase."]
    assert first.currentNode() is other  # what was true stands again
    doors.pick(first, None)
    assert work.session.further == {}


def test_the_phase_is_read_from_dicom(host: Host) -> None:
    volume = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert stated_phase(volume) == "unknown"
    assert files_of(volume) == []
    volume.SetAttribute(INSTANCES, "1.1 1.2 1.3")
    database = slicer.dicomDatabase
    try:
        assert stated_phase(volume) == "unknown"
        database.values = {(uid, CONTRAST_PHASE): "PORTAL_VENOUS " for uid in ("1.1", "1.2", "1.3")}
        assert stated_phase(volume) == "portal"
        database.values["1.3", CONTRAST_PHASE] = "DELAYED"
        assert stated_phase(volume) == "unknown"
        database.paths = {"1.1": "/a", "1.2": "/b"}
        assert files_of(volume) == []
        database.paths["1.3"] = "/c"
        assert files_of(volume) == ["/a", "/b", "/c"]
    finally:
        database.values, database.paths = {}, {}


# -- Segment -----------------------------------------------------------------------------------------------------------


def test_every_grey_button_says_why(host: Host, work: Work, show: Callable[..., Any]) -> None:
    panel = show(SegmentPanel, work.session)
    assert visible_text(host, panel, "reasonLabel") == "Choose the CT first, in section 1."
    for button in panel.widget.findChildren(qt.QAbstractButton):
        if button.isVisible() and not button.isEnabled():
            assert button.toolTip == "Choose the CT first, in section 1.", button.name
    host.picture(panel.widget, "segment_no_ct")


def test_a_new_lesion_can_be_painted_at_once_and_undone(host: Host, work: Work, show: Callable[..., Any]) -> None:
    ct = work.add_ct()
    work.session.choose_visible_ct()
    panel = show(SegmentPanel, work.session)
    panel.enter()
    editor = host.child(panel.widget, "editor")
    assert not editor.isVisible()
    host.picture(panel.widget, "segment_start")
    host.click(host.child(panel.widget, "newRightButton"))
    (lesion,) = work.session.lesions
    assert (lesion.side, lesion.empty) == ("right", True)
    assert editor.isVisible()
    assert editor.activeEffect().name == "Paint"
    assert editor.effectNameOrder() == list(PALETTE)
    assert editor.unorderedEffectsVisible is False
    assert editor.segmentationNode() is work.session.segmentation
    assert editor.sourceVolumeNode() is ct
    assert editor.currentSegmentID() == lesion.segment_id
    doors.ball(editor, ras(0), 9)
    host.process()
    assert not work.session.lesions[0].empty
    host.picture(panel.widget, "segment_painted")
    editor.undo()
    assert work.session.lesions[0].empty


def test_the_brush_keeps_to_its_range_and_to_its_own_lesion(host: Host, work: Work, show: Callable[..., Any]) -> None:
    ct = work.add_ct()
    work.session.choose_visible_ct()
    panel = show(SegmentPanel, work.session)
    host.click(host.child(panel.widget, "newRightButton"))
    editor, node = host.child(panel.widget, "editor"), work.session.editor_node
    assert node.GetSourceVolumeIntensityMask()
    low, high = host.child(panel.widget, "guardLow"), host.child(panel.widget, "guardHigh")
    assert tuple(node.GetSourceVolumeIntensityMaskRange()) == (low.value, high.value)
    inside = slicer.util.arrayFromVolume(ct)[20, 55:65, 35:45].mean()
    low.value = int(inside) - 15  # the ball is 20 HU above what lies around it
    doors.ball(editor, ras(0), 40)
    first, second = work.session.lesions[0].segment_id, "newLeftButton"
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(work.session.segmentation, first, ct)
    assert voxels.any()
    assert slicer.util.arrayFromVolume(ct)[voxels > 0].min() >= low.value
    host.click(host.child(panel.widget, second))
    host.child(panel.widget, "guardCheck").checked = False
    assert not node.GetSourceVolumeIntensityMask()
    assert not low.enabled
    doors.ball(editor, ras(0), 40)
    again = slicer.util.arrayFromSegmentBinaryLabelmap(work.session.segmentation, first, ct)
    assert (again == voxels).all()  # painting the second lesion over the first took nothing from it
    low.value, high.value = 300, 100
    assert high.value >= low.value


def test_the_range_that_a_scene_holds_is_shown(host: Host, work: Work, show: Callable[..., Any]) -> None:
    panel = show(SegmentPanel, work.session)
    host.child(panel.widget, "guardLow").value = -120
    panel.close()
    second = SegmentPanel(work.session, resource)
    assert second._ui.guardLow.value == -120
    second.close()
    panel.close = lambda: None


def test_lesions_are_chosen_tagged_and_removed(host: Host, work: Work, show: Callable[..., Any]) -> None:
    ids = work.ready(2)
    panel = show(SegmentPanel, work.session)
    selector, side = host.child(panel.widget, "lesionSelector"), host.child(panel.widget, "sideSelector")
    editor = host.child(panel.widget, "editor")
    assert selector.count == 2
    selector.setCurrentIndex(0)
    selector.activated.emit(0)
    assert work.session.current == ids[0]
    assert editor.currentSegmentID() == ids[0]
    editor.selectNextSegment()  # in the editor's own table
    assert work.session.current == ids[1]
    assert selector.currentData == ids[1]
    side.activated.emit(side.findText("left"))
    assert work.session.lesions[1].side == "left"
    assert "left" in selector.currentText
    host.picture(panel.widget, "segment_two")
    host.shown.agrees = False
    host.click(host.child(panel.widget, "removeButton"))
    assert len(work.session.lesions) == 2
    host.shown.agrees = True
    host.click(host.child(panel.widget, "removeButton"))
    assert [lesion.segment_id for lesion in work.session.lesions] == [ids[0]]
    assert len(host.shown.texts("confirm")) == 2


def test_one_click_grows_an_outline_that_can_be_undone(host: Host, work: Work, show: Callable[..., Any]) -> None:
    work.add_ct()
    work.session.choose_visible_ct()
    panel = show(SegmentPanel, work.session)
    panel.enter()
    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode")
    grow, place = host.child(panel.widget, "growButton"), host.child(panel.widget, "placeWidget")
    host.click(grow)
    assert grow.checked
    assert place.placeModeEnabled
    assert host.child(panel.widget, "editor").activeEffect() is None
    assert "Click once" in visible_text(host, panel, "growHint")
    host.picture(panel.widget, "segment_click")
    doors.click(place, ras(0))
    host.process()
    assert not grow.checked
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == before
    assert visible_text(host, panel, "growHint") == "Looking for the outline …"
    work.worker.answer("grow")
    assert visible_text(host, panel, "growHint") == "Found an outline."
    (lesion,) = work.session.lesions
    assert not lesion.empty
    host.child(panel.widget, "editor").undo()
    assert work.session.lesions[0].empty


def test_a_click_never_outlines_another_lesion_than_the_one_it_was_made_for(
    host: Host, work: Work, show: Callable[..., Any]
) -> None:
    first, second = work.ready(2)
    panel = show(SegmentPanel, work.session)
    panel.enter()
    work.session.set_current(second)
    host.click(host.child(panel.widget, "growButton"))
    doors.click(host.child(panel.widget, "placeWidget"), ras(1))
    work.session.set_current(first)  # before the event loop turns
    host.process()
    assert "grow" not in [request.do for request in work.worker.open]
    assert not host.child(panel.widget, "growButton").checked


@pytest.mark.parametrize("how", ["button", "escape", "exit", "close scene"])
def test_waiting_for_a_click_can_be_ended(host: Host, work: Work, show: Callable[..., Any], how: str) -> None:
    work.add_ct()
    work.session.choose_visible_ct()
    panel = show(SegmentPanel, work.session)
    panel.enter()
    grow, place = host.child(panel.widget, "growButton"), host.child(panel.widget, "placeWidget")
    host.click(grow)
    if how == "button":
        host.click(grow)
    elif how == "escape":
        place.placeModeEnabled = False
    elif how == "exit":
        panel.exit()
    else:
        slicer.mrmlScene.Clear(0)
    host.process()
    assert not grow.checked
    assert not place.placeModeEnabled
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsNode") == 0
    assert visible_text(host, panel, "growHint") == ""


def test_shortcuts_and_views_are_the_editors_only_while_the_module_is_shown(
    host: Host, work: Work, show: Callable[..., Any]
) -> None:
    panel = show(SegmentPanel, work.session)
    editor = host.child(panel.widget, "editor")
    kept = editor.__dict__["_kept"]
    panel.enter()
    assert (kept["shortcuts"], kept["views"]) == (True, True)
    editor.setActiveEffectByName("Paint")
    panel.exit()
    assert (kept["shortcuts"], kept["views"]) == (False, False)
    assert editor.activeEffect() is None


def test_closing_the_scene_gives_a_new_editor_node_and_no_old_segmentation(
    host: Host, work: Work, show: Callable[..., Any]
) -> None:
    work.ready()
    panel = show(SegmentPanel, work.session)
    panel.enter()
    editor = host.child(panel.widget, "editor")
    assert editor.segmentationNode() is not None
    slicer.mrmlScene.Clear(0)
    assert editor.segmentationNode() is None
    assert slicer.mrmlScene.IsNodePresent(editor.mrmlSegmentEditorNode())
    work.ready()
    assert editor.segmentationNode() is work.session.segmentation
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSegmentEditorNode") == 1


def test_a_segmentation_from_elsewhere_can_be_taken(host: Host, work: Work, show: Callable[..., Any]) -> None:
    work.add_ct()
    work.session.choose_visible_ct()
    panel = show(SegmentPanel, work.session)
    selector = host.child(panel.widget, "segmentationSelector")
    assert not selector.isVisible()
    loaded = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "From a file")
    loaded.CreateDefaultDisplayNodes()
    loaded.GetSegmentation().AddEmptySegment("tumour", "Tumour")
    host.process()
    assert selector.isVisible()
    doors.pick(selector, loaded)
    assert [lesion.name for lesion in work.session.lesions] == ["Tumour"]


def test_a_closed_panel_leaves_no_connection_and_no_observer(host: Host, work: Work) -> None:
    before, listeners = pythonqt.connections(), len(work.session.changed)
    work.ready()
    panels = [CtPanel(work.session, resource, lambda: None), SegmentPanel(work.session, resource)]
    panels.append(MeasurePanel(work.session, resource))
    panels[1].enter()
    for panel in panels:
        panel.close()
        panel.widget.deleteLater()
    host.process()
    assert len(work.session.changed) == listeners
    assert pythonqt.connections() == before
    work.session.add_lesion("left")  # nobody is called who is gone
    host.scene.Clear(0)


# -- Measurements ------------------------------------------------------------------------------------------------------


def test_measurements_appear_while_drawing(host: Host, work: Work, show: Callable[..., Any]) -> None:
    panel = show(MeasurePanel, work.session)
    assert "appear here" in visible_text(host, panel, "stateLabel")
    host.picture(panel.widget, "measure_none")
    ids = work.ready()
    assert visible_text(host, panel, "stateLabel") == ""
    # The ball of CENTRES and RADII, from the formula of an ellipsoid's volume.
    volume = 4 / 3 * math.pi * math.prod(RADII) * math.prod(SPACING) / 1000
    shown = float(visible_text(host, panel, "volumeValue").removesuffix(" mL"))
    assert shown == pytest.approx(volume, rel=0.05)
    assert visible_text(host, panel, "coreValue").endswith("HU (portal venous)")
    assert "needs an unenhanced CT" in visible_text(host, panel, "spontaneousValue")
    assert "needs" in visible_text(host, panel, "absoluteWashoutValue")
    host.picture(panel.widget, "measure_values")
    work.draw(ids[0], 0, 0.8)
    assert visible_text(host, panel, "stateLabel") == "Measuring …"
    assert not host.child(panel.widget, "valuesWidget").enabled
    host.picture(panel.widget, "measure_busy")
    work.settle()
    assert float(visible_text(host, panel, "volumeValue").removesuffix(" mL")) < shown


def test_a_problem_is_said_and_old_numbers_are_gone(host: Host, work: Work, show: Callable[..., Any]) -> None:
    panel = show(MeasurePanel, work.session)
    work.ready()
    work.worker.answers["measure"] = lambda _: {}
    from AdrenalClassifierLib.scene.ports import Failure

    work.draw(work.session.current or "", 0, 0.7)
    work.timers.run()
    work.worker.fail(Failure("MaskError", "The mask is not a lesion."))
    assert visible_text(host, panel, "stateLabel") == "The mask is not a lesion."
    assert not host.child(panel.widget, "valuesWidget").isVisible()
    assert not host.child(panel.widget, "linesCheck").enabled
    assert host.child(panel.widget, "linesCheck").toolTip


def test_the_lines_can_be_switched(host: Host, work: Work, show: Callable[..., Any]) -> None:
    panel = show(MeasurePanel, work.session)
    work.ready()
    check = host.child(panel.widget, "linesCheck")
    assert check.checked
    host.click(check)
    assert work.session.lines_visible is False
    host.click(check)
    assert work.session.lines_visible is True


@pytest.mark.parametrize("share", [0.0, 0.4])
@pytest.mark.parametrize("dark", [False, True])
def test_the_sections_fit_the_panel_in_every_language_and_style(host: Host, work: Work, share: float, dark: bool) -> None:
    host.longer(share)
    host.dark(dark)
    work.ready(2)
    name = f"{'dark' if dark else 'light'}_{round(100 * share)}"
    for kind, more in ((CtPanel, (lambda: None,)), (SegmentPanel, ()), (MeasurePanel, ())):
        panel = kind(work.session, resource, *more)  # type: ignore[operator]
        host.show(panel.widget)
        for box in panel.widget.findChildren(qt.QGroupBox):
            box.collapsed = False
        host.picture(panel.widget, f"{kind.__name__}_{name}", width=370)  # what the section's frame leaves
        panel.close()


def test_a_scene_that_is_added_takes_nothing_away(host: Host, work: Work, show: Callable[..., Any], tmp_path: Path) -> None:
    work.ready()
    session = work.session
    ct, segmentation, phase, lesions = session.ct, session.segmentation, session.phase, session.lesions
    assert lesions
    panels = show(CtPanel, session, lambda: None), show(SegmentPanel, session)
    import_scene(tmp_path)
    assert (session.ct, session.segmentation, session.phase, session.lesions) == (ct, segmentation, phase, lesions)
    host.process(0.5)
    assert host.child(panels[0].widget, "ctSelector").currentNode() is ct
    assert host.child(panels[1].widget, "segmentationSelector").currentNode() is segmentation
    assert session.lesions == lesions


def test_the_ct_of_another_patient_is_not_taken_into_a_case_that_has_begun(
    host: Host, work: Work, show: Callable[..., Any]
) -> None:
    work.ready()
    other = add_ct(host.scene, name="Other")
    under_patient(host.scene, "Doe^Jane", work.session.ct)
    under_patient(host.scene, "Roe^Richard", other)
    panel = show(CtPanel, work.session, lambda: None)
    selector, before = host.child(panel.widget, "ctSelector"), work.session.ct
    doors.pick(selector, other)
    (sentence,) = host.shown.texts("error")
    assert "Begin the next case first" in sentence
    assert work.session.ct is before
    assert selector.currentNode() is before
    host.picture(panel.widget, "ct_of_another_patient")


def test_when_the_ct_is_deleted_no_other_volume_takes_its_place(host: Host, work: Work, show: Callable[..., Any]) -> None:
    work.ready()
    add_ct(host.scene, "axial", body()).SetName("Other series")
    panel = show(CtPanel, work.session, lambda: None)
    host.process(0.5)
    slicer.mrmlScene.RemoveNode(work.session.ct)
    assert work.session.ct is None
    assert host.child(panel.widget, "ctSelector").currentNode() is None


def test_the_editor_that_turns_to_the_first_segment_by_itself_does_not_turn_the_session(
    host: Host, work: Work, show: Callable[..., Any]
) -> None:
    work.ready(lesions=2)
    session, scene = work.session, slicer.mrmlScene
    second = session.lesions[1].segment_id
    session.set_current(second)
    panel = show(SegmentPanel, session)
    editor = host.child(panel.widget, "editor")
    panel.enter()
    assert session.current == editor.currentSegmentID() == second
    node = editor.mrmlSegmentEditorNode()
    node.SetAndObserveSegmentationNode(None)
    assert session.current == second
    scene.StartState(scene.BatchProcessState)
    node.SetAndObserveSegmentationNode(session.segmentation)
    scene.EndState(scene.BatchProcessState)
    assert session.current == editor.currentSegmentID() == second
    editor.setCurrentSegmentID(session.lesions[0].segment_id)  # a person's choice counts
    assert session.current == session.lesions[0].segment_id

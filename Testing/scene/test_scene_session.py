"""The radiologist's minute without widgets: from the visible CT to a result, and what makes it stale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import slicer
import slicer.util
import vtk

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.imaging.measurements import measure
from AdrenalClassifierLib.model.prevalence import Prevalence
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.scene.colours import of_probability
from AdrenalClassifierLib.scene.masks import COLOURS, lesion_number
from AdrenalClassifierLib.scene.overlays import role
from AdrenalClassifierLib.scene.ports import DIED, Failure
from AdrenalClassifierLib.scene.volumes import OWN, nodes_of
from support.scene_cases import GRIDS, under_patient, vtk_matrix
from support.session_case import CENTRES, RADII, Work


@pytest.fixture
def work(scene: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    made = Work(scene)
    yield made
    made.session.close()
    assert not made.timers.planned
    assert not list(tmp_path.iterdir())  # no file of a request is left


def overlays(scene: Any) -> list[str]:
    """What stands in the views for results."""
    found = [node for kind in ("vtkMRMLMarkupsNode", "vtkMRMLScalarVolumeNode") for node in nodes_of(scene, kind)]
    return sorted(node.GetAttribute(OWN) for node in found if node.GetAttribute(OWN) in ("label", "saliency"))


def test_the_minute(work: Work, scene: Any) -> None:
    session = work.session
    assert session.not_yet == ("No CT is chosen.", "No lesion is outlined.")
    ct = work.add_ct()
    session.choose_visible_ct()
    assert session.ct is ct
    assert session.ct_problem is None
    segment_id = session.add_lesion("left")
    assert session.lesions[0].status == "empty"
    assert session.not_yet == ("The current lesion has no voxel yet.",)
    work.draw(segment_id)
    assert session.measured(segment_id).busy
    assert not work.worker.open  # not before the pause
    work.settle()
    measured = session.measured(segment_id)
    lesion = session._case.lesion(segment_id)
    expected = measure(lesion)
    assert measured.values == replace(expected, notices=measured.notices)
    assert set(expected.notices) <= set(measured.notices)
    assert not measured.busy
    lines = {node.GetName(): node for node in nodes_of(scene, "vtkMRMLMarkupsLineNode")}
    assert lines["Lesion 1 long axis"].GetLineLengthWorld() == pytest.approx(expected.long_axis_mm)
    assert lines["Lesion 1 short axis"].GetLineLengthWorld() == pytest.approx(expected.short_axis_mm)
    end = [0.0, 0.0, 0.0]
    lines["Lesion 1 long axis"].GetNthControlPointPositionWorld(0, end)
    np.testing.assert_allclose([-end[0], -end[1], end[2]], expected.long_axis_ends_mm[0], atol=1e-6)
    session.set_phase("portal")
    session.set_entry("age", FormEntry("54", "years"))
    session.set_options(replace(session.options, show_outside=True))
    work.settle()
    assert session.not_yet == ()
    session.classify()
    assert session.run.state == "starting"
    assert session.not_yet == ("A classification is running.",)
    work.worker.open[0].progress(2, 4, "Radiomics")  # type: ignore[misc]
    assert (session.run.state, session.run.done, session.run.total, session.run.what) == ("running", 2, 4, "Radiomics")
    work.settle()
    assert session.run.state == "idle"
    result = session.result(segment_id)
    assert result.assessment is not None
    assert not result.stale
    assert result.assessment.lesion_id == "lesion-1"
    probability = result.assessment.result.probability  # type: ignore[union-attr]
    assert overlays(scene) == ["label", "saliency"]
    assert session.segmentation.GetSegmentation().GetSegment(segment_id).GetColor() == pytest.approx(of_probability(probability))
    label = next(node for node in nodes_of(scene, "vtkMRMLMarkupsFiducialNode"))
    text = label.GetNthControlPointLabel(0)
    assert text.startswith("Probability of malignancy ")
    assert text.replace("\n", " ").endswith(result.assessment.statement)  # type: ignore[arg-type]
    assert label.GetLocked()
    label.GetNthControlPointPositionWorld(0, end)
    # beside the lesion: its left front corner, and a centimetre to the left
    (k, j, i), (_, across, wide) = CENTRES[0], RADII
    x, y, z = (GRIDS["axial"] @ [i, j, k, 1])[:3]
    np.testing.assert_allclose(end, (x - 0.9 * wide - 10.0, y + 1.1 * across, z), atol=1e-3)


def _voxels(work: Work) -> None:
    slicer.util.arrayFromVolume(work.session.ct)[20, 60, 40] += 1
    slicer.util.arrayFromVolumeModified(work.session.ct)


def _place(work: Work) -> None:
    matrix = GRIDS["axial"].copy()
    matrix[0, 3] += 1
    work.session.ct.SetIJKToRASMatrix(vtk_matrix(matrix))


def _transform(work: Work) -> None:
    node = work.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    move = np.eye(4)
    move[0, 3] = 2.0
    node.SetMatrixTransformToParent(vtk_matrix(move))
    work.session.ct.SetAndObserveTransformNodeID(node.GetID())


def _further(work: Work) -> None:
    work.session.set_further("unenhanced", work.add_ct())


EDITS = {
    "mask": lambda work: work.draw(work.session.current, scale=0.9),
    "emptied": lambda work: work.draw(work.session.current, scale=0.0001),
    "voxels": _voxels,
    "place": _place,
    "transform": _transform,
    "phase": lambda work: work.session.set_phase("delayed"),
    "further phase": _further,
    "side": lambda work: work.session.set_side(work.session.current, "right"),
    "value": lambda work: work.session.set_entry("age", FormEntry("61", "years")),
    "wrong value": lambda work: work.session.set_entry("age", FormEntry("sixty", "years")),
    "prevalence": lambda work: work.session.set_options(replace(work.session.options, prevalence=Prevalence("surgical", 0.26))),
    "CT taken away": lambda work: work.session.set_ct(None),
}


WHY = {
    "mask": ("outline",),
    "emptied": ("outline",),
    "side": ("outline",),
    "value": ("patient",),
    "wrong value": ("patient",),
    "prevalence": ("options",),
}


@pytest.mark.parametrize("edit", EDITS)
def test_any_edit_makes_the_result_stale_at_once(work: Work, scene: Any, edit: str) -> None:
    (segment_id,) = work.ready()
    segment = work.session.segmentation.GetSegmentation().GetSegment(segment_id)
    own = segment.GetColor()
    work.session.classify()
    work.settle()
    assert segment.GetColor() != pytest.approx(own)
    work.topics.clear()
    EDITS[edit](work)
    # neither the clock nor the worker has moved
    assert work.session.result(segment_id).stale
    assert work.session.result(segment_id).assessment is not None
    assert work.session.lesions[0].status == "stale"
    assert work.session.result(segment_id).why == WHY.get(edit, ("ct",))
    assert overlays(scene) == []
    assert segment.GetColor() == pytest.approx(own)
    assert "result" in work.topics
    work.settle()
    assert overlays(scene) == []


def test_an_edit_taken_back_makes_the_result_true_again(work: Work, scene: Any) -> None:
    (segment_id,) = work.classified()
    work.session.set_entry("age", FormEntry("61", "years"))
    assert work.session.result(segment_id).stale
    work.session.set_entry("age", None)
    assert not work.session.result(segment_id).stale
    assert overlays(scene) == ["label", "saliency"]


def test_a_result_that_comes_after_an_edit_is_kept_but_stale(work: Work, scene: Any) -> None:
    (segment_id,) = work.ready()
    work.session.classify()
    work.draw(segment_id, scale=0.8)
    work.worker.answer("assess")
    result = work.session.result(segment_id)
    assert result.assessment is not None
    assert result.stale
    assert overlays(scene) == []
    work.settle()
    assert work.session.result(segment_id).stale


def test_the_newest_edit_is_measured_and_older_answers_are_dropped(work: Work) -> None:
    (segment_id,) = work.ready()
    volumes = []
    work.worker.asked.clear()
    for scale in (0.9, 0.8):
        work.draw(segment_id, scale=scale)
    assert len(work.timers.planned) == 1
    work.timers.run()
    assert work.worker.asked == ["measure"]  # one request for two edits
    before = work.session.measured(segment_id).values
    for scale in (0.7, 0.6):
        work.draw(segment_id, scale=scale)
        work.timers.run()
    assert work.worker.asked == ["measure"]  # one at a time
    work.worker.answer()
    assert work.session.measured(segment_id).values == before  # of a mask that is gone
    assert work.session.measured(segment_id).busy
    work.settle()
    volumes.append(work.session.measured(segment_id).values.volume_ml)  # type: ignore[union-attr]
    assert work.worker.asked == ["measure", "measure"]
    assert volumes[0] == pytest.approx(measure(work.session._case.lesion(segment_id)).volume_ml)


def test_all_lesions_one_after_another(work: Work, scene: Any) -> None:
    ids = work.ready(2)
    work.worker.asked.clear()
    work.session.classify(all_lesions=True)
    assert work.worker.asked == ["assess"]
    assert work.session.run.what == "Lesion 1 of 2"
    work.worker.open[0].progress(1, 4, "Radiomics")  # type: ignore[misc]
    assert (work.session.run.done, work.session.run.total) == (1, 8)
    work.settle()
    assert work.worker.asked == ["assess", "assess"]
    found = [work.session.result(name) for name in ids]
    assert [item.assessment.lesion_id for item in found if item.assessment] == ["lesion-1", "lesion-2"]
    assert not any(item.stale for item in found)
    assert overlays(scene) == ["label", "label", "saliency", "saliency"]
    # an edit of one lesion says nothing of the other
    work.draw(ids[0], scale=0.9)
    assert [work.session.result(name).stale for name in ids] == [True, False]
    assert overlays(scene) == ["label", "saliency"]
    assert work.session.current == ids[1]
    work.session.set_current(ids[0])
    assert work.session.next_lesion()
    assert not work.session.next_lesion()


def test_cancel_and_failure(work: Work) -> None:
    (segment_id,) = work.ready()
    work.session.classify()
    work.session.cancel()
    assert work.worker.cancelled == 1
    assert work.session.run.state == "idle"
    assert work.session.result(segment_id).assessment is None
    work.session.classify()
    failure = Failure(DIED, "The worker ended.", "out of memory")
    work.worker.fail(failure)
    assert (work.session.run.state, work.session.run.failure) == ("failed", failure)
    work.session.classify()
    work.settle()
    assert work.session.run.state == "idle"
    assert not work.session.result(segment_id).stale


def test_cancelling_a_run_does_not_lose_a_measurement(work: Work) -> None:
    (segment_id,) = work.ready()
    work.session.classify()
    work.draw(segment_id, scale=0.9)
    work.timers.run()
    assert [request.do for request in work.worker.open] == ["assess", "measure"]
    work.session.cancel()
    assert work.session.measured(segment_id).busy
    work.settle()
    assert not work.session.measured(segment_id).busy


def test_a_measurement_that_fails_is_said_and_not_repeated_until_the_next_edit(work: Work) -> None:
    (segment_id,) = work.ready()
    work.draw(segment_id, scale=0.9)
    work.timers.run()
    work.worker.fail(Failure("MaskError", "The mask is odd."))
    work.timers.run()
    assert not work.worker.open
    assert work.session.measured(segment_id).problem == "The mask is odd."
    work.draw(segment_id, scale=0.8)
    work.settle()
    assert work.session.measured(segment_id).problem is None


def test_a_lesion_that_cannot_be_measured_says_why(work: Work) -> None:
    work.ready()
    other = work.add_ct()
    slicer.util.arrayFromVolume(other)[:] = 7
    slicer.util.arrayFromVolumeModified(other)
    work.session.set_ct(other)
    work.settle()
    assert "Hounsfield" in str(work.session.ct_problem)
    assert "Hounsfield" in str(work.session.measured(work.session.current or "").problem)
    with pytest.raises(AdrenalError, match="Hounsfield"):
        work.session.classify()


def test_a_line_moved_by_hand_stays_and_is_kept_beside_the_measured_one(work: Work, scene: Any) -> None:
    (segment_id,) = work.ready()
    line = scene.GetFirstNodeByName("Lesion 1 long axis")
    assert work.session.measured(segment_id).by_hand == {}
    line.SetNthControlPointPositionWorld(0, 10.0, 20.0, 5.0)
    by_hand = work.session.measured(segment_id).by_hand
    assert by_hand == {"long_axis_mm": pytest.approx(line.GetLineLengthWorld())}
    measured = work.session.measured(segment_id).values
    assert measured is not None
    assert by_hand["long_axis_mm"] != pytest.approx(measured.long_axis_mm)
    work.draw(segment_id, scale=0.9)
    work.settle()
    assert work.session.measured(segment_id).by_hand == by_hand
    assert line.GetLineLengthWorld() == pytest.approx(by_hand["long_axis_mm"])
    work.session.set_lines_visible(False)
    assert not line.GetDisplayNode().GetVisibility()
    work.session.set_lines_visible(True)
    work.session.forget_by_hand(segment_id)
    measured = work.session.measured(segment_id).values
    assert line.GetLineLengthWorld() == pytest.approx(measured.long_axis_mm)  # type: ignore[union-attr]
    assert work.session.measured(segment_id).by_hand == {}


def test_the_core_is_drawn_where_attenuation_is_measured(work: Work, scene: Any) -> None:
    (segment_id,) = work.ready()
    core = scene.GetFirstNodeByName("Lesion 1 core")
    measured = work.session.measured(segment_id).values
    assert measured is not None
    # VTK's own mass properties of the contour, and the mean of the CT inside it, by a stencil of VTK
    size = vtk.vtkMassProperties()
    size.SetInputData(core.GetPolyData())
    cut = vtk.vtkPolyDataToImageStencil()
    to_ijk = vtk.vtkMatrix4x4()
    work.session.ct.GetRASToIJKMatrix(to_ijk)
    transform = vtk.vtkTransform()
    transform.SetMatrix(to_ijk)
    moved = vtk.vtkTransformPolyDataFilter()
    moved.SetInputData(core.GetPolyData())
    moved.SetTransform(transform)
    cut.SetInputConnection(moved.GetOutputPort())
    image = work.session.ct.GetImageData()
    cut.SetOutputWholeExtent(image.GetExtent())
    mean = vtk.vtkImageAccumulate()
    mean.SetInputData(image)
    cut.Update()
    mean.SetStencilData(cut.GetOutput())
    mean.Update()
    assert mean.GetMean()[0] == pytest.approx(measured.core_mean_hu, abs=0.5)
    assert 0 < size.GetVolume() / 1000 < measured.volume_ml
    # follows the outline, its switch and the screen
    before = size.GetVolume()
    work.draw(segment_id, scale=0.8)
    work.settle()
    size.SetInputData(core.GetPolyData())
    assert size.GetVolume() < before
    assert core.GetDisplayNode().GetVisibility()
    work.session.set_core_visible(False)
    assert not core.GetDisplayNode().GetVisibility()
    work.session.set_core_visible(True)
    work.session.leave()
    assert not core.GetDisplayNode().GetVisibility()
    work.session.enter()
    assert core.GetDisplayNode().GetVisibility()
    work.session.remove_lesion(segment_id)
    assert scene.GetFirstNodeByName("Lesion 1 core") is None


def test_a_click_grows_an_outline_with_undo(work: Work) -> None:
    work.add_ct()
    work.session.choose_visible_ct()
    with pytest.raises(AdrenalError, match="Add a lesion"):
        work.session.grow((0.0, 0.0, 0.0))
    segment_id = work.session.add_lesion("left")
    k, j, i = CENTRES[0]
    ras = (GRIDS["axial"] @ [i, j, k, 1])[:3]
    with pytest.raises(AdrenalError, match="outside the CT"):
        work.session.grow((900.0, 0.0, 0.0))
    saved: list[bool] = []
    work.session.grow((-ras[0], -ras[1], ras[2]), lambda: saved.append(work.session.lesions[0].empty))
    assert work.session.growth.busy
    work.worker.answer("grow")
    assert saved == [True]  # once, before the segment was written
    assert work.session.growth.text == "Found an outline."
    work.settle()
    measured = work.session.measured(segment_id).values
    assert measured is not None
    assert measured.volume_ml == pytest.approx(4 / 3 * np.pi * 1.2**3, rel=0.05)
    outline = work.session._case.outline(segment_id)
    assert outline is not None
    np.testing.assert_allclose(outline.geometry.to_world(np.argwhere(outline.mask)).mean(axis=0)[2], ras[2], atol=0.1)
    # a newer click wins; what the worker cannot find is said
    work.session.grow((-ras[0], -ras[1], ras[2]))
    work.session.grow((-ras[0], -ras[1], ras[2]))
    work.worker.answer("grow")
    assert work.session.growth.busy
    work.worker.fail(Failure("MaskError", "Nothing of one density lies there."))
    assert work.session.growth.text == "Nothing of one density lies there."


def test_the_map_is_shown_by_a_switch_and_gives_the_layers_back(work: Work, scene: Any) -> None:
    other = None
    (segment_id,) = work.classified()
    composite = nodes_of(scene, "vtkMRMLSliceCompositeNode")[0]
    other = work.add_ct()
    composite.SetForegroundVolumeID(other.GetID())
    composite.SetForegroundOpacity(0.25)
    work.session.set_saliency_visible(True)
    saliency = scene.GetNodeByID(composite.GetForegroundVolumeID())
    assert saliency.GetAttribute(OWN) == "saliency"
    legend = slicer.vtkSlicerColorLogic.GetColorLegendDisplayNode(saliency)
    assert legend.GetVisibility()
    display = work.session.segmentation.GetDisplayNode()
    assert display.GetSegmentOpacity2DFill(segment_id) == 0.0  # the fill would veil the map
    low, high = saliency.GetDisplayNode().GetWindowLevelMin(), saliency.GetDisplayNode().GetWindowLevelMax()
    values = slicer.util.arrayFromVolume(saliency)
    assert (low, high) == pytest.approx((-np.abs(values).max(), np.abs(values).max()))
    lesion = work.session._case.lesion(segment_id)
    assert values.shape == lesion.mask.shape
    assert not values[~lesion.mask].any()
    work.session.set_saliency_visible(False)
    assert (composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()) == (other.GetID(), 0.25)
    assert not legend.GetVisibility()
    assert display.GetSegmentOpacity2DFill(segment_id) > 0.0
    work.session.set_saliency_visible(True)
    work.draw(segment_id, scale=0.9)  # stale
    assert (composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()) == (other.GetID(), 0.25)
    assert [node for node in nodes_of(scene, "vtkMRMLColorTableNode") if node.GetAttribute(OWN)] == []
    assert nodes_of(scene, "vtkMRMLColorLegendDisplayNode") == []
    assert display.GetSegmentOpacity2DFill(segment_id) > 0.0


def test_a_click_that_is_awaited_still_goes_where_it_was_meant_to(work: Work, scene: Any) -> None:
    selection = scene.GetNodeByID("vtkMRMLSelectionNodeSingleton")
    click = scene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "click")
    assert selection.GetActivePlaceNodeID() == click.GetID()  # as Slicer does with a new node
    work.classified()
    assert len(nodes_of(scene, "vtkMRMLMarkupsNode")) == 4
    assert selection.GetActivePlaceNodeID() == click.GetID()
    assert selection.GetActivePlaceNodeClassName() == "vtkMRMLMarkupsFiducialNode"


def test_the_label_can_be_hidden(work: Work, scene: Any) -> None:
    work.classified()
    display = nodes_of(scene, "vtkMRMLMarkupsFiducialNode")[0].GetDisplayNode()
    assert display.GetVisibility()
    work.session.set_label_visible(False)
    assert not display.GetVisibility()
    work.session.set_entry("age", FormEntry("61", "years"))
    work.session.set_entry("age", None)  # a new label comes hidden
    assert not nodes_of(scene, "vtkMRMLMarkupsFiducialNode")[0].GetDisplayNode().GetVisibility()
    work.session.set_label_visible(True)
    assert nodes_of(scene, "vtkMRMLMarkupsFiducialNode")[0].GetDisplayNode().GetVisibility()


def test_patient_values(work: Work) -> None:
    session = work.session
    session.set_entries({"age": FormEntry("54", "years"), "sex": FormEntry("female"), "bmi": None})
    assert set(session.entries) == {"age", "sex"}
    assert session.patient()[0].number("age") == 54
    session.set_entry("age", FormEntry("abc", "years"))
    assert len(session.problems_of("age")) == 1
    assert session.problems_of("sex") == session.problems_of("bmi") == ()
    with pytest.raises(AdrenalError, match="not a variable"):
        session.set_entry("name", FormEntry("X"))
    session.set_entry("age", None)
    assert "age" not in session.entries


def test_further_phases_are_by_role_and_never_the_ct_itself(work: Work) -> None:
    (segment_id,) = work.ready()
    session, other = work.session, work.add_ct()
    with pytest.raises(AdrenalError, match="Choose another phase"):
        session.set_further("portal", other)
    with pytest.raises(AdrenalError, match="CT itself"):
        session.set_further("delayed", session.ct)
    session.set_further("unenhanced", other)
    work.settle()
    assert session.measured(segment_id).values.spontaneous_hu is not None  # type: ignore[union-attr]
    session.set_further("delayed", other)
    assert list(session.further) == ["delayed"]
    session.set_phase("delayed")
    assert session.further == {}


def test_an_empty_segmentation_follows_the_ct_a_drawn_one_stays(work: Work) -> None:
    first, session = work.add_ct(), work.session
    session.set_ct(first)
    name = session.add_lesion("left")
    role_name = session.segmentation.GetReferenceImageGeometryReferenceRole()
    second = work.add_ct()
    session.set_ct(second)
    assert session.segmentation.GetNodeReference(role_name) is second
    work.draw(name)
    session.set_ct(first)
    assert session.segmentation.GetNodeReference(role_name) is second
    assert session.segmentation.GetNumberOfDisplayNodes() == 1


def test_leaving_the_module_takes_everything_out_of_the_views_and_coming_back_restores_it(work: Work, scene: Any) -> None:
    (segment_id,) = work.classified()
    work.session.set_saliency_visible(True)
    composite = nodes_of(scene, "vtkMRMLSliceCompositeNode")[0]
    segment = work.session.segmentation.GetSegmentation().GetSegment(segment_id)
    coloured = segment.GetColor()
    work.draw(segment_id, scale=0.9)
    work.draw(segment_id)
    work.session.leave()
    assert composite.GetForegroundVolumeID() is None
    assert "label" not in overlays(scene)
    assert segment.GetColor() != pytest.approx(coloured)
    assert not any(node.GetDisplayNode().GetVisibility() for node in nodes_of(scene, "vtkMRMLMarkupsLineNode"))
    assert not work.timers.planned
    assert not work.worker.open
    work.session.enter()
    assert segment.GetColor() == pytest.approx(coloured)
    assert overlays(scene) == ["label", "saliency"]
    assert scene.GetNodeByID(composite.GetForegroundVolumeID()).GetAttribute(OWN) == "saliency"
    assert scene.GetNodeByID(work.session._case.reference(role("label", segment_id)).GetID()) is not None


def test_a_line_that_is_deleted_is_no_longer_by_hand(work: Work, scene: Any) -> None:
    (segment_id,) = work.ready()
    line = scene.GetFirstNodeByName("Lesion 1 long axis")
    line.SetNthControlPointPositionWorld(0, 10.0, 20.0, 5.0)
    scene.RemoveNode(line)
    assert work.session.measured(segment_id).by_hand == {}
    work.draw(segment_id, scale=0.9)
    work.settle()
    again = scene.GetFirstNodeByName("Lesion 1 long axis")
    measured = work.session.measured(segment_id).values
    assert again.GetLineLengthWorld() == pytest.approx(measured.long_axis_mm)  # type: ignore[union-attr]


def test_a_colour_that_somebody_chose_for_a_classified_lesion_stays(work: Work) -> None:
    first, second = work.classified(2)
    data = work.session.segmentation.GetSegmentation()
    own = tuple(COLOURS[1])
    data.GetSegment(first).SetColor(0.1, 0.2, 0.3)
    work.session.set_entry("age", FormEntry("61", "years"))
    assert data.GetSegment(first).GetColor() == pytest.approx((0.1, 0.2, 0.3))
    assert data.GetSegment(second).GetColor() == pytest.approx(own)


def test_a_further_phase_of_another_patient_is_refused(work: Work, scene: Any) -> None:
    work.ready()
    session = work.session
    other, same, nobody, theirs = (work.add_ct() for _ in range(4))
    under_patient(scene, "Doe^Jane", session.ct, same)
    under_patient(scene, "Roe^Richard", other, theirs)
    with pytest.raises(AdrenalError, match="another patient") as caught:
        session.set_further("unenhanced", other)
    assert "Roe" not in str(caught.value)
    assert not session.further
    session.set_further("unenhanced", same)
    session.set_further("arterial", nobody)  # a volume that came without a patient may be anybody's
    work.settle()
    assert session.not_yet == ()
    # the CT is changed for one of another patient before anything is outlined: the further phases stay behind
    session.remove_lesion(session.current or "")
    session.set_ct(theirs)
    assert session.ct_problem is not None
    assert "unenhanced CT belongs to another patient" in session.ct_problem
    with pytest.raises(AdrenalError, match="another patient"):
        session.classify()
    session.set_further("unenhanced", None)
    work.settle()
    assert session.ct_problem is None


@pytest.mark.parametrize("begun", ["outline", "value"])
def test_values_and_outlines_of_one_patient_do_not_go_to_the_ct_of_another(work: Work, scene: Any, begun: str) -> None:
    (segment_id,) = work.ready()
    session, first = work.session, work.session.ct
    same, nobody, theirs = (work.add_ct() for _ in range(3))
    under_patient(scene, "Doe^Jane", first, same)
    under_patient(scene, "Roe^Richard", theirs)
    if begun == "value":
        session.remove_lesion(segment_id)
        session.set_entry("age", FormEntry("54", "years"))
    with pytest.raises(AdrenalError, match="Begin the next case first") as caught:
        session.set_ct(theirs)
    assert "Roe" not in str(caught.value)
    assert session.ct is first
    for other in (same, first, nobody):  # of the same patient, or of nobody known
        session.set_ct(other)
        assert session.ct is other
    session.set_ct(first)
    session.start_new_case()
    session.set_ct(theirs)
    assert session.ct is theirs


def test_what_cannot_be_cut_out_is_said_before_classify_is_pressed(work: Work, scene: Any) -> None:
    (segment_id,) = work.ready()
    session = work.session
    far = work.add_ct()
    matrix = GRIDS["axial"].copy()
    matrix[0, 3] += 4000
    far.SetIJKToRASMatrix(vtk_matrix(matrix))
    session.set_further("unenhanced", far)
    work.settle()
    assert session.not_yet == ("The unenhanced CT does not contain the lesion. Give a series that covers it.",)
    session.set_further("unenhanced", None)
    assert session.not_yet == ()  # at once: it is not known to be refused
    work.timers.run()
    work.worker.fail(Failure(DIED, "It died."))
    assert session.measured(segment_id).problem == "It died."
    assert session.not_yet == ()  # measuring failed; classifying may well work


@pytest.mark.parametrize("how", ["classify", "come back"])
def test_a_measurement_that_failed_for_no_fault_of_the_lesion_is_tried_again(work: Work, how: str) -> None:
    work.add_ct()
    work.session.choose_visible_ct()
    segment_id = work.session.add_lesion("left")
    work.draw(segment_id)
    work.timers.run()
    work.worker.fail(Failure(DIED, "It died. Try again."))
    assert work.session.measured(segment_id).problem == "It died. Try again."
    work.settle()
    assert work.session.measured(segment_id).values is None  # not over and over
    if how == "classify":
        work.session.classify()
    else:
        work.session.leave()
        work.session.enter()
    work.settle()
    assert work.session.measured(segment_id).problem is None
    assert work.session.measured(segment_id).values is not None


def test_strokes_made_while_an_outline_is_sought_are_not_lost(work: Work) -> None:
    (segment_id,) = work.ready()
    session = work.session
    x, y, z = (GRIDS["axial"] @ [40, 60, 20, 1])[:3]
    session.grow((-x, -y, z))
    work.draw(segment_id, scale=0.5)
    kept = session._case.outline(segment_id)
    work.settle()
    assert session._case.outline(segment_id).digest == kept.digest  # type: ignore[union-attr]
    assert session.growth.failure is not None
    assert "changed before the outline was found" in session.growth.text
    session.grow((-x, -y, z))
    work.settle()
    assert session.growth.failure is None
    assert session._case.outline(segment_id).digest != kept.digest  # type: ignore[union-attr]


def test_a_copy_of_a_lesion_is_a_lesion_of_its_own(work: Work, scene: Any) -> None:
    """As the module Segmentations and the effect Logical operators copy: with name, colour and all tags."""
    first, second = work.classified(2)
    data = work.session.segmentation.GetSegmentation()
    copied = slicer.vtkSegment()
    copied.DeepCopy(data.GetSegment(first))
    assert data.AddSegment(copied, "copy")
    assert copied.GetColor() == pytest.approx(COLOURS[0])  # not that of a probability which is not its own
    assert data.GetSegment(first).GetColor() != pytest.approx(COLOURS[0])
    work.settle()
    assert [lesion.status for lesion in work.session.lesions] == ["assessed", "assessed", "outlined"]
    assert [lesion_number(work.session.segmentation, name) for name in (first, second, "copy")] == [1, 2, 3]
    data.SetSegmentIndex("copy", 0)
    assert [lesion_number(work.session.segmentation, name) for name in (first, second, "copy")] == [1, 2, 3]

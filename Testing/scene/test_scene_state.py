"""The case in the scene: it survives saving and loading, is compared with its inputs, and is never destroyed unread."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import slicer.util

from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.model.prevalence import Prevalence
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.scene.case import MODULE, PARAMETER, UNREADABLE
from AdrenalClassifierLib.scene.colours import of_probability
from AdrenalClassifierLib.scene.overlays import role
from AdrenalClassifierLib.scene.state import SCHEMA_VERSION, CaseState, LesionState, StateError, read_state, write_state
from AdrenalClassifierLib.scene.volumes import OWN, nodes_of
from support.session_case import Work
from support.slicer_core import load, save

FULL = CaseState(
    "portal",
    "S_1",
    False,
    True,
    True,
    {"age": FormEntry("54", "years"), "cortisol_dst": FormEntry("<35", "nmol/L", "50")},
    Options(Prevalence("own", 0.12), 0.8, True, False),
    {"S_1": LesionState({"long_axis_mm": 41.25}, {"schema_version": 2}, {"level": 0.8}), "S_2": LesionState()},
    False,
)


@pytest.fixture
def work(scene: Any) -> Work:
    return Work(scene)


def text_of(scene: Any) -> str:
    return str(scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode").GetParameter(PARAMETER))


def test_a_state_is_read_as_it_was_written() -> None:
    assert read_state(write_state(FULL)) == FULL
    assert read_state(write_state(CaseState())) == CaseState()


def test_version_1_is_upgraded() -> None:
    stored = json.loads(write_state(FULL))
    old = {key: value for key, value in stored.items() if key not in ("saliency_visible", "label_visible", "core_visible")}
    old["schema_version"] = 1
    old["entries"] = {"age": ["54", "years", ""], "cortisol_dst": ["<35", "nmol/L", "50"]}
    old["lesions"] = {"S_1": {"by_hand": {"long_axis_mm": 41.25}, "assessment": None}}
    found = read_state(json.dumps(old))
    assert found.entries == FULL.entries
    assert found.lesions == {"S_1": LesionState({"long_axis_mm": 41.25})}
    assert found.options == FULL.options


BROKEN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "not an object": lambda _: [1, 2],
    "no version": lambda s: {k: v for k, v in s.items() if k != "schema_version"},
    "version in words": lambda s: {**s, "schema_version": "two"},
    "version yes": lambda s: {**s, "schema_version": True},
    "phase": lambda s: {**s, "phase": "venous"},
    "prevalence": lambda s: {**s, "options": {**s["options"], "prevalence": ["own", 7]}},
    "level": lambda s: {**s, "options": {**s["options"], "level": 1.5}},
    "entry": lambda s: {**s, "entries": {"age": {"text": 54, "unit": "", "upper_limit": ""}}},
    "lesions": lambda s: {**s, "lesions": ["S_1"]},
    "by hand": lambda s: {**s, "lesions": {"S_1": {"by_hand": {"long_axis_mm": None}, "assessment": None, "made_with": None}}},
    "missing part": lambda s: {k: v for k, v in s.items() if k != "entries"},
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_is_broken_is_said_and_left_alone(scene: Any, fault: str) -> None:
    text = json.dumps(BROKEN[fault](json.loads(write_state(FULL))))
    with pytest.raises(StateError, match="damaged"):
        read_state(text)


@pytest.mark.parametrize("text", ["{", "NaN", "", "null", '{"schema_version": 99}', "[" * 100_000])
def test_a_scene_with_a_case_that_cannot_be_used(scene: Any, work: Work, text: str) -> None:
    work.session.set_entry("age", FormEntry("54", "years"))
    node = scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode")
    work.session.close()
    if not text:
        return
    node.SetParameter(PARAMETER, text)
    session = work.open()
    assert session.problem is not None
    assert ("newer version" in session.problem) == ("99" in text)
    work.add_ct()
    session.choose_visible_ct()
    session.set_entry("age", FormEntry("60", "years"))
    assert node.GetParameter(PARAMETER) == text  # untouched
    assert session.problem in session.not_yet
    session.start_new_case()
    assert session.problem is None
    session.set_entry("age", FormEntry("61", "years"))
    assert json.loads(text_of(scene))["entries"]["age"]["text"] == "61"
    assert node.GetParameter(UNREADABLE) == text
    scene.Clear(0)
    node = scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode")
    assert node is None or not node.GetParameter(UNREADABLE)
    session.close()


@pytest.mark.parametrize("grid", ["axial", "oblique", "left-handed oblique"])
def test_a_case_survives_a_bundle(scene: Any, tmp_path: Path, grid: str) -> None:
    work = Work(scene, grid=grid)
    other = work.add_ct()
    work.ready(2)
    session = work.session
    session.set_entries({"age": FormEntry("54", "years"), "cortisol_dst": FormEntry("<35", "nmol/L", "50")})
    session.set_further("unenhanced", other)
    session.set_options(replace(session.options, prevalence=Prevalence("surgical", 0.26)))
    line = scene.GetFirstNodeByName("Lesion 1 long axis")
    line.SetNthControlPointPositionWorld(0, 10.0, 20.0, 5.0)
    session.classify(all_lesions=True)
    work.settle()
    session.set_saliency_visible(True)
    before = {
        "lesions": session.lesions,
        "entries": session.entries,
        "phase": session.phase,
        "further": {phase: node.GetName() for phase, node in session.further.items()},
        "options": session.options,
        "current": session.current,
        "json": [session.result(item.segment_id).assessment.to_json() for item in session.lesions],  # type: ignore[union-attr]
        "by hand": [session.measured(item.segment_id).by_hand for item in session.lesions],
        "measured": [session.measured(item.segment_id).values for item in session.lesions],
    }
    assert [item.status for item in session.lesions] == ["assessed", "assessed"]
    maps = [slicer.util.arrayFromVolume(session._case.reference(role("saliency", i.segment_id))).copy() for i in session.lesions]
    save(scene, tmp_path / "case.mrb")
    scene.Clear(0)
    assert work.session.lesions == ()
    load(scene, tmp_path / "case.mrb")
    session = work.session
    assert [item.status for item in session.lesions] == ["stale", "stale"]  # not compared yet
    work.settle()
    after = {
        "lesions": session.lesions,
        "entries": session.entries,
        "phase": session.phase,
        "further": {phase: node.GetName() for phase, node in session.further.items()},
        "options": session.options,
        "current": session.current,
        "json": [session.result(item.segment_id).assessment.to_json() for item in session.lesions],  # type: ignore[union-attr]
        "by hand": [session.measured(item.segment_id).by_hand for item in session.lesions],
        "measured": [session.measured(item.segment_id).values for item in session.lesions],
    }
    for part in before:
        assert after[part] == before[part], part
    for item, values in zip(session.lesions, maps, strict=True):
        node = session._case.reference(role("saliency", item.segment_id))
        np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), values)
        colours = node.GetDisplayNode().GetColorNode()
        assert colours.GetAttribute(OWN) == "colours"
        segment = session.segmentation.GetSegmentation().GetSegment(item.segment_id)
        probability = session.result(item.segment_id).assessment.result.probability  # type: ignore[union-attr]
        assert segment.GetColor() == pytest.approx(of_probability(probability), abs=1e-5)
    assert len(nodes_of(scene, "vtkMRMLMarkupsFiducialNode")) == 2
    assert len(nodes_of(scene, "vtkMRMLMarkupsLineNode")) == 4
    assert session.saliency_visible
    # what was restored becomes stale as ever
    session.set_entry("age", None)
    assert [item.status for item in session.lesions] == ["stale", "stale"]
    assert nodes_of(scene, "vtkMRMLMarkupsFiducialNode") == []
    session.close()


CHANGES: dict[str, Callable[[Work], None]] = {
    "voxel": lambda work: slicer.util.arrayFromVolume(work.session.ct).__setitem__((20, 60, 40), 99),
    "options": lambda work: None,
    "value": lambda work: None,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_restored_result_whose_inputs_differ_is_stale(scene: Any, tmp_path: Path, change: str) -> None:
    work = Work(scene)
    (name,) = work.classified()
    save(scene, tmp_path / "case.mrb")
    if change == "voxel":  # what a scene holds after somebody else has edited the volume
        CHANGES[change](work)
    state = json.loads(text_of(scene))
    if change == "options":
        state["options"]["level"] = 0.5
    if change == "value":
        state["entries"]["age"] = {"text": "77", "unit": "years", "upper_limit": ""}
    work.session.close()
    scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode").SetParameter(PARAMETER, json.dumps(state))
    save(scene, tmp_path / "changed.mrb")
    load(scene, tmp_path / "changed.mrb")
    session = work.open()
    work.settle()
    assert session.result(name).stale
    assert session.result(name).assessment is not None
    assert nodes_of(scene, "vtkMRMLMarkupsFiducialNode") == []
    session.close()


def test_no_identity_and_no_path_enters_the_state(scene: Any, tmp_path: Path) -> None:
    work = Work(scene)
    work.ready()
    work.session.ct.SetName("DOE^JANE 1970-01-01")
    work.session.segmentation.SetName("Doe Jane lesions")
    work.session.set_options(model=tmp_path)
    work.session.set_entry("age", FormEntry("54", "years"))
    text = text_of(scene)
    assert "doe" not in text.casefold()
    assert str(tmp_path) not in text
    assert json.loads(text)["schema_version"] == SCHEMA_VERSION
    work.session.close()


def test_a_result_of_a_newer_version_is_dropped_and_the_rest_restored(scene: Any) -> None:
    work = Work(scene)
    (name,) = work.classified()
    work.session.close()
    node = scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode")
    state = json.loads(node.GetParameter(PARAMETER))
    state["lesions"][name]["assessment"]["schema_version"] = 99
    node.SetParameter(PARAMETER, json.dumps(state))
    session = work.open()
    work.settle()
    assert session.lesions[0].status == "outlined"
    assert session.measured(name).values is not None
    session.close()

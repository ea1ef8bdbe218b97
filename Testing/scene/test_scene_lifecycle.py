"""Nodes deleted, scenes closed, added and opened at every step of the work: no error, and nothing left behind."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from AdrenalClassifierLib.scene.case import MODULE
from AdrenalClassifierLib.scene.overlays import OWN_COLOUR
from AdrenalClassifierLib.scene.segments import tag
from AdrenalClassifierLib.scene.volumes import OWN, nodes_of
from support.session_case import Work
from support.slicer_core import load, save


@pytest.fixture
def work(scene: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    (tmp_path / "private").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "private"))
    return Work(scene)


def _ct(work: Work) -> None:
    work.add_ct()
    work.session.choose_visible_ct()


def _segment(work: Work) -> None:
    _ct(work)
    work.session.add_lesion("left")


def _drawn(work: Work) -> None:
    _segment(work)
    work.draw(work.session.current)  # type: ignore[arg-type]


def _measuring(work: Work) -> None:
    _drawn(work)
    work.timers.run()
    assert work.worker.open


def _ready(work: Work) -> None:
    work.ready()
    work.session.editor_node.SetAndObserveSegmentationNode(work.session.segmentation)


def _growing(work: Work) -> None:
    _ready(work)
    work.session.grow((0.0, 0.0, 0.0))


def _running(work: Work) -> None:
    work.ready()
    work.session.classify()


def _result(work: Work) -> None:
    work.classified()


def _map(work: Work) -> None:
    work.classified(2)
    work.session.set_saliency_visible(True)


def _stale(work: Work) -> None:
    (name,) = work.classified()
    work.draw(name, scale=0.9)


STEPS: dict[str, Callable[[Work], None]] = {
    "CT": _ct,
    "segment": _segment,
    "drawn": _drawn,
    "measuring": _measuring,
    "ready": _ready,
    "growing": _growing,
    "running": _running,
    "result": _result,
    "map": _map,
    "stale": _stale,
}


def _remove(find: Callable[[Work], Any]) -> Callable[[Work], None]:
    def act(work: Work) -> None:
        node = find(work)
        if node is not None:
            work.scene.RemoveNode(node)

    return act


def _remove_segment(work: Work) -> None:
    if work.session.current is not None:
        work.session.segmentation.GetSegmentation().RemoveSegment(work.session.current)


def _own(kind: str) -> Callable[[Work], Any]:
    def find(work: Work) -> Any:
        kinds = ("vtkMRMLMarkupsNode", "vtkMRMLModelNode", "vtkMRMLScalarVolumeNode")
        nodes = [node for kind in kinds for node in nodes_of(work.scene, kind)]
        return next((node for node in reversed(nodes) if node.GetAttribute(OWN) == kind), None)

    return find


DEEDS: dict[str, Callable[[Work], None]] = {
    "CT deleted": _remove(lambda work: work.session.ct),
    "segmentation deleted": _remove(lambda work: work.session.segmentation),
    "segment deleted": _remove_segment,
    "parameter node deleted": _remove(lambda work: work.scene.GetSingletonNode(MODULE, "vtkMRMLScriptedModuleNode")),
    "label deleted": _remove(_own("label")),
    "line deleted": _remove(_own("line")),
    "core deleted": _remove(_own("core")),
    "map deleted": _remove(_own("saliency")),
    "scene closed": lambda work: work.scene.Clear(0),
    "module left": lambda work: work.session.leave(),
    "session closed": lambda work: work.session.close(),
    "next case": lambda work: work.session.start_new_case(),
}


def ours(scene: Any) -> list[str]:
    kinds = ("vtkMRMLMarkupsNode", "vtkMRMLModelNode", "vtkMRMLScalarVolumeNode", "vtkMRMLColorTableNode")
    nodes = [node for kind in kinds for node in nodes_of(scene, kind)]
    return [node.GetAttribute(OWN) for node in nodes if node.GetAttribute(OWN) is not None]


@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("step", STEPS)
def test_at_every_step_nothing_breaks_and_nothing_is_left(work: Work, scene: Any, step: str, deed: str, tmp_path: Path) -> None:
    STEPS[step](work)
    session = work.session
    DEEDS[deed](work)
    if deed in ("session closed", "module left"):
        assert not work.timers.planned
        assert not work.worker.open
    work.settle()
    if deed == "CT deleted":
        assert session.ct is None
    others = 1 if step == "map" and deed == "segment deleted" else 0  # the other lesion's overlays stay
    if deed in ("CT deleted", "segmentation deleted", "segment deleted", "parameter node deleted", "scene closed", "next case"):
        assert ours(scene).count("label") == ours(scene).count("saliency") == ours(scene).count("colours") == others
        assert session.run.state == "idle"
        assert deed == "CT deleted" or ours(scene).count("line") == 2 * ours(scene).count("core") == 2 * others
        assert all(node.GetDisplayableNode() is not None for node in nodes_of(scene, "vtkMRMLMarkupsDisplayNode"))
        assert len(nodes_of(scene, "vtkMRMLColorLegendDisplayNode")) == others
    if deed not in ("label deleted", "line deleted", "core deleted") and not others:
        assert all(node.GetForegroundVolumeID() is None for node in nodes_of(scene, "vtkMRMLSliceCompositeNode"))
    # the work goes on
    if deed != "session closed":
        session.enter()
        session.choose_visible_ct()
        if session.ct is not None:
            name = session.add_lesion("right")
            work.draw(name)
            work.settle()
            assert session.measured(name).values is not None
        session.close()
    assert not work.timers.planned
    assert not work.worker.open
    assert not list((tmp_path / "private").iterdir())
    assert len(session.changed) == 0
    for segmentation in nodes_of(scene, "vtkMRMLSegmentationNode"):
        for name in segmentation.GetSegmentation().GetSegmentIDs():
            assert not tag(segmentation.GetSegmentation().GetSegment(name), OWN_COLOUR)
    # an observer that was left behind would keep the session alive
    there = weakref.ref(session)
    del session, work.session
    gc.collect()
    assert there() is None


def test_two_scenes_in_a_row(work: Work, scene: Any, tmp_path: Path) -> None:
    (first,) = work.classified()
    save(scene, tmp_path / "first.mrb")
    scene.Clear(0)
    assert work.session.lesions == ()
    assert work.session.entries == {}
    assert work.session.not_yet == ("No CT is chosen.", "No lesion is outlined.")
    (second,) = work.classified()
    assert [item.status for item in work.session.lesions] == ["assessed"]
    load(scene, tmp_path / "first.mrb")
    work.settle()
    assert [(item.segment_id, item.status) for item in work.session.lesions] == [(first, "assessed")]
    assert first != second
    assert ours(scene).count("label") == 1
    work.session.close()


def test_a_scene_without_a_case_that_is_added_changes_nothing(work: Work, scene: Any, tmp_path: Path) -> None:
    work.add_ct()
    save(scene, tmp_path / "plain.mrb")
    scene.Clear(0)
    (name,) = work.classified()
    load(scene, tmp_path / "plain.mrb", close_first=False)
    work.settle()
    assert [(item.segment_id, item.status) for item in work.session.lesions] == [(name, "assessed")]
    assert ours(scene).count("label") == 1
    work.session.close()


def test_a_scene_with_a_case_that_is_added_replaces_the_case(work: Work, scene: Any, tmp_path: Path) -> None:
    (stored,) = work.classified()
    save(scene, tmp_path / "case.mrb")
    scene.Clear(0)
    (name,) = work.classified()
    segmentation = work.session.segmentation
    load(scene, tmp_path / "case.mrb", close_first=False)
    work.settle()
    assert [(item.segment_id, item.status) for item in work.session.lesions] == [(stored, "assessed")]
    assert work.session.segmentation is not segmentation
    assert ours(scene).count("label") == 1
    assert not tag(segmentation.GetSegmentation().GetSegment(name), OWN_COLOUR)
    work.session.close()

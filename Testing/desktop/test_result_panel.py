"""Classify and its result, in every state, from real assessments of the sample case."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from AdrenalClassifierLib.desktop.result_panel import ResultPanel
from AdrenalClassifierLib.model.prevalence import Prevalence
from AdrenalClassifierLib.report.contributions import contributions
from AdrenalClassifierLib.report.wording import MODEL_LABELS, percent
from AdrenalClassifierLib.scene.ports import Failure
from AdrenalClassifierLib.scene.running import RunState
from standin.plugin import Host
from support.assessed import assessments
from support.stand_in_session import StandInSession

import qt  # isort: skip


@pytest.fixture
def session() -> StandInSession:
    return StandInSession()


@pytest.fixture
def panel(host: Host, session: StandInSession) -> Any:
    made = ResultPanel(session)
    host.show(made.widget)
    yield made
    made.close()
    assert len(session.changed) == 0


def texts(widget: Any) -> str:
    """All words to be seen."""
    qt.QApplication.processEvents()
    return "\n".join(label.text for label in widget.findChildren(qt.QLabel) if label.isVisible())


def child(panel: ResultPanel, name: str) -> Any:
    qt.QApplication.processEvents()
    return panel.widget.findChild(qt.QWidget, name)


def shown(panel: ResultPanel, name: str) -> bool:
    found = child(panel, name)
    return found is not None and bool(found.isVisible())


def unfold(host: Host, panel: ResultPanel) -> None:
    for name in ("why", "models", "missing", "guidelines"):
        child(panel, f"result_{name}").collapsed = False
    host.process()


def test_without_a_lesion_the_reasons_stand_where_the_result_will_be(
    host: Host, panel: ResultPanel, session: StandInSession
) -> None:
    session.tell("ct", not_yet=("No CT is chosen.", "No lesion is outlined."), current=None, names=())
    assert not child(panel, "runButton").enabled
    assert child(panel, "runReasons").text == "Not yet:\n• No CT is chosen.\n• No lesion is outlined."
    assert not shown(panel, "resultView")
    session.tell("ct", not_yet=(), current="a", names=("a",))
    assert child(panel, "runButton").enabled
    assert child(panel, "noResult").text == "No result yet. Press Classify to compute one."


def test_a_run_shows_its_progress_and_can_be_cancelled(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    host.click(child(panel, "runButton"))
    assert session.asked == ["classify"]
    session.tell("run", run=RunState("starting", 0, 1))
    assert not shown(panel, "runButton")
    assert child(panel, "runProgress").maximum == 0
    session.tell("run", run=RunState("running", 1, 4, "image score"))
    assert (child(panel, "runProgress").value, child(panel, "runProgress").maximum) == (1, 4)
    assert child(panel, "runWhat").text == "image score"
    host.click(child(panel, "cancelButton"))
    assert session.asked[-1] == "cancel"
    assert child(panel, "runWhat").text == "Cancelled. Nothing was changed."
    assert shown(panel, "runButton")


def test_a_failure_is_said_with_its_last_lines(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    session.tell("run", run=RunState("failed", failure=Failure("died", "The computation ended by itself.", "line 1\nKilled")))
    assert child(panel, "runFailure").text == "The computation ended by itself."
    assert not shown(panel, "runDetails")
    host.click(child(panel, "detailsButton"))
    assert child(panel, "runDetails").plainText == "line 1\nKilled"
    assert not shown(panel, "installButton")
    session.tell("run", run=RunState())
    assert not shown(panel, "runFailure")
    assert not shown(panel, "runDetails")


def test_the_figures_are_those_of_the_assessment_and_the_statement_stands_beside_them(
    host: Host, panel: ResultPanel, session: StandInSession
) -> None:
    assessment = assessments()["normal"]
    session.tell("result", results={"a": (assessment, False)})
    result = assessment.result
    assert result is not None
    assert result.interval is not None
    assert child(panel, "resultProbability").text == percent(result.probability)
    assert child(panel, "resultVolume").text == f"{assessment.measurements.volume_ml:.1f} mL"
    low, high = (percent(end) for end in result.interval)
    assert child(panel, "resultInterval").text == f"95 % interval {low} to {high}"
    assert child(panel, "resultStatement").text == assessment.statement
    assert "conformal set" in child(panel, "resultConformal").text
    assert "prevalence of malignancy" in child(panel, "resultPrevalence").text
    assert child(panel, "resultModel").text == f"Model shown: {MODEL_LABELS['combined']}. It uses every value that was given."
    unfold(host, panel)
    words = texts(panel.widget)
    for verdict in assessment.guidelines:
        assert verdict.text in words
    for name, model in assessment.models.items():
        assert MODEL_LABELS[name] in words
        assert model.probability is not None
        assert percent(model.probability) in words
    found = contributions(assessment)
    assert found is not None
    for bar in found.bars:
        assert bar.label in words
        assert bar.figure in words
    assert "Not given:" in words


def test_the_bars_reach_as_far_as_their_figures_say(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    assessment = assessments()["normal"]
    session.tell("result", results={"a": (assessment, False)})
    host.process()
    found = contributions(assessment)
    assert found is not None
    grid = child(panel, "contributionChart").layout()
    for at, bar in enumerate(found.bars):
        frame = grid.itemAtPosition(at, 1).widget()
        blocks = [frame.layout().itemAt(i).widget() for i in range(frame.layout().count())]
        zero = next(block for block in blocks if block is not None and block.width == 1)
        filled = [block for block in blocks if block is not None and block.width != 1]
        width = sum(block.width for block in filled)
        assert width == pytest.approx(frame.width / 2 * abs(bar.log_odds) / found.widest, abs=3), bar
        if width > 2:
            assert (filled[0].pos.x() >= zero.pos.x()) == (bar.log_odds >= 0)


def test_the_scale_shows_probability_and_interval_where_they_are(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    for name in ("normal", "incidentaloma", "empty"):
        assessment = assessments()[name]
        session.tell("result", results={"a": (assessment, False)})
        host.process()
        result = assessment.result
        assert result is not None
        track = child(panel, "probabilityScale")
        blocks = [track.layout().itemAt(i).widget() for i in range(track.layout().count())]
        frames = [block for block in blocks if block is not None]
        mark = next(block for block in frames if block.width == 4)
        assert (mark.pos.x() + 2) / track.width == pytest.approx(result.probability, abs=0.02)
        assert frames[0].pos.x() / track.width == pytest.approx(result.interval[0], abs=0.02)
        assert all(a.pos.x() + a.width <= b.pos.x() for a, b in pairwise(frames))  # nothing covers the mark
        end = frames[-1].pos.x() + frames[-1].width
        assert end / track.width == pytest.approx(result.interval[1], abs=0.02)


def test_a_stale_result_is_faded_with_its_reason_and_update(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    assessment = assessments()["normal"]
    session.tell("result", results={"a": (assessment, False)})
    fresh = child(panel, "resultProbability").styleSheet
    session.tell("patient", results={"a": (assessment, True)}, why=("patient",))
    assert child(panel, "runButton").text == "Update"
    assert child(panel, "staleBanner").text.startswith("Out of date: a patient value has changed. ")
    assert child(panel, "resultProbability").styleSheet != fresh
    session.tell("ct", why=("ct", "patient"))
    assert "the CT or its phase has changed, a patient value has changed" in child(panel, "staleBanner").text
    session.tell("lesions", why=())
    assert "something it stands on has changed" in child(panel, "staleBanner").text
    assert child(panel, "resultStatement").isVisible()
    session.tell("result", results={"a": (assessment, False)})
    assert not shown(panel, "staleBanner")
    assert child(panel, "resultProbability").styleSheet == fresh


def test_outside_the_range_no_probability_is_shown_unless_asked_for(
    host: Host, panel: ResultPanel, session: StandInSession
) -> None:
    session.tell("result", results={"a": (assessments()["hidden"], False)})
    assert child(panel, "resultProbability").text == "not shown"
    assert child(panel, "probabilityScale") is None
    assert "so no probability is shown" in texts(panel.widget)
    for finding in assessments()["hidden"].validity:
        assert finding.text in texts(panel.widget)
    host.click(child(panel, "showOutside"))
    assert session.options.show_outside
    assert child(panel, "runButton").text == "Update"
    session.tell("result", results={"a": (assessments()["outside"], False)})
    result = assessments()["outside"].result
    assert result is not None
    assert child(panel, "resultProbability").text == percent(result.probability)
    assert "Outside the validated range:" in texts(panel.widget)


def test_without_a_model_the_rest_is_shown_and_installing_is_offered(
    host: Host, panel: ResultPanel, session: StandInSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.tell("result", results={"a": (assessments()["no model"], False)})
    assert child(panel, "resultProbability").text == "not computed"
    assert "torch" in child(panel, "resultReason").text
    assert child(panel, "resultStatement").text == "For research use only. Not a medical device."
    assert shown(panel, "result_guidelines")
    assert not shown(panel, "result_models")
    calls = []
    import sys
    import types

    module = types.ModuleType("dependencies")
    module.install = lambda parent: calls.append(parent) or True  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "AdrenalClassifierLib.desktop.dependencies", module)
    monkeypatch.setattr("AdrenalClassifierLib.desktop.dependencies", module, raising=False)
    host.click(child(panel, "installButton"))
    assert len(calls) == 1
    assert session.asked == ["classify"]


def test_the_prevalence_is_chosen_or_typed(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    box, own = child(panel, "prevalenceBox"), child(panel, "prevalenceOwn")
    assert not own.isVisible()

    def pick(data: str) -> None:
        box.currentIndex = box.findData(data)
        box.activated.emit(box.currentIndex)
        host.process()

    pick("incidentaloma")
    assert session.options.prevalence == Prevalence("incidentaloma", 0.08)
    pick("own")
    host.type(own, "150")
    assert child(panel, "prevalenceProblem").text == "Give the prevalence in per cent, from 0.1 to 99.9."
    own.text = ""
    host.type(own, "12,5 %")
    assert session.options.prevalence == Prevalence("own", 0.125)
    assert not child(panel, "prevalenceProblem").isVisible()
    pick("training")
    assert session.options.prevalence == Prevalence()
    assert not own.isVisible()


def test_the_map_is_offered_when_there_is_one(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    session.tell("result", results={"a": (assessments()["normal"], False)})
    assert not shown(panel, "showSaliency")
    session.tell("result", results={"a": (assessments()["incidentaloma"], False)})
    host.click(child(panel, "showSaliency"))
    assert session.asked[-1] == ("saliency", True)
    host.click(child(panel, "showLabel"))
    assert session.asked[-1] == ("label", False)
    session.tell("patient", results={"a": (assessments()["incidentaloma"], True)})
    assert not shown(panel, "showSaliency")


def test_another_lesion_has_its_own_result(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    session.tell("result", names=("a", "b"), results={"a": (assessments()["normal"], False)})
    assert shown(panel, "runAllButton")
    host.click(child(panel, "runAllButton"))
    assert session.asked == ["all"]
    assert child(panel, "resultTitle").text == "Lesion 1, right side"
    session.tell("current", current="b")
    assert not shown(panel, "resultView")


def test_showing_a_result_costs_little_and_is_not_done_twice(host: Host, panel: ResultPanel, session: StandInSession) -> None:
    started = time.perf_counter()
    session.tell("result", results={"a": (assessments()["incidentaloma"], False)})
    took = time.perf_counter() - started
    title = child(panel, "resultTitle")
    session.tell("measurements")
    assert child(panel, "resultTitle") is title
    print(f"shown in {1000 * took:.0f} ms")
    assert took < 0.1


STATES: dict[str, dict[str, Any]] = {
    "nothing": {"not_yet": ("No CT is chosen.", "No lesion is outlined."), "current": None, "names": ()},
    "ready": {},
    "running": {"run": RunState("running", 2, 4, "network")},
    "failed": {
        "run": RunState("failed", failure=Failure("died", "The computation ended before it was done; try again.", "MemoryError"))
    },
    "normal": {"results": "normal"},
    "stale": {"results": "normal", "stale": True, "why": ("patient",)},
    "incidentaloma": {"results": "incidentaloma", "names": ("a", "b")},
    "hidden": {"results": "hidden"},
    "outside": {"results": "outside"},
    "no_model": {"results": "no model"},
}


@pytest.mark.parametrize("look", ["plain", "longer", "dark"])
@pytest.mark.parametrize("state", STATES)
def test_pictures(host: Host, session: StandInSession, state: str, look: str) -> None:
    host.longer(0.4 if look == "longer" else 0)
    host.dark(look == "dark")
    given = dict(STATES[state])
    stale = given.pop("stale", False)
    if "results" in given:
        given["results"] = {"a": (assessments()[given["results"]], stale)}
        session.options = replace(session.options, show_outside=state == "outside")
    for name, value in given.items():
        setattr(session, name, value)
    panel = ResultPanel(session)
    host.show(panel.widget)
    if "results" in given:
        unfold(host, panel)
    host.picture(panel.widget, f"result_{state}_{look}")
    panel.close()

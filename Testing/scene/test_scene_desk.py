"""Requests and their private files; signals."""

from __future__ import annotations

import os
import stat
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from AdrenalClassifierLib.errors import OutputError
from AdrenalClassifierLib.scene.desk import Desk
from AdrenalClassifierLib.scene.ports import CANCELLED, Failure
from AdrenalClassifierLib.scene.signal import Signal
from support.stand_in_ports import ManualTimers, ManualWorker


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def _prepare(folder: Path) -> dict[str, str]:
    (folder / "x").write_text("x", encoding="utf-8")
    return {"file": str(folder / "x")}


def test_files_of_a_request_live_as_long_as_it_and_belong_to_this_user(place: Path) -> None:
    worker = ManualWorker(answers={"do": lambda arguments: {"text": Path(arguments["file"]).read_text(encoding="utf-8")}})
    desk, told = Desk(worker, ManualTimers()), list[str]()

    def done(answer: dict[str, str]) -> None:
        assert list(place.rglob("x"))  # still there
        told.append(answer["text"])

    desk.ask("do", _prepare, done, lambda _: None)
    desk.ask("do", _prepare, done, lambda _: None)
    (root,) = place.iterdir()
    if os.name == "posix":
        assert stat.S_IMODE(root.stat().st_mode) == 0o700
    worker.answer()
    assert len(list(place.rglob("x"))) == 1
    worker.fail(Failure("died", "It died."))
    assert told == ["x"]
    assert not list(place.iterdir())
    assert not desk.busy


def test_files_go_also_when_preparing_or_answering_fails(place: Path) -> None:
    worker = ManualWorker(answers={"do": lambda _: {}})
    desk = Desk(worker, ManualTimers())

    def bad(folder: Path) -> dict[str, str]:
        _prepare(folder)
        raise OutputError("full")

    with pytest.raises(OutputError):
        desk.ask("do", bad, lambda _: None, lambda _: None)
    assert not list(place.iterdir())
    assert not worker.open

    def done(_: object) -> None:
        raise OutputError("full")

    desk.ask("do", _prepare, done, lambda _: None)
    with pytest.raises(OutputError):
        worker.answer()
    assert not list(place.iterdir())


def test_nobody_is_called_back_for_a_case_that_is_gone(place: Path) -> None:
    worker, told = ManualWorker(), list[Failure]()
    desk = Desk(worker, ManualTimers())
    desk.ask("do", _prepare, lambda _: None, told.append)
    desk.forget()
    assert worker.cancelled == 1
    assert told == []
    assert not list(place.iterdir())
    desk.forget()
    assert worker.cancelled == 1  # nothing was open
    desk.ask("do", _prepare, lambda _: None, told.append)
    desk.cancel()
    assert [failure.code for failure in told] == [CANCELLED]
    desk.ask("do", _prepare, lambda _: None, told.append)
    desk.close()
    assert worker.stopped == 1
    assert len(told) == 1
    assert not list(place.iterdir())


def test_a_signal_calls_its_listeners_in_order_and_once() -> None:
    signal, told = Signal(), list[str]()

    def first(topic: str) -> None:
        told.append(f"first {topic}")
        signal.disconnect(second)

    def second(topic: str) -> None:
        told.append(f"second {topic}")

    signal.connect(first)
    signal.connect(first)
    signal.connect(second)
    signal("ct")
    assert told == ["first ct"]
    signal.disconnect(second)
    signal.disconnect_all()
    signal("ct")
    assert told == ["first ct"]
    assert len(signal) == 0


def test_what_is_prepared_in_steps_takes_one_step_a_turn(place: Path) -> None:
    worker, timers, steps = ManualWorker(answers={"do": lambda arguments: dict(arguments)}), ManualTimers(), list[int]()
    desk = Desk(worker, timers)

    def prepare(folder: Path) -> Generator[None, None, dict[str, Any]]:
        for number in range(3):
            (folder / str(number)).touch()
            steps.append(number)
            yield
        return {"files": len(list(folder.iterdir()))}

    answers: list[dict[str, Any]] = []
    failures: list[Failure] = []
    desk.ask_in_steps("do", prepare, answers.append, failures.append)
    assert (steps, desk.busy) == ([], True)
    for done in range(1, 4):
        timers.planned.pop(0)[1]()
        assert len(steps) == done
        assert not worker.open
    timers.run()
    worker.answer()
    assert (answers, failures, desk.busy) == ([{"files": 3}], [], False)
    assert not list(place.iterdir())


@pytest.mark.parametrize("how", ["cancel", "forget", "close"])
def test_steps_end_when_they_are_not_wanted_any_more(place: Path, how: str) -> None:
    worker, timers, steps = ManualWorker(), ManualTimers(), list[str]()
    desk = Desk(worker, timers)

    def prepare(folder: Path) -> Generator[None, None, dict[str, Any]]:
        try:
            for _ in range(2):
                steps.append("step")
                yield
        finally:
            steps.append("end")
        return {}

    failures: list[Failure] = []
    desk.ask_in_steps("do", prepare, lambda _: None, failures.append)
    timers.planned.pop(0)[1]()
    getattr(desk, how)()
    assert steps == ["step", "end"]
    assert [failure.code for failure in failures] == ([CANCELLED] if how == "cancel" else [])
    assert not timers.planned
    assert not worker.open
    assert not desk.busy
    assert not list(place.iterdir())


def test_a_step_that_cannot_be_done_is_told_in_words(place: Path) -> None:
    worker, timers = ManualWorker(), ManualTimers()
    desk, failures = Desk(worker, timers), list[Failure]()

    def prepare(folder: Path) -> Generator[None, None, dict[str, Any]]:
        yield
        raise OSError(28, "No space left on device", str(folder / "x"))

    desk.ask_in_steps("do", prepare, lambda _: None, failures.append)
    timers.run()
    (failure,) = failures
    assert failure.code == "OutputError"
    assert "No space left on device" in failure.text
    assert str(place) not in failure.text
    assert not worker.open
    assert not list(place.iterdir())


def test_no_folder_for_temporary_files_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    desk = Desk(ManualWorker(), ManualTimers())
    with pytest.raises(OutputError, match="temporary files") as caught:
        desk.ask("do", _prepare, lambda _: None, lambda _: None)
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(OutputError, match="temporary files"):
        desk.ask_in_steps("do", lambda _: iter(()), lambda _: None, lambda _: None)  # type: ignore[arg-type,return-value]
    assert not desk.busy

"""Classify: one request a lesion, progress, cancel, and results that know whether they are still true."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.scene.case import Case, Part
from AdrenalClassifierLib.scene.desk import Desk
from AdrenalClassifierLib.scene.handover import assessment_of, read_values, write_lesion
from AdrenalClassifierLib.scene.ports import CANCELLED, INTERNAL, Failure

PARTS: tuple[Part, ...] = get_args(Part)


@dataclass(frozen=True)
class RunState:
    """How far the classification is.

    Attributes:
        state: nothing runs; the request is on its way; the worker works; the last run failed.
        done: steps done, over all lesions of the run.
        total: steps in all; 0 while that is not known.
        what: what is being done, for people.
        failure: why the last run failed.
    """

    state: Literal["idle", "starting", "running", "failed"] = "idle"
    done: int = 0
    total: int = 0
    what: str = ""
    failure: Failure | None = None


@dataclass(frozen=True)
class Result:
    """The last result of one lesion.

    Attributes:
        assessment: None before the first.
        stale: CT, mask, a value or an option has changed since; it must not be shown as if it were true.
        lesion_id: the lesion's segment id.
        why: what has changed since, when it is stale; empty for a restored result that has not been compared or that differs
            from what the scene holds.
    """

    assessment: Assessment | None
    stale: bool
    lesion_id: str
    why: tuple[Part, ...] = ()


@dataclass
class Kept:
    """A result with the parts that it stands on (None: not compared), and its saliency map on the lesion's grid."""

    assessment: Assessment
    key: Mapping[Part, str] | None
    saliency: NDArray[np.float32] | None = None


class Running:
    """Runs the classification.

    Args:
        case: the case.
        desk: the worker.
        moved: called when ``state`` has changed.
        found: called with a lesion's id when its result has come.
    """

    def __init__(self, case: Case, desk: Desk, moved: Callable[[], None], found: Callable[[str], None]) -> None:
        self._case, self._desk, self._moved, self._found = case, desk, moved, found
        self.state = RunState()
        self.kept: dict[str, Kept] = {}
        self._queue: list[str] = []
        self._count = 0

    @property
    def active(self) -> bool:
        """Whether a classification is under way."""
        return self.state.state in ("starting", "running")

    def start(self, segment_ids: Sequence[str]) -> None:
        """Classify these lesions, one after another."""
        self._queue = list(segment_ids)
        self._count = len(self._queue)
        self._next()

    def cancel(self) -> None:
        """End the run; the worker's process goes with it."""
        if self.active:
            self._queue.clear()
            self._desk.cancel()

    def forget(self) -> None:
        """Drop results and what is under way; nobody is told."""
        self.forget_run()
        self.kept.clear()

    def forget_run(self) -> None:
        """Drop what is under way; nobody is told."""
        self._queue.clear()
        self.state = RunState()

    def key(self, segment_id: str) -> Mapping[Part, str]:
        """The parts a lesion's result stands on as they are now."""
        try:
            return self._case.parts(segment_id)
        except AdrenalError:
            return {}

    def result(self, segment_id: str) -> Result:
        """The last result of a lesion."""
        kept = self.kept.get(segment_id)
        if kept is None:
            return Result(None, False, segment_id)
        now = self.key(segment_id)
        why = () if kept.key is None else tuple(part for part in PARTS if kept.key.get(part) != now.get(part))
        return Result(kept.assessment, kept.key is None or bool(why), segment_id, why)

    def _set(self, state: RunState) -> None:
        self.state = state
        self._moved()

    def _next(self) -> None:
        while self._queue and self._queue[0] not in self._case.segment_ids():
            self._queue.pop(0)  # removed while others were classified
        if not self._queue:
            self._set(RunState())
            return
        segment_id = self._queue.pop(0)
        at = self._count - len(self._queue) - 1
        self._set(RunState("starting", at, self._count, self._words(at, "")))
        try:
            key = self._case.parts(segment_id)
            lesion = self._case.lesion(segment_id)
            record, notices = self._case.patient()
        except AdrenalError as error:
            self._queue.clear()
            self._set(RunState("failed", failure=Failure(type(error).__name__, str(error))))
            return
        options, made_with = self._case.state.options, self._case.made_with()
        prevalence = options.prevalence

        def prepare(folder: Path) -> dict[str, Any]:
            write_lesion(folder / "lesion.npz", lesion)
            return {
                "lesion": str(folder / "lesion.npz"),
                "patient": record.to_json(),
                "notices": [{"code": notice.code, "text": notice.text} for notice in notices],
                "options": {
                    "prevalence": prevalence.setting if prevalence.setting != "own" else repr(prevalence.value),
                    "level": options.level,
                    "show_outside": options.show_outside,
                    "saliency": options.saliency,
                },
                "model": None if self._case.model is None else str(self._case.model),
                "device": self._case.device,
            }

        def done(answer: dict[str, Any]) -> None:
            self._answered(segment_id, key, made_with, answer)

        def moved(count: int, total: int, what: str) -> None:
            steps = max(total, 1)
            self._set(RunState("running", at * steps + count, self._count * steps, self._words(at, what)))

        try:
            self._desk.ask("assess", prepare, done, self._failed, moved)
        except AdrenalError as error:
            self._failed(Failure(type(error).__name__, str(error)))

    def _words(self, at: int, what: str) -> str:
        if self._count < 2:
            return what
        return f"Lesion {at + 1} of {self._count}{': ' if what else ''}{what}"

    def _answered(self, segment_id: str, key: Mapping[Part, str], made_with: dict[str, Any], answer: dict[str, Any]) -> None:
        try:
            assessment = assessment_of(answer["assessment"])
            saliency = None if not answer.get("saliency") else np.asarray(read_values(Path(answer["saliency"])), np.float32)
        except (AdrenalError, KeyError) as error:
            text = (
                str(error) if isinstance(error, AdrenalError) else "The result of the classification cannot be read; try again."
            )
            self._failed(Failure(type(error).__name__ if isinstance(error, AdrenalError) else INTERNAL, text))
            return
        if segment_id in self._case.segment_ids():
            self.kept[segment_id] = Kept(assessment, key, saliency)
            lesion = self._case.state.lesion(segment_id)
            lesion.assessment, lesion.made_with = answer["assessment"], made_with
            self._found(segment_id)
        self._next()

    def _failed(self, failure: Failure) -> None:
        self._queue.clear()
        self._set(RunState() if failure.code == CANCELLED else RunState("failed", failure=failure))

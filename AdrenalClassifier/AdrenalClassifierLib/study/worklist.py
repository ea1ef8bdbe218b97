"""Where a reading stands: the state of every case, from the reader's log and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.study.log import REPAIRED, Entry
from AdrenalClassifierLib.study.package import Package

State = Literal["open", "started", "submitted", "reopened"]
READER_LOG = "log.csv"
READER_COLUMNS = ("case", "active_s", "mask_sha256", "tool", "tool_version", "software_version", "reason")
BEGAN, OPENED, PAUSED, RESUMED, AUTOSAVED, CLOSED, SUBMITTED, REOPENED = (
    *("began", "opened", "paused", "resumed", "autosaved"),
    *("closed", "submitted", "reopened"),
)
RUNNING_AFTER = {OPENED: True, RESUMED: True, PAUSED: False, CLOSED: False, SUBMITTED: False, REOPENED: False}


@dataclass(frozen=True)
class Submission:
    """A mask that was handed in: its number for this case from 1, its checksum, when, and the tool it was drawn with."""

    number: int
    sha256: str
    when: datetime
    active_s: float
    tool: str
    tool_version: str


@dataclass(frozen=True)
class CaseState:
    """Where one case stands.

    Attributes:
        code: of the case in this reading.
        position: from 1, in the reader's order.
        state: ``open`` (not looked at), ``started``, ``submitted``, or ``reopened``.
        running: its timer runs.
        active_s: seconds of work so far: between records of a run, pauses and the time after a crash left out.
        recorded: when its last record was written.
        submissions: all of them; the last one counts.
        tool, tool_version: of the present or last run.
    """

    code: str
    position: int
    state: State = "open"
    running: bool = False
    active_s: float = 0.0
    recorded: datetime | None = None
    submissions: tuple[Submission, ...] = ()
    tool: str = ""
    tool_version: str = ""

    def active_at(self, now: datetime) -> float:
        """Seconds of work up to ``now``. A clock that was set back adds nothing."""
        if not self.running or self.recorded is None:
            return self.active_s
        return self.active_s + max((now - self.recorded).total_seconds(), 0.0)


@dataclass(frozen=True)
class Worklist:
    """The cases of a reading in the reader's order."""

    package: Package
    cases: tuple[CaseState, ...]

    def case(self, code: str) -> CaseState:
        """A case by its code. Raises StudyError when there is none."""
        self.package.case(code)
        return next(c for c in self.cases if c.code == code)

    @property
    def next(self) -> CaseState | None:
        """What to do now: a case whose work was begun, else the first that is not submitted; None when all are."""
        waiting = [c for c in self.cases if c.state != "submitted"]
        return next((c for c in waiting if c.state in ("started", "reopened")), waiting[0] if waiting else None)

    @property
    def submitted(self) -> int:
        """Number of submitted cases."""
        return sum(c.state == "submitted" for c in self.cases)

    @property
    def finished(self) -> bool:
        """All cases are submitted."""
        return self.submitted == len(self.cases)


def worklist_of(package: Package, entries: Sequence[Entry]) -> Worklist:
    """The states that a log's entries leave behind.

    Raises:
        StudyError: the log names an unknown case or event, or a step that its case did not allow.
    """
    states = {c.code: CaseState(c.code, n) for n, c in enumerate(package.cases, start=1)}
    for entry in entries:
        if entry.event in (BEGAN, REPAIRED):
            continue
        code = entry.values["case"]
        if code not in states:
            raise StudyError(f"The log names a case that the package does not have (line {entry.number + 1}).")
        states[code] = _after(states[code], entry)
    return Worklist(package, tuple(states.values()))


def _after(case: CaseState, entry: Entry) -> CaseState:
    refused = StudyError(f"The log holds a step that its case does not allow (line {entry.number + 1}).")
    allowed: dict[str, tuple[State, ...]] = {OPENED: ("open", "started", "reopened"), REOPENED: ("submitted",)}
    if case.state not in allowed.get(entry.event, ("started", "reopened")):
        raise refused
    try:
        active = float(entry.values["active_s"])
    except ValueError as error:
        raise refused from error
    after = replace(case, active_s=active, recorded=entry.when, running=RUNNING_AFTER.get(entry.event, case.running))
    tool, version = entry.values["tool"], entry.values["tool_version"]
    if entry.event == OPENED:
        state: State = "started" if case.state == "open" else case.state
        return replace(after, state=state, tool=tool, tool_version=version)
    if entry.event == SUBMITTED:
        number = len(case.submissions) + 1
        done = Submission(number, entry.values["mask_sha256"], entry.when, active, tool, version)
        return replace(after, state="submitted", submissions=(*case.submissions, done))
    if entry.event == REOPENED:
        return replace(after, state="reopened")
    if entry.event not in (PAUSED, RESUMED, AUTOSAVED, CLOSED):
        raise refused
    return after

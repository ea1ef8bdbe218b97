"""What a reader does in a package: open, save, pause, submit, re-open. Each function is one step, safe at any moment.

A host calls ``open_case``, then ``autosave`` every 30 seconds (``AUTOSAVE_S``) and when the reader pauses, then ``submit``. A
step has happened once its function returns: file, folder and log line are on the disk then. A process that is killed, or a
computer that loses power, leaves the state after the last such step; what was drawn since the last autosave is all that can be
lost.

Time counts between the records of one run of a case (opened ... autosaved ... paused, closed or submitted). Opening a case
again after a crash begins a new run at the time that was last recorded. Hosts pause when the reader leaves or the computer
sleeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import MaskError, StudyError
from AdrenalClassifierLib.files import TEMPORARY, sha256_of
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.study import worklist as steps
from AdrenalClassifierLib.study.log import Log, clean, locked
from AdrenalClassifierLib.study.masks import SUFFIX, mask_on_grid, write_mask
from AdrenalClassifierLib.study.package import PACKAGE, PackageCase, read_package
from AdrenalClassifierLib.study.worklist import READER_COLUMNS, READER_LOG, CaseState, Worklist, worklist_of
from AdrenalClassifierLib.version import __version__

AUTOSAVE_S = 30.0
AUTOSAVES, SUBMITTED = "autosave", "submitted"
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class OpenedCase:
    """What a host needs to show a case.

    Attributes:
        case: code, hint and grid.
        ct: path of the CT.
        mask: path of the mask to go on from (the last autosave, else the last submission); None for a fresh start.
        state: where the case stands.
    """

    case: PackageCase
    ct: Path
    mask: Path | None
    state: CaseState


def open_package(folder: Path) -> Worklist:
    """Open a package to work in it, for the first time or again; what a crash left behind is put in order.

    Raises:
        StudyError: not a package, or package or log were changed.
        OutputError: the folder cannot be written.
    """
    with _at_work(folder) as (work, _):
        return work


def open_case(folder: Path, code: str, tool: str, tool_version: str, now: datetime | None = None) -> OpenedCase:
    """Begin or go on with a case; its timer runs from now. A case that was left running elsewhere is closed.

    Args:
        folder: the package.
        code: of the case.
        tool, tool_version: what the reader draws with.
        now: None takes the clock's time.

    Raises:
        StudyError: unknown or submitted case, no tool named, or the CT was changed.
    """
    folder = Path(folder)
    if not clean(tool) or not clean(tool_version):
        raise StudyError("Name the tool that the lesion is outlined with, and its version.")
    with _at_work(folder) as (work, log):
        state, case = work.case(code), work.package.case(code)
        if state.state == "submitted":
            raise StudyError(f"Case {code} was submitted. To change it, re-open it and say why.")
        ct = folder / case.file
        if not ct.is_file() or sha256_of(ct) != case.sha256:
            raise StudyError(f"The CT of case {code} is missing or was changed. Copy the package again.")
        when = now or datetime.now(timezone.utc)
        for other in work.cases:
            if other.running and other.code != code:  # its host is gone: nothing after its last record counts
                _record(log, steps.CLOSED, other, when, other.active_s)
        log.append(
            steps.OPENED,
            when,
            case=code,
            active_s=f"{state.active_s:.3f}",
            tool=tool,
            tool_version=tool_version,
            software_version=__version__,
        )
        return OpenedCase(case, ct, _start_from(folder, state), worklist_of(work.package, log.entries).case(code))


def pause(folder: Path, code: str, now: datetime | None = None) -> CaseState:
    """Stop a case's timer. Raises StudyError when it does not run."""
    return _step(folder, code, steps.PAUSED, True, now)


def resume(folder: Path, code: str, now: datetime | None = None) -> CaseState:
    """Let the timer of a paused case run again. Raises StudyError when it runs, or the case was not begun."""
    return _step(folder, code, steps.RESUMED, False, now)


def close_case(folder: Path, code: str, now: datetime | None = None) -> CaseState:
    """Leave a case for later. Raises StudyError when its timer does not run (a paused case is left as it is)."""
    return _step(folder, code, steps.CLOSED, True, now)


def autosave(folder: Path, code: str, mask: Mask | Path, now: datetime | None = None, label: str | None = None) -> CaseState:
    """Keep what was drawn so far; the mask may be empty.

    Args:
        folder: the package.
        code: of a case that was begun.
        mask: bool (k, j, i) on the case's grid, or a mask file on it.
        now: None takes the clock's time.
        label: segment of the file, where it holds several.

    Raises:
        StudyError: the case is not being worked on, or the mask is not on its grid.
        OutputError: it cannot be written; the earlier autosave is then untouched.
    """
    folder = Path(folder)
    with _at_work(folder) as (work, log):
        state, grid = _begun(work, code), work.package.case(code).grid
        path = folder / AUTOSAVES / (code + SUFFIX)
        write_mask(path, _on_grid(mask, grid, label), grid)
        when = now or datetime.now(timezone.utc)
        _record(log, steps.AUTOSAVED, state, when, state.active_at(when), path)
        return worklist_of(work.package, log.entries).case(code)


def submit(
    folder: Path, code: str, mask: Mask | Path | None = None, now: datetime | None = None, label: str | None = None
) -> CaseState:
    """Hand a case in. It counts from the moment this returns and cannot be changed except by re-opening.

    Args:
        folder: the package.
        code: of a case that was begun.
        mask: as for ``autosave`` but not empty; None takes the last autosave.
        now, label: as for ``autosave``.

    Raises:
        StudyError: the case is not being worked on, was submitted, or the mask is not on its grid.
        MaskError: the mask is empty.
        OutputError: it cannot be written; the case is then not submitted.
    """
    folder = Path(folder)
    with _at_work(folder) as (work, log):
        state, grid = _begun(work, code), work.package.case(code).grid
        saved = folder / AUTOSAVES / (code + SUFFIX)
        if mask is None and not saved.is_file():
            raise StudyError(f"Nothing was saved for case {code}. Outline the lesion first.")
        drawn = _on_grid(saved if mask is None else mask, grid, label)
        if not drawn.any():
            raise MaskError(f"The mask of case {code} is empty. Outline the lesion before you submit.")
        path = submission_path(folder / SUBMITTED, code, len(state.submissions) + 1)
        write_mask(path, drawn, grid)
        when = now or datetime.now(timezone.utc)
        _record(log, steps.SUBMITTED, state, when, state.active_at(when), path)  # from here on it is submitted
        saved.unlink(missing_ok=True)
        return worklist_of(work.package, log.entries).case(code)


def reopen(folder: Path, code: str, reason: str, now: datetime | None = None) -> CaseState:
    """Allow a submitted case to be changed. The earlier submission is kept and the reason logged.

    Raises:
        StudyError: the case is not submitted, or no reason is given.
    """
    if not clean(reason):
        raise StudyError("Say why the case is re-opened; the reason is logged.")
    with _at_work(Path(folder)) as (work, log):
        state = work.case(code)
        if state.state != "submitted":
            raise StudyError(f"Case {code} is not submitted, so that it need not be re-opened.")
        _record(log, steps.REOPENED, state, now or datetime.now(timezone.utc), state.active_s, reason=reason)
        return worklist_of(work.package, log.entries).case(code)


def submission_path(folder: Path, code: str, number: int) -> Path:
    """Where the n-th submission of a case lies."""
    return folder / f"{code}-{number}{SUFFIX}"


@contextmanager
def _at_work(folder: Path) -> Iterator[tuple[Worklist, Log]]:
    """The worklist and the open log of a package that no other process works in, remains of a crash removed."""
    folder = Path(folder)
    package = read_package(folder)
    with locked(folder):
        log = Log(folder / READER_LOG, READER_COLUMNS, package.sha256)
        if not any(entry.event == steps.BEGAN for entry in log.entries):
            log.append(steps.BEGAN, software_version=__version__, reason=f"{PACKAGE} {package.sha256}")
        work = worklist_of(package, log.entries)
        for place in (folder, folder / AUTOSAVES, folder / SUBMITTED):
            for left in place.glob(TEMPORARY + "*"):
                left.unlink(missing_ok=True)
        for case in work.cases:
            if case.state == "submitted":
                (folder / AUTOSAVES / (case.code + SUFFIX)).unlink(missing_ok=True)
        yield work, log


def _begun(work: Worklist, code: str) -> CaseState:
    state = work.case(code)
    if state.state == "submitted":
        raise StudyError(f"Case {code} was submitted. To change it, re-open it and say why.")
    if state.state == "open" or not state.tool:
        raise StudyError(f"Case {code} was not opened. Open it first.")
    return state


def _step(folder: Path, code: str, event: str, running: bool, now: datetime | None) -> CaseState:
    with _at_work(Path(folder)) as (work, log):
        state = _begun(work, code)
        if state.running != running:
            raise StudyError(f"The timer of case {code} {'does not run' if running else 'runs already'}.")
        when = now or datetime.now(timezone.utc)
        _record(log, event, state, when, state.active_at(when))
        return worklist_of(work.package, log.entries).case(code)


def _record(
    log: Log, event: str, case: CaseState, when: datetime, active: float, mask: Path | None = None, reason: str = ""
) -> None:
    log.append(
        event,
        when,
        case=case.code,
        active_s=f"{active:.3f}",
        mask_sha256="" if mask is None else sha256_of(mask),
        tool=case.tool,
        tool_version=case.tool_version,
        software_version=__version__,
        reason=reason,
    )


def _on_grid(mask: Mask | Path, grid: Geometry, label: str | None) -> Mask:
    if isinstance(mask, Path):
        return mask_on_grid(mask, grid, label)
    array = np.asarray(mask)
    if array.shape != grid.shape or array.dtype != np.bool_:
        raise StudyError("The mask must be true or false for each voxel of the case's CT, no more and no fewer.")
    return array


def _start_from(folder: Path, state: CaseState) -> Path | None:
    saved = folder / AUTOSAVES / (state.code + SUFFIX)
    if saved.is_file():
        return saved
    return submission_path(folder / SUBMITTED, state.code, len(state.submissions)) if state.submissions else None

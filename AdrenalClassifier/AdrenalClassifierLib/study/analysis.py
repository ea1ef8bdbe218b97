"""Open the results of a study: compare all masks, find the outliers, gather the times. Locked until all readers have finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from AdrenalClassifierLib.agreement.definitions import DEFAULT_TOLERANCES_MM, LOW_DICE
from AdrenalClassifierLib.agreement.folders import Reading
from AdrenalClassifierLib.agreement.many import Compared, ComparedPair, compare_many
from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.files import sha256_of
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.study.collected import collected, mask_of
from AdrenalClassifierLib.study.log import Entry, clean, locked
from AdrenalClassifierLib.study.manifest import CASES, Key, ReadingId, Study, read_key
from AdrenalClassifierLib.study.masks import SUFFIX
from AdrenalClassifierLib.study.status import unfinished
from AdrenalClassifierLib.study.worklist import Worklist
from AdrenalClassifierLib.version import __version__

ORIGINAL = "original"
"""Name under which the existing outlines are compared with the readers' ones."""
FENCE = 1.5
"""Interquartile ranges below the first quartile beyond which a Dice is an outlier (Tukey's fence)."""
Group = Literal["inter", "original", "intra"]
GROUPS: tuple[Group, ...] = get_args(Group)
"""Between readers, between readers and the existing outlines, between the sessions of one reader."""
OUTLIER_RULE = (
    f"a Dice below {LOW_DICE:.2f}, undefined, or below the first quartile of its comparison minus {FENCE:g} interquartile ranges"
)


@dataclass(frozen=True)
class CaseRecord:
    """How one reading of one case was made.

    Attributes:
        case: code in the study.
        reading: whose and which.
        position: place in the reader's order, from 1.
        active_s: seconds of work until the valid submission, pauses left out.
        submissions: how often it was submitted.
        when: of the valid submission.
        tool, tool_version: it was drawn with.
    """

    case: str
    reading: ReadingId
    position: int
    active_s: float
    submissions: int
    when: datetime
    tool: str
    tool_version: str


@dataclass(frozen=True)
class Outlier:
    """A pair of masks that lie far apart, and why it counts as that."""

    pair: ComparedPair
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Analysis:
    """Everything that a study found.

    Attributes:
        study: the study.
        readings: the masks, by case; the existing outlines as reader ``original`` when they were asked for.
        compared: all pairs.
        records: one for each reading and case.
        outliers: worst first.
        unfinished: readings that were not complete.
        remarks: entries of the log that a reader of the results must know: sessions released early, results opened early.
        tolerances_mm: of the surface Dice.
    """

    study: Study
    readings: tuple[Reading, ...]
    compared: Compared
    records: tuple[CaseRecord, ...]
    outliers: tuple[Outlier, ...]
    unfinished: tuple[ReadingId, ...]
    remarks: tuple[Entry, ...]
    tolerances_mm: tuple[float, ...]

    def ct(self, case: str) -> Path:
        """The CT of a case as the readers saw it."""
        return self.study.folder / CASES / f"{case}.nii.gz"

    def mask(self, reader: str, session: int, case: str) -> Path:
        """A reader's mask of a case."""
        return next(r.files[case] for r in self.readings if (r.reader, r.session) == (reader, session))


def analyse(
    study: Study,
    reason: str = "",
    original: bool = False,
    tolerances_mm: Sequence[float] = DEFAULT_TOLERANCES_MM,
    workers: int | None = None,
    progress: Progress = silent,
    now: datetime | None = None,
) -> Analysis:
    """Compare the readings of a study. That the results were opened is logged.

    Args:
        study: the study.
        reason: why results are opened before all readers have finished; logged and printed with the results.
        original: also compare each reader's first session with the existing outlines.
        tolerances_mm: of the surface Dice.
        workers: cases at a time.
        progress: told after each case.
        now: None takes the clock's time.

    Raises:
        StudyError: readers have not finished and no reason is given; a file was changed; fewer than two readings to compare.
    """
    waiting = unfinished(study)
    if waiting and not clean(reason):
        names = ", ".join(reading.name for reading in waiting)
        raise StudyError(
            f"The results stay closed until all readings are complete and collected; not yet: {names}. "
            "To open them all the same, give a reason; it is logged and printed with the results."
        )
    key = read_key(study)
    works = {reading: work for reading in study.readings if (work := collected(study, reading)) is not None}
    readings = [_reading(study, key, reading, work) for reading, work in works.items()]
    if original:
        readings.insert(0, _original(study))  # first, so that readers are compared with it and not it with them
    readings = [reading for reading in readings if reading.files]
    if len(readings) < 2:
        raise StudyError("There are no two readings to compare. Collect more, or compare with the existing outlines.")
    cts = {c.case: study.folder / CASES / f"{c.case}.nii.gz" for c in study.cases}
    for c in study.cases:
        _unchanged(cts[c.case], c.shown_sha256, f"The CT of case {c.case}")
    with locked(study.folder):
        study.log().append(
            "analysed_early" if waiting else "analysed",
            now,
            reason=reason if waiting else "",
            detail=", ".join(f"{r.reader}-{r.session}: {len(r.files)}" for r in readings),
            software_version=__version__,
        )
    compared = compare_many(readings, None, cts, tolerances_mm, workers, progress)
    return Analysis(
        study,
        tuple(readings),
        compared,
        tuple(record for reading, work in works.items() for record in _records(key, reading, work)),
        find_outliers(compared.pairs),
        waiting,
        tuple(e for e in study.entries() if e.event in ("released_early", "analysed_early")),
        tuple(tolerances_mm),
    )


def _reading(study: Study, key: Key, reading: ReadingId, work: Worklist) -> Reading:
    files = {}
    for state in work.cases:
        if state.state == "submitted":
            path = mask_of(study, reading, state.code)
            _unchanged(path, state.submissions[-1].sha256, f"The mask {state.code} of {reading.name}")
            files[key.codes[reading.name][state.code]] = path
    return Reading(reading.reader, reading.session, files)


def _original(study: Study) -> Reading:
    if ORIGINAL in study.readers:
        raise StudyError(f"A reader is called '{ORIGINAL}', which is the name of the existing outlines. They cannot be compared.")
    files = {}
    for c in study.cases:
        if c.outline_sha256 is None:
            raise StudyError("The study was created without existing outlines. Compare the readers with each other only.")
        files[c.case] = study.folder / CASES / f"{c.case}{SUFFIX}"
        _unchanged(files[c.case], c.outline_sha256, f"The existing outline of case {c.case}")
    return Reading(ORIGINAL, 1, files)


def _unchanged(path: Path, sha256: str, what: str) -> None:
    if not path.is_file() or sha256_of(path) != sha256:
        raise StudyError(f"{what} is missing or was changed (checksum differs). Put the original back.")


def _records(key: Key, reading: ReadingId, work: Worklist) -> list[CaseRecord]:
    found = []
    for state in work.cases:
        if state.state == "submitted":
            last = state.submissions[-1]
            case = key.codes[reading.name][state.code]
            count = len(state.submissions)
            found.append(CaseRecord(case, reading, state.position, last.active_s, count, last.when, last.tool, last.tool_version))
    return found


def find_outliers(pairs: Sequence[ComparedPair]) -> tuple[Outlier, ...]:
    """The pairs that ``OUTLIER_RULE`` describes, worst first."""
    groups: dict[tuple[str, int, str, int], list[ComparedPair]] = {}
    for pair in pairs:
        groups.setdefault(comparison_of(pair), []).append(pair)
    found = []
    for group in groups.values():
        known = [dice for pair in group if (dice := pair.values["dice"]) is not None]
        q1, q3 = np.percentile(known, [25, 75]) if known else (0.0, 0.0)
        fence = float(q1 - FENCE * (q3 - q1))
        for pair in group:
            dice = pair.values["dice"]
            reasons = []
            if dice is None:
                reasons.append("Dice undefined")
            else:
                if dice < LOW_DICE:
                    reasons.append(f"below {LOW_DICE:.2f}")
                if dice < fence:
                    reasons.append(f"below the fence of this comparison, {fence:.3f}")
            if reasons:
                found.append(Outlier(pair, tuple(reasons)))
    return tuple(sorted(found, key=lambda o: (o.pair.values["dice"] or 0.0, o.pair.case, comparison_of(o.pair))))


def pair_key(pair: ComparedPair) -> tuple[str, str, int, str, int]:
    """What distinguishes a pair in a study."""
    return (pair.case, *comparison_of(pair))


def comparison_of(pair: ComparedPair) -> tuple[str, int, str, int]:
    """Which two readings a pair compares."""
    return (pair.reader_a, pair.session_a, pair.reader_b, pair.session_b)


def group_of(pair: ComparedPair) -> Group:
    """``original`` for a pair with an existing outline, else the pair's kind."""
    return "original" if ORIGINAL in (pair.reader_a, pair.reader_b) else pair.kind


def by_lesion(pairs: Sequence[ComparedPair], key: str) -> dict[str, float | None]:
    """A metric's mean over the pairs of each case: lesions are independent of each other, pairs of one lesion are not."""
    values: dict[str, list[float]] = {}
    for pair in pairs:
        value = pair.values.get(key)
        values.setdefault(pair.case, [])
        if value is not None:
            values[pair.case].append(value)
    return {case: float(np.mean(found)) if found else None for case, found in values.items()}


def times_of(records: Sequence[CaseRecord]) -> Mapping[ReadingId, list[float]]:
    """Minutes of each case by reading."""
    out: dict[ReadingId, list[float]] = {}
    for record in records:
        out.setdefault(record.reading, []).append(record.active_s / 60)
    return out

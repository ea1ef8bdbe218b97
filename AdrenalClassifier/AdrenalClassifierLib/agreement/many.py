"""Many cases of two or more readers: every pair of masks compared, files read once, several cases at a time."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from AdrenalClassifierLib.agreement.consensus import Consensus, consensus
from AdrenalClassifierLib.agreement.definitions import DEFAULT_TOLERANCES_MM
from AdrenalClassifierLib.agreement.folders import Reading
from AdrenalClassifierLib.agreement.pair import PairAgreement, compare
from AdrenalClassifierLib.agreement.placing import Outline, only_segment
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from AdrenalClassifierLib.progress import Progress, silent

Kind = Literal["inter", "intra"]


@dataclass(frozen=True)
class ComparedPair:
    """The agreement of two readings on one case.

    Attributes:
        case: name of the case.
        kind: ``"intra"`` for two sessions of one reader, else ``"inter"``.
        reader_a, session_a, reader_b, session_b: who drew A and B, and when.
        agreement: the metrics.
        extra: further values of the pair, by key, that are summarised and written beside the metrics (None: undefined).
    """

    case: str
    kind: Kind
    reader_a: str
    session_a: int
    reader_b: str
    session_b: int
    agreement: PairAgreement
    extra: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float | None]:
        """Metrics and extra values."""
        return {**self.agreement.values, **self.extra}


@dataclass(frozen=True)
class Compared:
    """Everything that came out of many cases.

    Attributes:
        pairs: every compared pair, by case, in the order of the readings.
        consensuses: by case, where three or more readers outlined it.
        failed: by case, why it could not be compared.
    """

    pairs: tuple[ComparedPair, ...]
    consensuses: Mapping[str, Consensus]
    failed: Mapping[str, str]


def pairs_of(readings: Sequence[Reading]) -> list[tuple[int, int, Kind]]:
    """Which readings are compared: the sessions of one reader with each other (intra), and different readers in sessions of the
    same number (inter), so that no difference between sessions enters the agreement between readers."""
    found: list[tuple[int, int, Kind]] = []
    for a, b in itertools.combinations(range(len(readings)), 2):
        if readings[a].reader == readings[b].reader:
            found.append((a, b, "intra"))
        elif readings[a].session == readings[b].session:
            found.append((a, b, "inter"))
    return found


def default_workers() -> int:
    """Cores, at most four: reading is bound by memory beyond that."""
    return max(1, min(4, os.cpu_count() or 1))


def compare_many(
    readings: Sequence[Reading],
    label: str | None = None,
    cts: Mapping[str, Path] | None = None,
    tolerances_mm: Sequence[float] = DEFAULT_TOLERANCES_MM,
    workers: int | None = None,
    progress: Progress = silent,
) -> Compared:
    """Compare every case that at least two readings hold.

    A case whose files cannot be read or do not belong together is reported in ``failed``; the others go on. The result does not
    depend on ``workers`` (threads: reading and arithmetic leave Python's lock).

    Args:
        readings: masks by case, of every reader and session.
        label: segment to take from each file.
        cts: CT files by case, for the attenuation; a case without one has none.
        tolerances_mm: of the surface Dice.
        workers: cases at a time.

    Raises:
        AdrenalError: no case is in two readings.
    """
    pairs = pairs_of(readings)
    cases = sorted({case for a, b, _ in pairs for case in readings[a].files.keys() & readings[b].files.keys()})
    if not cases:
        raise AdrenalError("No case is in two folders; masks of one case must have the same file name in each folder.")
    done: dict[str, tuple[list[ComparedPair], Consensus | None] | str] = {}

    def work(case: str) -> tuple[list[ComparedPair], Consensus | None]:
        return _compare_case(case, readings, pairs, label, (cts or {}).get(case), tolerances_mm)

    progress(0, len(cases), "Comparing")
    with ThreadPoolExecutor(max(1, workers or default_workers())) as pool:
        waiting: dict[Future[tuple[list[ComparedPair], Consensus | None]], str] = {
            pool.submit(work, case): case for case in cases
        }
        try:
            while waiting:
                for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                    case = waiting.pop(future)
                    try:
                        done[case] = future.result()
                    except AdrenalError as error:
                        done[case] = str(error)
                    progress(len(done), len(cases), "Comparing")
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
    good = {case: found for case in cases if not isinstance(found := done[case], str)}
    return Compared(
        tuple(pair for found in good.values() for pair in found[0]),
        {case: found[1] for case, found in good.items() if found[1] is not None},
        {case: found for case in cases if isinstance(found := done[case], str)},
    )


def _compare_case(
    case: str,
    readings: Sequence[Reading],
    pairs: Sequence[tuple[int, int, Kind]],
    label: str | None,
    ct_path: Path | None,
    tolerances_mm: Sequence[float],
) -> tuple[list[ComparedPair], Consensus | None]:
    ct = read_ct(ct_path) if ct_path is not None else None
    outlines: dict[int, Outline] = {}
    for n, reading in enumerate(readings):
        path = reading.files.get(case)
        if path is not None:
            outlines[n] = only_segment(read_mask(path, label, ct.geometry if ct else None, empty=True), path.name)
    found = [
        ComparedPair(
            case,
            kind,
            readings[a].reader,
            readings[a].session,
            readings[b].reader,
            readings[b].session,
            compare(outlines[a], outlines[b], ct, tolerances_mm),
        )
        for a, b, kind in pairs
        if a in outlines and b in outlines
    ]
    first = [outlines[n] for n in sorted(outlines) if readings[n].session == 1]
    drawn = len(first) > 2 and all(outline.mask is not None for outline in first)
    return found, consensus(first) if drawn else None

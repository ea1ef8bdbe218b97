"""Turn a cohort, on disk or synthetic, into examples: read, crop, measure, resample; several lesions at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar

from AdrenalClassifierLib.cohort.labels import LabelPolicy
from AdrenalClassifierLib.cohort.lesions import lesion_of_row
from AdrenalClassifierLib.cohort.synthetic.case import SyntheticCase
from AdrenalClassifierLib.cohort.synthetic.render import lesion_of
from AdrenalClassifierLib.cohort.table import Cohort, CohortRow
from AdrenalClassifierLib.errors import AdrenalError, CohortError
from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.training.examples import Example, prepare

Item = TypeVar("Item")
WHAT = "Preparing lesions"


def prepare_cohort(
    cohort: Cohort, policy: LabelPolicy, settings: InputSettings, workers: int = 1, progress: Progress = silent
) -> tuple[Example, ...]:
    """Examples of all rows whose histology the label policy does not leave out, in the table's order.

    Raises:
        CohortError: a lesion cannot be read; ``problems`` names every such row.
    """
    rows = [row for row in cohort.rows if policy.is_malignant(row.histology) is not None]
    found = _each(partial(_of_row, settings=settings), rows, workers, progress)
    problems = tuple(item for item in found if isinstance(item, str))
    if problems:
        raise CohortError(f"{len(problems)} of {len(rows)} lesions cannot be read; correct the table or the files.", problems)
    return tuple(item for item in found if isinstance(item, Example))


def prepare_synthetic(
    cases: Sequence[SyntheticCase], settings: InputSettings, workers: int = 1, progress: Progress = silent
) -> tuple[Example, ...]:
    """Examples of synthetic cases, rendered in memory: the same as writing them with ``cohort synthesize`` and reading."""
    return tuple(_each(partial(_of_case, settings=settings), cases, workers, progress))


def _of_row(row: CohortRow, settings: InputSettings) -> Example | str:
    try:
        lesion = lesion_of_row(row)
        return prepare(lesion, row.patient, row.patient_id, row.lesion_id, row.malignant, row.histology, settings)
    except AdrenalError as error:
        return f"Row {row.row}: {error}"


def _of_case(case: SyntheticCase, settings: InputSettings) -> Example:
    return prepare(lesion_of(case), case.patient, case.patient_id, case.lesion_id, case.malignant, case.lesion_class, settings)


Result = TypeVar("Result")


def _each(work: Callable[[Item], Result], items: Sequence[Item], workers: int, progress: Progress) -> list[Result]:
    out: list[Result] = []
    if workers < 2 or len(items) < 2 * workers:
        for item in items:
            out.append(work(item))
            progress(len(out), len(items), WHAT)
        return out
    # spawn: a forked child would inherit threads and locks of whatever program calls this.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            for result in pool.map(work, items, chunksize=2):
                out.append(result)
                progress(len(out), len(items), WHAT)
        finally:
            pool.shutdown(cancel_futures=True)
    return out

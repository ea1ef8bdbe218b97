"""Turn a cohort, on disk or synthetic, into examples: read, crop, measure, resample; several lesions at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TypeVar

from AdrenalClassifierLib.cohort.duplicates import find_duplicates
from AdrenalClassifierLib.cohort.labels import LabelPolicy
from AdrenalClassifierLib.cohort.lesions import lesion_of_row
from AdrenalClassifierLib.cohort.synthetic.case import SyntheticCase
from AdrenalClassifierLib.cohort.synthetic.render import lesion_of
from AdrenalClassifierLib.cohort.table import Cohort, CohortRow
from AdrenalClassifierLib.errors import AdrenalError, CohortError
from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.lifeline import end_with_parent
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.training.examples import Example, Voxels, voxels_of
from AdrenalClassifierLib.training.launch import Launch
from AdrenalClassifierLib.training.workspace import Workspace, row_key

Item = TypeVar("Item")
WHAT = "Preparing lesions"


def prepare_cohort(
    cohort: Cohort,
    policy: LabelPolicy,
    settings: InputSettings,
    workers: int = 1,
    progress: Progress = silent,
    workspace: Workspace | None = None,
    launch: Launch | None = None,
) -> tuple[Example, ...]:
    """Examples of all rows whose histology the label policy does not leave out, in the order of their lesion_ids.

    Args:
        cohort: the table.
        policy: which lesions are left out.
        settings: of the network input.
        workers: processes.
        progress: told after every lesion.
        workspace: where prepared lesions are kept, and taken from when the files have not changed.
        launch: the ranks of a run; each prepares its share and takes the rest from the workspace.

    Raises:
        CohortError: a lesion cannot be read, or stands in the table under two names; ``problems`` names every such row.
    """
    workspace, launch = workspace or Workspace(), launch or Launch()
    rows = sorted((r for r in cohort.rows if policy.is_malignant(r.histology) is not None), key=lambda r: r.lesion_id)
    work = partial(_of_row, settings=settings, workspace=workspace)
    if launch.world > 1:
        _each(work, launch.share(rows), workers, progress)
        launch.meet()
    found = _each(work, rows, workers, progress)
    problems = tuple(item for item in found if isinstance(item, str))
    if problems:
        raise CohortError(f"{len(problems)} of {len(rows)} lesions cannot be read; correct the table or the files.", problems)
    ready = [(row, item) for row, item in zip(rows, found, strict=True) if isinstance(item, Voxels)]
    repeated = find_duplicates(
        {row.lesion_id: item.fingerprint for row, item in ready},
        {row.lesion_id: row.patient_id for row in rows},
        {row.lesion_id: row.split for row in rows},
        {row.lesion_id: row.row for row in rows},
    )
    if repeated:
        raise CohortError(f"'{cohort.path.name}' holds lesions twice; a lesion in both parts would spoil the test.", repeated)
    return tuple(Example(row.patient_id, row.lesion_id, row.malignant, row.histology, row.patient, item) for row, item in ready)


def prepare_synthetic(
    cases: Sequence[SyntheticCase], settings: InputSettings, workers: int = 1, progress: Progress = silent
) -> tuple[Example, ...]:
    """Examples of synthetic cases, rendered in memory: the same as writing them with ``cohort synthesize`` and reading."""
    return tuple(_each(partial(_of_case, settings=settings), cases, workers, progress))


def _of_row(row: CohortRow, settings: InputSettings, workspace: Workspace) -> Voxels | str:
    try:
        key = row_key(row, settings)
        kept = workspace.voxels(key)
        if kept is None:
            kept = voxels_of(lesion_of_row(row), settings)
            workspace.keep_voxels(key, kept)
        return kept
    except AdrenalError as error:
        return f"Row {row.row}: {error}"


def _of_case(case: SyntheticCase, settings: InputSettings) -> Example:
    voxels = voxels_of(lesion_of(case), settings)
    return Example(case.patient_id, case.lesion_id, case.malignant, case.lesion_class, case.patient, voxels)


Result = TypeVar("Result")


def _each(work: Callable[[Item], Result], items: Sequence[Item], workers: int, progress: Progress) -> list[Result]:
    out: list[Result] = []
    if workers < 2 or len(items) < 2 * workers:
        for item in items:
            out.append(work(item))
            progress(len(out), len(items), WHAT)
        return out
    # spawn: a forked child would inherit threads and locks of whatever program calls this.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), end_with_parent) as pool:
        try:
            for result in pool.map(work, items, chunksize=2):
                out.append(result)
                progress(len(out), len(items), WHAT)
        finally:
            pool.shutdown(cancel_futures=True)
    return out

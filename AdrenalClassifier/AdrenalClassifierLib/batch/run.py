"""Assess every lesion of a cohort table, wherever the work is done, and go on where an earlier run was cut off."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.assessment import Assessor
from AdrenalClassifierLib.batch.cluster import each_on_cluster
from AdrenalClassifierLib.batch.jobs import Job, Record, assess_job, failure, is_unchanged, jobs_of
from AdrenalClassifierLib.batch.processes import each
from AdrenalClassifierLib.batch.results import Results
from AdrenalClassifierLib.cohort.table import read_rows
from AdrenalClassifierLib.errors import AdrenalError, OutputError
from AdrenalClassifierLib.files import sha256_of
from AdrenalClassifierLib.model.bundle import MANIFEST, load_bundle
from AdrenalClassifierLib.model.device import DeviceName, choose_device, require_torch
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.model.threads import use_threads
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource
from AdrenalClassifierLib.version import __version__

SCHEMA_VERSION = 2
DIED = "The process that assessed this lesion ended without a result, often for lack of memory. Use fewer workers."


@dataclass(frozen=True)
class BatchSettings:
    """How a cohort is assessed.

    Attributes:
        model: folder of a bundle; None takes the bundled model.
        device: where the network runs.
        workers: processes of this machine.
        scheduler: address of a Dask scheduler, whose workers are used instead.
        restart: throw away what an earlier run left in the folder.
        options: prevalence, level of the conformal sets, and whether probabilities outside the validated range are shown.
    """

    model: Path | None = None
    device: DeviceName = "auto"
    workers: int = 1
    scheduler: str | None = None
    restart: bool = False
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class BatchSummary:
    """What came of it: lesions in the table, how many of them failed and how many an earlier run had done; the statement."""

    lesions: int
    errors: int
    done_before: int
    statement: str


def assess_cohort(table: Path, out: Path, settings: BatchSettings | None = None, progress: Progress = silent) -> BatchSummary:
    """Assess the lesions of a cohort table and keep the results in ``out`` (see ``batch.results``).

    A row that is wrong or whose files cannot be used becomes a result with its error. A second run with the same table and model
    goes on where the first was cut off and tries failed lesions again. Rows that were added since are assessed; a row or a file
    that changed, or a row that is gone, is refused. Order of rows, their labels (which may be missing) and the number of workers
    change nothing.

    Args:
        table: cohort.csv.
        out: folder for the results, kept between runs.
        settings: model, device, where the work is done.
        progress: told after every lesion of this run.

    Raises:
        CohortError: the table as a whole cannot be used.
        OutputError: the results cannot be kept in ``out``, or do not belong to this table and model.
        BundleError, MissingDependencyError, AdrenalError: the model, the device or the cluster cannot be used.
    """
    settings = settings or BatchSettings()
    if settings.workers < 1:
        raise AdrenalError("At least one worker process is needed.")
    if settings.scheduler is not None and settings.workers > 1:
        raise AdrenalError("Give --workers or --scheduler, not both: a cluster has its own workers.")
    require_torch()
    if settings.scheduler is None:
        choose_device(settings.device)
    table, out = Path(table), Path(out)
    jobs, failed = jobs_of(table, read_rows(table, labelled=False))
    run = {**_run_of(settings.model), "options": settings.options.to_json()}
    with Results(out, run, settings.restart) as results:
        names = {job.lesion_id for job in jobs} | {str(record["lesion_id"]) for record in failed}
        _check_earlier(jobs, names, results, out, progress)
        results.forget(name for name, kept in results.records.items() if kept.error is not None)
        done_before = len(results.records)
        left = [job for job in jobs if job.lesion_id not in results.records]
        for record in failed:
            results.add(record)
        for done, record in enumerate(_assessed(left, settings), start=1):
            _check_model(record, run)
            results.add(record)
            progress(done, len(left), "Assessing lesions")
        results.finish()
        errors = sum(kept.error is not None for kept in results.records.values())
        return BatchSummary(len(results.records), errors, done_before, run["statement"])


def _assessed(jobs: Sequence[Job], settings: BatchSettings) -> Iterator[Record]:
    if not jobs:
        return
    if settings.scheduler is not None:
        # Paths as the other machines will look for them.
        moved = [_absolute(job) for job in jobs]
        yield from each_on_cluster(moved, settings.scheduler, settings.model, settings.device, settings.options)
    elif settings.workers > 1 and len(jobs) > 1:
        threads = max((os.cpu_count() or 1) // settings.workers, 1)
        yield from each(jobs, settings.workers, functools.partial(_assessing, settings, threads), _died)
    else:
        yield from map(_assessing(settings, None), jobs)


def _assessing(settings: BatchSettings, threads: int | None) -> Callable[[Job], Record]:
    """The work of one process, with the model loaded."""
    if threads is not None:
        use_threads(threads)
    return functools.partial(assess_job, Assessor(settings.model, settings.device), options=settings.options)


def _died(job: Job) -> Record:
    return failure(job.lesion_id, DIED)


def _absolute(job: Job) -> Job:
    row = job.row
    return replace(job, row=replace(row, ct={p: path.resolve() for p, path in row.ct.items()}, mask=row.mask.resolve()))


def _run_of(model: Path | None) -> dict[str, Any]:
    """What all results of one folder have in common."""
    folder = model or resource("Models", DEFAULT_MODEL)
    bundle = load_bundle(folder)
    return {
        "schema_version": SCHEMA_VERSION,
        "software_version": __version__,
        "statement": bundle.statement,
        "model_name": bundle.name,
        "model_version": bundle.version,
        "weights_sha256": bundle.weights_sha256,
        "bundle_sha256": sha256_of(folder / MANIFEST),
    }


def _check_earlier(jobs: Sequence[Job], names: set[str], results: Results, out: Path, progress: Progress) -> None:
    """Refuse results that the table does not account for. Raises OutputError."""
    earlier = {name: kept for name, kept in results.records.items() if kept.error is None}
    by_name = {job.lesion_id: job for job in jobs}
    gone = sorted(set(results.records) - names)
    if gone:
        raise OutputError(
            f"'{out.name}' holds results of {len(gone)} lesions that the table no longer has, the first '{gone[0]}'. "
            "Choose another folder, or --restart to replace them."
        )
    for done, (name, kept) in enumerate(earlier.items(), start=1):
        if name not in by_name or not is_unchanged(by_name[name], kept.cohort, kept.input_sha256):
            raise OutputError(
                f"The row or the files of lesion '{name}' changed since it was assessed. "
                f"Choose another folder than '{out.name}', or --restart to assess all lesions again."
            )
        progress(done, len(earlier), "Checking earlier results")


def _check_model(record: Record, run: dict[str, Any]) -> None:
    """A worker on another machine might have another model or version. Raises AdrenalError."""
    if record["error"] is None:
        made = record["provenance"]
        if (made["weights_sha256"], made["software_version"]) != (run["weights_sha256"], run["software_version"]):
            raise AdrenalError("A worker has another model or another version of the software. Install the same on all machines.")

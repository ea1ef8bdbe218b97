"""Work spread over an existing Dask cluster, through ``dask.distributed``."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.assessment import Assessor
from AdrenalClassifierLib.batch.jobs import Job, Record, assess_job, failure
from AdrenalClassifierLib.errors import AdrenalError, MissingDependencyError
from AdrenalClassifierLib.model.device import DeviceName
from AdrenalClassifierLib.model.prediction import Options

CONNECT_S = 10
WORKERS_S = 60
LOGGERS = ("distributed", "distributed.client", "distributed.utils", "tornado.application", "asyncio")
AHEAD = 2
"""Lesions given to the cluster for each of its threads, so that none waits for us."""

_lock = threading.Lock()
_assessors: dict[tuple[Path | None, DeviceName], Assessor] = {}


def each_on_cluster(
    jobs: Sequence[Job], address: str, model: Path | None, device: DeviceName, options: Options | None = None
) -> Iterator[Record]:
    """Assess lesions on the workers of a Dask scheduler.

    The workers need this software in the same version and see the files under the same paths (a shared file system). Each process
    keeps one model and assesses one lesion at a time, so that ``dask worker --nthreads 1`` wastes nothing.

    Args:
        jobs: lesions.
        address: of the scheduler, such as ``tcp://10.0.0.5:8786``.
        model: folder of the bundle as the workers see it; None takes the one bundled with their software.
        device: where the network runs on the workers.
        options: prevalence, level of the conformal sets, and whether probabilities outside the validated range are shown.

    Yields:
        Records in the order of completion.

    Raises:
        MissingDependencyError: dask.distributed is not installed.
        AdrenalError: there is no scheduler, it has no workers, it was lost, or a worker cannot load the model.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise MissingDependencyError(
            "Assessing on a cluster needs the package distributed: pip install 'adrenal-classifier[cluster]'."
        ) from error
    try:
        client = Client(address, timeout=CONNECT_S, set_as_default=False)
    except Exception as error:  # OSError, TimeoutError, ValueError and others, depending on the address
        raise AdrenalError(f"There is no Dask scheduler at '{address}'. Start one with 'dask scheduler'.") from error
    with _quiet(), client:
        try:
            client.wait_for_workers(1, timeout=WORKERS_S)
        except Exception as error:
            raise AdrenalError("The Dask scheduler has no workers. Start some with 'dask worker ADDRESS'.") from error
        run = uuid.uuid4().hex
        absolute = model if model is None else model.resolve()
        given = iter(enumerate(jobs))

        def submit(count: int) -> list[Any]:
            # Not pure: a result of an earlier run that is still in the cluster's memory must not be taken for a new one.
            return [
                client.submit(_assess, job, absolute, device, options, key=f"adrenal-{run}-{n}", pure=False)
                for n, job in islice(given, count)
            ]

        threads = sum(client.nthreads().values())
        names: dict[str, Job] = {f"adrenal-{run}-{n}": job for n, job in enumerate(jobs)}
        coming = as_completed(submit(max(AHEAD * threads, 1)), loop=client.loop)
        for future in coming:
            yield _result(future, names[future.key])
            for more in submit(1):
                coming.add(more)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own log, tracebacks of a lost connection among it, off the screen: what it means is said in one sentence."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _result(future: Any, job: Job) -> Record:
    from distributed.scheduler import KilledWorker

    try:
        record: Record = future.result()
    except AdrenalError:
        raise
    except KilledWorker:
        return failure(job.lesion_id, "The cluster's workers ended while they assessed this lesion, often for lack of memory.")
    except Exception as error:
        if future.cancelled() or future.status in ("cancelled", "lost"):
            raise AdrenalError("The connection to the Dask scheduler was lost. Run the same words again to go on.") from error
        raise AdrenalError(
            f"A worker of the cluster failed ({type(error).__name__}). Check that it has this software in the same version."
        ) from error
    return record


def _assess(job: Job, model: Path | None, device: DeviceName, options: Options | None) -> Record:
    """Runs on a worker."""
    with _lock:
        if (model, device) not in _assessors:
            _assessors[model, device] = Assessor(model, device)
        return assess_job(_assessors[model, device], job, options)

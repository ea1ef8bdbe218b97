"""The ensemble: one image encoder a fold, trained beside each other, and the scores of lesions they have not seen."""

from __future__ import annotations

import multiprocessing
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.splits import Fold
from AdrenalClassifierLib.model.bundle import Weights
from AdrenalClassifierLib.model.device import DeviceName, choose_device
from AdrenalClassifierLib.model.encoder import EncoderSettings
from AdrenalClassifierLib.progress import Progress
from AdrenalClassifierLib.training.encoder_training import TrainingSettings, score_examples, train_encoder
from AdrenalClassifierLib.training.examples import Example

Array = NDArray[np.float64]
WHAT = "Training image encoders"


@dataclass(frozen=True)
class _Job:
    """What is the same for every member."""

    encoder: EncoderSettings
    settings: TrainingSettings
    device: DeviceName


def train_members(
    examples: Sequence[Example],
    folds: Sequence[Fold],
    encoder: EncoderSettings,
    settings: TrainingSettings,
    seed: int,
    device: DeviceName,
    workers: int,
    progress: Progress,
) -> tuple[tuple[Weights, ...], Array]:
    """Train one encoder on each fold's training part and score its test part with it.

    On the CPU every encoder uses one thread, so that the result does not depend on the number of cores or of ``workers``;
    several are trained at once. A graphics card trains them one after another.

    Returns:
        The members' weights, and the out-of-fold image score of every lesion, shape (n,).
    """
    job = _Job(encoder, settings, device)
    out_of_fold = np.full(len(examples), np.nan)
    if choose_device(device).type != "cpu" or workers < 2:
        done = []
        for n, fold in enumerate(folds):

            def tell(epoch: int, before: int = n * settings.epochs) -> None:
                progress(before + epoch, len(folds) * settings.epochs, WHAT)

            done.append(_member(job, examples, fold, seed * 1000 + n, tell))
    else:
        done = _beside(job, examples, folds, seed, min(workers, len(folds)), progress)
    for fold, (_, scores) in zip(folds, done, strict=True):
        out_of_fold[fold.test] = scores
    return tuple(weights for weights, _ in done), out_of_fold


def _member(
    job: _Job, examples: Sequence[Example], fold: Fold, seed: int, tell: Callable[[int], object]
) -> tuple[Weights, Array]:
    inside = [examples[i] for i in fold.train]
    weights = train_encoder(inside, job.encoder, job.settings, seed, job.device, tell)
    return weights, score_examples(weights, [examples[i] for i in fold.test], job.encoder, job.device)


def _beside(
    job: _Job, examples: Sequence[Example], folds: Sequence[Fold], seed: int, workers: int, progress: Progress
) -> list[tuple[Weights, Array]]:
    # spawn: a forked child would inherit torch's thread pool in an unknown state.
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        epochs: Any = manager.Queue()
        with ProcessPoolExecutor(workers, context, _keep, (job, tuple(examples), epochs)) as pool:
            futures = [pool.submit(_work, fold, seed * 1000 + n) for n, fold in enumerate(folds)]
            finished = 0
            try:
                while not all(future.done() for future in futures):
                    try:
                        epochs.get(timeout=0.2)
                    except queue.Empty:
                        continue
                    finished += 1
                    progress(finished, len(folds) * job.settings.epochs, WHAT)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list((pool._processes or {}).values()):
                    process.terminate()
                raise
            return [future.result() for future in futures]


_kept: dict[str, Any] = {}


def _keep(job: _Job, examples: tuple[Example, ...], epochs: Any) -> None:
    """Runs once in each worker: the lesions travel once, not once a fold."""
    _kept.update(job=job, examples=examples, epochs=epochs)


def _work(fold: Fold, seed: int) -> tuple[Weights, Array]:
    return _member(_kept["job"], _kept["examples"], fold, seed, _kept["epochs"].put)

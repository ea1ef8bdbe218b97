"""The ensemble: one image encoder a fold, trained beside each other, and the scores of lesions they have not seen."""

from __future__ import annotations

import hashlib
import multiprocessing
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing.managers import SyncManager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.splits import Fold
from AdrenalClassifierLib.lifeline import end_with_parent
from AdrenalClassifierLib.model.bundle import Weights
from AdrenalClassifierLib.model.device import DeviceName, choose_device
from AdrenalClassifierLib.model.encoder import EncoderSettings
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.training.encoder_training import TrainingSettings, score_examples, train_encoder
from AdrenalClassifierLib.training.examples import Example
from AdrenalClassifierLib.training.launch import Launch
from AdrenalClassifierLib.training.workspace import Workspace, key_of

Array = NDArray[np.float64]
WHAT = "Training image encoders"


@dataclass(frozen=True)
class Ensemble:
    """Trained encoders and what they say of the training lesions that they have not seen.

    Attributes:
        members: weights of each encoder.
        scores: out-of-fold logits, averaged over repetitions, shape (n,).
        embeddings: out-of-fold embedding of every lesion by every repetition's encoder, shape (repeats, n, embedding).
        held_out_by: for each repetition the member that held each lesion out, shape (repeats, n).
    """

    members: tuple[Weights, ...]
    scores: Array
    embeddings: Array
    held_out_by: NDArray[np.intp]


@dataclass(frozen=True)
class _Job:
    """What is the same for every member."""

    encoder: EncoderSettings
    settings: TrainingSettings
    device: DeviceName
    workspace: Workspace


@dataclass(frozen=True)
class _Task:
    """One encoder to train."""

    number: int
    rows: tuple[int, ...]
    seed: int
    key: str


def train_members(
    examples: Sequence[Example],
    folds: Sequence[Fold],
    encoder: EncoderSettings,
    settings: TrainingSettings,
    seed: int,
    device: DeviceName = "auto",
    workers: int = 1,
    progress: Progress = silent,
    workspace: Workspace | None = None,
    launch: Launch | None = None,
) -> Ensemble:
    """Train one encoder on each fold's training part and score its test part with it.

    On the CPU every encoder uses one thread, so that the result does not depend on the number of cores, of ``workers`` or of
    ranks; several are trained at once. A graphics card trains them one after another.

    Args:
        examples: training lesions.
        folds: of a (repeated) cross-validation, all folds of each repetition.
        encoder: shape of the networks.
        settings: how each is trained.
        seed: fold ``n`` gets ``1000 * seed + n``.
        device: where to train.
        workers: encoders trained at once on the CPU.
        progress: told after each epoch.
        workspace: where finished encoders are kept, and taken from.
        launch: the ranks of a run, which share the encoders through the workspace.
    """
    workspace, launch = workspace or Workspace(), launch or Launch()
    job = _Job(encoder, settings, device, workspace)
    digests = [_digest(e) for e in examples]
    tasks = [_task(job, digests, fold, seed * 1000 + n, n) for n, fold in enumerate(folds)]
    stored = {task.number: found for task in tasks if (found := workspace.member(task.key)) is not None}
    open_tasks = [task for task in launch.share(tasks) if task.number not in stored]
    on_cpu = choose_device(device).type == "cpu"
    if on_cpu and workers > 1 and len(open_tasks) > 1 and launch.world == 1:
        done = _beside(job, examples, open_tasks, min(workers, len(open_tasks)), progress)
    else:
        done = _in_turn(job, examples, open_tasks, progress)
    if launch.world > 1:
        launch.meet()
        for task in tasks:
            found = workspace.member(task.key)
            if found is not None:
                done[task.number] = found
    members = tuple((stored | done)[task.number] for task in tasks)
    return _held_out(examples, folds, encoder, members, device)


def _held_out(
    examples: Sequence[Example],
    folds: Sequence[Fold],
    encoder: EncoderSettings,
    members: Sequence[Weights],
    device: DeviceName,
) -> Ensemble:
    repeats = max(fold.repeat for fold in folds) + 1
    scores = np.full((repeats, len(examples)), np.nan)
    embeddings = np.full((repeats, len(examples), encoder.embedding), np.nan)
    held_out_by = np.full((repeats, len(examples)), -1, np.intp)
    for n, (fold, weights) in enumerate(zip(folds, members, strict=True)):
        found = score_examples(weights, [examples[i] for i in fold.test], encoder, device)
        scores[fold.repeat, fold.test], embeddings[fold.repeat, fold.test] = found
        held_out_by[fold.repeat, fold.test] = n
    return Ensemble(tuple(members), scores.mean(axis=0), embeddings, held_out_by)


def _digest(example: Example) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(example.voxels.views).tobytes())
    digest.update(example.voxels.present.tobytes())
    digest.update(f"{example.malignant} {example.histology}".encode())
    return digest.hexdigest()


def _task(job: _Job, digests: Sequence[str], fold: Fold, seed: int, number: int) -> _Task:
    kind = choose_device(job.device).type
    inside = [digests[n] for n in fold.train]
    return _Task(
        number, tuple(map(int, fold.train)), seed, key_of(job.encoder.to_json(), asdict(job.settings), seed, kind, inside)
    )


def _train(job: _Job, examples: Sequence[Example], task: _Task, tell: Callable[[int], object]) -> Weights:
    weights = train_encoder([examples[n] for n in task.rows], job.encoder, job.settings, task.seed, job.device, tell)
    job.workspace.keep_member(task.key, weights)
    return weights


def _in_turn(job: _Job, examples: Sequence[Example], tasks: Sequence[_Task], progress: Progress) -> dict[int, Weights]:
    done = {}
    for n, task in enumerate(tasks):

        def tell(epoch: int, before: int = n * job.settings.epochs) -> None:
            progress(before + epoch, len(tasks) * job.settings.epochs, WHAT)

        done[task.number] = _train(job, examples, task, tell)
    return done


def _beside(
    job: _Job, examples: Sequence[Example], tasks: Sequence[_Task], workers: int, progress: Progress
) -> dict[int, Weights]:
    # spawn: a forked child would inherit torch's thread pool in an unknown state.
    context = multiprocessing.get_context("spawn")
    manager = SyncManager(ctx=context)
    manager.start(initializer=end_with_parent)
    with manager:
        epochs: Any = manager.Queue()
        with ProcessPoolExecutor(workers, context, _keep, (job, tuple(examples), epochs)) as pool:
            futures = {task.number: pool.submit(_work, task) for task in tasks}
            finished = 0
            try:
                while not all(future.done() for future in futures.values()):
                    try:
                        epochs.get(timeout=0.2)
                    except queue.Empty:
                        continue
                    finished += 1
                    progress(finished, len(tasks) * job.settings.epochs, WHAT)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                for process in list((pool._processes or {}).values()):
                    process.terminate()
                raise
            return {number: future.result() for number, future in futures.items()}


_kept: dict[str, Any] = {}


def _keep(job: _Job, examples: tuple[Example, ...], epochs: Any) -> None:
    """Runs once in each worker: the lesions travel once, not once a fold."""
    end_with_parent()
    _kept.update(job=job, examples=examples, epochs=epochs)


def _work(task: _Task) -> Weights:
    return _train(_kept["job"], _kept["examples"], task, _kept["epochs"].put)

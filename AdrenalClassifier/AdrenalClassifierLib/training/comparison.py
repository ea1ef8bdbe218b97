"""Which image model serves best: networks, handcrafted features, and both, by cross-validation on the same folds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.splits import grouped_folds
from AdrenalClassifierLib.evaluation.metrics import auc
from AdrenalClassifierLib.model.bundle import Weights
from AdrenalClassifierLib.model.encoder import Kind
from AdrenalClassifierLib.model.fusion import ModelName
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.training.examples import Example, labels
from AdrenalClassifierLib.training.fusion_training import Labelled, fit_fusion
from AdrenalClassifierLib.training.launch import Launch
from AdrenalClassifierLib.training.train import TrainSettings, example_rows, train_ensemble
from AdrenalClassifierLib.training.workspace import Workspace

COMPARED: tuple[ModelName, ...] = ("image", "combined")
CANDIDATES: tuple[tuple[Kind | None, bool], ...] = (
    (None, True),
    ("residual", False),
    ("monai_resnet", False),
    ("residual", True),
    ("monai_resnet", True),
)
"""Network (None: no network) and whether handcrafted features stand beside it."""


def compare_image_models(
    examples: Sequence[Example],
    settings: TrainSettings,
    progress: Progress = silent,
    workspace: Workspace | None = None,
    launch: Launch | None = None,
) -> list[dict[str, Any]]:
    """Out-of-fold performance of every candidate as the image part of the models ``image`` and ``combined``.

    All candidates see the same lesions in the same folds; the networks are trained with the same settings. Each gets a fusion of
    its own, fitted as the shipped one is. The held-out test part is not looked at, so this comparison may guide a choice.

    Args:
        examples: training lesions.
        settings: of the run; its ``encoder.kind`` is replaced by each candidate's.
        progress: told after each epoch.
        workspace: where finished encoders are kept, and taken from: those of the run itself are not trained again.
        launch: the ranks of a run.

    Returns:
        Plain JSON, one object a candidate: network, handcrafted, parameters of one network, and for each model its AUC.

    Raises:
        MissingDependencyError: MONAI is not installed.
    """
    malignant = labels(examples)
    labelled = Labelled(tuple(e.patient_id for e in examples), tuple(e.histology for e in examples), malignant)
    folds = grouped_folds(examples, settings.folds, settings.repeats, settings.seed + 1)
    trained = {kind: _scores(kind, examples, settings, progress, workspace, launch) for kind in ("residual", "monai_resnet")}
    out: list[dict[str, Any]] = []
    for kind, handcrafted in CANDIDATES:
        scores, parameters = trained[kind] if kind else (np.zeros(len(examples)), None)
        features = tuple(f for f in settings.features if handcrafted or f.group != "image")
        rows = example_rows(examples, scores, settings.features)
        found: dict[str, Any] = {"network": kind, "handcrafted": handcrafted, "parameters": parameters}
        for model in COMPARED:
            fit = fit_fusion(
                model, rows, labelled, features, folds, settings.seed, settings.indicators, network=kind is not None, bootstrap=0
            )
            found[model] = auc(fit.out_of_fold, malignant).to_json()
        out.append(found)
    return out


def _scores(
    kind: Kind,
    examples: Sequence[Example],
    settings: TrainSettings,
    progress: Progress,
    workspace: Workspace | None,
    launch: Launch | None,
) -> tuple[NDArray[np.float64], int]:
    """Out-of-fold scores, and the number of parameters of one encoder."""
    of_kind = replace(settings, encoder=replace(settings.encoder, kind=kind))
    ensemble, _ = train_ensemble(examples, of_kind, progress, workspace, launch)
    return ensemble.scores, sum(_size(member) for member in ensemble.members) // len(ensemble.members)


def _size(member: Weights) -> int:
    # Running means and variances of the normalisation are no parameters, but too few to matter; counters are left out.
    return sum(int(value.size) for value in member.values() if value.dtype.kind == "f")

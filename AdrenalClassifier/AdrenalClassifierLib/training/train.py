"""From prepared lesions to a bundle: encoders by fold, out-of-fold image scores, four fusions, the test part once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from AdrenalClassifierLib.cohort.splits import grouped_folds
from AdrenalClassifierLib.evaluation.metrics import at_threshold, auc, thresholds
from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.model.bundle import ModelBundle, Weights
from AdrenalClassifierLib.model.device import DeviceName
from AdrenalClassifierLib.model.encoder import EncoderSettings
from AdrenalClassifierLib.model.features import Feature, default_features
from AdrenalClassifierLib.model.fusion import MODELS, Fusion, ModelName
from AdrenalClassifierLib.model.scoring import case_row
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.training.encoder_training import TrainingSettings, score_examples
from AdrenalClassifierLib.training.examples import Example, labels
from AdrenalClassifierLib.training.fusion_training import FusionFit, fit_fusion
from AdrenalClassifierLib.training.members import train_members

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainSettings:
    """All choices of a run besides the data.

    Attributes:
        seed: determines folds, initial weights, augmentation and bootstrap.
        folds: encoders trained, each on all folds but one; together they are the ensemble.
        repeats: repetitions of the cross-validation of the fusion.
        training: of each encoder.
        input_settings: network input.
        width: of the encoder.
        features: columns of the fusion.
        device: where encoders are trained.
        workers: encoders trained at once on the CPU; changes the time, not the result.
    """

    seed: int = 0
    folds: int = 5
    repeats: int = 5
    training: TrainingSettings = field(default_factory=TrainingSettings)
    input_settings: InputSettings = field(default_factory=InputSettings)
    width: int = 16
    features: tuple[Feature, ...] = field(default_factory=default_features)
    device: DeviceName = "auto"
    workers: int = 1


@dataclass(frozen=True)
class Description:
    """What the bundle says of itself and of its data."""

    name: str
    version: str
    statement: str
    training_data: Mapping[str, Any]
    label_policy: Mapping[str, bool]


def train(
    examples: Sequence[Example],
    test: Sequence[Example],
    settings: TrainSettings,
    description: Description,
    progress: Progress = silent,
) -> ModelBundle:
    """Fit everything on ``examples``; report on ``test``, which influences nothing but that report.

    Args:
        examples: training lesions; both classes, at least ``settings.folds`` patients of each.
        test: held-out lesions; may be empty.
        settings: choices of the run.
        description: names and statements for the bundle.
        progress: told after each epoch of each encoder.
    """
    malignant = labels(examples)
    encoder = EncoderSettings(width=settings.width, subtypes=tuple(sorted({e.histology for e in examples})))
    members, out_of_fold = train_members(
        examples,
        grouped_folds(examples, settings.folds, 1, settings.seed),
        encoder,
        settings.training,
        settings.seed,
        settings.device,
        settings.workers,
        progress,
    )

    rows = [case_row(settings.features, s, e.measurements, e.patient) for s, e in zip(out_of_fold, examples, strict=True)]
    folds = grouped_folds(examples, settings.folds, settings.repeats, settings.seed + 1)
    patients = [e.patient_id for e in examples]
    fits: dict[ModelName, FusionFit] = {
        model: fit_fusion(model, rows, malignant, patients, settings.features, folds, settings.seed) for model in MODELS
    }
    limits = {model: thresholds(expit(fit.out_of_fold), malignant) for model, fit in fits.items()}
    performance: dict[str, Any] = {
        "cross_validation": {m: report(fit.out_of_fold, malignant, limits[m]) for m, fit in fits.items()},
        "penalties": {m: fit.penalty for m, fit in fits.items()},
    }
    fusions: dict[ModelName, Fusion] = {model: fit.fusion for model, fit in fits.items()}
    if test:
        held_out = ensemble_logits(members, fusions, settings.features, encoder, test, settings.device)
        performance["test"] = {m: report(held_out[m], labels(test), limits[m]) for m in MODELS}
    return ModelBundle(
        name=description.name,
        version=description.version,
        statement=description.statement,
        training_data=description.training_data,
        label_policy=description.label_policy,
        prevalence=float(malignant.mean()),
        input_settings=settings.input_settings,
        encoder_settings=encoder,
        members=members,
        features=settings.features,
        fusions=fusions,
        thresholds=limits,
        performance=performance,
    )


def ensemble_logits(
    members: Sequence[Weights],
    fusions: Mapping[ModelName, Fusion],
    features: Sequence[Feature],
    encoder: EncoderSettings,
    examples: Sequence[Example],
    device: DeviceName = "auto",
) -> dict[ModelName, Array]:
    """Log-odds of the four models for lesions that no member has seen, each of shape (n,)."""
    scores = np.mean([score_examples(w, examples, encoder, device) for w in members], axis=0)
    rows = [case_row(features, s, e.measurements, e.patient) for s, e in zip(scores, examples, strict=True)]
    return {model: np.array([fusion.logit(row) for row in rows]) for model, fusion in fusions.items()}


def report(logit: Array, malignant: NDArray[np.bool_], limits: Mapping[str, float]) -> dict[str, Any]:
    """AUC and, at each threshold, the usual proportions, as plain JSON."""
    found: dict[str, Any] = {"lesions": len(malignant), "malignant": int(malignant.sum()), "auc": auc(logit, malignant).to_json()}
    for name, limit in limits.items():
        found[name] = {k: v.to_json() for k, v in at_threshold(expit(logit), malignant, limit).items()}
    return found

"""From prepared lesions to a bundle: encoders by fold, out-of-fold image scores, four fusions, the test part once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from AdrenalClassifierLib.cohort.splits import grouped_folds
from AdrenalClassifierLib.evaluation.metrics import at_threshold, auc, thresholds
from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.model.bundle import ModelBundle, Weights
from AdrenalClassifierLib.model.conformal import conformal_scores
from AdrenalClassifierLib.model.device import DeviceName
from AdrenalClassifierLib.model.embedding import embedding_reference
from AdrenalClassifierLib.model.encoder import EncoderSettings
from AdrenalClassifierLib.model.features import Feature, default_features
from AdrenalClassifierLib.model.fusion import MODELS, Fusion, ModelName
from AdrenalClassifierLib.model.plausible import plausible_ranges
from AdrenalClassifierLib.model.scoring import case_row
from AdrenalClassifierLib.model.validity import ValidityReference, training_ranges
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.training.encoder_training import TrainingSettings, score_examples
from AdrenalClassifierLib.training.examples import Example, labels
from AdrenalClassifierLib.training.fusion_training import FusionFit, Labelled, fit_baseline, fit_fusion
from AdrenalClassifierLib.training.launch import Launch
from AdrenalClassifierLib.training.members import Ensemble, train_members
from AdrenalClassifierLib.training.workspace import Workspace

Array = NDArray[np.float64]
Row = Mapping[str, float]
Name = TypeVar("Name", bound=str)


@dataclass(frozen=True)
class TrainSettings:
    """All choices of a run besides the data.

    Attributes:
        seed: determines folds, initial weights, augmentation and bootstrap.
        folds: encoders trained in each repetition, each on all folds but one.
        encoder_repeats: repetitions; all encoders together are the ensemble.
        repeats: repetitions of the cross-validation of the fusion.
        training: of each encoder.
        input_settings: network input.
        encoder: shape of the networks; the histologies are those of the cohort.
        features: columns of the fusion.
        indicators: missing-indicators: None lets cross-validation choose.
        device: where encoders are trained.
        workers: encoders trained at once on the CPU; changes the time, not the result.
    """

    seed: int = 0
    folds: int = 5
    encoder_repeats: int = 2
    repeats: int = 5
    training: TrainingSettings = field(default_factory=TrainingSettings)
    input_settings: InputSettings = field(default_factory=InputSettings)
    encoder: EncoderSettings = field(default_factory=EncoderSettings)
    features: tuple[Feature, ...] = field(default_factory=default_features)
    indicators: bool | None = None
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
    workspace: Workspace | None = None,
    launch: Launch | None = None,
) -> ModelBundle:
    """Fit everything on ``examples``; report on ``test``, which influences nothing but that report.

    Args:
        examples: training lesions; both classes, at least ``settings.folds`` patients of each.
        test: held-out lesions; may be empty.
        settings: choices of the run.
        description: names and statements for the bundle.
        progress: told after each epoch of each encoder.
        workspace: where finished encoders are kept, and taken from.
        launch: the ranks of a run; each of them gets the bundle.
    """
    ensemble, encoder = train_ensemble(examples, settings, progress, workspace, launch)
    rows = example_rows(examples, ensemble.scores, settings.features)
    fits, baseline = fit_models(examples, rows, settings)
    malignant = labels(examples)
    limits = {model: thresholds(expit(fit.out_of_fold), malignant) for model, fit in fits.items()}
    performance: dict[str, Any] = {
        "cross_validation": {m: report(fit.out_of_fold, malignant, limits[m]) for m, fit in fits.items()},
        "fusion": {m: _choices(fit, malignant) for m, fit in fits.items()},
    }
    fusions: dict[ModelName, Fusion] = {model: fit.fusion for model, fit in fits.items()}
    if test:
        held_out = ensemble_logits(ensemble.members, fusions, settings.features, encoder, test, settings.device)
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
        members=ensemble.members,
        features=settings.features,
        fusions=fusions,
        baseline=baseline,
        thresholds=limits,
        conformal={m: conformal_scores(fit.out_of_fold, malignant, [e.patient_id for e in examples]) for m, fit in fits.items()},
        plausible=plausible_ranges(settings.features, [e.measurements for e in examples], [e.patient for e in examples]),
        validity=_validity(examples, ensemble, encoder, settings.device),
        trained_on=short_fingerprints(examples),
        performance=performance,
    )


def short_fingerprints(examples: Sequence[Example]) -> frozenset[str]:
    """What a bundle keeps to tell whether a lesion was among these."""
    return frozenset(digest[:16] for e in examples for digest in e.voxels.fingerprint)


def _validity(examples: Sequence[Example], ensemble: Ensemble, encoder: EncoderSettings, device: DeviceName) -> ValidityReference:
    """What the validity gate knows of the training lesions."""
    seen = []
    for n, member in enumerate(ensemble.members):
        # A member learnt from all lesions but those it held out in its repetition.
        (repeat,) = np.unique(np.nonzero(ensemble.held_out_by == n)[0])
        inside = [e for e, by in zip(examples, ensemble.held_out_by[repeat], strict=True) if by != n]
        seen.append(score_examples(member, inside, encoder, device)[1])
    ranges = training_ranges([e.measurements for e in examples], [e.patient.quantity("age") for e in examples])
    return ValidityReference(ranges, embedding_reference(seen, ensemble.embeddings, ensemble.held_out_by))


def train_ensemble(
    examples: Sequence[Example],
    settings: TrainSettings,
    progress: Progress = silent,
    workspace: Workspace | None = None,
    launch: Launch | None = None,
) -> tuple[Ensemble, EncoderSettings]:
    """The image encoders of all folds and repetitions; arguments as ``train``."""
    subtypes = tuple(sorted({e.histology for e in examples}))
    encoder = replace(settings.encoder, subtypes=subtypes)
    folds = grouped_folds(examples, settings.folds, settings.encoder_repeats, settings.seed)
    ensemble = train_members(
        examples,
        folds,
        encoder,
        settings.training,
        settings.seed,
        settings.device,
        settings.workers,
        progress,
        workspace,
        launch,
    )
    return ensemble, encoder


def example_rows(examples: Sequence[Example], scores: Array, features: Sequence[Feature]) -> list[dict[str, float]]:
    """Columns of every lesion; ``scores`` are the network's, for training lesions the out-of-fold ones, shape (n,)."""
    return [
        case_row(features, score, e.voxels.radiomics, e.measurements, e.patient)
        for score, e in zip(scores.tolist(), examples, strict=True)
    ]


def fit_models(
    examples: Sequence[Example], rows: Sequence[Row], settings: TrainSettings
) -> tuple[dict[ModelName, FusionFit], Fusion]:
    """The four fusions, and the baseline of size and attenuation, on rows from ``example_rows``."""
    labelled = Labelled(tuple(e.patient_id for e in examples), tuple(e.histology for e in examples), labels(examples))
    folds = grouped_folds(examples, settings.folds, settings.repeats, settings.seed + 1)
    fits: dict[ModelName, FusionFit] = {
        model: fit_fusion(model, rows, labelled, settings.features, folds, settings.seed, settings.indicators) for model in MODELS
    }
    return fits, fit_baseline(rows, labelled, settings.features, folds, settings.seed)


def ensemble_logits(
    members: Sequence[Weights],
    fusions: Mapping[Name, Fusion],
    features: Sequence[Feature],
    encoder: EncoderSettings,
    examples: Sequence[Example],
    device: DeviceName = "auto",
) -> dict[Name, Array]:
    """Log-odds of several fusions for lesions that no member has seen, each of shape (n,)."""
    scores = np.mean([score_examples(w, examples, encoder, device)[0] for w in members], axis=0)
    rows = example_rows(examples, scores, features)
    return {model: np.array([fusion.logit(row) for row in rows]) for model, fusion in fusions.items()}


def report(logit: Array, malignant: NDArray[np.bool_], limits: Mapping[str, float]) -> dict[str, Any]:
    """AUC and, at each threshold, the usual proportions, as plain JSON."""
    found: dict[str, Any] = {"lesions": len(malignant), "malignant": int(malignant.sum()), "auc": auc(logit, malignant).to_json()}
    for name, limit in limits.items():
        found[name] = {k: v.to_json() for k, v in at_threshold(expit(logit), malignant, limit).items()}
    return found


def _choices(fit: FusionFit, malignant: NDArray[np.bool_]) -> dict[str, Any]:
    """What cross-validation chose for a fusion, and what the other choice about missing-indicators would have given."""
    with_them, without = (fit.out_of_fold, fit.other_out_of_fold) if fit.indicators else (fit.other_out_of_fold, fit.out_of_fold)
    return {
        "penalty": fit.penalty,
        "indicators": fit.indicators,
        "auc_with_indicators": auc(with_them, malignant).to_json(),
        "auc_without_indicators": auc(without, malignant).to_json(),
    }

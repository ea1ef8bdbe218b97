"""From the four models' answers to what is shown: at a chosen prevalence, with conformal sets, within the validated range."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.imaging.network_input import network_input
from AdrenalClassifierLib.imaging.radiomics import radiomics
from AdrenalClassifierLib.model.bundle import ModelBundle
from AdrenalClassifierLib.model.conformal import DEFAULT_LEVEL, ConformalScores, ConformalSet
from AdrenalClassifierLib.model.device import DeviceName
from AdrenalClassifierLib.model.encoder import NETWORK_COLUMN
from AdrenalClassifierLib.model.fusion import GROUPS, ModelName
from AdrenalClassifierLib.model.plausible import WhatIf, what_if
from AdrenalClassifierLib.model.prevalence import Prevalence, PriorShift
from AdrenalClassifierLib.model.saliency import SaliencyMap
from AdrenalClassifierLib.model.scoring import ImageScores, ModelResult, Scorer, case_row, predict
from AdrenalClassifierLib.model.validity import Finding, is_outside, validity
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.record import PatientRecord

RICHEST_FIRST: tuple[ModelName, ...] = ("combined", "image+radiological", "image+clinical", "image")
"""The probability shown is that of the first of these that can be computed, so that every value given is used. A model can be
computed as soon as each of its groups has one value; what else is missing is imputed and listed. Radiological data come before
clinical ones because they are measured, not reported. Since a lesion always has a size, the two last are never shown."""

OUTSIDE = "outside the validated range"


@dataclass(frozen=True)
class Options:
    """How a prediction is presented.

    Attributes:
        prevalence: for which the probability holds.
        level: of the conformal sets, 0-1.
        show_outside: show a probability also outside the validated range, with the warning beside it.
        saliency: compute the saliency volume.
    """

    prevalence: Prevalence = field(default_factory=Prevalence)
    level: float = DEFAULT_LEVEL
    show_outside: bool = False
    saliency: bool = False

    def to_json(self) -> dict[str, Any]:
        """What decides the figures shown, as plain JSON."""
        return {
            "prevalence": self.prevalence.setting if self.prevalence.value is None else self.prevalence.value,
            "level": self.level,
            "outside_range": "show" if self.show_outside else "hide",
        }


@dataclass(frozen=True)
class Prediction:
    """All that the model says of one lesion.

    Attributes:
        models: the four models at the chosen prevalence; a probability, or a reason why there is none.
        shown: the model whose probability is shown, None when there is none.
        prior: the prevalence.
        findings: of the validity gate.
        conformal: the conformal set of every model that has a probability.
        what_if: missing values, the most informative first.
        image_score: the network's score.
        radiomics: radiomic features by name.
        device: where the network ran.
        notices: remarks, such as a fall-back to the CPU.
        saliency: what the network used, where it was asked for.
    """

    models: Mapping[ModelName, ModelResult]
    shown: ModelName | None
    prior: PriorShift | None = None
    findings: tuple[Finding, ...] = ()
    conformal: Mapping[ModelName, ConformalSet] = field(default_factory=dict)
    what_if: tuple[WhatIf, ...] = ()
    image_score: float | None = None
    radiomics: Mapping[str, float | None] = field(default_factory=dict)
    device: str | None = None
    notices: tuple[Notice, ...] = ()
    saliency: SaliencyMap | None = None


class Predictor:
    """Applies one bundle to lesions, one after another; the network is built once.

    Args:
        bundle: the model.
        device: where the network runs.

    Raises:
        MissingDependencyError: torch is not installed.
        AdrenalError: the device does not exist.
    """

    def __init__(self, bundle: ModelBundle, device: DeviceName = "auto") -> None:
        self.bundle = bundle
        self._scorer = Scorer(bundle, device)

    def predict(self, lesion: Lesion, measurements: Measurements, patient: PatientRecord, options: Options) -> Prediction:
        """The four models and all that stands beside them, for one lesion."""
        scores = self._scorer.scores(network_input(lesion, self.bundle.input_settings))
        prior = options.prevalence.at(self.bundle.prevalence)
        findings = validity(lesion, measurements, patient.quantity("age"), self.bundle.validity, scores.embeddings)
        features = radiomics(lesion, measurements).values
        trained = within_range(predict(self.bundle, scores, features, measurements, patient), findings, options.show_outside)
        models = {name: at_prevalence(result, prior) for name, result in trained.items()}
        sets = {
            name: found
            for name, result in trained.items()
            if (found := conformal_set(result, self.bundle.conformal.get(name), options.level)) is not None
        }
        shown = richest(models)
        notices = scores.notices
        supposed: tuple[WhatIf, ...] = ()
        saliency = None
        if shown is not None:
            supposed = what_if(
                self.bundle.plausible,
                measurements,
                patient,
                lambda m, p: self._shown(scores, features, m, p, prior),
            )
        if options.saliency and shown is None:
            text = "No saliency volume was made, because no probability is shown that it could explain."
            notices = (*notices, Notice("no_saliency", text))
        elif options.saliency and shown is not None:
            saliency, remarks = self._saliency(lesion, features, measurements, patient, shown)
            notices = tuple(dict.fromkeys((*notices, *remarks)))
        return Prediction(models, shown, prior, findings, sets, supposed, scores.mean, features, scores.device, notices, saliency)

    def _shown(
        self,
        scores: ImageScores,
        features: Mapping[str, float | None],
        measurements: Measurements,
        patient: PatientRecord,
        prior: PriorShift,
    ) -> tuple[ModelName, float] | None:
        """Model and probability that would be shown for these inputs: what ``predict`` and ``richest`` give, without the rest."""
        row = case_row(self.bundle.features, scores.mean, features, measurements, patient)
        known: set[str] = {"image"}
        known |= {f.group for f in self.bundle.features if not math.isnan(row[f.name])}
        model = next((name for name in RICHEST_FIRST if known.issuperset(GROUPS[name])), None)
        return None if model is None else (model, prior.probability(sigmoid(self.bundle.fusions[model].logit(row))))

    def _saliency(
        self,
        lesion: Lesion,
        features: Mapping[str, float | None],
        measurements: Measurements,
        patient: PatientRecord,
        model: ModelName,
    ) -> tuple[SaliencyMap, tuple[Notice, ...]]:
        fusion = self.bundle.fusions[model]
        row = case_row(self.bundle.features, 0.0, features, measurements, patient)

        def head(score: np.ndarray) -> float:
            return fusion.logit({**row, NETWORK_COLUMN: float(score[0])})

        return self._scorer.saliency(lesion, head)


def richest(results: Mapping[ModelName, ModelResult]) -> ModelName | None:
    """The model whose probability is shown, None when there is none."""
    return next((name for name in RICHEST_FIRST if results[name].probability is not None), None)


def at_prevalence(result: ModelResult, prior: PriorShift) -> ModelResult:
    """A model's answer at another prevalence: probability, interval and logit move; intercept and contributions stay, so that
    ``intercept + contributions + prior.log_odds = logit``."""
    if result.probability is None or result.interval is None or result.logit is None:
        return result
    low, high = result.interval
    return replace(
        result,
        probability=prior.probability(result.probability),
        interval=(prior.probability(low), prior.probability(high)),
        logit=result.logit + prior.log_odds,
    )


def conformal_set(result: ModelResult, scores: ConformalScores | None, level: float) -> ConformalSet | None:
    """The set of a model's answer at the training prevalence, None when there is no answer or nothing to compare it with."""
    if result.probability is None or result.logit is None or scores is None:
        return None
    return scores.set_of(result.logit, level)


def within_range(
    results: Mapping[ModelName, ModelResult], findings: Sequence[Finding], show_outside: bool
) -> dict[ModelName, ModelResult]:
    """The answers, or in their place the reasons why none is shown."""
    if show_outside or not is_outside(findings):
        return dict(results)
    reasons = " ".join(finding.text for finding in findings if finding.severity == "outside")
    hidden = ModelResult(None, None, f"{OUTSIDE}: {reasons}")
    return {name: hidden if result.probability is not None else result for name, result in results.items()}


def sigmoid(logit: float) -> float:
    """The probability of log-odds, without overflow."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))

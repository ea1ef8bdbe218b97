"""All figures of one score: ranking, size of the error, calibration, and what happens at fixed thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from AdrenalClassifierLib.evaluation.calibration import recalibration
from AdrenalClassifierLib.evaluation.metrics import Flags, Metric, auc, class_missing, count, predictive_values, undefined
from AdrenalClassifierLib.evaluation.resampling import (
    BY_CLASS,
    PLAIN,
    DrawCounts,
    Draws,
    Ranking,
    area,
    average_precision,
    interval,
    too_few,
)

Array = NDArray[np.float64]
SHOWN_THRESHOLD = "balanced"
"""The threshold whose figures stand directly under the model, and at which accuracies are compared."""
PREVALENCES: Mapping[str, float] = {"8_percent": 0.08, "26_percent": 0.26}
"""About the share of malignant lesions among incidentalomas, and among lesions that are operated on."""


def ranking_metrics(log_odds: Array, malignant: Flags, patient_id: Sequence[str], counts: DrawCounts) -> dict[str, Metric]:
    """``auc`` (DeLong), ``auc_bootstrap`` and ``average_precision``."""
    n = len(log_odds)
    out = {"auc": auc(log_odds, malignant)}
    missing = class_missing(malignant)
    if missing:
        return out | {name: undefined(BY_CLASS, missing, n) for name in ("auc_bootstrap", "average_precision")}
    ranking = Ranking(log_odds, malignant)
    drawn = ranking.over(
        counts, lambda s, f, part: np.column_stack([area(s, f), average_precision(s, f, _odds(counts[part], malignant))])
    )
    sensitivity, false_positive = ranking.points()
    reason = too_few(patient_id, malignant)
    value = float(area(sensitivity, false_positive)[0])
    if reason is None and value in (0.0, 1.0):
        reason = "the two classes are separated completely; every resample gives the same value"
    out["auc_bootstrap"] = interval(drawn[:, 0], value, n, BY_CLASS, reason)
    precision = float(average_precision(sensitivity, false_positive, malignant.sum() / (~malignant).sum())[0])
    out["average_precision"] = interval(drawn[:, 1], precision, n, BY_CLASS, reason)
    return out


def _odds(counts: DrawCounts, malignant: Flags) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        odds: Array = (counts @ malignant.astype(float)) / (counts @ (~malignant).astype(float))
    return odds


def brier_metrics(log_odds: Array, malignant: Flags, patient_id: Sequence[str], counts: DrawCounts) -> dict[str, Metric]:
    """``brier`` (mean squared error of the probability) and ``scaled_brier``: 1 - brier / brier of the cohort's prevalence."""
    n = len(log_odds)
    if not n:
        return {name: undefined(PLAIN, "no lesion", 0) for name in ("brier", "scaled_brier")}
    loss = (expit(log_odds) - malignant) ** 2
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample without one class: NaN, counted by ``interval``
        lesions = counts.sum(axis=1)
        drawn, share = (counts @ loss) / lesions, (counts @ malignant.astype(float)) / lesions
        drawn_scaled = np.where((share > 0) & (share < 1), 1 - drawn / (share * (1 - share)), np.nan)
    value, prevalence = float(loss.mean()), float(malignant.mean())
    reason = too_few(patient_id, malignant) if class_missing(malignant) is None else None
    if reason is None and len(set(patient_id)) < 2:
        reason = "only one patient"
    out = {"brier": interval(drawn, value, n, PLAIN, reason)}
    missing = class_missing(malignant)
    if missing:
        return out | {"scaled_brier": undefined(PLAIN, missing, n)}
    scaled = 1 - value / (prevalence * (1 - prevalence))
    return out | {"scaled_brier": interval(drawn_scaled, scaled, n, PLAIN, reason)}


def probability_metrics(log_odds: Array, malignant: Flags, patient_id: Sequence[str], counts: Draws) -> dict[str, Metric]:
    """Everything that needs no threshold."""
    return {
        **ranking_metrics(log_odds, malignant, patient_id, counts.by_class),
        **brier_metrics(log_odds, malignant, patient_id, counts.plain),
        **recalibration(log_odds, malignant, patient_id),
    }


def call_metrics(called: Flags, malignant: Flags) -> dict[str, Any]:
    """Counts, and every figure of a binary call with its interval, as plain JSON."""
    table = count(called, malignant)
    out: dict[str, Any] = {"counts": dict(table.__dict__)}
    out |= {name: metric.to_json() for name, metric in table.metrics().items()}
    for name, prevalence in PREVALENCES.items():
        for value, metric in predictive_values(table, prevalence).items():
            out[f"{value}_at_{name}"] = metric.to_json()
    return out


def model_metrics(
    log_odds: Array, malignant: Flags, patient_id: Sequence[str], counts: Draws, thresholds: Mapping[str, float]
) -> dict[str, Any]:
    """One model's entry of ``metrics.json``.

    Args:
        log_odds: shape (n,); lesions with NaN are left out of the figures and counted under ``missing``.
        malignant: shape (n,).
        patient_id: one a lesion.
        counts: the resamples.
        thresholds: name -> probability, at or above which a lesion is called malignant.
    """
    given = ~np.isnan(log_odds)
    chosen, truth = log_odds[given], malignant[given]
    patients = [p for p, yes in zip(patient_id, given, strict=True) if yes]
    found = {name: m.to_json() for name, m in probability_metrics(chosen, truth, patients, counts.of(given)).items()}
    at = {name: {"threshold": float(limit), **call_metrics(expit(chosen) >= limit, truth)} for name, limit in thresholds.items()}
    shown = ("accuracy", "sensitivity", "specificity", "ppv", "npv")
    first = at.get(SHOWN_THRESHOLD)
    reason = f"the model has no threshold '{SHOWN_THRESHOLD}'"
    return {
        "lesions": int(given.sum()),
        "malignant": int(truth.sum()),
        "missing": {"lesions": int((~given).sum()), "malignant": int(malignant[~given].sum())},
        **found,
        **{name: undefined("Wilson", reason).to_json() if first is None else first[name] for name in shown},
        "thresholds": at,
    }

"""Curves for people: ROC, precision-recall and decision curve, each with its bootstrap band."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from AdrenalClassifierLib.evaluation.metrics import Flags, class_missing
from AdrenalClassifierLib.evaluation.resampling import BY_CLASS, PLAIN, DrawCounts, Ranking, on_grid

Array = NDArray[np.float64]
GRID: Array = np.linspace(0, 1, 101)
RECALL: Array = np.linspace(0.02, 1, 50)
DECISION_THRESHOLDS: Array = np.round(np.arange(0.05, 0.501, 0.01), 2)
"""Probabilities at which somebody may decide to operate: 5 to 50 %."""
MOST_POINTS = 400
_POINTWISE = f"{BY_CLASS}, pointwise"


def roc(score: Array, malignant: Flags, counts: DrawCounts) -> dict[str, Any]:
    """The empirical curve and a pointwise band of the sensitivity over 1 - specificity. Plain JSON."""
    reason = class_missing(malignant)
    if reason:
        return {"curve": None, "reason": reason}
    ranking = Ranking(score, malignant)
    sensitivity, false_positive = (row[0] for row in ranking.points())
    drawn = ranking.over(counts, lambda s, f, _: on_grid(GRID, f, s))
    low, high = _band(drawn)
    thin = _thinned(len(sensitivity))
    return {
        "curve": {"false_positive_rate": _plain(false_positive[thin]), "sensitivity": _plain(sensitivity[thin])},
        "band": {"false_positive_rate": _plain(GRID), "low": low, "high": high, "method": _POINTWISE},
    }


def precision_recall(score: Array, malignant: Flags, counts: DrawCounts) -> dict[str, Any]:
    """Precision (PPV) over recall (sensitivity) at the cohort's prevalence, with a pointwise band. Plain JSON."""
    reason = class_missing(malignant)
    if reason:
        return {"curve": None, "reason": reason}
    ranking = Ranking(score, malignant)
    positives, negatives = malignant.astype(float), (~malignant).astype(float)

    def work(sensitivity: Array, false_positive: Array, part: slice) -> Array:
        out = np.full((len(sensitivity), len(RECALL)), np.nan)
        hits, false = counts[part] @ positives, counts[part] @ negatives
        for n in np.flatnonzero((hits > 0) & (false > 0)):
            tp, fp = sensitivity[n] * hits[n], false_positive[n] * false[n]
            # The first cut-off that reaches the recall; a hair's breadth allows for rounding of the quotient.
            place = np.minimum(np.searchsorted(sensitivity[n], RECALL - 1e-9), len(tp) - 1)
            out[n] = tp[place] / np.maximum(tp[place] + fp[place], 1)
        return out

    low, high = _band(ranking.over(counts, work))
    sensitivity, false_positive = (row[0, 1:] for row in ranking.points())
    tp, fp = sensitivity * positives.sum(), false_positive * negatives.sum()
    thin = _thinned(len(tp))
    return {
        "curve": {"recall": _plain(sensitivity[thin]), "precision": _plain((tp / (tp + fp))[thin])},
        "band": {"recall": _plain(RECALL), "low": low, "high": high, "method": _POINTWISE},
        "prevalence": float(malignant.mean()),
    }


def net_benefit(called: Flags, malignant: Flags, counts: DrawCounts | None = None) -> Array:
    """Net benefit, ``TP/n - FP/n * t / (1 - t)``, of calls at the decision thresholds.

    Vickers & Elkin, Med Decis Making 2006;26:565.

    Args:
        called: a column for each of ``DECISION_THRESHOLDS``, shape (n, thresholds); or (n,), the same call at all of them.
        malignant: shape (n,).
        counts: of resamples, shape (resamples, n); None for the cohort itself.

    Returns:
        shape (resamples, thresholds); one row for the cohort itself.
    """
    calls = called if called.ndim == 2 else np.repeat(called[:, None], len(DECISION_THRESHOLDS), axis=1)
    odds = DECISION_THRESHOLDS / (1 - DECISION_THRESHOLDS)
    gain = (calls & malignant[:, None]) - (calls & ~malignant[:, None]) * odds
    if counts is None:
        own: Array = gain.mean(axis=0, keepdims=True)
        return own
    with np.errstate(invalid="ignore"):
        out: Array = (counts @ gain) / counts.sum(axis=1, keepdims=True)
    return out


def calls_of(log_odds: Array) -> Flags:
    """Whether a lesion's probability reaches each decision threshold, shape (n, thresholds)."""
    calls: Flags = expit(log_odds)[:, None] >= DECISION_THRESHOLDS
    return calls


def decision(called: Flags, malignant: Flags, counts: DrawCounts) -> dict[str, Any]:
    """Net benefit with a pointwise band; ``called`` as in ``net_benefit``. Plain JSON, on ``DECISION_THRESHOLDS``."""
    low, high = _band(net_benefit(called, malignant, counts))
    return {"net_benefit": _plain(net_benefit(called, malignant)[0]), "low": low, "high": high, "method": f"{PLAIN}, pointwise"}


def _band(drawn: Array) -> tuple[list[float | None], list[float | None]]:
    """Percentiles of each column, None where more than a few resamples do not define it."""
    known = np.isnan(drawn).mean(axis=0) <= 0.05
    out = np.full((2, drawn.shape[1]), np.nan)
    if known.any():
        out[:, known] = np.nanpercentile(drawn[:, known], (2.5, 97.5), axis=0)
    return _plain(out[0]), _plain(out[1])


def _thinned(points: int) -> NDArray[np.intp]:
    """Which points to keep: all, or a few hundred of many with the first and the last."""
    return np.unique(np.linspace(0, points - 1, min(points, MOST_POINTS)).round().astype(np.intp))


def _plain(values: Array) -> list[float | None]:
    return [None if np.isnan(v) else round(float(v), 6) for v in values]

"""How good a prediction is, each figure with its interval and the method's name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
LEVEL = 0.95


@dataclass(frozen=True)
class Metric:
    """A figure with its 95 % interval. None where it is not defined (no lesion of one class)."""

    value: float | None
    low: float | None
    high: float | None
    method: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return dict(self.__dict__)


def auc(score: Array, malignant: NDArray[np.bool_]) -> Metric:
    """Area under the ROC curve with DeLong's interval on the logit scale.

    Variance after DeLong et al., Biometrics 1988;44:837, by mid-ranks (Sun & Xu, IEEE Signal Process Lett 2014;21:1389); the
    logit scale keeps the interval inside 0..1. Perfect separation has no variance: the interval is then undefined.
    """
    method = "DeLong, logit scale"
    positive, negative = score[malignant], score[~malignant]
    m, n = len(positive), len(negative)
    if not m or not n:
        return Metric(None, None, None, method)
    everything = stats.rankdata(np.concatenate([positive, negative]))
    v10 = (everything[:m] - stats.rankdata(positive)) / n
    v01 = 1 - (everything[m:] - stats.rankdata(negative)) / m
    value = float(v10.mean())
    if m < 2 or n < 2 or not 0 < value < 1:
        return Metric(value, None, None, method)
    error = math.sqrt(v10.var(ddof=1) / m + v01.var(ddof=1) / n) / (value * (1 - value))
    centre, z = math.log(value / (1 - value)), stats.norm.ppf((1 + LEVEL) / 2)
    low, high = (1 / (1 + math.exp(-(centre + s * z * error))) for s in (-1, 1))
    return Metric(value, low, high, method)


def proportion(successes: int, total: int) -> Metric:
    """A proportion with Wilson's interval (Wilson, J Am Stat Assoc 1927;22:209); undefined for none of none."""
    method = "Wilson"
    if total == 0:
        return Metric(None, None, None, method)
    interval = stats.binomtest(successes, total).proportion_ci(LEVEL, method="wilson")
    return Metric(successes / total, float(interval.low), float(interval.high), method)


def at_threshold(probability: Array, malignant: NDArray[np.bool_], threshold: float) -> dict[str, Metric]:
    """Sensitivity, specificity, accuracy and predictive values of ``probability >= threshold``."""
    called = probability >= threshold
    hit, false = int((called & malignant).sum()), int((called & ~malignant).sum())
    positives, negatives = int(malignant.sum()), int((~malignant).sum())
    return {
        "sensitivity": proportion(hit, positives),
        "specificity": proportion(negatives - false, negatives),
        "accuracy": proportion(hit + negatives - false, positives + negatives),
        "ppv": proportion(hit, hit + false),
        "npv": proportion(negatives - false, positives + negatives - hit - false),
    }


def thresholds(probability: Array, malignant: NDArray[np.bool_], sensitivity: float = 0.95) -> dict[str, float]:
    """Thresholds fixed on training data: ``balanced`` has the largest Youden index, ``high_sensitivity`` is the highest one
    whose sensitivity reaches ``sensitivity`` there."""
    candidates = np.unique(probability)
    hit = np.array([(probability[malignant] >= t).mean() for t in candidates])
    spared = np.array([(probability[~malignant] < t).mean() for t in candidates])
    return {
        "balanced": float(candidates[np.argmax(hit + spared)]),
        "high_sensitivity": float(candidates[hit >= sensitivity].max()),
    }

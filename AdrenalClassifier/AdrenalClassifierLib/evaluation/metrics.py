"""How good a prediction is, each figure with its interval and the method's name."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from AdrenalClassifierLib.evaluation.delong import components

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
LEVEL = 0.95
Z = float(stats.norm.ppf((1 + LEVEL) / 2))


@dataclass(frozen=True)
class Metric:
    """A figure with its 95 % interval. None where it is not defined (no lesion of one class).

    Attributes:
        value: the figure.
        low: lower end of the interval.
        high: upper end.
        method: how the interval was found.
        n: lesions that the figure rests on, where that is known.
        reason: why value or interval is None.
    """

    value: float | None
    low: float | None
    high: float | None
    method: str
    n: int | None = None
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object; ``n`` and ``reason`` only where there is one."""
        return {k: v for k, v in self.__dict__.items() if v is not None or k not in ("n", "reason")}


def undefined(method: str, reason: str, n: int | None = None) -> Metric:
    """A figure that does not exist."""
    return Metric(None, None, None, method, n, reason)


def class_missing(malignant: Flags) -> str | None:
    """Why nothing that needs both classes can be said; None when both are there."""
    if not len(malignant):
        return "no lesion"
    if malignant.all():
        return "no benign lesion"
    return None if malignant.any() else "no malignant lesion"


def auc(score: Array, malignant: Flags) -> Metric:
    """Area under the ROC curve with DeLong's interval on the logit scale.

    Variance after DeLong et al., Biometrics 1988;44:837, by mid-ranks (Sun & Xu, IEEE Signal Process Lett 2014;21:1389); the
    logit scale keeps the interval inside 0..1. Perfect separation has no variance: the interval is then undefined.
    """
    method, n = "DeLong, logit scale", len(score)
    reason = class_missing(malignant)
    if reason:
        return undefined(method, reason, n)
    v10, v01 = components(score, malignant)
    value = float(v10.mean())
    if len(v10) < 2 or len(v01) < 2:
        return Metric(value, None, None, method, n, "fewer than two lesions of one class")
    if not 0 < value < 1:
        return Metric(value, None, None, method, n, "the two classes are separated completely; DeLong's variance is zero")
    error = math.sqrt(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)) / (value * (1 - value))
    centre = math.log(value / (1 - value))
    low, high = (_expit(centre + s * Z * error) for s in (-1, 1))
    return Metric(value, low, high, method, n)


def proportion(successes: int, total: int) -> Metric:
    """A proportion with Wilson's interval (Wilson, J Am Stat Assoc 1927;22:209); undefined for none of none."""
    method = "Wilson"
    if total == 0:
        return undefined(method, "no lesion to count", 0)
    interval = stats.binomtest(successes, total).proportion_ci(LEVEL, method="wilson")
    return Metric(successes / total, float(interval.low), float(interval.high), method, total)


@dataclass(frozen=True)
class Counts:
    """A two-by-two table."""

    tp: int
    fp: int
    fn: int
    tn: int

    def metrics(self) -> dict[str, Metric]:
        """Sensitivity, specificity, accuracy and, if both classes are there, predictive values at the table's prevalence."""
        found = {
            "sensitivity": proportion(self.tp, self.tp + self.fn),
            "specificity": proportion(self.tn, self.tn + self.fp),
            "accuracy": proportion(self.tp + self.tn, self.tp + self.fp + self.fn + self.tn),
            "ppv": proportion(self.tp, self.tp + self.fp),
            "npv": proportion(self.tn, self.tn + self.fn),
        }
        why = {
            "sensitivity": "no malignant lesion",
            "specificity": "no benign lesion",
            "accuracy": "no lesion",
            "ppv": "no lesion was called malignant",
            "npv": "no lesion was called benign",
        }
        found = {k: v if v.value is not None else replace(v, reason=why[k]) for k, v in found.items()}
        if not self.tp + self.fn or not self.tn + self.fp:
            # Where all lesions are of one class, predictive values are 0 or 1 whatever was called.
            reason = "no benign lesion" if self.tp + self.fn else "no malignant lesion"
            found |= {name: undefined("Wilson", reason, found[name].n) for name in ("ppv", "npv")}
        return found


def count(called: Flags, malignant: Flags) -> Counts:
    """The table of a binary call."""
    hit, false = int((called & malignant).sum()), int((called & ~malignant).sum())
    return Counts(hit, false, int(malignant.sum()) - hit, int((~malignant).sum()) - false)


def at_threshold(probability: Array, malignant: Flags, threshold: float) -> dict[str, Metric]:
    """Sensitivity, specificity, accuracy and predictive values of ``probability >= threshold``."""
    return count(probability >= threshold, malignant).metrics()


def predictive_values(counts: Counts, prevalence: float) -> dict[str, Metric]:
    """``ppv`` and ``npv`` at a prevalence that is not that of the table, by Bayes' rule from its sensitivity and specificity.

    Interval: logit method of Mercaldo, Lau & Zhou, Stat Med 2007;26:2170, which takes the prevalence as known. Where the logit
    does not exist because a cell of the table is zero, their adjusted estimates (z^2 / 2 added to every cell) give the
    interval; it is then extended to the value, which the adjustment can leave outside.
    """
    m, n = counts.tp + counts.fn, counts.tn + counts.fp
    out = {}
    for name in ("ppv", "npv"):
        if not m or not n:
            out[name] = undefined("Mercaldo 2007, logit", "no malignant lesion" if not m else "no benign lesion", m + n)
            continue
        value = _predictive(name, counts.tp / m, counts.tn / n, prevalence)
        if value is None:
            why = "no lesion was called " + ("malignant" if name == "ppv" else "benign")
            out[name] = undefined("Mercaldo 2007, logit", why, m + n)
        elif 0 < counts.tp < m and 0 < counts.tn < n:
            low, high = _mercaldo(name, counts.tp / m, counts.tn / n, m, n, prevalence)
            out[name] = Metric(value, low, high, "Mercaldo 2007, logit", m + n)
        else:
            more = Z**2
            sensitivity, specificity = (counts.tp + more / 2) / (m + more), (counts.tn + more / 2) / (n + more)
            low, high = _mercaldo(name, sensitivity, specificity, m + more, n + more, prevalence)
            method = "Mercaldo 2007, adjusted logit, extended to the value"
            out[name] = Metric(value, min(low, value), max(high, value), method, m + n)
    return out


def _predictive(name: str, sensitivity: float, specificity: float, prevalence: float) -> float | None:
    if name == "ppv":
        right, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    else:
        right, wrong = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return right / (right + wrong) if right + wrong > 0 else None


def _mercaldo(name: str, sensitivity: float, specificity: float, m: float, n: float, prevalence: float) -> tuple[float, float]:
    odds = prevalence / (1 - prevalence)
    if name == "ppv":
        centre = math.log(sensitivity / (1 - specificity) * odds)
        variance = (1 - sensitivity) / sensitivity / m + specificity / (1 - specificity) / n
    else:
        centre = math.log(specificity / (1 - sensitivity) / odds)
        variance = sensitivity / (1 - sensitivity) / m + (1 - specificity) / specificity / n
    half = Z * math.sqrt(variance)
    return _expit(centre - half), _expit(centre + half)


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def thresholds(probability: Array, malignant: Flags, sensitivity: float = 0.95) -> dict[str, float]:
    """Thresholds fixed on training data: ``balanced`` has the largest Youden index, ``high_sensitivity`` is the highest one
    whose sensitivity reaches ``sensitivity`` there."""
    candidates = np.unique(probability)
    hit = np.array([(probability[malignant] >= t).mean() for t in candidates])
    spared = np.array([(probability[~malignant] < t).mean() for t in candidates])
    return {
        "balanced": float(candidates[np.argmax(hit + spared)]),
        "high_sensitivity": float(candidates[hit >= sensitivity].max()),
    }

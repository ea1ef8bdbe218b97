"""Bootstrap of patients, computed for all resamples at once by counting how often each lesion was drawn.

Patients are drawn with replacement, so lesions of one patient come together, in two ways. For figures that are conditional on the
classes (AUC, sensitivity, specificity, precision at the cohort's prevalence) they are drawn within strata (only malignant
lesions, only benign, both), and every resample has as many patients of each kind as the cohort. For figures that average over all
lesions (Brier score, calibration, accuracy, net benefit) they are drawn from all patients: the share of malignant lesions is then
as random as it is in the cohort, without which the intervals would be too short. A figure is computed from the counts: nothing is
copied and nothing is sorted anew.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.evaluation.metrics import LEVEL, Flags, Metric, class_missing, undefined

Array = NDArray[np.float64]
DrawCounts = NDArray[np.float64]
"""How often each lesion was drawn: whole numbers, as floats because sums of them are matrix products."""
BY_CLASS = "patient-clustered stratified bootstrap, percentile"
PLAIN = "patient-clustered bootstrap, percentile"
LARGEST_SHARE_UNDEFINED = 0.05
AT_ONCE = 4_000_000
"""Lesions times resamples that are worked on at a time, to bound memory."""


@dataclass(frozen=True, eq=False)
class Draws:
    """Resamples of both kinds.

    Attributes:
        by_class: within strata, shape (resamples, n).
        plain: from all patients, shape (resamples, n).
    """

    by_class: DrawCounts
    plain: DrawCounts

    def of(self, chosen: Flags) -> Draws:
        """The counts of some lesions."""
        return Draws(self.by_class[:, chosen], self.plain[:, chosen])


def draws(patient_id: Sequence[str], malignant: Flags, resamples: int, seed: int) -> Draws:
    """Resamples of both kinds, determined by ``seed``."""
    return Draws(*(draw(patient_id, malignant, resamples, seed, stratified) for stratified in (True, False)))


def draw(patient_id: Sequence[str], malignant: Flags, resamples: int, seed: int, stratified: bool = True) -> DrawCounts:
    """How often each lesion is in each resample, shape (resamples, n). Determined by ``seed``."""
    names, patient = np.unique(np.asarray(patient_id, dtype=str), return_inverse=True)
    some_malignant = np.bincount(patient, malignant, len(names)) > 0
    some_benign = np.bincount(patient, ~malignant, len(names)) > 0
    kinds = (some_malignant & ~some_benign, some_benign & ~some_malignant, some_malignant & some_benign)
    rng = np.random.default_rng([seed, int(stratified)])
    of_patient = np.zeros((resamples, len(names)))
    for kind in kinds if stratified else (np.ones(len(names), bool),):
        members = np.flatnonzero(kind)
        if not len(members):
            continue
        drawn = rng.integers(len(members), size=(resamples, len(members)))
        flat = (drawn + np.arange(resamples)[:, None] * len(members)).ravel()
        of_patient[:, members] = np.bincount(flat, minlength=resamples * len(members)).reshape(resamples, -1)
    return of_patient[:, patient]


def interval(values: Array, value: float | None, n: int, method: str, reason: str | None = None) -> Metric:
    """Percentile interval of a figure from its resampled values, shape (resamples,); NaN where a resample did not define it."""
    if value is None or not np.isfinite(value):
        return undefined(method, reason or "not defined", n)
    if reason:
        return Metric(value, None, None, method, n, reason)
    share = float(np.isnan(values).mean()) if len(values) else 1.0
    if share > LARGEST_SHARE_UNDEFINED:
        return Metric(value, None, None, method, n, f"not defined in {100 * share:.0f} % of the resamples")
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(values, (tail, 100 - tail))
    return Metric(float(value), float(low), float(high), method, n)


def too_few(patient_id: Sequence[str], malignant: Flags) -> str | None:
    """Why a bootstrap would pretend to know: resampling a single patient of a class always gives that patient."""
    missing = class_missing(malignant)
    if missing:
        return missing
    for flag, name in ((True, "malignant"), (False, "benign")):
        if len({p for p, m in zip(patient_id, malignant, strict=True) if m == flag}) < 2:
            return f"only one patient with a {name} lesion"
    return None


class Ranking:
    """A score's operating points, in the cohort and in every resample.

    Args:
        score: higher speaks for malignant, shape (n,), no NaN.
        malignant: shape (n,), both classes present.
    """

    def __init__(self, score: Array, malignant: Flags) -> None:
        self._order = np.argsort(-score, kind="stable")
        ordered = score[self._order]
        self._malignant = malignant[self._order]
        # Lesions of the same score are called together: a point stands after the last of them.
        self._ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        self.cutoffs: Array = ordered[self._ends]
        """Score at or above which a lesion is called, one a point, falling; the first point of all, without a call, has none."""

    def points(self, counts: DrawCounts | None = None) -> tuple[Array, Array]:
        """Sensitivity and 1 - specificity from no call to all, each (resamples, points); rows of one for the cohort itself."""
        if counts is None:
            counts = np.ones((1, len(self._order)))
        ordered = counts[:, self._order]
        tp = np.cumsum(ordered * self._malignant, axis=1)[:, self._ends]
        fp = np.cumsum(ordered * ~self._malignant, axis=1)[:, self._ends]
        start = np.zeros((len(counts), 1))
        with np.errstate(invalid="ignore"):  # a resample without one class: NaN, counted by ``interval``
            return np.hstack([start, tp / tp[:, -1:]]), np.hstack([start, fp / fp[:, -1:]])

    def over(self, counts: DrawCounts, work: Callable[[Array, Array, slice], Array]) -> Array:
        """``work(sensitivity, false positive rate, which resamples)`` for all resamples, some at a time, results stacked."""
        step = max(AT_ONCE // max(counts.shape[1], 1), 1)
        parts = [slice(n, n + step) for n in range(0, len(counts), step)]
        return np.concatenate([work(*self.points(counts[part]), part) for part in parts])


def area(sensitivity: Array, false_positive: Array) -> Array:
    """AUC by the trapezoid rule, one a row: ties count one half, as in the rank statistic."""
    out: Array = np.sum(np.diff(false_positive) * (sensitivity[:, 1:] + sensitivity[:, :-1]) / 2, axis=1)
    return out


def average_precision(sensitivity: Array, false_positive: Array, odds: Array | float) -> Array:
    """Sum of precision times the step in sensitivity, one a row; ``odds`` is malignant over benign lesions (of each row)."""
    hits = sensitivity[:, 1:] * np.reshape(odds, (-1, 1))
    out: Array = np.sum(np.diff(sensitivity) * hits / np.maximum(hits + false_positive[:, 1:], 1e-300), axis=1)
    return out


def on_grid(grid: Array, along: Array, values: Array) -> Array:
    """``values`` where ``along`` (rising, (rows, points)) reaches each point of ``grid``, straight between points; (rows, grid).

    Where ``along`` stands still the last value counts: on an ROC curve the highest sensitivity at that specificity.
    """
    return np.array([np.interp(grid, b, c) for b, c in zip(along, values, strict=True)])


def at_each(x: Array, along: Array, values: Array) -> Array:
    """As ``on_grid``, at one point of its own in every row, shape (rows,)."""
    return np.array([np.interp(a, b, c) for a, b, c in zip(x, along, values, strict=True)])

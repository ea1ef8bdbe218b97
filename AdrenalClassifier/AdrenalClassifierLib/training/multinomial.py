"""Penalised multinomial regression over histology groups with limits on the signs of its weights."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

Array = NDArray[np.float64]

LEAST_OF_GROUP = 10
"""A histology with fewer training lesions shares a group with the other rare ones of its nature."""
FEW_VALUES = 10
"""A column with no more different values than this (a flag, a choice) is taken as it is."""
TAILS = (1.0, 99.0)
"""Percentiles beyond which a measured column is clipped."""
REST = {False: "other benign lesions", True: "other malignant lesions"}
_BIAS_PENALTY = 1e-3
"""Keeps the bias finite where a resample holds no lesion of a group."""


@dataclass(frozen=True)
class Grouping:
    """Histology groups of a training cohort.

    Attributes:
        names: of the groups: benign ones first, each nature in alphabetical order, the rest last.
        malignant: of each group, shape (g,).
        index: group of every lesion, shape (n,).
    """

    names: tuple[str, ...]
    malignant: NDArray[np.bool_]
    index: NDArray[np.intp]


def group_histologies(histologies: Sequence[str], malignant: NDArray[np.bool_], least: int = LEAST_OF_GROUP) -> Grouping:
    """One group for each histology with at least ``least`` lesions, one for the rest of each nature.

    A histology that stands in the table with both natures (under the label policy it cannot) would be two groups.
    """
    keys = list(zip(map(bool, malignant), histologies, strict=True))
    count = Counter(keys)
    name_of = {key: (key[0], key[1]) if count[key] >= least else (key[0], REST[key[0]]) for key in count}
    order = sorted(set(name_of.values()), key=lambda key: (key[0], key[1] == REST[key[0]], key[1]))
    place = {key: n for n, key in enumerate(order)}
    return Grouping(
        tuple(name for _, name in order),
        np.array([nature for nature, _ in order], bool),
        np.array([place[name_of[key]] for key in keys], np.intp),
    )


@dataclass(frozen=True)
class Limits:
    """Where each weight may lie, arrays of shape (g, p); infinite where it is free."""

    low: Array
    high: Array

    @staticmethod
    def of_signs(signs: Sequence[int], malignant: NDArray[np.bool_]) -> Limits:
        """Limits that make the malignant log-odds rise (+1) or fall (-1) with a column; 0 leaves it free.

        +1: at least zero in every malignant and at most zero in every benign group. The derivative of
        logsumexp(malignant) - logsumexp(benign) is a mean of the former less a mean of the latter, hence never negative.
        """
        towards = np.where(malignant, 1, -1)[:, None] * np.asarray(signs, int)[None, :]
        return Limits(np.where(towards > 0, 0.0, -np.inf), np.where(towards < 0, 0.0, np.inf))


@dataclass(frozen=True)
class Fit:
    """Weights (g, p) on standardised columns and bias (g,)."""

    weights: Array
    bias: Array

    def raw(self, z: Array, malignant: NDArray[np.bool_]) -> Array:
        """Malignant log-odds before calibration, shape (n,), of standardised columns (n, p)."""
        f = self.bias + z @ self.weights.T
        return np.asarray(logsumexp(f[:, malignant], axis=1) - logsumexp(f[:, ~malignant], axis=1))


def fit_multinomial(z: Array, index: NDArray[np.intp], limits: Limits, penalty: float, start: Fit | None = None) -> Fit:
    """Minimise ``sum(-ln p(group)) + penalty / 2 * sum(weights^2)`` within the limits.

    Args:
        z: standardised columns, shape (n, p).
        index: group of each lesion, shape (n,), in 0..g-1.
        limits: of the weights.
        penalty: ridge penalty; the bias has none to speak of.
        start: where the search begins, such as the fit at a near penalty.
    """
    n, p = z.shape
    g = len(limits.low)
    truth = np.zeros((n, g))
    truth[np.arange(n), index] = 1.0

    def objective(flat: Array) -> tuple[float, Array]:
        w = flat.reshape(g, p + 1)
        f = w[:, 0] + z @ w[:, 1:].T
        total = logsumexp(f, axis=1, keepdims=True)
        value = total.sum() - (f * truth).sum() + penalty / 2 * (w[:, 1:] ** 2).sum() + _BIAS_PENALTY / 2 * (w[:, 0] ** 2).sum()
        residual = np.exp(f - total) - truth
        gradient = np.empty_like(w)
        gradient[:, 0] = residual.sum(axis=0) + _BIAS_PENALTY * w[:, 0]
        gradient[:, 1:] = residual.T @ z + penalty * w[:, 1:]
        return float(value), gradient.ravel()

    if start is None:
        share = (truth.sum(axis=0) + 0.5) / (n + 0.5 * g)
        start = Fit(np.zeros((g, p)), np.log(share))
    free = np.full((g, 1), np.inf)
    low, high = np.hstack([-free, limits.low]), np.hstack([free, limits.high])
    first = np.clip(np.hstack([start.bias[:, None], start.weights]), low, high)
    bounds = list(zip(low.ravel(), high.ravel(), strict=True))
    found = minimize(objective, first.ravel(), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500, "maxcor": 20})
    w = np.asarray(found.x, float).reshape(g, p + 1)
    return Fit(w[:, 1:], w[:, 0])


@dataclass(frozen=True)
class Standard:
    """How columns are made comparable, learnt from training rows alone: arrays of shape (p,).

    Attributes:
        low: values below are taken as this, so that one odd value cannot rule a fit or a prediction.
        high: likewise above.
        mean: of the values present, within these limits.
        scale: their standard deviation; 1 where they do not vary.
    """

    low: Array
    high: Array
    mean: Array
    scale: Array

    @staticmethod
    def of(x: Array) -> Standard:
        """From rows (n, p), NaN where missing. A column without any value stays 0 whatever it holds later."""
        p = x.shape[1]
        low, high, mean, scale = np.zeros(p), np.zeros(p), np.zeros(p), np.ones(p)
        for column in range(p):
            values = x[~np.isnan(x[:, column]), column]
            if not values.size:
                continue
            few = len(np.unique(values)) <= FEW_VALUES
            low[column], high[column] = (values.min(), values.max()) if few else np.percentile(values, TAILS)
            clipped = values.clip(low[column], high[column])
            mean[column] = clipped.mean()
            deviation = clipped.std()
            scale[column] = deviation if deviation > 1e-9 else 1.0
        return Standard(low, high, mean, scale)

    def apply(self, x: Array) -> Array:
        """Columns with mean 0 and SD 1; a missing value becomes 0, the mean."""
        return np.where(np.isnan(x), 0.0, (np.clip(x, self.low, self.high) - self.mean) / self.scale)

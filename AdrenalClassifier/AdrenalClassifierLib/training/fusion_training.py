"""Fit the penalised fusion on out-of-fold image scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from AdrenalClassifierLib.cohort.splits import Fold
from AdrenalClassifierLib.model.features import IMAGE, Feature, indicator_name
from AdrenalClassifierLib.model.fusion import GROUPS, Fusion, ModelName

Array = NDArray[np.float64]

PENALTIES: tuple[float, ...] = (1.0, 3.0, 10.0, 30.0, 100.0)
"""Ridge penalties tried (on standardised columns, sum of log losses)."""
LEAST_SHARE_MISSING = 0.03
"""An input missing (or present) less often than this gets no missing-indicator."""
BOOTSTRAP = 100


@dataclass(frozen=True)
class FusionFit:
    """A fitted fusion with what cross-validation says of it.

    Attributes:
        fusion: ready to apply.
        out_of_fold: calibrated log-odds of every training lesion from fits that did not see its patient, shape (n,).
        penalty: the ridge penalty chosen.
    """

    fusion: Fusion
    out_of_fold: Array
    penalty: float


def fit_fusion(
    model: ModelName,
    rows: Sequence[Mapping[str, float]],
    malignant: NDArray[np.bool_],
    patients: Sequence[str],
    features: Sequence[Feature],
    folds: Sequence[Fold],
    seed: int,
    indicators: bool = True,
) -> FusionFit:
    """Choose the penalty by cross-validated log loss, fit, calibrate on out-of-fold predictions, and resample.

    Args:
        model: which feature groups to use.
        rows: one mapping of column name to value a lesion (``scoring.case_row``); ``image`` holds the OUT-OF-FOLD score.
        malignant: labels, shape (n,).
        patients: patient of each lesion; folds and bootstrap keep them together.
        features: the feature list.
        folds: of a repeated cross-validation that keeps patients together (``cohort.splits.grouped_folds``).
        seed: of the bootstrap.
        indicators: give inputs that are often missing an indicator column.
    """
    columns, explains, signs = _columns(model, rows, features, indicators)
    x = np.array([[row[c] for c in columns] for row in rows], float)
    y = malignant.astype(float)
    penalty = PENALTIES[0] if len(columns) == 1 else min(PENALTIES, key=lambda p: _loss(_crossed(x, y, signs, p, folds), y))
    crossed = _crossed(x, y, signs, penalty, folds)
    slope, shift = _platt(crossed, y)
    mean, scale = _standard(x)
    z = _standardised(x, mean, scale)
    weights = _fit(z, y, signs, penalty)
    resampled = np.array([_fit(z[n], y[n], signs, penalty) for n in _resamples(patients, y, seed)])
    fusion = Fusion(
        columns,
        explains,
        mean,
        scale,
        slope * weights[1:],
        float(slope * weights[0] + shift),
        slope * resampled[:, 1:],
        slope * resampled[:, 0] + shift,
    )
    return FusionFit(fusion, slope * crossed + shift, penalty)


def _columns(
    model: ModelName, rows: Sequence[Mapping[str, float]], features: Sequence[Feature], indicators: bool
) -> tuple[tuple[str, ...], tuple[str, ...], NDArray[np.int_]]:
    columns, explains, signs = [IMAGE], [IMAGE], [1]
    used = [f for f in features if f.group in GROUPS[model]]
    for feature in used:
        values = np.array([row[feature.name] for row in rows], float)
        present = values[~np.isnan(values)]
        if present.size and present.min() < present.max():
            columns.append(feature.name)
            explains.append(feature.explains)
            signs.append(feature.sign)
    for name in dict.fromkeys(f.explains for f in used) if indicators else ():
        share = np.mean([row[indicator_name(name)] for row in rows])
        if LEAST_SHARE_MISSING < share < 1 - LEAST_SHARE_MISSING:
            columns.append(indicator_name(name))
            explains.append(name)
            signs.append(0)
    return tuple(columns), tuple(explains), np.array(signs)


def _standard(x: Array) -> tuple[Array, Array]:
    mean, scale = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    return mean, np.where(scale > 1e-9, scale, 1.0)


def _standardised(x: Array, mean: Array, scale: Array) -> Array:
    return np.where(np.isnan(x), 0.0, (x - mean) / scale)


def _fit(z: Array, y: Array, signs: NDArray[np.int_], penalty: float) -> Array:
    """Ridge logistic regression with sign limits: intercept first, then coefficients on standardised columns.

    Minimises ``sum(log(1 + exp(-s f))) + penalty / 2 * |b|^2`` with the intercept unpenalised.
    """

    def objective(w: Array) -> tuple[float, Array]:
        f = w[0] + z @ w[1:]
        residual = expit(f) - y
        value = float(np.logaddexp(0, f).sum() - y @ f + penalty / 2 * w[1:] @ w[1:])
        return value, np.concatenate([[residual.sum()], z.T @ residual + penalty * w[1:]])

    bounds = [(None, None)] + [(0.0 if s > 0 else None, 0.0 if s < 0 else None) for s in signs]
    prior = float(np.clip(y.mean(), 1e-3, 1 - 1e-3))
    start = np.concatenate([[math.log(prior / (1 - prior))], np.zeros(z.shape[1])])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
    return np.asarray(found.x, float)


def _crossed(x: Array, y: Array, signs: NDArray[np.int_], penalty: float, folds: Sequence[Fold]) -> Array:
    """Out-of-fold log-odds, averaged over repetitions; scaling and imputation are learnt inside each fold."""
    total, count = np.zeros(len(y)), np.zeros(len(y))
    for fold in folds:
        train, test = fold.train, fold.test
        mean, scale = _standard(x[train])
        w = _fit(_standardised(x[train], mean, scale), y[train], signs, penalty)
        total[test] += w[0] + _standardised(x[test], mean, scale) @ w[1:]
        count[test] += 1
    return total / count


def _loss(logit: Array, y: Array) -> float:
    return float(np.logaddexp(0, logit).sum() - y @ logit)


def _platt(logit: Array, y: Array) -> tuple[float, float]:
    """Slope and shift that calibrate ``logit`` (Platt 1999); a slope that is not positive (no signal) becomes zero."""
    w = _fit(logit[:, None], y, np.array([1]), 1e-6)
    return float(w[1]), float(w[0])


def _resamples(patients: Sequence[str], y: Array, seed: int) -> list[NDArray[np.intp]]:
    """Index sets of the bootstrap: whole patients, drawn within strata (any malignant lesion or none)."""
    members: dict[str, list[int]] = {}
    for n, patient in enumerate(patients):
        members.setdefault(patient, []).append(n)
    groups = [np.array(v) for v in members.values()]
    strata = [[g for g in groups if y[g].max() == label] for label in (0.0, 1.0)]
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(BOOTSTRAP):
        drawn = [stratum[n] for stratum in strata for n in rng.integers(0, len(stratum), len(stratum))]
        out.append(np.concatenate(drawn))
    return out

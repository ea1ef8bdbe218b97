"""Fit the fusion of a model on out-of-fold image scores: penalty, indicators and calibration by cross-validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from AdrenalClassifierLib.cohort.splits import Fold
from AdrenalClassifierLib.model.encoder import NETWORK_COLUMN
from AdrenalClassifierLib.model.features import NETWORK, Feature, indicator_name
from AdrenalClassifierLib.model.fusion import GROUPS, Fusion, ModelName
from AdrenalClassifierLib.training.multinomial import (
    Fit,
    Grouping,
    Limits,
    Standard,
    fit_multinomial,
    group_histologies,
)

Array = NDArray[np.float64]

PENALTIES: tuple[float, ...] = (100.0, 30.0, 10.0, 3.0, 1.0)
"""Ridge penalties tried, strongest first (on standardised columns, sum of log losses)."""
LEAST_SHARE_MISSING = 0.03
"""An input missing (or present) less often than this gets no missing-indicator."""
BOOTSTRAP = 100


@dataclass(frozen=True)
class Labelled:
    """What the fits need of the training lesions.

    Attributes:
        patients: patient of each lesion; folds and bootstrap keep them together.
        histologies: diagnosis of each lesion.
        malignant: target under the label policy, shape (n,).
    """

    patients: tuple[str, ...]
    histologies: tuple[str, ...]
    malignant: NDArray[np.bool_]


@dataclass(frozen=True)
class Columns:
    """The columns of one model: names, inputs they explain, and +1, -1 or 0 for the direction that medicine knows."""

    names: tuple[str, ...]
    explains: tuple[str, ...]
    signs: tuple[int, ...]


@dataclass(frozen=True)
class FusionFit:
    """A fitted fusion with what cross-validation says of it.

    Attributes:
        fusion: ready to apply.
        out_of_fold: calibrated log-odds of every training lesion from fits that did not see its patient, shape (n,).
        penalty: the ridge penalty chosen.
        indicators: whether missing-indicators were chosen.
        other_out_of_fold: likewise with the opposite choice about indicators.
    """

    fusion: Fusion
    out_of_fold: Array
    penalty: float
    indicators: bool
    other_out_of_fold: Array


def fit_fusion(
    model: ModelName,
    rows: Sequence[Mapping[str, float]],
    labelled: Labelled,
    features: Sequence[Feature],
    folds: Sequence[Fold],
    seed: int,
    use_indicators: bool | None = None,
    network: bool = True,
    bootstrap: int = BOOTSTRAP,
) -> FusionFit:
    """Choose penalty and indicators by cross-validated log loss, fit, calibrate on out-of-fold predictions, and resample.

    The loss is that of the probability of malignancy, not of the histology, since that is what the model is for.

    Args:
        model: which feature groups to use.
        rows: one mapping of column name to value a lesion (``scoring.case_row``); the network's score is the OUT-OF-FOLD one.
        labelled: patients, histologies and labels.
        features: the feature list.
        folds: of a repeated cross-validation that keeps patients together (``cohort.splits.grouped_folds``).
        seed: of the bootstrap.
        use_indicators: give inputs that are often missing an indicator column; None lets cross-validation choose.
        network: whether the network's score is among the columns.
        bootstrap: resamples that are fitted for the interval.
    """
    y = labelled.malignant.astype(float)
    grouping = group_histologies(labelled.histologies, labelled.malignant)
    tried = {}
    for indicators in (False, True):
        columns = model_columns(model, rows, features, indicators, network)
        x = np.array([[row[name] for name in columns.names] for row in rows], float)
        crossed = _crossed(x, grouping, Limits.of_signs(columns.signs, grouping.malignant), folds)
        best = min(PENALTIES, key=lambda penalty: _calibrated_loss(crossed[penalty], y))
        tried[indicators] = (columns, x, best, crossed[best])
    if use_indicators is None:
        # Fewer columns unless more are better.
        use_indicators = _calibrated_loss(tried[True][3], y) < _calibrated_loss(tried[False][3], y)
    columns, x, penalty, crossed_best = tried[use_indicators]
    other = tried[not use_indicators][3]
    slope, shift = platt(crossed_best, y)
    other_slope, other_shift = platt(other, y)
    limits = Limits.of_signs(columns.signs, grouping.malignant)
    standard = Standard.of(x)
    z = standard.apply(x)
    fit = fit_multinomial(z, grouping.index, limits, penalty)
    resampled = [
        fit_multinomial(z[n], grouping.index[n], limits, penalty, fit) for n in resamples(labelled.patients, y, bootstrap, seed)
    ]
    fusion = Fusion(
        columns.names,
        columns.explains,
        grouping.names,
        grouping.malignant,
        standard.low,
        standard.high,
        standard.mean,
        standard.scale,
        fit.weights,
        fit.bias,
        slope,
        shift,
        np.array([r.weights for r in resampled]).reshape(bootstrap, *fit.weights.shape),
        np.array([r.bias for r in resampled]).reshape(bootstrap, *fit.bias.shape),
    )
    return FusionFit(fusion, slope * crossed_best + shift, penalty, use_indicators, other_slope * other + other_shift)


def fit_baseline(
    rows: Sequence[Mapping[str, float]], labelled: Labelled, features: Sequence[Feature], folds: Sequence[Fold], seed: int
) -> Fusion:
    """A penalised logistic regression on size and spontaneous attenuation: what is known without any image analysis.

    One benign and one malignant group, no network, no sign limits of the histology kind; otherwise fitted like the models.
    """
    plain = Labelled(labelled.patients, tuple("" for _ in labelled.patients), labelled.malignant)
    used = [f for f in features if f.group == "radiological"]
    return fit_fusion("image+radiological", rows, plain, used, folds, seed, use_indicators=False, network=False).fusion


def model_columns(
    model: ModelName, rows: Sequence[Mapping[str, float]], features: Sequence[Feature], indicators: bool, network: bool = True
) -> Columns:
    """Columns of a model that vary in the training part: the network's score, features of its groups, missing-indicators."""
    names, explains, signs = ([NETWORK_COLUMN], [NETWORK], [1]) if network else ([], [], [])
    used = [f for f in features if f.group in GROUPS[model]]
    for feature in used:
        values = np.array([row[feature.name] for row in rows], float)
        present = values[~np.isnan(values)]
        if present.size and present.min() < present.max():
            names.append(feature.name)
            explains.append(feature.explains)
            signs.append(feature.sign)
    for name in dict.fromkeys(f.explains for f in used) if indicators else ():
        share = np.mean([row[indicator_name(name)] for row in rows])
        if LEAST_SHARE_MISSING < share < 1 - LEAST_SHARE_MISSING:
            names.append(indicator_name(name))
            explains.append(name)
            signs.append(0)
    return Columns(tuple(names), tuple(explains), tuple(signs))


def _crossed(x: Array, grouping: Grouping, limits: Limits, folds: Sequence[Fold]) -> dict[float, Array]:
    """Out-of-fold log-odds by penalty, averaged over repetitions; scaling and imputation are learnt inside each fold."""
    total = {penalty: np.zeros(len(x)) for penalty in PENALTIES}
    count = np.zeros(len(x))
    for fold in folds:
        train, test = fold.train, fold.test
        standard = Standard.of(x[train])
        inside, outside = standard.apply(x[train]), standard.apply(x[test])
        fit: Fit | None = None
        for penalty in PENALTIES:
            fit = fit_multinomial(inside, grouping.index[train], limits, penalty, fit)
            total[penalty][test] += fit.raw(outside, grouping.malignant)
        count[test] += 1
    return {penalty: logits / count for penalty, logits in total.items()}


def _calibrated_loss(raw: Array, y: Array) -> float:
    slope, shift = platt(raw, y)
    logit = slope * raw + shift
    return float(np.logaddexp(0, logit).sum() - y @ logit)


def platt(raw: Array, y: Array) -> tuple[float, float]:
    """Slope and shift that calibrate log-odds (Platt 1999); a slope that would be negative (no signal) becomes zero."""

    def objective(w: Array) -> tuple[float, Array]:
        logit = w[0] * raw + w[1]
        residual = expit(logit) - y
        value = float(np.logaddexp(0, logit).sum() - y @ logit + 1e-6 * w[0] ** 2 / 2)
        return value, np.array([residual @ raw + 1e-6 * w[0], residual.sum()])

    prior = float(np.clip(y.mean(), 1e-3, 1 - 1e-3))
    start = np.array([0.0, np.log(prior / (1 - prior))])
    found = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)])
    return float(found.x[0]), float(found.x[1])


def resamples(patients: Sequence[str], y: Array, count: int, seed: int) -> list[NDArray[np.intp]]:
    """Index sets of the bootstrap: whole patients, drawn within strata (any malignant lesion or none)."""
    members: dict[str, list[int]] = {}
    for n, patient in enumerate(patients):
        members.setdefault(patient, []).append(n)
    groups = [np.array(v) for v in members.values()]
    strata = [[g for g in groups if y[g].max() == label] for label in (0.0, 1.0)]
    rng = np.random.default_rng(seed)
    out = []
    for _ in range(count):
        drawn = [stratum[n] for stratum in strata for n in rng.integers(0, len(stratum), len(stratum))]
        out.append(np.concatenate(drawn))
    return out

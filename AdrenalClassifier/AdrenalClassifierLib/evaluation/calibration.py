"""Whether probabilities mean what they say: recalibration slope and intercept, and a smooth curve with its band."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from AdrenalClassifierLib.evaluation.metrics import Flags, Metric, Z, class_missing, proportion, undefined
from AdrenalClassifierLib.evaluation.resampling import LARGEST_SHARE_UNDEFINED, DrawCounts
from AdrenalClassifierLib.evaluation.resampling import PLAIN as BOOTSTRAP

Array = NDArray[np.float64]
METHOD = "logistic recalibration, Wald with standard error clustered on patients"
LEAST_OF_A_CLASS = 5
"""With fewer a Wald interval of the slope is no estimate."""
SPAN = 0.75
"""Share of the lesions in each local regression, the usual one for calibration curves."""
GRID = 41
LARGEST_GROUPS, LEAST_IN_GROUP = 10, 10
RESAMPLES = 500
"""Bootstrap resamples of the curve: enough for a band, and a local regression cannot be vectorised over resamples."""


def recalibration(log_odds: Array, malignant: Flags, patient_id: Sequence[str]) -> dict[str, Metric]:
    """Cox's logistic recalibration, ``logit P(malignant) = intercept + slope * log-odds``.

    Returns:
        ``calibration_slope`` and ``calibration_intercept`` of the joint fit (ideal: 1 and 0), and ``calibration_in_the_large``,
        the intercept with the slope held at 1 (above 0: probabilities are too low on average).
        Cox, Biometrika 1958;45:562; Van Calster et al., J Clin Epidemiol 2016;74:167.
    """
    n = len(log_odds)
    names = ("calibration_slope", "calibration_intercept", "calibration_in_the_large")
    reason = class_missing(malignant)
    if reason is None and min(malignant.sum(), (~malignant).sum()) < LEAST_OF_A_CLASS:
        reason = f"fewer than {LEAST_OF_A_CLASS} lesions of one class"
    if reason:
        return {name: undefined(METHOD, reason, n) for name in names}
    out: dict[str, Metric] = {}
    large = _fit(np.ones((n, 1)), malignant, patient_id, log_odds)
    out[names[2]] = _wald(large, 0, n)
    positive, negative = log_odds[malignant], log_odds[~malignant]
    joint: Any
    if np.ptp(log_odds) == 0:
        joint = "all lesions have the same probability"
    elif positive.min() >= negative.max() or positive.max() <= negative.min():
        # With one predictor the likelihood has no maximum exactly when the ranges of the classes do not overlap.
        joint = "the two classes are separated completely, so the slope has no finite estimate"
    else:
        joint = _fit(np.column_stack([np.ones(n), log_odds]), malignant, patient_id, None)
    return {names[0]: _wald(joint, 1, n), names[1]: _wald(joint, 0, n), **out}


def _fit(design: Array, malignant: Flags, patient_id: Sequence[str], offset: Array | None) -> Any:
    """A statsmodels result, or the reason why there is none."""
    import statsmodels.api as sm

    groups = np.unique(np.asarray(patient_id, dtype=str), return_inverse=True)[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(malignant.astype(float), design, family=sm.families.Binomial(), offset=offset)
        found = model.fit(cov_type="cluster", cov_kwds={"groups": groups})
    if not found.converged or not np.isfinite(found.params).all() or not np.isfinite(found.bse).all():
        return "the fit did not converge"
    return found


def _wald(found: Any, which: int, n: int) -> Metric:
    if isinstance(found, str):
        return undefined(METHOD, found, n)
    value, error = float(found.params[which]), float(found.bse[which])
    return Metric(value, value - Z * error, value + Z * error, METHOD, n)


def curve(log_odds: Array, malignant: Flags, counts: DrawCounts) -> dict[str, Any]:
    """Observed share of malignant lesions over the predicted probability.

    A local linear regression (LOESS, span 0.75, no robustness weights) with a percentile band from the first 500 of ``counts``
    (drawn from all patients), and groups of equal size with Wilson intervals. Plain JSON; ``reason`` where there is no curve.
    """
    probability = expit(log_odds)
    reason = class_missing(malignant)
    groups = [] if reason else _groups(probability, malignant)
    if reason is None and (len(np.unique(probability)) < 10 or len(probability) < 20):
        reason = "fewer than 20 lesions, or fewer than ten different probabilities"
    if reason:
        return {"curve": None, "reason": reason, "groups": groups}
    grid = np.linspace(float(np.quantile(probability, 0.01)), float(np.quantile(probability, 0.99)), GRID)
    smooth = _loess(probability, malignant.astype(float), grid)
    drawn = []
    for row in counts[:RESAMPLES].astype(int):
        drawn.append(_loess(np.repeat(probability, row), np.repeat(malignant, row).astype(float), grid))
    values = np.array(drawn)
    known = np.isnan(values).mean(axis=0) <= LARGEST_SHARE_UNDEFINED
    low, high = np.full(GRID, np.nan), np.full(GRID, np.nan)
    if known.any():
        low[known], high[known] = np.nanpercentile(values[:, known], (2.5, 97.5), axis=0)
    used = min(RESAMPLES, len(counts))
    return {
        "curve": {
            "predicted": _plain(grid),
            "observed": _plain(smooth),
            "low": _plain(low),
            "high": _plain(high),
            "method": f"LOESS, span {SPAN}; band: {BOOTSTRAP}, {used} resamples, pointwise",
        },
        "groups": groups,
    }


def _loess(x: Array, y: Array, grid: Array) -> Array:
    from statsmodels.nonparametric.smoothers_lowess import lowess

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # A window whose lesions all have one probability has no slope: NaN, which the caller counts.
        warnings.simplefilter("ignore")
        found: Array = lowess(y, x, frac=SPAN, it=0, xvals=grid)
    return np.clip(found, 0, 1)


def _groups(probability: Array, malignant: Flags) -> list[dict[str, Any]]:
    number = int(min(LARGEST_GROUPS, max(len(probability) // LEAST_IN_GROUP, 1)))
    rank = stats.rankdata(probability, method="average")
    place = np.minimum(((rank - 0.5) / len(probability) * number).astype(int), number - 1)
    out = []
    for n in range(number):
        chosen = place == n
        if chosen.any():
            observed = proportion(int(malignant[chosen].sum()), int(chosen.sum()))
            out.append({"predicted": float(probability[chosen].mean()), "observed": observed.to_json()})
    return out


def _plain(values: Array) -> list[float | None]:
    return [None if np.isnan(v) else round(float(v), 6) for v in values]

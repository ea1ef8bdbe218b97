"""Statistics of reproducibility: summaries, intraclass correlation, Bland-Altman, concordance, sample size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from AdrenalClassifierLib.errors import AdrenalError

Floats = NDArray[np.float64]
LEVEL = 0.95
"""Confidence of every interval."""
MOST_LESIONS = 1_000_000


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval; None where the data do not determine it."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """Keys value, low, high."""
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class BlandAltman:
    """Differences B minus A, or ratios B / A when ``ratio`` (computed on logarithms).

    Attributes:
        bias: mean difference (ratio: geometric mean) with its t interval.
        lower, upper: limits of agreement, bias -+ 1.96 SD, each with its interval.
        n: pairs.
    """

    n: int
    ratio: bool
    bias: Estimate
    lower: Estimate
    upper: Estimate

    def to_json(self) -> dict[str, Any]:
        """Keys n, ratio, bias, lower_limit, upper_limit."""
        return {
            "n": self.n,
            "ratio": self.ratio,
            "bias": self.bias.to_json(),
            "lower_limit": self.lower.to_json(),
            "upper_limit": self.upper.to_json(),
        }


def describe(values: Sequence[float | None]) -> dict[str, Any]:
    """Mean with its t interval, SD (n - 1), median, quartiles (linear interpolation) and range of the values that exist.

    ``n`` counts them, ``n_undefined`` those that are None: they enter no other number.
    """
    found = np.array([v for v in values if v is not None], float)
    n = len(found)
    out: dict[str, Any] = {"n": n, "n_undefined": len(values) - n}
    names = ("mean", "mean_low", "mean_high", "sd", "median", "q1", "q3", "min", "max")
    out |= dict.fromkeys(names)
    if n:
        q1, median, q3 = np.percentile(found, [25, 50, 75])
        out |= {"mean": float(found.mean()), "median": float(median), "q1": float(q1), "q3": float(q3)}
        out |= {"min": float(found.min()), "max": float(found.max())}
    if n > 1:
        sd = float(found.std(ddof=1))
        half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * sd / math.sqrt(n)
        out |= {"sd": sd, "mean_low": out["mean"] - half, "mean_high": out["mean"] + half}
    return out


def icc(scores: Floats) -> tuple[Estimate, Estimate]:
    """ICC(A,1), absolute agreement, and ICC(C,1), consistency: two-way model, single rater, with F-based 95 % intervals.

    McGraw & Wong, Psychol Methods 1996;1:30, tables 4 and 7 (with the correction of 1996;1:390); ICC(A,1) is Shrout & Fleiss'
    ICC(2,1), ICC(C,1) their ICC(3,1).

    Args:
        scores: (lesions, raters), finite; at least two of each.

    Returns:
        (A, C); values are None where all lesions and raters give one number. Lesions that do not differ give 0 or less.
    """
    x = np.asarray(scores, float)
    n, k = x.shape
    if n < 2 or k < 2:
        return Estimate(None), Estimate(None)
    rows, columns, grand = x.mean(axis=1), x.mean(axis=0), x.mean()
    msr = k * float(((rows - grand) ** 2).sum()) / (n - 1)
    msc = n * float(((columns - grand) ** 2).sum()) / (k - 1)
    residual = x - rows[:, None] - columns[None] + grand
    mse = float((residual**2).sum()) / ((n - 1) * (k - 1))
    tiny = 1e-24 * max(float((x**2).mean()), 1e-300)
    msr, msc, mse = (0.0 if v <= tiny else v for v in (msr, msc, mse))
    if msr + msc + mse == 0:
        return Estimate(None), Estimate(None)
    df = (n - 1) * (k - 1)
    p = (1 + LEVEL) / 2

    c = (msr - mse) / (msr + (k - 1) * mse) if msr + mse else None
    if c is None:
        consistency = Estimate(None)
    elif mse == 0:
        consistency = Estimate(1.0, 1.0, 1.0)
    else:
        f = msr / mse
        f_low, f_high = f / stats.f.ppf(p, n - 1, df), f * stats.f.ppf(p, df, n - 1)
        consistency = Estimate(c, float((f_low - 1) / (f_low + k - 1)), float((f_high - 1) / (f_high + k - 1)))

    a = (msr - mse) / (msr + (k - 1) * mse + k / n * (msc - mse))
    if mse == 0 and msc == 0:
        return Estimate(1.0, 1.0, 1.0), consistency
    u, v = k * a / (n * (1 - a)), 1 + k * a * (n - 1) / (n * (1 - a))
    freedom = (u * msc + v * mse) ** 2 / ((u * msc) ** 2 / (k - 1) + (v * mse) ** 2 / df) if u * msc or v * mse else float(df)
    f_low, f_high = stats.f.ppf(p, n - 1, freedom), stats.f.ppf(p, freedom, n - 1)
    spread = k * msc + (k * n - k - n) * mse
    low = n * (msr - f_low * mse) / (f_low * spread + n * msr)
    high = n * (f_high * msr - mse) / (spread + n * f_high * msr)
    return Estimate(float(a), float(low), float(high)), consistency


def bland_altman(a: Floats, b: Floats, ratio: bool = False) -> BlandAltman:
    """Bias and limits of agreement of B against A with 95 % intervals.

    Bland & Altman, Stat Methods Med Res 1999;8:135: the limits are bias -+ 1.96 SD; the variance of a limit is
    SD^2 (1/n + 1.96^2 / (2 (n - 1))); intervals by Student's t with n - 1 degrees of freedom. On the ratio scale everything is
    computed on ln B - ln A and then exponentiated.

    Args:
        a, b: (n,) finite; above zero for ``ratio``.
        ratio: log scale.
    """
    if ratio and (np.min(a, initial=1) <= 0 or np.min(b, initial=1) <= 0):
        raise AdrenalError("Ratios need values above zero; leave out the pairs with an empty mask.")
    difference = np.log(b) - np.log(a) if ratio else np.asarray(b, float) - np.asarray(a, float)
    n = len(difference)
    turn = math.exp if ratio else float
    if n < 2:
        return BlandAltman(n, ratio, Estimate(turn(float(difference.mean())) if n else None), Estimate(None), Estimate(None))
    bias, sd = float(difference.mean()), float(difference.std(ddof=1))
    z, t = float(stats.norm.ppf(0.975)), float(stats.t.ppf((1 + LEVEL) / 2, n - 1))
    of_bias = t * sd / math.sqrt(n)
    of_limit = t * sd * math.sqrt(1 / n + z**2 / (2 * (n - 1)))

    def estimate(centre: float, half: float) -> Estimate:
        return Estimate(turn(centre), turn(centre - half), turn(centre + half))

    lower, upper = estimate(bias - z * sd, of_limit), estimate(bias + z * sd, of_limit)
    return BlandAltman(n, ratio, estimate(bias, of_bias), lower, upper)


def concordance(a: Floats, b: Floats) -> Estimate:
    """Lin's concordance correlation coefficient with its interval by Fisher's z.

    Lin, Biometrics 1989;45:255, variances with denominator n; variance of z as corrected in Biometrics 2000;56:324.
    """
    n = len(a)
    if n < 3:
        return Estimate(None)
    va, vb = float(np.var(a)), float(np.var(b))
    shift = float(np.mean(a) - np.mean(b))
    covariance = float(np.mean((a - np.mean(a)) * (b - np.mean(b))))
    if va + vb + shift**2 == 0:
        return Estimate(None)
    c = 2 * covariance / (va + vb + shift**2)
    if va == 0 or vb == 0 or covariance == 0:
        return Estimate(c)
    if 1 - abs(c) < 1e-12:
        return Estimate(c, c, c)
    r2, u2 = covariance**2 / (va * vb), shift**2 / math.sqrt(va * vb)
    r = math.copysign(math.sqrt(r2), covariance)
    variance = (
        (1 - r2) * c**2 / ((1 - c**2) * r2)
        + 2 * c**3 * (1 - c) * u2 / (r * (1 - c**2) ** 2)
        - c**4 * u2**2 / (2 * r2 * (1 - c**2) ** 2)
    ) / (n - 2)
    half = float(stats.norm.ppf((1 + LEVEL) / 2)) * math.sqrt(max(variance, 0.0))
    return Estimate(c, math.tanh(math.atanh(c) - half), math.tanh(math.atanh(c) + half))


def lesions_for_interval(sd: float, width: float, level: float = LEVEL) -> int:
    """How many lesions give a t interval of the mean Dice no wider than ``width`` (high minus low).

    Args:
        sd: standard deviation of the Dice between lesions (0.03 after the published abstract).
        width: full width of the interval.
        level: its confidence.

    Raises:
        AdrenalError: a number is not above zero, or more than a million lesions would be needed.
    """
    if not (0 < sd < math.inf and 0 < width < math.inf and 0 < level < 1):
        raise AdrenalError("SD and width must be above 0, the level between 0 and 1.")

    def wide(n: int) -> bool:
        return 2 * float(stats.t.ppf((1 + level) / 2, n - 1)) * sd / math.sqrt(n) > width

    if wide(MOST_LESIONS):
        raise AdrenalError(f"More than {MOST_LESIONS:,} lesions would be needed; allow a wider interval.")
    low, high = 1, 2
    while wide(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if wide(middle) else (low, middle)
    return high

"""Variance and covariance of areas under ROC curves of the same lesions, in n log n.

DeLong, DeLong & Clarke-Pearson, Biometrics 1988;44:837, computed by mid-ranks as Sun & Xu, IEEE Signal Process Lett
2014;21:1389.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def components(score: Array, malignant: Flags) -> tuple[Array, Array]:
    """Structural components of the AUC.

    Args:
        score: higher speaks for malignant, shape (n,), no NaN.
        malignant: shape (n,), both classes present.

    Returns:
        for each malignant lesion the share of benign ones that it outranks, shape (m,), and for each benign lesion the share
        of malignant ones that outrank it; ties count one half. The mean of either is the AUC.
    """
    positive, negative = score[malignant], score[~malignant]
    m, n = len(positive), len(negative)
    everything = stats.rankdata(np.concatenate([positive, negative]))
    v10: Array = (everything[:m] - stats.rankdata(positive)) / n
    v01: Array = 1 - (everything[m:] - stats.rankdata(negative)) / m
    return v10, v01


def delong(scores: Array, malignant: Flags) -> tuple[Array, Array]:
    """AUCs of several scores of the same lesions and their covariance.

    Args:
        scores: shape (k, n), no NaN.
        malignant: shape (n,), at least two lesions of each class.

    Returns:
        AUCs, shape (k,), and covariance, shape (k, k).
    """
    parts = [components(score, malignant) for score in scores]
    v10, v01 = np.array([p[0] for p in parts]), np.array([p[1] for p in parts])
    covariance = np.atleast_2d(np.cov(v10)) / v10.shape[1] + np.atleast_2d(np.cov(v01)) / v01.shape[1]
    return v10.mean(axis=1), covariance


@dataclass(frozen=True)
class AucDifference:
    """First AUC less second, on the same lesions.

    Attributes:
        value: the difference.
        error: its standard error.
        p: two-sided; None where the two rank every pair of lesions alike, so that there is nothing to test.
    """

    value: float
    error: float
    p: float | None


def auc_difference(first: Array, second: Array, malignant: Flags) -> AucDifference:
    """DeLong's test of two correlated AUCs; arguments as ``delong``."""
    value, covariance = delong(np.array([first, second]), malignant)
    difference = float(value[0] - value[1])
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    if variance <= 1e-15:  # rounding of zero
        return AucDifference(difference, 0.0, None)
    error = variance**0.5
    return AucDifference(difference, error, float(2 * stats.norm.sf(abs(difference) / error)))

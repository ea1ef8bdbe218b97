"""Recalibration against a likelihood maximised by hand and its sandwich variance; the smooth curve against its definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit, logit

from AdrenalClassifierLib.evaluation.calibration import GRID, SPAN, curve, recalibration
from AdrenalClassifierLib.evaluation.resampling import draw


def _simulated(lesions: int, slope: float, intercept: float, seed: int):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1, 1.5, lesions)
    return log_odds, rng.random(lesions) < expit(intercept + slope * log_odds)


def _by_hand(design, malignant, groups, offset):  # type: ignore[no-untyped-def]
    """Maximum likelihood by a general optimiser; sandwich variance clustered on ``groups`` with the usual correction."""

    def loss(b):  # type: ignore[no-untyped-def]
        eta = offset + design @ b
        return np.sum(np.logaddexp(0, eta) - malignant * eta)

    b = optimize.minimize(loss, np.zeros(design.shape[1]), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).x
    p = expit(offset + design @ b)
    bread = np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))
    names = np.unique(groups)
    scores = np.array([(design * (malignant - p)[:, None])[groups == g].sum(axis=0) for g in names])
    n, k, g = len(p), design.shape[1], len(names)
    meat = scores.T @ scores * g / (g - 1) * (n - 1) / (n - k)
    return b, np.sqrt(np.diag(bread @ meat @ bread))


@pytest.mark.parametrize("seed", [0, 1])
def test_slope_and_intercepts_maximise_the_likelihood_and_are_clustered_on_patients(seed: int) -> None:
    log_odds, malignant = _simulated(150, 0.8, 0.3, seed)
    groups = np.array([f"P{n // 2 if n < 20 else n}" for n in range(150)])
    found = recalibration(log_odds, malignant, list(groups))
    joint, error = _by_hand(np.column_stack([np.ones(150), log_odds]), malignant, groups, 0)
    large, large_error = _by_hand(np.ones((150, 1)), malignant, groups, log_odds)
    expected = {
        "calibration_intercept": (joint[0], error[0]),
        "calibration_slope": (joint[1], error[1]),
        "calibration_in_the_large": (large[0], large_error[0]),
    }
    for name, (value, se) in expected.items():
        assert found[name].value == pytest.approx(value, abs=1e-5)
        assert found[name].high - found[name].low == pytest.approx(2 * stats.norm.ppf(0.975) * se, rel=1e-4)


def test_the_intervals_cover_the_truth() -> None:
    hits = dict.fromkeys(("calibration_slope", "calibration_intercept"), 0)
    for seed in range(300):
        log_odds, malignant = _simulated(300, 0.7, -0.4, seed)
        found = recalibration(log_odds, malignant, [str(n) for n in range(300)])
        hits["calibration_slope"] += found["calibration_slope"].low <= 0.7 <= found["calibration_slope"].high
        hits["calibration_intercept"] += found["calibration_intercept"].low <= -0.4 <= found["calibration_intercept"].high
    for count in hits.values():
        assert stats.binomtest(count, 300, 0.94).pvalue > 0.001


@pytest.mark.parametrize(
    ("log_odds", "malignant", "words"),
    [
        ([-4, -3, -2, -1, 0, 1, 2, 3, 4, 5], [0] * 5 + [1] * 5, "separated completely"),
        ([-4, -3, -2, -1, 0, 0, 2, 3, 4, 5], [0] * 5 + [1] * 5, "separated completely"),  # they touch: still no maximum
        ([5, 4, 3, 2, 1, 0, -1, -2, -3, -4], [0] * 5 + [1] * 5, "separated completely"),
        ([1] * 10, [0] * 5 + [1] * 5, "same probability"),
        ([1, 2, 3, 1, 2, 1], [1] * 6, "no benign lesion"),
        ([1, 2, 0, 3, 1, 0, 2, 1], [1, 0, 1, 0, 1, 0, 0, 0], "fewer than 5 lesions of one class"),
    ],
)
def test_a_slope_that_does_not_exist_is_not_invented(log_odds: list[float], malignant: list[int], words: str) -> None:
    patients = [str(n) for n in range(len(log_odds))]
    found = recalibration(np.array(log_odds, float), np.array(malignant, bool), patients)
    assert found["calibration_slope"].value is None
    assert words in str(found["calibration_slope"].reason)


def test_the_curve_is_a_local_linear_regression_with_tricube_weights() -> None:
    log_odds, malignant = _simulated(120, 1, 0, 4)
    found = curve(log_odds, malignant, draw([str(n) for n in range(120)], malignant, 60, 0, False))["curve"]
    probability = expit(log_odds)
    near = int(SPAN * 120 + 1e-10)
    for n in (0, GRID // 2, GRID - 1):
        x = found["predicted"][n]
        distance = np.abs(probability - x)
        chosen = np.argsort(distance)[:near]
        weight = (1 - (distance[chosen] / distance[chosen].max()) ** 3) ** 3
        line = np.polyfit(probability[chosen] - x, malignant[chosen].astype(float), 1, w=np.sqrt(weight))
        assert found["observed"][n] == pytest.approx(np.clip(line[1], 0, 1), abs=2e-3)


def test_the_band_covers_the_diagonal_of_a_calibrated_model() -> None:
    hits = 0
    for seed in range(80):
        log_odds, malignant = _simulated(150, 1, 0, seed)
        found = curve(log_odds, malignant, draw([str(n) for n in range(150)], malignant, 60, seed, False))["curve"]
        low, high = (np.interp(0.3, found["predicted"], found[name]) for name in ("low", "high"))
        hits += low <= 0.3 <= high
    # Sixty resamples make a percentile band a little short; far from 95 % would be a mistake.
    assert stats.binomtest(hits, 80, 0.92).pvalue > 0.001


def test_the_band_of_an_overconfident_model_leaves_the_diagonal() -> None:
    log_odds, malignant = _simulated(800, 1, 0, 5)
    found = curve(3 * log_odds, malignant, draw([str(n) for n in range(800)], malignant, 200, 0, False))["curve"]
    inside = [low <= x <= high for x, low, high in zip(found["predicted"], found["low"], found["high"], strict=True)]
    assert np.mean(inside) < 0.5
    assert found["high"][-1] < found["predicted"][-1]  # what is called near-certain is less often so


def test_groups_hold_equal_numbers_and_count_what_was_observed() -> None:
    probability = np.linspace(0.01, 0.99, 100)
    malignant = np.arange(100) % 4 == 0
    groups = curve(logit(probability), malignant, draw([str(n) for n in range(100)], malignant, 20, 0, False))["groups"]
    assert len(groups) == 10
    assert [g["observed"]["n"] for g in groups] == [10] * 10
    assert [g["observed"]["value"] for g in groups] == [0.3, 0.2] * 5
    assert [g["predicted"] for g in groups] == pytest.approx([probability[n : n + 10].mean() for n in range(0, 100, 10)])


def test_too_few_lesions_give_groups_but_no_curve() -> None:
    log_odds, malignant = _simulated(12, 1, 0, 3)
    found = curve(log_odds, malignant, draw([str(n) for n in range(12)], malignant, 20, 0, False))
    assert found["curve"] is None
    assert "fewer than 20 lesions" in found["reason"]
    assert sum(g["observed"]["n"] for g in found["groups"]) == 12

"""Figures and intervals against scikit-learn, definitions written out, and published tables."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from AdrenalClassifierLib.evaluation.metrics import at_threshold, auc, proportion, thresholds


def _delong_by_definition(score, malignant):  # type: ignore[no-untyped-def]
    """Variance of the AUC by the structural components of DeLong et al. 1988, all pairs one by one."""
    positive, negative = score[malignant], score[~malignant]
    psi = np.array([[1.0 if p > n else 0.5 if p == n else 0.0 for n in negative] for p in positive])
    return psi.mean(), psi.mean(axis=1).var(ddof=1) / len(positive) + psi.mean(axis=0).var(ddof=1) / len(negative)


@pytest.mark.parametrize("seed", range(4))
def test_auc_and_interval_follow_their_definitions_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    malignant = rng.random(114) < 0.26
    score = np.round(rng.normal(0, 1, 114) + 1.3 * malignant, 1)
    found = auc(score, malignant)
    value, variance = _delong_by_definition(score, malignant)
    assert found.value == pytest.approx(roc_auc_score(malignant, score), abs=1e-12)
    assert found.value == pytest.approx(value, abs=1e-12)
    half = stats.norm.ppf(0.975) * np.sqrt(variance) / (value * (1 - value))
    assert np.log(found.high / (1 - found.high)) == pytest.approx(np.log(value / (1 - value)) + half, abs=1e-9)
    assert np.log(found.low / (1 - found.low)) == pytest.approx(np.log(value / (1 - value)) - half, abs=1e-9)


def test_the_interval_covers_the_true_auc_about_95_percent_of_the_time() -> None:
    # Binormal scores with unit variances: AUC = Phi(d / sqrt 2).
    rng = np.random.default_rng(1)
    truth = stats.norm.cdf(1.5 / np.sqrt(2))
    malignant = np.arange(150) < 40
    hits = 0
    for _ in range(400):
        found = auc(rng.normal(0, 1, 150) + 1.5 * malignant, malignant)
        hits += found.low <= truth <= found.high
    assert stats.binomtest(hits, 400, 0.95).pvalue > 0.001


def test_an_auc_without_both_classes_or_without_variance_has_no_interval() -> None:
    assert auc(np.array([0.1, 0.2]), np.array([True, True])).value is None
    perfect = auc(np.array([0.0, 0.1, 0.8, 0.9]), np.array([False, False, True, True]))
    assert (perfect.value, perfect.low, perfect.high) == (1.0, None, None)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        (96, 114, 76.4, 89.8),  # clinical reference, section 0: accuracy 84.2 %
        (26, 30, 70.3, 94.7),  # section 6.9
        (70, 84, 73.9, 89.8),
        (142, 163, 81.1, 91.4),  # section 3.2: EURINE-ACT, diameter of at least 4 cm
        (160, 163, 94.7, 99.4),
    ],
)
def test_wilson_intervals_agree_with_published_tables(k: int, n: int, low: float, high: float) -> None:
    found = proportion(k, n)
    assert 100 * found.low == pytest.approx(low, abs=0.051)
    assert 100 * found.high == pytest.approx(high, abs=0.051)
    assert proportion(0, 0).value is None


def test_counts_at_a_threshold() -> None:
    probability = np.array([0.1, 0.4, 0.5, 0.6, 0.9])
    malignant = np.array([False, True, False, True, True])
    found = {name: metric.value for name, metric in at_threshold(probability, malignant, 0.5).items()}
    assert found == pytest.approx({"sensitivity": 2 / 3, "specificity": 1 / 2, "accuracy": 3 / 5, "ppv": 2 / 3, "npv": 1 / 2})


def test_thresholds_reach_the_sensitivity_they_promise() -> None:
    rng = np.random.default_rng(3)
    malignant = rng.random(300) < 0.3
    probability = 1 / (1 + np.exp(-(rng.normal(-1, 1, 300) + 2 * malignant)))
    found = thresholds(probability, malignant)
    assert (probability[malignant] >= found["high_sensitivity"]).mean() >= 0.95
    above = probability[probability > found["high_sensitivity"]].min()
    assert (probability[malignant] >= above).mean() < 0.95
    youden = [(probability[malignant] >= t).mean() + (probability[~malignant] < t).mean() for t in probability]
    at = found["balanced"]
    assert (probability[malignant] >= at).mean() + (probability[~malignant] < at).mean() == pytest.approx(max(youden))

"""DeLong's covariance against its definition, pair by pair, and the size of its test by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from AdrenalClassifierLib.evaluation.delong import auc_difference, delong


def _by_definition(scores, malignant):  # type: ignore[no-untyped-def]
    """AUCs and covariance of DeLong et al. 1988: every malignant lesion against every benign one."""
    v10, v01 = [], []
    for score in scores:
        psi = np.array([[1.0 if p > n else 0.5 if p == n else 0.0 for n in score[~malignant]] for p in score[malignant]])
        v10.append(psi.mean(axis=1))
        v01.append(psi.mean(axis=0))
    m, n = malignant.sum(), (~malignant).sum()
    return np.mean(v10, axis=1), np.cov(v10) / m + np.cov(v01) / n


@pytest.mark.parametrize("seed", range(4))
def test_aucs_and_covariance_follow_their_definition_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    malignant = rng.random(90) < 0.3
    scores = np.round(rng.normal(0, 1, (3, 90)) + rng.normal(0, 1, 90) + np.array([[0.5], [1.0], [2.0]]) * malignant, 1)
    value, covariance = delong(scores, malignant)
    expected, expected_covariance = _by_definition(scores, malignant)
    np.testing.assert_allclose(value, expected, atol=1e-12)
    np.testing.assert_allclose(value, [roc_auc_score(malignant, s) for s in scores], atol=1e-12)
    np.testing.assert_allclose(covariance, expected_covariance, atol=1e-14)


def test_the_difference_uses_the_covariance_of_the_pair() -> None:
    rng = np.random.default_rng(7)
    malignant = rng.random(120) < 0.3
    first, second = rng.normal(0, 1, 120) + 1.5 * malignant, rng.normal(0, 1, 120) + malignant
    value, covariance = _by_definition([first, second], malignant)
    found = auc_difference(first, second, malignant)
    error = np.sqrt([1, -1] @ covariance @ [1, -1])
    assert found.value == pytest.approx(value[0] - value[1])
    assert found.error == pytest.approx(error)
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.value) / error))


def test_two_scores_that_rank_alike_are_not_tested() -> None:
    malignant = np.array([True, False, True, False, False])
    score = np.array([0.9, 0.1, 0.4, 0.5, 0.2])
    found = auc_difference(score, np.exp(score), malignant)
    assert (found.value, found.error, found.p) == (0.0, 0.0, None)


def test_the_paired_test_rejects_equal_aucs_about_five_times_in_a_hundred() -> None:
    rng = np.random.default_rng(2)
    malignant = np.arange(120) < 40
    rejected = 0
    for _ in range(500):
        shared = rng.normal(0, 1, 120)
        first, second = (0.7 * shared + 0.7 * rng.normal(0, 1, 120) + 1.2 * malignant for _ in range(2))
        rejected += (auc_difference(first, second, malignant).p or 1) < 0.05
    assert stats.binomtest(rejected, 500, 0.05).pvalue > 0.001

"""Curves against scikit-learn and tables worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logit
from sklearn.metrics import precision_recall_curve, roc_curve

from AdrenalClassifierLib.evaluation.curves import DECISION_THRESHOLDS, calls_of, decision, net_benefit, precision_recall, roc
from AdrenalClassifierLib.evaluation.resampling import draw


def _cohort(seed: int = 0, lesions: int = 90):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    malignant = rng.random(lesions) < 0.3
    score = np.round(rng.normal(-1, 1, lesions) + 1.4 * malignant, 1)
    return score, malignant, draw([str(n) for n in range(lesions)], malignant, 400, 0)


def test_the_roc_curve_is_scikit_learns_and_lies_in_its_band() -> None:
    score, malignant, counts = _cohort()
    found = roc(score, malignant, counts)
    fpr, tpr, _ = roc_curve(malignant, score, drop_intermediate=False)
    np.testing.assert_allclose(found["curve"]["false_positive_rate"], fpr, atol=1e-6)
    np.testing.assert_allclose(found["curve"]["sensitivity"], tpr, atol=1e-6)
    band = found["band"]
    middle = np.interp(band["false_positive_rate"], fpr, tpr)
    assert np.mean((np.array(band["low"]) <= middle + 1e-6) & (middle <= np.array(band["high"]) + 1e-6)) > 0.95


def test_the_precision_recall_curve_is_scikit_learns() -> None:
    score, malignant, counts = _cohort(1)
    found = precision_recall(score, malignant, counts)
    precision, recall, _ = precision_recall_curve(malignant, score)
    np.testing.assert_allclose(found["curve"]["recall"], recall[-2::-1], atol=1e-6)
    np.testing.assert_allclose(found["curve"]["precision"], precision[-2::-1], atol=1e-6)
    assert found["prevalence"] == pytest.approx(malignant.mean())
    # With every lesion called, precision is the prevalence, in every resample the same (the classes keep their numbers).
    assert found["band"]["low"][-1] >= malignant.mean() - 1e-6


def test_net_benefit_of_a_table_worked_by_hand() -> None:
    # 3 malignant of 10; at 20 % a false positive costs a quarter of a hit: called 2 of 3 and 4 of 7: 2/10 - 4/10 / 4.
    malignant = np.arange(10) < 3
    probability = np.array([0.9, 0.2, 0.1, 0.6, 0.3, 0.25, 0.2, 0.1, 0.05, 0.01])
    at = {round(t, 2): n for n, t in enumerate(DECISION_THRESHOLDS)}
    own = net_benefit(calls_of(logit(probability)), malignant)[0]
    assert own[at[0.2]] == pytest.approx(2 / 10 - 4 / 10 / 4)
    assert own[at[0.5]] == pytest.approx(1 / 10 - 1 / 10)
    everybody = net_benefit(np.ones(10, bool), malignant)[0]
    np.testing.assert_allclose(everybody, 0.3 - 0.7 * DECISION_THRESHOLDS / (1 - DECISION_THRESHOLDS), atol=1e-12)
    np.testing.assert_allclose(net_benefit(np.zeros(10, bool), malignant)[0], 0)
    assert (DECISION_THRESHOLDS[0], DECISION_THRESHOLDS[-1]) == (0.05, 0.5)


def test_net_benefit_of_a_resample_is_that_of_the_copied_lesions() -> None:
    score, malignant, _ = _cohort(2)
    counts = draw([str(n) for n in range(90)], malignant, 400, 0, stratified=False)
    calls = calls_of(score)
    drawn = net_benefit(calls, malignant, counts)
    for n in (0, 7):
        copies = np.repeat(np.arange(len(score)), counts[n].astype(int))
        np.testing.assert_allclose(drawn[n], net_benefit(calls[copies], malignant[copies])[0], atol=1e-12)
    found = decision(calls, malignant, counts)
    assert len(found["low"]) == len(found["net_benefit"]) == len(DECISION_THRESHOLDS)
    assert all(low <= value <= high for low, value, high in zip(found["low"], found["net_benefit"], found["high"], strict=True))


def test_one_class_gives_a_reason_instead_of_a_curve() -> None:
    score, counts = np.array([0.1, 0.2, 0.3]), np.ones((5, 3))
    assert roc(score, np.ones(3, bool), counts) == {"curve": None, "reason": "no benign lesion"}
    assert precision_recall(score, np.zeros(3, bool), counts) == {"curve": None, "reason": "no malignant lesion"}

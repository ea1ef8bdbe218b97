"""The bootstrap by counting: same figures as scikit-learn on the copied lesions, patients kept whole, honest coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score

from AdrenalClassifierLib.evaluation.delong import delong
from AdrenalClassifierLib.evaluation.performance import brier_metrics, ranking_metrics
from AdrenalClassifierLib.evaluation.resampling import (
    Ranking,
    area,
    at_each,
    average_precision,
    draw,
    interval,
    on_grid,
    too_few,
)


def _cohort(seed: int = 0, lesions: int = 80):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    malignant = rng.random(lesions) < 0.3
    score = np.round(rng.normal(0, 1, lesions) + 1.2 * malignant, 1)  # with ties
    return score, malignant, [f"P{n // 2 if n < 10 else n}" for n in range(lesions)]


def test_patients_come_whole_and_every_kind_keeps_its_number() -> None:
    _, malignant, patients = _cohort()
    counts = draw(patients, malignant, 200, 0)
    for first in range(0, 10, 2):
        np.testing.assert_array_equal(counts[:, first], counts[:, first + 1])
    names = np.array(patients)
    kinds = {p: (malignant[names == p].any(), (~malignant[names == p]).any()) for p in patients}
    first_of = {p: patients.index(p) for p in kinds}
    for kind in set(kinds.values()):
        members = [first_of[p] for p in kinds if kinds[p] == kind]
        np.testing.assert_array_equal(counts[:, members].sum(axis=1), len(members))


def test_each_patient_is_drawn_as_often_as_any_other_and_the_seed_decides() -> None:
    malignant = np.arange(40) < 10
    patients = [str(n) for n in range(40)]
    counts = draw(patients, malignant, 4000, 1)
    # Drawn 10 times of 10 (or 30 of 30): binomial with mean 1 and variance 1 - 1 / patients.
    np.testing.assert_allclose(counts.mean(axis=0), 1, atol=5 / np.sqrt(4000))
    assert counts[:, :10].var() == pytest.approx(0.9, rel=0.05)
    assert counts[:, 10:].var() == pytest.approx(29 / 30, rel=0.05)
    np.testing.assert_array_equal(counts, draw(patients, malignant, 4000, 1))
    assert (counts != draw(patients, malignant, 4000, 2)).any()


def test_auc_and_average_precision_of_every_resample_are_those_of_the_copied_lesions() -> None:
    score, malignant, patients = _cohort(3)
    counts = draw(patients, malignant, 40, 0)
    ranking = Ranking(score, malignant)
    found = ranking.over(counts, lambda s, f, _: area(s, f))
    odds = (counts @ malignant) / (counts @ ~malignant)
    precision = ranking.over(counts, lambda s, f, part: average_precision(s, f, odds[part]))
    for n, row in enumerate(counts.astype(int)):
        copied, truth = np.repeat(score, row), np.repeat(malignant, row)
        assert found[n] == pytest.approx(roc_auc_score(truth, copied), abs=1e-12)
        assert precision[n] == pytest.approx(average_precision_score(truth, copied), abs=1e-12)


def test_working_in_parts_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    score, malignant, patients = _cohort(3)
    counts = draw(patients, malignant, 37, 0)
    whole = Ranking(score, malignant).over(counts, lambda s, f, _: area(s, f))
    monkeypatch.setattr("AdrenalClassifierLib.evaluation.resampling.AT_ONCE", 500)
    np.testing.assert_allclose(whole, Ranking(score, malignant).over(counts, lambda s, f, _: area(s, f)), rtol=1e-12)


def test_reading_a_step_curve_takes_its_best_point() -> None:
    along, values = np.array([[0.0, 0.0, 0.5, 0.5, 1.0]]), np.array([[0.0, 0.4, 0.4, 0.8, 1.0]])
    np.testing.assert_allclose(on_grid(np.array([0, 0.25, 0.5, 0.75, 1]), along, values), [[0.4, 0.4, 0.8, 0.9, 1.0]])
    np.testing.assert_allclose(at_each(np.array([0.5]), along, values), [0.8])


def test_lesions_of_one_patient_are_worth_one() -> None:
    """Every lesion twice, under one patient: the interval is that of the lesions once; as separate patients it is narrower."""
    score, malignant, _ = _cohort(5, 60)
    once = [f"P{n:03d}" for n in range(60)]
    twice = np.repeat(score, 2), np.repeat(malignant, 2)
    single = ranking_metrics(score, malignant, once, draw(once, malignant, 2000, 0))["auc_bootstrap"]
    pairs = list(np.repeat(once, 2))
    paired = ranking_metrics(*twice, pairs, draw(pairs, twice[1], 2000, 0))["auc_bootstrap"]
    apart = [f"P{n:03d}" for n in range(120)]
    separate = ranking_metrics(*twice, apart, draw(apart, twice[1], 2000, 0))["auc_bootstrap"]
    assert (paired.low, paired.high) == pytest.approx((single.low, single.high), abs=1e-12)
    assert separate.high - separate.low < 0.85 * (single.high - single.low)


def test_the_spread_of_the_resamples_is_delongs_standard_error() -> None:
    rng = np.random.default_rng(0)
    malignant = np.arange(300) < 90
    score = rng.normal(0, 1, 300) + 1.3 * malignant
    counts = draw([str(n) for n in range(300)], malignant, 3000, 0)
    spread = Ranking(score, malignant).over(counts, lambda s, f, _: area(s, f)).std()
    assert spread == pytest.approx(np.sqrt(delong(score[None], malignant)[1][0, 0]), rel=0.05)


def test_the_interval_covers_the_true_auc_about_95_percent_of_the_time() -> None:
    rng = np.random.default_rng(1)
    malignant = np.arange(150) < 50
    patients = [str(n) for n in range(150)]
    truth = stats.norm.cdf(1.2 / np.sqrt(2))
    hits = 0
    for seed in range(300):
        score = rng.normal(0, 1, 150) + 1.2 * malignant
        found = ranking_metrics(score, malignant, patients, draw(patients, malignant, 300, seed))["auc_bootstrap"]
        hits += found.low <= truth <= found.high
    # The percentile interval is known to be a little short; far from 95 % would be a mistake.
    assert stats.binomtest(hits, 300, 0.94).pvalue > 0.001


def test_the_interval_of_the_brier_score_covers_the_truth_since_the_share_of_malignant_lesions_is_random() -> None:
    rng = np.random.default_rng(4)
    log_odds = rng.normal(-1, 1.5, 2_000_000)
    p = expit(log_odds)
    truth = float(np.mean(p * (1 - p)))  # of a calibrated model
    patients = [str(n) for n in range(120)]
    hits = 0
    for seed in range(300):
        chosen = rng.integers(len(p), size=120)
        malignant = rng.random(120) < p[chosen]
        counts = draw(patients, malignant, 300, seed, stratified=False)
        found = brier_metrics(log_odds[chosen], malignant, patients, counts)["brier"]
        hits += found.low <= truth <= found.high
    assert stats.binomtest(hits, 300, 0.94).pvalue > 0.001


def test_unstratified_resamples_have_as_many_patients_and_a_random_share_of_malignant_ones() -> None:
    malignant = np.arange(60) < 15
    counts = draw([str(n) for n in range(60)], malignant, 4000, 0, stratified=False)
    np.testing.assert_array_equal(counts.sum(axis=1), 60)
    assert (counts @ malignant).var() == pytest.approx(60 * 0.25 * 0.75, rel=0.1)


def test_what_cannot_be_known_has_a_reason_and_no_interval() -> None:
    assert interval(np.array([np.nan, 0.1] * 10), 0.1, 5, "x").reason == "not defined in 50 % of the resamples"
    nothing = interval(np.array([0.1]), None, 5, "x", "no benign lesion")
    assert (nothing.value, nothing.low, nothing.reason) == (None, None, "no benign lesion")
    assert too_few(["a", "a", "b", "c"], np.array([True, True, False, False])) == "only one patient with a malignant lesion"
    assert too_few(["a", "d", "b", "c"], np.array([True, True, False, False])) is None
    score, malignant = np.array([0.0, 0.1, 0.8, 0.9]), np.array([False, False, True, True])
    found = ranking_metrics(score, malignant, list("abcd"), draw(list("abcd"), malignant, 100, 0))
    for name in ("auc", "auc_bootstrap", "average_precision"):
        assert found[name].value == 1
        assert found[name].low is None
        assert "separated completely" in str(found[name].reason)

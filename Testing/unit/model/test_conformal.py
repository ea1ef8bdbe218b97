"""Conformal sets: coverage by the binomial law, ranks by brute force, one score a patient, the too-few and the empty set."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.model.conformal import SETS, ConformalScores, conformal_scores, least_lesions, parse_level


def drawn(rng: np.random.Generator, benign: int, malignant: int) -> ConformalScores:
    """Log-odds of two overlapping classes; every lesion another patient."""
    logit = np.concatenate([rng.normal(-1.5, 1.2, benign), rng.gumbel(1.0, 1.5, malignant)])
    label = np.arange(benign + malignant) >= benign
    return conformal_scores(logit, label, [f"p{n}" for n in range(len(logit))])


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_each_class_is_covered_as_often_as_the_exact_law_says(level: float) -> None:
    """With n scores and the rank k = ceil((n + 1) level) a new lesion is covered with probability k / (n + 1), exactly."""
    rng, sizes, runs = np.random.default_rng(5), (45, 23), 3000
    covered = np.zeros(2, int)
    for _ in range(runs):
        scores = drawn(rng, *sizes)
        covered[0] += scores.contains(rng.normal(-1.5, 1.2, 1), level)[0, 0]
        covered[1] += scores.contains(rng.gumbel(1.0, 1.5, 1), level)[0, 1]
    for n, found in zip(sizes, covered, strict=True):
        exact = np.ceil(round((n + 1) * level, 9)) / (n + 1)
        assert exact >= level
        assert stats.binomtest(int(found), runs, exact).pvalue > 0.001, (n, found / runs, exact)


@pytest.mark.parametrize("level", [0.6, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("tied", [False, True])
def test_sets_equal_those_of_p_values_counted_one_by_one(level: float, tied: bool) -> None:
    rng = np.random.default_rng(8)
    scores = drawn(rng, 71, 29)
    if tied:
        scores = ConformalScores(np.round(scores.benign), np.round(scores.malignant))
    new = np.concatenate([rng.normal(0, 3, 300), np.arange(-4.0, 5.0)])
    alpha = 1 - Fraction(str(level))
    found = scores.contains(new, level)
    for logit, (benign, malignant) in zip(new, found, strict=True):
        stranger = [sum(s >= logit for s in scores.benign), sum(s <= logit for s in scores.malignant)]
        p = [Fraction(int(c) + 1, len(s) + 1) for c, s in zip(stranger, (scores.benign, scores.malignant), strict=True)]
        assert (benign, malignant) == (p[0] > alpha, p[1] > alpha)
        name = {(True, False): "benign", (False, True): "malignant", (True, True): "either", (False, False): "none"}
        assert scores.set_of(float(logit), level).name == name[bool(benign), bool(malignant)]


def test_well_separated_classes_leave_an_empty_set_between_them_and_all_four_names_occur() -> None:
    apart = ConformalScores(np.linspace(-6, -2, 40), np.linspace(2, 6, 40))
    assert apart.set_of(0.0).name == "none"
    assert apart.set_of(-4.0).name == "benign"
    assert apart.set_of(4.0).name == "malignant"
    mixed = ConformalScores(np.linspace(-6, 2, 40), np.linspace(-2, 6, 40))
    assert mixed.set_of(0.0).name == "either"
    assert set(SETS) == {"none", "benign", "malignant", "either"}


def test_nine_lesions_of_a_class_are_needed_for_90_percent_and_fewer_say_so() -> None:
    assert [least_lesions(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99)] == [1, 4, 9, 19, 99]
    many = np.linspace(-3, 0, 60)
    enough = ConformalScores(many, np.linspace(0, 3, 9))
    assert enough.set_of(-3.0).name == "benign"
    # The rank is 9 of 9: the lowest malignant score itself is the limit.
    assert enough.limits()[1] == 0.0
    few = ConformalScores(many, np.linspace(0, 3, 8)).set_of(-3.0)
    assert few.name == "either"
    assert few.reason == "only 8 malignant lesions to compare with; 90 % needs at least 9 of each class"
    assert ConformalScores(many[:3], many[:0]).set_of(0.0).reason.startswith("only 3 benign and 0 malignant")
    assert ConformalScores(many, np.linspace(0, 3, 8)).set_of(-3.0, 0.8).reason is None


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 90.0])
def test_a_level_that_is_no_level_is_refused(level: float) -> None:
    with pytest.raises(AdrenalError, match="between 0 and 1"):
        drawn(np.random.default_rng(0), 20, 20).set_of(0.0, level)


def test_a_level_is_read_as_people_write_it() -> None:
    assert [parse_level(text) for text in ("90%", "95 %", "0.8", "0,99", "50%")] == [0.9, 0.95, 0.8, 0.99, 0.5]
    for text in ("90", "100%", "1", "0.4", "49%", "", "%", "high", "nan", "1/0", "-0.9"):
        with pytest.raises(AdrenalError, match="between 50% and 99%"):
            parse_level(text)


def test_the_rank_is_that_of_decimal_arithmetic_for_every_size() -> None:
    for n in range(9, 400):
        scores = ConformalScores(np.arange(n, dtype=float), np.arange(n, dtype=float))
        assert scores.limits(0.9)[0] == -(-(n + 1) * 9 // 10) - 1


def test_a_patient_enters_a_class_once_whatever_the_order_of_the_rows() -> None:
    rng = np.random.default_rng(3)
    patients = [f"p{n // 2}" for n in range(80)]
    logit, label = rng.normal(size=80), np.arange(80) % 4 < 2
    scores = conformal_scores(logit, label, patients)
    assert (len(scores.benign), len(scores.malignant)) == (20, 20)
    assert set(scores.benign) <= set(logit[~label])
    order = rng.permutation(80)
    again = conformal_scores(logit[order], label[order], [patients[n] for n in order])
    np.testing.assert_array_equal(again.benign, scores.benign)
    np.testing.assert_array_equal(again.malignant, scores.malignant)
    # A patient with a lesion of each class enters both.
    both = conformal_scores(np.array([-1.0, 1.0]), np.array([False, True]), ["a", "a"])
    assert (both.benign.tolist(), both.malignant.tolist()) == ([-1.0], [1.0])


def test_neither_lesion_of_a_patient_is_preferred() -> None:
    """The lower of two lesions is taken about half of the time: a choice by value would bias the scores."""
    low, high = -1.0, 1.0
    patients = [f"case {n}" for n in range(2000) for _ in range(2)]
    scores = conformal_scores(np.tile([low, high], 2000), np.zeros(4000, bool), patients)
    assert stats.binomtest(int((scores.benign == low).sum()), 2000).pvalue > 0.001


def test_scores_survive_as_arrays_and_damaged_ones_are_refused() -> None:
    scores = drawn(np.random.default_rng(1), 30, 20)
    again = ConformalScores.from_arrays(scores.arrays())
    np.testing.assert_array_equal(again.benign, scores.benign)
    with pytest.raises(ValueError, match="numbers"):
        ConformalScores.from_arrays({"benign": [0.0, np.nan], "malignant": [1.0]})
    with pytest.raises(KeyError):
        ConformalScores.from_arrays({"benign": [0.0]})

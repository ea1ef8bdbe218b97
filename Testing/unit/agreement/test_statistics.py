"""Statistics against published tables, pingouin (benchmarks/agreement/reference_statistics.py), formulas and simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from AdrenalClassifierLib.agreement.statistics import bland_altman, concordance, describe, icc, lesions_for_interval
from AdrenalClassifierLib.errors import AdrenalError
from support.rating_tables import rating_tables

PINGOUIN = json.loads((Path(__file__).parents[2] / "data" / "agreement_icc.json").read_text(encoding="utf-8"))["tables"]
TABLES = dict(rating_tables())

SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float)
"""Shrout & Fleiss, Psychol Bull 1979;86:420, table 2; their ICC(2,1) = .29 and ICC(3,1) = .71 (table 4)."""


def test_icc_of_the_published_table() -> None:
    a, c = icc(SHROUT_FLEISS)
    assert round(a.value, 2) == 0.29  # type: ignore[arg-type]
    assert round(c.value, 2) == 0.71  # type: ignore[arg-type]


@pytest.mark.parametrize("name", TABLES)
def test_icc_and_intervals_are_those_of_pingouin(name: str) -> None:
    for found, kind in zip(icc(TABLES[name]), ("a1", "c1"), strict=True):
        expected = PINGOUIN[name][kind]
        assert found.value == pytest.approx(expected["value"], abs=1e-8)
        assert found.low == pytest.approx(expected["low"], abs=1e-8)
        assert found.high == pytest.approx(expected["high"], abs=1e-8)


def test_icc_where_it_is_certain_or_does_not_exist() -> None:
    same = np.repeat(np.arange(5.0)[:, None], 2, axis=1)
    assert [e.value for e in icc(same)] == [1, 1]
    assert [e.low for e in icc(same)] == [1, 1]
    a, c = icc(same + np.array([0, 1]))  # a constant difference: consistent, not in agreement
    assert c.value == 1
    assert a.value == pytest.approx(2.5 / (2.5 + 0.5))  # var between lesions / (that + var between readers)
    assert [e.value for e in icc(np.ones((5, 2)))] == [None, None]
    assert [e.value for e in icc(np.ones((1, 2)))] == [None, None]
    assert [e.value for e in icc(np.empty((0, 2)))] == [None, None]


def test_icc_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    hits = 0
    for _ in range(400):
        found, _c = icc(rng.normal(0, 2, (30, 1)) + rng.normal(0, 1, (30, 2)))
        hits += found.low <= 0.8 <= found.high  # type: ignore[operator]
    assert 400 * 0.95 - 3 * math.sqrt(400 * 0.95 * 0.05) <= hits


def test_bland_altman_by_hand() -> None:
    a, b = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 5.0, 5.0])  # differences 1, 0, 2, 1
    found = bland_altman(a, b)
    sd = math.sqrt(2 / 3)
    t, z = 3.182446305, 1.959963985  # Student's t at 97.5 % with 3 degrees of freedom, normal quantile
    assert found.bias.value == 1
    assert found.bias.high == pytest.approx(1 + t * sd / 2)
    assert found.upper.value == pytest.approx(1 + z * sd)
    assert found.lower.low == pytest.approx(1 - z * sd - t * sd * math.sqrt(1 / 4 + z**2 / 6))


def test_bland_altman_of_ratios_is_that_of_logarithms() -> None:
    a = np.array([1.0, 20.0, 3.0, 150.0, 7.0])
    b = a * [1.1, 1.2, 1.0, 0.95, 1.3]
    found, logs = bland_altman(a, b, ratio=True), bland_altman(np.log(a), np.log(b))
    assert found.bias.value == pytest.approx(math.prod([1.1, 1.2, 1.0, 0.95, 1.3]) ** 0.2)
    for ours, theirs in ((found.bias, logs.bias), (found.lower, logs.lower), (found.upper, logs.upper)):
        assert ours.low == pytest.approx(math.exp(theirs.low))  # type: ignore[arg-type]
        assert ours.high == pytest.approx(math.exp(theirs.high))  # type: ignore[arg-type]
    with pytest.raises(AdrenalError, match="above zero"):
        bland_altman(np.array([0.0, 1.0]), np.array([1.0, 1.0]), ratio=True)


def test_limits_of_agreement_cover_the_planted_ones_as_often_as_they_say() -> None:
    rng = np.random.default_rng(2)
    n, runs, bias, sd = 40, 400, 0.7, 1.5
    hits = np.zeros(2)
    for _ in range(runs):
        found = bland_altman(np.zeros(n), rng.normal(bias, sd, n))
        hits += [found.bias.low <= bias <= found.bias.high, found.upper.low <= bias + 1.959964 * sd <= found.upper.high]  # type: ignore[operator]
    assert (np.abs(hits / runs - 0.95) < 0.035).all()


def test_concordance_by_its_definition_and_its_interval_by_simulation() -> None:
    rng = np.random.default_rng(5)
    truth = 2 * 0.9 / (1 + 1 + 0.3**2)  # rho 0.9, unit variances, means 0.3 apart
    hits, values = 0, []
    for _ in range(400):
        x = rng.multivariate_normal([0, 0.3], [[1, 0.9], [0.9, 1]], 60)
        found = concordance(x[:, 0], x[:, 1])
        values.append(found.value)
        hits += found.low <= truth <= found.high  # type: ignore[operator]
    assert np.mean(values) == pytest.approx(truth, abs=0.01)  # type: ignore[arg-type]
    assert abs(hits / 400 - 0.95) < 0.035
    a = np.array([1.0, 2.0, 3.0, 4.0])
    assert concordance(a, a).to_json() == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert concordance(a, a + 1).value == pytest.approx(2 * 1.25 / (2 * 1.25 + 1))
    assert concordance(np.ones(4), np.ones(4)).value is None


def test_for_two_raters_concordance_is_nearly_icc_of_agreement() -> None:
    table = TABLES["two readers, good"]
    assert concordance(table[:, 0], table[:, 1]).value == pytest.approx(icc(table)[0].value, abs=0.002)


def test_a_description_leaves_out_what_is_undefined_and_says_so() -> None:
    found = describe([0.9, None, 0.7, 0.8, None])
    assert (found["n"], found["n_undefined"]) == (3, 2)
    assert found["mean"] == pytest.approx(0.8)
    assert found["sd"] == pytest.approx(0.1)
    assert (found["median"], found["min"], found["max"]) == (0.8, 0.7, 0.9)
    assert found["q1"] == pytest.approx(0.75)
    assert describe([None])["mean"] is None
    assert describe([0.5])["sd"] is None


def test_the_interval_of_the_published_mean_dice() -> None:
    # Clinical reference, section 7: SD 0.03 over 40 lesions gives 0.910 to 0.930 around 0.92.
    z = np.sin(np.arange(40))
    found = describe(list(0.92 + 0.03 * (z - z.mean()) / z.std(ddof=1)))
    assert (round(found["mean_low"], 3), round(found["mean_high"], 3)) == (0.910, 0.930)


@pytest.mark.parametrize(("sd", "width"), [(0.03, 0.02), (0.07, 0.02), (0.03, 0.2), (0.1, 0.004)])
def test_the_sample_size_is_the_smallest_that_is_narrow_enough(sd: float, width: float) -> None:
    from scipy import stats

    n = lesions_for_interval(sd, width)

    def achieved(count: int) -> float:
        return float(2 * stats.t.ppf(0.975, count - 1) * sd / math.sqrt(count))

    assert achieved(n) <= width
    assert n == 2 or achieved(n - 1) > width


@pytest.mark.parametrize(("sd", "width"), [(0, 0.02), (0.03, 0), (-1, 1), (float("nan"), 1), (0.1, 1e-9)])
def test_an_impossible_sample_size_is_refused(sd: float, width: float) -> None:
    with pytest.raises(AdrenalError):
        lesions_for_interval(sd, width)

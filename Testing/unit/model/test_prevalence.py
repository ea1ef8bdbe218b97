"""The prior shift against Bayes' rule, and how a prevalence may be written."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit, logit

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.model.prevalence import NAMED, Prevalence, PriorShift, parse_prevalence


@pytest.mark.parametrize("value", [0.01, 0.08, 0.26, 0.5, 0.9])
def test_the_shift_is_bayes_rule_with_another_prior(value: float) -> None:
    """Two normal classes whose densities are known: the posterior under each prior is exact."""
    training = 0.262
    shift = Prevalence("own", value).at(training)
    for x in np.linspace(-4, 4, 17):
        benign, malignant = stats.norm.pdf(x, -1, 1), stats.norm.pdf(x, 1, 1.5)
        trained = training * malignant / (training * malignant + (1 - training) * benign)
        exact = value * malignant / (value * malignant + (1 - value) * benign)
        assert shift.probability(trained) == pytest.approx(exact, rel=1e-12)
        assert expit(logit(trained) + shift.log_odds) == pytest.approx(exact, rel=1e-12)


def test_as_trained_nothing_moves_and_certainty_stays_certainty() -> None:
    shift = Prevalence().at(0.3)
    assert (shift.setting, shift.value, shift.log_odds) == ("training", 0.3, 0.0)
    assert shift.probability(0.1234) == 0.1234
    own = PriorShift("own", 0.08, 0.26)
    assert (own.probability(0.0), own.probability(1.0)) == (0.0, 1.0)
    assert PriorShift("own", 0.3, 0.3).log_odds == 0.0


def test_there_and_back_again_is_where_one_was() -> None:
    there, back = PriorShift("own", 0.08, 0.26), PriorShift("own", 0.26, 0.08)
    for p in (0.003, 0.2, 0.77):
        assert back.probability(there.probability(p)) == pytest.approx(p, rel=1e-12)
    assert there.log_odds == pytest.approx(math.log(0.08 / 0.92) - math.log(0.26 / 0.74))


@pytest.mark.parametrize(
    ("text", "setting", "value"),
    [
        ("training", "training", None),
        ("incidentaloma", "incidentaloma", 0.08),
        ("Surgical", "surgical", 0.26),
        ("8%", "incidentaloma", 0.08),
        ("8 %", "incidentaloma", 0.08),
        ("0.08", "incidentaloma", 0.08),
        ("26%", "surgical", 0.26),
        ("0,15", "own", 0.15),
        ("12.5%", "own", 0.125),
        ("0.1%", "own", 0.001),
        ("99.9%", "own", 0.999),
        (".5", "own", 0.5),
        ("1%", "own", 0.01),
    ],
)
def test_a_prevalence_is_read_as_people_write_it(text: str, setting: str, value: float | None) -> None:
    found = parse_prevalence(text)
    assert found.setting == setting
    assert found.value == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize("text", ["8", "1", "100%", "0", "0.0005", "0.05%", "99.95%", "-3%", "lots", "", "nan", "1e-2", "8%%"])
def test_what_is_ambiguous_or_senseless_is_refused_in_one_sentence_with_the_way_to_write_it(text: str) -> None:
    with pytest.raises(AdrenalError, match="8% or 0"):
        parse_prevalence(text)


def test_the_named_prevalences_are_those_of_their_sources() -> None:
    """EURINE-ACT table 2: 98 carcinomas and 65 other malignant of 2017; the published cohort: 101 of 385."""
    assert NAMED["incidentaloma"] == round((98 + 65) / 2017, 2)
    assert NAMED["surgical"] == round(101 / 385, 2)

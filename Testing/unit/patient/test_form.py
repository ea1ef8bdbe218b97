"""What a form says beside a value."""

from __future__ import annotations

import pytest

from AdrenalClassifierLib.patient.form import field_state
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.patient.quantity import Quantity


def test_nothing_entered_is_missing_and_never_zero() -> None:
    assert field_state("crp", None).standing == "missing"
    assert field_state("crp", FormEntry("  ", "mg/L")).standing == "missing"
    assert field_state("crp", FormEntry("n/a", "mg/L")).standing == "missing"


@pytest.mark.parametrize(
    ("key", "entry", "standing"),
    [
        ("cortisol_dst", FormEntry("51", "nmol/L"), "above"),  # 50 nmol/L: ESE/ENSAT 2023
        ("cortisol_dst", FormEntry("50", "nmol/L"), "within"),
        ("cortisol_dst", FormEntry("60", "nmol/L", "70"), "within"),
        ("cortisol_dst", FormEntry("<60", "nmol/L"), "open"),
        ("cortisol_dst", FormEntry(">50", "nmol/L"), "above"),
        ("potassium", FormEntry("3.2", "mmol/L"), "below"),
        ("potassium", FormEntry("1.9", "mmol/L"), "unusual"),
        ("potassium", FormEntry("39", "mmol/L"), "unacceptable"),
        ("cortisol_dst", FormEntry("x", "nmol/L"), "unacceptable"),
        ("beta2_microglobulin", FormEntry("2", "mg/L"), "no limit"),
        ("testosterone", FormEntry("20", "nmol/L"), "open"),  # depends on the sex, which is missing
        ("ldh", FormEntry("240", "U/L"), "open"),  # between the limits of 225 and 250 that methods have
        ("age", FormEntry("54", "years"), "no limit"),
        ("sex", FormEntry("male"), "no limit"),
    ],
)
def test_the_standing_of_a_value(key: str, entry: FormEntry, standing: str) -> None:
    assert field_state(key, entry).standing == standing


def test_the_limit_follows_sex_age_and_unit() -> None:
    woman = field_state("testosterone", FormEntry("20", "nmol/L"), "female")
    assert woman.standing == "above"
    assert woman.upper.endswith("nmol/L")
    age = Quantity(35)
    young = field_state("normetanephrine", FormEntry("0.62", "nmol/L"), None, age)
    assert (young.standing, young.upper) == ("above", "0.6 nmol/L")  # 30-39 years: 0.60 nmol/L (Eisenhofer 2013)
    assert field_state("normetanephrine", FormEntry("0.62", "nmol/L"), None, Quantity(45)).standing == "within"


def test_a_value_in_another_unit_is_shown_in_the_canonical_one_and_its_limit_in_the_unit_typed() -> None:
    state = field_state("cortisol_dst", FormEntry("1.9", "µg/dL"))
    assert state.value == "52.4 nmol/L"  # 1.9 x 27.59
    assert state.upper == "1.81 µg/dL"  # 50 / 27.59
    assert field_state("cortisol_dst", FormEntry("1.9", "µg/dL", "2")).own_limit

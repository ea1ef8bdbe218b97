"""Hormone excess: yes, no or not known, with reasons, from the patient's values."""

from __future__ import annotations

import pytest

from AdrenalClassifierLib.guidelines.hormones import (
    aldosterone_excess,
    catecholamine_excess,
    cortisol_excess,
    hormone_excess,
    sex_steroid_excess,
)
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity

CUT = 27.74  # pmol/L of aldosterone per ng/dL (molar mass 360.44)


def patient(**values: object) -> PatientRecord:
    return PatientRecord({k: Quantity(float(v)) if type(v) in (int, float) else v for k, v in values.items()})


@pytest.mark.parametrize(
    ("values", "expected", "missing"),
    [
        ({"cushing_signs": False, "cortisol_dst": 50}, False, ()),  # ESE/ENSAT 2023: <= 50 nmol/L
        ({"cushing_signs": False, "cortisol_dst": 51}, True, ()),
        ({"cushing_signs": True}, True, ()),
        ({"cortisol_dst": 51}, True, ()),
        ({"cushing_signs": False}, None, ("cortisol_dst",)),
        ({"cortisol_dst": 20}, None, ("cushing_signs",)),
        ({}, None, ("cushing_signs", "cortisol_dst")),
        ({"cushing_signs": False, "cortisol_dst": Quantity(60.0, "<")}, None, ("cortisol_dst",)),
        ({"cushing_signs": False, "cortisol_dst": 30, "urinary_free_cortisol": 281}, True, ()),  # 0-280 nmol/24h
        ({"cushing_signs": False, "cortisol_dst": 30, "urinary_free_cortisol": 280}, False, ()),
    ],
)
def test_cortisol(values: dict[str, object], expected: bool | None, missing: tuple[str, ...]) -> None:
    found = cortisol_excess(patient(**values))
    assert (found.excess, found.missing) == (expected, missing)
    assert bool(found.reasons) == (expected is not None)


@pytest.mark.parametrize(
    ("values", "expected", "missing"),
    [
        # Metanephrine 0.45, normetanephrine 0.67 nmol/L at 40-49 years (Eisenhofer 2013).
        ({"age": 45, "metanephrine": 0.45, "normetanephrine": 0.67}, False, ()),
        ({"age": 45, "metanephrine": 0.46, "normetanephrine": 0.67}, True, ()),
        ({"age": 45, "metanephrine": 0.45, "normetanephrine": 0.68}, True, ()),
        ({"age": 55, "metanephrine": 0.45, "normetanephrine": 0.68}, False, ()),
        ({"metanephrine": 0.45, "normetanephrine": 0.68}, None, ("age",)),
        ({"metanephrine": 0.45, "normetanephrine": 0.55}, False, ()),
        ({"age": 65, "metanephrine": 0.45, "normetanephrine": 1.02}, None, ("normetanephrine_upper_limit",)),
        ({"age": 65, "metanephrine": 0.45, "normetanephrine": Quantity(1.02, "=", 1.1)}, False, ()),
        ({"age": 65, "metanephrine": 0.45, "normetanephrine": Quantity(1.02, "=", 0.9)}, True, ()),
        ({"age": 45, "metanephrine": 0.45, "normetanephrine": Quantity(0.2, "<")}, False, ()),
        ({"age": 45, "metanephrine": 0.45, "normetanephrine": Quantity(0.9, "<")}, None, ("normetanephrine",)),
        ({"age": 45, "metanephrine": 0.2}, None, ("normetanephrine",)),
        ({}, None, ("metanephrine", "normetanephrine")),
        ({"metanephrine": 0.2, "urine_metanephrine": 1.0, "urine_normetanephrine": 2.0}, False, ()),
        ({"urine_metanephrine": 1.0}, None, ("metanephrine", "normetanephrine")),
        ({"urine_normetanephrine": 3.2}, None, ("metanephrine", "normetanephrine")),  # between 3.0 and 3.5 umol/24h
        ({"urine_normetanephrine": 3.6}, True, ()),
    ],
)
def test_catecholamines(values: dict[str, object], expected: bool | None, missing: tuple[str, ...]) -> None:
    found = catecholamine_excess(patient(**values))
    assert (found.excess, found.missing) == (expected, missing)


def test_a_raised_urine_value_is_not_overruled_by_normal_plasma_values() -> None:
    found = catecholamine_excess(patient(age=45, metanephrine=0.2, normetanephrine=0.3, urine_normetanephrine=9))
    assert found.excess is True
    assert found.unsourced == ("upper limit of Normetanephrine in 24 h urine",)


def test_metanephrines_are_not_asked_for_in_a_lipid_rich_lesion_but_a_raised_value_counts() -> None:
    assert catecholamine_excess(patient(), lipid_rich=True).excess is False
    assert catecholamine_excess(patient(), lipid_rich=None).excess is None
    assert catecholamine_excess(patient(metanephrine=3), lipid_rich=True).excess is True


@pytest.mark.parametrize(
    ("values", "expected", "missing"),
    [
        ({"aldosterone": 650, "renin": 10}, True, ()),  # 65 > 64 pmol/mIU
        ({"aldosterone": 640, "renin": 10}, False, ()),
        ({"aldosterone": 21 * CUT, "renin_activity": 1}, True, ()),  # above 20 with at least 15 ng/dL
        ({"aldosterone": 14 * CUT, "renin_activity": 0.1}, False, ()),
        ({"aldosterone": 900}, None, ("renin", "hypertension", "hypokalaemia")),
        ({"aldosterone": 900, "hypertension": True}, None, ("renin",)),
        ({"renin": 2, "hypertension": True}, None, ("aldosterone",)),
        ({"hypertension": False, "hypokalaemia": False}, False, ()),  # CUA 2023: ratio if hypertension or hypokalaemia
        ({"hypertension": False, "potassium": 3.5}, False, ()),
        ({"hypertension": False, "potassium": 3.4}, None, ("aldosterone", "renin")),
        ({"hypertension": False}, None, ("aldosterone", "renin", "hypokalaemia")),
        ({"hypertension": False, "hypokalaemia": False, "aldosterone": 900, "renin": 2}, True, ()),
        ({"hypertension": True, "aldosterone": Quantity(50.0, "<"), "renin": Quantity(2.0, "<")}, None, ("aldosterone", "renin")),
    ],
)
def test_aldosterone(values: dict[str, object], expected: bool | None, missing: tuple[str, ...]) -> None:
    found = aldosterone_excess(patient(**values))
    assert (found.excess, found.missing) == (expected, missing)


def test_aldosterone_excess_is_only_suggested_and_its_limit_is_marked_as_unsourced() -> None:
    found = aldosterone_excess(patient(aldosterone=650, renin=5))
    assert "suggests" in found.reasons[0]
    assert "130 pmol/mIU" in found.reasons[0]
    assert found.unsourced == ("limit of the aldosterone/renin ratio: 64 pmol/mIU",)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"sex_steroid_signs": True}, True),
        ({"sex_steroid_signs": False}, False),
        ({}, None),
        ({"sex_steroid_signs": False, "sex": "female", "testosterone": 2.1}, True),  # women: < 2 nmol/L (unsourced)
        ({"sex_steroid_signs": False, "sex": "male", "testosterone": 20}, False),
        ({"sex_steroid_signs": False, "sex": "male", "estradiol": 160}, True),
        ({"sex_steroid_signs": False, "sex": "female", "estradiol": 900}, False),  # no limit for women applies by itself
        ({"sex_steroid_signs": False, "dheas": 12.3}, True),  # 1.6-12.2 umol/L
        ({"sex_steroid_signs": False, "androstenedione": 9.5}, True),  # 2.1-9.4 nmol/L
        ({"androstenedione": 9.4}, None),
    ],
)
def test_sex_steroids(values: dict[str, object], expected: bool | None) -> None:
    found = sex_steroid_excess(patient(**values))
    assert found.excess is expected
    assert found.missing == (("sex_steroid_signs",) if expected is None else ())


def test_any_excess_decides_and_nothing_is_listed_as_missing_then() -> None:
    found = hormone_excess(patient(normetanephrine=8))
    assert found.excess is True
    assert found.missing == ()
    assert found.reasons == ("Normetanephrine, plasma free 8 nmol/L",)


def test_excess_is_excluded_only_when_every_kind_is() -> None:
    values = {
        "cushing_signs": False, "cortisol_dst": 30, "metanephrine": 0.2, "normetanephrine": 0.4, "hypertension": False,
        "hypokalaemia": False, "sex_steroid_signs": False,
    }  # fmt: skip
    assert hormone_excess(patient(**values)).excess is False
    for key in values:
        found = hormone_excess(patient(**{k: v for k, v in values.items() if k != key}))
        assert found.excess is None
        assert key in found.missing

"""The record: immutable, equal by content, faithful through JSON and tables."""

from __future__ import annotations

import json
import pickle

import pytest

from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import record_from_json, record_from_row
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity


@pytest.fixture
def record() -> PatientRecord:
    return PatientRecord(
        {
            "metanephrine": Quantity(0.2, "<", 0.45, 0.05, "<0.2 nmol/L"),
            "age": Quantity(61.0),
            "sex": "female",
            "hypertension": False,
            "antihypertensive_drugs": Quantity(2.0),
            "cortisol_dst": Quantity(49.662, "<", entered="<1.8 µg/dL"),
            "growth_rate": Quantity(-2.5),
        }
    )


def full_record() -> PatientRecord:
    """A value for every variable: the middle of its soft range, an awkward number."""
    values: dict[str, object] = {}
    for variable in load_catalogue().variables.values():
        if variable.kind == "flag":
            values[variable.key] = True
        elif variable.kind == "choice":
            values[variable.key] = variable.choices[-1].value
        elif variable.kind == "count":
            values[variable.key] = Quantity(3.0)
        else:
            assert variable.soft is not None
            number = variable.soft.low + (variable.soft.high - variable.soft.low) / 3
            values[variable.key] = Quantity(number, ">", number * 1.1, number * 0.7) if variable.loinc else Quantity(number)
    return PatientRecord(values)


def test_values_come_in_the_order_of_the_catalogue(record: PatientRecord) -> None:
    order = list(load_catalogue().variables)
    assert list(record.values) == sorted(record.values, key=order.index)


def test_getters_tell_kinds_apart_and_missing_is_none(record: PatientRecord) -> None:
    assert record.quantity("metanephrine") == Quantity(0.2, "<", 0.45, 0.05)
    assert record.number("metanephrine") == 0.2
    assert record.flag("hypertension") is False
    assert record.choice("sex") == "female"
    assert record.flag("sex") is None
    assert record.quantity("hypertension") is None
    assert record.get("acth") is None
    assert record.number("acth") is None
    with pytest.raises(KeyError):
        record.get("weight")


def test_missing_lists_exactly_the_absent_keys(record: PatientRecord) -> None:
    missing = record.missing()
    assert set(missing) | set(record.values) == set(load_catalogue().variables)
    assert set(missing).isdisjoint(record.values)


def test_text_is_what_was_typed_or_the_value_with_its_unit(record: PatientRecord) -> None:
    assert record.text("cortisol_dst") == "<1.8 µg/dL"
    assert record.text("growth_rate") == "-2.5 mm/year"
    assert record.text("hypertension") == "no"
    assert record.text("sex") == "Female"
    assert record.text("antihypertensive_drugs") == "2"
    assert record.text("acth") is None


def test_record_cannot_be_changed(record: PatientRecord) -> None:
    with pytest.raises(TypeError):
        record.values["sex"] = "male"
    with pytest.raises(AttributeError):
        record.values = {}
    source: dict[str, object] = {"sex": "male"}
    copy = PatientRecord(source)
    source["sex"] = "female"
    assert copy.choice("sex") == "male"


def test_with_value_and_without_give_new_records(record: PatientRecord) -> None:
    changed = record.with_value("sex", "male")
    assert (record.choice("sex"), changed.choice("sex")) == ("female", "male")
    assert changed.without("sex").choice("sex") is None
    assert record.without("acth") == record


def test_equality_hash_and_fingerprint_go_by_content_not_by_what_was_typed(record: PatientRecord) -> None:
    other = record.with_value("cortisol_dst", Quantity(49.662, "<", entered="<49.662 nmol/L"))
    assert other == record
    assert hash(other) == hash(record)
    assert other.fingerprint == record.fingerprint
    for changed in (
        record.with_value("cortisol_dst", Quantity(49.662)),
        record.with_value("cortisol_dst", Quantity(49.662, "<", 50.0)),
        record.with_value("hypertension", True),
        record.without("age"),
    ):
        assert changed != record
        assert changed.fingerprint != record.fingerprint


def test_whole_numbers_have_one_fingerprint_however_they_were_made() -> None:
    assert PatientRecord({"age": Quantity(60)}).fingerprint == PatientRecord({"age": Quantity(60.0)}).fingerprint


def test_json_round_trip_is_exact_and_keeps_what_was_typed(record: PatientRecord) -> None:
    again, _ = record_from_json(json.loads(json.dumps(record.to_json())))
    assert again == record
    assert again.text("cortisol_dst") == "<1.8 µg/dL"


@pytest.mark.parametrize("way", ["json", "row", "pickle"])
def test_every_variable_survives_a_round_trip_exactly(way: str) -> None:
    record = full_record()
    if way == "json":
        again, _ = record_from_json(json.loads(json.dumps(record.to_json())))
    elif way == "row":
        again, _ = record_from_row(record.to_row())
    else:
        again = pickle.loads(pickle.dumps(record))  # noqa: S301
    assert again == record
    assert again.fingerprint == record.fingerprint
    assert not again.missing()


def test_row_has_unit_suffixed_columns_and_only_values_at_hand(record: PatientRecord) -> None:
    assert record.to_row() == {
        "age_years": "61",
        "sex": "female",
        "hypertension": "no",
        "antihypertensive_drugs": "2",
        "growth_rate_mm_year": "-2.5",
        "cortisol_dst_nmol_l": "<49.662",
        "metanephrine_nmol_l": "<0.2",
        "metanephrine_upper_limit_nmol_l": "0.45",
        "metanephrine_lower_limit_nmol_l": "0.05",
    }


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("weight", Quantity(80)),
        ("age", 61.0),
        ("age", Quantity(17)),
        ("age", Quantity(float("nan"))),
        ("age", Quantity(60, "~")),
        ("sex", "unknown"),
        ("hypertension", "yes"),
        ("hypertension", Quantity(1)),
        ("antihypertensive_drugs", Quantity(1.5)),
        ("antihypertensive_drugs", Quantity(2, ">")),
        ("acth", Quantity(5, "=", 0.0)),
        ("acth", Quantity(5, "=", 10, 12)),
        ("acth", Quantity(5, "=", float("inf"))),
        ("acth", Quantity(True)),
    ],
)
def test_a_record_never_holds_an_invalid_value(key: str, value: object) -> None:
    with pytest.raises(PatientValueError) as caught:
        PatientRecord({key: value})
    assert key in str(caught.value)

"""Reading values from JSON, table rows and forms."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_form, record_from_json, record_from_row
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity


def problems(value: object) -> tuple[str, ...]:
    with pytest.raises(PatientValueError) as caught:
        record_from_json(value)
    assert str(caught.value) == " ".join(caught.value.problems)
    return caught.value.problems


def one(value: object) -> str:
    (problem,) = problems(value)
    return problem


# 35 nmol/L of cortisol in the forms of the documentation; 27.59 nmol/L per ug/dL (molar mass 362.46).
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"cortisol_dst": {"value": 35, "unit": "nmol/L", "comparator": "<", "upper_limit": 50}}, Quantity(35, "<", 50)),
        ({"cortisol_dst": {"value": "<35", "unit": "nmol/L"}}, Quantity(35, "<")),
        ({"cortisol_dst": "<35 nmol/L"}, Quantity(35, "<")),
        ({"cortisol_dst": ">35nmol/l"}, Quantity(35, ">")),
        ({"cortisol_dst_nmol_l": 35}, Quantity(35)),
        ({"cortisol_dst_nmol_l": "35 nmol/L"}, Quantity(35)),
        ({"cortisol_dst_ug_dl": "<1.8"}, Quantity(1.8 * 27.59, "<")),
        ({"cortisol_dst_ug_dl": {"value": 1.8, "upper_limit": 2}}, Quantity(1.8 * 27.59, "=", 2 * 27.59)),
        ({"cortisol_dst": {"value": 1.8, "unit": "mcg / dl", "upper_limit": "50 nmol/L"}}, Quantity(1.8 * 27.59, "=", 50)),
        ({"cortisol_dst_nmol_l": 35, "cortisol_dst_upper_limit_ug_dl": "2"}, Quantity(35, "=", 2 * 27.59)),
        ({"cortisol_dst_ng_ml": 18}, Quantity(18 * 2.759)),
    ],
)
def test_a_value_may_be_given_in_every_documented_way(value: dict[str, object], expected: Quantity) -> None:
    record, notices = record_from_json(value)
    found = record.quantity("cortisol_dst")
    assert found is not None
    assert found.value == pytest.approx(expected.value, rel=1e-11)
    assert found.comparator == expected.comparator
    assert found.upper_limit == (None if expected.upper_limit is None else pytest.approx(expected.upper_limit, rel=1e-11))
    assert not notices


def test_what_was_typed_is_kept_with_its_unit() -> None:
    record, _ = record_from_json({"cortisol_dst_ug_dl": " < 1,8 "})
    assert record.text("cortisol_dst") == "<1.8 µg/dL"


def test_variables_with_one_unit_may_be_bare_and_others_may_not() -> None:
    record, _ = record_from_json({"age": 61, "potassium": "3.9", "bmi": 31.5, "antihypertensive_drugs": 2, "ldh": 190})
    assert (record.number("age"), record.number("potassium"), record.number("antihypertensive_drugs")) == (61, 3.9, 2)
    message = one({"cortisol_dst": 35})
    assert "needs its unit" in message
    assert "nmol/L" in message
    assert "µg/dL" in message


@pytest.mark.parametrize("value", [None, "", " ", "NA", "n/a", "-", "unknown", "Unknown", ".", {"value": None}, {"value": "NA"}])
def test_missing_is_absent(value: object) -> None:
    record, _ = record_from_json({"cortisol_dst": value, "sex": value if not isinstance(value, dict) else None})
    assert record == PatientRecord({})


@pytest.mark.parametrize(
    ("text", "number"),
    [("0,35", 0.35), ("12,34", 12.34), ("1,2345", 1.2345), ("1234,5", 1234.5), ("0,350", 0.35), ("3.5e-1", 0.35)],
)
def test_a_comma_is_a_decimal_comma_where_it_can_be_nothing_else(text: str, number: float) -> None:
    record, _ = record_from_row({"chromogranin_a_ug_l" if number >= 1 else "crp_mg_l": text})
    assert record.number("chromogranin_a" if number >= 1 else "crp") == pytest.approx(number)


@pytest.mark.parametrize("text", ["1,234", "12,345", "123,456", "1.234,5", "1,234.5", "1 234", "1'234"])
def test_a_number_that_can_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(PatientValueError) as caught:
        record_from_row({"ldh_u_l": text})
    assert "ldh_u_l" in str(caught.value)
    assert text not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["abc", "<", "<<5", "5-10", "<=5", "≤5", "5<", "NaN", "inf", "1e999", "++5", "0x10", "٣", "10²", "positive", "--", "5,"],
)
def test_what_is_no_number_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(PatientValueError) as caught:
        record_from_row({"ldh_u_l": text})
    assert len(caught.value.problems) == 1
    assert "ldh_u_l" in str(caught.value)


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), -float("inf"), 10**400, True, [35], {"value": [1]}, {"value": float("nan")}]
)
def test_json_values_that_are_no_finite_number_are_refused(value: object) -> None:
    assert "age" in one({"age": value})


def test_a_wrong_unit_is_refused_with_the_allowed_ones() -> None:
    assert one({"acth": "5 mmol/L"}) == "The unit of acth ('mmol/L') is not one of its units: use pmol/L or pg/mL."
    assert "use pmol/L or pg/mL" in one({"acth": {"value": 5, "unit": "U/L"}})
    assert "use pmol/L or pg/mL" in one({"acth": "5 Mr Smith"})
    assert "Smith" not in one({"acth": "5 Mr Smith"})
    assert "has no unit" in one({"antihypertensive_drugs": "2 tablets"})


def test_renin_units_are_never_converted_into_each_other() -> None:
    assert one({"renin": "1.2 ng/mL/h"}).endswith("That unit belongs to renin_activity.")
    assert one({"renin_activity": "12 mIU/L"}).endswith("That unit belongs to renin.")
    record, _ = record_from_json({"renin": 12, "renin_activity": 1.2})
    assert (record.number("renin"), record.number("renin_activity")) == (12, 1.2)


def test_two_units_for_one_value_are_refused() -> None:
    assert "two different units" in one({"cortisol_dst_nmol_l": "35 µg/dL"})
    assert "two different units" in one({"cortisol_dst_nmol_l": {"value": 35, "unit": "µg/dL"}})
    assert "two different comparators" in one({"acth": {"value": "<5", "unit": "pmol/L", "comparator": ">"}})
    assert "comparator" in one({"acth": {"value": 5, "unit": "pmol/L", "comparator": "~"}})


def test_an_unknown_name_is_refused_with_the_nearest_known() -> None:
    assert one({"cortisol_dts": 3}) == "'cortisol_dts' is not a known variable; did you mean 'cortisol_dst'?"
    assert "did you mean 'age'?" in one({"Age": 3})
    assert "did you mean 'hypokalaemia'?" in one({"hypokalemia": "yes"})
    assert "see the catalogue" in one({"zzzz": 3})
    with pytest.raises(PatientValueError, match="did you mean 'potassium_mmol_l'"):
        record_from_row({"potassium_mmol": "4"})
    with pytest.raises(PatientValueError, match=r"must name its unit: acth_pmol_l or acth_pg_ml"):
        record_from_row({"acth": "4"})


def test_a_strange_name_is_shown_short_and_printable() -> None:
    message = one({"a\x00b\n" + "c" * 5000: 1})
    assert len(message) < 200
    assert "\n" not in message
    assert "\x00" not in message


@pytest.mark.parametrize(
    "name", ["name", "birth_date", "patient_id", "PatientName", "Patient ID", "DOB", "MRN", "PatientBirthDate"]
)
def test_identity_is_refused_and_not_repeated(name: str) -> None:
    message = one({name: "Jane Roe 1950-01-01"})
    assert "leave identity out" in message
    assert "Roe" not in message
    with pytest.raises(PatientValueError, match="leave identity out"):
        record_from_row({name: "Jane Roe"})


def test_nothing_that_stood_in_a_cell_is_repeated() -> None:
    # One column too few: a name lands in every kind of variable.
    row = {"sex": "Jane Roe", "age_years": "Jane Roe", "hypertension": "Jane Roe", "antihypertensive_drugs": "Jane Roe"}
    with pytest.raises(PatientValueError) as caught:
        record_from_row({**row, "acth_pmol_l": "Jane Roe", "acth_upper_limit_pmol_l": "12/03/1950"})
    assert len(caught.value.problems) == 5
    assert "Roe" not in str(caught.value)


def test_the_hard_range_is_given_in_the_unit_that_was_typed() -> None:
    # 5-3000 nmol/L are 0.18123-108.73 ug/dL (27.59 nmol/L per ug/dL); printed rounded inwards.
    assert "between 0.1813 and 108.7 µg/dL" in one({"cortisol_dst_ug_dl": 200})
    assert "between 5 and 3000 nmol/L" in one({"cortisol_dst_nmol_l": "<4"})
    assert "between 18 and 100 years" in one({"age": 17})
    assert "between 0 and 8" in one({"antihypertensive_drugs": 9})


def test_both_ends_of_every_printed_range_are_accepted() -> None:
    for variable in load_catalogue().variables.values():
        if variable.hard is None:
            continue
        for unit in variable.units:
            message = one({variable.column(unit): 1e12})
            low, high = message.split("between ")[1].split(f" {unit.name}")[0].split(" and ")
            for end in (low, high):
                record, _ = record_from_json({variable.column(unit): end})
                assert record.number(variable.key) is not None


def test_a_refused_number_that_fits_another_unit_says_so() -> None:
    assert "The same number would be usual in µg/dL" in one({"cortisol_dst_nmol_l": 1.8})
    assert "The same number would be usual" not in one({"age": 300})


def test_outside_the_soft_range_there_is_a_notice_with_a_possible_unit_mistake() -> None:
    _, (notice,) = record_from_json({"normetanephrine": "60 nmol/L"})
    assert notice.code == "unusual_value"
    assert "expected between 0.01 and 9.9 nmol/L" in notice.text
    assert "The same number would be usual in pg/mL" in notice.text
    _, (notice,) = record_from_json({"bmi": 60})
    assert "usual in" not in notice.text


def test_values_at_the_soft_limits_give_no_notice() -> None:
    for variable in load_catalogue().variables.values():
        if variable.soft is not None and variable.kind == "number":
            for end in variable.soft:
                assert not record_from_json({variable.column(): end})[1], variable.key


def test_one_variable_given_twice_is_refused() -> None:
    message = one({"cortisol_dst_nmol_l": 35, "cortisol_dst_ug_dl": 1.2})
    assert message == "cortisol_dst is given twice (cortisol_dst_nmol_l and cortisol_dst_ug_dl); give it once."
    limits = {"acth_upper_limit_pmol_l": 9, "acth_upper_limit_pg_ml": 40}
    assert "given twice" in one({"acth_pmol_l": 5, **limits})
    assert "given twice" in one({"acth": {"value": 5, "unit": "pmol/L", "upper_limit": 10}, "acth_upper_limit_pmol_l": 9})
    record, _ = record_from_row({"cortisol_dst_nmol_l": "35", "cortisol_dst_ug_dl": ""})
    assert record.number("cortisol_dst") == 35


def test_all_problems_are_reported_together() -> None:
    found = problems({"age": 17, "sex": "x", "acth": 5, "wrong": 1, "name": "x", "antihypertensive_drugs": 1.5, "potassium": "4"})
    assert len(found) == 6
    assert all(sentence.endswith((".", "?")) for sentence in found)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("yes", True),
        ("No", False),
        ("TRUE", True),
        ("false", False),
        ("1", True),
        ("0", False),
        (True, True),
        (0, False),
        (1.0, True),
    ],
)
def test_flags_are_yes_or_no(value: object, expected: bool) -> None:
    assert record_from_json({"diabetes": value})[0].flag("diabetes") is expected


@pytest.mark.parametrize(
    "value", ["maybe", 2, -1, 0.5, "oui", [True], {"value": True, "unit": "years"}, {"value": True, "upper_limit": 1}]
)
def test_flags_refuse_all_else(value: object) -> None:
    assert "diabetes" in one({"diabetes": value})


@pytest.mark.parametrize(
    ("value", "expected"), [("in_remission", "in_remission"), ("In remission", "in_remission"), ("ACTIVE", "active")]
)
def test_choices_are_matched_by_value_or_label(value: str, expected: str) -> None:
    assert record_from_json({"prior_cancer": value})[0].choice("prior_cancer") == expected


def test_a_choice_outside_the_list_is_refused_with_the_list() -> None:
    assert one({"prior_cancer": "yes"}) == "prior_cancer must be one of none, in_remission, active."
    assert "sex must be one of female, male." in one({"sex": 1})
    assert record_from_json({"sex": "F"})[0].choice("sex") == "female"


@pytest.mark.parametrize("value", ["2.5", 2.5, "<2", "many", True])
def test_counts_are_whole(value: object) -> None:
    assert "whole number" in one({"antihypertensive_drugs": value})


def test_the_laboratorys_limits_are_checked_and_need_a_value() -> None:
    assert "lower limit of acth" in one({"acth": {"value": 5, "unit": "pmol/L", "upper_limit": 2, "lower_limit": 3}})
    assert "upper limit of acth" in one({"acth": {"value": 5, "unit": "pmol/L", "upper_limit": -1}})
    assert "upper limit of acth" in one({"acth": {"value": 5, "unit": "pmol/L", "upper_limit": "<9"}})
    assert "upper limit" in one({"acth": {"value": 5, "unit": "pmol/L", "upper_limit": "9 U/L"}})
    assert "has no value" in one({"acth": {"unit": "pmol/L", "upper_limit": 9}})
    assert "may have the fields" in one({"acth": {"value": 5, "units": "pmol/L"}})
    assert "must be text" in one({"acth": {"value": 5, "unit": 3}})
    # In a table the laboratory's limit may stand beside an empty cell.
    record, _ = record_from_row({"acth_pmol_l": "", "acth_upper_limit_pmol_l": "9"})
    assert record == PatientRecord({})
    assert record_from_json({"acth": {"value": 5, "unit": "pmol/L", "lower_limit": 0}})[0].quantity("acth") == Quantity(
        5, "=", None, 0
    )


def test_text_once_typed_must_agree_with_its_value() -> None:
    good = {"value": 49.662, "unit": "nmol/L", "comparator": "<", "entered": "<1.8 µg/dL"}
    assert record_from_json({"cortisol_dst": good})[0].text("cortisol_dst") == "<1.8 µg/dL"
    assert "differs" in one({"cortisol_dst": {**good, "entered": "<2.8 µg/dL"}})
    assert "differs" in one({"cortisol_dst": {**good, "entered": "1.8 µg/dL"}})
    assert "leave it out" in one({"cortisol_dst": {**good, "entered": "Jane Roe"}})


def test_a_form_reads_like_the_other_ways_and_names_fields_by_label() -> None:
    record, _ = record_from_form(
        {
            "cortisol_dst": FormEntry("<1,8", "µg/dL", "1,9"),
            "age": FormEntry("61", "years"),
            "diabetes": FormEntry("yes"),
            "sex": FormEntry("Female"),
            "acth": FormEntry("", "pmol/L"),
        }
    )
    assert record.quantity("cortisol_dst") == Quantity(49.662, "<", 52.421)
    assert (record.number("age"), record.flag("diabetes"), record.choice("sex"), record.get("acth")) == (61, True, "female", None)
    with pytest.raises(PatientValueError) as caught:
        record_from_form({"acth": FormEntry("x", "pmol/L"), "age": FormEntry("17", "years"), "ldh": FormEntry("200", "nmol/L")})
    assert [text.split(" ")[0] for text in caught.value.problems] == ["The", "ACTH", "Age"]


def test_a_short_or_long_table_row_is_handled() -> None:
    assert record_from_row({"age_years": None})[0] == PatientRecord({})
    with pytest.raises(PatientValueError, match="more cells than columns"):
        record_from_row({"age_years": "61", None: ["1", "2"]})


def test_a_file_is_read_with_or_without_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "patient.json"
    path.write_text(json.dumps({"cortisol_dst": "<1.8 µg/dL"}, ensure_ascii=False), encoding="utf-8-sig")
    assert record_from_json(path)[0].number("cortisol_dst") == 49.662


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"age": 61', "not valid JSON (line 1"),
        (b"[1, 2]", "must hold a JSON object"),
        (b"61", "must hold a JSON object"),
        (b"", "not valid JSON"),
        (b'{"age": "\xff"}', "UTF-8"),
        (b'{"age": 61, "age": 62}', "'age' is given twice"),
        (b"[" * 200_000, "JSON"),
        (b'{"age": NaN}', "finite"),
        (b'{"age": ' + b"9" * 10_000 + b"}", "JSON"),
        (b" " * 1_000_001, "too large"),
    ],
)
def test_a_broken_file_gives_one_sentence_without_its_folder(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "secret_folder" / "patient.json"
    path.parent.mkdir()
    path.write_bytes(content)
    message = one(path)
    assert words in message
    assert "secret_folder" not in message


def test_a_file_that_is_not_there_or_a_folder_gives_one_sentence(tmp_path: Path) -> None:
    assert "'nothing.json'" in one(tmp_path / "nothing.json")
    assert "Cannot read the patient file" in one(tmp_path)


# Contradictions: the pair of values, and the code of the notice.
@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"hypertension": "no", "resistant_hypertension": "yes"}, "resistant_hypertension"),
        ({"hypertension": "no", "antihypertensive_drugs": 1}, "antihypertensive_drugs"),
        ({"prior_cancer": "none", "prior_cancer_site": "lung"}, "prior_cancer_site"),
        ({"prior_cancer": "none", "discovery_mode": "cancer_staging"}, "cancer_staging"),
        ({"sex": "male", "pregnancy": "yes"}, "pregnancy"),
        ({"hypokalaemia": "no", "potassium": 3.4}, "hypokalaemia"),
        ({"prior_imaging": "none", "growth_rate": 2}, "prior_imaging"),
        ({"prior_imaging": "growing", "growth_rate": 0}, "growth_rate"),
    ],
)
def test_a_contradiction_is_noticed_and_nothing_is_changed(values: dict[str, object], code: str) -> None:
    record, notices = record_from_json(values)
    assert [notice.code for notice in notices] == [f"contradiction_{code}"]
    assert len(record.values) == 2
    for key in values:
        assert not record_from_json({k: v for k, v in values.items() if k != key})[1]


@pytest.mark.parametrize(
    "values",
    [
        {"hypertension": "no", "antihypertensive_drugs": 0},
        {"hypertension": "yes", "resistant_hypertension": "yes", "antihypertensive_drugs": 4},
        {"sex": "female", "pregnancy": "yes"},
        {"hypokalaemia": "no", "potassium": 3.5},
        {"hypokalaemia": "yes", "potassium": 4.0},
        {"prior_imaging": "growing", "growth_rate": 3},
        {"prior_imaging": "stable", "growth_rate": -1},
    ],
)
def test_what_fits_together_is_not_noticed(values: dict[str, object]) -> None:
    assert not record_from_json(values)[1]

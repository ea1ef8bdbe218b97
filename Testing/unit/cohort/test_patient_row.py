"""One patient's values as one row."""

from __future__ import annotations

from pathlib import Path

import pytest

from AdrenalClassifierLib.cohort.patient_row import read_patient_row, write_patient_row
from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.patient.form import form_entries
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_form, record_from_json
from AdrenalClassifierLib.patient.record import PatientRecord


def test_a_record_comes_back_equal(tmp_path: Path) -> None:
    record, _ = record_from_json(
        {
            "age": 54,
            "sex": "female",
            "hypertension": False,
            "acth": "<1.1 pmol/L",
            "dheas": {"value": 152, "unit": "µg/dL", "upper_limit": 300},
        }
    )
    path = tmp_path / "values.csv"
    write_patient_row(path, record)
    assert read_patient_row(path).record == record
    assert len(path.read_text(encoding="utf-8").splitlines()) == 2
    with pytest.raises(PatientValueError, match="no value to save"):
        write_patient_row(path, PatientRecord({}))


def test_a_row_of_a_cohort_table_is_read_and_its_other_columns_are_only_counted(tmp_path: Path) -> None:
    path = tmp_path / "cohort.csv"
    path.write_text("patient_id;side;age_years;cortisol_dst_ug_dl\nP17;left;54;1,8\n", encoding="utf-8-sig")
    found = read_patient_row(path)
    assert found.record.number("cortisol_dst") == pytest.approx(1.8 * 27.59)
    assert [notice.text for notice in found.notices] == ["2 columns are not of the form and left aside."]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("age_years\n54\n60\n", "has 2 rows"),
        ("age_years\n", "has no row of values"),
        ("name\nX\n", "no column of the catalogue"),
        ("age_years,age_years\n54,55\n", "'age_years' twice"),
        ("age_years\n54,1\n", "more cells than its header"),
        ("age_years\n540\n", "must lie between"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "values.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PatientValueError, match=says):
        read_patient_row(path)
    with pytest.raises(PatientValueError, match="does not exist"):
        read_patient_row(tmp_path / "absent.csv")


def test_a_form_filled_from_a_record_reads_as_that_record() -> None:
    entries = {
        "age": FormEntry("54", "years"),
        "cortisol_dst": FormEntry("<1,8", "µg/dL", "2"),
        "acth": FormEntry("7.2", "pmol/L"),
        "sex": FormEntry("male"),
        "diabetes": FormEntry("no"),
        "antihypertensive_drugs": FormEntry("2"),
    }
    record, _ = record_from_form(entries)
    again = form_entries(record)
    assert again["cortisol_dst"] == FormEntry("<1.8", "µg/dL", "2")
    assert record_from_form(again)[0] == record

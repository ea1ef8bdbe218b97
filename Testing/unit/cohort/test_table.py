"""Reading cohort tables: every fault is found, with row and column, and nothing else is called a fault."""

from __future__ import annotations

import re

import numpy as np
import pytest

from AdrenalClassifierLib.cohort.columns import leakage, own_columns
from AdrenalClassifierLib.cohort.labels import label_policy, policy_names
from AdrenalClassifierLib.cohort.table import read_cohort, read_rows
from AdrenalClassifierLib.errors import CohortError
from AdrenalClassifierLib.patient.catalogue import load_catalogue


def problems(table) -> tuple[str, ...]:  # type: ignore[no-untyped-def]
    return read_rows(table.write()).problems


def test_a_sound_table_is_read_completely(table) -> None:  # type: ignore[no-untyped-def]
    cohort = read_cohort(table.write())
    assert [row.lesion_id for row in cohort.rows] == ["P1-L", "P2-L", "P3-L", "P3-R"]
    assert [row.malignant for row in cohort.rows] == [False, True, True, True]
    assert [row.side for row in cohort.rows] == ["left", "left", "left", "right"]
    assert [row.row for row in cohort.rows] == [2, 3, 4, 5]
    first = cohort.rows[0]
    assert first.ct == {"unenhanced": table.folder / "ct.nii.gz", "portal": table.folder / "portal.nii.gz"}
    assert first.mask == table.folder / "one.nii.gz"
    assert (first.mask_label, cohort.rows[3].mask_label) == (None, "2")
    dst = first.patient.quantity("cortisol_dst")
    assert dst is not None
    assert (dst.comparator, dst.value) == ("<", 28)
    assert first.patient.choice("sex") == "female"
    assert cohort.rows[2].patient.get("cortisol_dst") is None
    assert first.split is None


@pytest.mark.parametrize(("delimiter", "encoding", "newline"), [
    (",", "utf-8", "\n"), (",", "utf-8-sig", "\r\n"), (";", "utf-8-sig", "\r\n"), (";", "utf-8", "\n"), ("\t", "utf-8", "\n"),
])  # fmt: skip
def test_the_files_of_usual_spreadsheets_give_the_same_rows(table, delimiter, encoding, newline) -> None:  # type: ignore[no-untyped-def]
    expected = read_cohort(table.write()).rows
    assert read_cohort(table.write(delimiter, encoding, newline)).rows == expected


def test_a_decimal_comma_of_a_european_spreadsheet_is_a_decimal_point(table) -> None:  # type: ignore[no-untyped-def]
    table.rows[1]["cortisol_dst_nmol_l"] = "310,5"
    assert read_cohort(table.write(";")).rows[1].patient.number("cortisol_dst") == 310.5


def test_yes_and_no_capitals_and_spaces_are_understood(table) -> None:  # type: ignore[no-untyped-def]
    table.columns = [c.upper() for c in table.columns]
    table.rows = [{k.upper(): f" {v} " for k, v in row.items()} for row in table.rows]
    table.rows[0]["MALIGNANT"], table.rows[1]["MALIGNANT"] = "No", " YES"
    table.rows[0]["SIDE"], table.rows[0]["HISTOLOGY"] = "L", "Adenoma"
    rows = read_cohort(table.write()).rows
    assert [row.malignant for row in rows[:2]] == [False, True]
    assert (rows[0].side, rows[0].histology) == ("left", "adenoma")


def test_empty_rows_and_empty_columns_at_the_end_are_passed_over_but_counted(table) -> None:  # type: ignore[no-untyped-def]
    text = table.write().read_text().splitlines()
    text = [line + ",," for line in text]
    empty = "," * text[0].count(",")
    table.path.write_text("\n".join([*text[:2], empty, "", *text[2:], empty]) + "\n")
    assert [row.row for row in read_cohort(table.path).rows] == [2, 5, 6, 7]


@pytest.mark.parametrize(("row", "column", "cell", "expected"), [
    (1, "malignant", "maybe", "Row 3, column 'malignant': must be 1 or 0"),
    (1, "malignant", "", "Row 3, column 'malignant': must be 1 or 0"),
    (0, "malignant", "1", "Row 2, column 'malignant': contradicts the histology: adenoma counts as benign"),
    (1, "histology", "cancer", "Row 3, column 'histology': must be one of adenoma_lipid_rich"),
    (1, "histology", "", "Row 3, column 'histology': must be one of"),
    (0, "side", "middle", "Row 2, column 'side': must be left, right or unknown."),
    (0, "truth_source", "guess", "Row 2, column 'truth_source': must be one of surgery, biopsy, follow_up"),
    (0, "split", "validation", "Row 2, column 'split': must be train or test"),
    (0, "ct_portal", "gone.nii.gz", "Row 2, column 'ct_portal': the file 'gone.nii.gz' does not exist."),
    (0, "ct_portal", "ct.nii.gz", "Row 2, column 'ct_portal': names the same file as another phase of this row."),
    (0, "mask", "deep/in/gone.nii.gz", "Row 2, column 'mask': the file 'gone.nii.gz' does not exist."),
    (0, "mask", "", "Row 2, column 'mask': is empty."),
    (1, "ct_unenhanced", "", "Row 3: no CT is given. Fill at least one of ct_unenhanced"),
    (0, "patient_id", "", "Row 2, column 'patient_id': is empty."),
    (0, "lesion_id", "a/b", "Row 2, column 'lesion_id': must be at most 64 printable characters without"),
    (0, "lesion_id", "..", "Row 2, column 'lesion_id': must be at most 64 printable characters without"),
    (0, "lesion_id", "x" * 65, "Row 2, column 'lesion_id': must be at most 64 printable characters without"),
    (0, "lesion_id", "p2-l", "Rows 2 and 3, column 'lesion_id': the same lesion_id."),
    (3, "sex", "male", "Rows 4 and 5, column 'sex': differs between lesions of one patient."),
    (3, "age_years", "55", "Rows 4 and 5, column 'age_years': differs between lesions of one patient."),
    (3, "mask_label", "1", "Rows 4 and 5, column 'mask_label': two lesions have the same segment of one mask file."),
    (3, "mask_label", "", "Rows 4 and 5, column 'mask': the same mask file. Say in mask_label which segment is whose."),
    (0, "age_years", "540", "Row 2: age_years"),
    (0, "cortisol_dst_nmol_l", "high", "Row 2: cortisol_dst_nmol_l"),
])  # fmt: skip
def test_each_fault_is_one_problem_that_names_its_row_and_column(table, row, column, cell, expected) -> None:  # type: ignore[no-untyped-def]
    table.rows[row][column] = cell
    found = [p for p in problems(table) if "Fill it in every row or in none." not in p]
    assert len(found) == 1
    assert found[0].startswith(expected)


def test_two_lesions_on_one_side_with_one_mask_and_no_label_are_a_problem(table) -> None:  # type: ignore[no-untyped-def]
    table.rows[3] |= {"side": "left", "mask_label": ""}
    table.rows[2]["mask_label"] = ""
    assert problems(table) == ("Rows 4 and 5, column 'mask': the same mask file. Say in mask_label which segment is whose.",)


def test_one_patient_in_both_splits_is_a_problem(table) -> None:  # type: ignore[no-untyped-def]
    for row, split in zip(table.rows, ("train", "test", "train", "test"), strict=True):
        row["split"] = split
    assert problems(table) == ("Rows 4 and 5, column 'split': one patient stands in both train and test.",)
    table.rows[3]["split"] = "train"
    assert [row.split for row in read_cohort(table.write()).rows] == ["train", "test", "train", "train"]


def test_a_split_that_only_some_rows_have_is_a_problem(table) -> None:  # type: ignore[no-untyped-def]
    table.rows[0]["split"] = "train"
    assert problems(table) == ("Row 3, column 'split': is empty, but other rows have a split. Fill it in every row or in none.",)


def test_the_label_policy_is_a_setting_of_the_table(table) -> None:  # type: ignore[no-untyped-def]
    assert read_cohort(table.write()).policy.name == policy_names()[0]
    table.columns.append("label_policy")
    for row in table.rows:
        row["label_policy"] = "phaeochromocytoma_malignant"
    table.rows[0] |= {"histology": "phaeochromocytoma", "malignant": "1"}
    cohort = read_cohort(table.write())
    assert cohort.policy.name == "phaeochromocytoma_malignant"
    assert cohort.rows[0].malignant
    # The command line's word goes before the table's.
    with pytest.raises(CohortError, match="counts as benign under the policy 'phaeochromocytoma_benign'"):
        read_cohort(table.path, label_policy("phaeochromocytoma_benign"))
    table.rows[0]["label_policy"] = "phaeochromocytoma_excluded"
    assert "Column 'label_policy': must be the same in every row" in problems(table)[0]
    for row in table.rows:
        row["label_policy"] = "whatever"
    assert "Column 'label_policy': must be the same in every row" in problems(table)[0]


def test_all_faults_are_reported_at_once_and_the_error_carries_them(table) -> None:  # type: ignore[no-untyped-def]
    table.rows[0]["malignant"] = "?"
    table.rows[1]["mask"] = "gone.nii.gz"
    table.rows[2]["side"] = "up"
    table.columns.append("maks")
    with pytest.raises(CohortError, match=r"'cohort.csv' cannot be used, it has 4 problems; the first: Row 1, .*'maks'") as error:
        read_cohort(table.write())
    assert len(error.value.problems) == 4
    assert "Did you mean 'mask'?" in error.value.problems[0]


@pytest.mark.parametrize(("column", "expected"), [
    ("cortisol_dst_nmol", "unknown column. Did you mean 'cortisol_dst_nmol_l'?"),
    ("CT_venous", "unknown column. Did you mean 'ct_portal'?"),
    ("cortisol_dst", "the column must name its unit: cortisol_dst_nmol_l or cortisol_dst_ug_dl"),
    ("qqqq", "unknown column. Remove it or use a catalogue name."),
])  # fmt: skip
def test_an_unknown_column_is_refused_with_what_was_probably_meant(table, column, expected) -> None:  # type: ignore[no-untyped-def]
    table.columns.append(column)
    (problem,) = problems(table)
    assert problem.startswith(f"Row 1, column '{column}': {expected}")


@pytest.mark.parametrize("column", [
    "weiss_score", "Ki67", "Ki-67 index", "PASS", "gapp_score", "Helsinki", "tnm_stage", "stage", "ENSAT stage",
    "resection_margin", "resectionmargin",
    "pathological_size_mm", "pathtumorsize", "mitotic_count", "surgery_type", "biopsy", "fdg_pet_ordered",
    "recurrence", "final_diagnosis",
    # Renamed
    "Ki-67 (%)", "KI67_index", "tumour Ki-67", "MIB-1", "pT", "pTNM", "Weiss score", "total_weiss", "Stade ENSAT", "R0",
    "Récidive", "Post-operative cortisol", "Pathologic diameter", "overall survival (months)",
    "mitoses/50 HPF", "Lin-Weiss-Bisceglia",
    # Of the clinical table of Adrenal-ACC-Ki67-Seg
    "PathTumorSize", "TNM_Stage", "TStaging", "NStaging", "MStaging", "ResectionMargin", "Lymph node/ PATHOLOGY ",
    "MetsFutureSite", "FutureMets - Liver", "FutureMets-Others", "MetsAtDX", "TTPCensor",
    "DaysToDiagnosis", "t_staging", "days_to_diagnosis",
])  # fmt: skip
def test_what_is_known_only_after_the_operation_is_refused_as_leakage(table, column) -> None:  # type: ignore[no-untyped-def]
    table.columns.append(column)
    (problem,) = problems(table)
    assert "would know the answer. Remove the column." in problem


@pytest.mark.parametrize(
    "column", ["Race", "CLINIC PRESENT", "osteopenia", "compensated_heart_failure", "eventful_history", "Laterality"]
)
def test_an_unknown_column_that_is_known_before_the_operation_is_not_called_leakage(table, column) -> None:  # type: ignore[no-untyped-def]
    table.columns.append(column)
    (problem,) = problems(table)
    assert "unknown column" in problem


def test_no_own_or_catalogue_column_is_mistaken_for_leakage_or_identity() -> None:
    for name in (*own_columns(), *load_catalogue().columns):
        assert leakage(name) is None


@pytest.mark.parametrize("column", ["name", "PatientName", "birth_date", "date of birth", "DOB", "address", "nom", "MRN"])
def test_identity_is_refused_and_its_cells_are_not_repeated(table, column) -> None:  # type: ignore[no-untyped-def]
    table.columns.append(column)
    for row in table.rows:
        row[column] = "Secret"
    (problem,) = problems(table)
    assert "identifies patients" in problem
    assert "Secret" not in problem


def test_a_column_that_stands_twice_or_has_no_name_is_a_problem(table) -> None:  # type: ignore[no-untyped-def]
    text = table.write().read_text().splitlines()
    table.path.write_text("\n".join([text[0] + ",Side,"] + [line + ",left,x" for line in text[1:]]))
    found = read_rows(table.path).problems
    assert found[0] == "Row 1, column 'Side': the column stands twice (columns 3 and 16)."
    assert found[1] == "Row 1, column 17: the column has no name. Name it or remove it."


def test_missing_columns_are_named_once_and_not_in_every_row(table) -> None:  # type: ignore[no-untyped-def]
    table.columns = [c for c in table.columns if c not in ("mask", "ct_unenhanced", "ct_portal", "ct_delayed")]
    assert problems(table) == (
        "Row 1, column 'mask': the column is missing. Add it.",
        "Row 1: there is no CT column. Add at least one of ct_unenhanced, ct_arterial, ct_portal, ct_delayed.",
    )


def test_a_row_that_is_too_short_or_too_long_is_a_problem(table) -> None:  # type: ignore[no-untyped-def]
    text = table.write().read_text().splitlines()
    text[1] = text[1].rsplit(",", 2)[0]
    text[2] += ",extra"
    table.path.write_text("\n".join(text))
    found = read_rows(table.path).problems
    assert found[0].startswith("Row 2: the row has 13 cells, the header 15.")
    assert found[1].startswith("Row 3: the row has 16 cells, the header 15.")


@pytest.mark.parametrize(("content", "expected"), [
    (b"", "The table is empty."),
    (b"\n\n", "The table is empty."),
    ("".encode("utf-8-sig"), "The table is empty."),
    (b"\npatient_id,lesion_id\n", "Row 1 is empty"),
    ("patient_id,lesion_id\n".encode("utf-16"), "'cohort.csv' is UTF-16. Save it as 'CSV UTF-8'."),
    ("patient_id,lesion_id\nM\u00fcller,1\n".encode("latin-1"), "Row 2: 'cohort.csv' is not UTF-8. Save it as 'CSV UTF-8'."),
    (b"patient_id\x00", "'cohort.csv' is not a text table."),
    (b'patient_id,lesion_id\n"a"b,1\n', "Row 2: the row cannot be read"),
    (b'patient_id,lesion_id\n"a,1\n2,3\n', "Row 2: the row cannot be read"),
])  # fmt: skip
def test_what_is_not_a_table_gets_one_clear_sentence(tmp_path, content, expected) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "cohort.csv"
    path.write_bytes(content)
    (problem,) = read_rows(path).problems
    assert problem.startswith(expected)


def test_a_header_without_lesions_a_missing_file_and_a_folder_are_problems(table) -> None:  # type: ignore[no-untyped-def]
    table.rows = []
    assert problems(table) == ("The table has a header but no lesion. Add one row for each lesion.",)
    assert read_rows(table.folder / "gone.csv").problems == ("'gone.csv' does not exist.",)
    assert read_rows(table.folder).problems[0].startswith(f"'{table.folder.name}' cannot be read")


def test_random_bytes_never_give_a_traceback(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(0)
    path = tmp_path / "cohort.csv"
    letters = np.frombuffer(b'abc,;"\n\r\t 0123\xff\xef\xbb\xbfpatient_id', np.uint8)
    for _ in range(200):
        path.write_bytes(rng.choice(letters, int(rng.integers(0, 300))).tobytes())
        assert read_rows(path).problems


def test_paths_are_relative_to_the_table_and_may_use_backslashes(table) -> None:  # type: ignore[no-untyped-def]
    (table.folder / "sub").mkdir()
    (table.folder / "one.nii.gz").rename(table.folder / "sub" / "one.nii.gz")
    table.rows[0]["mask"] = "sub\\one.nii.gz"
    assert read_cohort(table.write()).rows[0].mask == table.folder / "sub/one.nii.gz"


def test_messages_never_hold_the_folder_of_a_file(table) -> None:  # type: ignore[no-untyped-def]
    table.rows[0]["mask"] = str(table.folder / "private" / "gone.nii.gz")
    (problem,) = problems(table)
    assert "private" not in problem
    assert "gone.nii.gz" in problem


def test_the_label_policy_decides_what_contradicts(table) -> None:  # type: ignore[no-untyped-def]
    table.rows[1]["histology"] = "phaeochromocytoma"
    (problem,) = problems(table)
    assert "counts as benign" in problem
    assert "A metastatic one is 'other_malignant'." in problem
    assert read_cohort(table.path, label_policy("phaeochromocytoma_malignant")).rows[1].malignant
    assert not read_rows(table.path, label_policy("phaeochromocytoma_excluded")).problems


def test_clinical_values_that_differ_within_a_patient_are_a_notice(table) -> None:  # type: ignore[no-untyped-def]
    table.rows[2]["cortisol_dst_nmol_l"] = "40"
    (notice,) = read_cohort(table.write()).notices
    assert notice.code == "patient_values_differ"
    assert re.match(r"Rows 4 and 5: .*\(cortisol_dst_nmol_l\)", notice.text)

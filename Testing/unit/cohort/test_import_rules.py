"""The rules of the importer, one by one: words for phases, kernels, the clinical table."""

from __future__ import annotations

from pathlib import Path

import pytest

from AdrenalClassifierLib.cohort.importers.clinical_table import ClinicalRow, read_clinical_table
from AdrenalClassifierLib.cohort.importers.phases import phases_in_words
from AdrenalClassifierLib.cohort.importers.series_choice import kernel_kind


@pytest.mark.parametrize(("description", "expected"), [
    ("Pre Abd 5.0 B40f", {"unenhanced"}), ("CAP W_O 5.0 I30f 3", {"unenhanced"}), ("W/O CONTRAST", {"unenhanced"}),
    ("non-contrast 3mm", {"unenhanced"}), ("Abd NC", {"unenhanced"}), ("WITHOUT", {"unenhanced"}), ("C- 5mm", {"unenhanced"}),
    ("Late arterial", {"arterial"}), ("ART 2.5", {"arterial"}), ("Portal Venous 2.5", {"portal"}), ("VENOUS", {"portal"}),
    ("Abd_PV_3.0", {"portal"}), ("DELAYED 10 MIN", {"delayed"}), ("15min", {"delayed"}), ("delay", {"delayed"}),
    ("ABD_AX_3", set()), ("Post contrast", set()), ("with IV", set()), ("Prep", set()), ("Partial", set()), ("Prevention", set()),
    ("Pre-op CT", set()), ("ventral", set()), ("", set()), ("Art + Ven", {"arterial", "portal"}),
])  # fmt: skip
def test_words_that_name_a_phase(description: str, expected: set[str]) -> None:
    assert phases_in_words(description) == expected


@pytest.mark.parametrize(("kernel", "kind"), [
    ("B40f", "soft"), ("B30s", "soft"), ("I30f\\3", "soft"), ("Br38f\\3", "soft"), ("Qr40", "soft"), ("B70f", "sharp"),
    ("Bl57f", "sharp"), ("STANDARD", "soft"), ("SOFT", "soft"), ("LUNG", "sharp"), ("BONEPLUS", "sharp"), ("EDGE", "sharp"),
    ("FC08", "soft"), ("FC18-H", "soft"), ("FC51", "sharp"), ("FC30", "sharp"), ("B", "soft"), ("L", "sharp"), ("YA", "sharp"),
    ("", "unknown"), ("something", "unknown"),
])  # fmt: skip
def test_kernels_of_the_usual_scanners(kernel: str, kind: str) -> None:
    assert kernel_kind(kernel) == kind


def test_the_clinical_table_gives_age_sex_side_and_flags_whatever_its_columns_are_called(tmp_path: Path) -> None:
    path = tmp_path / "clinical.csv"
    path.write_text(
        "dicom_patient_id;Age ;Gender;PRECONTRAST;venous;Delayed;laterality;ki67\n"
        "A;61.0;M;y;No;;left;3\nB;7;x;1;0;?;both;4\nB;7;x;1;0;?;both;5\nC;50;F;Y;Y;N;R;1\nC;51;F;Y;Y;N;R;1\n;;;;;;;\n"
    )
    table = read_clinical_table(path)
    assert table.rows["a"] == ClinicalRow("61", "male", "left", {"unenhanced": True, "portal": False})
    assert (table.rows["b"].age_years, table.rows["b"].sex, table.rows["b"].side) == ("", "", "unknown")
    assert len(table.rows["b"].remarks) == 3
    assert "c" not in table.rows
    assert table.remarks == ("1 patients have several rows that differ; their values were not taken.",)
    assert [name for name, _ in table.left_out] == ["ki67"]

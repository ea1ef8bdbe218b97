"""One patient's values as a CSV file with a header and one row, and the first row of a cohort table as one patient's values."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from AdrenalClassifierLib.cohort.sheet import read_sheet
from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.files import write_text
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import record_from_row
from AdrenalClassifierLib.patient.record import PatientRecord


@dataclass(frozen=True)
class PatientRow:
    """What a file held.

    Attributes:
        record: the values.
        notices: remarks about unusual values, and how many columns were left aside.
    """

    record: PatientRecord
    notices: tuple[Notice, ...]


def write_patient_row(path: Path, record: PatientRecord) -> None:
    """Write header and row, UTF-8, separated by commas, in canonical units; only values at hand get a column.

    Raises:
        PatientValueError: there is no value to write.
        OutputError: the file cannot be written.
    """
    row = record.to_row()
    if not row:
        raise PatientValueError("There is no value to save; enter one first.")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(row), lineterminator="\n")
    writer.writeheader()
    writer.writerow(row)
    write_text(path, text.getvalue())


def read_patient_row(path: Path) -> PatientRow:
    """Read a file with one row: what ``write_patient_row`` wrote, or a row of a cohort table.

    Columns that are none of the catalogue's (identity, file names, labels of a cohort) are left aside and counted, never read.

    Raises:
        PatientValueError: it cannot be read, has no row or several, or some values are not acceptable; one sentence for each.
    """
    sheet = read_sheet(path)
    if sheet.problem:
        raise PatientValueError(sheet.problem.replace("for a cohort table", "for one patient's values"))
    if len(sheet.rows) < 2:
        raise PatientValueError(f"'{path.name}' has no row of values below its header; choose another file.")
    if len(sheet.rows) > 2:
        count = len(sheet.rows) - 1
        raise PatientValueError(f"'{path.name}' has {count} rows; save the one row of this patient in a file of its own.")
    header, cells = (tuple(cell.strip() for cell in row) for _, row in sheet.rows)
    if len(cells) > len(header):
        raise PatientValueError(f"The row of '{path.name}' has more cells than its header; check its separators.")
    columns = load_catalogue().columns
    known = [name for name in header if name in columns]
    twice = sorted({name for name in known if known.count(name) > 1})
    if twice:
        raise PatientValueError(*(f"'{path.name}' has the column '{name}' twice; keep one." for name in twice))
    if not known:
        raise PatientValueError(
            f"'{path.name}' has no column of the catalogue, such as 'cortisol_dst_nmol_l'; choose another file."
        )
    record, notices = record_from_row({name: cell for name, cell in zip(header, cells, strict=False) if name in columns})
    aside = len(header) - len(known)
    if aside:
        columns_text = "One column is" if aside == 1 else f"{aside} columns are"
        notices = (*notices, Notice("columns_left_aside", f"{columns_text} not of the form and left aside."))
    return PatientRow(record, notices)

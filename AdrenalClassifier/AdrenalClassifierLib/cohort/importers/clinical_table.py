"""The clinical table of a collection: which columns are taken, and why the others are not."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from AdrenalClassifierLib.cohort.columns import leakage, plain_name, shown
from AdrenalClassifierLib.cohort.sheet import read_sheet
from AdrenalClassifierLib.errors import CohortError, MissingDependencyError, PatientValueError
from AdrenalClassifierLib.imaging.images import Phase, Side
from AdrenalClassifierLib.patient.parse import record_from_row

LARGEST_WORKBOOK = 50_000_000
TAKEN: Mapping[str, tuple[str, ...]] = {
    "patient": ("patientid", "dicompatientid", "patient", "caseid", "subjectid", "id"),
    "age": ("age", "ageyears", "ageatdiagnosis"),
    "sex": ("sex", "gender"),
    "side": ("laterality", "side"),
    "unenhanced": ("precontrast", "unenhanced", "noncontrast"),
    "portal": ("venous", "portal", "portalvenous"),
    "delayed": ("delayed",),
}
"""Names of the columns that are read, in lower case and without anything but letters."""
FLAGS: tuple[Phase, ...] = ("unenhanced", "portal", "delayed")
YES, NO = frozenset(("y", "yes", "1", "1.0", "true", "x")), frozenset(("n", "no", "0", "0.0", "false", "none"))


@dataclass(frozen=True)
class ClinicalRow:
    """What is taken of one patient.

    Attributes:
        age_years, sex: cells for the cohort table, "" when missing.
        side: of the lesion.
        phases: for each phase that the table flags whether the patient has it.
        remarks: what could not be taken.
    """

    age_years: str = ""
    sex: str = ""
    side: Side = "unknown"
    phases: Mapping[Phase, bool] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ClinicalTable:
    """The rows by PatientID in lower case; the columns that were left out, each with the reason; remarks."""

    rows: Mapping[str, ClinicalRow]
    left_out: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]


def read_clinical_table(path: Path) -> ClinicalTable:
    """Read the clinical table of the collection.

    Only age, sex, laterality and the flags of the phases are taken; what is known only after the operation is never read.

    Args:
        path: CSV, or an Excel workbook whose first sheet is the table.

    Raises:
        CohortError: it cannot be read or has no column of patient identifiers.
        MissingDependencyError: a workbook without openpyxl.
    """
    cells = _workbook(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _csv(path)
    if not cells:
        raise CohortError(f"'{path.name}' is empty. Give the clinical table of the collection.")
    head, body = cells[0], cells[1:]
    columns: dict[str, int] = {}
    left_out = []
    for number, cell in enumerate(head):
        name = re.sub(r"[^a-z]", "", cell.casefold())
        key = next((k for k, names in TAKEN.items() if name in names), None)
        if key is not None and key not in columns:
            columns[key] = number
        elif cell.strip():
            reason = leakage(plain_name(cell))
            left_out.append((shown(" ".join(cell.split())), f"this is {reason}" if reason else "not needed"))
    if "patient" not in columns:
        raise CohortError(f"'{path.name}' has no column Patient_ID. Give the clinical table of the collection.")
    rows: dict[str, ClinicalRow] = {}
    double: set[str] = set()
    for row in body:
        values = {key: row[number].strip() if number < len(row) else "" for key, number in columns.items()}
        patient = values["patient"].casefold()
        if not patient:
            continue
        found = _row(values)
        if rows.setdefault(patient, found) != found:
            double.add(patient)
    for patient in double:
        del rows[patient]
    remarks = [f"{len(double)} patients have several rows that differ; their values were not taken."] if double else []
    return ClinicalTable(rows, tuple(left_out), tuple(remarks))


def _row(values: Mapping[str, str]) -> ClinicalRow:
    remarks = []
    sex = {"f": "female", "female": "female", "w": "female", "m": "male", "male": "male"}.get(
        values.get("sex", "").casefold(), ""
    )
    if values.get("sex") and not sex:
        remarks.append("The sex in the clinical table is not understood and was left out.")
    age = re.sub(r"\.0+$", "", values.get("age", ""))
    try:
        record_from_row({"age_years": age})
    except PatientValueError as error:
        remarks.append(f"The age in the clinical table was left out: {error}")
        age = ""
    side: Side = "unknown"
    match values.get("side", "").casefold():
        case "left" | "l":
            side = "left"
        case "right" | "r":
            side = "right"
        case "":
            pass
        case _:
            remarks.append("The laterality in the clinical table is neither left nor right and was left out.")
    phases: dict[Phase, bool] = {}
    for phase in FLAGS:
        cell = values.get(phase, "").casefold()
        if cell in YES | NO:
            phases[phase] = cell in YES
    return ClinicalRow(age, sex, side, phases, tuple(remarks))


def _csv(path: Path) -> list[Sequence[str]]:
    sheet = read_sheet(path)
    if sheet.problem:
        raise CohortError(f"The clinical table cannot be read: {sheet.problem}")
    return [row for _, row in sheet.rows]


def _workbook(path: Path) -> list[Sequence[str]]:
    try:
        import openpyxl
    except ImportError as error:
        raise MissingDependencyError(
            "Reading an Excel workbook needs the package openpyxl: pip install 'adrenal-classifier[excel]'. Or save it as CSV."
        ) from error
    try:
        if path.stat().st_size > LARGEST_WORKBOOK:
            raise CohortError(f"'{path.name}' is too large for a clinical table.")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            rows = [["" if v is None else str(v) for v in row] for row in book.worksheets[0].iter_rows(values_only=True)]
        finally:
            book.close()
    except CohortError:
        raise
    except OSError as error:
        raise CohortError(f"'{path.name}' cannot be read: {error.strerror or 'it is damaged'}.") from error
    except Exception as error:  # a damaged workbook makes openpyxl raise almost anything
        raise CohortError(f"'{path.name}' is damaged or no Excel workbook. Save it again, or as CSV.") from error
    return [row for row in rows if any(cell.strip() for cell in row)]

"""The cohort table: one row a lesion, read strictly, with every problem reported at once.

``cohort.csv`` is UTF-8 (with or without byte order mark), separated by commas, or by semicolons as European spreadsheets write
it. Its columns are ``patient_id, lesion_id, side, ct_unenhanced, ct_arterial, ct_portal, ct_delayed, mask, mask_label, malignant,
histology, truth_source, split, label_policy`` (some optional), then one column a clinical variable, named by the catalogue with
its unit. Paths are relative to the table's folder. Messages name rows as a spreadsheet shows them: the header is row 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from AdrenalClassifierLib.cohort.columns import POLICY_COLUMN, Header, phase_columns, read_header
from AdrenalClassifierLib.cohort.consistency import between_rows
from AdrenalClassifierLib.cohort.labels import LabelPolicy, histologies, label_policy, policy_names, truth_sources
from AdrenalClassifierLib.cohort.sheet import read_sheet
from AdrenalClassifierLib.errors import CohortError, PatientValueError
from AdrenalClassifierLib.imaging.images import Phase, Side
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.parse import record_from_row
from AdrenalClassifierLib.patient.record import PatientRecord

SplitName = Literal["train", "test"]

YES = frozenset({"1", "yes", "y", "true"})
NO = frozenset({"0", "no", "n", "false"})
SIDES: Mapping[str, Side] = {
    "left": "left", "l": "left", "right": "right", "r": "right", "unknown": "unknown", "": "unknown",
}  # fmt: skip
FORBIDDEN_IN_ID = frozenset('/\\:*?"<>|')
LONGEST_ID = 64

LABEL_COLUMNS = ("malignant", "histology", "truth_source", "split")
"""What only training and evaluation need."""

Complain = Callable[[str, str], None]
"""Notes a problem: column, sentence."""


@dataclass(frozen=True)
class CohortRow:
    """One lesion.

    Attributes:
        row: row number as a spreadsheet shows it.
        patient_id: pseudonym; several lesions may share it.
        lesion_id: unique in the table.
        side: side of the patient.
        ct: path of each phase that exists.
        mask: path of the mask.
        mask_label: which segment of the mask (number or name), None when the mask has one only.
        malignant: the target.
        histology: key of ``labels.histologies()``.
        truth_source: key of ``labels.truth_sources()``.
        split: ``train`` or ``test`` where the table fixes it.
        patient: clinical values.
    """

    row: int
    patient_id: str
    lesion_id: str
    side: Side
    ct: Mapping[Phase, Path]
    mask: Path
    mask_label: str | None
    malignant: bool
    histology: str
    truth_source: str
    split: SplitName | None
    patient: PatientRecord


@dataclass(frozen=True)
class Cohort:
    """A table that was found sound.

    Attributes:
        path: the table.
        rows: its lesions, in the table's order.
        notices: remarks about unusual values, each with its row.
        policy: the rule under which ``malignant`` follows from ``histology``.
    """

    path: Path
    rows: tuple[CohortRow, ...]
    notices: tuple[Notice, ...]
    policy: LabelPolicy = field(default_factory=label_policy)


@dataclass(frozen=True)
class FailedRow:
    """A row that cannot be used: its number, its lesion_id as far as it has one, and what is wrong with it."""

    row: int
    lesion_id: str
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Reading:
    """What could be read: sound rows, and all that is wrong or unusual.

    Attributes:
        rows: sound rows; none where the header is wrong.
        problems: everything that is wrong: with the table as a whole, with single rows, between rows.
        notices: what is unusual.
        failed: the rows that are not sound, each with its own problems.
        of_table: problems of the table as a whole (no text table, no header, wrong columns, no lesion).
        policy: the label policy that was applied.
    """

    rows: tuple[CohortRow, ...]
    problems: tuple[str, ...]
    notices: tuple[Notice, ...]
    failed: tuple[FailedRow, ...] = ()
    of_table: tuple[str, ...] = ()
    policy: LabelPolicy = field(default_factory=label_policy)


def read_cohort(path: Path, policy: LabelPolicy | None = None) -> Cohort:
    """Read a cohort table.

    Args:
        path: the CSV file.
        policy: which histologies count as malignant; None takes the one that the table's column ``label_policy`` names, else
            the default.

    Raises:
        CohortError: anything is wrong; ``problems`` has one sentence for each fault, with row and column.
    """
    reading = read_rows(Path(path), policy)
    if reading.problems:
        raise CohortError(summary(Path(path), reading.problems), reading.problems)
    return Cohort(Path(path), reading.rows, reading.notices, reading.policy)


def summary(path: Path, problems: tuple[str, ...]) -> str:
    """One sentence for a table with problems."""
    if len(problems) == 1:
        return f"'{path.name}' cannot be used: {problems[0]}"
    return f"'{path.name}' cannot be used, it has {len(problems)} problems; the first: {problems[0]}"


def read_rows(path: Path, policy: LabelPolicy | None = None, labelled: bool = True) -> Reading:
    """Read what can be read of a cohort table. Never raises for bad content.

    Args:
        path: the CSV file.
        policy: which histologies count as malignant; None takes the one that the table's column ``label_policy`` names, else
            the default.
        labelled: False for lesions that are only to be assessed: the columns of ``LABEL_COLUMNS`` may then be missing, empty or
            wrong, and ``malignant`` and ``histology`` of the rows mean nothing.
    """
    sheet = read_sheet(path)
    cells = sheet.rows
    if sheet.problem:
        return _unreadable(sheet.problem)
    if not cells:
        return _unreadable("The table is empty. Write a header and one row for each lesion.")
    first, title = cells[0]
    if first != 1:
        return _unreadable("Row 1 is empty; it must hold the names of the columns.")
    body = cells[1:]
    used = [any(len(row) > n and row[n].strip() for _, row in body) for n in range(len(title))]
    header = read_header(title, used, () if labelled else LABEL_COLUMNS)
    problems = list(header.problems)
    if not body:
        problems.append("The table has a header but no lesion. Add one row for each lesion.")
    policy, wrong = (policy, ()) if policy else _policy([_values(row, header).get(POLICY_COLUMN, "") for _, row in body])
    problems += wrong
    of_table = tuple(problems)
    rows: list[CohortRow] = []
    failed: list[FailedRow] = []
    notices: list[Notice] = []
    for number, row in body:
        found = _row(number, row, header, path.parent, policy, labelled)
        problems += found.problems
        notices += found.notices
        rows += found.rows
        if found.problems:
            failed.append(FailedRow(number, _values(row, header).get("lesion_id", ""), found.problems))
    more_problems, more_notices = between_rows([(number, _values(row, header)) for number, row in body])
    return Reading(tuple(rows), (*problems, *more_problems), (*notices, *more_notices), tuple(failed), of_table, policy)


def _policy(cells: Sequence[str]) -> tuple[LabelPolicy, tuple[str, ...]]:
    """The policy that the table names, and what is wrong with the naming."""
    named = sorted({cell.casefold() for cell in cells if cell})
    if not named:
        return label_policy(), ()
    if len(named) > 1 or named[0] not in policy_names():
        known = ", ".join(policy_names())
        return label_policy(), (f"Column '{POLICY_COLUMN}': must be the same in every row, one of {known}.",)
    return label_policy(named[0]), ()


def _unreadable(problem: str) -> Reading:
    return Reading((), (problem,), (), (), (problem,))


def _values(cells: Sequence[str], header: Header) -> dict[str, str]:
    return {name: cell.strip() for name, cell in zip(header.names, cells, strict=False) if name}


def _row(number: int, cells: Sequence[str], header: Header, folder: Path, policy: LabelPolicy, labelled: bool) -> Reading:
    width = len(header.names)
    if len(cells) < width or any(cell.strip() for cell in cells[width:]):
        text = f"Row {number}: the row has {len(cells)} cells, the header {width}. Check its separators and quotation marks."
        return Reading((), (text,), ())
    values = _values(cells, header)
    problems: list[str] = []

    def bad(column: str, text: str) -> None:
        # A column that is missing altogether was reported with the header.
        if column in header.names and (labelled or column not in LABEL_COLUMNS):
            problems.append(f"Row {number}, column '{column}': {text}")

    for column in ("patient_id", "lesion_id"):
        _check_id(values.get(column, ""), column, bad)
    side = SIDES.get(values.get("side", "").casefold())
    if side is None:
        bad("side", "must be left, right or unknown.")
    malignant = _malignant(values.get("malignant", ""), bad)
    histology = _histology(values.get("histology", ""), malignant, policy, bad)
    truth = values.get("truth_source", "").casefold()
    if truth not in truth_sources():
        bad("truth_source", f"must be one of {', '.join(truth_sources())}.")
    split: SplitName | None = None
    match values.get("split", "").casefold():
        case "train":
            split = "train"
        case "test":
            split = "test"
        case "":
            pass
        case _:
            bad("split", "must be train or test, or empty in every row.")
    images = _images(values, folder, number, bad, problems)
    mask = _file(values.get("mask", ""), folder, "mask", bad)
    patient, notices = _patient(number, values, header, problems)
    if not labelled:
        malignant = bool(malignant)
    if problems or header.problems or side is None or malignant is None or mask is None or patient is None:
        return Reading((), tuple(problems), notices)
    row = CohortRow(
        row=number,
        patient_id=values["patient_id"],
        lesion_id=values["lesion_id"],
        side=side,
        ct=images,
        mask=mask,
        mask_label=values.get("mask_label") or None,
        malignant=malignant,
        histology=histology,
        truth_source=truth,
        split=split,
        patient=patient,
    )
    return Reading((row,), (), notices)


def _check_id(value: str, column: str, bad: Complain) -> None:
    if not value:
        bad(column, "is empty.")
    elif len(value) > LONGEST_ID or FORBIDDEN_IN_ID & set(value) or not value.isprintable() or value.strip(".") == "":
        # Identifiers become file names.
        bad(column, f"must be at most {LONGEST_ID} printable characters without {' '.join(sorted(FORBIDDEN_IN_ID))}.")


def _malignant(cell: str, bad: Complain) -> bool | None:
    text = cell.casefold()
    if text in YES or text in NO:
        return text in YES
    bad("malignant", "must be 1 or 0 (or yes or no); a lesion of unknown nature cannot be in the table.")
    return None


def _histology(cell: str, malignant: bool | None, policy: LabelPolicy, bad: Complain) -> str:
    histology = cell.casefold()
    if histology not in histologies():
        bad("histology", f"must be one of {', '.join(histologies())}.")
        return histology
    expected = policy.is_malignant(histology)
    if malignant is not None and expected is not None and malignant != expected:
        hint = " A metastatic one is 'other_malignant'." if histology == "phaeochromocytoma" and malignant else ""
        nature = "malignant" if expected else "benign"
        bad("malignant", f"contradicts the histology: {histology} counts as {nature} under the policy '{policy.name}'.{hint}")
    return histology


def _images(values: Mapping[str, str], folder: Path, number: int, bad: Complain, problems: list[str]) -> dict[Phase, Path]:
    out: dict[Phase, Path] = {}
    present = [column for column in phase_columns() if values.get(column)]
    if not present and any(column in values for column in phase_columns()):
        problems.append(f"Row {number}: no CT is given. Fill at least one of {', '.join(phase_columns())}.")
    for column in present:
        path = _file(values[column], folder, column, bad)
        if path is None:
            continue
        if path in out.values():
            bad(column, "names the same file as another phase of this row.")
        out[phase_columns()[column]] = path
    return out


def _file(cell: str, folder: Path, column: str, bad: Complain) -> Path | None:
    """The path that a cell names, relative to the table; None with a problem noted when there is no such file or folder."""
    if not cell:
        bad(column, "is empty. Name the file.")
        return None
    try:
        path = folder / cell.replace("\\", "/")
        if path.exists():
            return path
    except (OSError, ValueError):
        pass
    name = cell.replace("\\", "/").rstrip("/").rsplit("/", 1)[-1][:60]
    bad(column, f"the file '{name}' does not exist. Paths are relative to the table's folder.")
    return None


def _patient(
    number: int, values: Mapping[str, str], header: Header, problems: list[str]
) -> tuple[PatientRecord | None, tuple[Notice, ...]]:
    try:
        record, notices = record_from_row({name: values[name] for name in header.clinical})
    except PatientValueError as error:
        problems += [f"Row {number}: {problem}" for problem in error.problems]
        return None, ()
    return record, tuple(Notice(notice.code, f"Row {number}: {notice.text}") for notice in notices)

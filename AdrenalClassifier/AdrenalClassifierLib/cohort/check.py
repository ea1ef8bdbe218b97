"""The checker of cohort tables: all that is wrong, in one run, before a night of training fails on row 300."""

from __future__ import annotations

from pathlib import Path

from AdrenalClassifierLib.cohort.duplicates import Fingerprint, find_duplicates, fingerprint
from AdrenalClassifierLib.cohort.labels import LabelPolicy
from AdrenalClassifierLib.cohort.lesions import lesion_of_row
from AdrenalClassifierLib.cohort.table import CohortRow, read_rows
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.progress import Progress, silent

FEWEST_OF_A_CLASS = 10
"""With fewer malignant or benign lesions no model can be trained and evaluated."""


def check_cohort(
    path: Path, open_files: bool = True, policy: LabelPolicy | None = None, progress: Progress = silent
) -> tuple[tuple[str, ...], tuple[Notice, ...]]:
    """Find everything that is wrong or unusual in a cohort table.

    Args:
        path: the CSV file.
        open_files: also read every CT and mask and cut the lesion out, as training will.
        policy: which histologies count as malignant; None takes the table's own, else the default.
        progress: told after every lesion that was opened.

    Returns:
        Problems (the table cannot be used; sentences with row and column) and notices. Never raises for bad content.
    """
    reading = read_rows(Path(path), policy)
    problems, notices = list(reading.problems), list(reading.notices)
    if open_files:
        prints: dict[int, Fingerprint] = {}
        for done, row in enumerate(reading.rows, start=1):
            found, remarks, content = _opened(row)
            problems += found
            notices += remarks
            prints[row.row] = content
            progress(done, len(reading.rows), "lesions")
        problems += _duplicates(reading.rows, prints)
    if not reading.problems:
        notices += _mix(reading.rows, reading.policy)
    return tuple(problems), tuple(notices)


def _duplicates(rows: tuple[CohortRow, ...], prints: dict[int, Fingerprint]) -> tuple[str, ...]:
    # By row number: a lesion_id that stands twice is a problem of its own and must not hide one here.
    keys = {row.row: str(row.row) for row in rows}
    return find_duplicates(
        {keys[number]: content for number, content in prints.items()},
        {keys[row.row]: row.patient_id for row in rows},
        {keys[row.row]: row.split for row in rows},
        {key: number for number, key in keys.items()},
    )


def _opened(row: CohortRow) -> tuple[list[str], list[Notice], Fingerprint]:
    try:
        lesion = lesion_of_row(row)
    except AdrenalError as error:
        return [f"Row {row.row}: {error}"], [], ()
    notices = [Notice(notice.code, f"Row {row.row}: {notice.text}") for notice in lesion.notices]
    if "unknown" not in (row.side, lesion.side) and row.side != lesion.side:
        text = f"Row {row.row}, column 'side': says {row.side}, but the mask lies on the {lesion.side}. Check it."
        notices.append(Notice("side_disagrees", text))
    return [], notices, fingerprint(lesion)


def _mix(rows: tuple[CohortRow, ...], policy: LabelPolicy) -> list[Notice]:
    out = []
    malignant = sum(row.malignant for row in rows)
    for name, count in (("malignant", malignant), ("benign", len(rows) - malignant)):
        if count < FEWEST_OF_A_CLASS:
            out.append(Notice("few_lesions", f"The table has only {count} {name} lesions; too few to train or evaluate a model."))
    left_out = sum(row.histology in policy.excluded for row in rows)
    if left_out:
        out.append(Notice("excluded_by_policy", f"The policy '{policy.name}' leaves out {left_out} of {len(rows)} lesions."))
    return out

"""The checker of cohort tables: all that is wrong, in one run, before a night of training fails on row 300."""

from __future__ import annotations

from pathlib import Path

from AdrenalClassifierLib.cohort.labels import LabelPolicy, label_policy
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
        policy: which histologies count as malignant; the default one when None.
        progress: told after every lesion that was opened.

    Returns:
        Problems (the table cannot be used; sentences with row and column) and notices. Never raises for bad content.
    """
    policy = policy or label_policy()
    reading = read_rows(Path(path), policy)
    problems, notices = list(reading.problems), list(reading.notices)
    if open_files:
        for done, row in enumerate(reading.rows, start=1):
            found, remarks = _opened(row)
            problems += found
            notices += remarks
            progress(done, len(reading.rows), "lesions")
    if not reading.problems:
        notices += _mix(reading.rows, policy)
    return tuple(problems), tuple(notices)


def _opened(row: CohortRow) -> tuple[list[str], list[Notice]]:
    try:
        lesion = lesion_of_row(row)
    except AdrenalError as error:
        return [f"Row {row.row}: {error}"], []
    notices = [Notice(notice.code, f"Row {row.row}: {notice.text}") for notice in lesion.notices]
    if "unknown" not in (row.side, lesion.side) and row.side != lesion.side:
        text = f"Row {row.row}, column 'side': says {row.side}, but the mask lies on the {lesion.side}. Check it."
        notices.append(Notice("side_disagrees", text))
    return [], notices


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

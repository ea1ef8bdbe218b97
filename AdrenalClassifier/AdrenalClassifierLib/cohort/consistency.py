"""What only several rows of a cohort table together can get wrong."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence

from AdrenalClassifierLib.notices import Notice

Numbered = tuple[int, Mapping[str, str]]
"""Row number and cells by column."""

CT_COLUMNS = ("ct_unenhanced", "ct_arterial", "ct_portal", "ct_delayed")
PER_PATIENT = ("sex", "age_years")
"""Columns that cannot differ between the lesions of one patient."""
NOT_CLINICAL = frozenset((
    "patient_id", "lesion_id", "side", *CT_COLUMNS, "mask", "mask_label", "malignant", "histology", "truth_source", "split",
    "label_policy",
))  # fmt: skip


def between_rows(rows: Sequence[Numbered]) -> tuple[tuple[str, ...], tuple[Notice, ...]]:
    """Problems and notices that concern several rows.

    Lesions named twice, a patient in both splits, a split that only some rows have, sex or age that differ within a patient, a
    mask that two rows share without saying which segment is whose, a CT or a mask that two patients share. None of it depends on
    the order of the rows.
    """
    problems = [*_repeated_lesions(rows), *_splits(rows), *_patients(rows), *_shared_masks(rows), *_shared_between_patients(rows)]
    return tuple(problems), tuple(_differing(rows))


def _groups(rows: Sequence[Numbered], key: Callable[[Mapping[str, str]], str]) -> Iterator[list[Numbered]]:
    """Rows with an equal key that is not empty, where there are several."""
    out: dict[str, list[Numbered]] = {}
    for number, row in rows:
        name = key(row)
        if name:
            out.setdefault(name, []).append((number, row))
    yield from (group for group in out.values() if len(group) > 1)


def _numbers(group: Sequence[Numbered]) -> str:
    return " and ".join([", ".join(str(number) for number, _ in group[:-1]), str(group[-1][0])])


def _repeated_lesions(rows: Sequence[Numbered]) -> Iterator[str]:
    # Without case: identifiers become file names, which some file systems fold.
    for group in _groups(rows, lambda row: row.get("lesion_id", "").casefold()):
        if all(row == group[0][1] for _, row in group):
            yield f"Rows {_numbers(group)}: the same row more than once. Keep one."
        else:
            yield f"Rows {_numbers(group)}, column 'lesion_id': the same lesion_id. Every lesion needs its own."


def _splits(rows: Sequence[Numbered]) -> Iterator[str]:
    filled = [(number, row) for number, row in rows if row.get("split")]
    if filled and len(filled) < len(rows):
        missing = next(number for number, row in rows if not row.get("split"))
        yield f"Row {missing}, column 'split': is empty, but other rows have a split. Fill it in every row or in none."
    for group in _groups(filled, lambda row: row.get("patient_id", "")):
        if len({row["split"].casefold() for _, row in group}) > 1:
            yield f"Rows {_numbers(group)}, column 'split': one patient stands in both train and test."


def _patients(rows: Sequence[Numbered]) -> Iterator[str]:
    for group in _groups(rows, lambda row: row.get("patient_id", "")):
        for column in PER_PATIENT:
            if len({row[column].casefold() for _, row in group if row.get(column)}) > 1:
                yield f"Rows {_numbers(group)}, column '{column}': differs between lesions of one patient."


def _shared_masks(rows: Sequence[Numbered]) -> Iterator[str]:
    for group in _groups(rows, lambda row: _file(row.get("mask", ""))):
        if all(row.get("lesion_id") == group[0][1].get("lesion_id") for _, row in group):
            continue  # said already
        labels = [row.get("mask_label", "") for _, row in group]
        if "" in labels:
            yield f"Rows {_numbers(group)}, column 'mask': the same mask file. Say in mask_label which segment is whose."
        elif len(set(labels)) < len(labels):
            yield f"Rows {_numbers(group)}, column 'mask_label': two lesions have the same segment of one mask file."


def _shared_between_patients(rows: Sequence[Numbered]) -> Iterator[str]:
    """One file belongs to one patient; in both parts of a split it would let the test see what was trained on."""
    users: dict[str, dict[int, tuple[str, Mapping[str, str]]]] = {}
    for number, row in rows:
        for column in (*CT_COLUMNS, "mask"):
            if row.get(column):
                users.setdefault(_file(row[column]), {}).setdefault(number, (column, row))
    said: set[tuple[int, ...]] = set()
    for used in users.values():
        if len({row.get("patient_id", "") for _, row in used.values()}) < 2 or tuple(used) in said:
            continue
        said.add(tuple(used))
        where = f"Rows {_numbers([(number, row) for number, (_, row) in used.items()])}"
        columns = " and ".join(f"'{column}'" for column in dict.fromkeys(column for column, _ in used.values()))
        text = f"{where}, column {columns}: the same file under several patients"
        if {"train", "test"} <= {row.get("split", "").casefold() for _, row in used.values()}:
            yield f"{text}, in both train and test, so the test would not be one. Correct patient_id, the file or the split."
        else:
            yield f"{text}. Correct patient_id or the file."


def _file(cell: str) -> str:
    """One text for one file, however the path is written; "" for an empty cell."""
    return posixpath.normpath(cell.replace("\\", "/")) if cell else ""


def _differing(rows: Sequence[Numbered]) -> Iterator[Notice]:
    for group in _groups(rows, lambda row: row.get("patient_id", "")):
        columns = [c for c in group[0][1] if c not in NOT_CLINICAL and c not in PER_PATIENT]
        differing = [c for c in columns if len({row.get(c, "") for _, row in group}) > 1]
        if differing:
            shown = ", ".join(differing[:3]) + (", ..." if len(differing) > 3 else "")
            text = f"Rows {_numbers(group)}: clinical values differ between lesions of one patient ({shown}). Check them."
            yield Notice("patient_values_differ", text)

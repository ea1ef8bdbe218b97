"""What the header of a cohort table may hold, and why some columns are refused (``columns.json``)."""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.patient.catalogue import load_catalogue

POLICY_COLUMN = "label_policy"
"""Names the rule that makes ``malignant`` of ``histology``; one for the whole table."""
USERS_OWN = ("split", POLICY_COLUMN)
"""Columns that express a choice of the user; no table that is made here has them."""


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = json.loads((Path(__file__).parent / "columns.json").read_text(encoding="utf-8"))
    return table


def required_columns() -> tuple[str, ...]:
    """Columns that every table has, besides at least one phase."""
    return tuple(_table()["required"])


def phase_columns() -> Mapping[str, Phase]:
    """Contrast phase by the column that names its CT."""
    return dict(_table()["phases"])


def own_columns() -> tuple[str, ...]:
    """All columns of the table that are not clinical variables, in the order in which they are written."""
    table = _table()
    before = [name for name in table["required"] if name != "mask"]
    return (*before[:3], *table["phases"], "mask", "mask_label", *before[3:], "split", POLICY_COLUMN)


@dataclass(frozen=True)
class Header:
    """The columns of a table.

    Attributes:
        names: one for each cell of a row, in lower case; "" for a cell that is not used.
        problems: sentences about the header.
    """

    names: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def clinical(self) -> tuple[str, ...]:
        """Columns of clinical variables."""
        return tuple(name for name in self.names if name in load_catalogue().columns)


def read_header(cells: Sequence[str], used: Sequence[bool], optional: Sequence[str] = ()) -> Header:
    """Judge the first row of a table.

    Args:
        cells: its cells.
        used: for each column whether any row has something in it.
        optional: columns that may be missing although tables usually need them.
    """
    catalogue = load_catalogue()
    names: list[str] = []
    problems: list[str] = []
    seen: dict[str, int] = {}
    for number, cell in enumerate(cells, start=1):
        name = cell.strip().casefold()
        if name == "":
            if used[number - 1]:
                problems.append(f"Row 1, column {number}: the column has no name. Name it or remove it.")
            names.append("")
            continue
        if name in seen:
            twice = f"the column stands twice (columns {seen[name]} and {number})."
            problems.append(f"Row 1, column '{shown(cell.strip())}': {twice}")
            names.append("")
            continue
        seen[name] = number
        if name in own_columns() or name in catalogue.columns:
            names.append(name)
            continue
        problems.append(f"Row 1, column '{shown(cell.strip())}': {_why_not(cell.strip())}")
        names.append("")
    problems += [
        f"Row 1, column '{name}': the column is missing. Add it."
        for name in required_columns()
        if name not in seen and name not in optional
    ]
    if not set(seen) & set(phase_columns()):
        problems.append(f"Row 1: there is no CT column. Add at least one of {', '.join(phase_columns())}.")
    return Header(tuple(names), tuple(problems))


def _why_not(cell: str) -> str:
    name = plain_name(cell)
    reason = leakage(name)
    if reason:
        return f"this is {reason}; a model that saw it would know the answer. Remove the column."
    if set(name.split("_")) & set(_table()["identity_words"]):
        return "this column identifies patients. Remove it; use a pseudonym in patient_id."
    catalogue = load_catalogue()
    if name in catalogue.variables:
        columns = dict.fromkeys(catalogue.variables[name].column(unit) for unit in catalogue.variables[name].units)
        return f"the column must name its unit: {' or '.join(columns)}."
    if name in _table()["meant"]:
        return f"unknown column. Did you mean '{_table()['meant'][name]}'?"
    known = (*own_columns(), *catalogue.columns)
    near = difflib.get_close_matches(cell.casefold().replace(" ", "_"), known, n=1, cutoff=0.6)
    return f"unknown column. Did you mean '{near[0]}'?" if near else "unknown column. Remove it or use a catalogue name."


def plain_name(cell: str) -> str:
    """A column's name in lower case, without accents, its words joined by underscores: ``Ki-67 (%)`` is ``ki_67``."""
    letters = "".join(c for c in unicodedata.normalize("NFKD", cell) if not unicodedata.combining(c))
    return "_".join(re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", letters))).casefold()


def leakage(name: str) -> str | None:
    """Why a column must not be an input, None when there is no such reason. ``name`` as ``plain_name`` gives it."""
    words, joined = set(name.split("_")), name.replace("_", "")
    for group in _table()["leakage"]:
        for refused in group["names"]:
            if joined == refused.replace("_", "") or (len(refused) > 2 and name.startswith(refused + "_")):
                return str(group["reason"])
        if words & set(group["words"]) or any(part in joined for part in group["parts"]):
            return str(group["reason"])
    return None


def shown(name: str) -> str:
    """A name as a message may repeat it: printable and short."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 60 else text[:57] + "..."

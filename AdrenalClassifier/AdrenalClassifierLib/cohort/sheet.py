"""Cells of a CSV file, whatever spreadsheet wrote it."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

LARGEST_TABLE = 100_000_000
"""Bytes; a table of a million lesions is smaller."""


@dataclass(frozen=True)
class Sheet:
    """Rows that hold anything, each with its number as a spreadsheet shows it, or the problem that kept them from being read."""

    rows: tuple[tuple[int, tuple[str, ...]], ...]
    problem: str = ""


def read_sheet(path: Path) -> Sheet:
    """Read UTF-8 text (with or without byte order mark) separated by commas, semicolons or tabs. Never raises for bad content."""
    text, problem = _text(path)
    return Sheet((), problem) if problem else _cells(text)


def _text(path: Path) -> tuple[str, str]:
    """The table's text, or a problem."""
    try:
        if path.stat().st_size > LARGEST_TABLE:
            return "", f"'{path.name}' is too large for a cohort table."
        data = path.read_bytes()
    except FileNotFoundError:
        return "", f"'{path.name}' does not exist."
    except OSError as error:
        return "", f"'{path.name}' cannot be read: {error.strerror}."
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "", f"'{path.name}' is UTF-16. Save it as 'CSV UTF-8'."
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        return "", f"Row {row}: '{path.name}' is not UTF-8. Save it as 'CSV UTF-8'."
    if "\x00" in text:
        return "", f"'{path.name}' is not a text table."
    return text, ""


def _cells(text: str) -> Sheet:
    head = text.split("\n", 1)[0]
    delimiter = ";" if head.count(";") > head.count(",") else ","
    if delimiter == "," and "\t" in head and "," not in head:
        delimiter = "\t"
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    out = []
    number = 0
    try:
        for number, row in enumerate(reader, start=1):
            if any(cell.strip() for cell in row):
                out.append((number, tuple(row)))
    except csv.Error as error:
        return Sheet((), f"Row {number + 1}: the row cannot be read ({error}). Check its quotation marks.")
    return Sheet(tuple(out))

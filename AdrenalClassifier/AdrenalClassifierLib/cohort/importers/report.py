"""What an import used and what it did not, and why: a table of all series and a page of text."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from AdrenalClassifierLib.files import write_text

SERIES_FILE, TEXT_FILE = "import_series.csv", "import_report.txt"
COLUMNS = (
    "patient_id", "study", "series_number", "description", "modality", "images", "thickness_mm", "kernel", "phase", "phase_from",
    "used_for", "reason", "series_uid",
)  # fmt: skip


@dataclass(frozen=True)
class SeriesLine:
    """One series (or segmentation): a cell for each of ``COLUMNS``; ``used_for`` is empty for one that was not used."""

    patient_id: str
    study: int
    series_number: int | None
    description: str
    modality: str
    images: int
    thickness_mm: float | None = None
    kernel: str = ""
    phase: str = ""
    phase_from: str = ""
    used_for: str = ""
    reason: str = ""
    series_uid: str = ""


@dataclass(frozen=True)
class ImportReport:
    """All that is said of an import.

    Attributes:
        title: the collection.
        counts: lines of what was found and made.
        rules: how choices were made.
        left_out: columns of the clinical table that were not taken, each with the reason.
        problems: what a person should look at, a sentence each.
        series: one line a series.
    """

    title: str
    counts: tuple[str, ...]
    rules: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]
    problems: tuple[str, ...]
    series: tuple[SeriesLine, ...]


def write_report(folder: Path, report: ImportReport) -> None:
    """Write ``import_series.csv`` and ``import_report.txt``. Raises OutputError."""
    write_text(folder / SERIES_FILE, _table(report.series))
    write_text(folder / TEXT_FILE, report_text(report))


def report_text(report: ImportReport) -> str:
    """The page of text."""
    lines = [report.title, "", *report.counts, "", "Rules", *(f"- {rule}" for rule in report.rules), ""]
    if report.left_out:
        lines += ["Columns of the clinical table that were left out"]
        lines += [f"- {name}: {reason}." for name, reason in report.left_out]
        lines += [""]
    lines += ["To look at"]
    lines += [f"- {problem}" for problem in report.problems] or ["- nothing"]
    lines += ["", f"Every series, used or not, with the reason: {SERIES_FILE}"]
    return "\n".join(lines) + "\n"


def _table(series: Sequence[SeriesLine]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in series:
        cells = [getattr(line, column) for column in COLUMNS]
        writer.writerow(["" if cell is None else f"{cell:g}" if isinstance(cell, float) else cell for cell in cells])
    return out.getvalue()

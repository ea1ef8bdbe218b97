"""One lesion to assess, and the record that comes of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.assessment import Assessor, fingerprint
from AdrenalClassifierLib.cohort.lesions import lesion_of_row
from AdrenalClassifierLib.cohort.table import FORBIDDEN_IN_ID, LONGEST_ID, CohortRow, Reading
from AdrenalClassifierLib.errors import AdrenalError, CohortError
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.notices import Notice

Record = dict[str, Any]
"""What is kept of one lesion: the object of assessment.json with ``error`` (a sentence or None) and ``cohort`` (what the lesion's
row and files were); a lesion that failed has ``lesion_id``, ``error`` and ``cohort`` only."""


@dataclass(frozen=True)
class Job:
    """One sound row of the table, with the remarks on its values. Travels to worker processes and machines."""

    row: CohortRow
    notices: tuple[Notice, ...]
    row_sha256: str

    @property
    def lesion_id(self) -> str:
        """Key of the lesion in the results."""
        return self.row.lesion_id


def jobs_of(table: Path, reading: Reading) -> tuple[tuple[Job, ...], tuple[Record, ...]]:
    """The lesions to assess by lesion_id, and records of the rows that cannot be.

    Raises:
        CohortError: the table as a whole cannot be used, or lesions cannot be told apart by their lesion_id.
    """
    if reading.of_table:
        raise CohortError(f"'{table.name}' cannot be used: {reading.of_table[0]}", reading.of_table)
    numbers = {row.row: row.lesion_id for row in reading.rows} | {row.row: row.lesion_id for row in reading.failed}
    problems = [
        f"Row {number}, column 'lesion_id': is empty or not allowed."
        for number, name in sorted(numbers.items())
        if not name or len(name) > LONGEST_ID or FORBIDDEN_IN_ID & set(name)
    ]
    counts = Counter(name.casefold() for name in numbers.values() if name)
    for name in sorted({name.casefold() for name in numbers.values() if counts[name.casefold()] > 1}):
        rows = [str(number) for number, other in sorted(numbers.items()) if other.casefold() == name]
        problems.append(f"Rows {', '.join(rows[:-1])} and {rows[-1]}, column 'lesion_id': the same lesion_id.")
    if problems:
        raise CohortError(f"'{table.name}' cannot be used: every lesion needs a lesion_id of its own.", tuple(problems))
    notices = _notices(reading)
    jobs = [Job(row, tuple(notices.get(row.row, ())), _digest(row, table.parent)) for row in reading.rows]
    failed = [failure(row.lesion_id, _without_number(" ".join(row.problems), row.row)) for row in reading.failed]
    return tuple(sorted(jobs, key=lambda job: job.lesion_id)), tuple(sorted(failed, key=lambda r: str(r["lesion_id"])))


def assess_job(assessor: Assessor, job: Job, options: Options | None = None) -> Record:
    """Read, cut out and assess one lesion. Never raises for a bad case: the record then has a sentence in ``error``."""
    cohort = {"row_sha256": job.row_sha256, "files_sha256": files_state(job.row)}
    try:
        assessment = assessor.assess(lesion_of_row(job.row), job.row.patient, job.notices, options)
    except AdrenalError as error:
        return failure(job.lesion_id, str(error), cohort)
    except MemoryError:
        return failure(job.lesion_id, "There was not enough memory for this lesion. Use fewer workers.", cohort)
    except Exception as error:
        text = f"Internal fault ({type(error).__name__}). This is a mistake in the software: please report it with this case."
        return failure(job.lesion_id, text, cohort)
    return {**assessment.to_json(), "error": None, "cohort": cohort}


def failure(lesion_id: str, error: str, cohort: dict[str, str] | None = None) -> Record:
    """Record of a lesion that could not be assessed."""
    return {"lesion_id": lesion_id, "error": error, "cohort": cohort or {}}


def is_unchanged(job: Job, cohort: Mapping[str, str], input_sha256: str | None) -> bool:
    """Whether a record with this ``cohort`` and fingerprint was made from the row and the files as they are now.

    Files of another size or time are read again and compared by content, so that a copied or touched cohort is not refused.
    """
    if cohort.get("row_sha256") != job.row_sha256:
        return False
    if cohort.get("files_sha256") == files_state(job.row):
        return True
    try:
        return bool(fingerprint(lesion_of_row(job.row), job.row.patient) == input_sha256)
    except AdrenalError:
        return False


def files_state(row: CohortRow) -> str:
    """Digest of names, sizes and times of the files of a row; nothing in them is read."""
    digest = hashlib.sha256()
    for path in (*(row.ct[phase] for phase in sorted(row.ct)), row.mask):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            try:
                state = file.stat()
            except OSError:
                continue
            digest.update(f"{file.name}\x1f{state.st_size}\x1f{state.st_mtime_ns}\x1e".encode())
    return digest.hexdigest()


def _digest(row: CohortRow, folder: Path) -> str:
    """Of all in a row that the result depends on: not its number, not its label, not where the table lies."""
    given = {
        "patient_id": row.patient_id,
        "lesion_id": row.lesion_id,
        "side": row.side,
        "ct": {phase: _below(path, folder) for phase, path in sorted(row.ct.items())},
        "mask": _below(row.mask, folder),
        "mask_label": row.mask_label,
        "patient": row.patient.to_json(),
    }
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()


def _below(path: Path, folder: Path) -> str:
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def _notices(reading: Reading) -> dict[int, list[Notice]]:
    """Remarks on the values of single rows, by row."""
    out: dict[int, list[Notice]] = {}
    for notice in reading.notices:
        found = re.match(r"Row (\d+): ", notice.text)
        if found:
            out.setdefault(int(found[1]), []).append(Notice(notice.code, notice.text[found.end() :]))
    return out


def _without_number(text: str, number: int) -> str:
    """A row's number changes with the order of the rows; in the results the lesion_id names the lesion."""
    text = text.replace(f"Row {number}, column", "Column").replace(f"Row {number}: ", "")
    first = text.split(" ", 1)[0]
    return text if "_" in first else text[:1].upper() + text[1:]  # a column's name stays as it is

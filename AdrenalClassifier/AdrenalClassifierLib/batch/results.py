"""Results on disk: appended line by line as they come, whole after any interruption, sorted when complete.

``assessments.jsonl`` holds one record a line and is what a later run goes by; ``results.csv`` is the same for a spreadsheet, one
row a lesion. Each line reaches the disk before the next lesion is taken from the workers. A line that a crash cut in half is
dropped and its lesion assessed again. While a run goes on lines stand in the order of completion; a complete run leaves both
files sorted by lesion_id.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.batch.jobs import Record
from AdrenalClassifierLib.batch.lock import only_one
from AdrenalClassifierLib.errors import OutputError
from AdrenalClassifierLib.files import atomic_path, write_json, write_text
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.model.prediction import RICHEST_FIRST

LINES, TABLE, RUN, STATEMENT, LOCK = "assessments.jsonl", "results.csv", "run.json", "STATEMENT.txt", ".running"
OWN = (LINES, TABLE, RUN, STATEMENT, LOCK)
"""All files of a folder with results."""
COLUMNS = (
    "lesion_id", "probability", "low", "high", "model", *(f"probability_{name.replace('+', '_')}" for name in MODELS),
    "prevalence", "conformal_set", "outside", "reason", "warnings", "device", "weights_sha256", "error", "statement",
)  # fmt: skip
"""Header of ``results.csv``; an empty cell is a value that does not exist."""


@dataclass(frozen=True)
class Kept:
    """What is remembered of a record, which itself stays on the disk: thousands of them would fill the memory.

    Attributes:
        error: as in the record.
        cohort: as in the record.
        input_sha256: fingerprint of voxels and values, None for a lesion that failed.
        start, size: where its line lies in ``assessments.jsonl``, in bytes.
    """

    error: str | None
    cohort: Mapping[str, str]
    input_sha256: str | None
    start: int
    size: int


class Results:
    """The results in one folder. Use as a context manager: the files are closed, and another run may then use the folder.

    Args:
        folder: new, empty, or with results of an earlier run.
        run: what must be the same for results to stand side by side (model, software); written to ``run.json``.
        restart: throw earlier results away.

    Raises:
        OutputError: the folder holds other files, another run is writing in it, it was made with another model or version, or its
            records are damaged before their end.
    """

    def __init__(self, folder: Path, run: Mapping[str, Any], restart: bool = False) -> None:
        self.folder = Path(folder)
        self.run = dict(run)
        self.records: dict[str, Kept] = {}
        self._stack = contextlib.ExitStack()
        self._files = self._stack.enter_context(contextlib.ExitStack())
        try:
            found = {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"'{folder.name}' cannot be used as a folder: {error.strerror}. Choose another one.") from error
        if found - set(OWN) and RUN not in found:
            raise OutputError(f"'{folder.name}' is not empty and holds no results of a cohort. Choose a new folder.")
        self._stack.enter_context(only_one(self.folder / LOCK))
        try:
            if restart:
                for name in (LINES, TABLE, RUN):
                    (self.folder / name).unlink(missing_ok=True)
            self._start()
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add(self, record: Record) -> None:
        """Append the record of one lesion; it is on the disk when this returns. Raises OutputError."""
        line = (json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")
        try:
            start = self._lines.seek(0, os.SEEK_END)
            _append(self._lines, line)
            _append(self._table, _row(record, self.run["statement"]).encode("utf-8"))
        except OSError as error:
            raise OutputError(f"Results cannot be written: {error.strerror}. Make room and run the same words again.") from error
        self.records[record["lesion_id"]] = _kept(record, start, len(line))

    def forget(self, lesion_ids: Iterable[str]) -> None:
        """Drop records, such as those of lesions that failed and will be tried again. Raises OutputError."""
        for name in set(lesion_ids) & set(self.records):
            del self.records[name]
        self._rewrite(list(self.records))

    def finish(self) -> None:
        """Leave both files sorted by lesion_id and say in ``run.json`` that they are complete. Raises OutputError."""
        self._rewrite(sorted(self.records))
        failed = sum(kept.error is not None for kept in self.records.values())
        write_json(self.folder / RUN, {**self.run, "complete": True, "lesions": len(self.records), "errors": failed})

    def _start(self) -> None:
        path = self.folder / RUN
        if path.exists():
            _same_run(_read_run(path), self.run, self.folder.name)
        elif (self.folder / LINES).exists():
            raise OutputError(f"'{self.folder.name}' does not say how its results were made. Use --restart to replace them.")
        write_json(path, {**self.run, "complete": False})
        write_text(self.folder / STATEMENT, self.run["statement"] + "\n")
        for record, start, size in _read_lines(self.folder / LINES):
            self.records.setdefault(record["lesion_id"], _kept(record, start, size))
        self._rewrite(list(self.records))

    def _rewrite(self, names: Sequence[str]) -> None:
        """Both files anew with these records, each whole or not at all, then open for appending."""
        self._files.close()
        moved: dict[str, Kept] = {}
        with contextlib.ExitStack() as stack:
            try:
                # The lines are put in place last: they are what the table can be made of again.
                new_lines = stack.enter_context(atomic_path(self.folder / LINES))
                new_table = stack.enter_context(atomic_path(self.folder / TABLE))
                with open(self.folder / LINES, "ab"):  # there may be none yet
                    pass
                with open(self.folder / LINES, "rb") as old, open(new_lines, "wb") as lines, open(new_table, "wb") as table:
                    table.write(_csv([COLUMNS]).encode("utf-8"))
                    for name in names:
                        kept = self.records[name]
                        old.seek(kept.start)
                        moved[name] = replace(kept, start=lines.tell())
                        line = old.read(kept.size)
                        lines.write(line)
                        table.write(_row(json.loads(line), self.run["statement"]).encode("utf-8"))
                    for file in (lines, table):
                        file.flush()
                        os.fsync(file.fileno())
            except OSError as error:
                raise OutputError(
                    f"Results cannot be written: {error.strerror}. Make room and run the same words again."
                ) from error
        self.records = moved
        try:
            self._lines = self._files.enter_context(open(self.folder / LINES, "ab", buffering=0))  # noqa: SIM115
            self._table = self._files.enter_context(open(self.folder / TABLE, "ab", buffering=0))  # noqa: SIM115
        except OSError as error:
            raise OutputError(f"Results cannot be written: {error.strerror}. Choose another folder.") from error


def _kept(record: Record, start: int, size: int) -> Kept:
    return Kept(record["error"], record["cohort"], record.get("provenance", {}).get("input_sha256"), start, size)


def _append(file: io.FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]
    os.fsync(file.fileno())


def _csv(rows: Iterable[Sequence[object]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _row(record: Record, statement: str) -> str:
    """One row of ``results.csv``, made of a record alone, so that the table can always be made again."""
    if record["error"] is not None:
        known = {"lesion_id": record["lesion_id"], "error": record["error"], "statement": statement}
        return _csv([[known.get(column, "") for column in COLUMNS]])
    models, provenance = record["models"], record["provenance"]
    low, high = record["interval"] or (None, None)
    reasons = [models[name]["reason"] for name in reversed(RICHEST_FIRST) if models[name].get("reason")]
    chosen = record["conformal_set"]
    cells = {
        "lesion_id": record["lesion_id"],
        "probability": record["probability"],
        "low": low,
        "high": high,
        "model": record["model"],
        **{f"probability_{name.replace('+', '_')}": models[name]["probability"] for name in MODELS},
        "prevalence": record["prevalence"]["value"],
        "conformal_set": chosen["set"] if chosen else None,
        "outside": ";".join(f["code"] for f in record["validity"]["findings"] if f["severity"] == "outside"),
        "reason": reasons[0] if record["probability"] is None and reasons else None,
        "warnings": ";".join(dict.fromkeys(warning["code"] for warning in record["warnings"])),
        "device": provenance["device"],
        "weights_sha256": provenance["weights_sha256"],
        "error": None,
        "statement": statement,
    }
    return _csv([[_cell(cells[column]) for column in COLUMNS]])


def _cell(value: Any) -> str:
    """Six digits of a number: further ones depend on how many threads the network ran in. The record has all of them."""
    return "" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _read_lines(path: Path) -> Iterator[tuple[Record, int, int]]:
    """The records of a file up to a line that was cut off, with start and size of each line.

    Raises:
        OutputError: a line before the last sound one is damaged.
    """
    if not path.exists():
        return
    start, damaged = 0, 0
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                record = _record(line) if line.endswith(b"\n") else None  # without a line end it was cut off
                if record is None:
                    damaged = damaged or number
                elif damaged:
                    raise OutputError(f"'{path.name}' is damaged in line {damaged}. Use --restart to assess all lesions again.")
                else:
                    yield record, start, len(line)
                start += len(line)
    except OSError as error:
        raise OutputError(f"'{path.name}' cannot be read: {error.strerror}.") from error


def _record(line: bytes) -> Record | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    sound = isinstance(found, dict) and isinstance(found.get("lesion_id"), str) and "error" in found and "cohort" in found
    return found if sound else None


def _read_run(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    except (OSError, ValueError):
        pass
    raise OutputError(f"'{path.name}' cannot be read. Use --restart to assess all lesions again.")


def _same_run(found: Mapping[str, Any], wanted: Mapping[str, Any], folder: str) -> None:
    what = {
        "software_version": "another version of the software",
        "schema_version": "another version of the software",
        "options": "another --prevalence, --level or --outside-range",
    }
    for key, value in wanted.items():
        if found.get(key) != value:
            made = what.get(key, "another model")
            raise OutputError(f"'{folder}' holds results of {made}. Choose another folder, or --restart to replace them.")

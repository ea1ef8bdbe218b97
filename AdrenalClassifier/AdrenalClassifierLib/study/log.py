"""A log that only grows: a CSV whose every line holds a hash of the line before and one of itself.

A line that was changed or taken out breaks the chain and is found. A line that power failed to finish is the last one: it was
never acknowledged, and is taken off when the log is opened the next time, which the log then records.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from AdrenalClassifierLib.errors import OutputError, StudyError
from AdrenalClassifierLib.files import write_bytes

BEFORE = ("number", "time", "event")
AFTER = ("previous_sha256", "sha256")
REPAIRED = "repaired"
LONGEST_TEXT = 500


@dataclass(frozen=True)
class Entry:
    """One line: its number from 1, UTC time (ISO 8601), event, the log's own columns, and its hash."""

    number: int
    time: str
    event: str
    values: dict[str, str]
    sha256: str

    @property
    def when(self) -> datetime:
        """The time as a datetime in UTC."""
        return datetime.fromisoformat(self.time)


@dataclass(frozen=True)
class Parsed:
    """The whole lines of a log and how many bytes of a torn one follow ``size`` good ones."""

    entries: tuple[Entry, ...]
    size: int
    torn: int


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a folder's log while the block runs; the lock ends with the process, however it ends."""
    try:
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise OutputError(f"Cannot write in '{folder.name}': {error.strerror}. Check that the folder can be written.") from error
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class Log:
    """A log that is open for further lines. Use it inside ``locked``.

    Args:
        path: the file.
        columns: the log's own columns.
        anchor: what the first line takes for the hash of the one before, so that a log belongs to one study and reader.

    Raises:
        StudyError: the file is not such a log, or its chain is broken.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, columns: Sequence[str], anchor: str) -> None:
        self.path, self.columns, self._anchor = path, tuple(columns), anchor
        if not path.exists():
            write_bytes(path, _header(self.columns), durable=True)
        parsed = parse_log(path.read_bytes(), self.columns, anchor, path.name)
        self.entries: list[Entry] = list(parsed.entries)
        self._size = parsed.size
        if parsed.torn:
            with open(path, "r+b") as file:
                file.truncate(self._size)
                file.flush()
                os.fsync(file.fileno())
            self.append(REPAIRED)

    def append(self, event: str, now: datetime | None = None, **values: object) -> Entry:
        """Add a line and return when it is on the disk. Raises OutputError; the log is then as it was."""
        previous = self.entries[-1].sha256 if self.entries else self._anchor
        when = (now or datetime.now(timezone.utc)).astimezone(timezone.utc).isoformat(timespec="milliseconds")
        own = {name: clean(str(values.pop(name, ""))) for name in self.columns}
        if values:
            raise TypeError(f"unknown columns {sorted(values)}")
        entry = _entry((str(len(self.entries) + 1), when, event, *own.values(), previous), self.columns)
        data = _line(entry, self.columns, previous)
        try:
            with open(self.path, "r+b", buffering=0) as file:
                file.seek(self._size)
                written = file.write(data)
                if written != len(data):
                    file.truncate(self._size)
                    raise OSError(28, "the disk is full")
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(f"Cannot write '{self.path.name}': {error.strerror}. Nothing was recorded.") from error
        self._size += len(data)
        self.entries.append(entry)
        return entry


def parse_log(data: bytes, columns: Sequence[str], anchor: str, name: str) -> Parsed:
    """The lines of a log, its chain verified.

    Raises:
        StudyError: another kind of file, or a line other than an unfinished last one does not fit into the chain.
    """
    head = _header(columns)
    if not data.startswith(head):
        raise StudyError(f"'{name}' is not the log that is expected here. Use the folder as it was handed out.")
    entries: list[Entry] = []
    previous, at = anchor, len(head)
    while at < len(data):
        end = data.find(b"\n", at)
        line = data[at : end + 1]
        # A disk that lost power in the middle of a line leaves it unended, or with zeros where nothing was written.
        if end < 0 or (b"\0" in line and end == len(data) - 1):
            return Parsed(tuple(entries), at, len(data) - at)
        entry = _parsed(line, columns)
        if entry is None or entry.number != len(entries) + 1 or _line(entry, columns, previous) != line:
            raise StudyError(
                f"'{name}' was changed: its line {len(entries) + 2} does not fit the one before (hash chain). "
                "Use the folder as the software left it."
            )
        entries.append(entry)
        previous, at = entry.sha256, end + 1
    return Parsed(tuple(entries), at, 0)


def clean(text: str) -> str:
    """Text on one line, without control characters, at most 500 characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:LONGEST_TEXT]


def _header(columns: Sequence[str]) -> bytes:
    return (",".join((*BEFORE, *columns, *AFTER)) + "\n").encode()


def _row(cells: Sequence[str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()


def _entry(cells: Sequence[str], columns: Sequence[str]) -> Entry:
    """An entry from its cells up to ``previous_sha256``."""
    number, time, event, *own, _ = cells
    digest = hashlib.sha256(_row(cells).encode("utf-8")).hexdigest()
    return Entry(int(number), time, event, dict(zip(columns, own, strict=True)), digest)


def _line(entry: Entry, columns: Sequence[str], previous: str) -> bytes:
    own = [entry.values[name] for name in columns]
    return (_row((str(entry.number), entry.time, entry.event, *own, previous, entry.sha256)) + "\n").encode("utf-8")


def _parsed(line: bytes, columns: Sequence[str]) -> Entry | None:
    """The entry in a line with its hash computed anew; None when it cannot be one."""
    try:
        (cells,) = csv.reader([line.decode("utf-8").rstrip("\n")], strict=True)
        entry = _entry(cells[:-1], columns)
        if entry.when.tzinfo is None:
            return None
    except (ValueError, csv.Error):
        return None
    return entry

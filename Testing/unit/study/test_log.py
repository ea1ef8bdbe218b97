"""The log that only grows: its chain, what power loss leaves of it, and that nothing is acknowledged before it is on the disk."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

from AdrenalClassifierLib.errors import OutputError, StudyError
from AdrenalClassifierLib.study.log import Log, locked, parse_log

COLUMNS = ("case", "reason")
NOW = datetime(2026, 1, 5, 8, 30, tzinfo=timezone.utc)


def three_lines(path: Path, anchor: str = "a" * 64) -> Log:
    log = Log(path, COLUMNS, anchor)
    log.append("opened", NOW, case="K7", reason='one, "two"\n=three')
    log.append("submitted", NOW, case="K7")
    log.append("reopened", NOW, case="K7", reason="Grüße")
    return log


def test_lines_are_a_csv_and_come_back_as_they_were(tmp_path: Path) -> None:
    log = three_lines(tmp_path / "log.csv")
    again = Log(tmp_path / "log.csv", COLUMNS, "a" * 64)
    assert again.entries == log.entries
    with open(tmp_path / "log.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["event"] for r in rows] == ["opened", "submitted", "reopened"]
    assert rows[0]["reason"] == 'one, "two" =three'  # one line stays one line
    assert rows[2]["reason"] == "Grüße"
    assert rows[0]["time"] == "2026-01-05T08:30:00.000+00:00"
    assert [r["previous_sha256"] for r in rows] == ["a" * 64, rows[0]["sha256"], rows[1]["sha256"]]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"submitted", b"subnitted"),
        lambda data: data.replace(b"reopened", b"submitted"),  # in the last line
        lambda data: data.replace(b"2026-01-05", b"2026-01-04", 1),
        lambda data: b"".join(data.splitlines(keepends=True)[:2] + data.splitlines(keepends=True)[3:]),
        lambda data: b"".join(line for n, line in enumerate(data.splitlines(keepends=True)) if n != 1),
        lambda data: data + data.splitlines(keepends=True)[-1],
        lambda data: data.replace(b"K7,", b"K8,", 1),
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data[10:],
    ],
)
def test_a_line_that_was_changed_moved_or_taken_out_is_found(change, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "log.csv"
    three_lines(path)
    changed = change(path.read_bytes())
    assert changed != path.read_bytes()
    path.write_bytes(changed)
    with pytest.raises(StudyError):
        Log(path, COLUMNS, "a" * 64)
    assert path.read_bytes() == changed  # nothing is "repaired" that was not torn


def test_a_log_belongs_to_its_package(tmp_path: Path) -> None:
    three_lines(tmp_path / "log.csv")
    with pytest.raises(StudyError, match="hash chain"):
        Log(tmp_path / "log.csv", COLUMNS, "b" * 64)


def test_wherever_power_fails_in_the_last_line_the_lines_before_it_stay(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = three_lines(path)
    whole = path.read_bytes()
    start = whole.rindex(b"\n", 0, len(whole) - 1) + 1
    for cut in (*range(start, len(whole), 11), len(whole) - 1):
        for left in (whole[:cut], whole[:cut] + b"\0" * (len(whole) - cut)):
            if left == whole[:start]:
                continue
            path.write_bytes(left)
            again = Log(path, COLUMNS, "a" * 64)
            assert again.entries[:2] == log.entries[:2]
            assert [e.event for e in again.entries[2:]] == ["repaired"]
            again.append("submitted", NOW, case="K9")
            assert [e.event for e in Log(path, COLUMNS, "a" * 64).entries[2:]] == ["repaired", "submitted"]


def test_reading_a_torn_log_does_not_change_it(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    three_lines(path)
    torn = path.read_bytes()[:-5]
    parsed = parse_log(torn, COLUMNS, "a" * 64, "log.csv")
    assert len(parsed.entries) == 2
    assert parsed.size + parsed.torn == len(torn)


def test_a_line_is_on_the_disk_before_append_returns(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    log = three_lines(tmp_path / "log.csv")
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.fstat(handle).st_size))
    log.append("submitted", NOW, case="K9")
    assert flushed == [(tmp_path / "log.csv").stat().st_size]


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    log = three_lines(tmp_path / "log.csv")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        log.append("submitted", NOW, case="K9")
    monkeypatch.undo()
    assert len(log.entries) == 3
    log.append("submitted", NOW, case="K8")
    assert [e.values["case"] for e in Log(tmp_path / "log.csv", COLUMNS, "a" * 64).entries] == ["K7", "K7", "K7", "K8"]


def test_two_processes_do_not_write_into_each_other(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from AdrenalClassifierLib.study.log import Log, locked\n"
        "folder = Path(sys.argv[1])\n"
        "for n in range(60):\n"
        "    with locked(folder): Log(folder / 'log.csv', ('case', 'reason'), 'x').append('opened', case=sys.argv[2])\n"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in ("A", "B")]
    assert [child.wait() for child in children] == [0, 0]
    with locked(tmp_path):
        entries = Log(tmp_path / "log.csv", COLUMNS, "x").entries
    assert sorted(e.values["case"] for e in entries) == ["A"] * 60 + ["B"] * 60
    assert [e.number for e in entries] == list(range(1, 121))

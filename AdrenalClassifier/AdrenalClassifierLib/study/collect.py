"""Take back what a reader returns: verify it, and copy it into the study."""

from __future__ import annotations

import contextlib
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from AdrenalClassifierLib.errors import OutputError, StudyError
from AdrenalClassifierLib.files import TEMPORARY, sha256_of, write_bytes
from AdrenalClassifierLib.study.collected import EARLIER, read_folder, results_folder
from AdrenalClassifierLib.study.log import locked, parse_log
from AdrenalClassifierLib.study.manifest import ReadingId, Study
from AdrenalClassifierLib.study.masks import SUFFIX, mask_on_grid
from AdrenalClassifierLib.study.package import PACKAGE, Package, parse_package
from AdrenalClassifierLib.study.release import released_sha256
from AdrenalClassifierLib.study.work import SUBMITTED, submission_path
from AdrenalClassifierLib.study.worklist import READER_COLUMNS, READER_LOG, Worklist, worklist_of
from AdrenalClassifierLib.version import __version__

LARGEST_FILE = 1 << 29
"""Bytes of one returned file; a mask of a whole scan is far smaller."""


@dataclass(frozen=True)
class Returned:
    """What was taken back: the reading, its worklist, and how many submissions are new."""

    reading: ReadingId
    worklist: Worklist
    new: int


class _Files(Protocol):
    def read(self, name: str) -> bytes | None:
        """A file's bytes by its name in the package; None when it is not there."""


def collect(study: Study, path: Path, now: datetime | None = None) -> Returned:
    """Verify a returned package and copy its submissions and log into the study. A reading may be collected again and again.

    Verified are: the package is one that this study released, unchanged; the log's hash chain; that it goes on from what was
    collected before; every code; every submitted mask, by the checksum in the log, its grid, and that it is not empty.

    Args:
        study: the study.
        path: the returned folder, or a .zip of it.
        now: None takes the clock's time.

    Raises:
        StudyError: anything of that is wrong; nothing is copied then.
        OutputError: the study cannot be written.
    """
    with _opened(Path(path)) as files:
        package = parse_package(_needed(files, PACKAGE))
        reading = study.reading(package.reader, package.session)
        with locked(study.folder):
            log = study.log()
            if package.study != study.code or released_sha256(log.entries, reading) != package.sha256:
                raise StudyError(f"The package {reading.name} was not released by this study. Collect the one it handed out.")
            folder = results_folder(study, reading)
            staging = folder.with_name(TEMPORARY + folder.name)
            shutil.rmtree(staging, ignore_errors=True)
            try:
                work, before, lines = _verified(files, package, folder, staging)
                _put(staging, folder)
            except OSError as error:
                raise OutputError(f"Cannot write the results of {reading.name}: {error.strerror}.") from error
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            total = sum(len(case.submissions) for case in work.cases)
            log.append(
                "collected",
                now,
                reading=reading.name,
                detail=f"{work.submitted} of {len(work.cases)} cases, {total} submissions, {lines} log lines",
                software_version=__version__,
            )
            return Returned(reading, work, total - before)


def _verified(files: _Files, package: Package, folder: Path, staging: Path) -> tuple[Worklist, int, int]:
    """Write a good copy into ``staging``; the worklist, the number of submissions known before, and of log lines."""
    data = _needed(files, READER_LOG)
    parsed = parse_log(data, READER_COLUMNS, package.sha256, READER_LOG)
    known = read_folder(folder)
    before = 0
    if known is not None:
        if not data.startswith(known[1]):
            raise StudyError(
                "The returned log does not go on from the one that was collected before. Collect the folder the reader works in."
            )
        before = sum(len(case.submissions) for case in known[0].cases)
    work = worklist_of(package, parsed.entries)
    for case in work.cases:
        for done in case.submissions:
            name = submission_path(Path(SUBMITTED), case.code, done.number).as_posix()
            latest = done.number == len(case.submissions)
            target = staging / (case.code + SUFFIX) if latest else submission_path(staging / EARLIER, case.code, done.number)
            write_bytes(target, _needed(files, name))
            if sha256_of(target) != done.sha256:
                raise StudyError(f"The submitted mask of case {case.code} was changed after submission (checksum differs).")
            if not mask_on_grid(target, package.case(case.code).grid).any():
                raise StudyError(f"The submitted mask of case {case.code} is empty. Ask the reader to outline it.")
    write_bytes(staging / PACKAGE, _needed(files, PACKAGE))
    write_bytes(staging / READER_LOG, data[: parsed.size])
    return work, before, len(parsed.entries)


def _put(staging: Path, folder: Path) -> None:
    """Move ``staging`` into place; what stood there is a part of it."""
    old = folder.with_name(TEMPORARY + "old-" + folder.name)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    staging.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def _needed(files: _Files, name: str) -> bytes:
    data = files.read(name)
    if data is None:
        what = "nothing was done in it yet" if name == READER_LOG else "return the whole folder"
        raise StudyError(f"The returned package has no readable {Path(name).name}: {what}.")
    return data


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_Files]:
    if path.is_dir():
        yield _Folder(path)
        return
    if not path.is_file():
        raise StudyError(f"There is no folder or .zip '{path.name}'. Give the package that the reader returned.")
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        raise StudyError(f"'{path.name}' is not a readable .zip. Give the package that the reader returned.") from error
    with archive:
        yield _Archive(archive, path.name)


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, name: str) -> bytes | None:
        path = self._path / name
        try:
            return path.read_bytes() if path.is_file() and path.stat().st_size <= LARGEST_FILE else None
        except OSError:
            return None


class _Archive:
    """A .zip with the package at its top or in one folder. Only the members that are asked for are unpacked."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        found = sorted((n for n in archive.namelist() if n.rsplit("/", 1)[-1] == PACKAGE), key=len)
        if not found:
            raise StudyError(f"'{name}' holds no {PACKAGE}. Give the package that the reader returned.")
        self._root = found[0][: -len(PACKAGE)]

    def read(self, name: str) -> bytes | None:
        try:
            info = self._archive.getinfo(self._root + name)
            if info.file_size > LARGEST_FILE:
                return None
            with self._archive.open(info) as file:
                return file.read(LARGEST_FILE)
        except (KeyError, OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zipfile.LargeZipFile, EOFError):
            return None

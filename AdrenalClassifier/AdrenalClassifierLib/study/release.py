"""Hand out what a reader gets: a folder, and the same as one .zip, in which nothing leads back to the patient."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

from AdrenalClassifierLib.errors import OutputError, StudyError
from AdrenalClassifierLib.files import TEMPORARY, atomic_path, sha256_of, write_text
from AdrenalClassifierLib.study.codes import chance
from AdrenalClassifierLib.study.collected import last_submission
from AdrenalClassifierLib.study.hints import hint_of
from AdrenalClassifierLib.study.log import Entry, locked
from AdrenalClassifierLib.study.manifest import CASES, PACKAGES, Key, ReadingId, Study, grid_to_json, read_key
from AdrenalClassifierLib.study.masks import SUFFIX, mask_on_grid
from AdrenalClassifierLib.study.package import KIND, PACKAGE
from AdrenalClassifierLib.study.signed import SCHEMA_VERSION, write_signed
from AdrenalClassifierLib.version import __version__

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The time stamp of every file in a package: the first that a zip can hold."""
EPOCH_S = 315532800.0
RELEASES = ("released", "released_early")
README = """Reader study {study}, reader {reader}, session {session}: {count} cases

Outline the adrenal lesion of each case on its CT (folder ct), in the order of package.json. Work in this folder: it keeps
what you draw, what you submit, and the time you spend. When all cases are submitted, return the whole folder.
Do not look for other examinations or reports of these patients, and do not speak about the cases with other readers.
"""


def release(study: Study, reader: str, session: int, reason: str = "", now: datetime | None = None) -> Path:
    """Write the package of one reading, and its .zip beside it.

    A later session is released only when the reader's earlier one was collected complete and the wash-out has passed since the
    last submission, unless a reason is given, which is logged.

    Args:
        study: the study.
        reader, session: which reading.
        reason: why a session is released early.
        now: None takes the clock's time.

    Returns:
        the package's folder.

    Raises:
        StudyError: released already, or too early.
        OutputError: it cannot be written.
    """
    reading = study.reading(reader, session)
    now = now or datetime.now(timezone.utc)
    folder = study.folder / PACKAGES / reading.name
    with locked(study.folder):
        log = study.log()
        if released_sha256(log.entries, reading):
            raise StudyError(f"The package {reading.name} was released already. Hand that one out.")
        early = "" if session == 1 else too_early(study, reading, now)
        if early and not reason.strip():
            raise StudyError(f"{early} To release it all the same, give a reason; it is logged.")
        checksum = _write(study, read_key(study), reading, folder)
        log.append(
            RELEASES[bool(early)],
            now,
            reading=reading.name,
            reason=reason if early else "",
            detail=checksum,
            software_version=__version__,
        )
    return folder


def too_early(study: Study, reading: ReadingId, now: datetime) -> str:
    """Why a later session may not be released yet, one sentence; "" when it may."""
    before = ReadingId(reading.reader, reading.session - 1)
    last = last_submission(study, before)
    if last is None:
        return f"Session {before.session} of {reading.reader} was not collected complete, so that its wash-out has not begun."
    opens = last + timedelta(days=study.washout_days)
    if now < opens:
        return (
            f"The wash-out of {study.washout_days} days between the sessions of {reading.reader} ends on "
            f"{opens.date().isoformat()}."
        )
    return ""


def released_sha256(entries: Sequence[Entry], reading: ReadingId) -> str | None:
    """Checksum of the package.json that was handed out for a reading, from the study's log; None before its release."""
    return next((e.values["detail"] for e in entries if e.event in RELEASES and e.values["reading"] == reading.name), None)


def _write(study: Study, key: Key, reading: ReadingId, folder: Path) -> str:
    """Write the package beside its place and move it there; returns the checksum of package.json."""
    staging = folder.with_name(TEMPORARY + folder.name)
    try:
        for old in (staging, folder):  # left behind by a process that was killed before the release was logged
            if old.exists():
                shutil.rmtree(old)
        cases = [_case(study, key, reading, code, staging) for code in study.orders[reading.name]]
        words = {"study": study.code, "reader": reading.reader, "session": reading.session}
        checksum = write_signed(
            staging / PACKAGE,
            {"kind": KIND, "schema_version": SCHEMA_VERSION, "software_version": __version__, **words, "cases": cases},
        )
        write_text(staging / "README.txt", README.format(count=len(cases), **words))
        _same_time(staging)
        _zip(staging, folder.with_name(folder.name + ".zip"), folder.name)
        staging.rename(folder)
    except OSError as error:
        raise OutputError(f"Cannot write the package {folder.name}: {error.strerror}.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return checksum


def _case(study: Study, key: Key, reading: ReadingId, code: str, folder: Path) -> dict[str, object]:
    case = key.codes[reading.name][code]
    known = study.case(case)
    target = folder / "ct" / f"{code}.nii.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(study.folder / CASES / f"{case}.nii.gz", target)
    if sha256_of(target) != known.shown_sha256:
        raise StudyError(f"The CT of case {case} was changed after the study was created. Put the original back.")
    mask = None if study.hint == "none" else mask_on_grid(study.folder / CASES / f"{case}{SUFFIX}", known.grid)
    # Drawn for the case, not for the reading: all readers are told the same.
    hint = hint_of(study.hint, mask, known.grid, chance(key.secret, "hint", case))
    return {
        "code": code,
        "file": f"ct/{code}.nii.gz",
        "sha256": known.shown_sha256,
        "grid": grid_to_json(known.grid),
        "hint": hint,
    }


def _same_time(folder: Path) -> None:
    """One time stamp for all files: their own would tell in which order they were written."""
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (EPOCH_S, EPOCH_S))


def _zip(folder: Path, target: Path, name: str) -> None:
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(f"{name}/{path.relative_to(folder).as_posix()}", EPOCH)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_STORED if path.suffix == ".gz" else zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())

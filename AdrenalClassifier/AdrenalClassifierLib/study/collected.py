"""What came back from readers and was verified: ``readers/<reading>/``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from AdrenalClassifierLib.study.log import parse_log
from AdrenalClassifierLib.study.manifest import READERS, ReadingId, Study
from AdrenalClassifierLib.study.masks import SUFFIX
from AdrenalClassifierLib.study.package import PACKAGE, read_package
from AdrenalClassifierLib.study.worklist import READER_COLUMNS, READER_LOG, Worklist, worklist_of

EARLIER = "earlier"


def results_folder(study: Study, reading: ReadingId) -> Path:
    """Where the results of a reading are kept."""
    return study.folder / READERS / reading.name


def read_folder(folder: Path) -> tuple[Worklist, bytes] | None:
    """Worklist and whole log of a package or a folder of results, without changing it; None before work began.

    Raises:
        StudyError: package or log were changed.
    """
    if not (folder / PACKAGE).is_file() or not (folder / READER_LOG).is_file():
        return None
    package = read_package(folder)
    data = (folder / READER_LOG).read_bytes()
    parsed = parse_log(data, READER_COLUMNS, package.sha256, READER_LOG)
    return worklist_of(package, parsed.entries), data[: parsed.size]


def collected(study: Study, reading: ReadingId) -> Worklist | None:
    """The worklist of a reading as it was last collected; None when nothing was. Raises StudyError when it was changed since."""
    found = read_folder(results_folder(study, reading))
    return None if found is None else found[0]


def mask_of(study: Study, reading: ReadingId, code: str) -> Path:
    """Where the valid mask of a collected case lies."""
    return results_folder(study, reading) / (code + SUFFIX)


def last_submission(study: Study, reading: ReadingId) -> datetime | None:
    """When the last case of a reading was submitted; None unless all of them are and were collected."""
    work = collected(study, reading)
    if work is None or not work.finished:
        return None
    return max(case.submissions[-1].when for case in work.cases)

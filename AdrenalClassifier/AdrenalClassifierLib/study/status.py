"""How far a study is: progress by reader, never a result."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any

from AdrenalClassifierLib.study.collected import collected, last_submission, read_folder
from AdrenalClassifierLib.study.manifest import PACKAGES, ReadingId, Study
from AdrenalClassifierLib.study.release import released_sha256


@dataclass(frozen=True)
class Progress:
    """Progress of one reading.

    Attributes:
        reading: which.
        total: its cases.
        released: its package was handed out.
        submitted, begun: cases that are submitted, or begun and not (again) submitted. Seen in the package itself where it is
            worked on in the study's folder, else in what was collected.
        collected: submitted cases that were collected.
        last: when something was last recorded.
        opens: the day from which a later session may be released; None for a first session, or before its wash-out has begun.
    """

    reading: ReadingId
    total: int
    released: bool
    submitted: int
    begun: int
    collected: int
    last: datetime | None
    opens: date | None

    @property
    def finished(self) -> bool:
        """All cases are submitted and collected."""
        return self.collected == self.total

    def to_json(self) -> dict[str, Any]:
        """For ``study status --json``."""
        return {
            "reader": self.reading.reader,
            "session": self.reading.session,
            "total": self.total,
            "released": self.released,
            "submitted": self.submitted,
            "begun": self.begun,
            "collected": self.collected,
            "finished": self.finished,
            "last": None if self.last is None else self.last.isoformat(timespec="seconds"),
            "opens": None if self.opens is None else self.opens.isoformat(),
        }


def progress_of(study: Study) -> tuple[Progress, ...]:
    """Progress of all readings. Raises StudyError when a log was changed."""
    entries = study.entries()
    out = []
    for reading in study.readings:
        taken = collected(study, reading)
        here = read_folder(study.folder / PACKAGES / reading.name)
        seen = [work for work in (taken, None if here is None else here[0]) if work is not None]
        newest = max(seen, key=lambda work: sum(len(c.submissions) for c in work.cases), default=None)
        cases = () if newest is None else newest.cases
        out.append(
            Progress(
                reading,
                len(study.cases),
                released_sha256(entries, reading) is not None,
                sum(c.state == "submitted" for c in cases),
                sum(c.state in ("started", "reopened") for c in cases),
                0 if taken is None else taken.submitted,
                max((c.recorded for c in cases if c.recorded), default=None),
                _opens(study, reading),
            )
        )
    return tuple(out)


def _opens(study: Study, reading: ReadingId) -> date | None:
    if reading.session == 1:
        return None
    last = last_submission(study, ReadingId(reading.reader, reading.session - 1))
    return None if last is None else (last + timedelta(days=study.washout_days)).astimezone(timezone.utc).date()


def unfinished(study: Study) -> tuple[ReadingId, ...]:
    """Readings that are not submitted and collected to the last case."""
    return tuple(progress.reading for progress in progress_of(study) if not progress.finished)

"""Folders of masks, one a reader and session, matched by file name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from AdrenalClassifierLib.errors import AdrenalError, ImageReadError
from AdrenalClassifierLib.imaging.dicom_headers import is_dicom
from AdrenalClassifierLib.imaging.read import READERS

SUFFIXES = sorted({*READERS, ".seg.nrrd", ".seg.nhdr", ".dcm"}, key=len, reverse=True)


@dataclass(frozen=True)
class Reading:
    """One pass of one reader over the cases.

    Attributes:
        reader: name.
        session: 1 for the reader's first pass, 2 for the second, ...
        files: mask files by case.
    """

    reader: str
    session: int
    files: dict[str, Path]

    @property
    def name(self) -> str:
        """``reader``, with the session where it is not the first."""
        return self.reader if self.session == 1 else f"{self.reader} (session {self.session})"


def readings_of(folders: Sequence[Path], readers: Sequence[str] | None = None) -> tuple[Reading, ...]:
    """One Reading a folder.

    Args:
        folders: two or more, each with one mask file a case.
        readers: the reader of each folder; a name that returns stands for a further session of that reader. None takes the
            folders' names, or ``reader 1``, ``reader 2``, ... where these are not distinct.

    Raises:
        ImageReadError: not a folder, or it holds no masks.
        AdrenalError: a case has several files in one folder, or the number of readers is wrong.
    """
    folders = [Path(folder) for folder in folders]
    if readers is None:
        readers = [folder.resolve().name for folder in folders]
        if len(set(readers)) < len(readers):
            readers = [f"reader {n}" for n in range(1, len(folders) + 1)]
    if len(readers) != len(folders):
        raise AdrenalError(f"{len(folders)} folders but {len(readers)} readers were given; name one reader for each folder.")
    seen: Counter[str] = Counter()
    readings = []
    for folder, reader in zip(folders, readers, strict=True):
        seen[reader] += 1
        readings.append(Reading(reader, seen[reader], masks_in(folder)))
    return tuple(readings)


def masks_in(folder: Path) -> dict[str, Path]:
    """Image files of a folder (not of its subfolders) by case: the file's name without its suffix, in the order of names.

    Raises:
        ImageReadError: not a folder, or it holds none.
        AdrenalError: two files of one case.
    """
    if not folder.is_dir():
        raise ImageReadError(f"'{folder.name}' is not a folder. Give one folder of masks for each reader.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.is_file():
            continue
        lower = path.name.lower()
        suffix = next((s for s in SUFFIXES if lower.endswith(s)), None)
        if suffix is None and not is_dicom(path):
            continue
        case = path.name[: -len(suffix)] if suffix else path.name
        if case in found:
            raise AdrenalError(f"'{folder.name}' holds two masks of one case: '{found[case].name}' and '{path.name}'. Keep one.")
        found[case] = path
    if not found:
        raise ImageReadError(f"'{folder.name}' holds no masks (NIfTI, NRRD, MetaImage or DICOM files).")
    return found


def unmatched(readings: Sequence[Reading]) -> dict[str, list[str]]:
    """For each reading the cases that no other reading has."""
    count = Counter(case for reading in readings for case in reading.files)
    return {reading.name: sorted(case for case in reading.files if count[case] == 1) for reading in readings}

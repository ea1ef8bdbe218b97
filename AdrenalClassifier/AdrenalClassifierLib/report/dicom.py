"""DICOM objects of a case: outlines as a Segmentation, measurements and prediction as a structured report of the same study."""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.errors import AdrenalError, MissingDependencyError, OutputError
from AdrenalClassifierLib.files import atomic_path
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.measurements import Measurements, measure
from AdrenalClassifierLib.report.dicom_seg_object import Outlined, segmentation
from AdrenalClassifierLib.report.dicom_source import Source, place, read_source
from AdrenalClassifierLib.report.dicom_sr import Reported, report

SERIES_NUMBERS_FROM = 9000
"""Design: above what scanners give, so that the new series stand last; the CT's own number is added."""
_STALE = "the outline or the CT was changed after it was computed."
_NONE = "the lesion was not assessed."


def write_dicom(
    folder: Path,
    ct_files: Sequence[Path],
    cases: Sequence[tuple[Assessment | None, Lesion]],
    semiautomatic: Collection[str] = (),
) -> tuple[Path, ...]:
    """Write ``segmentation.dcm`` (SEG) and ``measurements.dcm`` (SR TID 1500); both or neither.

    Files that are there already stay: the new ones then end in ``-2``, ``-3`` and so on. The objects belong to the CT's study and
    carry its patient and study attributes, as DICOM demands; nothing of them goes into file names or messages. The mask is stored
    on the CT's own pixels. Every number is that of ``lesion`` as it is; an assessment of another outline or CT is left out, with
    a sentence saying so.

    Args:
        folder: made if needed.
        ct_files: all slices of the CT series, in any order.
        cases: lesions with their assessments; None where there is none or where it is out of date.
        semiautomatic: ``lesion_id`` of the lesions whose outline was grown from a click; the others count as drawn by hand.

    Returns:
        the two files.

    Raises:
        MissingDependencyError: highdicom is not installed.
        ImageReadError: the files are not the slices of one CT series, or damaged.
        GeometryError: tilted gantry, or a lesion that was not outlined on these files.
        OutputError: the folder cannot be written to.
        AdrenalError: the CT's headers cannot be carried over.
    """
    try:
        import highdicom
    except ImportError as error:
        raise MissingDependencyError(
            "Writing DICOM objects needs the package highdicom: pip install 'adrenal-classifier[dicom]'."
        ) from error
    if not cases:
        raise AdrenalError("There is no lesion to write; outline one first.")
    with _quiet():
        source = read_source(ct_files)
        reported = [_reported(source, assessment, lesion, str(highdicom.UID())) for assessment, lesion in cases]
        objects = _objects(source, reported, semiautomatic)
        return _write(Path(folder), objects)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep pydicom and highdicom from warning and logging: their remarks quote header values."""
    loggers = [logging.getLogger(name) for name in ("pydicom", "highdicom")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


def _reported(source: Source, assessment: Assessment | None, lesion: Lesion, uid: str) -> Reported:
    index = place(source, lesion)
    measured = measure(lesion)
    absent = _NONE if assessment is None else "" if _same(measured, assessment.measurements) else _STALE
    notices = (*lesion.notices, *measured.notices)
    return Reported(Outlined(lesion, index, uid), measured, None if absent else assessment, absent, notices)


def _same(a: Measurements, b: Measurements) -> bool:
    """Whether two measurements are of one outline and one CT; up to rounding, which differs between processors."""
    if a.voxel_count != b.voxel_count or a.phase != b.phase:
        return False
    for key, value in a.to_json().items():
        other = getattr(b, key)
        if (value is None) != (other is None):
            return False
        if isinstance(value, float) and not math.isclose(value, other, rel_tol=1e-6, abs_tol=1e-6):
            return False
    return True


def _objects(source: Source, reported: Sequence[Reported], semiautomatic: Collection[str]) -> dict[str, Any]:
    first = SERIES_NUMBERS_FROM + (source.stack.headers[0].number or 0)
    try:
        seg = segmentation(source, [item.outlined for item in reported], semiautomatic, first)
        return {"segmentation": seg, "measurements": report(source, seg, reported, first + 1)}
    except AdrenalError:
        raise
    except Exception:  # highdicom raises almost anything for odd headers, with their values: neither goes on from here
        raise AdrenalError(
            "The headers of the CT files do not allow other DICOM objects to be made of them; load the CT from the archive "
            "again, or export the outline as NRRD."
        ) from None


def _write(folder: Path, objects: dict[str, Any]) -> tuple[Path, ...]:
    number = 1
    try:
        there = {path.name for path in folder.iterdir()} if folder.exists() else set()
    except OSError as error:
        raise OutputError(f"'{folder.name}' cannot be used as a folder: {error.strerror}. Choose another one.") from error
    while there & {_name(stem, number) for stem in objects}:
        number += 1
    paths = tuple(folder / _name(stem, number) for stem in objects)
    try:
        with contextlib.ExitStack() as stack:
            for path, content in zip(paths, objects.values(), strict=True):
                content.save_as(stack.enter_context(atomic_path(path)))
    except OutputError:
        for path in paths:  # none of them was there before
            path.unlink(missing_ok=True)
        raise
    return paths


def _name(stem: str, number: int) -> str:
    return f"{stem}.dcm" if number == 1 else f"{stem}-{number}.dcm"

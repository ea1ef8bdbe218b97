"""What the readers need to know of every DICOM file in a folder, without its pixels."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.tag import BaseTag, Tag

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging.geometry import Vector

CT_CLASS = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_CLASSES = ("1.2.840.10008.5.1.4.1.1.2.1", "1.2.840.10008.5.1.4.1.1.2.2")
"""Enhanced CT and Legacy Converted Enhanced CT: all slices in one file."""
SEG_CLASSES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""Segmentation (binary and fractional) and Label Map Segmentation."""
RTSTRUCT_CLASS = "1.2.840.10008.5.1.4.1.1.481.3"

PART_KEYS = {
    "TemporalPositionIdentifier": "time point",
    "TemporalPositionIndex": "time point",
    "AcquisitionNumber": "acquisition",
    "NominalPercentageOfCardiacPhase": "cardiac phase",
    "ImageType": "image type",
    "KVP": "tube voltage",
    "ConvolutionKernel": "kernel",
    "AcquisitionDateTime": "acquisition time",
    "AcquisitionTime": "acquisition time",
}
"""Attributes that may part the volumes of one series, tried in this order, and how people call them."""
KEYWORDS = (
    *PART_KEYS,
    *("SOPClassUID", "SeriesInstanceUID", "SeriesNumber", "SeriesDescription", "InstanceNumber", "Modality", "NumberOfFrames"),
    *("Rows", "Columns", "PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient", "FrameOfReferenceUID"),
    *("SliceThickness", "RescaleSlope", "RescaleIntercept", "RescaleType", "SamplesPerPixel", "PixelRepresentation"),
    *("PixelPaddingValue", "PixelPaddingRangeLimit", "ContrastBolusAgent", "ContrastBolusRoute", "ContrastBolusAgentPhase"),
    *("ContrastBolusUsageSequence", "PatientName", "PatientID", "OtherPatientIDs", "AccessionNumber"),
)
TAGS = [Tag(keyword) for keyword in KEYWORDS]
ENHANCED_TAGS = [*TAGS, Tag("SharedFunctionalGroupsSequence"), Tag("PerFrameFunctionalGroupsSequence")]
BARE_STARTS = (b"\x02\0\0\0", b"\x08\0\0\0", b"\x08\0\x01\0", b"\x08\0\x05\0", b"\x08\0\x08\0", b"\x08\0\x16\0")
"""First tag of a file without preamble, little endian."""
DESCRIPTION_LENGTH = 40


@dataclass(frozen=True)
class Header:
    """One slice: a single-frame file, or one frame of an enhanced file.

    Attributes:
        path: the file.
        frame: 0-based frame in it, None for a single-frame file.
        series_uid, frame_of_reference: UIDs, ``""`` when absent.
        number: Series Number, or None.
        description: Series Description freed of the patient's name, identifiers and dates, at most 40 characters.
        modality, sop_class, transfer_syntax: as in the file, ``""`` when absent.
        instance: Instance Number (frame number in an enhanced file), or None.
        size: rows, columns.
        spacing: distance in mm between rows and between columns, or None.
        position: LPS position in mm of the first pixel's centre, or None.
        orientation: direction of a row (along increasing columns), then of a column; or None.
        thickness: slice thickness in mm, or None.
        rescale: slope and intercept, or None when either is missing.
        rescale_type: as in the file.
        padding: lowest and highest stored value that mark padding, or None.
        localizer: a scout view.
        parts: values of ``PART_KEYS`` as text.
        contrast: the intravenous (or unspecified) contrast agent is named.
        contrast_phase: Contrast/Bolus Agent Phase (0018,9344), ``""`` when absent.
    """

    path: Path
    frame: int | None
    series_uid: str
    frame_of_reference: str
    number: int | None
    description: str
    modality: str
    sop_class: str
    transfer_syntax: str
    instance: int | None
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    position: Vector | None
    orientation: tuple[Vector, Vector] | None
    thickness: float | None
    rescale: tuple[float, float] | None
    rescale_type: str
    padding: tuple[int, int] | None
    localizer: bool
    parts: tuple[str, ...]
    contrast: bool
    contrast_phase: str

    @property
    def is_ct(self) -> bool:
        """Whether it is a cross-sectional CT image."""
        classes = (CT_CLASS, *ENHANCED_CT_CLASSES)
        says_ct = self.modality == "CT" or (not self.modality and bool(self.sop_class))
        return says_ct and (self.sop_class in classes or not self.sop_class) and not self.localizer


def dicom_files(folder: Path) -> tuple[list[Path], int]:
    """The DICOM files below a folder, whatever they are called, in a stable order; and the number of empty files (0 bytes)."""
    found, empty = [], 0
    for root, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(root, name)
            if name.startswith("."):
                continue
            if is_dicom(path):
                found.append(path)
            elif path.is_file() and path.stat().st_size == 0:
                empty += 1
    return found, empty


def is_dicom(path: Path) -> bool:
    """Whether a file starts as DICOM does: preamble and ``DICM``, or (old files) directly with a group 2 or group 8 element."""
    try:
        with open(path, "rb") as file:
            start = file.read(132)
    except OSError:
        return False
    return start[128:132] == b"DICM" or (len(start) == 132 and start[:4] in BARE_STARTS)


def read_dataset(path: Path, tags: Sequence[BaseTag] | None = None, pixels: bool = False) -> Any:
    """A pydicom dataset (only ``tags`` when given, without pixels unless asked for). Raises ImageReadError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return pydicom.dcmread(path, stop_before_pixels=not pixels, specific_tags=list(tags) if tags else None, force=True)
    except OSError as error:
        raise ImageReadError(f"'{path.name}' cannot be opened: {error.strerror or 'its end is missing'}.") from error
    except Exception as error:  # a damaged file makes pydicom raise almost anything
        raise ImageReadError(f"The DICOM file '{path.name}' is damaged: its header cannot be read. Export it again.") from error


def read_headers(path: Path) -> list[Header]:
    """The slices in one DICOM file; none when it is no image with rows and columns. Raises ImageReadError when damaged."""
    return headers_of(path, read_dataset(path, TAGS))


def headers_of(path: Path, dataset: Any) -> list[Header]:
    """As ``read_headers``, of a dataset that was read with at least ``TAGS``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sop_class = _text(dataset, "SOPClassUID")
        if sop_class in (*SEG_CLASSES, RTSTRUCT_CLASS):
            return []
        if not _integer(dataset, "Rows") or not _integer(dataset, "Columns"):
            announced = str(getattr(getattr(dataset, "file_meta", None), "MediaStorageSOPClassUID", ""))
            if CT_CLASS in (announced, sop_class):
                raise ImageReadError(f"The DICOM file '{path.name}' is damaged: its header ends too early. Export it again.")
            return []
        if sop_class in ENHANCED_CT_CLASSES:
            return _frames(path, read_dataset(path, ENHANCED_TAGS))
        if (_integer(dataset, "NumberOfFrames") or 1) > 1 and sop_class == CT_CLASS:
            raise ImageReadError(f"The DICOM file '{path.name}' holds several frames but is no Enhanced CT; export it again.")
        return [_header(path, dataset, dataset, dataset, dataset, None)]


def _header(
    path: Path, dataset: Any, plane: Any, measures: Any, rescaling: Any, frame: int | None, orientation: Any = None
) -> Header:
    """Header of a slice whose attributes stand in ``dataset`` or, in an enhanced file, in items of its functional groups."""
    spacing = _numbers(measures, "PixelSpacing", 2)
    direction = _numbers(dataset if orientation is None else orientation, "ImageOrientationPatient", 6)
    slope, intercept = _numbers(rescaling, "RescaleSlope", 1), _numbers(rescaling, "RescaleIntercept", 1)
    thickness = _numbers(measures, "SliceThickness", 1)
    position = _numbers(plane, "ImagePositionPatient", 3)
    image_type = _text(dataset, "ImageType").upper()
    return Header(
        path=path,
        frame=frame,
        series_uid=_text(dataset, "SeriesInstanceUID"),
        frame_of_reference=_text(dataset, "FrameOfReferenceUID"),
        number=_integer(dataset, "SeriesNumber"),
        description=description_of(dataset),
        modality=_text(dataset, "Modality").upper(),
        sop_class=_text(dataset, "SOPClassUID"),
        transfer_syntax=str(getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", "")),
        instance=_integer(dataset, "InstanceNumber") if frame is None else frame + 1,
        size=(_integer(dataset, "Rows") or 0, _integer(dataset, "Columns") or 0),
        spacing=None if spacing is None else (spacing[0], spacing[1]),
        position=None if position is None else _vector(position),
        orientation=None if direction is None else (_vector(direction[:3]), _vector(direction[3:])),
        thickness=thickness[0] if thickness and thickness[0] > 0 else None,
        rescale=(slope[0], intercept[0]) if slope and intercept else None,
        rescale_type=_text(rescaling, "RescaleType").upper(),
        padding=_padding(dataset),
        localizer="LOCALIZER" in image_type.split("\\"),
        parts=tuple(_text(dataset, key) for key in PART_KEYS),
        contrast=bool(_text(dataset, "ContrastBolusAgent")) and "ORAL" not in _text(dataset, "ContrastBolusRoute").upper(),
        contrast_phase=_contrast_phase(dataset),
    )


def _frames(path: Path, dataset: Any) -> list[Header]:
    shared = (dataset.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    headers = []
    for n, own in enumerate(dataset.get("PerFrameFunctionalGroupsSequence") or []):

        def group(name: str, own: Any = own) -> Any:
            return (own.get(name) or shared.get(name) or [pydicom.Dataset()])[0]

        headers.append(
            _header(
                path,
                dataset,
                group("PlanePositionSequence"),
                group("PixelMeasuresSequence"),
                group("PixelValueTransformationSequence"),
                n,
                group("PlaneOrientationSequence"),
            )
        )
    return headers


# -- single attributes, forgiving ----------------------------------------------------------------------------------


def _value(dataset: Any, keyword: str) -> Any:
    try:
        return dataset.get(keyword)
    except Exception:  # a malformed element makes pydicom raise almost anything; it then counts as absent
        return None


def _text(dataset: Any, keyword: str) -> str:
    value = _value(dataset, keyword)
    if value is None:
        return ""
    if isinstance(value, (list, tuple, pydicom.multival.MultiValue)):
        return "\\".join(str(v) for v in value).strip()
    return str(value).strip()


def _numbers(dataset: Any, keyword: str, count: int) -> list[float] | None:
    value = _value(dataset, keyword)
    if value is None or value == "":
        return None
    try:
        numbers = [float(v) for v in (value if count > 1 else [value])]
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == count and all(abs(n) < 1e9 for n in numbers) else None


def _vector(values: list[float]) -> Vector:
    x, y, z = values
    return (x, y, z)


def _integer(dataset: Any, keyword: str) -> int | None:
    number = _numbers(dataset, keyword, 1)
    return None if number is None else round(number[0])


def _padding(dataset: Any) -> tuple[int, int] | None:
    values = [v for v in (_integer(dataset, "PixelPaddingValue"), _integer(dataset, "PixelPaddingRangeLimit")) if v is not None]
    if _integer(dataset, "PixelPaddingValue") is None:
        return None
    if _integer(dataset, "PixelRepresentation") == 1:
        # Some writers give the bits of a negative number with an unsigned type.
        values = [v - 65536 if v > 32767 else v for v in values]
    else:
        values = [v + 65536 if v < 0 else v for v in values]
    return min(values), max(values)


def _contrast_phase(dataset: Any) -> str:
    direct = _text(dataset, "ContrastBolusAgentPhase")
    found = {_text(item, "ContrastBolusAgentPhase") for item in _value(dataset, "ContrastBolusUsageSequence") or []} - {""}
    return (direct or (found.pop() if len(found) == 1 else "")).upper()


def description_of(dataset: Any) -> str:
    """The Series Description without words of the patient's name or identifiers, dates and long numbers."""
    identity: set[str] = set()
    for keyword in ("PatientName", "PatientID", "OtherPatientIDs", "AccessionNumber"):
        identity.update(re.split(r"[\W_]+", _text(dataset, keyword).casefold()))
    text = re.sub(r"\d{1,4}[-./]\d{1,2}[-./]\d{2,4}|\d{5,}", " ", _text(dataset, "SeriesDescription"))
    kept = (
        word
        for word in text.split()
        if not {piece for piece in re.split(r"[\W_]+", word.casefold()) if len(piece) > 1} & identity
    )
    printable = "".join(c for c in " ".join(kept) if c.isprintable())
    return printable if len(printable) <= DESCRIPTION_LENGTH else printable[: DESCRIPTION_LENGTH - 1].rstrip() + "…"

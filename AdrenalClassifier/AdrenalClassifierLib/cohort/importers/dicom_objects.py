"""What a download folder holds, found by the headers of its files and by nothing else."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pydicom
from pydicom.tag import Tag

from AdrenalClassifierLib.errors import AdrenalError, ImageReadError
from AdrenalClassifierLib.imaging.dicom_headers import (
    PART_KEYS,
    SEG_CLASSES,
    TAGS,
    Header,
    description_of,
    dicom_files,
    headers_of,
    read_dataset,
)
from AdrenalClassifierLib.imaging.dicom_series import volumes_of
from AdrenalClassifierLib.imaging.dicom_stack import stack_of
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.progress import Progress

ALL_TAGS = [*TAGS, *map(Tag, ("StudyInstanceUID", "StudyDate", "StudyTime", "SOPInstanceUID", "BitsAllocated"))]
UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")
LEAST_ALONG_BODY = 0.8
"""Cosine between the normal of an axial series and the body's axis; a gantry tilts by up to 30 degrees (0.87)."""


@dataclass(frozen=True)
class Place:
    """Where an object belongs. UIDs and PatientID as in the file: they never leave the importer but as pseudonyms."""

    patient: str
    study: str
    study_time: str
    series: str


@dataclass(frozen=True)
class CtSeries:
    """One CT series.

    Attributes:
        place: patient, study, series.
        headers: its images.
        images: their SOP Instance UIDs.
        agent: Contrast/Bolus Agent, as the first image names it.
        geometry: grid of the volume; None when there is none.
        unusable: why the series cannot be read as one axial volume; "" when it can.
    """

    place: Place
    headers: tuple[Header, ...]
    images: frozenset[str]
    agent: str
    geometry: Geometry | None
    unusable: str

    @property
    def first(self) -> Header:
        """Header of the first file, for what all slices share."""
        return self.headers[0]

    @property
    def kernel(self) -> str:
        """Convolution Kernel, "" when absent."""
        return _part(self.first, "ConvolutionKernel")

    @property
    def thickness(self) -> float | None:
        """Slice thickness in mm; the slice distance where the header does not say it."""
        return self.first.thickness or (self.geometry.spacing[0] if self.geometry else None)


@dataclass(frozen=True)
class SegObject:
    """One DICOM segmentation.

    Attributes:
        place: patient, study, series.
        path: the file.
        number, description: of its series.
        created: Content Date and Time, for telling the newer of two.
        frame_of_reference: UID, "" when absent.
        series: UIDs of the series it says it was drawn on.
        images: SOP Instance UIDs of the slices it says it was drawn on.
    """

    place: Place
    path: Path
    number: int | None
    description: str
    created: str
    frame_of_reference: str
    series: tuple[str, ...]
    images: frozenset[str]


@dataclass(frozen=True)
class OtherSeries:
    """A series that is neither CT nor segmentation."""

    place: Place
    number: int | None
    description: str
    modality: str
    files: int


@dataclass
class Found:
    """All that lies in a folder.

    Attributes:
        ct: CT series.
        seg: segmentations.
        other: everything else that is DICOM.
        broken: names of files that could not be read, each with the sentence that says why.
        folders: for each folder with DICOM files the CT series (by UID) that have files below it.
        damaged: paths of the broken files.
    """

    ct: list[CtSeries] = field(default_factory=list)
    seg: list[SegObject] = field(default_factory=list)
    other: list[OtherSeries] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    folders: dict[Path, set[str]] = field(default_factory=dict)
    damaged: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class _Image:
    header: Header
    place: Place
    sop: str
    agent: str


def find_objects(folder: Path, progress: Progress) -> Found:
    """Read the header of every DICOM file below ``folder``, whatever it is called.

    Raises:
        ImageReadError: no such folder, or nothing in it is DICOM.
    """
    if not folder.is_dir():
        raise ImageReadError(f"'{folder.name}' is not a folder. Give the folder of the download.")
    files, empty = dicom_files(folder)
    if not files:
        raise ImageReadError(f"'{folder.name}' holds no DICOM file. Give the folder of the download.")
    found = Found()
    if empty:
        found.broken.append(f"{empty} files are empty (0 bytes); the download may have been interrupted.")
    images: dict[tuple[str, str], list[_Image]] = {}
    rest: dict[tuple[str, str], list[tuple[Place, Any]]] = {}
    for done, path in enumerate(files, start=1):
        try:
            _sort(path, images, rest, found)
        except AdrenalError as error:
            found.broken.append(str(error))
            found.damaged.append(path)
        progress(done, len(files), "Reading DICOM headers")
    for group in images.values():
        for image in group:
            for parent in _folders(image.header.path, folder):
                found.folders.setdefault(parent, set()).add(image.place.series)
    found.ct = sorted((_series(group) for group in images.values()), key=_order)
    for (_, modality), items in rest.items():
        place, dataset = items[0]
        found.other.append(OtherSeries(place, _number(dataset), description_of(dataset), modality, len(items)))
    found.seg.sort(key=lambda seg: (seg.place.patient, seg.created, str(seg.path)))
    return found


def _sort(
    path: Path,
    images: dict[tuple[str, str], list[_Image]],
    rest: dict[tuple[str, str], list[tuple[Place, Any]]],
    found: Found,
) -> None:
    dataset = read_dataset(path, ALL_TAGS)
    if _text(dataset, "SOPClassUID") in SEG_CLASSES:
        found.seg.append(_seg(path))
        return
    headers = headers_of(path, dataset)
    place = _place(dataset, path)
    if not headers or not headers[0].is_ct:
        modality = _text(dataset, "Modality").upper() or "unknown"
        kind = "CT localizer" if headers and headers[0].localizer else modality
        rest.setdefault((place.series, kind), []).append((place, dataset))
        return
    first = headers[0]
    if first.transfer_syntax in UNCOMPRESSED:
        pixels = first.size[0] * first.size[1] * len(headers) * ((_integer(dataset, "BitsAllocated") or 16) // 8)
        if path.stat().st_size < _start_of_pixels(path) + pixels:
            raise ImageReadError(f"The DICOM file '{path.name}' is shorter than its header says; download it again.")
    agent, sop = _text(dataset, "ContrastBolusAgent"), _text(dataset, "SOPInstanceUID")
    for header in headers:
        images.setdefault((place.series, header.modality), []).append(_Image(header, place, sop, agent))


def _start_of_pixels(path: Path) -> int:
    """Where in a file the pixel data begin."""
    with open(path, "rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[Tag("Rows")], force=True)
        return file.tell()


def _series(group: Sequence[_Image]) -> CtSeries:
    headers = tuple(image.header for image in group)
    volumes = [v for v in volumes_of(headers) if v.headers[0].is_ct]
    geometry, unusable = None, ""
    if len(volumes) != 1:
        unusable = f"it holds {len(volumes)} volumes (repeated positions or mixed sizes)"
    elif len(volumes[0].headers) < 2:
        unusable = "it is a single slice"
    elif sum(header.rescale is None for header in volumes[0].headers):
        unusable = "rescale slope or intercept is missing, so it is not in Hounsfield units"
    else:
        try:
            geometry = stack_of(volumes[0].headers, "series").geometry
        except AdrenalError as error:
            unusable = str(error).rstrip(".").replace("of 'series' ", "")
        else:
            if abs(geometry.axes[0][2]) < LEAST_ALONG_BODY:
                unusable = "it is a reformat, not axial"
    types = {part for header in headers for part in _part(header, "ImageType").upper().split("\\")}
    if not unusable and types & {"MIP", "MINIP", "PROJECTION IMAGE", "VRT", "SCREEN SAVE"}:
        unusable = "it is a projection or a rendering"
    return CtSeries(group[0].place, headers, frozenset(i.sop for i in group), group[0].agent, geometry, unusable)


def _part(header: Header, keyword: str) -> str:
    return header.parts[list(PART_KEYS).index(keyword)]


def table_path(series: CtSeries, found: Found, root: Path) -> tuple[Path | None, str]:
    """The folder (or file) by which the CT reader finds exactly this series, or None and the reason why there is none."""
    folders = {header.path.parent for header in series.headers}
    home = Path(os.path.commonpath(folders)) if len(folders) > 1 else next(iter(folders))
    broken = [path for path in found.damaged if path.is_relative_to(home)]
    if broken:
        return None, f"its folder holds a damaged file ('{broken[0].name}')"
    alone = found.folders.get(home, set()) == {series.place.series}
    if alone:
        return home, ""
    if len(folders) > 1 or not home.is_relative_to(root):
        return None, "its files lie in several folders together with other series"
    return series.headers[0].path, ""


def _folders(path: Path, root: Path) -> Iterator[Path]:
    """The folders from a file's own up to the root of the download."""
    parent = path.parent
    yield parent
    while parent != root and root in parent.parents:
        parent = parent.parent
        yield parent


# -- segmentations -------------------------------------------------------------------------------------------------


def _seg(path: Path) -> SegObject:
    dataset = read_dataset(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            series = tuple(_text(item, "SeriesInstanceUID") for item in dataset.get("ReferencedSeriesSequence") or [])
            images = frozenset(_referenced(dataset))
        except Exception as error:  # a damaged sequence makes pydicom raise almost anything
            raise ImageReadError(f"The DICOM segmentation '{path.name}' is damaged; download it again.") from error
    created = _text(dataset, "ContentDate") + _text(dataset, "ContentTime")
    frame = _text(dataset, "FrameOfReferenceUID")
    return SegObject(_place(dataset, path), path, _number(dataset), description_of(dataset), created, frame, series, images)


def _referenced(dataset: Any) -> Iterator[str]:
    for series in dataset.get("ReferencedSeriesSequence") or []:
        for image in series.get("ReferencedInstanceSequence") or []:
            yield _text(image, "ReferencedSOPInstanceUID")
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    for group in (*shared, *(dataset.get("PerFrameFunctionalGroupsSequence") or [])):
        for derivation in group.get("DerivationImageSequence") or []:
            for source in derivation.get("SourceImageSequence") or []:
                yield _text(source, "ReferencedSOPInstanceUID")


# -- single attributes ---------------------------------------------------------------------------------------------


def _place(dataset: Any, path: Path) -> Place:
    # Without identifiers every folder is a study and every study a patient of its own: two patients must never become one.
    study = _text(dataset, "StudyInstanceUID") or f"folder {path.parent}"
    series = _text(dataset, "SeriesInstanceUID") or f"folder {path.parent}"
    patient = _text(dataset, "PatientID") or f"study {study}"
    return Place(patient, study, _text(dataset, "StudyDate") + _text(dataset, "StudyTime"), series)


def _text(dataset: Any, keyword: str) -> str:
    try:
        value = dataset.get(keyword)
    except Exception:  # a malformed element counts as absent
        return ""
    return "" if value is None else str(value).strip()


def _integer(dataset: Any, keyword: str) -> int | None:
    try:
        return int(_text(dataset, keyword))
    except ValueError:
        return None


def _number(dataset: Any) -> int | None:
    return _integer(dataset, "SeriesNumber")


def _order(series: CtSeries) -> tuple[str, str, str, int, str]:
    place = series.place
    return place.patient, place.study_time, place.study, series.first.number or 0, place.series


def by_series(found: Found) -> Mapping[str, CtSeries]:
    """CT series by UID."""
    return {series.place.series: series for series in found.ct}

"""Which CT volumes a DICOM folder holds, and which one is meant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from AdrenalClassifierLib.errors import ImageReadError, SeriesChoiceError
from AdrenalClassifierLib.imaging.dicom_headers import PART_KEYS, Header, dicom_files, read_headers
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.notices import Notice

SAME_POSITION_MM = 0.01
"""Slices nearer to each other than this are at one position (3D Slicer's DICOM reader uses the same distance)."""
SAME_DIRECTION = 1e-3
"""Largest difference of a direction cosine within one volume."""
LISTED = 12
PHASES: dict[str, Phase] = {
    "PRE_CONTRAST": "unenhanced",
    "ARTERIAL": "arterial",
    "PORTAL_VENOUS": "portal",
    "DELAYED": "delayed",
}
"""Contrast/Bolus Agent Phase (0018,9344) terms that name one of our phases; others (VENOUS, POST_CONTRAST) are ambiguous."""


@dataclass(frozen=True)
class SeriesInfo:
    """One volume of a DICOM folder, as shown when a choice is needed.

    Attributes:
        choice: what to give to ``--series``: the series number, or the UID where numbers are missing or not unique, with ``:2``
            behind it for the second of several volumes in one series.
        number: Series Number, or None.
        uid: Series Instance UID.
        description: Series Description without the patient's name, identifiers and dates, at most 40 characters; for one of
            several volumes in a series also what sets it apart.
        modality: such as ``CT``.
        slices: number of slices.
        size: rows, columns.
        spacing: mm between slices, rows and columns (k, j, i), or None when the header does not give them.
        thickness: slice thickness in mm, or None.
        phase: contrast phase where the header states one, else ``"unknown"``.
    """

    choice: str
    number: int | None
    uid: str
    description: str
    modality: str
    slices: int
    size: tuple[int, int]
    spacing: tuple[float, float, float] | None
    thickness: float | None
    phase: Phase


@dataclass(frozen=True)
class Volume:
    """The slices that make up one volume, in the order of the files."""

    info: SeriesInfo
    headers: tuple[Header, ...]
    left_out: int = 0
    """Images of the same series that differ in size, orientation or kind and belong to no volume."""


def scan(folder: Path) -> tuple[tuple[Volume, ...], tuple[Notice, ...]]:
    """Every volume below a folder, by series number.

    Images of one series part into several volumes by size, spacing, orientation and frame of reference, and, when positions
    repeat, by the first attribute of ``PART_KEYS`` that gives each position once in each volume. Localizers are left out.

    Raises:
        ImageReadError: the folder cannot be read or a DICOM file in it is damaged.
    """
    files, empty = dicom_files(folder)
    headers = [header for path in files for header in read_headers(path)]
    text = f"{empty} empty files (0 bytes) in the folder were ignored; a copy may have been interrupted."
    return volumes_of(headers), (Notice("empty_files", text),) if empty else ()


def volumes_of(headers: Sequence[Header]) -> tuple[Volume, ...]:
    """The volumes that slices make up, by series number."""
    by_series: dict[tuple[str, str], list[Header]] = {}
    for header in headers:
        if not header.localizer:
            by_series.setdefault((header.series_uid or f"number {header.number}", header.modality), []).append(header)
    parted = [_parts(series) for series in by_series.values()]
    # A number that a scout or a single slice shares with one volume still names that volume.
    stacks = [parts for parts, _ in parted if len(parts[0][0]) > 1]
    numbers = Counter(parts[0][0][0].number for parts in stacks)
    volumes = []
    for parts, left_out in parted:
        first = parts[0][0][0]
        unique = first.number is not None and numbers[first.number] == (1 if len(parts[0][0]) > 1 else 0)
        base = str(first.number) if unique or not first.series_uid else first.series_uid
        for n, (slices, what) in enumerate(parts, start=1):
            choice = base if len(parts) == 1 else f"{base}:{n}"
            volumes.append(Volume(_info(slices, choice, what), tuple(slices), left_out))
    return tuple(sorted(volumes, key=lambda v: (v.info.number is None, v.info.number or 0, v.info.uid, v.info.choice)))


def choose_ct(volumes: Sequence[Volume], series: str | None, name: str) -> Volume:
    """The CT volume that ``series`` (a number, UID or listed choice) names, or the only one there is.

    Raises:
        SeriesChoiceError: several remain; its ``series`` lists them.
        ImageReadError: there is none, or it is not a CT or a single slice.
    """
    if not volumes:
        raise ImageReadError(f"'{name}' contains no DICOM slices of a CT. Give the folder of the CT series.")
    ct = [v for v in volumes if v.headers[0].is_ct and len(v.headers) > 1]
    if series is not None:
        wanted = str(series).strip()
        found = [v for v in volumes if wanted in (v.info.choice, v.info.uid, str(v.info.number))]
        if not found:
            raise SeriesChoiceError(
                f"'{name}' has no series '{wanted}'; it holds {_listing(ct or volumes)}.", tuple(v.info for v in ct or volumes)
            )
        ct = [v for v in found if v in ct]
        volumes = found
    if len(ct) == 1:
        return ct[0]
    if ct:
        raise SeriesChoiceError(
            f"'{name}' holds {len(ct)} CT series; choose one with --series: {_listing(ct)}.", tuple(v.info for v in ct)
        )
    if any(v.headers[0].is_ct for v in volumes):
        raise ImageReadError(f"'{name}' holds a single CT slice (2D); a volume of at least two slices is needed.")
    kinds = ", ".join(sorted({v.info.modality or "unknown" for v in volumes}))
    if kinds == "CT":
        raise ImageReadError(f"'{name}' holds only derived pictures of a CT, no CT slices. Give the folder of the CT series.")
    raise ImageReadError(f"'{name}' is not a CT (modality {kinds}). Give the folder of the CT series.")


def stated_phase(headers: Sequence[Header]) -> Phase:
    """The contrast phase when every slice's Contrast/Bolus Agent Phase says the same one, else ``"unknown"``.

    Neither free text nor a missing contrast agent is taken as a statement.
    """
    stated = {PHASES.get(h.contrast_phase, "unknown") for h in headers}
    return stated.pop() if len(stated) == 1 else "unknown"


def along_normal(headers: Sequence[Header]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Position in mm of each slice along the common normal (row x column); NaN where the header gives none."""
    first = next((h.orientation for h in headers if h.orientation is not None), None)
    if first is None:
        return np.full(len(headers), np.nan)
    normal = np.cross(*first)
    return np.array([np.nan if h.position is None else np.dot(h.position, normal) for h in headers])


def _parts(series: list[Header]) -> tuple[list[tuple[list[Header], str]], int]:
    """The volumes of one series, each with what sets it apart, and how many images belong to none."""
    alike: list[list[Header]] = []
    for header in series:
        for group in alike:
            if _alike(group[0], header):
                group.append(header)
                break
        else:
            alike.append([header])
    volumes = [group for group in alike if len(group) > 1] or alike[:1]
    left_out = len(series) - sum(len(group) for group in volumes)
    parts: list[tuple[list[Header], str]] = []
    for group in volumes:
        what = "" if len(volumes) == 1 else _difference(group[0], volumes)
        parts += [(part, ", ".join(filter(None, (what, more)))) for part, more in _by_attribute(group)]
    return parts, left_out


def _alike(a: Header, b: Header) -> bool:
    if (a.size, a.is_ct, a.frame_of_reference) != (b.size, b.is_ct, b.frame_of_reference):
        return False
    if (a.spacing is None) != (b.spacing is None) or (a.orientation is None) != (b.orientation is None):
        return False
    same = a.spacing is None or b.spacing is None or bool(np.allclose(a.spacing, b.spacing, rtol=1e-3, atol=0))
    if same and a.orientation is not None and b.orientation is not None:
        same = bool(np.abs(np.subtract(a.orientation, b.orientation)).max() < SAME_DIRECTION)
    return same


def _difference(header: Header, groups: list[list[Header]]) -> str:
    if len({g[0].size for g in groups}) > 1:
        return f"{header.size[0]} x {header.size[1]} pixels"
    if header.orientation is not None and len({g[0].orientation for g in groups}) > 1:
        normal = np.abs(np.cross(*header.orientation))
        return ("sagittal", "coronal", "axial")[int(normal.argmax())]
    if header.spacing is not None and len({g[0].spacing for g in groups}) > 1:
        return f"pixels of {header.spacing[0]:.3g} mm"
    return "another frame of reference" if len({g[0].frame_of_reference for g in groups}) > 1 else ""


def _by_attribute(group: list[Header]) -> list[tuple[list[Header], str]]:
    """Part slices whose positions repeat by the first attribute that leaves every position once in every part."""
    most = _most_at_one_position(group)
    if most > 1:
        for n, (key, word) in enumerate(PART_KEYS.items()):
            parts: dict[str, list[Header]] = {}
            for header in group:
                parts.setdefault(header.parts[n], []).append(header)
            if len(parts) == most and all(len(p) > 1 and _most_at_one_position(p) == 1 for p in parts.values()):
                # Times of an examination identify it and image types are long: their order has to do.
                plain = key.endswith("Time") or key == "ImageType"
                parted = sorted(parts.items(), key=_numeric)
                return [(part, f"{word} {m if plain else value}") for m, (value, part) in enumerate(parted, start=1)]
    return [(group, "")]


def _numeric(item: tuple[str, list[Header]]) -> tuple[float, str]:
    try:
        return float(item[0]), ""
    except ValueError:
        return float("inf"), item[0]


def _most_at_one_position(group: list[Header]) -> int:
    position = np.sort(along_normal(group))
    if not np.isfinite(position).all():
        return 1
    run = most = 1
    for gap in np.diff(position):
        run = run + 1 if gap < SAME_POSITION_MM else 1
        most = max(most, run)
    return most


def _info(slices: list[Header], choice: str, what: str) -> SeriesInfo:
    first = slices[0]
    gaps = np.diff(np.sort(along_normal(slices)))
    gaps = gaps[gaps >= SAME_POSITION_MM]
    between = float(np.median(gaps)) if gaps.size else first.thickness
    return SeriesInfo(
        choice=choice,
        number=first.number,
        uid=first.series_uid,
        description=", ".join(filter(None, (first.description, what))),
        modality=first.modality,
        slices=len(slices),
        size=first.size,
        spacing=(between, *first.spacing) if between and first.spacing else None,
        thickness=first.thickness,
        phase=stated_phase(slices),
    )


def _listing(volumes: Sequence[Volume]) -> str:
    def one(info: SeriesInfo) -> str:
        text = f"'{info.description}', " if info.description else ""
        kind = "" if info.modality == "CT" else f"{info.modality}, "
        thick = "" if info.thickness is None else f" of {info.thickness:.3g} mm"
        return f"{info.choice} ({kind}{text}{info.slices} slices{thick})"

    rest = len(volumes) - LISTED
    return "; ".join(one(v.info) for v in volumes[:LISTED]) + (f"; and {rest} more" if rest > 0 else "")

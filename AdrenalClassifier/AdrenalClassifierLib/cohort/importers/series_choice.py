"""One series a phase: the thinnest one under 5 mm in a soft-tissue kernel."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import numpy as np

from AdrenalClassifierLib.cohort.importers.dicom_objects import CtSeries
from AdrenalClassifierLib.imaging.geometry import Geometry

THICK_MM = 5.0
SLACK = 0.01
"""Voxels by which an outline may stick out of a series, for rounding of positions."""
RULE = (
    "For each phase one series: that on which the lesion was outlined, for its own phase; else, among the axial series in the "
    "same frame of reference that cover the whole lesion, the thinnest under 5 mm in a soft-tissue kernel, then in an unknown "
    "kernel, then one of exactly 5 mm. Thicker series and sharp kernels (lung, bone) are not used."
)
Kernel = Literal["soft", "sharp", "unknown"]


def kernel_kind(name: str) -> Kernel:
    """What a Convolution Kernel is for.

    Siemens names hold the sharpness as a number (B40f, Br38f, I30f: below 50 is soft), Canon/Toshiba as FC01 to FC29 for soft
    tissue; GE says it in words, Philips in letters (A, B and C are smooth and standard; D, E, L and Y are sharp).
    """
    text = name.upper().split("\\")[0].strip()
    if not text:
        return "unknown"
    number = re.fullmatch(r"[A-Z]{1,2}(\d\d)[A-Z]*(?:[ \d].*)?", text)
    if text.startswith("FC") and (canon := re.match(r"FC(\d\d)", text)):
        return "soft" if int(canon[1]) < 30 else "sharp"
    if number:
        return "soft" if int(number[1]) < 50 else "sharp"
    if re.search(r"LUNG|BONE|EDGE|SHARP|CHST|DETAIL|ULTRA|HIGH", text):
        return "sharp"
    if re.search(r"STANDARD|SOFT|SMOOTH|BODY|ABDOMEN", text):
        return "soft"
    if re.fullmatch(r"S?[ABC]", text):
        return "soft"
    return "sharp" if re.fullmatch(r"[DEL]|Y[A-D]", text) else "unknown"


def rank(series: CtSeries) -> tuple[int, float, int, str]:
    """Sort key: the smaller, the better. Raises ValueError for a series that is never chosen (see ``never``)."""
    thickness = series.thickness
    if never(series) or thickness is None:
        raise ValueError("not a candidate")
    soft = kernel_kind(series.kernel) == "soft"
    tier = 2 if thickness >= THICK_MM else 0 if soft else 1
    return tier, thickness, -len(series.headers), series.place.series


def never(series: CtSeries) -> str:
    """Why a usable series is never chosen for a phase; "" when it may be."""
    if series.thickness is None:
        return "its slice thickness is unknown"
    if series.thickness > THICK_MM:
        return f"slices of {series.thickness:.3g} mm are thicker than {THICK_MM:g} mm"
    if kernel_kind(series.kernel) == "sharp":
        return "its kernel is a sharp one (lung or bone)"
    return ""


def covers(series: CtSeries, outline: Geometry) -> bool:
    """Whether a series holds the whole box of an outline (to half a voxel)."""
    if series.geometry is None:
        return False
    index = series.geometry.to_index(outline.corners())
    return bool((index >= -0.5 - SLACK).all() and (index <= np.asarray(series.geometry.shape) - 0.5 + SLACK).all())


def best(candidates: Sequence[CtSeries]) -> CtSeries | None:
    """The best of the series that may be chosen."""
    allowed = [series for series in candidates if not never(series)]
    return min(allowed, key=rank) if allowed else None

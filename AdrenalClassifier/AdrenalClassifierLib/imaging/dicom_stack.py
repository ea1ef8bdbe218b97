"""From slice positions to a grid: order, regularity, gantry tilt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, ImageReadError
from AdrenalClassifierLib.imaging.dicom_headers import Header
from AdrenalClassifierLib.imaging.dicom_series import SAME_POSITION_MM, along_normal
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.hounsfield import LEAST_HU
from AdrenalClassifierLib.imaging.images import HuArray
from AdrenalClassifierLib.imaging.volume_file import grid

GAP_SHARE = 0.01
"""A slice may lie this share of the slice distance off the regular grid (highdicom's default), but always ..."""
GAP_MM = 0.01
"""... this much, which rounding of the stored positions causes (3D Slicer's DICOM reader allows the same)."""
DRIFT_PIXELS = 0.2
"""In-plane drift over the whole stack, in pixels, from which on the stack counts as tilted."""
SCATTER_PIXELS = 0.1
"""Largest in-plane deviation of a slice from a straight stack, in pixels."""
NAMED = 5


@dataclass(frozen=True)
class Stack:
    """Slices in order along the normal.

    Attributes:
        headers: the slices; neighbours in the volume are neighbours here.
        geometry: the grid through the first slice; its first axis is the normal (row x column).
        drift: mm by which each slice is shifted along (column direction j, row direction i) against the first, shape (n, 2); None
            where the stack is straight.
        tilt_degrees: angle between the normal and the line through the slices' first pixels.
    """

    headers: tuple[Header, ...]
    geometry: Geometry
    drift: NDArray[np.float64] | None
    tilt_degrees: float


def stack_of(headers: Sequence[Header], name: str) -> Stack:
    """Order slices by position along their normal (never by Instance Number) and find their grid.

    Every slice must lie within 1 % of the slice distance, or 0.01 mm if that is more, of its place in a regular stack.

    Raises:
        ImageReadError: a header lacks position, orientation or pixel spacing.
        GeometryError: positions are missing, repeated or irregular; the message names the slices by instance number and position.
    """
    first = headers[0]
    if first.spacing is None or first.orientation is None or any(h.position is None for h in headers):
        raise ImageReadError(f"The slices of '{name}' lack position, orientation or pixel spacing; export the series again.")
    place = along_normal(headers)
    order = np.argsort(place, kind="stable")
    headers, place = [headers[n] for n in order], place[order]
    _check_positions(headers, place)

    between = float(place[-1] - place[0]) / (len(headers) - 1)
    row, column = np.asarray(first.orientation, float)
    normal = np.cross(row, column)
    origin = np.asarray(headers[0].position, float)
    steps = np.column_stack([row * first.spacing[1], column * first.spacing[0], normal / np.linalg.norm(normal) * between])
    geometry = grid(Path(name), (len(headers), *first.size), steps, origin)
    inplane = (np.array([h.position for h in headers]) - origin) @ np.stack([column, row]).T
    drift, angle = _drift(headers, place, inplane, between, min(first.spacing))
    return Stack(tuple(headers), geometry, drift, angle)


def _check_positions(headers: Sequence[Header], place: NDArray[np.float64]) -> None:
    gaps = np.diff(place)
    same = np.flatnonzero(gaps < SAME_POSITION_MM)
    if same.size:
        raise GeometryError(
            f"Slices are there more than once: {_name(headers, place, same, 'and')}. Remove the copies, or export each "
            "phase or reconstruction as a series of its own."
        )
    usual = float(np.median(gaps))
    wide = np.flatnonzero(gaps > 1.5 * usual)
    whole = wide[np.abs(gaps[wide] / usual - np.rint(gaps[wide] / usual)) <= 0.1]
    if wide.size and whole.size == wide.size:
        missing = int(np.rint(gaps[wide] / usual).sum()) - wide.size
        raise GeometryError(
            f"{missing} slices are missing (slice distance {usual:.4g} mm): between {_name(headers, place, wide, 'and')}. "
            "Export the complete series."
        )
    regular = place[0] + np.arange(len(place)) * (place[-1] - place[0]) / (len(place) - 1)
    allowed = max(GAP_MM + 1e-6, GAP_SHARE * usual)
    off = np.flatnonzero(np.abs(gaps - usual) > allowed)
    if not off.size and np.abs(place - regular).max() > allowed:
        off = np.array([int(np.abs(place - regular).argmax()) - 1]).clip(0)
    if off.size:
        raise GeometryError(
            f"The slice distance is irregular ({gaps.min():.4g} to {gaps.max():.4g} mm, usually {usual:.4g} mm): between "
            f"{_name(headers, place, off, 'and')}. Export or reconstruct the series with a constant distance."
        )


def _name(headers: Sequence[Header], place: NDArray[np.float64], gaps: NDArray[Any], joint: str) -> str:
    """The slices on both sides of some gaps: ``instance 4 (-120.00 mm) and instance 5 (-118.00 mm); ...``."""

    def one(n: int) -> str:
        number = headers[n].instance
        return f"instance {'?' if number is None else number} ({place[n]:.2f} mm)"

    rest = f"; and {gaps.size - NAMED} more" if gaps.size > NAMED else ""
    return "; ".join(f"{one(n)} {joint} {one(n + 1)}" for n in gaps[:NAMED]) + rest


def _drift(
    headers: Sequence[Header], place: NDArray[np.float64], inplane: NDArray[np.float64], between: float, pixel: float
) -> tuple[NDArray[np.float64] | None, float]:
    steps = np.arange(len(headers))[:, None]
    slope = inplane[-1] / (len(headers) - 1)
    scatter = np.abs(inplane - steps * slope).max(axis=1)
    if scatter.max() > max(SCATTER_PIXELS * pixel, GAP_MM):
        n = int(scatter.argmax())
        raise GeometryError(
            f"The slices are shifted against each other within their plane, most at instance {headers[n].instance} "
            f"({place[n]:.2f} mm), by {scatter[n]:.3g} mm. Export or reconstruct the series with a constant centre."
        )
    if np.abs(inplane[-1]).max() <= DRIFT_PIXELS * pixel:
        return None, 0.0
    return steps * slope, math.degrees(math.atan2(float(np.linalg.norm(slope)), between))


def straighten(hu: HuArray, stack: Stack) -> tuple[HuArray, Geometry]:
    """Undo a gantry tilt: shift every slice within its own plane by linear interpolation, so that the stack becomes rectangular.

    Planes stay where the scanner measured them; the grid only grows within the plane to hold all slices. What no slice covers
    becomes -1024 HU. Values are rounded to whole HU where the input was whole.

    Returns:
        the volume and its grid, whose first axis is the slices' normal.
    """
    if stack.drift is None:
        return hu, stack.geometry
    old = stack.geometry
    pixel = np.asarray(old.spacing[1:])
    low = stack.drift.min(axis=0)
    shift = (stack.drift - low) / pixel
    rows, columns = (math.ceil(extra - 1e-6) + n for extra, n in zip(shift.max(axis=0), old.shape[1:], strict=True))
    out: HuArray = np.empty((old.shape[0], rows, columns), hu.dtype)
    for k, plane in enumerate(hu):
        moved = _shifted(_shifted(plane.astype(np.float32), shift[k, 0], rows).T, shift[k, 1], columns).T
        out[k] = np.rint(moved) if hu.dtype == np.int16 else moved
    origin = np.asarray(old.origin) + np.asarray(old.axes[1]) * low[0] + np.asarray(old.axes[2]) * low[1]
    return out, Geometry(out.shape, old.spacing, old.axes, (float(origin[0]), float(origin[1]), float(origin[2])))


def _shifted(plane: NDArray[np.float32], by: float, length: int) -> NDArray[np.float32]:
    """``plane`` moved by ``by >= 0`` rows down into ``length`` rows, the rest -1024 HU."""
    whole = math.floor(by + 1e-9)
    part = np.float32(max(by - whole, 0.0))
    padded = np.full((length + 1, plane.shape[1]), LEAST_HU, np.float32)
    padded[whole + 1 : whole + 1 + plane.shape[0]] = plane
    moved: NDArray[np.float32] = (1 - part) * padded[1:] + part * padded[:-1]
    return moved

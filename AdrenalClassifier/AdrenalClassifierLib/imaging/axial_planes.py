"""The mask cut by axial planes of the patient, whatever the orientation of its grid, and the outlines in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import cdist

from AdrenalClassifierLib.errors import MaskError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed

Floats = NDArray[np.float64]

AXIAL_TILT_TOLERANCE = 1e-3
"""An array axis whose direction leaves the patient's S axis by less than this (sine of the angle) counts as axial."""
TIE_MM = 1e-6
"""Lengths and positions nearer than this are equal; the patient's axes then decide, never the order in the array."""
MOST_SAMPLES = 500_000
"""Design: samples taken on the axial planes of an oblique grid are refined up to this number (never coarser than a voxel)."""
FINEST = 4
"""Design: at most this many samples a voxel along each axis of an oblique grid."""
_LEVEL = 0.5 - 1e-7
"""Samples of exactly one half count as inside whatever rounding does to them."""
FAN = 32
"""Directions in which every slice is gauged before the exact search; the gauge is then short by less than 0.13 %."""


@dataclass(frozen=True)
class AxialPlanes:
    """The mask's indicator on parallel axial planes, with an empty rim on every side.

    Attributes:
        values: (plane, row, column) in 0..1; a sample is inside at 0.5 or more.
        origin: LPS mm of sample (0, 0, 0).
        steps: rows are the LPS steps in mm from plane to plane, row to row, column to column; orthogonal.
        centre: LPS mm of the mask's centroid.
    """

    values: NDArray[np.float64] | NDArray[np.bool_]
    origin: Floats
    steps: Floats
    centre: Floats

    @cached_property
    def pitch(self) -> Floats:
        """(2,): mm from row to row and from column to column."""
        return np.asarray(np.linalg.norm(self.steps[1:], axis=1))

    @cached_property
    def inside(self) -> NDArray[np.bool_]:
        """The samples that lie in the lesion."""
        return self.values if self.values.dtype == np.bool_ else self.values >= _LEVEL  # type: ignore[return-value]

    @cached_property
    def extremes(self) -> tuple[NDArray[np.intp], Floats]:
        """Plane number and in-plane mm of the outline's first and last crossing of every row and every column.

        The outline's convex hull is theirs: every vertex of the outline lies on a row or a column.
        """
        numbers, points = [], []
        for axis in (2, 1):
            inside = np.moveaxis(self.inside, axis, 2)
            values = np.moveaxis(self.values, axis, 2)
            plane, line = np.nonzero(inside.any(axis=2))
            runs = inside[plane, line]
            for last in (False, True):
                at = runs.shape[1] - 1 - runs[:, ::-1].argmax(axis=1) if last else runs.argmax(axis=1)
                step = 1 if last else -1
                a, b = values[plane, line, at].astype(float), values[plane, line, at + step].astype(float)
                along = at + step * _crossing(a, b)
                found = np.empty((len(plane), 2))
                found[:, 0 if axis == 2 else 1] = line
                found[:, 1 if axis == 2 else 0] = along
                numbers.append(plane)
                points.append(found * self.pitch)
        number, point = np.concatenate(numbers), np.concatenate(points)
        order = np.argsort(number, kind="stable")
        return number[order], point[order]

    @cached_property
    def gauge(self) -> Floats:
        """(plane,): largest width of each plane's outline over a fan of directions, mm; 0 for an empty plane."""
        number, point = self.extremes
        angle = np.arange(FAN) * math.pi / FAN
        starts = np.flatnonzero(np.diff(number, prepend=-1))
        widest = np.zeros(len(starts))
        for cosine, sine in zip(np.cos(angle), np.sin(angle), strict=True):
            shadow = point[:, 0] * cosine + point[:, 1] * sine
            np.maximum(widest, np.maximum.reduceat(shadow, starts) - np.minimum.reduceat(shadow, starts), out=widest)
        out = np.zeros(len(self.values))
        out[number[starts]] = widest
        return out

    def rim(self, plane: int) -> Floats:
        """(n, 2): the plane's extremes in in-plane mm."""
        number, point = self.extremes
        low, high = np.searchsorted(number, [plane, plane + 1])
        return point[low:high]

    def longest(self, plane: int) -> float:
        """Largest distance between two points of the plane's outline, mm."""
        rim = self.rim(plane)
        return float(cdist(rim, rim).max())

    def precedes(self, plane: int, other: int) -> bool:
        """Of two planes with equal long axes, does ``plane`` come first: by area, nearness to the centre, height?"""
        if other < 0:
            return True
        area, rival = (float(self.values[p].sum()) for p in (plane, other))
        if abs(area - rival) > 1e-6 * max(area, rival):
            return area > rival
        height, level = (self.origin[2] + p * self.steps[0, 2] - self.centre[2] for p in (plane, other))
        if abs(abs(height) - abs(level)) > TIE_MM:
            return bool(abs(height) < abs(level))
        return bool(height > level)

    def outline(self, plane: int) -> Floats:
        """(n, 2, 2): the segments of the plane's outline in in-plane mm, by marching squares."""
        return _trace(np.asarray(self.values[plane], float)) * self.pitch

    def place(self, plane: int, points: Floats) -> Floats:
        """LPS mm (n, 3) of in-plane points (n, 2)."""
        return np.asarray(self.origin + plane * self.steps[0] + points / self.pitch @ self.steps[1:])

    def in_order(self, plane: int, ends: Floats) -> Floats:
        """Two in-plane points (2, 2) in the order of their patient coordinates."""
        return ends if first_row(self.place(plane, ends)) == 0 else ends[::-1]


def axial_planes(mask: NDArray[np.bool_], geometry: Geometry) -> AxialPlanes:
    """The mask's slices when an axis of its grid runs along S; else its linear interpolation on axial planes.

    Args:
        mask: bool (k, j, i).
        geometry: its grid.

    Raises:
        MaskError: the mask is empty.
    """
    start, stop = filled_box(mask)
    inner = boxed(mask, start, stop)
    grid = geometry.crop(start, stop)
    counts = [inner.sum(axis=tuple(b for b in range(3) if b != a)) for a in range(3)]
    middle = np.array([np.average(np.arange(count.size), weights=count) for count in counts])
    centre = grid.to_world(middle)
    axes = np.asarray(geometry.axes)
    up = int(np.abs(axes[:, 2]).argmax())
    if math.hypot(axes[up, 0], axes[up, 1]) < AXIAL_TILT_TOLERANCE:
        order = [up, *(a for a in range(3) if a != up)]
        values = np.pad(inner.transpose(order), 1)
        return AxialPlanes(values, grid.to_world(np.array([-1, -1, -1])), grid.matrix.T[order], centre)

    # Samples lie on a lattice of the patient's axes through the voxel nearest to the centroid, so that even a single voxel
    # is hit and the array's orientation plays no part.
    index = np.nonzero(inner)
    away = np.sqrt(sum(((x - m) * s) ** 2 for x, m, s in zip(index, middle, grid.spacing, strict=True)))
    nearest = grid.to_world(np.stack([x[away < away.min() + TIE_MM] for x in index], axis=1))
    anchor = nearest[first_row(nearest)]
    reach = np.abs(grid.matrix).max(axis=1)
    rim = grid.to_world(np.argwhere(outermost(inner)))
    low, high = rim.min(axis=0) - reach, rim.max(axis=0) + reach
    voxel = min(geometry.spacing)
    count = float(np.prod((high - low) / voxel + 3))
    step = voxel / min(max(math.floor((MOST_SAMPLES / count) ** (1 / 3)), 1), FINEST)
    before = np.ceil((anchor - low) / step).astype(int) + 1
    after = np.ceil((high - anchor) / step).astype(int) + 1
    steps = np.diag([step] * 3)[::-1]
    origin = anchor - before * step
    padded = np.pad(inner, 2).astype(np.float64)
    values = ndimage.affine_transform(
        padded,
        np.linalg.solve(grid.matrix, steps.T),
        grid.to_index(origin) + 2,
        output_shape=tuple((before + after + 1)[::-1]),
        order=1,
        prefilter=False,
    )
    return AxialPlanes(values, origin, steps, centre)


def _crossing(inside: Floats, outside: Floats) -> Floats:
    """How far (0..1) from an inside sample towards an outside one the 0.5 level is met."""
    return np.clip((inside - 0.5) / np.maximum(inside - outside, 1e-12), 0, 1)


def _trace(values: Floats) -> Floats:
    """The 0.5 level of samples (row, column) as segments (n, 2, 2) in (row, column); where two inside corners face each other
    across a cell they are kept apart."""
    inside = values >= _LEVEL
    corner = np.stack([inside[:-1, :-1], inside[:-1, 1:], inside[1:, 1:], inside[1:, :-1]], axis=-1)
    sides = np.flatnonzero((corner.any(axis=-1) & ~corner.all(axis=-1)).ravel())
    r, c = np.divmod(sides, inside.shape[1] - 1)
    place = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    spots = np.stack([r, c], axis=1)[:, None] + place  # corners around the cell
    value = values[spots[..., 0], spots[..., 1]]
    within = corner.reshape(-1, 4)[sides]
    value2, within2 = np.roll(value, -1, axis=1), np.roll(within, -1, axis=1)
    cut = within != within2
    share = np.where(within, _crossing(value, value2), 1 - _crossing(value2, value))
    edge = spots + share[..., None] * (np.roll(place, -1, axis=0) - place)  # where the level meets each of the four edges
    plain = cut.sum(axis=1) == 2
    segments = [edge[plain][cut[plain]].reshape(-1, 2, 2)]
    for n in range(4):
        saddle = ~plain & within[:, n]
        segments.append(edge[saddle][:, [n - 1, n]])
    return np.concatenate(segments)


def outermost(inner: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Voxels that are the first or last of the mask on all three grid lines through them: every hull vertex is one."""
    out: NDArray[np.bool_] = inner.copy()
    for axis in range(3):
        view = np.moveaxis(inner, axis, 2)
        ends = np.zeros_like(view)
        np.put_along_axis(ends, view.argmax(axis=2)[..., None], True, axis=2)
        np.put_along_axis(ends, view.shape[2] - 1 - view[..., ::-1].argmax(axis=2)[..., None], True, axis=2)
        out &= np.moveaxis(ends, 2, axis)
    return out


def filled_box(mask: NDArray[np.bool_]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The mask's bounding box (start, stop). Raises MaskError when it is empty."""
    box = bounding_box(mask)
    if box is None:
        raise MaskError("The mask is empty: it contains no voxel. Outline the lesion and save it again.")
    return box


def first_row(rows: Floats) -> int:
    """Index of the row that is largest in the first column, then the second, ..., with equality up to ``TIE_MM``."""
    left = np.arange(len(rows))
    for column in rows.T:
        left = left[column[left] > column[left].max() - TIE_MM]
    return int(left[0])

"""How long a lesion is: the bidimensional axes in the patient's axial plane and the largest diameter in space.

Where the surface lies. All diameters run between points of one surface: the 0.5 level of the mask (1 inside, 0 outside)
interpolated linearly between voxel centres, that is half a voxel beyond the outermost centres along each axis of the grid. These
are the vertices of the marching-cubes mesh on which IBSI and pyradiomics define diameters, and what a ruler reads edge to edge.
For rotated ellipses and rectangles of 5-100 mm at many positions the longest diameter so defined is off by -0.5 to +0.9 voxels on
average, depending on the shape; between voxel centres it would be by -1.4 to 0. A single voxel is as long as its longest edge.

Everything is computed in patient coordinates and ties are broken there, so that flipping or permuting the axes of the array
changes nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.distance import cdist

from AdrenalClassifierLib.imaging.axial_planes import (
    FAN,
    TIE_MM,
    AxialPlanes,
    Floats,
    axial_planes,
    filled_box,
    first_row,
    outermost,
)
from AdrenalClassifierLib.imaging.geometry import Geometry, Vector
from AdrenalClassifierLib.imaging.resample import boxed

PAIRED_AT_ONCE = 1000
"""Points whose distances to all others are held in memory together."""


@dataclass(frozen=True)
class Diameter:
    """A straight line between two points of the lesion's surface.

    Attributes:
        length_mm: its length.
        ends: its end points, LPS mm.
    """

    length_mm: float
    ends: tuple[Vector, Vector]


@dataclass(frozen=True)
class AxialAxes:
    """The bidimensional measurement: both diameters lie in one axial plane and are perpendicular."""

    long: Diameter
    short: Diameter


def axial_axes(mask: NDArray[np.bool_], geometry: Geometry) -> AxialAxes:
    """Longest in-plane diameter and the longest diameter perpendicular to it, as RECIST and WHO measure.

    The plane is an axial plane of the patient (its normal is S), whatever the array's orientation. When one axis of the grid
    runs along S the slices are used as they are; otherwise the linearly interpolated mask is sampled on axial planes, one of
    them through its most central voxel, no farther apart than the smallest voxel edge.

    - long axis: the largest distance between two points of the lesion's outline in one plane, over all planes [RECIST 1.1:
      Eisenhauer, Eur J Cancer 2009;45:228: longest diameter in the plane of measurement].
    - short axis: in the same plane, among lines perpendicular to the long axis, the largest distance between the outermost
      points of the outline on one line [WHO handbook 48 (1979): largest perpendicular diameter].

    Both lines may cross a notch of the outline; their ends always lie on it. Of planes with equal long axes the one with the
    largest section is taken, then the one nearest to the lesion's centre, then the upper one; of equal long axes in a plane the
    one with the longer short axis.

    Args:
        mask: bool (k, j, i), at least one voxel.
        geometry: its grid, of any orientation and handedness.

    Raises:
        MaskError: the mask is empty.
    """
    planes = axial_planes(mask, geometry)
    best, plane = -1.0, -1
    for candidate in np.argsort(-planes.gauge, kind="stable"):
        # The gauge is a lower bound; a slice can exceed it by the fan's gap only.
        if planes.gauge[candidate] / math.cos(math.pi / (2 * FAN)) < best - TIE_MM:
            break
        longest = planes.longest(candidate)
        if longest > best + TIE_MM or (longest > best - TIE_MM and planes.precedes(candidate, plane)):
            plane = int(candidate)
        best = max(best, longest)
    outline = planes.outline(plane)
    pairs = [planes.in_order(plane, pair) for pair in _equally_long(planes.rim(plane))]
    choices = [AxialAxes(_line(planes, plane, pair), _line(planes, plane, _widest_across(outline, pair))) for pair in pairs]
    widest = max(choice.short.length_mm for choice in choices)
    kept = [choice for choice in choices if choice.short.length_mm > widest - TIE_MM]
    return kept[first_row(np.array([[*c.long.ends[0], *c.long.ends[1]] for c in kept]))]


def max_3d_diameter(mask: NDArray[np.bool_], geometry: Geometry) -> Diameter:
    """Maximum 3D diameter (IBSI L0JK): the largest distance between two vertices of the surface mesh.

    Args:
        mask: bool (k, j, i), at least one voxel; a point, a line or a sheet of voxels will do.
        geometry: its grid, of any orientation and handedness.

    Raises:
        MaskError: the mask is empty.
    """
    start, stop = filled_box(mask)
    corners: Floats = np.argwhere(outermost(boxed(mask, start, stop))) * np.asarray(geometry.spacing)
    half = np.concatenate([np.diag(geometry.spacing), -np.diag(geometry.spacing)]) / 2
    try:
        hull = corners[ConvexHull(corners).vertices] if len(corners) > 50 else corners
    except QhullError:
        # A line or a sheet has no volume; the vertices around it have.
        around = (corners[:, None] + half).reshape(-1, 3)
        hull = np.unique(ConvexHull(around).vertices // len(half))
        hull = corners[hull]
    first, second = _farthest_pairs(hull, np.asarray(geometry.spacing))
    rotation = np.asarray(geometry.axes)
    base = geometry.to_world(np.asarray(start))
    lines = []
    for p, q in zip(first, second, strict=True):
        a, b = (p + half)[:, None], (q + half)[None]
        length = np.linalg.norm(a - b, axis=2)
        for m, n in np.argwhere(length > length.max() - TIE_MM):
            ends = np.stack([p + half[m], q + half[n]]) @ rotation + base
            lines.append((float(length[m, n]), ends[:: 1 if first_row(ends) == 0 else -1]))
    longest = max(line[0] for line in lines)
    kept = np.stack([ends for length, ends in lines if length > longest - TIE_MM])
    a, b = kept[first_row(kept.reshape(-1, 6))]
    return Diameter(longest, (_vector(a), _vector(b)))


# -- lines ---------------------------------------------------------------------------------------------------------


def _equally_long(rim: Floats) -> list[Floats]:
    """Every pair (2, 2) of points (n, 2) whose distance is the largest."""
    distance = np.triu(cdist(rim, rim))
    return [rim[[m, n]] for m, n in np.argwhere(distance > distance.max() - TIE_MM)]


def _widest_across(outline: Floats, pair: Floats) -> Floats:
    """The ends (2, 2) of the longest line perpendicular to ``pair`` between outermost points of the segments (n, 2, 2).

    Between the vertices the outermost points move along straight segments, so the longest line passes through a vertex.
    """
    along = (pair[1] - pair[0]) / np.linalg.norm(pair[1] - pair[0])
    across = np.array([-along[1], along[0]])
    place, height = (outline - pair.mean(axis=0)) @ along, (outline - pair.mean(axis=0)) @ across
    swap = place[:, 0] > place[:, 1]
    place[swap], height[swap] = place[swap, ::-1], height[swap, ::-1]
    stops = np.unique(place)
    first = np.searchsorted(stops, place[:, 0] - TIE_MM)
    after = np.searchsorted(stops, place[:, 1] + TIE_MM, side="right")
    count = after - first
    which = np.repeat(np.arange(len(place)), count)
    stop = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    t0, t1, h0, h1 = (x[which] for x in (place[:, 0], place[:, 1], height[:, 0], height[:, 1]))
    steep = t1 - t0 < TIE_MM
    share = np.clip((stops[stop] - t0) / np.where(steep, 1, t1 - t0), 0, 1)
    level = h0 + share * (h1 - h0)
    top, bottom = np.full(stops.size, -np.inf), np.full(stops.size, np.inf)
    np.maximum.at(top, stop, np.where(steep, np.maximum(h0, h1), level))
    np.minimum.at(bottom, stop, np.where(steep, np.minimum(h0, h1), level))
    length = top - bottom
    widest = np.flatnonzero(length > length.max() - TIE_MM)
    middle = np.abs(stops[widest])
    chosen = widest[middle < middle.min() + TIE_MM][-1]
    return np.asarray(pair.mean(axis=0) + stops[chosen] * along + np.array([[bottom[chosen]], [top[chosen]]]) * across)


def _farthest_pairs(points: Floats, spacing: Floats) -> tuple[Floats, Floats]:
    """Pairs among voxel centres (n, 3) whose surroundings hold the two mesh vertices farthest from each other.

    The vertices lie half a voxel from the centres along one axis each. For centres v apart the farthest two lie along the same
    axis, on opposite sides: moving along axes a and b instead gains less than the mean of what a alone and b alone gain.
    """
    best, pairs = -1.0, []
    for low in range(0, len(points), PAIRED_AT_ONCE):
        near = points[low : low + PAIRED_AT_ONCE]
        rough = cdist(near, points[low:])
        reach = max(best, float(rough.max()))
        m, n = np.nonzero(rough > reach - spacing.max() - TIE_MM)
        if m.size == 0:
            continue
        n += low
        v = np.abs(near[m] - points[n])
        length = np.sqrt((v**2).sum(axis=1) + (2 * v * spacing + spacing**2).max(axis=1))
        best = max(best, float(length.max()))
        keep = length > best - TIE_MM
        pairs.append((length[keep], near[m[keep]], points[n[keep]]))
    length, p, q = (np.concatenate(part) for part in zip(*pairs, strict=True))
    keep = length > best - TIE_MM
    return p[keep], q[keep]


def _line(planes: AxialPlanes, plane: int, ends: Floats) -> Diameter:
    """The line between two in-plane points (2, 2), its ends in the order of their patient coordinates."""
    a, b = planes.place(plane, planes.in_order(plane, ends))
    return Diameter(float(np.linalg.norm(ends[1] - ends[0])), (_vector(a), _vector(b)))


def _vector(values: Floats) -> Vector:
    x, y, z = (float(v) for v in values)
    return (x, y, z)

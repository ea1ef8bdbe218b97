"""Form of a lesion: IBSI morphological features on a mesh (family HCUG) and two of our own."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from AdrenalClassifierLib.imaging.marching_cubes import COUNT, EDGES, FIRST, TRIANGLES

Floats = NDArray[np.float64]
Spacing = tuple[float, float, float]

LEVEL = 0.5
_CORNERS = np.array([[c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(8)])
_ENDS = np.array(EDGES)


@dataclass(frozen=True)
class Shape:
    """Features of one surface.

    Attributes:
        volume_mm3: mesh volume V (RNU0).
        area_mm2: mesh area A (C0JK).
        sphericity: (36 pi V2)^(1/3) / A (QCFX).
        solidity: V over the volume of the convex hull of the mesh (R3ER).
        hull_area_ratio: A over the area of that hull (7T7F).
        elongation: square root of the second over the first principal moment of the voxels (Q3CK); 1 for a single voxel.
        flatness: square root of the third over the first (N17B); 1 for a single voxel.
        lobulation: see :func:`lobulation`.
    """

    volume_mm3: float
    area_mm2: float
    sphericity: float
    solidity: float
    hull_area_ratio: float
    elongation: float
    flatness: float
    lobulation: float | None


def shape_of(field: NDArray[np.floating], spacing: Spacing) -> Shape:
    """Shape of the region where ``field`` is at least 0.5, at least one voxel.

    Args:
        field: (k, j, i), a mask or the share of each voxel that lies in the lesion; beyond its border counts as 0.
        spacing: mm along (k, j, i).
    """
    voxels = np.argwhere(np.asarray(field) >= LEVEL) * np.asarray(spacing)
    centre = voxels.mean(axis=0)
    moments, axes = np.linalg.eigh(np.cov(voxels.T, bias=True)) if len(voxels) > 1 else (np.ones(3), np.eye(3))
    moments = np.clip(moments, 0, None)
    triangles = mesh(field, spacing) - centre
    a, b, c = np.moveaxis(triangles, 1, 0)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    volume = abs(float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum())) / 6
    area = float(areas.sum())
    hull = ConvexHull(_outermost_vertices(field, spacing))
    return Shape(
        volume_mm3=volume,
        area_mm2=area,
        sphericity=(36 * math.pi * volume**2) ** (1 / 3) / area,
        solidity=volume / float(hull.volume),
        hull_area_ratio=area / float(hull.area),
        elongation=math.sqrt(moments[1] / moments[2]),
        flatness=math.sqrt(moments[0] / moments[2]),
        lobulation=lobulation(triangles.mean(axis=1) @ axes, areas, moments) if len(voxels) > 1 else None,
    )


def lobulation(points: Floats, weights: Floats, moments: Floats) -> float | None:
    """How far a surface strays from the ellipsoid of equal moments: SD of the radial deviation over the mean radius.

    Points are seen from the centre in the coordinates in which that ellipsoid is the unit ball (a solid ellipsoid of half axes r
    has the moments r^2 / 5). 0 for every ellipsoid. Not an IBSI feature. None for a flat region, which has no such ellipsoid.

    Args:
        points: (n, 3) on the surface, from the region's centre along its principal axes.
        weights: (n,) areas.
        moments: (3,) second moments of the region along these axes, ascending.
    """
    if moments[0] <= 1e-9 * moments[2]:
        return None
    radius = np.linalg.norm(points / np.sqrt(5 * moments), axis=1)
    mean = float(np.average(radius, weights=weights))
    return math.sqrt(float(np.average((radius - mean) ** 2, weights=weights))) / mean


def craniocaudal_ratio(mask: NDArray[np.bool_]) -> float | None:
    """SD of the voxels along the patient's long axis over their SD across it (root mean square of two); 1 for a ball.

    Args:
        mask: (k, j, i) on an isotropic grid whose axis k runs along S. None for a mask of one voxel's width.
    """
    spread = np.argwhere(mask).var(axis=0)
    across = float(spread[1:].mean())
    return math.sqrt(float(spread[0]) / across) if across > 0 else None


def mesh(field: NDArray[np.floating], spacing: Spacing) -> Floats:
    """Corners (t, 3, 3) in mm of the triangles on which ``field`` is 0.5, by marching cubes.

    On a mask of 0 and 1 the corners lie midway between voxel centres: the mesh on which IBSI defines shape. On a smooth field
    (the share of each voxel in the lesion) they are interpolated linearly.

    Args:
        field: (k, j, i); beyond its border counts as 0.
        spacing: mm along (k, j, i).
    """
    values = np.pad(np.asarray(field, np.float64), 1)
    inside = (values >= LEVEL).view(np.uint8)
    pairs = inside[..., :-1] | inside[..., 1:] << np.uint8(1)
    squares = pairs[:, :-1] | pairs[:, 1:] << np.uint8(2)
    cases = squares[:-1] | squares[1:] << np.uint8(4)
    cube = np.flatnonzero((cases != 0) & (cases != 255))
    found = cases.ravel()[cube]
    count = COUNT[found]
    row = np.arange(count.sum()) + np.repeat(FIRST[found] - (np.cumsum(count) - count), count)
    corner = np.stack(np.unravel_index(np.repeat(cube, count), cases.shape), axis=1)
    first, second = (corner[:, None] + _CORNERS[_ENDS[TRIANGLES[row], end]] for end in (0, 1))
    low, high = (values[p[..., 0], p[..., 1], p[..., 2]] for p in (first, second))
    along = ((LEVEL - low) / (high - low))[..., None]
    return np.asarray((first + along * (second - first) - 1) * np.asarray(spacing))


def _outermost_vertices(field: NDArray[np.floating], spacing: Spacing) -> Floats:
    """The first and last vertex (n, 3) of the mesh on every row of voxels along each axis: among them are all of its hull."""
    values = np.pad(np.asarray(field, np.float64), 1)
    out = []
    for axis in range(3):
        rows = np.moveaxis(values, axis, -1)
        crossed = (rows[..., 1:] >= LEVEL) != (rows[..., :-1] >= LEVEL)
        where = np.argwhere(crossed.any(axis=-1))
        some = crossed[where[:, 0], where[:, 1]]
        for place in (some.argmax(axis=1), some.shape[1] - 1 - some[:, ::-1].argmax(axis=1)):
            low, high = rows[where[:, 0], where[:, 1], place], rows[where[:, 0], where[:, 1], place + 1]
            along = place + (LEVEL - low) / (high - low) - 1
            out.append(np.insert(where - 1.0, axis, along, axis=1))
    return np.asarray(np.concatenate(out) * np.asarray(spacing))

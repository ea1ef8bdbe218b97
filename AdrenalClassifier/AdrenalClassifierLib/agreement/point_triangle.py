"""Squared distances from points to the triangles of the marching cubes table, many at a time."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.agreement.surface import SIXTHS, Floats
from AdrenalClassifierLib.imaging.geometry import Vector
from AdrenalClassifierLib.imaging.marching_cubes import MIDDLES, TRIANGLES

Singles = NDArray[np.float32]


@lru_cache(maxsize=64)
def frames(spacing: Vector) -> Singles:
    """For every table triangle ABC the 19 numbers that ``squared_distances`` needs, (19, 820).

    Rows: 0-8 the rotation (with scaling from sixths of a voxel to mm) into a frame with A at the origin, B on +x and C at y > 0;
    9-11 its translation; 12 |AB|; 13, 14 direction of BC; 15 |BC|; 16, 17 direction of AC; 18 |AC|.
    """
    a, b, c = np.moveaxis(MIDDLES[TRIANGLES] * (np.asarray(spacing) / 2), 1, 0)
    x = (b - a) / np.linalg.norm(b - a, axis=1, keepdims=True)
    z = np.cross(b - a, c - a)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    y = np.cross(z, x)
    rotation = np.stack([x, y, z], axis=1)
    shift = -np.einsum("nij,nj->ni", rotation, a)
    flat_c = np.einsum("nij,nj->ni", rotation, c - a)[:, :2]
    ab = np.linalg.norm(b - a, axis=1)
    bc = flat_c - np.stack([ab, np.zeros_like(ab)], axis=1)
    l_bc, l_ac = np.linalg.norm(bc, axis=1), np.linalg.norm(flat_c, axis=1)
    scaled = (rotation * (np.asarray(spacing) / SIXTHS)).reshape(-1, 9)
    edges = [ab[:, None], bc / l_bc[:, None], l_bc[:, None], flat_c / l_ac[:, None], l_ac[:, None]]
    return np.ascontiguousarray(np.concatenate([scaled, shift, *edges], axis=1).T, np.float32)


def squared_distances(p: Singles, q: Singles, r: Singles, t: Singles) -> Singles:
    """(n,): squared distance in mm2 of points to triangles.

    Args:
        p, q, r: (n,) position along k, j, i in sixths of a voxel from corner 0 of the triangle's cube.
        t: (19, n) columns of ``frames``.
    """
    x = t[0] * p + t[1] * q + t[2] * r + t[9]
    y = t[3] * p + t[4] * q + t[5] * r + t[10]
    z = t[6] * p + t[7] * q + t[8] * r + t[11]
    # For each edge: how far the point lies outside its line, and how far beyond its ends.
    zero = np.float32(0)
    over = x - np.minimum(np.maximum(x, zero), t[12])
    nearest = y * y + over * over
    outside = -y
    for start, a, b, edge, sign in ((x - t[12], t[13], t[14], t[15], 1), (x, t[16], t[17], t[18], -1)):
        along = start * a + y * b
        across = (start * b - y * a) * np.float32(sign)
        over = along - np.minimum(np.maximum(along, zero), edge)
        np.minimum(nearest, across * across + over * over, out=nearest)
        np.maximum(outside, across, out=outside)
    nearest *= outside > 0
    result: Singles = nearest + z * z
    return result


def squared_reach(spacing: Vector) -> Floats:
    """(820,): squared mm that a point of each table triangle can lie from the triangle's nearest vertex.

    Acute: the circumradius. Obtuse: the farther of the two points of the longest edge that are as far from the apex as from an
    end.
    """
    corners = MIDDLES[TRIANGLES] * (np.asarray(spacing) / 2)
    short, middle, long = np.sort(np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2), axis=1).T
    half = (short + middle + long) / 2
    area2 = half * (half - short) * (half - middle) * (half - long)
    by_middle = middle**2 * long / (middle**2 + long**2 - short**2)
    by_short = short**2 * long / (short**2 + long**2 - middle**2)
    obtuse = short**2 + middle**2 < long**2
    return np.asarray(np.where(obtuse, np.maximum(by_middle, by_short) ** 2, (short * middle * long) ** 2 / (16 * area2)))

"""The triangulated surface of a mask: marching cubes with vertices midway between inside and outside voxel centres.

No smoothing, so that it is the closed surface that 3D Slicer shows before smoothing and that MeshMetrics measures. Triangles are
kept as table entries in the cubes of a lattice, not as coordinates: differences of positions are then whole numbers, free of
rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from AdrenalClassifierLib.imaging.geometry import Vector
from AdrenalClassifierLib.imaging.marching_cubes import COUNT, FIRST, MIDDLES, TRIANGLES

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

SIXTHS = 6
"""Centroids lie on sixths of a voxel: thirds of vertices that lie on halves."""
CENTROIDS: Ints = MIDDLES[TRIANGLES].sum(axis=1).astype(np.int32)
"""(820, 3): centroid of every table triangle in sixths of a voxel from corner 0 of its cube."""


@dataclass(frozen=True)
class Surface:
    """A closed surface of triangles around a mask.

    Attributes:
        spacing: mm between voxel centres along (k, j, i).
        cases: uint8 (k, j, i), the case of every cube of eight voxel centres; 0 for cubes without surface.
        cube: (t,) flat index into ``cases`` of the cube in which each triangle lies.
        shape: (t,) row of ``marching_cubes.TRIANGLES``.
    """

    spacing: Vector
    cases: NDArray[np.uint8]
    cube: NDArray[np.intp]
    shape: NDArray[np.intp]

    @cached_property
    def corner(self) -> Ints:
        """(t, 3): voxel (k, j, i) at corner 0 of each triangle's cube."""
        return np.stack(np.unravel_index(self.cube, self.cases.shape), axis=1).astype(np.int32)

    @cached_property
    def areas(self) -> Floats:
        """(t,): area of each triangle in mm2."""
        return shape_areas(self.spacing)[self.shape]

    @cached_property
    def mesh(self) -> tuple[Ints, Ints]:
        """Vertices (v, 3) in half voxels, each once, and the triangles' rows (t, 3) in them."""
        points = (self.corner[:, None] * 2 + MIDDLES[TRIANGLES][self.shape]).reshape(-1, 3)
        size = np.asarray(self.cases.shape) * 2 + 1
        flat = (points[:, 0] * int(size[1]) + points[:, 1]) * int(size[2]) + points[:, 2].astype(np.int64)
        _, first, rows = np.unique(flat, return_index=True, return_inverse=True)
        return points[first].astype(np.int32), rows.reshape(-1, 3).astype(np.int32)

    @cached_property
    def fans(self) -> tuple[Ints, Ints]:
        """Triangles around each vertex: those of vertex ``v`` are ``triangles[start[v]:start[v + 1]]``."""
        vertices, rows = self.mesh
        number = np.repeat(np.arange(len(rows), dtype=np.int32), 3)
        table = csr_array((np.ones(rows.size, np.int8), (rows.ravel(), number)), (len(vertices), len(rows)))
        return table.indptr.astype(np.int32, copy=False), table.indices.astype(np.int32, copy=False)


def shape_areas(spacing: Vector) -> Floats:
    """(820,): area in mm2 of every table triangle."""
    a, b, c = np.moveaxis(MIDDLES[TRIANGLES] * (np.asarray(spacing) / 2), 1, 0)
    return np.asarray(np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2)


def triangulate(mask: NDArray[np.bool_], spacing: Vector) -> Surface:
    """The surface of ``mask`` (k, j, i), whose outermost layer on all six sides must be False.

    Where inside voxels touch only diagonally, the case table decides whether they are joined.
    """
    size = tuple(n - 1 for n in mask.shape)
    bits = mask.view(np.uint8)
    pairs = bits[..., :-1] | bits[..., 1:] << np.uint8(1)
    squares = pairs[:, :-1] | pairs[:, 1:] << np.uint8(2)
    cases: NDArray[np.uint8] = squares[:-1] | squares[1:] << np.uint8(4)
    cases[cases == 255] = 0
    flat = cases.ravel()
    where = np.flatnonzero(flat != 0)
    found = flat[where]
    count = COUNT[found]
    shape = np.arange(count.sum()) + np.repeat(FIRST[found] - (np.cumsum(count) - count), count)
    return Surface(spacing, cases.reshape(size), np.repeat(where, count), shape)

"""Exact distances from the triangles of one surface to another surface on the same lattice.

The distance of a triangle is that of its centroid to the nearest point of any triangle of the other surface, as MeshMetrics
defines it (Podobnik & Vrtovec, arXiv 2509.05670). It is exact to single precision.

Near: both surfaces lie in cubes of one lattice, so the cubes around a centroid are looked through by growing distance, and those
whose part of the surface lies in a box farther away than the best distance so far are left out. Far: a tree of vertices. If ``q``
on triangle T is the point nearest to ``p``, then p - q is perpendicular to the edge or plane in whose interior q lies, so some
vertex v of T has |p - v|^2 <= |p - q|^2 + r^2, where r is the largest distance of a point of T from T's nearest vertex. Going
through the vertices by distance from p and testing the triangles around each, the search is over at the first v with
|p - v|^2 > best^2 + r^2.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from AdrenalClassifierLib.agreement.point_triangle import Singles, frames, squared_distances, squared_reach
from AdrenalClassifierLib.agreement.surface import CENTROIDS, SIXTHS, Floats, Ints, Surface
from AdrenalClassifierLib.imaging.geometry import Vector
from AdrenalClassifierLib.imaging.marching_cubes import COUNT, FIRST, MIDDLES, TRIANGLES

NEAR_VOXELS, NEXT_VOXELS = 4, 8
"""Cubes within this many times the smallest spacing are looked through; for many points a tree is faster beyond the first,
for few (``FEW``, of the points worked on together) beyond the second."""
FEW = 1 << 11
AT_ONCE = 1 << 14
"""Points worked on together: intermediate results then stay in the processor's cache."""
INSIDE = int(CENTROIDS.max()) / SIXTHS
"""No centroid is nearer than 1 - INSIDE voxels to a face of its cube (the table is symmetric in this)."""
NEIGHBOURS = 4
"""Vertices looked up in the tree at first; where they do not suffice, four times as many are."""
ROUNDING = 1e-5
"""Relative widening of bounds, far above what single precision loses."""


def distances(source: Surface, target: Surface) -> Floats:
    """(t,): mm from the centroid of each triangle of ``source`` to the surface ``target``.

    Both surfaces must come from masks of one shape and spacing and have at least one triangle.
    """
    best = np.full(len(source.shape), np.inf, np.float32)
    far = _near(source, target, best)
    if far.size:
        _far(
            source.corner.take(far, axis=0) * np.int32(SIXTHS) + CENTROIDS.take(source.shape.take(far), axis=0), far, target, best
        )
    return np.sqrt(best.astype(np.float64))


# -- cubes around the point ----------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _offsets(spacing: Vector) -> tuple[NDArray[np.intp], Floats, tuple[tuple[int, int], ...]]:
    """Offsets (n, 3) between cubes by growing distance; squared mm (n + 1,) that a centroid is away from such a cube at least
    (the last one for all cubes that are not listed); and the ranges looked through together."""
    s = np.asarray(spacing)
    limit = NEXT_VOXELS * s.min()
    reach = np.floor(limit / s).astype(int) + 1
    offset = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    gap = (np.maximum(np.abs(offset) - INSIDE, 0) * s) ** 2
    order = np.lexsort((((offset * s) ** 2).sum(axis=1), gap.sum(axis=1)))
    offset, squared = offset[order], gap.sum(axis=1)[order]
    kept = squared <= limit**2
    offset, squared = offset[kept], squared[kept]
    beyond = (((reach + 1 - INSIDE) * s) ** 2).min()
    stops = [0, 1, 9, 25, *range(57, len(offset) + 32, 32)]
    # The last range is filled up with the cube itself: a power of two divides fast.
    offset = np.concatenate([offset, np.zeros((stops[-1] - len(offset), 3), offset.dtype)])
    squared = np.append(squared, np.full(stops[-1] - len(squared) + 1, min(beyond, limit**2)))
    return offset, squared, tuple(itertools.pairwise(stops))


@lru_cache(maxsize=64)
def _boxes(spacing: Vector) -> tuple[Singles, Singles]:
    """(3, 256): lower and upper border in mm, from corner 0, of the box around the triangles of each case."""
    low, high = np.zeros((3, 256), np.float32), np.zeros((3, 256), np.float32)
    for case in np.flatnonzero(COUNT):
        points = MIDDLES[TRIANGLES[FIRST[case] : FIRST[case] + COUNT[case]].ravel()] * (np.asarray(spacing) / 2)
        low[:, case], high[:, case] = points.min(axis=0), points.max(axis=0)
    return low, high


def _near(source: Surface, target: Surface, best: Singles) -> NDArray[np.intp]:
    """Lower ``best`` (squared mm) by the cubes around each centroid; the centroids whose distance that does not settle."""
    offset, gap, ranges = _offsets(source.spacing)
    margin = np.abs(offset).max(axis=0)
    cases = np.pad(target.cases, [(int(m), int(m)) for m in margin])
    steps = np.array([cases.shape[1] * cases.shape[2], cases.shape[2], 1])
    jump = offset @ steps
    flat = (source.corner + margin) @ steps
    tables = _Tables(source.spacing, offset)
    near2 = (NEAR_VOXELS * min(source.spacing)) ** 2
    codes = cases.ravel()
    unsettled = []
    for low in range(0, len(flat), AT_ONCE):
        here, shape = flat[low : low + AT_ONCE], source.shape[low : low + AT_ONCE]
        mine = best[low : low + AT_ONCE]
        active, reached = np.arange(len(here)), gap[-1]
        for first, stop in ranges:
            active = active[mine.take(active) > gap[first]] if first else active
            if active.size == 0:
                break
            if active.size > FEW and gap[first] > near2:
                reached = gap[first]
                break
            found = codes.take(here.take(active)[:, None] + jump[first:stop]).ravel()
            hit = np.flatnonzero(found != 0)
            if hit.size:
                width = stop - first
                row, column = hit >> (width.bit_length() - 1), (hit & (width - 1)) + first
                tables.lower(mine, active.take(row), shape, column, found.take(hit).astype(np.intp))
        unsettled.append(low + active[mine.take(active) > reached])
    return np.concatenate(unsettled)


class _Tables:
    """What is needed to test cubes against points, by shape of the source triangle, offset and case of the cube."""

    def __init__(self, spacing: Vector, offset: NDArray[np.intp]) -> None:
        self.frames = frames(spacing)
        self.low, self.high = _boxes(spacing)
        self.to_mm = (np.asarray(spacing) / SIXTHS).astype(np.float32)
        self.centroid = CENTROIDS.T.astype(np.float32)
        self.shift = (offset.T * SIXTHS).astype(np.float32)

    def lower(
        self,
        best: Singles,
        point: NDArray[np.intp],
        shape: NDArray[np.intp],
        offset: NDArray[np.intp],
        case: NDArray[np.intp],
    ) -> None:
        """Lower ``best`` of points, given in ascending order and each with the offset and case of a cube, by those cubes."""
        of = shape.take(point)
        place = [self.centroid[axis].take(of) - self.shift[axis].take(offset) for axis in range(3)]
        bound = np.zeros(len(point), np.float32)
        for axis in range(3):
            x = place[axis] * self.to_mm[axis]
            gap = np.maximum(self.low[axis].take(case) - x, x - self.high[axis].take(case))
            np.maximum(gap, np.float32(0), out=gap)
            bound += gap * gap
        keep = np.flatnonzero(bound * np.float32(1 - ROUNDING) < best.take(point))
        if keep.size == 0:
            return
        point, case = point.take(keep), case.take(keep)
        count = COUNT.take(case)
        ends = np.cumsum(count)
        triangle = np.arange(ends[-1]) + np.repeat(FIRST.take(case) - (ends - count), count)
        p, q, r = (np.repeat(x.take(keep), count) for x in place)
        squared = squared_distances(p, q, r, self.frames.take(triangle, axis=1))
        starts = np.flatnonzero(np.diff(point, prepend=-1))
        points = point.take(starts)
        best[points] = np.minimum(best.take(points), np.minimum.reduceat(squared, (ends - count).take(starts)))


# -- tree of vertices ----------------------------------------------------------------------------------------------


def _far(points: Ints, number: NDArray[np.intp], target: Surface, best: Singles) -> None:
    """Lower ``best[number]`` (squared mm) to the exact distance of points (n, 3), in sixths of a voxel."""
    vertices, _ = target.mesh
    tree = cKDTree(vertices * (np.asarray(target.spacing) / 2), balanced_tree=False)
    reach2 = np.float32(squared_reach(target.spacing)[target.shape].max() * (1 + ROUNDING))
    start, triangles = target.fans
    base = (target.corner * np.int32(SIXTHS)).take(triangles, axis=0)
    shapes = target.shape.take(triangles)
    table = frames(target.spacing)
    positions = points * (np.asarray(target.spacing) / SIXTHS)
    left = np.arange(len(points))
    done, neighbours = 0, min(NEIGHBOURS, len(vertices))
    while left.size:
        length, vertex = tree.query(positions[left], range(done + 1, neighbours + 1))
        squared = (length * length * (1 - ROUNDING)).astype(np.float32)
        rows = np.arange(len(left))
        for rank in range(neighbours - done):
            rows = rows[squared[rows, rank] <= best[number[left[rows]]] + reach2]
            for low in range(0, len(rows), AT_ONCE // 4):
                part = rows[low : low + AT_ONCE // 4]
                chosen, v = left[part], vertex[part, rank]
                first = start.take(v)
                count = start.take(v + 1) - first
                offset = np.cumsum(count, dtype=np.int32) - count
                row = np.repeat(first - offset, count) + np.arange(int(count.sum()), dtype=np.int32)
                local = np.repeat(points.take(chosen, axis=0), count, axis=0) - base.take(row, axis=0)
                p, q, r = np.ascontiguousarray(local.T, np.float32)
                found = np.minimum.reduceat(squared_distances(p, q, r, table.take(shapes.take(row), axis=1)), offset)
                best[number[chosen]] = np.minimum(best[number[chosen]], found)
        if neighbours == len(vertices):
            break
        left = left[rows]
        done, neighbours = neighbours, min(4 * neighbours, len(vertices))

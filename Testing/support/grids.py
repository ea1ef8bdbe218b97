"""Grids, shapes and rearranged copies for tests."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.imaging.geometry import Geometry, Vector
from AdrenalClassifierLib.imaging.images import CtImage, Segment

Array = NDArray[np.float64]


def _axes(rows: Array) -> tuple[Vector, Vector, Vector]:
    a, b, c = (tuple(float(x) for x in row) for row in rows)
    return (a, b, c)  # type: ignore[return-value]


def oblique_grid(
    shape: tuple[int, int, int], spacing: Vector, origin: Vector, mirror: bool, degrees: Vector = (20.0, -15.0, 33.0)
) -> Geometry:
    """A grid turned about all three axes; ``mirror`` makes it left-handed."""
    rows = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], float) @ Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    if mirror:
        rows[1] *= -1
    return Geometry(shape, spacing, _axes(rows), origin)


def rotated(grid: Geometry, degrees: float) -> Geometry:
    """``grid`` turned about the S axis."""
    rows = np.asarray(grid.axes) @ Rotation.from_euler("z", degrees, degrees=True).as_matrix()
    return Geometry(grid.shape, grid.spacing, _axes(rows), grid.origin)


def rearranged(
    array: NDArray[np.generic], grid: Geometry, order: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> tuple[NDArray[np.generic], Geometry]:
    """The same image stored with its array axes in another order and some of them reversed."""
    corner = np.array([n - 1 if flip else 0 for n, flip in zip(np.array(grid.shape)[list(order)], flips, strict=True)], float)
    index = np.zeros(3)
    index[list(order)] = corner
    rows = np.asarray(grid.axes)[list(order)] * np.where(flips, -1.0, 1.0)[:, None]
    out = array.transpose(order)[tuple(slice(None, None, -1 if flip else 1) for flip in flips)]
    x, y, z = grid.to_world(index)
    spacing = tuple(grid.spacing[a] for a in order)
    return np.ascontiguousarray(out), Geometry(out.shape, spacing, _axes(rows), (float(x), float(y), float(z)))  # type: ignore[arg-type]


def arrangements() -> list[tuple[tuple[int, int, int], tuple[bool, bool, bool]]]:
    """All 48 ways to store one image."""
    return [
        (order, flips)  # type: ignore[misc]
        for order in itertools.permutations(range(3))
        for flips in itertools.product((False, True), repeat=3)
    ]


def ellipsoid(grid: Geometry, centre: Vector, radii: Vector, turn: Rotation | None = None) -> NDArray[np.bool_]:
    """Voxels whose centre lies inside the ellipsoid with half axes ``radii`` (x, y, z in mm), turned by ``turn``."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
    offset = grid.to_world(index) - np.asarray(centre)
    if turn is not None:
        offset = turn.inv().apply(offset.reshape(-1, 3)).reshape(offset.shape)
    return ((offset / np.asarray(radii)) ** 2).sum(axis=-1) <= 1


def phantom(grid: Geometry, mask: NDArray[np.bool_], inside: float = 35.0, outside: float = -95.0, noise: float = 8.0) -> CtImage:
    """A CT with one attenuation inside the mask, another outside, and noise that belongs to the voxel's position."""
    hu = np.where(mask, inside, outside) + np.random.default_rng(7).normal(0, noise, grid.shape)
    return CtImage(np.rint(hu).astype(np.int16), grid, "unenhanced")


def segment(mask: NDArray[np.bool_], grid: Geometry, name: str = "lesion", number: int = 1) -> Segment:
    """A segment from a mask."""
    return Segment(number, name, mask, grid)

"""Move an image to another grid. Crop first: cost follows the size of the target, not of the scan."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.geometry import Geometry

SAME_LATTICE_VOXELS = 0.25
"""Centres of two grids that lie closer together than this are each other's nearest, whatever the rounding (the bound is 0.5)."""


def to_sitk(array: NDArray[Any], geometry: Geometry) -> sitk.Image:
    """A SimpleITK image with the voxels of ``array`` (k, j, i) and its place in the patient; bool becomes uint8."""
    image = sitk.GetImageFromArray(array.astype(np.uint8) if array.dtype == np.bool_ else np.ascontiguousarray(array))
    image.SetSpacing([float(s) for s in reversed(geometry.spacing)])
    image.SetOrigin([float(x) for x in geometry.origin])
    # SimpleITK wants the direction matrix by rows, its columns being the axes i, j, k.
    image.SetDirection([float(x) for x in np.asarray(geometry.axes)[::-1].T.ravel()])
    return image


def geometry_of(image: sitk.Image) -> Geometry:
    """The grid of a three-dimensional SimpleITK image. Raises GeometryError."""
    size, spacing = image.GetSize(), image.GetSpacing()
    columns = np.array(image.GetDirection(), dtype=float).reshape(3, 3).T
    x, y, z = image.GetOrigin()
    i, j, k = (tuple(float(v) for v in column) for column in columns)
    return Geometry(
        (int(size[2]), int(size[1]), int(size[0])),
        (float(spacing[2]), float(spacing[1]), float(spacing[0])),
        (k, j, i),  # type: ignore[arg-type]
        (float(x), float(y), float(z)),
    )


def index_box(geometry: Geometry, world: NDArray[np.float64], margin: int) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """The box of voxels of ``geometry`` around LPS points (n, 3), widened by ``margin`` voxels, cut at the image's border.

    Returns ``(start, stop)``; ``stop <= start`` along an axis where the points lie outside the image.
    """
    index = geometry.to_index(world)
    low = np.clip(np.floor(index.min(axis=0)).astype(int) - margin, 0, geometry.shape)
    high = np.clip(np.ceil(index.max(axis=0)).astype(int) + margin + 1, 0, geometry.shape)
    return (int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2]))


def boxed(array: NDArray[Any], start: tuple[int, int, int], stop: tuple[int, int, int]) -> NDArray[Any]:
    """``array`` between two corners (a view)."""
    return array[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]


def _box(low: NDArray[np.int_], high: NDArray[np.int_]) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    return (int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2]))


def resample_linear(array: NDArray[Any], geometry: Geometry, target: Geometry, outside: float | None) -> NDArray[np.float32]:
    """Trilinear interpolation of ``array`` onto ``target``.

    Args:
        array: (k, j, i), any real type.
        geometry: grid of ``array``.
        target: grid of the result.
        outside: value beyond the border of ``array``; None repeats the border's voxels.

    Returns:
        float32, shape ``target.shape``.
    """
    start, stop = index_box(geometry, target.corners(), margin=2)
    if min(b - a for a, b in zip(start, stop, strict=True)) < 1:
        if outside is not None:
            return np.full(target.shape, outside, np.float32)
        start, stop = (0, 0, 0), geometry.shape
    block: NDArray[np.float32] = np.asarray(boxed(array, start, stop), np.float32)
    if geometry.same_grid(target):
        same: NDArray[np.float32] = block.copy()
        return same
    image = to_sitk(block, geometry.crop(start, stop))
    resampler = sitk.ResampleImageFilter()
    resampler.SetReferenceImage(to_sitk(np.empty(target.shape, np.uint8), target))
    resampler.SetOutputPixelType(sitk.sitkFloat32)
    resampler.SetInterpolator(sitk.sitkLinear)
    if outside is None:
        resampler.UseNearestNeighborExtrapolatorOn()
    else:
        resampler.SetDefaultPixelValue(float(outside))
    # One thread: the blocks are small, and many processes may run beside each other.
    resampler.SetNumberOfThreads(1)
    out: NDArray[np.float32] = sitk.GetArrayFromImage(resampler.Execute(image))
    return out


def resample_mask(mask: NDArray[np.bool_], geometry: Geometry, target: Geometry) -> NDArray[np.bool_]:
    """Nearest-neighbour value of ``mask`` at every voxel centre of ``target``; False beyond the border of ``mask``.

    Ties (a target voxel exactly between two mask voxels) go to the higher index, on every axis, so that results do not
    depend on rounding noise in the files' positions.
    """
    out = np.zeros(target.shape, bool)
    filled = bounding_box(mask)
    if filled is None:
        return out
    edge = np.array([np.asarray(filled[0]) - 0.5, np.asarray(filled[1]) - 0.5])
    corners = np.array([[edge[k, 0], edge[j, 1], edge[i, 2]] for k in (0, 1) for j in (0, 1) for i in (0, 1)])
    start, stop = index_box(target, geometry.to_world(corners), margin=1)
    if min(b - a for a, b in zip(start, stop, strict=True)) < 1:
        return out
    # index in the mask = base + k * step_k + j * step_j + i * step_i
    step = np.linalg.inv(geometry.matrix) @ target.matrix
    base = geometry.to_index(target.to_world(np.asarray(start)))
    size = np.subtract(stop, start)
    whole = np.rint(base).astype(int)
    if float((np.abs(base - whole) + np.abs(step - np.eye(3)) @ size).max()) < SAME_LATTICE_VOXELS:
        # One lattice, as with every mask that was drawn on the scan: what lies nearest is known without looking voxel by voxel.
        low, high = np.maximum(-whole, 0), np.minimum(size, np.asarray(mask.shape) - whole)
        if (high > low).all():
            boxed(out, *_box(low + start, high + start))[:] = boxed(mask, *_box(low + whole, high + whole))
        return out
    inside = np.ones(tuple(b - a for a, b in zip(start, stop, strict=True)), bool)
    index = []
    for axis in range(3):
        grids = [step[axis, a] * np.arange(stop[a] - start[a]).reshape([-1 if b == a else 1 for b in range(3)]) for a in range(3)]
        nearest = np.floor(base[axis] + grids[0] + grids[1] + grids[2] + 0.5 + 1e-6).astype(np.intp)
        inside &= (nearest >= 0) & (nearest < geometry.shape[axis])
        index.append(nearest.clip(0, geometry.shape[axis] - 1))
    boxed(out, start, stop)[:] = mask[index[0], index[1], index[2]] & inside
    return out


def bounding_box(mask: NDArray[np.bool_]) -> tuple[tuple[int, int, int], tuple[int, int, int]] | None:
    """``(start, stop)`` of the smallest box that holds every True voxel of (k, j, i); None for an empty mask."""
    k = np.flatnonzero(mask.any(axis=(1, 2)))
    if k.size == 0:
        return None
    plane: NDArray[np.bool_] = np.any(mask[k[0] : k[-1] + 1], axis=0)
    j = np.flatnonzero(plane.any(axis=1))
    i = np.flatnonzero(plane.any(axis=0))
    return (int(k[0]), int(j[0]), int(i[0])), (int(k[-1]) + 1, int(j[-1]) + 1, int(i[-1]) + 1)


def patient_aligned(
    hu: NDArray[np.float32], mask: NDArray[np.bool_], geometry: Geometry
) -> tuple[NDArray[np.float32], NDArray[np.bool_], Geometry]:
    """Image and mask with array axes along +S, +P, +L: reordered where the scan's axes allow it, else resampled (trilinear,
    mask by nearest neighbour, at the finest of the grid's spacings; border voxels are repeated outward)."""
    left, posterior, superior = geometry.aligned_to_axes()
    order = (superior, posterior, left)
    axes = np.asarray(geometry.axes)[list(order)]
    world = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], float)
    if np.abs(np.abs(axes) - world).max() > 1e-3:
        spacing = min(geometry.spacing)
        corners = geometry.corners()
        low, high = corners.min(axis=0), corners.max(axis=0)
        count = np.ceil((high - low) / spacing).astype(int) + 1
        target = Geometry(
            (int(count[2]), int(count[1]), int(count[0])),
            (spacing, spacing, spacing),
            ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
            (float(low[0]), float(low[1]), float(low[2])),
        )
        return resample_linear(hu, geometry, target, None), resample_mask(mask, geometry, target), target
    hu, mask = hu.transpose(order), mask.transpose(order)
    shape = np.asarray(geometry.shape)[list(order)]
    spacing_k, spacing_j, spacing_i = (geometry.spacing[a] for a in order)
    signs = np.sign(axes[[0, 1, 2], [2, 1, 0]])
    flips = tuple(slice(None, None, -1) if s < 0 else slice(None) for s in signs)
    corner = np.zeros(3)
    for a, sign, n in zip(order, signs, shape, strict=True):
        corner[a] = n - 1 if sign < 0 else 0
    x, y, z = geometry.to_world(corner)
    aligned = Geometry(
        (int(shape[0]), int(shape[1]), int(shape[2])),
        (spacing_k, spacing_j, spacing_i),
        ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
        (float(x), float(y), float(z)),
    )
    return hu[flips], mask[flips], aligned

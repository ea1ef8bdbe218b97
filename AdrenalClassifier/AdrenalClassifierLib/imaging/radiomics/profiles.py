"""HU along lines across a surface, and how sharp the step is that they cross.

Lines run within the scan's own slices, so that thick slices do not blur them, and are averaged over a few mm along the surface
against noise. Each is judged by its own steepest place, not at the surface given: an outline that is off by a millimetre or two
would look like a soft edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.radiomics.grid import Volume, WorkingGrid

Floats = NDArray[np.float64]

MOST_PROFILES = 1500
"""Design: this many evenly chosen places are enough for a median; cost does not grow with the lesion."""
REACH_MM = 6.0
STRIDE_MM = 0.5
ALONG_MM = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Design: lines beside each other along the surface, averaged to halve the noise."""
STEEPEST_NORMAL = 0.7
"""Design: places where the surface is tilted by more than 45 degrees out of the slice are left out."""
LEAST_PROFILES = 10

PLACE_MM: Floats = np.arange(-REACH_MM, REACH_MM + STRIDE_MM / 2, STRIDE_MM)
"""(t,): where on its line a profile is sampled; negative on the side the normal comes from."""
_BEFORE, _AFTER = PLACE_MM <= -3.5, PLACE_MM >= 3.5


@dataclass(frozen=True)
class Steps:
    """The steps that profiles (n, t) cross, higher values before the surface.

    Attributes:
        before: (n,) mean 3.5-6 mm before the surface.
        after: (n,) mean 3.5-6 mm beyond it.
        width_mm: (n,) step over the steepest slope, within 0.5-12 mm.
        steepest: (n,) index into ``PLACE_MM`` of the steepest place.
    """

    before: Floats
    after: Floats
    width_mm: Floats
    steepest: NDArray[np.intp]


def profiles(grid: WorkingGrid, phase: Phase, index: NDArray[np.integer], uphill: Volume) -> Floats:
    """HU (n, t) along lines through voxels ``index`` (m, 3) of the working grid, n <= m; n is 0 where there are too few.

    Each voxel is moved to the nearest slice of the scan, and its line runs against the gradient of ``uphill``, projected into the
    slice. Lines that leave the scan are left out.
    """
    none: Floats = np.empty((0, PLACE_MM.size))
    if len(index) < LEAST_PROFILES:
        return none
    if len(index) > 4 * MOST_PROFILES:
        index = index[np.linspace(0, len(index) - 1, 4 * MOST_PROFILES).round().astype(int)]
    normal = -np.stack([_slope(uphill, index, axis) for axis in range(3)], axis=1)
    length = np.linalg.norm(normal, axis=1)
    flat = (length > 0) & (np.abs(normal[:, 0]) < STEEPEST_NORMAL * length)
    index, normal = index[flat], normal[flat]
    if len(index) < LEAST_PROFILES:
        return none
    if len(index) > MOST_PROFILES:
        chosen = np.linspace(0, len(index) - 1, MOST_PROFILES).round().astype(int)
        index, normal = index[chosen], normal[chosen]
    native = grid.native_geometry
    spacing = np.asarray(native.spacing)
    world = np.asarray(grid.geometry.origin)[::-1] + index * grid.step_mm
    at = (world - np.asarray(native.origin)[::-1]) / spacing
    across = normal[:, 1:] / np.linalg.norm(normal[:, 1:], axis=1, keepdims=True)
    along = np.stack([-across[:, 1], across[:, 0]], axis=1)
    offset = PLACE_MM[None, :, None, None] * across[:, None, None, :]
    offset = offset + np.asarray(ALONG_MM)[None, None, :, None] * along[:, None, None, :]
    plane = at[:, None, None, 1:] + offset / spacing[1:]
    slices = np.broadcast_to(np.rint(at[:, None, None, 0]), plane.shape[:-1])
    places = [slices, plane[..., 0], plane[..., 1]]
    values = ndimage.map_coordinates(grid.native[phase], places, order=1, mode="constant", cval=np.nan)
    mean: Floats = values.mean(axis=2, dtype=np.float64)
    return mean[np.isfinite(mean).all(axis=1)]


def steps(profile: Floats, search_mm: float) -> Steps:
    """The step of each profile (n, t), whose steepest place is sought up to ``search_mm`` from the surface."""
    before, after = profile[:, _BEFORE].mean(axis=1), profile[:, _AFTER].mean(axis=1)
    slope = (profile[:, :-2] - profile[:, 2:]) / (2 * STRIDE_MM)
    slope[:, np.abs(PLACE_MM[1:-1]) > search_mm] = -np.inf
    steepest = slope.argmax(axis=1)
    width = (before - after) / np.maximum(slope[np.arange(len(slope)), steepest], 1e-3)
    return Steps(before, after, np.clip(width, STRIDE_MM, 2 * REACH_MM), steepest + 1)


def _slope(volume: Volume, index: NDArray[np.integer], axis: int) -> Floats:
    """Central difference along ``axis`` at voxels ``index``, to the border's voxel at the border."""
    up, down = index.copy(), index.copy()
    up[:, axis] = np.minimum(up[:, axis] + 1, volume.shape[axis] - 1)
    down[:, axis] = np.maximum(down[:, axis] - 1, 0)
    return np.asarray(volume[tuple(up.T)] - volume[tuple(down.T)], np.float64)

"""The lesion as the network sees it: two cubes of the patient's axes, whatever the grid of the scan.

The *physical* view shows the lesion at its true scale, so that size is visible; the *fitted* view fills the cube with the
lesion, so that texture and margin of a 15 mm and of a 150 mm mass are seen equally well. Both are centred on the box
around the mask in patient coordinates: the same lesion stored with flipped, permuted or resampled axes gives the same
cubes, because the output grid is defined by the lesion and not by the scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.resample import patient_aligned

Array = NDArray[np.float32]


@dataclass(frozen=True)
class InputSettings:
    """How a lesion becomes the network's input. Stored in the bundle, so that a model always sees what it was trained on.

    Attributes:
        size: edge of the cubes in voxels.
        physical_spacing_mm: voxel of the physical view; the cube spans ``size`` times this.
        fill: share of the fitted cube's edge that the lesion's longest extent takes.
        least_spacing_mm: the fitted view is never finer than this.
        window_hu: attenuation limits; values are clipped to them and scaled to -1..1.
        rim_mm: tissue outside the mask that is shown unchanged.
        fade_mm: beyond the rim, tissue fades over this distance into ``backdrop_hu``: what lies far from the lesion
            (a kidney, a couch, the edge of a small field of view) must not carry the prediction.
        backdrop_hu: attenuation of the faded surroundings, that of fat.
    """

    size: int = 32
    physical_spacing_mm: float = 3.0
    fill: float = 0.75
    least_spacing_mm: float = 0.5
    window_hu: tuple[float, float] = (-150.0, 250.0)
    rim_mm: float = 8.0
    fade_mm: float = 6.0
    backdrop_hu: float = -100.0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {**self.__dict__, "window_hu": list(self.window_hu)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> InputSettings:
        """Inverse of ``to_json``."""
        low, high = value["window_hu"]
        return InputSettings(**{**value, "window_hu": (float(low), float(high))})


VIEWS = ("physical", "fitted")
CHANNELS = ("unenhanced", "enhanced", "mask")
ENHANCED: tuple[Phase, ...] = ("portal", "delayed", "arterial", "unknown")
"""Which phase fills the enhanced channel: the first of these that is at hand. An unknown phase goes there too, with a warning
of its own: on most CT of the abdomen contrast was given."""


@dataclass(frozen=True)
class NetworkInput:
    """What the network gets of one lesion.

    Attributes:
        views: float32, shape ``(2, 3, size, size, size)``: view (physical, fitted), channel (unenhanced and enhanced attenuation
            scaled to -1..1 by ``window_hu``, mask as the share 0..1 of the voxel inside the lesion), then S, P, L. The channel of
            an absent phase is zero.
        present: whether the unenhanced and the enhanced phase are there, shape (2,), 0 or 1.
        phases: the phases used, in the order of the channels.
        spacings_mm: voxel edge of the two views.
        grids: where the two cubes lie in the patient.
    """

    views: Array
    present: Array
    phases: tuple[Phase, ...]
    spacings_mm: tuple[float, float]
    grids: tuple[Geometry, Geometry]


def network_phases(phases: Sequence[Phase]) -> tuple[Phase | None, Phase | None]:
    """Which of the phases at hand fill the unenhanced and the enhanced channel."""
    enhanced = next((phase for phase in ENHANCED if phase in phases), None)
    return ("unenhanced" if "unenhanced" in phases else None), enhanced


def network_input(lesion: Lesion, settings: InputSettings | None = None) -> NetworkInput:
    """Both views of ``lesion``.

    Voxels are averaged with a triangular kernel as wide as the coarser of the two grids, so that fine scans are not
    aliased and coarse ones are interpolated linearly. Beyond the border of the scan the nearest voxel is repeated.
    """
    settings = settings or InputSettings()
    chosen = network_phases(lesion.phases)
    attenuation: list[Array | None] = []
    for phase in chosen:
        hu = None if phase is None else lesion.hu(phase)
        attenuation.append(None if hu is None else _filled(hu, lesion.mask))
    mask, geometry = lesion.mask, lesion.geometry
    for n, volume in enumerate(attenuation):
        if volume is not None:
            attenuation[n], mask, geometry = patient_aligned(volume, lesion.mask, lesion.geometry)
    low, high = _world_box(mask, geometry)
    fitted = max(float((high - low).max()) / (settings.fill * settings.size), settings.least_spacing_mm)
    spacings = (settings.physical_spacing_mm, fitted)
    grids = tuple(_cube((low + high) / 2, spacing, settings.size) for spacing in spacings)
    views = np.stack([_view(attenuation, mask, geometry, grid, settings) for grid in grids])
    present = np.array([volume is not None for volume in attenuation], np.float32)
    used = tuple(phase for phase in chosen if phase is not None)
    return NetworkInput(views, present, used, spacings, (grids[0], grids[1]))


def _filled(hu: Array, mask: NDArray[np.bool_]) -> Array:
    """Voxels that another phase does not cover (NaN) take the lesion's mean there, which adds no structure."""
    missing = np.isnan(hu)
    if not missing.any():
        return hu
    inside = hu[mask & ~missing]
    return np.where(missing, np.float32(inside.mean()), hu)


def _world_box(mask: NDArray[np.bool_], geometry: Geometry) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest (S, P, L) edge in mm of the box around the mask of a patient-aligned grid."""
    low, high = np.empty(3), np.empty(3)
    start = geometry.origin[::-1]
    for axis in range(3):
        filled = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        low[axis] = start[axis] + (filled[0] - 0.5) * geometry.spacing[axis]
        high[axis] = start[axis] + (filled[-1] + 0.5) * geometry.spacing[axis]
    return low, high


def _cube(centre: NDArray[np.float64], spacing: float, size: int) -> Geometry:
    z, y, x = centre - spacing * (size - 1) / 2
    axes = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
    return Geometry((size, size, size), (spacing, spacing, spacing), axes, (float(x), float(y), float(z)))


def _view(
    attenuation: Sequence[Array | None], mask: NDArray[np.bool_], geometry: Geometry, grid: Geometry, settings: InputSettings
) -> Array:
    block, rows = [], []
    for axis in range(3):
        first, weights = _weights(geometry, grid, axis)
        block.append(slice(first, first + weights.shape[1]))
        rows.append(weights)
    box = tuple(block)
    inside = [_without_outside(weights, geometry, grid, axis) for axis, weights in enumerate(rows)]
    share = _separable(mask[box].astype(np.float32), inside)

    core = share >= min(0.5, float(share.max()))  # a lesion smaller than a voxel of this view is still somewhere
    distance = ndimage.distance_transform_edt(~core, sampling=grid.spacing).astype(np.float32)
    keep = np.clip(1 - (distance - settings.rim_mm) / settings.fade_mm, 0, 1)
    low, high = settings.window_hu
    channels = []
    for volume in attenuation:
        if volume is None:
            channels.append(np.zeros_like(share))
            continue
        hu = _separable(np.ascontiguousarray(volume[box]), rows)
        hu = keep * hu + (1 - keep) * np.float32(settings.backdrop_hu)
        channels.append((np.clip(hu, low, high) - (low + high) / 2) / ((high - low) / 2))
    return np.stack([*channels, share]).astype(np.float32)


def _weights(geometry: Geometry, grid: Geometry, axis: int) -> tuple[int, Array]:
    """First voxel needed along ``axis`` and the weights (output, voxels from there) of the triangular kernel."""
    count, step = geometry.shape[axis], geometry.spacing[axis]
    centres = (grid.origin[2 - axis] - geometry.origin[2 - axis] + np.arange(grid.shape[axis]) * grid.spacing[axis]) / step
    centres = centres.clip(0, count - 1)
    half = max(grid.spacing[axis] / step, 1.0)
    first = max(int(np.floor(centres[0] - half)), 0)
    last = min(int(np.ceil(centres[-1] + half)), count - 1)
    distance = np.abs(np.arange(first, last + 1)[None, :] - centres[:, None]) / half
    weights = np.clip(1 - distance, 0, None)
    return first, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def _without_outside(weights: Array, geometry: Geometry, grid: Geometry, axis: int) -> Array:
    """The mask is not repeated beyond the scan: rows whose centre lies outside become zero."""
    position = grid.origin[2 - axis] - geometry.origin[2 - axis] + np.arange(grid.shape[axis]) * grid.spacing[axis]
    step = geometry.spacing[axis]
    outside = (position < -step / 2) | (position > (geometry.shape[axis] - 0.5) * step)
    return np.where(outside[:, None], np.float32(0), weights)


def _separable(block: Array, rows: list[Array]) -> Array:
    """Apply one weight matrix along each axis of ``block``; the axis that shrinks most goes first."""
    for axis in sorted(range(3), key=lambda a: rows[a].shape[0] / rows[a].shape[1]):
        block = np.moveaxis(np.tensordot(rows[axis], block, axes=(1, axis)), 0, axis)
    return block

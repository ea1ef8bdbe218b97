"""The lesion on a working grid of its own: isotropic, along the patient's axes, centred on the lesion.

Radiomic features depend on the voxel [IBSI, Radiology 2020;295:328]; so all lesions are brought to one grid first. It is laid out
by the lesion and not by the scan: the same lesion stored with flipped or permuted axes gives the same voxels.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.errors import GeometryError
from AdrenalClassifierLib.imaging.attenuation import core_of
from AdrenalClassifierLib.imaging.axial_planes import filled_box
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.resample import boxed, patient_aligned

Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]

STEP_MM = 1.5
"""Design: distance of grid points, between the pixel (0.6-1 mm) and the slice (1-5 mm) of abdominal CT."""
MOST_POINTS = 500_000
"""Design: a box with more points than this (a cube of 119 mm) gets a wider step: 2.7 mm around a ball of 20 cm."""
MARGIN_MM = 9.0
"""Tissue around the lesion's box that features may look at."""
EDGE_MM = 2.0
"""Design: depth to which the edge mixes with the surroundings: half a slice or a point spread, and the resampling's kernel."""
LEAST_VOXELS = 20
"""Design: on fewer voxels of the working grid (68 mm3, a ball of 5 mm) what varies inside a lesion is noise."""
SMOOTHING_MM = 1.5
"""Design: SD of the Gaussian that averages noise away within the lesion: 15 HU in 1 mm slices become about 3 HU."""


@dataclass(frozen=True)
class WorkingGrid:
    """A lesion and its surroundings, resampled.

    Attributes:
        step_mm: distance of grid points along all axes.
        geometry: axes k, j, i along S, P, L.
        share: float32 (k, j, i), share 0..1 of each voxel that lies in the lesion.
        phases: HU by phase, float32 (k, j, i); NaN where the scan does not reach.
        native: the crop around the lesion in the scan's own voxels, axes along S, P, L, phases by name; where resampling would
            blur what is sought (the margin).
        native_geometry: their grid.
    """

    step_mm: float
    geometry: Geometry
    share: Volume
    phases: Mapping[Phase, Volume]
    native: Mapping[Phase, Volume]
    native_geometry: Geometry

    @cached_property
    def mask(self) -> Mask:
        """Voxels of which at least half lies in the lesion (IBSI: mask interpolated, threshold 0.5); the fullest, if none do."""
        return self.share >= min(0.5, float(self.share.max()))

    @cached_property
    def core(self) -> Mask:
        """The lesion without its rim (``attenuation.core_of``); the whole mask where it is too small for a core."""
        core = core_of(self.mask, self.geometry)
        return self.mask if core is None else core

    @cached_property
    def depth_mm(self) -> Volume:
        """Distance to the surface, positive inside, negative outside; float32."""
        inside = ndimage.distance_transform_edt(self.mask, sampling=self.step_mm)
        outside = ndimage.distance_transform_edt(~self.mask, sampling=self.step_mm)
        half = self.step_mm / 2
        return np.asarray(np.where(self.mask, inside - half, half - outside), np.float32)

    @cached_property
    def inside(self) -> Mask:
        """Voxels ``EDGE_MM`` or more below the surface, free of the surroundings' attenuation; the mask where these are few."""
        deep: Mask = self.depth_mm >= EDGE_MM
        return deep if np.count_nonzero(deep) >= LEAST_VOXELS else self.mask

    def smoothed(self, hu: Volume) -> Volume:
        """``hu`` averaged over a Gaussian of ``SMOOTHING_MM`` within ``inside``; NaN outside and where ``hu`` is not finite."""
        return smooth_within(hu, self.inside, SMOOTHING_MM / self.step_mm)


def smooth_within(hu: Volume, region: Mask, sigma: float) -> Volume:
    """``hu`` averaged by a Gaussian of SD ``sigma`` voxels over the finite voxels of ``region``; NaN elsewhere."""
    inside = region & np.isfinite(hu)
    total = ndimage.gaussian_filter(np.where(inside, hu, np.float32(0)), sigma, mode="constant", truncate=3.0)
    weight = ndimage.gaussian_filter(inside.astype(np.float32), sigma, mode="constant", truncate=3.0)
    mean: Volume = np.divide(total, weight, out=np.full(hu.shape, np.nan, np.float32), where=inside)
    return mean


def working_grid(lesion: Lesion, wanted: Collection[Phase | None]) -> WorkingGrid:
    """Bring a lesion to its working grid, in those of the wanted phases that it has.

    Voxels are averaged with a triangular kernel as wide as the coarser of the two grids: fine scans are not aliased and noise
    is averaged, coarse ones are interpolated linearly. The step is ``STEP_MM``, wider for boxes above ``MOST_POINTS``.

    Raises:
        MaskError: the mask is empty.
        GeometryError: CT, mask and grid do not have the same shape.
    """
    if not lesion.ct.shape == lesion.mask.shape == lesion.geometry.shape:
        raise GeometryError("The CT, the mask and the grid of the lesion differ in size; cut the lesion out of the CT again.")
    lesion = _cropped(lesion)
    mask, geometry = lesion.mask, lesion.geometry
    native: dict[Phase, Volume] = {}
    for phase in lesion.phases:
        hu = lesion.hu(phase)
        if hu is not None and phase in wanted:
            native[phase], mask, geometry = patient_aligned(hu, lesion.mask, lesion.geometry)

    start, stop = filled_box(mask)
    low = np.array([geometry.origin[2 - a] + (start[a] - 0.5) * geometry.spacing[a] for a in range(3)])
    high = np.array([geometry.origin[2 - a] + (stop[a] - 0.5) * geometry.spacing[a] for a in range(3)])
    extent = high - low + 2 * MARGIN_MM
    step = max(STEP_MM, float(np.prod(extent) / MOST_POINTS) ** (1 / 3))
    count = np.ceil(extent / step).astype(int)
    first = (low + high) / 2 - step * (count - 1) / 2
    grid = Geometry(
        (int(count[0]), int(count[1]), int(count[2])),
        (step, step, step),
        ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
        (float(first[2]), float(first[1]), float(first[0])),
    )
    rows = [_weights(geometry, grid, axis) for axis in range(3)]
    share = _separable(mask.astype(np.float32), rows)
    reached = np.ones(grid.shape, bool)
    for axis in range(3):
        shape = [-1 if a == axis else 1 for a in range(3)]
        reached &= _reached(geometry, grid, axis).reshape(shape)
    phases: dict[Phase, Volume] = {}
    for phase, hu in native.items():
        phases[phase] = np.where(reached, _resampled(hu, rows), np.float32(np.nan))
    return WorkingGrid(step, grid, np.where(reached, share, np.float32(0)), phases, native, geometry)


def _cropped(lesion: Lesion) -> Lesion:
    start, stop = filled_box(lesion.mask)
    reach = [int(np.ceil((MARGIN_MM + 2.0) / s)) + 1 for s in lesion.geometry.spacing]
    low = tuple(max(a - r, 0) for a, r in zip(start, reach, strict=True))
    high = tuple(min(b + r, n) for b, r, n in zip(stop, reach, lesion.mask.shape, strict=True))
    box = ((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    others = {phase: boxed(hu, *box) for phase, hu in lesion.others.items()}
    geometry = lesion.geometry.crop(*box)
    return replace(lesion, ct=boxed(lesion.ct, *box), mask=boxed(lesion.mask, *box), geometry=geometry, others=others)


def _places(geometry: Geometry, grid: Geometry, axis: int) -> NDArray[np.float64]:
    """Fractional index in ``geometry`` of the points of ``grid`` along an axis."""
    shift = grid.origin[2 - axis] - geometry.origin[2 - axis]
    return np.asarray((shift + np.arange(grid.shape[axis]) * grid.spacing[axis]) / geometry.spacing[axis])


def _reached(geometry: Geometry, grid: Geometry, axis: int) -> Mask:
    places = _places(geometry, grid, axis)
    return np.asarray((places > -0.5 - 1e-6) & (places < geometry.shape[axis] - 0.5 + 1e-6))


def _weights(geometry: Geometry, grid: Geometry, axis: int) -> Volume:
    """(output, input): weights of the triangular kernel."""
    count = geometry.shape[axis]
    places = _places(geometry, grid, axis).clip(0, count - 1)
    half = max(grid.spacing[axis] / geometry.spacing[axis], 1.0)
    weights = np.clip(1 - np.abs(np.arange(count)[None, :] - places[:, None]) / half, 0, None)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)


def _resampled(hu: Volume, rows: list[Volume]) -> Volume:
    finite = np.isfinite(hu)
    if finite.all():
        return _separable(np.asarray(hu, np.float32), rows)
    total = _separable(np.where(finite, hu, np.float32(0)), rows)
    weight = _separable(finite.astype(np.float32), rows)
    return np.divide(total, weight, out=np.full(total.shape, np.nan, np.float32), where=weight >= 0.5)


def _separable(block: Volume, rows: list[Volume]) -> Volume:
    """Apply one weight matrix along each axis of ``block``; the axis that shrinks most goes first."""
    for axis in sorted(range(3), key=lambda a: rows[a].shape[0] / rows[a].shape[1]):
        block = np.moveaxis(np.tensordot(rows[axis], block, axes=(1, axis)), 0, axis)
    return np.ascontiguousarray(block, np.float32)

"""What a lesion's voxels say: its core, first-order statistics, tissue fractions and homogeneity, in HU."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.imaging.geometry import Geometry, Vector
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

CORE_MARGIN_MM = (2.0, 5.0)
"""Design: least and most depth of the rim left out of the core. 2 mm are about the width of a CT's point spread, where fat
around the lesion mixes in; further phases are moved by a few mm of breathing."""
CORE_MARGIN_SHARE = 0.18
"""Depth of that rim as a share of the lesion's radius: leaves (1 - 0.18)^2 = two thirds of a disc, as a reader's region of
interest does that covers two thirds of the lesion and leaves its edges out."""
CORE_LEAST_VOXELS = 20
"""Design: with fewer voxels the mean of a core is noise (15 HU / sqrt(20) is above 3 HU even without correlation)."""

FAT_BELOW_HU = -30.0
"""Macroscopic fat: below -30 HU (DESIGN section 4)."""
FLUID_HU = (0.0, 20.0)
"""Attenuation of fluid (DESIGN section 4)."""
CALCIUM_ABOVE_HU = 130.0
"""Calcium on unenhanced CT: above 130 HU [Agatston, J Am Coll Cardiol 1990;15:827]."""
CALCIUM_ENHANCED_ABOVE_HU = 300.0
"""Design: calcium where contrast material may be present. Blood and phaeochromocytomas exceed 130 HU then, not 300 HU."""
CALCIUM_LEAST_VOXELS = 3
CALCIUM_LEAST_MM3 = 1.0
"""Voxels above the limit count when at least three of them (and 1 mm3) share faces, after Agatston's rule against noise."""

BLOCK_MM = 5.0
"""Design: edge of the cube over which HU are averaged before tissue is told by its attenuation. At a noise of 15 HU (1 mm
slices) a block's mean is good to about 4 HU, and what a reader would call a region of necrosis, fat or blood still fills it."""
HOMOGENEITY_LEAST_ML = 0.5
"""Design: a smaller core (four blocks) cannot show whether the lesion is uniform."""
STRUCTURE_SD_LIMIT_HU = 5.0
"""Design: SD of block means, noise taken off, above which a lesion is heterogeneous: a tenth of it differing by 17 HU."""
FOCUS_HU = 15.0
"""Design: a block that differs from the lesion's median by this and twice its noise belongs to a focus of other tissue."""
FOCUS_SHARE = 0.02
"""Design: foci filling more than this share of the core make a lesion heterogeneous."""
CALCIUM_SHARE = 0.01
"""Design: calcium filling more than this share of the lesion makes it heterogeneous."""


@dataclass(frozen=True)
class Statistics:
    """First-order statistics of a set of voxels, in HU; names as in IBSI (codes in :func:`statistics`)."""

    mean: float
    sd: float
    median: float
    p10: float
    p90: float


@dataclass(frozen=True)
class Tissue:
    """What the lesion is made of, as far as attenuation tells.

    Attributes:
        fat, fluid, calcium: shares (0-1), see :func:`tissue`.
        homogeneous: None when the lesion is too small to tell.
        structure_sd_hu: SD of block means after taking off what noise explains; None when too small.
    """

    fat: float
    fluid: float
    calcium: float
    homogeneous: bool | None
    structure_sd_hu: float | None


def statistics(hu: NDArray[np.floating]) -> Statistics:
    """Mean (IBSI Q4LE), standard deviation (root of the population variance, IBSI ECT3), median (Y12H), 10th (QG58) and 90th
    (8DWT) percentile of the values (n,), n >= 1, all finite. Percentiles interpolate linearly between the ordered values.
    """
    values = np.asarray(hu, np.float64)
    p10, median, p90 = (float(v) for v in np.percentile(values, [10, 50, 90]))
    return Statistics(float(values.mean()), float(values.std()), median, p10, p90)


def core_of(mask: Mask, geometry: Geometry) -> Mask | None:
    """The lesion without its rim: what a reader's region of interest covers, which leaves the edges out.

    A voxel belongs to the core when no voxel outside the mask has its centre within the margin, or within one voxel along any
    axis, whichever is more (an ellipsoid with these half-axes): so the first and last of thick slices, which mix with what lies
    above and below, are left out too. The margin is ``CORE_MARGIN_SHARE`` of the radius of the ball of equal volume, within
    ``CORE_MARGIN_MM``. If fewer than ``CORE_LEAST_VOXELS`` remain the least margin is tried; then, where slices are thick
    (farther apart than that margin and than 1.5 pixels), the rim within the slices alone is left out; else there is no core.

    Args:
        mask: bool (k, j, i); beyond its border counts as outside.
        geometry: its grid.

    Returns:
        bool of the same shape, or None.
    """
    box = bounding_box(mask)
    if box is None:
        return None
    inner = boxed(mask, *box)
    least, most = CORE_MARGIN_MM
    volume = np.count_nonzero(inner) * geometry.voxel_volume_mm3
    margin = min(max(CORE_MARGIN_SHARE * (3 * volume / (4 * math.pi)) ** (1 / 3), least), most)
    thick = max(least, 1.5 * min(geometry.spacing))
    for tried in (
        [max(margin, s) for s in geometry.spacing],
        [max(least, s) for s in geometry.spacing],
        [0.0 if s > thick else max(least, s) for s in geometry.spacing],
    ):
        core = _eroded(inner, geometry.spacing, tried)
        if np.count_nonzero(core) >= CORE_LEAST_VOXELS:
            out = np.zeros_like(mask)
            boxed(out, *box)[:] = core
            return out
    return None


def tissue(hu: NDArray[np.floating], mask: Mask, core: Mask | None, geometry: Geometry, phase: Phase) -> Tissue:
    """Fat, fluid and calcium fractions and homogeneity on one phase.

    Fat (< -30 HU) and fluid (0-20 HU) are shares of the core's voxels by the mean HU of the ``BLOCK_MM`` cube around each
    (normalised convolution over the core alone: neither the rim nor the surroundings leak in). Without a core the whole mask
    stands in for it. Single voxels would not do: at 15 HU of noise one in seven voxels of a uniform 35 HU lesion lies in the
    fluid range. "Fluid" is a range, not a diagnosis: a lipid-rich adenoma of 5 HU lies in it, and on an enhanced phase it means
    tissue that did not enhance.

    Calcium is the share of the whole mask (rims calcify) in groups of at least three face-sharing voxels above 130 HU; above
    300 HU on any phase that is not known to be unenhanced, where it is a lower bound.

    Homogeneous means that the block means of the core vary by no more than noise and ``STRUCTURE_SD_LIMIT_HU`` explain, that
    no more than ``FOCUS_SHARE`` of it deviates by ``FOCUS_HU`` beyond noise, and that calcium stays under ``CALCIUM_SHARE``. The
    noise of a block's mean follows from the voxels' residual around their block means and the residual's own correlation along
    the three axes. The limits are design, not published values. None for a core below ``HOMOGENEITY_LEAST_ML``. Known limit: in
    5 mm slices with a noise above 12 HU and a coarse grain a uniform lesion of about 2 cm is now and then called heterogeneous.

    Args:
        hu: (k, j, i); voxels that are not finite (outside that phase's scan) are left out.
        mask: the lesion, at least one finite voxel.
        core: from :func:`core_of`.
        geometry: the grid of the three.
        phase: of ``hu``.
    """
    box = bounding_box(mask)
    if box is None:
        raise ValueError("empty mask")
    values = np.asarray(boxed(hu, *box), np.float64)
    finite = np.isfinite(values)
    lesion = boxed(mask, *box) & finite
    limit = CALCIUM_ABOVE_HU if phase == "unenhanced" else CALCIUM_ENHANCED_ABOVE_HU
    dense = lesion & (np.where(finite, values, 0) > limit)
    calcium = _clustered(dense, geometry) / max(int(np.count_nonzero(lesion)), 1)

    inside = None if core is None else boxed(core, *box) & finite
    cored = inside is not None and bool(inside.any())
    region = inside if inside is not None and cored else lesion
    inner = bounding_box(region)
    if inner is None:
        raise ValueError("no voxel of the mask has a value")
    values, region = boxed(values, *inner), boxed(region, *inner)
    means, support = _block_means(np.where(region, values, 0), region, geometry.spacing)
    block = means[region]
    fat = float((block < FAT_BELOW_HU).mean())
    fluid = float(((block >= FLUID_HU[0]) & (block <= FLUID_HU[1])).mean())
    if not cored or block.size * geometry.voxel_volume_mm3 < 1000 * HOMOGENEITY_LEAST_ML:
        return Tissue(fat, fluid, calcium, None, None)
    noise = _block_noise(np.where(region, values - means, 0), region, support, geometry.spacing)
    structure = math.sqrt(max(float(block.var()) - float((noise**2).mean()), 0.0))
    focus = float((np.abs(block - np.median(block)) > FOCUS_HU + 2 * noise).mean())
    homogeneous = structure <= STRUCTURE_SD_LIMIT_HU and focus <= FOCUS_SHARE and calcium <= CALCIUM_SHARE
    return Tissue(fat, fluid, calcium, bool(homogeneous), structure)


def _eroded(mask: Mask, spacing: Vector, radii: Sequence[float]) -> Mask:
    """Voxels with no outside centre within the ellipsoid of half-axes ``radii`` (mm; 0: not along this axis).

    The same as a threshold on the Euclidean distance transform of the scaled grid, at a twentieth of its time for small radii.
    """
    reach = [math.floor(r / s + 1e-9) for r, s in zip(radii, spacing, strict=True)]
    out: Mask = np.pad(mask, [(r, r) for r in reach])
    runs = [out]  # runs[n]: mask along i for n voxels to both sides
    for n in range(1, reach[2] + 1):
        run = runs[-1].copy()
        run[..., n:] &= out[..., :-n]
        run[..., :-n] &= out[..., n:]
        runs.append(run)
    size = mask.shape
    kept: Mask = mask.copy()
    for k in range(-reach[0], reach[0] + 1):
        for j in range(-reach[1], reach[1] + 1):
            left = 1 + 1e-9 - sum((n * s / r) ** 2 for n, s, r in zip((k, j), spacing, radii, strict=False) if n)
            if left < 0:
                continue
            run = runs[math.floor(math.sqrt(left) * radii[2] / spacing[2] + 1e-9)]
            k0, j0, i0 = reach[0] + k, reach[1] + j, reach[2]
            kept &= run[k0 : k0 + size[0], j0 : j0 + size[1], i0 : i0 + size[2]]
    return kept


def _clustered(found: Mask, geometry: Geometry) -> int:
    """Number of voxels in face-connected groups large enough not to be noise."""
    if not found.any():
        return 0
    labels, _ = ndimage.label(found)
    sizes = np.bincount(labels.ravel())[1:]
    least = max(CALCIUM_LEAST_VOXELS, CALCIUM_LEAST_MM3 / geometry.voxel_volume_mm3)
    return int(sizes[sizes >= least].sum())


def _block_means(values: Floats, region: Mask, spacing: Vector) -> tuple[Floats, Floats]:
    """Mean of ``values`` (0 outside ``region``) over the region's part of the block around each voxel, and the number of voxels,
    counted by weight, that took part. Voxels on the block's faces count by the share of them that lies in it."""
    total, weight = values, region.astype(np.float64)
    for axis, s in enumerate(spacing):
        half = max((BLOCK_MM / s - 1) / 2, 0.0)
        whole = math.floor(half + 1e-9)
        kernel = np.ones(2 * whole + 1)
        if half - whole > 1e-9:
            kernel = np.concatenate([[half - whole], kernel, [half - whole]])
        if kernel.size > 1:
            total = ndimage.correlate1d(total, kernel, axis, mode="constant")
            weight = ndimage.correlate1d(weight, kernel, axis, mode="constant")
    return np.divide(total, weight, out=np.zeros_like(total), where=region), weight


def _block_noise(residual: Floats, region: Mask, support: Floats, spacing: Vector) -> Floats:
    """SD (n,) of each region voxel's block mean that noise alone explains, from the residual around the block means.

    Noise in CT is correlated; a block of N voxels holds N / g independent values, where g is the product over the axes of
    1 + 2 x (sum of the residual's correlations at growing distances within half a block, until they vanish).
    """
    count = np.count_nonzero(region)
    power = float(np.vdot(residual, residual)) / count
    if power <= 0:
        return np.zeros(count)
    grain = 1.0
    for axis, s in enumerate(spacing):
        along = 1.0
        for lag in range(1, math.floor(BLOCK_MM / 2 / s) + 1):
            r0, r1 = (np.moveaxis(residual, axis, 0)[part] for part in (slice(lag, None), slice(None, -lag)))
            m0, m1 = (np.moveaxis(region, axis, 0)[part] for part in (slice(lag, None), slice(None, -lag)))
            pairs = np.count_nonzero(m0 & m1)
            correlation = float((r0 * r1).sum()) / pairs / power if pairs else 0.0
            if correlation <= 0:
                break
            along += 2 * correlation
        grain *= along
    # Each block's mean carries the share g / N of the noise and was taken off: put it back.
    share = float(np.clip(grain / support[region], 0, 0.5).mean())
    return np.asarray(np.sqrt(power / (1 - share) * grain / np.maximum(support[region], grain)))

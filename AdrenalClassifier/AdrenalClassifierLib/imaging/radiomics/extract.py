"""A lesion's radiomic features, in one call."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import ndimage, stats

from AdrenalClassifierLib.imaging.attenuation import tissue
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.imaging.network_input import network_phases
from AdrenalClassifierLib.imaging.radiomics.features import NAMES, Radiomics
from AdrenalClassifierLib.imaging.radiomics.grid import LEAST_VOXELS, SMOOTHING_MM, Volume, WorkingGrid, working_grid
from AdrenalClassifierLib.imaging.radiomics.margin import margin
from AdrenalClassifierLib.imaging.radiomics.parts import border_sharpness, dark_depth
from AdrenalClassifierLib.imaging.radiomics.shape import LEVEL, craniocaudal_ratio, shape_of
from AdrenalClassifierLib.imaging.radiomics.texture import coarseness, grey_levels, joint_entropy

RIM_MM = 5.0
"""Design: living tissue is found down to this depth below the surface, from where the edge's mixing ends."""
UNENHANCING_HU = 10.0
"""Design: a smaller gain is no enhancement; averaging leaves a noise of about 4 HU in the difference of two phases."""

Found = Iterator[tuple[str, float | None]]


def radiomics(lesion: Lesion, measurements: Measurements) -> Radiomics:
    """All features of ``NAMES``. Only the surroundings of the mask are looked at; cost is bounded (see ``grid``).

    Args:
        lesion: with one or more phases.
        measurements: of this lesion, from ``measure``: tissue fractions and washout are taken from there.

    Raises:
        MaskError: the mask is empty.
        GeometryError: CT, mask and grid do not have the same shape.
    """
    unenhanced, enhanced = network_phases(lesion.phases)
    grid = working_grid(lesion, {lesion.phase, unenhanced, enhanced})
    found = {**dict(_form(grid)), **dict(_made_of(measurements))}
    edge = margin(grid, lesion.phase)
    found["margin_width_mm"] = None if edge is None else edge.width_mm
    for name, phase in (("unenhanced", unenhanced), ("enhanced", enhanced)):
        if phase is not None:
            found |= {f"{name}_{key}": value for key, value in _content(grid, phase)}
    if enhanced is not None:
        if enhanced != lesion.phase:
            edge = margin(grid, enhanced)
        found["enhanced_capsule_hu"] = None if edge is None else edge.rim_hu
    rough = found.get(f"{'unenhanced' if lesion.phase == unenhanced else 'enhanced'}_coarseness")
    found["log_coarseness"] = None if rough is None else math.log10(rough)
    if enhanced == "portal":
        found["portal_rim_level_hu"] = found.get("enhanced_rim_level_hu")
        if unenhanced is not None:
            found |= dict(_enhancement(grid))
    return Radiomics({name: _number(found.get(name)) for name in NAMES})


def _form(grid: WorkingGrid) -> Found:
    """Shape of the surface, smoothed so that the steps of slices and voxels do not count as bumps."""
    field: Volume = ndimage.gaussian_filter(np.pad(grid.share, 1), SMOOTHING_MM / grid.step_mm)
    if field.max() <= LEVEL:
        field = np.pad(grid.mask, 1).astype(np.float32)
    shape = shape_of(field, (grid.step_mm,) * 3)
    yield "sphericity", shape.sphericity
    yield "solidity", shape.solidity
    yield "hull_area_ratio", shape.hull_area_ratio
    yield "elongation", shape.elongation
    yield "flatness", shape.flatness
    yield "craniocaudal_ratio", craniocaudal_ratio(grid.mask)
    yield "lobulation", shape.lobulation


def _made_of(measurements: Measurements) -> Found:
    yield "fat_fraction", measurements.fat_fraction
    yield "fluid_fraction", measurements.fluid_fraction if measurements.tissue_phase == "unenhanced" else None
    yield "calcium_fraction", measurements.calcium_fraction
    yield "washout_percent", measurements.absolute_washout_percent


def _content(grid: WorkingGrid, phase: Phase) -> Found:
    """First-order features and texture on one phase."""
    smooth = grid.smoothed(grid.phases[phase])
    finite = np.isfinite(smooth)
    core = grid.core & finite
    values = smooth[core].astype(np.float64)
    if values.size < LEAST_VOXELS:
        return
    yield "p90_hu", float(np.percentile(values, 90))
    # Of a constant core the skewness would be rounding noise.
    yield "skewness", float(stats.skew(values)) if np.ptp(values) > 0.01 else 0.0
    yield "structure_hu", tissue(grid.phases[phase], grid.mask, grid.core, grid.geometry, phase).structure_sd_hu
    levels = grey_levels(smooth, core)
    yield "joint_entropy", joint_entropy(levels)
    yield "coarseness", coarseness(levels)
    yield "border_sharpness", border_sharpness(smooth, grid.inside, grid.step_mm)
    yield "dark_depth", dark_depth(smooth, grid.inside, grid.depth_mm)
    rim = smooth[grid.inside & (grid.depth_mm <= RIM_MM) & finite]
    yield "rim_level_hu", float(np.median(rim)) if rim.size >= LEAST_VOXELS else None


def _enhancement(grid: WorkingGrid) -> Found:
    gain = grid.smoothed(grid.phases["portal"] - grid.phases["unenhanced"])
    values = gain[grid.core & np.isfinite(gain)].astype(np.float64)
    if values.size < LEAST_VOXELS:
        return
    yield "enhancement_p90_hu", float(np.percentile(values, 90))
    yield "enhancement_kurtosis", float(stats.kurtosis(values)) if np.ptp(values) > 0.01 else 0.0
    yield "unenhancing_share", float((values < UNENHANCING_HU).mean())


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None

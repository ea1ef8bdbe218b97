"""The lesion's edge: how sharply attenuation changes across the outline, and whether a capsule lies there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.radiomics.grid import WorkingGrid
from AdrenalClassifierLib.imaging.radiomics.profiles import LEAST_PROFILES, profiles, steps

NORMAL_SMOOTHING_MM = 2.0
SEARCH_MM = 3.5
"""Design: the edge is sought this far from the outline."""
LEAST_STEP_HU = 40.0
"""Design: a smaller step (an organ touches the lesion) tells nothing about the edge at CT noise."""


@dataclass(frozen=True)
class Margin:
    """What the edge looks like on one phase, where the lesion borders on darker tissue (fat).

    Attributes:
        width_mm: median width of the edge: step over steepest slope. The scanner's own blur (about 2 mm) is part of it.
        rim_hu: median of how much brighter the lesion is 1.5-2.5 mm inside the edge than behind; a capsule or wall: above 0.
    """

    width_mm: float
    rim_hu: float


def margin(grid: WorkingGrid, phase: Phase) -> Margin | None:
    """Judge the edge on one phase; None where too little of the surface crosses the slices and borders on darker tissue."""
    smooth = ndimage.gaussian_filter(grid.share, NORMAL_SMOOTHING_MM / grid.step_mm)
    edge = grid.mask & ~ndimage.binary_erosion(grid.mask)
    profile = profiles(grid, phase, np.argwhere(edge), smooth)
    if len(profile) == 0:
        return None
    found = steps(profile, SEARCH_MM)
    kept = found.before - found.after >= LEAST_STEP_HU
    if np.count_nonzero(kept) < LEAST_PROFILES:
        return None
    behind = np.maximum(found.steepest[kept, None] - np.arange(3, 6)[None, :], 0)
    rim = np.take_along_axis(profile[kept], behind, axis=1).mean(axis=1) - found.before[kept]
    return Margin(float(np.median(found.width_mm[kept])), float(np.median(rim)))

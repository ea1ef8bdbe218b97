"""Parts of the lesion: where its darker tissue lies, and how sharply parts border on each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.radiomics.grid import LEAST_VOXELS, Mask, Volume

Floats = NDArray[np.float64]

LEAST_CONTRAST_HU = 15.0
"""Design: parts that differ by less are one tissue (``attenuation.FOCUS_HU``)."""
LEAST_SD_HU = 2.0
"""Design: what varies less than this is noise, however steep."""
BINS = 128


def dark_depth(hu: Volume, region: Mask, depth_mm: Volume) -> float | None:
    """Mean depth of the darker over that of the brighter part of a lesion: above 1 with a dark centre (necrosis, ring sign).

    The parts are divided by Otsu's threshold. None where they differ by less than ``LEAST_CONTRAST_HU`` or the region is tiny.

    Args:
        hu: (k, j, i) smoothed HU, NaN where unknown.
        region: where to look.
        depth_mm: distance to the lesion's surface, positive in ``region``.
    """
    inside = region & np.isfinite(hu)
    values = hu[inside].astype(np.float64)
    if values.size < LEAST_VOXELS or values.max() - values.min() < LEAST_CONTRAST_HU:
        return None
    dark = values < otsu(values)
    if float(values[~dark].mean() - values[dark].mean()) < LEAST_CONTRAST_HU:
        return None
    depth = depth_mm[inside]
    return float(depth[dark].mean() / depth[~dark].mean())


def border_sharpness(hu: Volume, region: Mask, step_mm: float) -> float | None:
    """95th percentile of the slope over the SD of a smoothed lesion, in 1/mm.

    High where parts of different attenuation border on each other sharply (necrosis with a clear edge), low where they pass into
    each other. None for a tiny region.

    Args:
        hu: (k, j, i) smoothed HU, NaN where unknown.
        region: where to look.
        step_mm: distance of voxels along all axes.
    """
    slopes = np.stack([np.gradient(hu, step_mm, axis=axis) for axis in range(3)])
    square: Volume = (slopes**2).sum(axis=0)
    inside = region & np.isfinite(square)
    if np.count_nonzero(inside) < LEAST_VOXELS:
        return None
    spread = max(float(hu[inside].std(dtype=np.float64)), LEAST_SD_HU)
    return float(np.percentile(np.sqrt(square[inside]), 95)) / spread


def otsu(values: Floats) -> float:
    """The threshold between ``values`` (n,), not all equal, that explains most of their variance, to 1/128 of their range.

    Otsu, IEEE Trans Syst Man Cybern 1979;9:62. Both sides are filled. Of thresholds in an empty gap the middle one is taken.
    """
    count, edges = np.histogram(values, BINS)
    middle = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(count)[:-1]
    above = values.size - below
    total = np.cumsum(count * middle)
    mean_below = total[:-1] / np.maximum(below, 1)
    mean_above = (total[-1] - total[:-1]) / np.maximum(above, 1)
    between = below * above * (mean_below - mean_above) ** 2
    best = np.flatnonzero(between >= between.max() * (1 - 1e-9))
    return float(edges[1:-1][best].mean())

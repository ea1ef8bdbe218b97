"""Texture after IBSI, in three dimensions: grey level co-occurrence (LFYI) and neighbourhood grey tone difference (IPET).

Input is a volume of grey levels from 1, 0 outside the lesion. Neighbours are the 26 at Chebyshev distance 1.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.imaging.radiomics.grid import Mask, Volume
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed

Levels = NDArray[np.intp]

BIN_HU = 10.0
"""Design: width of a grey level (IBSI fixed bin size), twice the noise that smoothing leaves."""
RANGE_HU = (-150.0, 250.0)
"""Design: values are clipped to this range first: fat to enhanced tissue, without calcium dominating."""

_HALF = [d for d in itertools.product((-1, 0, 1), repeat=3) if d > (0, 0, 0)]
"""The 13 directions to a voxel's neighbours, one of each opposite pair."""


def grey_levels(hu: Volume, region: Mask) -> Levels:
    """Levels of ``region`` within its bounding box, 0 outside (IBSI fixed bin size): floor((x - lowest) / width) + 1.

    Args:
        hu: (k, j, i), finite in ``region``.
        region: at least one voxel.
    """
    box = bounding_box(region)
    if box is None:
        raise ValueError("empty region")
    inside = boxed(region, *box)
    low, high = RANGE_HU
    values = np.clip(boxed(hu, *box)[inside], low, high)
    levels = np.zeros(inside.shape, np.intp)
    levels[inside] = np.minimum(np.floor((values - low) / BIN_HU) + 1, (high - low) / BIN_HU)
    return levels


def joint_entropy(levels: Levels) -> float | None:
    """Entropy in bits (TU9B) of the symmetric co-occurrence matrix, merged over directions (IAZD); None without neighbours."""
    most = int(levels.max(initial=0)) + 1
    counts = np.zeros(most * most, np.int64)
    for direction in _HALF:
        here = tuple(slice(max(-d, 0), n - max(d, 0)) for d, n in zip(direction, levels.shape, strict=True))
        there = tuple(slice(max(d, 0), n - max(-d, 0)) for d, n in zip(direction, levels.shape, strict=True))
        first, second = levels[here], levels[there]
        both = (first > 0) & (second > 0)
        counts += np.bincount(first[both] * most + second[both], minlength=most * most)
    matrix = counts.reshape(most, most)
    matrix = matrix + matrix.T
    total = int(matrix.sum())
    if total == 0:
        return None
    p = matrix[matrix > 0] / total
    return float(-(p * np.log2(p)).sum())


def coarseness(levels: Levels) -> float | None:
    """Coarseness (QCDE) of the neighbourhood grey tone difference matrix.

    None without neighbours and where every voxel equals the mean of its neighbours, as in a single grey level (infinite).
    """
    inside = levels > 0
    box = np.ones((3, 3, 3))
    total = ndimage.correlate(levels.astype(np.float64), box, mode="constant") - levels
    count = np.rint(ndimage.correlate(inside.astype(np.float64), box, mode="constant")) - inside
    valid = inside & (count > 0)
    if not valid.any():
        return None
    grey = levels[valid]
    apart = np.abs(grey - total[valid] / count[valid])
    weighted = float((np.bincount(grey, weights=apart) * np.bincount(grey)).sum()) / grey.size
    return 1 / weighted if weighted > 1e-9 else None

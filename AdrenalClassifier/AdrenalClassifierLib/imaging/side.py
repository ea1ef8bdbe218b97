"""Which side of the patient a mask lies on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.images import CtImage, Side

BODY_HU = -300.0
"""Attenuation above which a voxel counts as body when the midline is sought."""
LEAST_OFFSET_MM = 10.0
"""A mask whose centre lies nearer to the midline than this has no clear side."""


def side_from_position(ct: CtImage, start: tuple[int, int, int], stop: tuple[int, int, int], mask: NDArray[np.bool_]) -> Side:
    """The side of a mask by its distance from the midline of the body in the lesion's own slices.

    The midline is the middle of the body's left-right extent. When the body runs to the image's edge on either side (a
    reconstruction around the spine, a phantom) the midline is not known and the answer is ``"unknown"``.

    Args:
        ct: the scan.
        start: first voxel (k, j, i) of the mask's box.
        stop: one beyond its last voxel.
        mask: the mask within that box.
    """
    grid = ct.geometry
    up, across = grid.aligned_to_axes()[2], grid.aligned_to_axes()[0]
    slab = [slice(None)] * 3
    middle = (start[up] + stop[up]) // 2
    slab[up] = slice(max(middle - 1, start[up]), max(middle, start[up]) + 1)
    body = (ct.hu[tuple(slab)] > BODY_HU).sum(axis=tuple(a for a in range(3) if a != across)) > 3
    columns = np.flatnonzero(body)
    if columns.size == 0 or columns[0] == 0 or columns[-1] == grid.shape[across] - 1:
        return "unknown"
    centre = np.argwhere(mask).mean(axis=0) + start
    toward_left = np.sign(grid.axes[across][0])
    offset = (centre[across] - (columns[0] + columns[-1]) / 2) * grid.spacing[across] * toward_left
    if abs(offset) < LEAST_OFFSET_MM:
        return "unknown"
    return "left" if offset > 0 else "right"

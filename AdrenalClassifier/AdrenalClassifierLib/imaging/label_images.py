"""Masks as label maps: 0 is background, every other whole number a segment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import MaskError
from AdrenalClassifierLib.imaging.images import MaskImage, Segment
from AdrenalClassifierLib.imaging.segment_choice import MOST_LABELS, Candidate, choose
from AdrenalClassifierLib.imaging.volume_file import VolumeFile

MOST_VALUES = 1000
"""More distinct values than this are an image, not labels."""


def segments_of_label_map(volume: VolumeFile, label: str | None, file: str, empty: bool = False) -> MaskImage:
    """The segments of a label map, in the order of their values.

    Args:
        volume: whole numbers of any type from 0 up.
        label: the value to take (``"8"`` or ``"label 8"``), or None for all.
        file: name of the file, for messages.
        empty: give one segment without voxels for a map that holds no label, instead of an error.

    Raises:
        MaskError: empty, not a label map (fractions, negative values, an image), unknown label, or no label chosen from
            more than four.
    """
    voxels = volume.voxels
    if voxels.ndim != 3:
        raise MaskError(f"'{file}' holds several values a voxel; save it as a label map or as .seg.nrrd.")
    offered = [Candidate(value, f"label {value}") for value in label_values(voxels, file)]
    if empty and not offered:
        nothing = Segment(1, "empty", np.zeros(voxels.shape, bool), volume.geometry, notices=volume.notices)
        return MaskImage((nothing,), notices=volume.notices)
    return MaskImage(
        tuple(
            Segment(
                offered[n].number,
                offered[n].name,
                voxels_with(voxels, offered[n].number),
                volume.geometry,
                notices=volume.notices,
            )
            for n in choose(offered, label, file, MOST_LABELS)
        ),
        notices=volume.notices,
    )


def voxels_with(voxels: NDArray[Any], value: int) -> NDArray[np.bool_]:
    """Where a label map (k, j, i) holds ``value`` (above 0).

    A byte map of zeros and ones is returned as it is, without a copy and perhaps read-only; of other maps only the slices
    that hold anything are touched.
    """
    if voxels.dtype == np.uint8 and value == 1 and voxels.flags.c_contiguous and voxels.max() <= 1:
        return voxels.view(np.bool_)
    out = np.zeros(voxels.shape, bool)
    for plane, inside in zip(voxels, out, strict=True):
        if plane.any():
            np.equal(plane, value, out=inside)
    return out


def label_values(voxels: NDArray[Any], file: str) -> list[int]:
    """The values above 0 in a label map, ascending. Raises MaskError when the numbers are not labels."""
    found: set[int] = set()
    for plane in voxels:
        if not plane.any():
            continue
        if plane.dtype.kind == "f":
            if not np.isfinite(plane).all():
                raise MaskError(f"'{file}' contains values that are not numbers (NaN or infinite); export the mask again.")
            if (plane != np.rint(plane)).any():
                raise MaskError(
                    f"'{file}' holds fractions (a probability map?); threshold it, since a mask is made of whole numbers."
                )
        # Differences along the flattened plane find the few values of a label map without sorting every voxel.
        flat = plane.ravel()
        heads = flat[np.flatnonzero(np.concatenate(([True], flat[1:] != flat[:-1])))]
        found.update(int(v) for v in np.unique(heads))
        if min(found) < 0 or len(found) > MOST_VALUES:
            raise MaskError(f"'{file}' is not a mask: it holds negative or very many different values, as an image does.")
    return sorted(found - {0})

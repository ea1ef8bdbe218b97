"""More than two readers of one lesion: where they agree, and the outline they would share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.agreement.pair import overlap
from AdrenalClassifierLib.agreement.placing import Mask, Outline, place
from AdrenalClassifierLib.errors import MaskError
from AdrenalClassifierLib.files import atomic_path
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.itk_files import sitk
from AdrenalClassifierLib.imaging.resample import to_sitk

THRESHOLD = 0.5
MOST_ROUNDS = 100


@dataclass(frozen=True)
class Consensus:
    """What several readers' masks of one lesion have in common.

    Attributes:
        count: uint8 (k, j, i), the agreement map: how many readers include each voxel.
        probability: float32, STAPLE's probability that a voxel belongs to the lesion.
        mask: bool, ``probability`` of 0.5 or more.
        geometry: grid of the arrays, the readers' joint box and one voxel around it, axes nearest to S, P, L.
        sensitivity, specificity: one a reader, as STAPLE estimates them. The specificity is that within the box.
        dice: one a reader, with the consensus mask; None where both are empty.
    """

    count: NDArray[np.uint8]
    probability: NDArray[np.float32]
    mask: Mask
    geometry: Geometry
    sensitivity: tuple[float, ...]
    specificity: tuple[float, ...]
    dice: tuple[float | None, ...]


def consensus(outlines: Sequence[Outline]) -> Consensus:
    """Agreement map and STAPLE consensus (Warfield, IEEE Trans Med Imaging 2004;23:903; ITK's implementation).

    STAPLE's prior is the readers' mean share of the voxels, so that its result depends on how much background is looked at. Here
    it is always the joint box of all outlines with one voxel around it: empty space in the files changes nothing.

    Args:
        outlines: two or more, at most 255; none of them empty, since STAPLE has no reader who saw nothing.

    Raises:
        MaskError: an outline is empty, or there are too few or too many.
        GeometryError: they do not lie in one scan.
    """
    if not 2 <= len(outlines) <= 255:
        raise MaskError("A consensus needs the masks of 2 to 255 readers.")
    joint = None if any(o.mask is None for o in outlines) else place(outlines)
    if joint is None:
        raise MaskError("A reader's mask is empty, so there is no consensus with it; leave it out.")
    filter_ = sitk.STAPLEImageFilter()
    filter_.SetForegroundValue(1.0)
    filter_.SetMaximumIterations(MOST_ROUNDS)
    filter_.SetNumberOfThreads(1)
    found = filter_.Execute([to_sitk(mask, joint.geometry) for mask in joint.masks])
    probability = np.asarray(sitk.GetArrayFromImage(found), np.float32)
    mask = probability >= THRESHOLD
    volume = joint.geometry.voxel_volume_mm3
    return Consensus(
        np.sum(joint.masks, axis=0, dtype=np.uint8),
        probability,
        mask,
        joint.geometry,
        tuple(float(v) for v in filter_.GetSensitivity()),
        tuple(float(v) for v in filter_.GetSpecificity()),
        tuple(overlap(mask, drawn, volume)["dice"] for drawn in joint.masks),
    )


def write_map(path: Path, array: NDArray[np.uint8] | Mask, geometry: Geometry) -> None:
    """Write a count or a mask as an image file, whole or not at all; the suffix names the format. Raises OutputError."""
    with atomic_path(path) as temporary:
        sitk.WriteImage(to_sitk(array, geometry), str(temporary), True)

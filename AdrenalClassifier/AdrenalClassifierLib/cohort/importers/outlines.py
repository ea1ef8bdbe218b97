"""The outlines in DICOM segmentations, and the CT each was drawn on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.importers.dicom_objects import CtSeries, SegObject
from AdrenalClassifierLib.cohort.importers.series_choice import best
from AdrenalClassifierLib.errors import AdrenalError, MissingDependencyError
from AdrenalClassifierLib.imaging.dicom_seg import read_dicom_seg
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import Side
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed, resample_mask

SAME_LESION = 0.5
"""Two outlines that share this part of the smaller one are outlines of one lesion."""


@dataclass(frozen=True)
class Outline:
    """One segment that is not empty, cut to its box.

    Attributes:
        seg: where it comes from.
        number, label: of the segment.
        side: what the segment's codes or name say.
        mask: bool (k, j, i), cut to its bounding box.
        geometry: of ``mask``.
        plane: grid of the whole segmentation, to compare with a CT's.
    """

    seg: SegObject
    number: int
    label: str
    side: Side
    mask: NDArray[np.bool_]
    geometry: Geometry
    plane: Geometry


def read_outlines(seg: SegObject) -> tuple[list[Outline], list[str]]:
    """The segments of a file, and a sentence for each that cannot be used. Raises MissingDependencyError without highdicom."""
    try:
        image = read_dicom_seg(seg.path, None)
    except MissingDependencyError:
        raise
    except AdrenalError as error:
        return [], [str(error)]
    outlines, problems = [], []
    for segment in image.segments:
        box = bounding_box(segment.mask)
        if box is None:
            problems.append(f"Segment {segment.number} ('{segment.name}') is empty.")
            continue
        mask = boxed(segment.mask, *box).copy()
        geometry = segment.geometry.crop(*box)
        outlines.append(Outline(seg, segment.number, segment.name, segment.side, mask, geometry, segment.geometry))
    return outlines, problems


def ct_of(seg: SegObject, series: Sequence[CtSeries], plane: Geometry | None) -> tuple[CtSeries | None, str]:
    """The CT on which a segmentation was drawn, and by what it was found (or why it was not).

    By the slices it refers to; else by the series it refers to; else by the frame of reference: among the series of the patient
    in it, one on the same grid, of the same study, or the one that would be chosen for a phase.
    """
    own = [s for s in series if s.place.patient == seg.place.patient]
    shared = Counter({s.place.series: len(s.images & seg.images) for s in series})
    by_uid = {s.place.series: s for s in series}
    wanted, count = shared.most_common(1)[0] if shared else ("", 0)
    how = "referenced slices"
    if count == 0:
        wanted = next((uid for uid in seg.series if uid in by_uid), "")
        how = "referenced series"
    if wanted:
        if by_uid[wanted].place.patient != seg.place.patient:
            return None, "it refers to a CT of another patient"
        return by_uid[wanted], how
    frame = [s for s in own if seg.frame_of_reference and s.first.frame_of_reference == seg.frame_of_reference and not s.unusable]
    if not frame:
        return None, "the CT it was drawn on is not in the folder, nor another one in its frame of reference"
    same = [s for s in frame if plane is not None and s.geometry is not None and s.geometry.same_lattice(plane)]
    study = [s for s in same or frame if s.place.study == seg.place.study]
    choice = study or same or frame
    return best(choice) or choice[0], "frame of reference"


def same_lesion(one: Outline, other: Outline) -> bool:
    """Whether two outlines in one frame of reference are of one lesion."""
    moved = resample_mask(other.mask, other.geometry, one.geometry)
    volume_one = one.mask.sum() * np.prod(one.geometry.spacing)
    volume_other = other.mask.sum() * np.prod(other.geometry.spacing)
    shared = (moved & one.mask).sum() * np.prod(one.geometry.spacing)
    return bool(shared >= SAME_LESION * min(volume_one, volume_other))

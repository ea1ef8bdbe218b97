"""Reading segments: their voxels where they lie, without ever making an array of the whole scan.

A segment is a label value in a labelmap which it may share with others. Only the part of the labelmap that holds anything is
looked at (some 20 ms for 512 x 512 x 600 voxels), and only again after it has changed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import slicer
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import MaskError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import Segment, Side
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed
from AdrenalClassifierLib.imaging.segment_choice import side_of, slicer_modifiers
from AdrenalClassifierLib.scene.grids import as_array, as_matrix, geometry_of, to_world
from AdrenalClassifierLib.scene.volumes import voxels_of


@dataclass(frozen=True, eq=False)
class Outline:
    """The voxels of one segment.

    Attributes:
        mask: bool (k, j, i), the smallest box that holds the segment.
        geometry: the grid of that box in the world.
        digest: changes whenever a voxel or the grid does.
    """

    mask: NDArray[np.bool_]
    geometry: Geometry
    digest: str


class Outlines:
    """Reads outlines, and keeps the last one of every segment as long as its labelmap is the same."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[tuple[Any, ...], Outline | None]] = {}

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()

    def of(self, segmentation: Any, segment_id: str) -> Outline | None:
        """The outline of a segment; None when it is empty.

        Raises:
            MaskError: no such segment, or the segmentation is not stored as labelmaps.
            GeometryError: it lies under a transform that bends space, or on sheared axes.
        """
        segment = segment_of(segmentation, segment_id)
        labels = _labelmap(segmentation, segment)
        if labels is None:
            return None
        place = to_world(segmentation) @ _image_to_world(labels)
        scalars = labels.GetPointData().GetScalars()
        value = int(segment.GetLabelValue())
        now = (labels, labels.GetMTime(), scalars.GetMTime(), labels.GetExtent(), value, place.round(9).tobytes())
        if segment_id in self._kept and self._kept[segment_id][0] == now:
            return self._kept[segment_id][1]
        outline = _read(labels, value, place)
        self._kept[segment_id] = (now, outline)
        return outline


def segment_of(segmentation: Any, segment_id: str) -> Any:
    """The vtkSegment. Raises MaskError when there is none of that id."""
    segment = segmentation.GetSegmentation().GetSegment(segment_id)
    if segment is None:
        raise MaskError("This segment is not in the segmentation any more. Choose another lesion.")
    return segment


def imaging_segment(segmentation: Any, segment_id: str, outline: Outline, number: int) -> Segment:
    """A segment as the library reads it from a file, under its number: a name may be a patient's, and messages repeat it."""
    segment = segment_of(segmentation, segment_id)
    terminology = terminology_of(segment)
    side, notices = side_of(slicer_modifiers(terminology or ""), str(segment.GetName()))
    return Segment(number, f"lesion-{number}", outline.mask, outline.geometry, side, terminology, notices)


def side_stated(segmentation: Any, segment_id: str) -> Side:
    """The side that a segment's terminology, else its name, states."""
    segment = segment_of(segmentation, segment_id)
    return side_of(slicer_modifiers(terminology_of(segment) or ""), str(segment.GetName()))[0]


def terminology_of(segment: Any) -> str | None:
    """The terminology entry of a segment, None when it has none."""
    entry = tag(segment, str(slicer.vtkSegment.GetTerminologyEntryTagName()))
    return entry or None


def tag(segment: Any, key: str) -> str:
    """A tag of a segment; "" when it has none of that name."""
    import vtk

    found = vtk.reference("")
    return str(found) if segment.GetTag(key, found) else ""


def _labelmap(segmentation: Any, segment: Any) -> Any:
    """The segment's labelmap, None when there is nothing in it."""
    data = segmentation.GetSegmentation()
    name = slicer.vtkSegmentationConverter.GetSegmentationBinaryLabelmapRepresentationName()
    if data.GetSourceRepresentationName() != name:
        raise MaskError(
            "The segmentation is stored as surfaces. In the module Segmentations, under Representations, create the binary "
            "labelmap and make it the source."
        )
    labels = segment.GetRepresentation(name)
    if labels is None or labels.GetNumberOfPoints() == 0 or labels.GetPointData().GetScalars() is None:
        return None
    return labels


def _image_to_world(labels: Any) -> NDArray[np.float64]:
    matrix = as_matrix(np.eye(4))
    labels.GetImageToWorldMatrix(matrix)
    return as_array(matrix)


def _read(labels: Any, value: int, place: NDArray[np.float64]) -> Outline | None:
    voxels = voxels_of(labels)
    filled = np.flatnonzero([plane.any() for plane in voxels])
    if filled.size == 0:
        return None
    first = int(filled[0])
    mask = voxels[first : int(filled[-1]) + 1] == value
    box = bounding_box(mask)
    if box is None:
        return None
    mask = np.ascontiguousarray(boxed(mask, *box))
    start = labels.GetExtent()[::2]
    i, j, k = start[0] + box[0][2], start[1] + box[0][1], start[2] + first + box[0][0]
    extent = (i, i + mask.shape[2] - 1, j, j + mask.shape[1] - 1, k, k + mask.shape[0] - 1)
    geometry = geometry_of(place, extent)
    digest = hashlib.sha1(np.packbits(mask).tobytes(), usedforsecurity=False)
    digest.update(repr((geometry.shape, geometry.spacing, geometry.axes, geometry.origin)).encode())
    return Outline(mask, geometry, digest.hexdigest())

"""Segmentations of 3D Slicer (.seg.nrrd).

Format: https://slicer.readthedocs.io (developer guide, Segmentations) and vtkMRMLSegmentationStorageNode.cxx. A segment is a
label value in a layer; layers lie along a ``list`` axis. Files from before Slicer 4.11 have one layer a segment, no label value.
The file's origin is that of its own first voxel, so that ``Segmentation_ReferenceImageExtentOffset`` and the segments' extents
do not move anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging.images import MaskImage, Segment
from AdrenalClassifierLib.imaging.label_images import voxels_with
from AdrenalClassifierLib.imaging.segment_choice import Candidate, choose, side_of, slicer_modifiers
from AdrenalClassifierLib.imaging.volume_file import VolumeFile

TERMINOLOGY_TAGS = ("TerminologyEntry", "Segmentation.TerminologyEntry")


def is_slicer_segmentation(metadata: Mapping[str, str]) -> bool:
    """Whether NRRD key-value pairs describe segments."""
    return "Segment0_ID" in metadata or "Segment0_Name" in metadata


def segments_of_slicer(volume: VolumeFile, label: str | None, file: str) -> MaskImage:
    """The segments of a 3D Slicer file, numbered from 1 in the file's order.

    Raises:
        MaskError: no segment, unknown label, or no label chosen from more than sixteen.
        ImageReadError: a segment's layer or label value is not in the file.
    """
    metadata = volume.metadata
    numbers = sorted({int(m[1]) for key in metadata if (m := re.fullmatch(r"Segment(\d+)_(?:ID|Name)", key))})
    layers = volume.voxels if volume.voxels.ndim == 4 else volume.voxels[..., None]
    names = [metadata.get(f"Segment{n}_Name") or metadata.get(f"Segment{n}_ID") or f"segment {n + 1}" for n in numbers]
    chosen = choose([Candidate(place + 1, name) for place, name in enumerate(names)], label, file)
    return MaskImage(
        tuple(_segment(volume, layers, numbers[n], n + 1, names[n], file) for n in chosen),
        notices=volume.notices,
    )


def _segment(volume: VolumeFile, layers: NDArray[Any], n: int, number: int, name: str, file: str) -> Segment:
    metadata = volume.metadata
    try:
        value = metadata.get(f"Segment{n}_LabelValue")
        label = None if value is None else int(value)
        # Without a stated layer every segment has its own; a lone layer of label values can only be shared.
        shared = layers.shape[3] == 1 and label is not None
        layer = int(metadata.get(f"Segment{n}_Layer", 0 if shared else n))
    except ValueError as error:
        raise ImageReadError(f"'{file}' is damaged: the layer or label value of segment {number} is not a number.") from error
    if not 0 <= layer < layers.shape[3]:
        raise ImageReadError(f"'{file}' is damaged: segment {number} is said to be in layer {layer}, which does not exist.")
    voxels = layers[..., layer]
    terminology = _terminology(metadata.get(f"Segment{n}_Tags", ""))
    side, notices = side_of(slicer_modifiers(terminology or ""), name)
    mask = voxels != 0 if label is None else voxels_with(voxels, label)
    return Segment(number, name, mask, volume.geometry, side, terminology, (*volume.notices, *notices))


def _terminology(tags: str) -> str | None:
    """The terminology entry in ``key:value|key:value|...``."""
    for tag in tags.split("|"):
        key, _, value = tag.partition(":")
        if key.strip() in TERMINOLOGY_TAGS and value.strip("~^ "):
            return value
    return None

"""Lesions as a DICOM Segmentation object (SEG), through highdicom."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.images import Side
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.report.dicom_source import Source
from AdrenalClassifierLib.version import __version__

MANUFACTURER = "Adrenal Classifier project"
PRODUCT = "Adrenal Classifier"
SERIAL = "none"
"""Device Serial Number must not be empty; software has none."""
COLOUR = (144, 238, 144)
"""sRGB of "Mass" in 3D Slicer's general anatomy list."""

Code = tuple[str, str, str]
"""Value, scheme and meaning. SNOMED CT codes as in 3D Slicer's terminologies."""
ALTERED_STRUCTURE: Code = ("49755003", "SCT", "Morphologically Abnormal Structure")
MASS: Code = ("4147007", "SCT", "Mass")
ADRENAL_GLAND: Code = ("23451007", "SCT", "Adrenal gland")
SIDES: Mapping[Side, Code] = {"right": ("24028007", "SCT", "Right"), "left": ("7771000", "SCT", "Left")}
REGION_GROWING: Code = ("123101", "DCM", "Neighborhood Analysis")
"""Family (CID 7162) of the algorithm behind a semi-automatic outline; there is none of its own for growing from a click."""


@dataclass(frozen=True)
class Outlined:
    """A lesion placed on the CT.

    Attributes:
        lesion: the lesion.
        index: (n, 3) indices (k, j, i) of its voxels in the CT.
        tracking_uid: names the lesion in every object of the export.
    """

    lesion: Lesion
    index: NDArray[np.intp]
    tracking_uid: str


def concept(code: Code) -> Any:
    """A code as highdicom wants it."""
    import highdicom

    return highdicom.sr.CodedConcept(*code)


def label(lesion_id: str) -> str:
    """A lesion's name as DICOM's "long string" allows it: 64 characters, no backslash, no control characters."""
    return "".join("/" if c == "\\" else c for c in lesion_id if c.isprintable()).strip()[:64] or "lesion"


def segmentation(source: Source, outlined: Sequence[Outlined], semiautomatic: Collection[str], number: int) -> Any:
    """A binary Segmentation with one segment a lesion: Mass, in the adrenal gland, on its side.

    Frames are stored for the slices that hold a lesion; they have the CT's rows and columns, orientation and frame of reference.

    Args:
        source: the CT.
        outlined: the lesions.
        semiautomatic: ``lesion_id`` of those whose outline did not come by hand alone.
        number: Series Number.

    Returns:
        highdicom.seg.Segmentation.
    """
    import highdicom

    planes = np.concatenate([item.index[:, 0] for item in outlined])
    first, last = int(planes.min()), int(planes.max())
    if source.enhanced:
        images = [source.datasets[0]]
        frame_of = np.array([source.frame(k) for k in range(len(source.datasets))])
        frames = int(images[0].NumberOfFrames)
    else:
        images = list(source.datasets[first : last + 1])
        frame_of = np.arange(len(source.datasets)) - first
        frames = len(images)
    pixels = np.zeros((frames, *source.geometry.shape[1:], len(outlined)), np.uint8)
    for n, item in enumerate(outlined):
        k, j, i = item.index.T
        pixels[frame_of[k], j, i, n] = 1
    return highdicom.seg.Segmentation(
        source_images=images,
        pixel_array=pixels,
        segmentation_type=highdicom.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[
            _description(n, item, item.lesion.lesion_id in semiautomatic) for n, item in enumerate(outlined, start=1)
        ],
        series_instance_uid=highdicom.UID(),
        series_number=number,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=PRODUCT,
        software_versions=__version__,
        device_serial_number=SERIAL,
        content_label="ADRENAL_LESIONS",
        content_description="Outlines of adrenal lesions, for research use only",
        series_description="Adrenal lesions, outlines - for research use only",
    )


def _description(number: int, item: Outlined, semiautomatic: bool) -> Any:
    import highdicom

    kinds = highdicom.seg.SegmentAlgorithmTypeValues
    algorithm = None
    if semiautomatic:
        algorithm = highdicom.AlgorithmIdentificationSequence(
            f"{PRODUCT}, grown from a click", concept(REGION_GROWING), __version__
        )
    description = highdicom.seg.SegmentDescription(
        segment_number=number,
        segment_label=label(item.lesion.lesion_id),
        segmented_property_category=concept(ALTERED_STRUCTURE),
        segmented_property_type=concept(MASS),
        algorithm_type=kinds.SEMIAUTOMATIC if semiautomatic else kinds.MANUAL,
        algorithm_identification=algorithm,
        tracking_uid=item.tracking_uid,
        tracking_id=label(item.lesion.lesion_id),
        anatomic_regions=[concept(ADRENAL_GLAND)],
        display_color=highdicom.color.CIELabColor.from_rgb(*COLOUR),
    )
    side = SIDES.get(item.lesion.side)
    if side is not None:
        description.AnatomicRegionSequence[0].AnatomicRegionModifierSequence = [concept(side)]
    return description

"""DICOM Segmentation objects (SEG), through highdicom."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, ImageReadError, MissingDependencyError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import MaskImage, Segment
from AdrenalClassifierLib.imaging.segment_choice import Candidate, choose, dicom_modifiers, side_of
from AdrenalClassifierLib.imaging.volume_file import grid
from AdrenalClassifierLib.notices import Notice

FRACTION = 0.5
"""Share of the maximum fractional value from which a voxel of a fractional segmentation belongs to the segment."""


def read_dicom_seg(path: Path, label: str | None) -> MaskImage:
    """The segments of a DICOM SEG (binary, fractional or label map), numbered as in the file.

    All segments share one grid: every plane between the first and the last stored frame of any segment. Planes without a frame
    are empty, since frames without the segment may be left out of the file. Slice positions must lie within 1 % of a regular
    stack (highdicom's tolerance). A fractional segment is cut at half of its maximum, with a notice.

    Raises:
        MissingDependencyError: highdicom is not installed.
        ImageReadError: damaged, compressed in an unknown way, or not in patient coordinates.
        MaskError: unknown label, or none chosen from more than sixteen.
        GeometryError: the frames do not make up a regular stack, or two of a segment lie at one position.
    """
    try:
        import highdicom
    except ImportError as error:
        raise MissingDependencyError(
            "Reading a DICOM segmentation needs the package highdicom: pip install 'adrenal-classifier[dicom]'."
        ) from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            seg = highdicom.seg.segread(path)
            descriptions = {int(d.SegmentNumber): d for d in seg.SegmentSequence}
            kind = str(seg.SegmentationType).upper()
            highest = float(seg.MaximumFractionalValue) if kind == "FRACTIONAL" else 1.0
        except Exception as error:  # a damaged file makes pydicom and highdicom raise almost anything
            raise ImageReadError(f"The DICOM segmentation '{path.name}' is damaged or incomplete; export it again.") from error
        offered = [Candidate(n, str(d.get("SegmentLabel") or f"segment {n}").strip()) for n, d in descriptions.items()]
        chosen = choose(offered, label, path.name)
        geometry = _geometry(seg, path)
        segments = []
        for n in chosen:
            number, name = offered[n]
            side, notices = side_of(dicom_modifiers(descriptions[number]), name)
            if kind == "FRACTIONAL":
                text = f"The segment '{name}' gives fractions; voxels of at least {100 * FRACTION:.0f} % were taken."
                notices = (*notices, Notice("fractional_segment", text))
            mask = _mask(seg, number, FRACTION * highest, path)
            segments.append(Segment(number, name, mask, geometry, side, None, notices))
    frame = str(seg.get("FrameOfReferenceUID") or "") or None
    return MaskImage(tuple(segments), frame)


def _geometry(seg: Any, path: Path) -> Geometry:
    try:
        found = seg.get_volume_geometry()
    except Exception as error:  # highdicom raises ValueError, RuntimeError or AttributeError for missing attributes
        raise ImageReadError(
            f"The DICOM segmentation '{path.name}' does not say where its frames lie in the patient; export it again."
        ) from error
    if found is None:
        raise GeometryError(
            f"The frames of DICOM segmentation '{path.name}' are no evenly spaced parallel slices; export it on the CT's grid."
        )
    affine = np.asarray(found.affine, float)
    shape = tuple(int(s) for s in found.spatial_shape)
    return grid(path, (shape[0], shape[1], shape[2]), affine[:3, [2, 1, 0]], affine[:3, 3])


def _mask(seg: Any, number: int, threshold: float, path: Path) -> NDArray[np.bool_]:
    try:
        volume = seg.get_volume(segment_numbers=[number], combine_segments=False, rescale_fractional=False)
    except Exception as error:  # among them: an unknown compression, too few bytes, two frames for one place
        if "uniquely identify" in str(error):
            raise GeometryError(
                f"'{path.name}' holds several frames of segment {number} at one position; export it again."
            ) from error
        raise ImageReadError(f"The frames of the DICOM segmentation '{path.name}' cannot be decoded; export it again.") from error
    values = np.asarray(volume.array)[..., 0]
    mask: NDArray[np.bool_] = (values > 0) & (values >= threshold)
    return mask

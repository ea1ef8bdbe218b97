"""A CT and its masks as they come out of a reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.notices import Notice

Phase = Literal["unenhanced", "arterial", "portal", "delayed", "unknown"]
PHASES: tuple[Phase, ...] = get_args(Phase)
Side = Literal["left", "right", "unknown"]

HuArray = NDArray[np.int16] | NDArray[np.float32]


@dataclass(frozen=True)
class CtImage:
    """One CT series.

    Attributes:
        hu: attenuation, shape ``geometry.shape``, int16 or float32, every value finite.
        geometry: its grid.
        phase: contrast phase, ``"unknown"`` unless the file or the user says it.
        frame_of_reference: DICOM Frame of Reference UID, or None when the file format has none.
        notices: remarks of the reader (gantry tilt corrected, padding replaced).
    """

    hu: HuArray
    geometry: Geometry
    phase: Phase = "unknown"
    frame_of_reference: str | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class Segment:
    """One segment of a mask.

    Attributes:
        number: label value in a label map, segment number in a DICOM SEG or RTSTRUCT (ROI number), 1-based otherwise.
        name: as the file gives it, else ``"label <number>"``.
        mask: bool, shape ``geometry.shape``. May cover just a part of the patient.
        geometry: its own grid, which need not be the CT's.
        side: what the segment's terminology says, else ``"unknown"``.
        terminology: the 3D Slicer terminology entry string where one exists.
        notices: remarks of the reader.
    """

    number: int
    name: str
    mask: NDArray[np.bool_]
    geometry: Geometry
    side: Side = "unknown"
    terminology: str | None = None
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class MaskImage:
    """The segments of one mask file, in the file's order, with the frame of reference where the format has one."""

    segments: tuple[Segment, ...]
    frame_of_reference: str | None = None
    notices: tuple[Notice, ...] = field(default=())

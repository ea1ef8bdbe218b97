"""Arguments and reading of one case, shared by ``assess``, ``measure`` and ``demo``."""

from __future__ import annotations

import argparse
from pathlib import Path

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.imaging.images import PHASES, CtImage, Phase, Segment
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.read import read_ct, read_mask

FURTHER: tuple[Phase, ...] = ("unenhanced", "arterial", "portal", "delayed")


def add_case_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    """CT, mask and phases."""
    parser.add_argument(
        "--ct",
        type=Path,
        required=required,
        metavar="CT",
        help="the CT on which the lesion was outlined: NIfTI, NRRD, MetaImage or a DICOM folder",
    )
    parser.add_argument(
        "--mask",
        type=Path,
        required=required,
        metavar="MASK",
        help="the outline: a label map, .seg.nrrd, DICOM SEG or RTSTRUCT; one segment for each lesion",
    )
    parser.add_argument(
        "--label",
        action="append",
        metavar="LABEL",
        help="number or name of the segment to use (repeat for several); default: every segment",
    )
    parser.add_argument("--phase", choices=PHASES, help="contrast phase of --ct; without it spontaneous attenuation is missing")
    parser.add_argument(
        "--series", metavar="N", help="which series of a DICOM folder: its number or UID, as listed when there are several"
    )
    for phase in FURTHER:
        parser.add_argument(f"--{phase}", type=Path, metavar="CT", help=f"a further CT of the same patient, {phase} phase")


def read_case(options: argparse.Namespace) -> tuple[Lesion, ...]:
    """Read the files that the arguments name and cut out the lesions. Raises AdrenalError."""
    ct = read_ct(options.ct, options.phase, options.series)
    others: dict[Phase, CtImage] = {}
    for phase in FURTHER:
        path = getattr(options, phase)
        if path is not None:
            if phase == ct.phase:
                raise AdrenalError(f"--ct is already the {phase} phase. Give --{phase} only for a further series.")
            others[phase] = read_ct(path, phase)
    segments: list[Segment] = []
    frame = None
    for label in options.label or [None]:
        mask = read_mask(options.mask, label, ct.geometry)
        segments.extend(mask.segments)
        frame = mask.frame_of_reference
    return extract_lesions(ct, segments, others, frame)

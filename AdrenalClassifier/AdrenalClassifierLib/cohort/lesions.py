"""From a row of the cohort table to a Lesion."""

from __future__ import annotations

from dataclasses import replace

from AdrenalClassifierLib.cohort.table import CohortRow
from AdrenalClassifierLib.errors import AdrenalError, GeometryError, MaskError
from AdrenalClassifierLib.imaging.images import CtImage, MaskImage, Phase
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.read import read_ct, read_mask

MASK_PHASES: tuple[Phase, ...] = ("portal", "unenhanced", "delayed", "arterial")
"""Where a mask lies on none of the scans' grids it is taken to belong to the first of these that exists."""


def lesion_of_row(row: CohortRow) -> Lesion:
    """Read the CTs and the mask of a row and cut the lesion out.

    The main phase is the one on whose grid the mask was drawn, else portal, unenhanced, delayed, arterial.

    Raises:
        AdrenalError: a file cannot be read, or mask and CT do not fit; the message says which file or phase.
    """
    phases = [phase for phase in MASK_PHASES if phase in row.ct]
    images = {phase: _read(row, phase) for phase in phases}
    mask = _mask(row, images[phases[0]])
    segment = mask.segments[0]
    main = next((p for p in phases if images[p].geometry.same_grid(segment.geometry)), phases[0])
    if row.side != "unknown" and segment.side == "unknown":
        segment = replace(segment, side=row.side)
    others = {phase: image for phase, image in images.items() if phase != main}
    (lesion,) = extract_lesions(images[main], [segment], others, mask.frame_of_reference)
    return replace(lesion, lesion_id=row.lesion_id)


def _read(row: CohortRow, phase: Phase) -> CtImage:
    try:
        image = read_ct(row.ct[phase], phase)
    except AdrenalError as error:
        raise type(error)(f"column 'ct_{phase}': {error}") from error
    # The table's word counts, whatever the header of the file says.
    return replace(image, phase=phase)


def _mask(row: CohortRow, reference: CtImage) -> MaskImage:
    try:
        mask = read_mask(row.mask, row.mask_label, reference.geometry)
    except AdrenalError as error:
        raise type(error)(f"column 'mask': {error}") from error
    if len(mask.segments) != 1:
        names = ", ".join(segment.name for segment in mask.segments)
        raise MaskError(f"column 'mask': the file holds {len(mask.segments)} segments ({names}); choose one in mask_label.")
    if mask.frame_of_reference and reference.frame_of_reference and mask.frame_of_reference != reference.frame_of_reference:
        raise GeometryError("column 'mask': the mask was drawn in another frame of reference than the CT of this row.")
    return mask

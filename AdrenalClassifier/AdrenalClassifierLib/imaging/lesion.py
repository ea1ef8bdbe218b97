"""One lesion cut out of a CT: the unit of work of everything downstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.errors import GeometryError, MaskError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.hounsfield import LEAST_HU, PADDING
from AdrenalClassifierLib.imaging.images import CtImage, Phase, Segment, Side
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed, index_box, resample_linear, resample_mask
from AdrenalClassifierLib.imaging.side import side_from_position
from AdrenalClassifierLib.notices import Notice

MARGIN_MM = 15.0
"""Tissue kept around the lesion's bounding box, enough for the rim that the network sees."""
LEAST_EXTENT_MM = 110.0
"""The crop spans at least this much along every axis, so that the network's physical view (96 mm) always has content."""


@dataclass(frozen=True)
class Lesion:
    """A CT cropped around one lesion, with the mask on the same grid.

    Attributes:
        lesion_id: name within the case; never a patient's identity.
        side: side of the patient, ``"unknown"`` when neither file nor position tells.
        phase: contrast phase of ``ct``.
        ct: HU, float32, shape ``geometry.shape``.
        mask: bool, same shape, at least one voxel.
        geometry: grid of the crop.
        others: further phases on the same grid, by role; never holds ``phase``. Voxels outside the other scan are NaN.
        touches_border: the mask reaches the border of the scan, so that part of the lesion may be missing.
        notices: warnings collected on the way here.
    """

    lesion_id: str
    side: Side
    phase: Phase
    ct: NDArray[np.float32]
    mask: NDArray[np.bool_]
    geometry: Geometry
    others: Mapping[Phase, NDArray[np.float32]]
    touches_border: bool = False
    notices: tuple[Notice, ...] = ()

    def hu(self, phase: Phase) -> NDArray[np.float32] | None:
        """The crop in one phase, or None when that phase was not given."""
        return self.ct if phase == self.phase else self.others.get(phase)

    @property
    def phases(self) -> tuple[Phase, ...]:
        """All phases at hand, that of ``ct`` first."""
        return (self.phase, *self.others)


def extract_lesions(
    ct: CtImage,
    segments: Sequence[Segment],
    others: Mapping[Phase, CtImage] | None = None,
    mask_frame_of_reference: str | None = None,
) -> tuple[Lesion, ...]:
    """Cut one Lesion out of ``ct`` for every segment.

    The mask is resampled to the CT's grid by nearest neighbour when it lies on another one (DESIGN section 6). Bilateral
    disease is several segments; a segment in several pieces stays one lesion and gets a notice.

    Args:
        ct: the scan on which the lesion was outlined.
        segments: the lesions' masks, on any grid in the same frame of reference.
        others: further phases of the same patient, by role, in the same patient coordinates.
        mask_frame_of_reference: DICOM UID of the mask's frame of reference, where known.

    Raises:
        MaskError: a segment is empty, or no segment was given.
        GeometryError: a mask and the CT have different frames of reference or do not overlap.
    """
    if not segments:
        raise MaskError("The mask file holds no segment. Outline the lesion and save it again.")
    if ct.frame_of_reference and mask_frame_of_reference and ct.frame_of_reference != mask_frame_of_reference:
        raise GeometryError(
            "The mask was drawn in another frame of reference than this CT (another examination or a moved patient). "
            "Give the CT series on which it was drawn."
        )
    return tuple(_extract(ct, segment, others or {}, f"lesion-{n}") for n, segment in enumerate(segments, start=1))


def _extract(ct: CtImage, segment: Segment, others: Mapping[Phase, CtImage], lesion_id: str) -> Lesion:
    drawn = bounding_box(segment.mask)
    if drawn is None:
        raise MaskError(f"The mask '{segment.name}' is empty: it contains no voxel. Outline the lesion and save it again.")
    grid, notices = ct.geometry, [*segment.notices]
    start, stop, mask = _on_ct_grid(segment, drawn, grid, notices)

    low, high = np.asarray(start), np.asarray(stop)
    # Padding beside the patient is of no interest to a reader; padding inside the outline is.
    padded = bool((boxed(ct.hu, start, stop)[mask] <= LEAST_HU).any())
    notices[:0] = [notice for notice in ct.notices if padded or notice.code != PADDING]
    touches = bool((low == 0).any() or (high == np.asarray(grid.shape)).any())
    if touches:
        notices.append(Notice("mask_at_border", "The mask reaches the border of the scan; part of the lesion may be missing."))
    spacing = np.asarray(grid.spacing)
    half = np.maximum((high - low) * spacing / 2 + MARGIN_MM, LEAST_EXTENT_MM / 2) / spacing
    middle = (low + high) / 2
    first = np.clip(np.floor(middle - half), 0, low).astype(int)
    last = np.clip(np.ceil(middle + half), high, grid.shape).astype(int)
    crop_start, crop_stop = (int(first[0]), int(first[1]), int(first[2])), (int(last[0]), int(last[1]), int(last[2]))
    geometry = grid.crop(crop_start, crop_stop)
    full = np.zeros(geometry.shape, bool)
    inner = tuple(slice(a - c, b - c) for a, b, c in zip(start, stop, crop_start, strict=True))
    full[inner] = mask

    pieces, count = ndimage.label(mask, np.ones((3, 3, 3)))
    if count > 1:
        sizes = np.bincount(pieces.ravel())[1:]
        rest = 100 * (1 - sizes.max() / sizes.sum())
        notices.append(
            Notice(
                "several_components",
                f"The mask is in {count} separate pieces ({rest:.2g} % of its volume lies outside the largest); they are "
                "judged as one lesion. Give each lesion a segment of its own.",
            )
        )
    side = segment.side
    if side == "unknown":
        side = side_from_position(ct, start, stop, mask)
    phases: dict[Phase, NDArray[np.float32]] = {}
    for role, other in others.items():
        if role == ct.phase:
            raise GeometryError(f"The phase '{role}' was given twice. Give every phase once.")
        if ct.frame_of_reference and other.frame_of_reference and ct.frame_of_reference != other.frame_of_reference:
            raise GeometryError(f"The {role} CT has another frame of reference than the main CT; register it first.")
        notices.extend(other.notices)
        phases[role] = resample_linear(other.hu, other.geometry, geometry, outside=np.nan)
        covered = np.isfinite(phases[role][full]).mean()
        if covered == 0:
            raise GeometryError(f"The {role} CT does not contain the lesion. Give a series that covers it.")
        if covered < 1:
            notices.append(Notice("phase_partly_outside", f"The {role} CT covers only {100 * covered:.0f} % of the lesion."))
    return Lesion(
        lesion_id,
        side,
        ct.phase,
        np.ascontiguousarray(boxed(ct.hu, crop_start, crop_stop), np.float32),
        full,
        geometry,
        phases,
        touches,
        tuple(dict.fromkeys(notices)),
    )


def _on_ct_grid(
    segment: Segment, drawn: tuple[tuple[int, int, int], tuple[int, int, int]], grid: Geometry, notices: list[Notice]
) -> tuple[tuple[int, int, int], tuple[int, int, int], NDArray[np.bool_]]:
    """The box (start, stop) of the mask in CT voxels and the mask within it."""
    if segment.geometry.same_grid(grid):
        return *drawn, np.ascontiguousarray(boxed(segment.mask, *drawn))
    own = segment.geometry.crop(*drawn)
    corners = own.corners()
    start, stop = index_box(grid, corners, margin=2)
    if min(b - a for a, b in zip(start, stop, strict=True)) < 1:
        raise GeometryError(_no_overlap(segment, grid))
    moved = resample_mask(boxed(segment.mask, *drawn), own, grid.crop(start, stop))
    box = bounding_box(moved)
    if box is None:
        raise GeometryError(_no_overlap(segment, grid))
    lost = _share_outside(own, segment.mask, drawn, grid)
    if lost > 0:
        notices.append(Notice("mask_partly_outside", f"{100 * lost:.2g} % of the mask lies outside the CT and is left out."))
    if not segment.geometry.same_lattice(grid):
        notices.append(
            Notice(
                "mask_resampled",
                "The mask lies on another grid than the CT "
                f"({'; '.join(segment.geometry.differences(grid))}); it was resampled by nearest neighbour.",
            )
        )
    offset = np.asarray(start)
    low, high = offset + box[0], offset + box[1]
    return (
        (int(low[0]), int(low[1]), int(low[2])),
        (int(high[0]), int(high[1]), int(high[2])),
        np.ascontiguousarray(boxed(moved, *box)),
    )


def _share_outside(
    own: Geometry, mask: NDArray[np.bool_], drawn: tuple[tuple[int, int, int], tuple[int, int, int]], grid: Geometry
) -> float:
    reach = np.abs(grid.to_index(own.corners()) + 0.5 - np.asarray(grid.shape) / 2)
    if (reach <= np.asarray(grid.shape) / 2 + 1e-3).all():
        return 0.0  # the whole box lies inside
    index = grid.to_index(own.to_world(np.argwhere(boxed(mask, *drawn))))
    beyond = ((index < -0.5 - 1e-3) | (index > np.asarray(grid.shape) - 0.5 + 1e-3)).any(axis=1)
    return float(beyond.mean())


def _no_overlap(segment: Segment, grid: Geometry) -> str:
    def extent(geometry: Geometry) -> str:
        corners = geometry.corners()
        return " x ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(corners.min(axis=0), corners.max(axis=0), strict=True))

    return (
        f"The mask '{segment.name}' (LPS {extent(segment.geometry)} mm) does not overlap the CT "
        f"(LPS {extent(grid)} mm). It belongs to another scan."
    )

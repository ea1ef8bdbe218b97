"""Two masks of one lesion: how much they overlap, and how far apart their surfaces are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.agreement.definitions import DEFAULT_TOLERANCES_MM, TIE_MM, metric_keys, surface_dice_key
from AdrenalClassifierLib.agreement.distances import distances
from AdrenalClassifierLib.agreement.placing import Joint, Mask, Outline, outline_of, place
from AdrenalClassifierLib.agreement.surface import Floats, triangulate
from AdrenalClassifierLib.errors import AdrenalError, GeometryError
from AdrenalClassifierLib.imaging.diameters import axial_axes
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import CtImage, Segment
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed, index_box, resample_mask
from AdrenalClassifierLib.notices import Notice

PERCENTILE = 0.95


@dataclass(frozen=True)
class SurfaceDistances:
    """Distances between two surfaces.

    Attributes:
        ab: mm, one for each triangle of A, to surface B; ``area_a`` mm2 of these triangles.
        ba: mm, one for each triangle of B, to surface A; ``area_b`` mm2 of these triangles.
    """

    ab: Floats
    area_a: Floats
    ba: Floats
    area_b: Floats


@dataclass(frozen=True)
class PairAgreement:
    """Agreement of mask B with mask A.

    Attributes:
        values: every metric of ``definitions.metric_keys``; None where it is undefined.
        undefined: for each None the reason, one sentence.
        notices: remarks, such as that a mask was resampled.
    """

    values: Mapping[str, float | None]
    undefined: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()

    def __getitem__(self, key: str) -> float | None:
        return self.values[key]

    def to_json(self) -> dict[str, Any]:
        """The values, then ``undefined`` and ``notices``."""
        notices = [{"code": notice.code, "text": notice.text} for notice in self.notices]
        return {**self.values, "undefined": dict(self.undefined), "notices": notices}


def compare(
    a: Segment | Outline,
    b: Segment | Outline,
    ct: CtImage | None = None,
    tolerances_mm: Sequence[float] = DEFAULT_TOLERANCES_MM,
) -> PairAgreement:
    """Compare two masks of one lesion; A is the reference where a sign or a denominator needs one (see ``definitions``).

    Args:
        a, b: masks on any two grids of one frame of reference; either may be empty.
        ct: the scan on which they were drawn, for the attenuation.
        tolerances_mm: tolerances of the surface Dice, above zero.

    Raises:
        GeometryError: the masks, or a mask and the CT, do not belong together.
        AdrenalError: a tolerance is not a number above zero.
    """
    for tolerance in tolerances_mm:
        if not 0 < tolerance < np.inf:
            raise AdrenalError(f"A tolerance of {tolerance:g} mm is of no use; give a number of mm above 0.")
    outlines = [mask if isinstance(mask, Outline) else outline_of(mask) for mask in (a, b)]
    frames = {frame for frame in (*(o.frame_of_reference for o in outlines), ct.frame_of_reference if ct else None) if frame}
    joint = place(outlines)
    if len(frames) > 1:
        raise GeometryError("The masks and the CT have different frames of reference. Give the CT on which they were drawn.")
    values: dict[str, float | None] = dict.fromkeys(metric_keys(tolerances_mm))
    undefined: dict[str, str] = {}
    notices: list[Notice] = [*a.notices, *b.notices]
    if joint is None:
        values |= dict.fromkeys(("volume_a_ml", "volume_b_ml", "volume_difference_ml", "added_ml", "missed_ml"), 0.0)
        reason = "Both masks are empty."
    else:
        notices.extend(joint.notices)
        values |= overlap(joint.masks[0], joint.masks[1], joint.geometry.voxel_volume_mm3)
        empty = [name for name, mask in zip("AB", joint.masks, strict=True) if not mask.any()]
        reason = f"Mask {empty[0]} is empty." if empty else ""
        if empty:
            values |= {surface_dice_key(t): 0.0 for t in tolerances_mm}
        else:
            values |= surface_metrics(surface_distances(joint), tolerances_mm)
            values["centroid_shift_mm"] = float(np.linalg.norm(np.subtract(*(_centre(m, joint.geometry) for m in joint.masks))))
        values |= _lengths(joint)
        if ct is not None:
            means, remarks = _attenuation(joint, ct)
            values |= means
            notices.extend(remarks)
    for key, value in values.items():
        if value is None:
            no_ct = key.startswith("mean_hu") and ct is None
            undefined[key] = "No CT was given." if no_ct else reason or "The CT does not cover the mask."
    return PairAgreement(values, undefined, tuple(dict.fromkeys(notices)))


def overlap(a: Mask, b: Mask, voxel_mm3: float) -> dict[str, float | None]:
    """The metrics that count voxels of two masks on one grid."""
    n_a, n_b, both = (int(np.count_nonzero(m)) for m in (a, b, a & b))
    ml = voxel_mm3 / 1000
    return {
        "dice": 2 * both / (n_a + n_b) if n_a + n_b else None,
        "jaccard": both / (n_a + n_b - both) if n_a + n_b else None,
        "volume_a_ml": n_a * ml,
        "volume_b_ml": n_b * ml,
        "volume_difference_ml": (n_b - n_a) * ml,
        "volume_difference_percent": 100 * (n_b - n_a) / n_a if n_a else None,
        "volume_ratio": n_b / n_a if n_a else None,
        "added_ml": (n_b - both) * ml,
        "missed_ml": (n_a - both) * ml,
    }


def surface_distances(joint: Joint) -> SurfaceDistances:
    """Distances between the surfaces of two masks, neither of them empty."""
    a, b = (triangulate(mask, joint.geometry.spacing) for mask in joint.masks)
    return SurfaceDistances(distances(a, b), a.areas, distances(b, a), b.areas)


def surface_metrics(found: SurfaceDistances, tolerances_mm: Sequence[float]) -> dict[str, float | None]:
    """Hausdorff distances, mean distance and surface Dice from distances and areas."""
    distance, area = np.concatenate([found.ab, found.ba]), np.concatenate([found.area_a, found.area_b])
    of_a = np.arange(len(distance)) < len(found.ab)
    order = np.argsort(distance.astype(np.float32))
    total = float(area.sum())
    directed = [_percentile(distance[part], area[part]) for part in (order[of_a[order]], order[~of_a[order]])]
    values: dict[str, float | None] = {
        "hausdorff_mm": float(distance.max()),
        "hd95_mm": max(directed),
        "hd95_pooled_mm": _percentile(distance[order], area[order]),
        "assd_mm": float(distance @ area) / total,
    }
    for tolerance in tolerances_mm:
        values[surface_dice_key(tolerance)] = float(area[distance <= tolerance + TIE_MM].sum()) / total
    return values


def _percentile(distance: Floats, area: Floats) -> float:
    """The smallest of the ascending distances up to which at least 95 % of the area lies."""
    reached = np.cumsum(area)
    return float(distance[min(int(np.searchsorted(reached, PERCENTILE * reached[-1])), len(distance) - 1)])


def _centre(mask: Mask, geometry: Geometry) -> NDArray[np.float64]:
    """LPS mm of the centre of gravity of the voxels."""
    plane, column = mask.sum(axis=2, dtype=np.int64), mask.sum(axis=0, dtype=np.int64)
    counts = (plane.sum(axis=1), plane.sum(axis=0), column.sum(axis=0))
    return geometry.to_world(np.array([np.arange(c.size) @ c / c.sum() for c in counts]))


def _lengths(joint: Joint) -> dict[str, float | None]:
    lengths = [axial_axes(mask, joint.geometry).long.length_mm if mask.any() else None for mask in joint.masks]
    a, b = lengths
    difference = None if a is None or b is None else b - a
    return {"long_axis_a_mm": a, "long_axis_b_mm": b, "long_axis_difference_mm": difference}


def _attenuation(joint: Joint, ct: CtImage) -> tuple[dict[str, float | None], list[Notice]]:
    """Mean HU of each mask on the CT's own grid."""
    start, stop = index_box(ct.geometry, joint.geometry.corners(), margin=1)
    means: list[float | None] = [None, None]
    notices: list[Notice] = []
    if min(b - a for a, b in zip(start, stop, strict=True)) > 0:
        grid, hu = ct.geometry.crop(start, stop), boxed(ct.hu, start, stop)
        for n, mask in enumerate(joint.masks):
            box = bounding_box(mask)
            if box is None:
                continue
            moved = resample_mask(mask, joint.geometry, grid)
            means[n] = float(np.mean(hu[moved], dtype=np.float64)) if moved.any() else None
            index = ct.geometry.to_index(joint.geometry.crop(*box).corners())
            if (index < -0.5).any() or (index > np.asarray(ct.geometry.shape) - 0.5).any():
                notices.append(
                    Notice("mask_partly_outside", f"Mask {'AB'[n]} reaches beyond the CT; its mean is of the part inside.")
                )
    elif any(mask.any() for mask in joint.masks):
        raise GeometryError("The masks do not overlap the CT; it belongs to another scan.")
    a, b = means
    return {"mean_hu_a": a, "mean_hu_b": b, "mean_hu_difference": None if a is None or b is None else b - a}, notices

"""What every number means. The texts are written into summary.json, so that a table can be read years later."""

from __future__ import annotations

from collections.abc import Sequence

DEFAULT_TOLERANCES_MM = (1.0, 2.0)
TIE_MM = 1e-4
"""A distance that exceeds a tolerance by less than this counts as within it: single precision blurs exact ties."""
LOW_DICE = 0.80
"""Pairs below this are counted (clinical convention of reproducibility reports)."""

DEFINITIONS = {
    "dice": "2 |A and B| / (|A| + |B|), by voxels. One mask empty: 0. Both empty: undefined.",
    "jaccard": "|A and B| / |A or B|, by voxels. One mask empty: 0. Both empty: undefined.",
    "volume_a_ml": "Number of voxels of A times the volume of one (IBSI YEKZ); likewise volume_b_ml.",
    "volume_difference_ml": "B minus A.",
    "volume_difference_percent": "100 (B - A) / A. Undefined when A is empty.",
    "volume_ratio": "B / A. Undefined when A is empty.",
    "added_ml": "Volume in B and not in A.",
    "missed_ml": "Volume in A and not in B.",
    "hausdorff_mm": "Largest distance of a surface triangle's centroid from the other surface, both directions.",
    "hd95_mm": "The larger of the two directed 95th percentiles: in each direction the smallest distance that at least 95 % "
    "of the surface area does not exceed.",
    "hd95_pooled_mm": "The 95th percentile, by area, of the distances of both directions together.",
    "assd_mm": "Mean of the distances of both directions together, weighted by triangle area.",
    "surface_dice": "Share of the area of both surfaces whose distance to the other one is within the tolerance in the name. One "
    "mask empty: 0. Both empty: undefined.",
    "centroid_shift_mm": "Distance between the centres of gravity of the voxels.",
    "long_axis_a_mm": "Longest diameter in an axial plane of the patient (RECIST 1.1), between points of the 0.5 level of the "
    "mask; likewise long_axis_b_mm.",
    "long_axis_difference_mm": "B minus A.",
    "mean_hu_a": "Mean attenuation of the CT's voxels whose centre lies in A; likewise mean_hu_b. Only where a CT is given.",
    "mean_hu_difference": "B minus A.",
    "surface": "Marching cubes between voxel centres with vertices at half way, no smoothing, in mm, on the grid the masks share "
    "(axes turned to the patient's), as MeshMetrics 1.4 and vtkDiscreteMarchingCubes. A distance is the exact one from a "
    "triangle's centroid to the nearest point of the other surface.",
    "empty_masks": "Distances from or to an empty mask are undefined: null with a reason, left out of every mean, and counted.",
    "grids": "Masks on one lattice are compared as they are; otherwise they are resampled by nearest neighbour to the finest "
    "grid.",
}


def surface_dice_key(tolerance_mm: float) -> str:
    """``surface_dice_2mm`` for 2 mm."""
    return f"surface_dice_{tolerance_mm:g}mm"


def metric_keys(tolerances_mm: Sequence[float]) -> tuple[str, ...]:
    """Every metric of a pair, in the order of the files."""
    return (
        *("dice", "jaccard", "volume_a_ml", "volume_b_ml", "volume_difference_ml", "volume_difference_percent", "volume_ratio"),
        *("added_ml", "missed_ml", "hausdorff_mm", "hd95_mm", "hd95_pooled_mm", "assd_mm"),
        *(surface_dice_key(t) for t in tolerances_mm),
        *("centroid_shift_mm", "long_axis_a_mm", "long_axis_b_mm", "long_axis_difference_mm"),
        *("mean_hu_a", "mean_hu_b", "mean_hu_difference"),
    )


def unit_of(key: str) -> str:
    """The unit of a metric: ``ml``, ``mm``, ``percent``, ``hu`` or ``1``."""
    if key.startswith("surface_dice"):
        return "1"
    if "_hu_" in key or key.endswith("_hu"):
        return "hu"
    return next((unit for unit in ("ml", "mm", "percent") if key.endswith("_" + unit)), "1")

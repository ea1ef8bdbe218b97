"""What a reader sees of a scan, and how much it is told where the lesion is.

Nothing that is given may say where the first reader drew. A crop reaches beyond the existing outline by 30 to 70 mm, drawn for
each of its six sides: its centre is not the lesion's. A point lies anywhere in the half of the outline that is deepest inside
(at least half of the largest depth): it is safely in the lesion, but is neither its centroid nor near its border. A box reaches
beyond the outline by 10 to 20 mm, drawn for each side. Sides end at the scan's border.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.resample import bounding_box

HintKind = Literal["none", "point", "box"]
HINTS: tuple[HintKind, ...] = get_args(HintKind)
Content = Literal["crop", "full"]
CONTENTS: tuple[Content, ...] = get_args(Content)
CROP_MM = (30.0, 70.0)
BOX_MM = (10.0, 20.0)
LEAST_DEPTH = 0.5
Box = tuple[tuple[int, int, int], tuple[int, int, int]]


def crop_box(mask: NDArray[np.bool_], grid: Geometry, chance: random.Random) -> Box:
    """The part of the scan that is shown. ``mask`` (k, j, i) on ``grid``, not empty."""
    return _widened(mask, grid, CROP_MM, chance)


def hint_of(kind: HintKind, mask: NDArray[np.bool_] | None, grid: Geometry, chance: random.Random) -> dict[str, Any]:
    """The hint as it stands in a package: ``kind`` and voxel indices (k, j, i) of ``grid``.

    Raises:
        StudyError: a hint is wanted but there is no outline.
    """
    if kind == "none":
        return {"kind": kind}
    if mask is None or not mask.any():
        raise StudyError("A hint needs an existing outline of every lesion. Give masks, or choose no hint.")
    if kind == "box":
        start, stop = _widened(mask, grid, BOX_MM, chance)
        return {"kind": kind, "start_kji": list(start), "stop_kji": list(stop)}
    start, stop = _box(mask)
    inside = np.pad(mask[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]], 1)
    depth = ndimage.distance_transform_edt(inside, grid.spacing)
    deep = np.argwhere(depth >= LEAST_DEPTH * depth.max()) - 1 + np.asarray(start)
    return {"kind": kind, "index_kji": [int(v) for v in deep[chance.randrange(len(deep))]]}


def hint_text(hint: Mapping[str, Any], grid: Geometry) -> str:
    """The hint in words, positions in the package's own coordinates."""
    if hint["kind"] == "point":
        x, y, z = grid.to_world(np.asarray(hint["index_kji"]))
        return f"lesion at ({x:.0f}, {y:.0f}, {z:.0f}) mm LPS"
    if hint["kind"] == "box":
        ends = grid.to_world(np.array([hint["start_kji"], np.asarray(hint["stop_kji"]) - 1]))
        low, high = ends.min(axis=0), ends.max(axis=0)
        return "lesion within " + " x ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True)) + " mm LPS"
    return ""


def _widened(mask: NDArray[np.bool_], grid: Geometry, margin_mm: tuple[float, float], chance: random.Random) -> Box:
    start, stop = _box(mask)
    low, high = [], []
    for axis in range(3):
        before, after = (round(chance.uniform(*margin_mm) / grid.spacing[axis]) for _ in range(2))
        low.append(max(start[axis] - before, 0))
        high.append(min(stop[axis] + after, grid.shape[axis]))
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _box(mask: NDArray[np.bool_]) -> Box:
    box = bounding_box(mask)
    if box is None:
        raise StudyError("The existing outline is empty. Outline the lesion and save it again.")
    return box

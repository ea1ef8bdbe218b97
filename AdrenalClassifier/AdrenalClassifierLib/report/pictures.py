"""Pictures of a lesion in the three planes of the patient."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.resample import patient_aligned
from AdrenalClassifierLib.model.saliency import SaliencyMap

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
AXES: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}
"""The array axis (S, P, L) that a plane cuts across."""
WINDOW_HU = (-160.0, 240.0)
"""Abdominal window: level 40, width 400 HU."""
PIXELS = 384
NEARLY = 0.95
"""Slices whose difference is at least this share of the largest one count as equal."""
OUTLINE = (255, 193, 7)
SECOND_OUTLINE = (0, 190, 255)
SHARED = (255, 255, 255)
"""Where two outlines run along each other."""
SCALE_BAR_MM = 20.0
FOR, AGAINST = (255, 140, 40), (70, 150, 255)
"""Orange for malignancy, blue against it: told apart with every colour vision; as the page's bars, on dark ground."""
OPACITY = 0.75
SCALE_PERCENTILE = 99.0
"""The colours saturate at this percentile of the map's absolute values, lest one voxel decide how faint all others are."""
_EDGES: dict[Plane, tuple[str, str, str, str]] = {  # left, right, top, bottom of the picture
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}
NEGLIGIBLE = 0.1
"""Design: a map that would add no more than these log-odds if all of the lesion were as strong stays pale."""


@dataclass(frozen=True)
class Picture:
    """One plane: a PNG with the mask's outline, orientation letters and a scale bar, and what it shows in words."""

    plane: Plane
    png: bytes
    caption: str

    @property
    def data_uri(self) -> str:
        """For an ``<img src>`` in a page that stands alone."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def lesion_pictures(lesion: Lesion, field_mm: float | None = None, saliency: SaliencyMap | None = None) -> tuple[Picture, ...]:
    """The lesion in the axial, coronal and sagittal plane through the slice where its area is largest.

    Displayed as radiologists read: patient's right on the left, anterior to the top (axial) or left (sagittal).

    Args:
        lesion: what to show; its main phase is drawn.
        field_mm: edge of the square field of view; None takes the lesion's extent plus 30 mm to each side, at least 100 mm, but
            no more than the crop holds around the lesion.
        saliency: a map that is laid over the lesion, in orange and blue.
    """
    hu, mask, grid = patient_aligned(lesion.ct, lesion.mask, lesion.geometry)
    overlay = None
    if saliency is not None:
        values, _, _ = patient_aligned(saliency.values, lesion.mask, lesion.geometry)
        overlay = (values / saliency_scale(saliency, lesion)).clip(-1, 1)
    filled = np.argwhere(mask)
    low, high = filled.min(axis=0), filled.max(axis=0)
    extent = float(((high - low + 1) * grid.spacing).max())
    middle = (low + high) / 2
    if field_mm is None:
        held = (np.minimum(middle, np.array(mask.shape) - 1 - middle) * 2 * grid.spacing)[1:].min()
        field_mm = max(min(max(extent + 60.0, 100.0), float(held)), extent + 20.0)
    return tuple(
        _picture(plane, hu, (mask,), (OUTLINE,), _slice_of(mask, mask, plane), overlay, grid, middle, field_mm)
        for plane in PLANES
    )


def saliency_scale(saliency: SaliencyMap, lesion: Lesion) -> float:
    """The value of a map at which its colours saturate, log-odds per mL."""
    volume_ml = int(np.count_nonzero(lesion.mask)) * lesion.geometry.voxel_volume_mm3 / 1000
    return max(float(np.percentile(np.abs(saliency.values[lesion.mask]), SCALE_PERCENTILE)), NEGLIGIBLE / volume_ml)


def outline_pictures(
    hu: NDArray[np.float32] | NDArray[np.int16], a: NDArray[np.bool_], b: NDArray[np.bool_], geometry: Geometry
) -> tuple[Picture, ...]:
    """Two outlines of one lesion in the three planes, each through the slice, of those that hold both, where they differ most.

    The first is drawn in ``OUTLINE``, the second in ``SECOND_OUTLINE``, what both share in ``SHARED``. The field of view holds
    both with 15 mm around, at least 60 mm.

    Args:
        hu: CT (k, j, i) on ``geometry``.
        a, b: masks on the same grid, not both empty.
        geometry: the grid.
    """
    image, first, grid = patient_aligned(np.asarray(hu, np.float32), a, geometry)
    _, second, _ = patient_aligned(np.asarray(hu, np.float32), b, geometry)
    filled = np.argwhere(first | second)
    low, high = filled.min(axis=0), filled.max(axis=0)
    field_mm = max(float(((high - low + 1) * grid.spacing).max()) + 30.0, 60.0)
    colours = (OUTLINE, SECOND_OUTLINE)
    middle = (low + high) / 2
    return tuple(
        _picture(plane, image, (first, second), colours, _slice_of(first, second, plane), None, grid, middle, field_mm)
        for plane in PLANES
    )


def _slice_of(a: NDArray[np.bool_], b: NDArray[np.bool_], plane: Plane) -> int:
    """The slice, of those that hold both masks if any does, where they differ most; of near equals the largest."""
    others = tuple(axis for axis in range(3) if axis != AXES[plane])
    areas_a, areas_b, differing, joint = (mask.sum(axis=others) for mask in (a, b, a ^ b, a | b))
    both = (areas_a > 0) & (areas_b > 0)
    differing = np.where(both, differing, -1) if both.any() else differing
    return int(np.argmax(np.where(differing >= NEARLY * differing.max(), joint, -1)))


def _picture(
    plane: Plane,
    hu: NDArray[np.float32],
    masks: Sequence[NDArray[np.bool_]],
    colours: Sequence[tuple[int, int, int]],
    n: int,
    overlay: NDArray[np.float32] | None,
    grid: Geometry,
    middle: NDArray[np.float64],
    field_mm: float,
) -> Picture:
    """The n-th slice with the outline of each mask in its colour."""
    axis = AXES[plane]
    rest = [a for a in range(3) if a != axis]
    centre = [middle[a] for a in rest]
    step = field_mm / PIXELS
    offsets = (np.arange(PIXELS) - (PIXELS - 1) / 2) * step
    rows = centre[0] + offsets / grid.spacing[rest[0]]
    columns = centre[1] + offsets / grid.spacing[rest[1]]
    where = np.meshgrid(rows, columns, indexing="ij")
    slice_hu = ndimage.map_coordinates(hu.take(n, axis), where, order=1, mode="constant", cval=np.nan)
    insides = [ndimage.map_coordinates(m.take(n, axis).astype(np.float32), where, order=1, mode="constant") >= 0.5 for m in masks]
    tint = None
    if overlay is not None:
        # Zero outside the mask: the nearest voxel keeps the values at the outline from fading into it.
        tint = np.where(insides[0], ndimage.map_coordinates(overlay.take(n, axis), where, order=0, mode="nearest"), 0.0)
    if plane != "axial":  # arrays run from feet to head; pictures from head to feet
        slice_hu, insides = slice_hu[::-1], [inside[::-1] for inside in insides]
        tint = None if tint is None else tint[::-1]
    low, high = WINDOW_HU
    grey = np.nan_to_num((slice_hu - low) / (high - low), nan=0.0).clip(0, 1) * 255
    rgb = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if tint is not None:
        rgb = _blended(rgb, tint)
    drawn = np.zeros(grey.shape, bool)
    for inside, colour in zip(insides, colours, strict=True):
        line = ndimage.binary_dilation(inside, iterations=1) & ~ndimage.binary_erosion(inside, iterations=1)
        rgb[line] = np.where(drawn[line][:, None], SHARED, colour)
        drawn |= line
    image = Image.fromarray(rgb)
    _annotate(image, plane, step)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return Picture(plane, buffer.getvalue(), f"{plane.capitalize()} plane, field of view {field_mm:.0f} mm")


def _blended(rgb: NDArray[np.uint8], colour: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A picture (h, w, 3) with -1..1 (h, w) laid over it: the stronger, the less of the picture is left."""
    opacity = OPACITY * np.abs(colour)[..., None]
    paint = np.where(colour[..., None] > 0, np.array(FOR, float), np.array(AGAINST, float))
    return np.rint((1 - opacity) * rgb + opacity * paint).astype(np.uint8)


def _annotate(image: Image.Image, plane: Plane, step: float) -> None:
    draw = ImageDraw.Draw(image)
    left, right, top, bottom = _EDGES[plane]

    def write(x: float, y: float, text: str, anchor: str, size: int = 18) -> None:
        font = ImageFont.load_default(size=size)
        draw.text((x, y), text, (255, 255, 255), font, anchor, stroke_width=2, stroke_fill=(0, 0, 0))

    write(8, PIXELS / 2, left, "lm")
    write(PIXELS - 8, PIXELS / 2, right, "rm")
    write(PIXELS / 2, 6, top, "ma")
    write(PIXELS / 2, PIXELS - 6, bottom, "md")
    length = SCALE_BAR_MM / step
    y = PIXELS - 14
    draw.line([(12, y), (12 + length, y)], fill=(0, 0, 0), width=6)
    draw.line([(13, y), (11 + length, y)], fill=(255, 255, 255), width=3)
    write(12, y - 8, f"{SCALE_BAR_MM:.0f} mm", "ld", 14)

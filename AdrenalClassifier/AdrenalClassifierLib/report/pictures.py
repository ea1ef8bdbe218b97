"""Pictures of a lesion in the three planes of the patient."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.resample import patient_aligned

Plane = Literal["axial", "coronal", "sagittal"]
PLANES: tuple[Plane, ...] = ("axial", "coronal", "sagittal")
WINDOW_HU = (-160.0, 240.0)
"""Abdominal window: level 40, width 400 HU."""
PIXELS = 384
OUTLINE = (255, 193, 7)
SCALE_BAR_MM = 20.0
_EDGES: dict[Plane, tuple[str, str, str, str]] = {  # left, right, top, bottom of the picture
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "S", "I"),
    "sagittal": ("A", "P", "S", "I"),
}


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


def lesion_pictures(lesion: Lesion, field_mm: float | None = None) -> tuple[Picture, ...]:
    """The lesion in the axial, coronal and sagittal plane through the slice where its area is largest.

    Displayed as radiologists read: patient's right on the left, anterior to the top (axial) or left (sagittal).

    Args:
        lesion: what to show; its main phase is drawn.
        field_mm: edge of the square field of view; None takes the lesion's extent plus 30 mm to each side, at least 100 mm, but
            no more than the crop holds around the lesion.
    """
    hu, mask, grid = patient_aligned(lesion.ct, lesion.mask, lesion.geometry)
    filled = np.argwhere(mask)
    low, high = filled.min(axis=0), filled.max(axis=0)
    extent = float(((high - low + 1) * grid.spacing).max())
    middle = (low + high) / 2
    if field_mm is None:
        held = (np.minimum(middle, np.array(mask.shape) - 1 - middle) * 2 * grid.spacing)[1:].min()
        field_mm = max(min(max(extent + 60.0, 100.0), float(held)), extent + 20.0)
    return tuple(_picture(plane, hu, mask, grid, middle, field_mm) for plane in PLANES)


def _picture(
    plane: Plane, hu: NDArray[np.float32], mask: NDArray[np.bool_], grid: Geometry, middle: NDArray[np.float64], field_mm: float
) -> Picture:
    axis = {"axial": 0, "coronal": 1, "sagittal": 2}[plane]
    areas = mask.sum(axis=tuple(a for a in range(3) if a != axis))
    n = int(np.argmax(areas))
    rest = [a for a in range(3) if a != axis]
    centre = [middle[a] for a in rest]
    step = field_mm / PIXELS
    offsets = (np.arange(PIXELS) - (PIXELS - 1) / 2) * step
    rows = centre[0] + offsets / grid.spacing[rest[0]]
    columns = centre[1] + offsets / grid.spacing[rest[1]]
    where = np.meshgrid(rows, columns, indexing="ij")
    slice_hu = ndimage.map_coordinates(hu.take(n, axis), where, order=1, mode="constant", cval=np.nan)
    inside = ndimage.map_coordinates(mask.take(n, axis).astype(np.float32), where, order=1, mode="constant") >= 0.5
    if plane != "axial":  # arrays run from feet to head; pictures from head to feet
        slice_hu, inside = slice_hu[::-1], inside[::-1]
    low, high = WINDOW_HU
    grey = np.nan_to_num((slice_hu - low) / (high - low), nan=0.0).clip(0, 1) * 255
    rgb = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    rgb[ndimage.binary_dilation(inside, iterations=1) & ~ndimage.binary_erosion(inside, iterations=1)] = OUTLINE
    image = Image.fromarray(rgb)
    _annotate(image, plane, step)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return Picture(plane, buffer.getvalue(), f"{plane.capitalize()} plane, field of view {field_mm:.0f} mm")


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

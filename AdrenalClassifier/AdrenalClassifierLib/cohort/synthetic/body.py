"""One patient's organs: sizes, positions and attenuation, and where a gland lies.

Body coordinates: x to the patient's left, y posterior, z superior, in mm from the centre of the vertebral body beside the gland.
Positions are those of an average adult as seen on axial CT ("design"); every patient differs by a few millimetres.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.synthetic.canvas import Canvas, Distance, tissues
from AdrenalClassifierLib.cohort.synthetic.fields import Volume
from AdrenalClassifierLib.cohort.synthetic.look import SYNTHETIC_PHASES
from AdrenalClassifierLib.imaging.images import Phase, Side

VERTEBRA_CLEARANCE_MM = 24.0
"""A lesion's edge keeps this distance from the vertebra's axis."""
FAT_PAD_MM = 7.0
"""Radius of the fat around a gland before a lesion grows in it."""


def outward_direction(side: Side, upwards: float = 0.0) -> NDArray[np.float64]:
    """Unit vector (x, y, z) in which a large lesion grows: sideways and forwards."""
    direction = np.array([-0.76 if side == "right" else 0.76, -0.55, upwards])
    return np.asarray(direction / np.linalg.norm(direction))


class Patient:
    """Sizes, positions and attenuation of one patient's organs."""

    def __init__(self, rng: np.random.Generator, side: Side) -> None:
        """Draw them."""
        self.rng = rng
        self.sign = 1.0 if side == "left" else -1.0
        self.size = float(np.clip(1 + 0.06 * rng.standard_normal(), 0.88, 1.14))
        self.hu: dict[str, dict[Phase, float]] = {
            name: {p: entry[p] + shift for p in SYNTHETIC_PHASES}
            for name, entry in tissues().items()
            for shift in (entry["sd"] * float(np.clip(rng.standard_normal(), -2, 2)),)
        }

    def near(self, value: float, spread: float) -> float:
        """A length or position of this patient: ``value`` scaled by body size, varied by up to twice ``spread`` mm."""
        return self.size * value + spread * float(np.clip(self.rng.standard_normal(), -2, 2))

    def place(self, x: float, y: float, z: float, spread: float = 2.5) -> tuple[float, float, float]:
        """A position; x as on the lesion's side (positive away from the midline) times the side's sign."""
        return self.sign * self.near(x, spread), self.near(y, spread), self.near(z, spread)

    def bed(self) -> tuple[float, float, float]:
        """Body coordinates of the gland: lateral to the crus, on the left a little further out."""
        return self.place(37 if self.sign > 0 else 34, -18, 0, 2.0)

    def lesion_centre(self, bed: tuple[float, float, float], radius: float, half_axis: float) -> tuple[float, float, float]:
        """Body coordinates of a lesion's centre: in the bed when small, growing forwards and outwards when large.

        Args:
            bed: the gland's place.
            radius: its mean radius in mm.
            half_axis: half of its longest axial axis in mm, which must clear the vertebra.
        """
        outward = outward_direction("left" if self.sign > 0 else "right", 0.15 * float(self.rng.standard_normal()))
        point = np.asarray(bed) + outward * max(0.0, 0.75 * radius - 9.0)
        for _ in range(200):
            if np.hypot(point[0], point[1]) >= half_axis + VERTEBRA_CLEARANCE_MM:
                break
            point += outward
        return float(point[0]), float(point[1]), float(point[2])


def soft(canvas: Canvas, distance: Distance) -> Distance:
    """An organ keeps off the fat pad in which the lesion grew."""
    cx, cy, cz = canvas.bed

    def kept_off(x: Volume, y: Volume, z: Volume) -> Volume:
        away = np.sqrt((x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2 + (z - np.float32(cz)) ** 2)
        out: Volume = np.maximum(distance(x, y, z), np.float32(FAT_PAD_MM) - away)
        return out

    return kept_off

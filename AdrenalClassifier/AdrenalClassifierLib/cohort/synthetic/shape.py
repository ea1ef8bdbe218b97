"""The form of a lesion: an ellipsoid whose surface is displaced by smooth random fields, sized to its axial long axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.synthetic.fields import SmoothField, Volume
from AdrenalClassifierLib.cohort.synthetic.look import Look

REACH = 1.7
"""The fields span this many half long axes on either side of the centre."""
PROBE = np.linspace(-1.6, 1.6, 49)
DIRECTIONS = np.linspace(0, np.pi, 90, endpoint=False)
FINE_SHARE = 0.35
LARGEST_ERROR_MM = 1.2
ERROR_SHARE = 0.022


@dataclass(frozen=True)
class Shape:
    """A lesion's outline: negative inside, in mm, near the surface a distance.

    Attributes:
        quadratic: (3, 3) matrix of the ellipsoid in (z, y, x), half long axis = 1.
        fields: displacement of the surface outwards, in half long axes: (amplitude, field).
        half_mm: length in mm that stands for 1.
        long_axis_mm: largest axial diameter.
        reach_mm: half extent along (z, y, x) of the shape about its centre.
        long_axis_turn: direction of the axial long axis, radians from +x (left) to +y (posterior).
    """

    quadratic: NDArray[np.float64]
    fields: tuple[tuple[float, SmoothField], ...]
    half_mm: float
    long_axis_mm: float
    reach_mm: tuple[float, float, float]
    long_axis_turn: float

    @property
    def mean_radius_mm(self) -> float:
        """Radius of the sphere with the ellipsoid's volume."""
        return float(self.half_mm * np.linalg.det(self.quadratic) ** (-1 / 6))

    def distance(self, axes: Sequence[NDArray[np.floating]]) -> Volume:
        """Signed distance in mm at the grid points of three axes (z, y, x) in mm from the centre; float32."""
        units = [np.asarray(axis, float) / self.half_mm for axis in axes]
        return np.asarray(_level(self.quadratic, self.fields, units) * np.float32(self.half_mm))


def draw_shape(rng: np.random.Generator, look: Look, diameter_mm: float) -> Shape:
    """The true lesion, its largest axial diameter being ``diameter_mm``."""
    axes = np.array([look.craniocaudal, look.inplane, 1.0])
    turn, tilt = np.deg2rad([look.turn_deg, look.tilt_deg])
    in_plane = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    tipped = np.array([[np.cos(tilt), np.sin(tilt), 0], [-np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
    # Rows of the product are the ellipsoid's own axes in (z, y, x); the tilt leaves the long axis in the axial plane.
    own = tipped @ in_plane
    quadratic = own.T @ np.diag(axes**-2.0) @ own
    low, high = [-REACH] * 3, [REACH] * 3
    scale = look.irregularity_scale
    fields = (
        (look.irregularity, SmoothField(rng, low, high, scale)),
        (FINE_SHARE * look.irregularity, SmoothField(rng, low, high, 0.4 * scale)),
    )
    return _sized(quadratic, fields, diameter_mm)


def outlined(rng: np.random.Generator, shape: Shape, diameter_mm: float) -> Shape:
    """The shape as a reader outlines it.

    He misjudges mostly where the lesion is longest, so that its long axis becomes ``diameter_mm``, and strays from the boundary
    by a smooth error with an SD of 2.2 % of half the long axis, 1.2 mm at most.
    """
    error = min(ERROR_SHARE, LARGEST_ERROR_MM / shape.half_mm)
    turn = shape.long_axis_turn
    along = np.array([0.0, np.sin(turn), np.cos(turn)])
    stretch = diameter_mm / shape.long_axis_mm
    squeeze = np.eye(3) + (1 / stretch - 1) * np.outer(along, along)
    wander = SmoothField(rng, [-REACH] * 3, [REACH] * 3, 0.45)
    return _sized(squeeze @ shape.quadratic @ squeeze, (*shape.fields, (error, wander)), diameter_mm)


def _sized(quadratic: NDArray[np.float64], fields: tuple[tuple[float, SmoothField], ...], diameter_mm: float) -> Shape:
    level = _level(quadratic, fields, [PROBE] * 3)
    length, turn = _long_axis(level, PROBE)
    half = diameter_mm / length
    step = PROBE[1] - PROBE[0]
    reach = []
    for axis in range(3):
        filled = np.flatnonzero((level < 0).any(axis=tuple(a for a in range(3) if a != axis)))
        reach.append(float((np.abs(PROBE[filled]).max() + step) * half))
    return Shape(quadratic, fields, half, diameter_mm, (reach[0], reach[1], reach[2]), turn)


def _level(
    quadratic: NDArray[np.float64], fields: tuple[tuple[float, SmoothField], ...], axes: Sequence[NDArray[np.float64]]
) -> Volume:
    """First-order distance to the ellipsoid (Quilez: k0 (k0 - 1) / k1) less the displacement of its surface."""
    k0 = np.sqrt(_form(quadratic, axes))
    k1 = np.sqrt(_form(quadratic @ quadratic, axes))
    level = k0 * (k0 - 1) / k1
    for amplitude, field in fields:
        value = field.on(axes)
        level -= np.float32(2 * amplitude) * np.tanh(value / 2)
    return np.asarray(level)


def _form(matrix: NDArray[np.float64], axes: Sequence[NDArray[np.float64]]) -> Volume:
    """x' M x on a grid; a little is added so that it is nowhere zero."""
    z, y, x = (np.asarray(a, np.float32) for a in axes)
    m = matrix.astype(np.float32)
    y, x = y[:, None], x[None, :]
    flat = m[1, 1] * y * y + m[2, 2] * x * x + 2 * m[1, 2] * y * x + np.float32(1e-6) * m[0, 0]
    slope = 2 * (m[0, 1] * y + m[0, 2] * x)
    z = z[:, None, None]
    return np.asarray(flat + z * (slope + m[0, 0] * z))


def _long_axis(level: Volume, axis: NDArray[np.float64]) -> tuple[float, float]:
    """Largest distance between two points of the outline in one axial slice, and its direction.

    The outline is the zero crossings along rows and columns, interpolated linearly; the diameter of a slice is its largest width
    over 90 directions (error at most 1 - cos 1 degree).
    """
    cosines = np.stack([np.cos(DIRECTIONS), np.sin(DIRECTIONS)])
    best, turn = 0.0, 0.0
    for plane in level:
        inside = plane < 0
        if not inside.any():
            continue
        points = []
        for flipped, grid in ((False, plane), (True, plane.T)):
            negative = grid < 0
            row, column = np.nonzero(negative[:, 1:] != negative[:, :-1])
            a, b = grid[row, column], grid[row, column + 1]
            along = axis[column] + (axis[column + 1] - axis[column]) * (a / (a - b))
            across = axis[row]
            points.append(np.stack([across, along] if flipped else [along, across], axis=1))
        spread = np.concatenate(points) @ cosines
        width = spread.max(axis=0) - spread.min(axis=0)
        if width.max() > best:
            best, turn = float(width.max()), float(DIRECTIONS[width.argmax()])
    return best, turn

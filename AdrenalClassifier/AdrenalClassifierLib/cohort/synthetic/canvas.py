"""The noise-free attenuation around a lesion, in every phase at once: organs are painted onto it one after another."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.synthetic.fields import SmoothField, Volume
from AdrenalClassifierLib.cohort.synthetic.shape import Shape
from AdrenalClassifierLib.cohort.synthetic.variables import TABLES
from AdrenalClassifierLib.imaging.images import Phase

Coordinates = tuple[Volume, Volume, Volume]
"""x, y, z in body coordinates (mm to the left, posterior, superior of the vertebra's centre); broadcast against each other."""
Distance = Callable[[Volume, Volume, Volume], Volume]
"""Signed distance in mm of an organ, negative inside, from x, y, z."""
Box = tuple[slice, slice, slice]

COARSE = 2
"""Positions of tissue and distances to organs are computed on every second grid point and interpolated between."""


@cache
def tissues() -> Mapping[str, Mapping[str, float]]:
    """Attenuation by tissue and phase (``tables/anatomy.json``)."""
    table: Mapping[str, Any] = json.loads((TABLES / "anatomy.json").read_text(encoding="utf-8"))
    return table["tissues"]  # type: ignore[no-any-return]


def finer(volume: Volume) -> Volume:
    """Linear interpolation from every second grid point: (n, m, l) becomes (2 n - 1, 2 m - 1, 2 l - 1)."""
    for axis in (2, 1, 0):
        shape = list(volume.shape)
        shape[axis] = 2 * shape[axis] - 1
        out = np.empty(shape, np.float32)
        at: list[slice] = [slice(None)] * 3
        low, high, even, odd = list(at), list(at), list(at), list(at)
        low[axis], high[axis], even[axis], odd[axis] = slice(None, -1), slice(1, None), slice(None, None, 2), slice(1, None, 2)
        out[tuple(even)] = volume
        between = volume[tuple(low)] + volume[tuple(high)]
        between *= np.float32(0.5)
        out[tuple(odd)] = between
        volume = out
    return volume


def doubled(box: Box) -> Box:
    """The box on the full grid of a box of every second grid point."""
    z, y, x = (slice(2 * s.start, 2 * s.stop - 1) for s in box)
    return z, y, x


class Canvas:
    """Attenuation volumes that share one grid.

    Soft tissue is painted in *warped* coordinates: the lesion grew from the gland's bed, and all that surrounds it was there
    before. The tissue now at p was at bed + k (p - centre) + k**4 (centre - bed), k = (1 - (1 + d / R)**-3)**(1/3), with d the
    distance to the lesion's surface and R its mean radius: p itself far away, the bed at the surface. For a sphere that grows in
    its bed this is an incompressible medium: organs are pushed aside and flattened. Bone is painted in *rigid* coordinates.

    Attributes:
        axes: grid points (z, y, x) in mm from the lesion's centre; an odd number along each axis.
        step: grid spacing in mm.
        volumes: HU by phase, float32 (z, y, x).
        lesion: signed distance in mm to the lesion's surface on the grid, negative inside.
        centre: body coordinates (x, y, z) of the lesion's centre.
        bed: body coordinates of the gland.
        near: distance in mm of the tissue from the bed before the lesion came, on every second grid point.
    """

    def __init__(
        self,
        axes: Sequence[NDArray[np.floating]],
        phases: Sequence[Phase],
        centre: tuple[float, float, float],
        bed: tuple[float, float, float],
        shape: Shape,
        fat_plane: SmoothField,
        fat_plane_mm: tuple[float, float],
    ) -> None:
        """An empty canvas.

        Args:
            axes: grid points (z, y, x) in mm from the lesion's centre, evenly spaced, an odd number along each axis.
            phases: phases to paint.
            centre: body coordinates (x, y, z) of the lesion's centre.
            bed: body coordinates of the gland.
            shape: the lesion's shape.
            fat_plane: unevenness of the fat between the lesion and its neighbours.
            fat_plane_mm: its mean thickness (may be below 0: in contact) and SD in mm.
        """
        z, y, x = (np.asarray(axis, np.float32) for axis in axes)
        self.axes = (z, y, x)
        self.step = float(x[1] - x[0])
        self.centre, self.bed = centre, bed
        size = (len(z), len(y), len(x))
        self.volumes: dict[Phase, Volume] = {phase: np.empty(size, np.float32) for phase in phases}
        coarse = [axis[::COARSE] for axis in self.axes]
        rough = shape.distance(coarse)
        plane = _plane(fat_plane, fat_plane_mm, coarse)

        local = (coarse[2][None, None, :], coarse[1][None, :, None], coarse[0][:, None, None])
        ratio = np.maximum(rough - plane, 0) / np.float32(shape.mean_radius_mm) + 1
        shrink = np.cbrt(1 - 1 / (ratio * ratio * ratio))
        square = shrink * shrink
        late = square * square
        offset = [a * shrink + late * np.float32(c - b) for a, c, b in zip(local, centre, bed, strict=True)]
        self.near: Volume = np.sqrt(offset[0] ** 2 + offset[1] ** 2 + offset[2] ** 2)
        self._warped = _moved(offset, bed)
        self._rigid = _moved(local, centre)
        # A short way on the grid is a long one in warped coordinates: distances are scaled back, else edges would be jagged.
        self._stretch: Volume = np.maximum(square, np.float32(0.02))

        self.lesion: Volume = finer(rough)
        self._clear = np.ones(size, np.float32)
        box = self.around(np.asarray(shape.reach_mm) + 3 * self.step + 4.0)
        close = [a[s] for a, s in zip(self.axes, box, strict=True)]
        exact = shape.distance(close)
        self.lesion[box] = exact
        gap = exact - _plane(fat_plane, fat_plane_mm, close)
        self._clear[box] = np.clip(gap / np.float32(self.step) + np.float32(0.5), 0, 1)

    def around(self, reach: NDArray[np.float64]) -> Box:
        """The part of the grid within ``reach`` mm (z, y, x) of the lesion's centre."""
        z, y, x = (
            slice(int(np.searchsorted(a, -r)), int(np.searchsorted(a, r)) + 1) for a, r in zip(self.axes, reach, strict=True)
        )
        return z, y, x

    def box_of(self, distance: Distance, rigid: bool = False) -> Box | None:
        """The part of every second grid point that an organ can touch, or None."""
        coordinates = self._rigid if rigid else self._warped
        sparse = (slice(None, None, 2),) * 3
        level = distance(*(self._cut(coordinates, sparse) if rigid else tuple(a[sparse] for a in coordinates)))
        shape = self.near.shape
        level = np.broadcast_to(level, [-(-n // 2) for n in shape])
        hit = level < 2 * COARSE * self.step * 1.8
        if not hit.any():
            return None
        out = []
        for axis in range(3):
            filled = np.flatnonzero(hit.any(axis=tuple(a for a in range(3) if a != axis)))
            out.append(slice(max(int(filled[0] - 1) * 2, 0), min(int(filled[-1] + 1) * 2 + 1, shape[axis])))
        return out[0], out[1], out[2]

    @staticmethod
    def _cut(arrays: Coordinates, box: Box) -> Coordinates:
        x, y, z = arrays
        return x[:, :, box[2]], y[:, box[1], :], z[box[0], :, :]

    def level(self, distance: Distance, box: Box, rigid: bool = False) -> Volume:
        """Signed distance in mm on the box of every second grid point; scaled to the grid where tissue was moved."""
        if rigid:
            found = distance(*self._cut(self._rigid, box))
            return np.broadcast_to(found, self.near[box].shape)
        x, y, z = self._warped
        return distance(x[box], y[box], z[box]) * self._stretch[box]

    def coordinates(self, box: Box) -> Coordinates:
        """Warped body coordinates on the box of every second grid point."""
        x, y, z = self._warped
        return x[box], y[box], z[box]

    def points(self, box: Box) -> list[NDArray[np.float32]]:
        """Grid points (z, y, x) of the full grid in the box of every second one."""
        return [a[s] for a, s in zip(self.axes, doubled(box), strict=True)]

    def weight(self, level: Volume, box: Box, half_width: float = 0.0, rigid: bool = False) -> Volume:
        """Share 0..1 of each cell of the full grid that lies inside an organ.

        Args:
            level: signed distance on the full grid of the box.
            box: of every second grid point.
            half_width: half width in mm of the organ's edge.
            rigid: bone, which does not leave out the fat around the lesion.
        """
        out = level * np.float32(-1 / max(2 * half_width, self.step))
        out += np.float32(0.5)
        np.clip(out, 0, 1, out=out)
        if not rigid:
            out *= self._clear[doubled(box)]
        return np.asarray(out)

    def paint(self, weight: Volume, box: Box, values: Mapping[Phase, float | Volume]) -> None:
        """Mix ``values`` (HU by phase) into the full grid of the box with a weight 0..1."""
        self.paint_full(weight, doubled(box), values)

    def paint_full(self, weight: Volume, box: Box, values: Mapping[Phase, float | Volume]) -> None:
        """As ``paint``, for a box of the full grid."""
        for phase, volume in self.volumes.items():
            part = volume[box]
            change = values[phase] - part
            change *= weight
            part += change

    def organ(self, distance: Distance, values: Mapping[Phase, float], rigid: bool = False, half_width: float = 0.0) -> None:
        """Paint an organ of even attenuation."""
        box = self.box_of(distance, rigid)
        if box is not None:
            level = finer(self.level(distance, box, rigid))
            self.paint(self.weight(level, box, half_width, rigid), box, values)


def _moved(coordinates: Sequence[Volume], by: tuple[float, float, float]) -> Coordinates:
    x, y, z = (a + np.float32(b) for a, b in zip(coordinates, by, strict=True))
    return x, y, z


def _plane(field: SmoothField, thickness_mm: tuple[float, float], axes: Sequence[NDArray[np.floating]]) -> Volume:
    mean, sd = thickness_mm
    return np.asarray(np.maximum(np.float32(sd) * field.on(axes) + np.float32(mean), 0))


def ellipsoid(
    centre: tuple[float, float, float],
    half: tuple[float, float, float],
    turn_deg: float = 0.0,
    lean: tuple[float, float] = (0, 0),
) -> Distance:
    """Ellipsoid with half axes along x, y, z, turned in the axial plane, its axis leaning by (dx, dy) mm for each mm of z.

    First-order distance k0 (k0 - 1) / k1 (Quilez).
    """
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    a, b, h = (np.float32(v) for v in half)

    def distance(x: Volume, y: Volume, z: Volume) -> Volume:
        w = z - np.float32(centre[2])
        dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
        if lean[0]:
            dx = dx - np.float32(lean[0]) * w
        if lean[1]:
            dy = dy - np.float32(lean[1]) * w
        u = (np.float32(c) * dx + np.float32(s) * dy) / a
        v = (np.float32(c) * dy - np.float32(s) * dx) / b
        w = w / h
        u2, v2, w2 = u * u, v * v, w * w
        k0 = np.sqrt(u2 + v2 + w2 + np.float32(1e-4))
        k1 = np.sqrt(u2 / a**2 + v2 / b**2 + w2 / h**2 + np.float32(1e-4) / max(a, b, h) ** 2)
        out: Volume = k0 * (k0 - 1) / k1
        return out

    return distance


def column(
    centre: tuple[float, float], half: tuple[float, float], turn_deg: float = 0.0, lean: tuple[float, float] = (0, 0)
) -> Distance:
    """Elliptic cylinder along z; ``centre`` at z = 0, leaning by (dx, dy) mm for each mm of z."""
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    a, b = (np.float32(v) for v in half)

    def distance(x: Volume, y: Volume, z: Volume) -> Volume:
        dx = x - np.float32(centre[0]) - np.float32(lean[0]) * z
        dy = y - np.float32(centre[1]) - np.float32(lean[1]) * z
        u = (np.float32(c) * dx + np.float32(s) * dy) / a
        v = (np.float32(c) * dy - np.float32(s) * dx) / b
        u2, v2 = u * u, v * v
        k0 = np.sqrt(u2 + v2 + np.float32(1e-4))
        k1 = np.sqrt(u2 / a**2 + v2 / b**2 + np.float32(1e-4) / max(a, b) ** 2)
        out: Volume = k0 * (k0 - 1) / k1
        return out

    return distance


def tube(start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> Distance:
    """A straight vessel with round ends."""
    first = np.asarray(start, np.float32)
    along = np.asarray(end, np.float32) - first
    length2 = np.float32(along @ along)

    def distance(x: Volume, y: Volume, z: Volume) -> Volume:
        dx, dy, dz = x - first[0], y - first[1], z - first[2]
        t = np.clip((dx * along[0] + dy * along[1] + dz * along[2]) / length2, 0, 1)
        dx, dy, dz = dx - t * along[0], dy - t * along[1], dz - t * along[2]
        out: Volume = np.sqrt(dx * dx + dy * dy + dz * dz) - np.float32(radius)
        return out

    return distance


def both(first: Distance, second: Distance, rounding: float = 0.0) -> Distance:
    """Intersection; its edge is rounded within ``rounding`` mm (polynomial smooth maximum)."""
    if not rounding:
        return lambda x, y, z: np.maximum(first(x, y, z), second(x, y, z))

    def distance(x: Volume, y: Volume, z: Volume) -> Volume:
        a, b = first(x, y, z), second(x, y, z)
        near = np.maximum(np.float32(rounding) - np.abs(a - b), 0)
        out: Volume = np.maximum(a, b) + near * near / np.float32(4 * rounding)
        return out

    return distance


def without(first: Distance, second: Distance, gap: float = 0.0) -> Distance:
    """The first less the second and ``gap`` mm around it."""
    return lambda x, y, z: np.maximum(first(x, y, z), np.float32(gap) - second(x, y, z))


def either(*parts: Distance) -> Distance:
    """Union."""

    def distance(x: Volume, y: Volume, z: Volume) -> Volume:
        out = parts[0](x, y, z)
        for part in parts[1:]:
            out = np.minimum(out, part(x, y, z))
        return out

    return distance

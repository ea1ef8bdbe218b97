"""What a lesion is made of: tissue with texture, necrosis, haemorrhage, fat, calcium, capsule, fluid, by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from AdrenalClassifierLib.cohort.synthetic.fields import Volume, smooth_field
from AdrenalClassifierLib.cohort.synthetic.look import Look
from AdrenalClassifierLib.imaging.images import Phase

RIM_MM = 2.5
"""Necrosis and haemorrhage leave at least this much tissue at the surface."""
WALL_HU = {"unenhanced": 38.0, "portal": 68.0, "delayed": 62.0}
CAPSULE_RISE_HU = {"unenhanced": 3.0, "portal": 28.0, "delayed": 26.0}
SEPTUM_TEXTURE_HU = 6.0
LONGEST_TEXTURE_MM, SHORTEST_TEXTURE_MM = 14.0, 2.5


@dataclass(frozen=True)
class Parts:
    """Where in the lesion's box each component lies, as weights 0..1 on the grid (float32)."""

    inside: Volume
    necrosis: Volume
    haemorrhage: Volume
    fat: Volume
    calcium: Volume
    rim: Volume
    texture: Volume


def draw_parts(rng: np.random.Generator, look: Look, level: Volume, axes: Sequence[NDArray[np.float32]], radius: float) -> Parts:
    """Components of a lesion.

    Args:
        rng: source of the random fields.
        look: the lesion's appearance.
        level: signed distance in mm to its surface, negative inside.
        axes: grid points (z, y, x) in mm.
        radius: mean radius in mm.
    """
    depth = -level
    core = depth > 0
    step = float(axes[2][1] - axes[2][0])
    inside = np.clip(np.float32(0.5) + depth / np.float32(max(2 * look.margin_mm, step)), 0, 1)
    nothing = np.zeros_like(level)
    long = float(np.clip(0.3 * radius, 4.0, LONGEST_TEXTURE_MM))
    texture = 0.75 * smooth_field(rng, axes, long) + 0.55 * smooth_field(rng, axes, max(0.35 * long, SHORTEST_TEXTURE_MM))
    texture += np.float32(0.37) * smooth_field(rng, axes, SHORTEST_TEXTURE_MM)
    texture -= texture[core].mean()
    deep = np.clip((depth - np.float32(RIM_MM)) / 1.0, 0, 1)

    necrosis = haemorrhage = fat = nothing
    if look.necrosis_fraction > 0:
        length = 0.4 * radius
        field = smooth_field(rng, axes, length) + 0.35 * smooth_field(rng, axes, 0.4 * length) + 1.6 * depth / np.float32(radius)
        softness = max(look.necrosis_edge_mm / length, 0.05)
        necrosis = _share(field, core, look.necrosis_fraction, softness) * deep
    if look.haemorrhage_hu > 0:
        field = smooth_field(rng, axes, 0.45 * radius)
        haemorrhage = _share(field, core, 0.12, 0.25) * deep
    if look.fat_hu is not None:
        fat = smooth_field(rng, axes, long) + 0.6 * smooth_field(rng, axes, max(0.4 * long, SHORTEST_TEXTURE_MM))
    rim = nothing
    if look.wall_mm or look.capsule_mm:
        thickness = look.wall_mm or look.capsule_mm
        rim = np.clip(np.float32(thickness / step + 0.5) - np.abs(depth) / np.float32(step), 0, 1) * inside
    return Parts(inside, necrosis, haemorrhage, fat, _calcium(rng, look, depth, axes, core), rim, texture)


def _share(field: Volume, core: NDArray[np.bool_], fraction: float, softness: float) -> Volume:
    """Weight that is above 1/2 in the given fraction of the lesion, where the field is highest."""
    threshold = np.quantile(field[core], 1 - fraction)
    return expit((field - np.float32(threshold)) / np.float32(0.5 * softness))  # type: ignore[no-any-return]


def _calcium(
    rng: np.random.Generator, look: Look, depth: Volume, axes: Sequence[NDArray[np.float32]], core: NDArray[np.bool_]
) -> Volume:
    out = np.zeros_like(depth)
    if look.calcification == 0:
        return out
    if look.rim_calcification:
        patches = smooth_field(rng, axes, 7.0)
        shell = np.clip(1.5 - np.abs(depth - np.float32(1.0)), 0, 1)
        return np.asarray(shell * np.clip(2 * patches - np.float32(1.6), 0, 1))
    places = np.argwhere(core & (depth > 2))
    if len(places) == 0:
        places = np.argwhere(core)
    middle = places[rng.integers(len(places))]
    for _ in range(look.calcification):
        at = np.clip(middle + rng.normal(0, 5, 3).round().astype(int), 0, np.array(depth.shape) - 1)
        size = 0.8 + 1.2 * rng.random()
        around = tuple(slice(max(int(p) - 6, 0), int(p) + 7) for p in at)
        squares = [((axis[s] - axis[p]) / np.float32(size)) ** 2 for axis, s, p in zip(axes, around, at, strict=True)]
        blob = np.exp(-0.5 * (squares[0][:, None, None] + squares[1][None, :, None] + squares[2][None, None, :]))
        out[around] = np.maximum(out[around], blob * (depth[around] > 0))
    return out


def attenuation(
    parts: Parts, look: Look, core: NDArray[np.bool_], mean_hu: float, phases: Sequence[Phase]
) -> Mapping[Phase, Volume]:
    """HU of the lesion's tissue on the grid, by phase.

    The unenhanced phase is built first, whether or not it was scanned: its mean over the lesion is ``mean_hu`` exactly. The other
    phases follow from it: only living tissue, walls and capsules enhance.

    Args:
        parts: components of the lesion.
        look: its appearance.
        core: grid points inside the lesion.
        mean_hu: unenhanced mean over ``core``.
        phases: phases wanted.
    """
    if look.fat_hu is not None:
        return _fatty(parts, look, core, mean_hu, phases)
    solid = 1 - parts.necrosis
    plain = look.texture_hu * parts.texture
    plain -= np.float32(look.necrosis_contrast_hu) * parts.necrosis + plain * parts.necrosis * np.float32(0.7)
    plain += np.float32(look.haemorrhage_hu) * parts.haemorrhage
    bodies: dict[Phase, Volume] = {}
    base = _base(parts, look, plain, core, mean_hu)
    bodies["unenhanced"] = plain + np.float32(base)
    living = (solid * (1 - parts.rim))[core]
    living_hu = float(np.average(bodies["unenhanced"][core], weights=living))
    rise = _rise(look, living_hu, float(living.mean()))
    for phase in ("portal", "delayed"):
        # Vessels are uneven: enhancement carries the texture too.
        uneven = 1 + np.float32(0.012 * look.texture_hu) * parts.texture
        bodies[phase] = bodies["unenhanced"] + np.float32(rise[phase]) * solid * (1 - 0.8 * parts.haemorrhage) * uneven
    return {phase: _with_rim_and_calcium(parts, look, bodies[phase], phase) for phase in phases}


def _with_rim_and_calcium(parts: Parts, look: Look, body: Volume, phase: Phase) -> Volume:
    if look.wall_mm:
        body = body + parts.rim * (np.float32(WALL_HU[phase]) - body)
    elif look.capsule_mm:
        body = body + parts.rim * np.float32(CAPSULE_RISE_HU[phase])
    return np.asarray(body + parts.calcium * (np.float32(look.calcium_hu) - body))


def _base(parts: Parts, look: Look, plain: Volume, core: NDArray[np.bool_], mean_hu: float) -> float:
    """Attenuation to add to ``plain`` so that the finished unenhanced lesion has the wanted mean (it is affine in the base)."""
    zero = float(_with_rim_and_calcium(parts, look, plain, "unenhanced")[core].mean(dtype=np.float64))
    one = float(_with_rim_and_calcium(parts, look, plain + 1, "unenhanced")[core].mean(dtype=np.float64))
    return (mean_hu - zero) / max(one - zero, 0.05)


def _rise(look: Look, living_hu: float, living: float) -> Mapping[Phase, float]:
    """Enhancement of living tissue, a share ``living`` of the lesion, over its unenhanced attenuation, by phase."""
    kind, value = look.portal
    portal = max(value - living_hu, look.least_enhancement_hu) if kind == "hu" else value / max(living, 0.2)
    kind, value = look.delayed
    delayed = portal * (1 - value / 100) if kind == "washout_percent" else portal + value
    return {"portal": portal, "delayed": delayed if look.wall_mm else max(delayed, 0.0)}


def _fatty(parts: Parts, look: Look, core: NDArray[np.bool_], mean_hu: float, phases: Sequence[Phase]) -> Mapping[Phase, Volume]:
    """Myelolipoma: fat and marrow-like tissue, mixed so that the mean is right."""
    assert look.fat_hu is not None
    soft_hu = max(mean_hu + 12.0, 25.0)
    share = float(np.clip((soft_hu - mean_hu) / (soft_hu - look.fat_hu), 0.03, 0.99))
    fat = _share(parts.fat, core, share, 0.7)
    soft = 1 - fat
    plain = fat * np.float32(look.fat_hu) + soft * np.float32(soft_hu) + look.texture_hu * parts.texture * (0.3 + 0.7 * soft)
    plain += np.float32(look.haemorrhage_hu) * parts.haemorrhage
    base = _base(parts, look, plain, core, mean_hu)
    unenhanced = plain + np.float32(base)
    rise = _rise(look, soft_hu + base, float(soft[core].mean()))
    bodies: dict[Phase, Volume] = {"unenhanced": unenhanced}
    for phase in ("portal", "delayed"):
        bodies[phase] = unenhanced + np.float32(rise[phase]) * soft
    return {phase: _with_rim_and_calcium(parts, look, bodies[phase], phase) for phase in phases}

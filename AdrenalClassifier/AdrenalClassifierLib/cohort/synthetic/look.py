"""How one lesion looks and how it is scanned: scalars drawn from ``morphology.json`` and ``scanner.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from AdrenalClassifierLib.cohort.synthetic.variables import TABLES
from AdrenalClassifierLib.imaging.images import Phase

LARGE_MM = 40.0
SYNTHETIC_PHASES: tuple[Phase, ...] = ("unenhanced", "portal", "delayed")
"""The phases that the generator knows, in the order of their random streams."""


@dataclass(frozen=True)
class Look:
    """Form and content of a lesion. Lengths in mm, attenuation in HU; ``*_scale`` and axes relative to half the long axis.

    Attributes:
        inplane: second axis of the ellipsoid in the axial plane over the longest.
        craniocaudal: third axis over the longest.
        turn_deg: direction of the long axis in the axial plane, from the patient's left towards posterior.
        tilt_deg: tilt of the third axis out of the patient's.
        irregularity: SD of the boundary's displacement over half the long axis.
        irregularity_scale: its correlation length in the same unit.
        margin_mm: half width of the transition to the surroundings.
        texture_hu: SD of the tissue's texture.
        necrosis_fraction: share of the volume, 0 for none.
        necrosis_edge_mm: half width of its border.
        necrosis_contrast_hu: how much darker it is without contrast.
        haemorrhage_hu: excess attenuation of a haemorrhage, 0 for none.
        calcification: number of specks, 0 for none.
        rim_calcification: calcium lies in the wall.
        calcium_hu: attenuation of calcium.
        capsule_mm: thickness of an enhancing capsule, 0 for none.
        wall_mm: thickness of a cyst's wall, 0 for solid lesions.
        fat_hu: attenuation of macroscopic fat inside, None without.
        strands: extra strands in the surrounding fat, 0 to 1.
        portal: enhancement in the portal phase: ``("hu", x)`` of the enhancing tissue or ``("above_unenhanced", x)`` of the
            mean.
        delayed: ``("washout_percent", x)`` or ``("above_portal", x)``.
        least_enhancement_hu: the least rise of the enhancing tissue when ``portal`` is an attenuation.
    """

    inplane: float
    craniocaudal: float
    turn_deg: float
    tilt_deg: float
    irregularity: float
    irregularity_scale: float
    margin_mm: float
    texture_hu: float
    necrosis_fraction: float
    necrosis_edge_mm: float
    necrosis_contrast_hu: float
    haemorrhage_hu: float
    calcification: int
    rim_calcification: bool
    calcium_hu: float
    capsule_mm: float
    wall_mm: float
    fat_hu: float | None
    strands: float
    portal: tuple[str, float]
    delayed: tuple[str, float]
    least_enhancement_hu: float


@dataclass(frozen=True)
class Scan:
    """One phase: how it was acquired.

    Attributes:
        thickness_mm: slice thickness (full width of the slice profile).
        increment_mm: distance between slices, less than the thickness where slices overlap.
        pixel_mm: pixel spacing.
        kernel: name in ``scanner.json``.
        noise_hu: SD of the noise.
        offset_hu: error of the HU scale, added to every voxel.
        shift_mm: displacement (L, P, S) of the anatomy against the phase on which the lesion was outlined.
    """

    thickness_mm: float
    increment_mm: float
    pixel_mm: float
    kernel: str
    noise_hu: float
    offset_hu: float
    shift_mm: tuple[float, float, float]


@cache
def morphology() -> Mapping[str, Any]:
    """``tables/morphology.json``."""
    table: Mapping[str, Any] = json.loads((TABLES / "morphology.json").read_text(encoding="utf-8"))
    return table


@cache
def scanner() -> Mapping[str, Any]:
    """``tables/scanner.json``."""
    table: Mapping[str, Any] = json.loads((TABLES / "scanner.json").read_text(encoding="utf-8"))
    return table


def draw_look(rng: np.random.Generator, lesion_class: str, diameter_mm: float, heterogeneous: bool, cancer_site: str) -> Look:
    """Draw a lesion's appearance.

    Args:
        rng: the case's own generator.
        lesion_class: class name.
        diameter_mm: drawn axial long axis.
        heterogeneous: whether a reader calls it heterogeneous.
        cancer_site: recorded site of a prior cancer, "" when unknown (decides whether a metastasis is hypervascular).
    """
    everything = morphology()
    table = everything["classes"][lesion_class]
    large = diameter_mm >= LARGE_MM

    def between(ends: Sequence[float]) -> float:
        return float(ends[0] + (ends[1] - ends[0]) * rng.random())

    def happens(probability: float) -> bool:
        return bool(rng.random() < probability)

    # Every number is drawn for every class, so that a change of one entry of the tables leaves the other draws alone.
    ill_defined = happens(table["ill_defined"])
    necrotic = happens(table["necrosis"][int(large)]) and heterogeneous
    bleeds = happens(table["haemorrhage"]) and heterogeneous
    specks = 1 + int(rng.integers(1, 7)) if happens(table["calcification"][int(large)]) else 0
    rim = happens(table.get("rim_calcification", 0.0))
    capsule = between((0.8, 1.8)) if happens(table["capsule"]) else 0.0
    wall = between(table.get("wall_mm", (0.0, 0.0)))
    stranded = happens(table["strands"])
    vascular = table.get("hypervascular")
    normal = rng.standard_normal(3)
    portal = _enhancement(table["portal"], float(normal[0]))
    chance = rng.random()
    if vascular and (cancer_site in vascular["sites"] or chance < vascular["otherwise"]):
        portal = _enhancement({"hu": vascular["hu"]}, float(normal[0]))
    least, spread = everything["least_enhancement_hu"]
    return Look(
        inplane=between(table["inplane"]),
        craniocaudal=between(table["craniocaudal"]),
        turn_deg=between((0, 180)),
        tilt_deg=between((-20, 20)),
        irregularity=between(table["irregularity"]),
        irregularity_scale=between(table["scale"]),
        margin_mm=between(everything["margin_mm"]["ill_defined" if ill_defined else "sharp"]),
        texture_hu=between(table["texture_heterogeneous_hu" if heterogeneous else "texture_hu"]),
        necrosis_fraction=between(table["necrosis_fraction"]) if necrotic else 0.0,
        necrosis_edge_mm=between(table["necrosis_edge_mm"]),
        necrosis_contrast_hu=between(everything["necrosis_contrast_hu"]),
        haemorrhage_hu=between(everything["haemorrhage_contrast_hu"]) if bleeds else 0.0,
        calcification=specks,
        rim_calcification=rim,
        calcium_hu=between(everything["calcium_hu"]),
        capsule_mm=capsule,
        wall_mm=wall,
        fat_hu=between(everything["fat_hu"]) if table.get("fat") else None,
        strands=float(0.25 * rng.random() + (0.6 if stranded else 0.0)),
        portal=portal,
        delayed=_enhancement(table["delayed"], float(normal[1])),
        least_enhancement_hu=float(least + abs(spread * normal[2])),
    )


def _enhancement(table: Mapping[str, Sequence[float]], normal: float) -> tuple[str, float]:
    ((kind, (mean, sd)),) = table.items()
    return kind, float(mean + sd * normal)


def draw_scans(rng: np.random.Generator, phases: Sequence[Phase], scan_error_hu: float, mask_phase: Phase) -> dict[Phase, Scan]:
    """Draw how each phase was acquired: one scanner, field of view and kernel for the patient; slices differ between phases.

    Args:
        rng: generator of the patient.
        phases: the phases that exist.
        scan_error_hu: error of the HU scale of the unenhanced scan.
        mask_phase: the phase on which the lesion is outlined, which does not move.
    """
    table = scanner()
    names = list(table["kernels"])
    kernel = names[int(rng.choice(len(names), p=[table["kernels"][n]["share"] for n in names]))]
    low, high = table["pixel_mm"]
    pixel = round(float(low + (high - low) * rng.random()), 3)
    dose = float(np.exp(table["noise_hu"]["sigma_ln"] * rng.standard_normal()))
    thicknesses = list(table["thickness_mm"])
    shares = list(table["thickness_mm"].values())
    usual = float(thicknesses[int(rng.choice(len(thicknesses), p=shares))])
    out: dict[Phase, Scan] = {}
    for phase in SYNTHETIC_PHASES:
        other = float(thicknesses[int(rng.choice(len(thicknesses), p=shares))])
        thickness = usual if rng.random() < 0.7 else other
        overlaps = rng.random() < table["overlap"]["probability"] and thickness >= 1.25
        part = table["overlap"]["increments"][int(rng.integers(len(table["overlap"]["increments"])))]
        between = float(table["offset_between_phases_hu"] * rng.standard_normal())
        breath, limit = table["breathing_mm"], table["breathing_mm"]["limit"]
        spread = [breath["in_plane_sd"], breath["in_plane_sd"], breath["axial_sd"]]
        shift = np.clip(rng.standard_normal(3) * spread, -limit, limit)
        noise = table["noise_hu"]["at_2_mm"] * np.sqrt(2.0 / thickness) * table["kernels"][kernel]["noise"] * dose
        if phase in phases:
            x, y, z = (0.0, 0.0, 0.0) if phase == mask_phase else (round(float(s), 3) for s in shift)
            out[phase] = Scan(
                thickness_mm=thickness,
                increment_mm=round(thickness * part, 3) if overlaps else thickness,
                pixel_mm=pixel,
                kernel=kernel,
                noise_hu=round(float(np.clip(noise, *table["noise_hu"]["limits"])), 2),
                offset_hu=scan_error_hu if phase == "unenhanced" else scan_error_hu + between,
                shift_mm=(x, y, z),
            )
    return out

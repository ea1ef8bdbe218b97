"""The radiomic features: which there are, in what unit, and their IBSI code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RadiomicFeature:
    """One number about a lesion.

    Attributes:
        name: key, lower_snake_case.
        unit: "" for a ratio or share.
        ibsi: code of the definition in the IBSI reference manual, None for a feature of our own.
        needs: phases without which it does not exist: "any", "unenhanced", "enhanced" (the first of portal, delayed, arterial and
            unknown at hand), "portal", "both" (unenhanced and portal), "washout" (these and delayed).
        text: what it is, in one sentence for a reader.
    """

    name: str
    unit: str
    ibsi: str | None
    needs: str
    text: str


FEATURES: tuple[RadiomicFeature, ...] = (
    RadiomicFeature("sphericity", "", "QCFX", "any", "Surface of a ball of equal volume over the lesion's; 1 for a ball."),
    RadiomicFeature("solidity", "", "R3ER", "any", "Volume over that of the convex hull; below 1 for a lesion with notches."),
    RadiomicFeature("hull_area_ratio", "", "7T7F", "any", "Surface over that of the convex hull; above 1 for a bumpy surface."),
    RadiomicFeature("elongation", "", "Q3CK", "any", "Second over first principal axis; 1 for a disc or a ball."),
    RadiomicFeature("flatness", "", "N17B", "any", "Third over first principal axis; 1 for a ball, near 0 for a sheet."),
    RadiomicFeature("craniocaudal_ratio", "", None, "any", "Extent along the body's axis over that across it, by moments."),
    RadiomicFeature("lobulation", "", None, "any", "Radial SD of the surface around the ellipsoid of equal moments."),
    RadiomicFeature("margin_width_mm", "mm", None, "any", "Median width of the step in attenuation across the surface."),
    RadiomicFeature("log_coarseness", "", "QCDE", "any", "log10 of the NGTDM coarseness of the smoothed core, 10 HU bins."),
    RadiomicFeature("fat_fraction", "", None, "any", "Share of the core below -30 HU after averaging over 5 mm."),
    RadiomicFeature("fluid_fraction", "", None, "unenhanced", "Share of the core at 0-20 HU, likewise, without contrast."),
    RadiomicFeature("calcium_fraction", "", None, "any", "Share of the mask in groups of voxels with calcium."),
    RadiomicFeature("unenhanced_p90_hu", "HU", "8DWT", "unenhanced", "90th percentile of the smoothed core without contrast."),
    RadiomicFeature("unenhanced_structure_hu", "HU", None, "unenhanced", "SD of 5 mm block means in the core, noise taken off."),
    RadiomicFeature("unenhanced_skewness", "", "KE2A", "unenhanced", "Skewness of the smoothed core without contrast."),
    RadiomicFeature("unenhanced_joint_entropy", "bit", "TU9B", "unenhanced", "GLCM joint entropy of the smoothed core."),
    RadiomicFeature("unenhanced_border_sharpness", "1/mm", None, "unenhanced", "Steepest slopes inside the lesion over its SD."),
    RadiomicFeature("portal_rim_level_hu", "HU", None, "portal", "Median 2-5 mm below the surface: living tissue."),
    RadiomicFeature("enhanced_structure_hu", "HU", None, "enhanced", "SD of 5 mm block means in the core, noise taken off."),
    RadiomicFeature("enhanced_skewness", "", "KE2A", "enhanced", "Skewness of the smoothed core after contrast."),
    RadiomicFeature("enhanced_border_sharpness", "1/mm", None, "enhanced", "Steepest slopes inside the lesion over its SD."),
    RadiomicFeature(
        "enhanced_dark_depth", "", None, "enhanced", "Depth of darker over that of brighter parts; above 1: central."
    ),
    RadiomicFeature("enhanced_capsule_hu", "HU", None, "enhanced", "Outermost 2 mm less the tissue behind: capsule or wall."),
    RadiomicFeature("enhancement_p90_hu", "HU", "8DWT", "both", "90th percentile of portal less unenhanced attenuation."),
    RadiomicFeature("enhancement_kurtosis", "", "IPH6", "both", "Excess kurtosis of portal less unenhanced attenuation."),
    RadiomicFeature("unenhancing_share", "", None, "both", "Share of the core that gains less than 10 HU: necrosis or cyst."),
    RadiomicFeature("washout_percent", "%", None, "washout", "Absolute washout, see imaging.washout."),
)
"""The features in the order of every table made from them."""

NAMES = tuple(feature.name for feature in FEATURES)


@dataclass(frozen=True)
class Radiomics:
    """The features of one lesion.

    Attributes:
        values: by name, all of ``NAMES`` in that order; None where a feature does not exist (phase missing, lesion too small).
    """

    values: Mapping[str, float | None]

    def row(self) -> NDArray[np.float64]:
        """(len(NAMES),) in the declared order; NaN where missing."""
        numbers = (self.values[name] for name in NAMES)
        return np.array([math.nan if v is None else v for v in numbers], float)

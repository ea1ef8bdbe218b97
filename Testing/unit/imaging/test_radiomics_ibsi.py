"""IBSI features: the published values of the digital phantom, and the values of mirp on the same volumes.

mirp's are frozen in data/radiomics_peers.json (written by benchmarks/radiomics/reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from AdrenalClassifierLib.imaging.radiomics import FEATURES
from AdrenalClassifierLib.imaging.radiomics.shape import shape_of
from AdrenalClassifierLib.imaging.radiomics.texture import coarseness, grey_levels, joint_entropy
from support.radiomic_cases import radiomic_cases

DATA = Path(__file__).parents[2] / "data"
PHANTOM = json.loads((DATA / "ibsi_digital_phantom.json").read_text(encoding="utf-8"))
PEERS = json.loads((DATA / "radiomics_peers.json").read_text(encoding="utf-8"))["cases"]
CASES = {name: (hu, mask) for name, hu, mask in radiomic_cases()}

MESH = ("RNU0", "C0JK", "QCFX", "R3ER", "7T7F")
AMBIGUOUS = {"branched": 0.01, "portal gland": 0.002, "unenhanced gland": 0.025}
"""Where inside voxels touch only diagonally, mirp's marching cubes (Lewiner) join them otherwise than ours (Lorensen & Cline)."""


def _features(
    mask: NDArray[np.bool_], values: NDArray[np.float64], levels: NDArray[np.intp], spacing: tuple[float, float, float]
) -> dict[str, float | None]:
    """By IBSI code, with the functions that ``radiomics`` uses."""
    shape = shape_of(mask.astype(float), spacing)
    return {
        "RNU0": shape.volume_mm3,
        "C0JK": shape.area_mm2,
        "QCFX": shape.sphericity,
        "R3ER": shape.solidity,
        "7T7F": shape.hull_area_ratio,
        "Q3CK": shape.elongation,
        "N17B": shape.flatness,
        "KE2A": float(stats.skew(values)),
        "IPH6": float(stats.kurtosis(values)),
        "8DWT": float(np.percentile(values, 90)),
        "TU9B": joint_entropy(levels),
        "QCDE": coarseness(levels),
    }


def test_the_digital_phantom_has_its_published_values() -> None:
    levels, mask = np.array(PHANTOM["levels"]), np.array(PHANTOM["mask"], bool)
    found = _features(mask, levels[mask].astype(float), np.where(mask, levels, 0), tuple(PHANTOM["spacing_mm"]))
    for code, (value, tolerance) in PHANTOM["reference"].items():
        assert found[code] == pytest.approx(value, abs=tolerance), code
    assert set(found) == set(PHANTOM["reference"])


@pytest.mark.parametrize("name", CASES)
def test_mirp_gives_the_same_values(name: str) -> None:
    hu, mask = CASES[name]
    found = _features(mask, hu[mask], grey_levels(hu.astype(np.float32), mask), (1.0, 1.0, 1.0))
    assert set(found) == set(PEERS[name])
    for code, value in found.items():
        tolerance = AMBIGUOUS.get(name, 1e-6) if code in MESH else 1e-6
        assert value == pytest.approx(PEERS[name][code], rel=tolerance), code


def test_every_ibsi_code_that_is_claimed_is_tested() -> None:
    assert {f.ibsi for f in FEATURES if f.ibsi} <= set(PHANTOM["reference"])

"""The same values as MeshMetrics and, within what its definition allows, as surface-distance.

Their values are frozen in data/agreement_peers.json (written by benchmarks/agreement/reference.py).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from AdrenalClassifierLib.agreement.pair import PairAgreement, compare
from AdrenalClassifierLib.agreement.surface import shape_areas, triangulate
from AdrenalClassifierLib.imaging.geometry import identity
from support.agreement_pairs import Mask, Spacing, frozen_pairs
from support.grids import segment

PEERS = json.loads((Path(__file__).parents[2] / "data" / "agreement_peers.json").read_text(encoding="utf-8"))["pairs"]
PAIRS = {name: (a, b, spacing) for name, a, b, spacing in frozen_pairs()}

CHECKERED = "checkered against its hull"
"""Voxels touching at edges only: many distances of exactly 1 mm, and 95.00 % of one surface, up to the last bit, within 2 mm."""


def _compare(a: Mask, b: Mask, spacing: Spacing) -> PairAgreement:
    g = identity(a.shape, spacing)  # type: ignore[arg-type]
    return compare(segment(a, g), segment(b, g))


def test_every_frozen_pair_was_measured() -> None:
    assert set(PEERS) == set(PAIRS)


@pytest.mark.parametrize("name", PAIRS)
def test_meshmetrics_gives_the_same_values(name: str) -> None:
    found = _compare(*PAIRS[name])
    for key in ("dice", "jaccard", "hausdorff_mm", "hd95_mm", "assd_mm"):
        if (name, key) != (CHECKERED, "hd95_mm"):
            assert found[key] == pytest.approx(PEERS[name]["meshmetrics"][key], rel=1e-5), key


@pytest.mark.parametrize("name", PAIRS)
def test_surface_dice_is_that_of_meshmetrics_but_for_distances_that_equal_the_tolerance(name: str) -> None:
    # We count all of them (definitions.TIE_MM); MeshMetrics those that rounding did not push beyond the tolerance.
    a, b, spacing = PAIRS[name]
    g = identity(a.shape, spacing)  # type: ignore[arg-type]
    found = compare(segment(a, g), segment(b, g), tolerances_mm=(0.999, 1, 1.999, 2))
    for t in (1, 2):
        theirs = PEERS[name]["meshmetrics"][f"surface_dice_{t}mm"]
        ours = found[f"surface_dice_{t}mm"]
        assert found[f"surface_dice_{t - 0.001:g}mm"] - 1e-6 <= theirs <= ours + 1e-6  # type: ignore[operator]
        if name != CHECKERED:
            assert ours == pytest.approx(theirs, rel=5e-3, abs=1e-9)


def test_a_percentile_that_is_reached_exactly_goes_to_the_nearer_distance() -> None:
    assert _compare(*PAIRS[CHECKERED])["hd95_mm"] == pytest.approx(2.0)
    assert PEERS[CHECKERED]["meshmetrics"]["hd95_mm"] == pytest.approx(7 / 3)


@pytest.mark.parametrize("name", PAIRS)
def test_surface_distance_agrees_as_far_as_its_lattice_allows(name: str) -> None:
    # It measures between the corners of the marching cubes cells, which lie up to half a cell's diagonal from the surface, on
    # either side. So its distances may differ by one diagonal and no more; Dice counts the same voxels.
    found, theirs = _compare(*PAIRS[name]), PEERS[name]["surface_distance"]
    diagonal = sum(s**2 for s in PAIRS[name][2]) ** 0.5
    assert found["dice"] == pytest.approx(theirs["dice"])
    for key in ("hausdorff_mm", "hd95_mm", "assd_mm"):
        assert found[key] == pytest.approx(theirs[key], abs=diagonal), key


@pytest.mark.parametrize("name", [n for n in PAIRS if n != CHECKERED])
def test_surface_areas_are_those_of_surface_distance(name: str) -> None:
    # The same table of marching cubes areas, but for how polygons that are not flat are cut into triangles.
    a, b, spacing = PAIRS[name]
    for mask, side in ((a, "a"), (b, "b")):
        area = triangulate(mask, spacing).areas.sum()
        assert area == pytest.approx(PEERS[name]["surface_distance"][f"area_{side}_mm2"], rel=0.01)


def test_triangle_areas_scale_with_the_voxel() -> None:
    assert shape_areas((2.0, 2.0, 2.0)) == pytest.approx(4 * shape_areas((1.0, 1.0, 1.0)))

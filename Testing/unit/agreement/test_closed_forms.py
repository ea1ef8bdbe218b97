"""Agreement of shapes whose numbers are known by formula."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from AdrenalClassifierLib.agreement.distances import distances
from AdrenalClassifierLib.agreement.pair import compare
from AdrenalClassifierLib.agreement.surface import CENTROIDS, SIXTHS, triangulate
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.imaging.geometry import Vector, identity
from AdrenalClassifierLib.imaging.marching_cubes import MIDDLES, TRIANGLES
from support.grids import segment

SPACINGS: list[Vector] = [(1.0, 1.0, 1.0), (1.0, 0.78, 0.78), (5.0, 0.7, 0.7), (0.4, 1.1, 2.3)]


def ball(radius: float, spacing: Vector, reach: float) -> np.ndarray:  # type: ignore[type-arg]
    n = [int(np.ceil(reach / s)) for s in spacing]
    axes = np.meshgrid(*(np.arange(-m, m + 1) * s for m, s in zip(n, spacing, strict=True)), indexing="ij")
    return np.sqrt(sum(x**2 for x in axes)) <= radius


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.0, 0.6, 0.6)])
def test_concentric_balls_give_the_formulas_of_balls_within_half_a_voxel(spacing: Vector) -> None:
    # The surface of a voxelised ball lies within half a voxel diagonal of the ball's; both surfaces together, within one.
    r, shell = 12.0, 2.5
    g = identity(ball(r, spacing, 18).shape, spacing)
    found = compare(segment(ball(r, spacing, 18), g), segment(ball(r + shell, spacing, 18), g), tolerances_mm=(1.0, 4.0))
    slack = float(np.linalg.norm(spacing))
    for key in ("hausdorff_mm", "hd95_mm", "hd95_pooled_mm", "assd_mm"):
        assert found[key] == pytest.approx(shell, abs=slack)
    assert found["assd_mm"] == pytest.approx(shell, abs=slack / 4)  # over the whole surface the steps cancel
    assert found["surface_dice_1mm"] == 0
    assert found["surface_dice_4mm"] == 1
    # Voxel counts follow the volume; 2 / (1 + (1 + d/r)^3) (clinical reference, uniform shell).
    assert found["dice"] == pytest.approx(2 / (1 + (1 + shell / r) ** 3), abs=0.01)
    assert found["volume_a_ml"] == pytest.approx(4 / 3 * np.pi * r**3 / 1000, rel=0.01)
    assert found["missed_ml"] == 0
    assert found["added_ml"] == pytest.approx(4 / 3 * np.pi * ((r + shell) ** 3 - r**3) / 1000, rel=0.01)
    assert found["centroid_shift_mm"] == pytest.approx(0, abs=1e-9)
    assert found["long_axis_difference_mm"] == pytest.approx(2 * shell, abs=2 * slack)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_shifted_box_has_exactly_the_overlap_and_distances_of_the_shift(spacing: Vector, axis: int) -> None:
    a = np.zeros((24, 24, 24), bool)
    a[6:14, 5:15, 4:16] = True
    n = a.any(axis=tuple(x for x in range(3) if x != axis)).sum()
    b = np.roll(a, 2, axis)
    g = identity(a.shape, spacing)
    found = compare(segment(a, g), segment(b, g))
    shift = 2 * spacing[axis]
    assert found["dice"] == pytest.approx(1 - 2 / n)
    assert found["jaccard"] == pytest.approx((n - 2) / (n + 2))
    assert found["centroid_shift_mm"] == pytest.approx(shift)
    assert found["volume_ratio"] == 1
    assert found["added_ml"] == found["missed_ml"] == pytest.approx(2 / n * found["volume_a_ml"])  # type: ignore[operator]
    # The face that moved out is a plane: every centroid on it is exactly the shift away, and nothing is farther.
    assert found["hausdorff_mm"] == pytest.approx(shift, rel=1e-6)


def test_surface_dice_counts_distances_equal_to_the_tolerance() -> None:
    a = np.zeros((12, 12, 12), bool)
    a[4:8, 4:8, 4:8] = True
    g = identity(a.shape)
    found = compare(segment(a, g), segment(np.roll(a, 1, 0), g), tolerances_mm=(0.99, 1.0))
    assert found["surface_dice_1mm"] == 1
    assert found["surface_dice_0.99mm"] is not None
    assert found["surface_dice_0.99mm"] < 1


def test_identical_masks_agree_completely() -> None:
    a = ball(7, (1.0, 0.8, 0.8), 9)
    found = compare(segment(a, identity(a.shape, (1.0, 0.8, 0.8))), segment(a, identity(a.shape, (1.0, 0.8, 0.8))))
    assert found["dice"] == found["jaccard"] == found["surface_dice_1mm"] == found["volume_ratio"] == 1
    for key in ("hausdorff_mm", "hd95_mm", "assd_mm"):
        assert found[key] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_distances_are_those_of_a_search_through_all_triangles(spacing: Vector) -> None:
    rng = np.random.default_rng(3)
    from scipy import ndimage

    noise = ndimage.gaussian_filter(rng.standard_normal((2, 14, 22, 26)), (0, 1.5, 2, 2))
    masks = np.zeros_like(noise, bool)
    masks[:, 1:-1, 1:-1, 1:-1] = noise[:, 1:-1, 1:-1, 1:-1] > 0.03
    masks[1, :, :, 9:] = False  # so that some distances are long and the tree is used
    a, b = (triangulate(mask, spacing) for mask in masks)
    for source, target in ((a, b), (b, a)):
        points = (source.corner * SIXTHS + CENTROIDS[source.shape]) * (np.asarray(spacing) / SIXTHS)
        corners = (target.corner[:, None] + MIDDLES[TRIANGLES][target.shape] / 2) * np.asarray(spacing)
        chosen = rng.choice(len(points), 400, replace=False)
        expected = [_nearest(point, corners) for point in points[chosen]]
        np.testing.assert_allclose(distances(source, target)[chosen], expected, rtol=2e-5, atol=2e-6)


def _nearest(p: np.ndarray, corners: np.ndarray) -> float:  # type: ignore[type-arg]
    """Distance of a point to triangles (n, 3, 3): the plane's where the foot lies inside, else the nearest edge's."""
    best = np.inf
    a, b, c = np.moveaxis(corners, 1, 0)
    normal = np.cross(b - a, c - a)
    height = ((p - a) * normal).sum(1) / (normal**2).sum(1)
    foot = p - height[:, None] * normal
    sides = [(np.cross(v - u, foot - u) * normal).sum(1) for u, v in ((a, b), (b, c), (c, a))]
    inside = np.all(np.stack(sides) >= 0, axis=0)
    if inside.any():
        best = np.linalg.norm(p - foot[inside], axis=1).min()
    for u, v in ((a, b), (b, c), (c, a)):
        t = np.clip(((p - u) * (v - u)).sum(1) / ((v - u) ** 2).sum(1), 0, 1)
        best = min(best, np.linalg.norm(p - u - t[:, None] * (v - u), axis=1).min())
    return float(best)


def test_the_surface_is_closed_for_every_neighbourhood_of_eight_voxels() -> None:
    # Every edge of a closed surface belongs to an even number of triangles. All 256 cubes, each within empty space.
    for bits in itertools.product((False, True), repeat=8):
        mask = np.zeros((4, 4, 4), bool)
        mask[1:3, 1:3, 1:3] = np.reshape(bits, (2, 2, 2))
        if not mask.any():
            continue
        _, rows = triangulate(mask, (1.0, 1.0, 1.0)).mesh
        edges = np.sort(np.concatenate([rows[:, [0, 1]], rows[:, [1, 2]], rows[:, [2, 0]]]), axis=1)
        _, count = np.unique(edges, axis=0, return_counts=True)
        assert (count % 2 == 0).all()


def test_one_empty_mask_has_no_overlap_and_undefined_distances() -> None:
    a = ball(5, (1.0, 1.0, 1.0), 8)
    g = identity(a.shape)
    found = compare(segment(a, g), segment(np.zeros_like(a), g))
    assert found["dice"] == found["jaccard"] == found["surface_dice_1mm"] == 0
    assert found["missed_ml"] == found["volume_a_ml"]
    assert found["volume_difference_percent"] == -100
    for key in ("hausdorff_mm", "hd95_mm", "hd95_pooled_mm", "assd_mm", "centroid_shift_mm", "long_axis_difference_mm"):
        assert found[key] is None
        assert found.undefined[key] == "Mask B is empty."
    turned = compare(segment(np.zeros_like(a), g), segment(a, g))
    assert turned["volume_difference_percent"] is None
    assert turned.undefined["volume_ratio"] == "Mask A is empty."


def test_two_empty_masks_leave_even_dice_undefined() -> None:
    g = identity((5, 6, 7))
    found = compare(segment(np.zeros(g.shape, bool), g), segment(np.zeros(g.shape, bool), g))
    assert found["dice"] is None
    assert found["surface_dice_1mm"] is None
    assert found["volume_a_ml"] == 0
    assert found.undefined["dice"] == "Both masks are empty."


@pytest.mark.parametrize("tolerance", [0.0, -1.0, float("nan"), float("inf")])
def test_a_useless_tolerance_is_refused(tolerance: float) -> None:
    a = ball(3, (1.0, 1.0, 1.0), 5)
    g = identity(a.shape)
    with pytest.raises(AdrenalError, match="above 0"):
        compare(segment(a, g), segment(a, g), tolerances_mm=(tolerance,))

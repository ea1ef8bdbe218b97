"""Core, statistics, tissue fractions and homogeneity: on phantoms whose composition is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.ndimage import distance_transform_edt

from AdrenalClassifierLib.imaging.attenuation import (
    CORE_LEAST_VOXELS,
    STRUCTURE_SD_LIMIT_HU,
    Tissue,
    core_of,
    statistics,
    tissue,
)
from AdrenalClassifierLib.imaging.geometry import Geometry, Vector, identity
from support.grids import ellipsoid

Array = NDArray[np.float64]
FINE = identity((50, 62, 62), (1.0, 0.8, 0.8))
THICK = identity((12, 62, 62), (5.0, 0.8, 0.8))
MIDDLE = (24.4, 24.7, 24.6)


def ball(grid: Geometry, diameter: float) -> NDArray[np.bool_]:
    return ellipsoid(grid, MIDDLE, (diameter / 2,) * 3)


def noise(grid: Geometry, sd: float, grain_mm: float = 0.0, seed: int = 1) -> Array:
    """Noise of a given SD; ``grain_mm`` is the width (FWHM) of the kernel that correlates it within the slices."""
    field = np.random.default_rng(seed).normal(size=grid.shape)
    if grain_mm:
        field = ndimage.gaussian_filter(field, [0, *(grain_mm / 2.355 / s for s in grid.spacing[1:])])
    return np.asarray(field * sd / field.std())


def margin(mask: NDArray[np.bool_], grid: Geometry) -> float:
    """18 % of the radius of the ball of equal volume, 2 to 5 mm."""
    return float(np.clip(0.18 * (3 * mask.sum() * grid.voxel_volume_mm3 / (4 * np.pi)) ** (1 / 3), 2, 5))


def judged(hu: Array, mask: NDArray[np.bool_], grid: Geometry = FINE, phase: str = "unenhanced") -> Tissue:
    return tissue(hu, mask, core_of(mask, grid), grid, phase)  # type: ignore[arg-type]


# -- statistics and core --------------------------------------------------------------------------------------------


def test_statistics_of_a_ramp_are_those_of_the_formula() -> None:
    # 0..100: mean and median 50, population variance (n^2 - 1) / 12, percentiles 10 and 90.
    found = statistics(np.arange(101))
    assert (found.mean, found.median, found.p10, found.p90) == (50, 50, 10, 90)
    assert found.sd == pytest.approx(((101**2 - 1) / 12) ** 0.5)


def test_statistics_of_one_voxel_are_its_value() -> None:
    found = statistics(np.array([37.5], np.float32))
    assert (found.mean, found.sd, found.median, found.p10, found.p90) == (37.5, 0, 37.5, 37.5, 37.5)


def test_single_precision_input_does_not_drift() -> None:
    values = np.full(3_000_000, 35.7, np.float32)
    assert statistics(values).mean == pytest.approx(float(np.float32(35.7)), abs=1e-9)


@pytest.mark.parametrize("spacing", [(1.0, 0.8, 0.8), (0.6, 0.6, 0.6), (1.5, 0.9, 0.9), (5.0, 0.8, 0.8), (3.0, 3.0, 3.0)])
def test_the_core_is_what_a_distance_transform_leaves(spacing: Vector) -> None:
    grid = identity(tuple(int(40 / s) for s in spacing), spacing)
    mask = ellipsoid(grid, (19.0, 20.0, 20.0), (15.0, 12.0, 17.0)) & ~ellipsoid(grid, (25.0, 20.0, 20.0), (4.0, 3.0, 3.0))
    reach = np.maximum(margin(mask, grid), spacing)
    away = distance_transform_edt(np.pad(mask, 1), sampling=np.asarray(spacing) / reach)[1:-1, 1:-1, 1:-1]
    np.testing.assert_array_equal(core_of(mask, grid), away > 1 + 1e-7)


def test_the_core_treats_the_border_of_the_array_as_the_lesions_edge() -> None:
    mask = np.ones((10, 20, 20), bool)
    core = core_of(mask, identity(mask.shape, (1.0, 1.0, 1.0)))
    assert core is not None
    expected = np.zeros_like(mask)
    expected[2:-2, 2:-2, 2:-2] = True  # a voxel beyond the border lies 3 mm from these
    np.testing.assert_array_equal(core, expected)


def test_two_thick_slices_keep_a_core_within_the_slices_and_two_thin_ones_have_none() -> None:
    flat = np.zeros((6, 40, 40), bool)
    flat[2:4, 5:35, 5:35] = True
    core = core_of(flat, identity(flat.shape, (5.0, 0.8, 0.8)))
    assert core is not None
    # 2 mm are two voxels of 0.8 mm and a half: the third voxel's centre from the edge is the first beyond.
    expected = np.zeros_like(flat)
    expected[2:4, 7:33, 7:33] = True
    np.testing.assert_array_equal(core, expected)
    assert core_of(flat, identity(flat.shape, (1.0, 0.8, 0.8))) is None


def test_a_small_or_coarse_lesion_has_no_core_rather_than_one_with_its_edge() -> None:
    assert core_of(ball(FINE, 5.0), FINE) is None
    coarse = identity((12, 12, 12), (3.0, 3.0, 3.0))
    assert core_of(ellipsoid(coarse, (16.0, 16.0, 16.0), (6.0, 6.0, 6.0)), coarse) is None
    kept = core_of(ball(FINE, 10.0), FINE)
    assert kept is not None
    assert kept.sum() >= CORE_LEAST_VOXELS


# -- fractions ------------------------------------------------------------------------------------------------------


def test_noise_alone_makes_no_fluid_and_no_fat() -> None:
    mask = ball(FINE, 35)
    hu = 35 + noise(FINE, 15)
    assert ((hu[mask] >= 0) & (hu[mask] <= 20)).mean() > 0.13  # what single voxels would say: P(-2.3 < z < -1)
    found = judged(hu, mask)
    assert found.fluid < 0.001
    assert found.fat == 0


def test_fractions_are_the_shares_of_the_tissues() -> None:
    mask = np.zeros(FINE.shape, bool)
    mask[10:40, 10:52, 10:52] = True  # 42 voxels = 33.6 mm across
    for left, right, attribute in ((-80.0, 40.0, "fat"), (10.0, 40.0, "fluid")):
        hu = np.full(FINE.shape, right)
        hu[..., :31] = left
        found = getattr(judged(hu + noise(FINE, 10), mask), attribute)
        # Averaging over 5 mm blurs the one boundary: half a block at the most, of the width of the core.
        assert found == pytest.approx(0.5, abs=2.5 / (33.6 - 2 * margin(mask, FINE)))


def test_a_uniform_lesion_of_fluid_attenuation_is_all_fluid() -> None:
    assert judged(10 + noise(FINE, 10), ball(FINE, 30)).fluid > 0.99
    assert judged(np.full(FINE.shape, 0.0), ball(FINE, 30)).fluid == 1  # both limits belong to the range
    assert judged(np.full(FINE.shape, 20.0), ball(FINE, 30)).fluid == 1
    assert judged(np.full(FINE.shape, 20.5), ball(FINE, 30)).fluid == 0


def test_fat_that_mixes_into_the_rim_is_not_counted() -> None:
    mask = ball(FINE, 30)
    hu = ndimage.gaussian_filter(np.where(mask, 35.0, -100.0), np.array([0.8, 0.8, 0.8]) / FINE.spacing)
    assert (hu[mask] < 0).mean() > 0.01
    found = judged(hu, mask)
    assert (found.fat, found.fluid) == (0, 0)


@pytest.mark.parametrize("outside", [3000.0, -1024.0, np.nan])
def test_nothing_outside_the_mask_matters(outside: float) -> None:
    mask = ball(FINE, 25)
    hu = 12 + noise(FINE, 12)
    assert judged(np.where(mask, hu, outside), mask) == judged(hu, mask)


def test_calcium_is_counted_in_groups_and_its_limit_follows_the_phase() -> None:
    mask = ball(FINE, 30)
    hu = np.full(FINE.shape, 40.0)
    hu[20:24, 30:34, 30:34] = 200.0  # 64 voxels
    expected = 64 / mask.sum()
    assert judged(hu, mask).calcium == pytest.approx(expected)
    for phase in ("arterial", "portal", "delayed", "unknown"):
        assert judged(hu, mask, phase=phase).calcium == 0
    hu[20:24, 30:34, 30:34] = 600.0
    for phase in ("unenhanced", "arterial", "portal", "delayed", "unknown"):
        assert judged(hu, mask, phase=phase).calcium == pytest.approx(expected)


def test_enhanced_tissue_is_no_calcium_and_noise_is_none_either() -> None:
    mask = ball(FINE, 30)
    assert judged(170 + noise(FINE, 20), mask, phase="portal").calcium == 0
    noisy = 40 + noise(FINE, 35)
    assert (noisy[mask] > 130).sum() > 20  # single voxels would count
    assert judged(noisy, mask).calcium == 0


def test_calcium_of_the_rim_counts() -> None:
    mask = ball(FINE, 30)
    shell = mask & ~ball(FINE, 28)
    hu = np.where(shell, 300.0, 15.0)
    found = judged(hu, mask)
    assert found.calcium == pytest.approx(shell.sum() / mask.sum())
    assert found.structure_sd_hu == 0  # the core is uniform, yet
    assert found.homogeneous is False


# -- homogeneity ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grid", "sd", "grain"),
    # Thick slices average noise away, so they have less of it.
    [
        (FINE, 0, 0),
        (FINE, 10, 1.8),
        (FINE, 15, 0),
        (FINE, 25, 1.2),
        (FINE, 35, 0.8),
        (THICK, 0, 0),
        (THICK, 8, 1.8),
        (THICK, 10, 1.5),
    ],
)
@pytest.mark.parametrize("diameter", [18, 25, 40])
def test_a_uniform_lesion_is_homogeneous_whatever_the_noise(grid: Geometry, sd: float, grain: float, diameter: float) -> None:
    for seed in range(5):
        found = judged(35 + noise(grid, sd, grain, seed), ball(grid, diameter), grid)
        assert found.homogeneous is True


def test_structure_is_told_from_noise_in_hu() -> None:
    # Two halves 40 HU apart have a standard deviation of 20 HU; blurring the boundary over 5 mm takes some off:
    # sqrt(1 - (5 / width) * 2 / 3) of it is left when the blurred part is a linear ramp.
    mask = np.zeros(FINE.shape, bool)
    mask[5:45, 6:56, 6:56] = True
    hu = np.full(FINE.shape, 20.0)
    hu[..., 31:] = 60.0
    expected = 20 * (1 - 5 / (40 - 2 * margin(mask, FINE)) * 2 / 3) ** 0.5
    for sd in (0, 10, 20):
        structure = judged(hu + noise(FINE, sd), mask).structure_sd_hu
        assert structure is not None
        assert structure == pytest.approx(expected, rel=0.05)


@pytest.mark.parametrize(("sd", "grain"), [(25, 1.8), (35, 1.8), (35, 1.2), (40, 0)])
def test_what_strong_noise_does_to_block_means_is_taken_off(sd: float, grain: float) -> None:
    # A block is 5 mm: 6.25 x 6.25 voxels in 5 slices. Noise smoothed by a Gaussian of width g has one independent value in
    # sqrt(4 pi) g / 2.355 mm along an axis.
    per_axis = max((4 * np.pi) ** 0.5 * grain / 2.355 / 0.8, 1)
    by_noise = sd * per_axis / (6.25**2 * 5) ** 0.5
    found = [judged(35 + noise(FINE, sd, grain, seed), ball(FINE, 40)) for seed in range(4)]
    assert by_noise > 2.8
    assert np.mean([f.structure_sd_hu or 0.0 for f in found]) < 0.4 * by_noise
    assert all(f.homogeneous for f in found)


def test_a_broad_faint_difference_and_a_small_strong_one_are_both_found() -> None:
    mask = ball(FINE, 34)
    halves = np.full(FINE.shape, 30.0)
    halves[..., 31:] += 13  # less than FOCUS_HU, half of the lesion
    assert judged(halves + noise(FINE, 8), mask).homogeneous is False
    focus = np.full(FINE.shape, 30.0)
    focus[ellipsoid(FINE, (20.0, 24.0, 24.0), (5.5, 5.5, 5.5))] -= 25  # 3.4 % of the lesion: a standard deviation of 4.5 HU
    found = judged(focus + noise(FINE, 8), mask)
    assert found.structure_sd_hu is not None
    assert found.structure_sd_hu < STRUCTURE_SD_LIMIT_HU
    assert found.homogeneous is False


def necrosis(hu: Array) -> None:
    hu[ball(FINE, 18)] = 12


def macroscopic_fat(hu: Array) -> None:
    hu[:, :, 28:] = -80


def calcification(hu: Array) -> None:
    hu[ellipsoid(FINE, (20.0, 24.0, 22.0), (5.0, 4.0, 4.0))] = 400


def haemorrhage(hu: Array) -> None:
    hu[ellipsoid(FINE, (18.0, 24.0, 24.0), (7.0, 7.0, 7.0))] = 65


@pytest.mark.parametrize("change", [necrosis, macroscopic_fat, calcification, haemorrhage])
@pytest.mark.parametrize("sd", [5, 20])
def test_a_lesion_of_more_than_one_tissue_is_not_homogeneous(change, sd: float) -> None:  # type: ignore[no-untyped-def]
    hu = np.full(FINE.shape, 38.0)
    change(hu)
    assert judged(hu + noise(FINE, sd, 1.2), ball(FINE, 32)).homogeneous is False


def test_a_lesion_too_small_to_tell_says_none() -> None:
    for diameter in (4, 8, 11):
        found = judged(35 + noise(FINE, 10), ball(FINE, diameter))
        assert found.homogeneous is None
        assert found.structure_sd_hu is None


def test_voxels_that_a_phase_does_not_cover_are_left_out() -> None:
    mask = ball(FINE, 30)
    hu = np.where(np.arange(50)[:, None, None] < 25, 10.0, np.nan) * np.ones(FINE.shape)
    found = judged(hu, mask)
    assert (found.fluid, found.fat, found.calcium) == (1, 0, 0)
    assert found.homogeneous is True

"""measure(): every key, every notice, independent tools on a real CT, and the same answer for every way of storing a lesion."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.errors import GeometryError, ImageReadError, MaskError
from AdrenalClassifierLib.imaging.geometry import Geometry, identity
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.measurements import Measurements, measure
from AdrenalClassifierLib.imaging.resample import geometry_of
from support.grids import arrangements, ellipsoid, oblique_grid, rearranged

DATA = Path(__file__).parents[2] / "data"
GRID = identity((30, 52, 52), (1.0, 0.8, 0.8), (-20.0, -150.0, 800.0))
CENTRE = tuple(GRID.to_world(np.array((14.6, 25.3, 25.8))))
MASK = ellipsoid(GRID, CENTRE, (14.0, 11.0, 10.0))
JSON_KEYS = [
    "volume_ml",
    "long_axis_mm",
    "short_axis_mm",
    "max_3d_diameter_mm",
    "mean_hu",
    "core_mean_hu",
    "sd_hu",
    "median_hu",
    "p10_hu",
    "p90_hu",
    "fat_fraction",
    "fluid_fraction",
    "calcium_fraction",
    "homogeneous",
    "absolute_washout_percent",
    "relative_washout_percent",
    "phase",
    "voxel_count",
]


def lesion_of(
    hu: NDArray[np.floating] | float,
    mask: NDArray[np.bool_] = MASK,
    grid: Geometry = GRID,
    phase: Phase = "unenhanced",
    others: Mapping[Phase, NDArray[np.floating] | float] | None = None,
) -> Lesion:
    def volume(values: NDArray[np.floating] | float) -> NDArray[np.float32]:
        return np.array(np.broadcast_to(values, grid.shape), np.float32)

    return Lesion("lesion-1", "left", phase, volume(hu), mask, grid, {role: volume(v) for role, v in (others or {}).items()})


def speckle(mean: float, sd: float = 12.0, seed: int = 0, shape: tuple[int, int, int] = GRID.shape) -> NDArray[np.float32]:
    return (mean + np.random.default_rng(seed).normal(0, sd, shape)).astype(np.float32)


def codes(found: Measurements) -> list[str]:
    return [notice.code for notice in found.notices]


# -- what comes out -------------------------------------------------------------------------------------------------


def test_the_json_has_the_agreed_keys_null_for_what_is_missing_and_full_precision() -> None:
    found = measure(lesion_of(speckle(35.0)))
    plain = found.to_json()
    assert list(plain)[: len(JSON_KEYS)] == JSON_KEYS
    assert "notices" not in plain
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["volume_ml"] == found.volume_ml
    assert plain["absolute_washout_percent"] is None
    assert plain["portal_hu"] is None
    assert plain["homogeneous"] is True
    assert np.shape(plain["long_axis_ends_mm"]) == (2, 3)
    assert found.notices == ()


def test_a_body_of_known_size_and_attenuation() -> None:
    hu = speckle(33.0)
    found = measure(lesion_of(hu))
    inside = hu[MASK].astype(float)
    assert found.voxel_count == MASK.sum()
    # A voxelised body's volume is known to its surface times a fraction of a voxel; 2 % here.
    assert found.volume_ml == pytest.approx(4 / 3 * math.pi * 14 * 11 * 10 / 1000, rel=0.02)
    assert found.long_axis_mm == pytest.approx(28, abs=0.8)
    assert found.short_axis_mm == pytest.approx(22, abs=0.8)
    assert found.max_3d_diameter_mm == pytest.approx(28, abs=1.0)
    assert found.max_3d_diameter_mm >= found.long_axis_mm
    assert (found.mean_hu, found.sd_hu) == pytest.approx((inside.mean(), inside.std()))
    assert (found.median_hu, found.p10_hu, found.p90_hu) == pytest.approx(tuple(np.quantile(inside, [0.5, 0.1, 0.9])))
    assert found.core_mean_hu == found.spontaneous_hu
    away = ndimage.distance_transform_edt(MASK, sampling=GRID.spacing)
    margin = 0.18 * (14 * 11 * 10) ** (1 / 3)  # 18 % of the radius of the ball of equal volume
    assert found.core_mean_hu == pytest.approx(hu[away > margin].astype(float).mean())


def test_spontaneous_attenuation_is_that_of_the_core_not_of_the_blurred_rim() -> None:
    hu = ndimage.gaussian_filter(np.where(MASK, 30.0, -100.0), 1.0 / np.asarray(GRID.spacing))
    found = measure(lesion_of(hu))
    assert found.mean_hu < 22
    assert found.spontaneous_hu is not None
    assert found.spontaneous_hu > 28


@pytest.mark.parametrize("phase", ["arterial", "portal", "delayed", "unknown"])
def test_spontaneous_attenuation_is_never_taken_from_another_phase(phase: Phase) -> None:
    found = measure(lesion_of(40.0, phase=phase))
    assert found.spontaneous_hu is None
    assert found.phase == found.tissue_phase == phase
    assert found.portal_hu == (40.0 if phase == "portal" else None)
    assert found.delayed_hu == (40.0 if phase == "delayed" else None)
    assert ("phase_unknown" in codes(found)) == (phase == "unknown")
    assert "calcium_threshold_raised" in codes(found)


def test_a_further_unenhanced_phase_gives_spontaneous_attenuation_and_tissue() -> None:
    found = measure(lesion_of(speckle(90.0), phase="portal", others={"unenhanced": speckle(8.0, seed=1)}))
    assert found.phase == "portal"
    assert found.mean_hu == pytest.approx(90, abs=1)
    assert found.spontaneous_hu == pytest.approx(8, abs=1)
    assert found.portal_hu == found.core_mean_hu
    assert found.tissue_phase == "unenhanced"
    assert found.fluid_fraction > 0.95
    assert codes(found) == []


# -- washout --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("main", ["unenhanced", "portal", "delayed"])
def test_washout_does_not_depend_on_which_phase_was_outlined(main: Phase) -> None:
    levels: dict[Phase, float] = {"unenhanced": 10.0, "arterial": 60.0, "portal": 80.0, "delayed": 30.0}
    own = levels.pop(main)
    found = measure(lesion_of(own, phase=main, others=levels))
    assert found.absolute_washout_percent == pytest.approx(500 / 7)
    assert found.relative_washout_percent == pytest.approx(62.5)
    assert (found.spontaneous_hu, found.portal_hu, found.delayed_hu) == (10, 80, 30)


def test_washout_counts_only_voxels_that_all_phases_cover() -> None:
    # Where the delayed scan ends, the portal phase is far brighter: those voxels must not count.
    upper = np.arange(GRID.shape[0])[:, None, None] >= 18
    portal = np.where(upper, 200.0, 80.0) * np.ones(GRID.shape)
    delayed = np.where(upper, np.nan, 30.0) * np.ones(GRID.shape)
    found = measure(lesion_of(10.0, others={"portal": portal, "delayed": delayed}))
    assert found.absolute_washout_percent == pytest.approx(500 / 7)
    assert found.relative_washout_percent == pytest.approx(62.5)
    assert found.portal_hu is not None
    assert found.portal_hu > 81
    covered = round(100 * float((~upper & MASK).sum() / MASK.sum()))
    assert [n.text for n in found.notices] == [f"The delayed CT covers only {covered} % of the lesion."]


def test_a_phase_that_covers_less_than_half_of_the_lesion_is_left_out() -> None:
    lower = np.arange(GRID.shape[0])[:, None, None] < 11
    found = measure(lesion_of(10.0, others={"portal": 80.0, "delayed": np.where(lower, 30.0, np.nan) * np.ones(GRID.shape)}))
    assert found.delayed_hu is None
    assert found.absolute_washout_percent is None
    assert codes(found) == ["phase_partly_outside", "phase_left_out"]


def test_no_washout_is_given_when_the_lesion_does_not_enhance() -> None:
    found = measure(lesion_of(12.0, others={"portal": 18.0, "delayed": 15.0}))
    assert (found.absolute_washout_percent, found.relative_washout_percent) == (None, None)
    assert codes(found) == ["washout_undefined"]


# -- notices and refusals -------------------------------------------------------------------------------------------


def test_a_single_voxel_is_measured_and_doubted() -> None:
    mask = np.zeros(GRID.shape, bool)
    mask[10, 20, 20] = True
    found = measure(lesion_of(speckle(35.0), mask))
    assert found.voxel_count == 1
    assert found.volume_ml == pytest.approx(0.64e-3)
    assert (found.long_axis_mm, found.short_axis_mm, found.max_3d_diameter_mm) == pytest.approx((0.8, 0.8, 1.0))
    assert found.sd_hu == 0
    assert found.homogeneous is None
    assert codes(found) == ["few_voxels", "one_voxel_wide", "few_slices", "core_too_small"]
    assert "1 voxel;" in found.notices[0].text
    json.dumps(found.to_json(), allow_nan=False)


def test_thick_slices_are_pointed_out_whatever_the_order_of_the_axes() -> None:
    grid = identity((8, 60, 60), (7.0, 0.8, 0.8))
    mask = ellipsoid(grid, tuple(grid.to_world(np.array((3.5, 30.0, 30.0)))), (18.0, 18.0, 18.0))
    lesion = lesion_of(35.0, mask, grid)
    for order, flips in arrangements()[::7]:
        stored, place = rearranged(mask, grid, order, flips)
        found = measure(replace(lesion, ct=np.full(stored.shape, 35, np.float32), mask=stored.astype(bool), geometry=place))
        assert codes(found) == ["thick_slices"]
        assert "7 mm" in found.notices[0].text


def test_empty_mask_wrong_shape_and_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(MaskError, match="empty"):
        measure(lesion_of(35.0, np.zeros(GRID.shape, bool)))
    with pytest.raises(GeometryError, match="differ in size"):
        measure(replace(lesion_of(35.0), mask=MASK[1:]))
    for bad in (np.nan, np.inf):
        hu = speckle(35.0)
        hu[tuple(np.argwhere(MASK)[100])] = bad
        with pytest.raises(ImageReadError, match="not numbers"):
            measure(lesion_of(hu))


def test_what_lies_outside_the_lesion_does_not_matter() -> None:
    hu = speckle(35.0)
    expected = measure(lesion_of(hu))
    for outside in (np.nan, -3024.0, 30000.0):
        assert measure(lesion_of(np.where(MASK, hu, outside))) == expected
    # Neither does how much of the scan was cut out around it.
    start, stop = (3, 8, 6), (27, 48, 47)
    part = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    assert MASK[part].sum() == MASK.sum()
    cut = measure(lesion_of(hu[part], MASK[part], GRID.crop(start, stop)))
    assert numbers(cut) == pytest.approx(numbers(expected), abs=1e-9, nan_ok=True)


def test_a_mask_that_fills_its_array_is_measured() -> None:
    grid = identity((12, 20, 20), (1.0, 1.0, 1.0))
    found = measure(lesion_of(speckle(35.0, shape=grid.shape), np.ones(grid.shape, bool), grid))
    assert found.volume_ml == pytest.approx(4.8)
    assert found.homogeneous is True


# -- one lesion, many files -----------------------------------------------------------------------------------------


def numbers(found: Measurements) -> list[float]:
    flat: list[float] = []
    for value in found.to_json().values():
        if not isinstance(value, str):
            flat.extend(np.ravel(np.nan if value is None else value).astype(float))
    return flat


@pytest.mark.parametrize("kind", ["usual", "oblique", "left-handed"])
def test_every_way_of_storing_a_lesion_gives_the_same_measurements(kind: str) -> None:
    size = (12, 30, 30)
    grid = {
        "usual": identity(size, (2.5, 0.8, 0.8), (-31.3, 11.7, 812.9)),
        "oblique": oblique_grid(size, (2.5, 0.8, 0.8), (-31.3, 11.7, 812.9), False),
        "left-handed": oblique_grid(size, (2.5, 0.8, 0.8), (-31.3, 11.7, 812.9), True),
    }[kind]
    random = np.random.default_rng(4)
    bumps = ndimage.gaussian_filter(random.normal(size=size), (1, 3, 3))
    index = np.moveaxis(np.indices(size), 0, -1)
    mask = (((index - (5.6, 14.8, 15.1)) * grid.spacing / 10.5) ** 2).sum(axis=-1) + 4 * bumps < 1
    hu = ndimage.gaussian_filter(random.normal(0, 60, size), (0.5, 1.5, 1.5)) + 20
    hu[5:7, 10:14, 10:14] = 400
    portal = np.where(index[..., 0] > 8, np.nan, hu + 60)
    lesion = lesion_of(hu, mask, grid, others={"portal": portal, "delayed": hu + 25})
    expected = measure(lesion)
    assert 0 < expected.fluid_fraction < 1
    assert expected.calcium_fraction > 0
    for order, flips in arrangements()[:: 1 if kind == "usual" else 5]:
        ct, place = rearranged(lesion.ct, grid, order, flips)
        others = {role: rearranged(volume, grid, order, flips)[0] for role, volume in lesion.others.items()}
        stored = rearranged(mask, grid, order, flips)[0].astype(bool)
        found = measure(replace(lesion, ct=ct, mask=stored, geometry=place, others=others))
        np.testing.assert_allclose(numbers(found), numbers(expected), rtol=0, atol=1e-6)
        assert found.notices == expected.notices
        assert found.homogeneous == expected.homogeneous


# -- independent tools on a real CT ---------------------------------------------------------------------------------

REAL = [("adrenal_portal", 8, "portal"), ("adrenals_unenhanced", 8, "unenhanced"), ("adrenals_unenhanced", 9, "unenhanced")]


def real(name: str, label: int, phase: Phase) -> tuple[Measurements, sitk.Image, sitk.Image]:
    ct, labels = (sitk.ReadImage(str(DATA / f"{name}_{kind}.nii.gz")) for kind in ("ct", "labels"))
    mask = sitk.GetArrayFromImage(labels) == label
    return measure(lesion_of(sitk.GetArrayFromImage(ct), mask, geometry_of(ct), phase)), ct, labels == label


@pytest.mark.parametrize(("name", "label", "phase"), REAL)
def test_simpleitk_measures_the_same_on_real_glands(name: str, label: int, phase: Phase) -> None:
    found, ct, mask = real(name, label, phase)
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputeFeretDiameterOn()
    shape.Execute(mask)
    assert found.voxel_count == shape.GetNumberOfPixels(1)
    assert found.volume_ml == pytest.approx(shape.GetPhysicalSize(1) / 1000, rel=1e-12)
    # ITK measures Feret's diameter between voxel centres, we between the vertices half a voxel beyond: at most a voxel more.
    assert shape.GetFeretDiameter(1) < found.max_3d_diameter_mm <= shape.GetFeretDiameter(1) + max(ct.GetSpacing())

    intensity = sitk.LabelStatisticsImageFilter()
    intensity.Execute(sitk.Cast(ct, sitk.sitkFloat64), mask)
    assert found.mean_hu == pytest.approx(intensity.GetMean(1), rel=1e-9)
    # ITK divides by n - 1.
    population = intensity.GetSigma(1) * math.sqrt((found.voxel_count - 1) / found.voxel_count)
    assert found.sd_hu == pytest.approx(population, rel=1e-9)

    values = np.sort(sitk.GetArrayViewFromImage(ct)[sitk.GetArrayViewFromImage(mask) == 1].astype(float))
    for key, share in (("median_hu", 0.5), ("p10_hu", 0.1), ("p90_hu", 0.9)):
        rank = share * (values.size - 1)
        low, high = values[math.floor(rank)], values[math.ceil(rank)]
        assert getattr(found, key) == pytest.approx(low + (high - low) * (rank - math.floor(rank)), abs=1e-9)


PYRADIOMICS_3_0_1 = {
    # VoxelVolume (mm3), Maximum3DDiameter, Maximum2DDiameterSlice, Mean, Variance, Median, 10Percentile, 90Percentile
    ("adrenal_portal", 8): (2391.815186, 30.57803318, 27.01038415, 43.72966507, 1273.127079, 50.0, -5.0, 83.0),
    ("adrenals_unenhanced", 8): (4482.0, 50.73460358, 37.58989226, 2.379518072, 543.9342793, 4.0, -34.0, 32.5),
    ("adrenals_unenhanced", 9): (5670.0, 51.35172831, 25.80697580, 1.814285714, 548.0750340, 3.5, -29.0, 31.0),
}
"""Printed by pyradiomics 3.0.1 (shape and firstorder classes, no binning, no resampling) on the same files."""


@pytest.mark.parametrize(("name", "label", "phase"), REAL)
def test_pyradiomics_printed_the_same_on_real_glands(name: str, label: int, phase: Phase) -> None:
    found, _, _ = real(name, label, phase)
    ours = (
        found.volume_ml * 1000,
        found.max_3d_diameter_mm,
        found.long_axis_mm,
        found.mean_hu,
        found.sd_hu**2,
        found.median_hu,
        found.p10_hu,
        found.p90_hu,
    )
    assert ours == pytest.approx(PYRADIOMICS_3_0_1[name, label], rel=1e-8)

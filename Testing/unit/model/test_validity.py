"""The validity gate: every limit from both sides, the fat of a shifted scale, distances against scikit-learn's own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from sklearn.covariance import LedoitWolf

from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.imaging.images import CtImage
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.measurements import measure
from AdrenalClassifierLib.model.embedding import EmbeddingReference, embedding_reference
from AdrenalClassifierLib.model.validity import (
    FAT_HU,
    ValidityReference,
    fat_median,
    is_outside,
    training_ranges,
    validity,
)
from AdrenalClassifierLib.patient.record import Quantity
from support.examples import small_lesion
from support.grids import ellipsoid, phantom, segment

LESION = small_lesion()
MEASURED = measure(LESION)
ADULT = Quantity(61.0)


def codes(lesion: Lesion = LESION, age: Quantity | None = ADULT, **measured: object) -> dict[str, str]:
    found = validity(lesion, replace(MEASURED, **measured), age)  # type: ignore[arg-type]
    return {f.code: f.severity for f in found}


def test_an_ordinary_lesion_has_no_finding() -> None:
    assert codes() == {}
    assert not is_outside(validity(LESION, MEASURED, ADULT))


@pytest.mark.parametrize(("offset", "outside"), [(0, False), (-20, False), (30, False), (45, True), (-35, True), (60, True)])
def test_fat_tells_a_shifted_scale(offset: int, outside: bool) -> None:
    """The phantom's surroundings are fat of -95 HU: a shift takes its median out of -120 to -60 HU or it does not."""
    shifted = replace(LESION, ct=LESION.ct + np.float32(offset))
    assert fat_median(shifted.ct, shifted) == pytest.approx(-95 + offset, abs=1)
    assert outside == (not FAT_HU[0] <= -95 + offset <= FAT_HU[1])
    assert codes(shifted) == ({"fat_attenuation": "outside"} if outside else {})


def test_a_further_phase_is_judged_too_and_a_crop_without_fat_is_not() -> None:
    wrong = replace(LESION, others={"portal": LESION.ct + np.float32(60)})
    (found,) = validity(wrong, MEASURED, ADULT)
    assert "portal phase" in found.text
    assert "\u221235 HU" in found.text
    no_fat = replace(LESION, ct=np.where(LESION.mask, LESION.ct, np.float32(40)))
    assert fat_median(no_fat.ct, no_fat) is None
    assert codes(no_fat) == {"fat_not_found": "caution"}
    uncovered = replace(LESION, others={"portal": np.full_like(LESION.ct, np.nan)})
    assert codes(uncovered) == {}


def test_fat_within_the_lesion_says_nothing_of_the_scale() -> None:
    myelolipoma = replace(LESION, ct=np.where(LESION.mask, np.float32(-135), np.float32(40)))
    assert fat_median(myelolipoma.ct, myelolipoma) is None


@pytest.mark.parametrize(("mean", "outside"), [(-149.0, False), (-152.0, True), (249.0, False), (252.0, True)])
def test_the_lesions_mean_attenuation(mean: float, outside: bool) -> None:
    lesion = replace(LESION, ct=np.where(LESION.mask, np.float32(mean), LESION.ct))
    assert codes(lesion) == ({"lesion_attenuation": "outside"} if outside else {})


@pytest.mark.parametrize(("volume", "outside"), [(0.29, True), (0.31, False), (3999.0, False), (4001.0, True)])
def test_the_volume(volume: float, outside: bool) -> None:
    assert codes(volume_ml=volume) == ({"volume": "outside"} if outside else {})


@pytest.mark.parametrize(("slice_mm", "outside"), [(5.0, False), (5.1, True), (8.0, True)])
def test_the_distance_of_slices_along_the_patient(slice_mm: float, outside: bool) -> None:
    grid = identity((30, 80, 80), (slice_mm, 1.5, 1.5), (-60.0, -60.0, -15 * slice_mm))
    mask = ellipsoid(grid, (0.0, 0.0, 0.0), (20.0, 20.0, 20.0))
    (lesion,) = extract_lesions(phantom(grid, mask), [segment(mask, grid)])
    found = {f.code: f.text for f in validity(lesion, measure(lesion), ADULT)}
    assert ("thick_slices" in found) == outside
    if outside:
        assert f"{slice_mm:g} mm apart, more than the 5 mm" in found["thick_slices"]


def test_phase_border_and_age() -> None:
    assert codes(replace(LESION, phase="unknown")) == {"phase_unknown": "outside"}
    assert codes(replace(LESION, touches_border=True)) == {"mask_at_border": "outside"}
    assert codes(age=None) == {"age_missing": "caution"}
    assert codes(age=Quantity(17.0)) == {"age_below_18": "outside"}
    assert codes(age=Quantity(18.0)) == {}
    assert not is_outside(validity(LESION, MEASURED, None))


def test_a_mask_cut_by_the_scan_is_found_from_the_files_grid() -> None:
    grid = identity((40, 90, 90), (3.0, 1.5, 1.5), (-66.0, -66.0, -10.0))
    mask = ellipsoid(grid, (0.0, 0.0, 0.0), (15.0, 15.0, 15.0))
    (lesion,) = extract_lesions(phantom(grid, mask), [segment(mask, grid)])
    assert "mask_at_border" in {f.code for f in validity(lesion, measure(lesion), ADULT)}


def test_findings_that_exclude_come_first() -> None:
    found = validity(replace(LESION, phase="unknown"), MEASURED, None)
    assert [f.severity for f in found] == ["outside", "caution"]
    assert all(f.text.endswith(".") for f in found)


def test_values_beyond_the_training_cohort_are_a_caution_with_its_range() -> None:
    cases = [replace(MEASURED, long_axis_mm=float(v), spontaneous_hu=float(v) - 10) for v in range(20, 61)]
    cases.append(replace(MEASURED, long_axis_mm=30.0, spontaneous_hu=None))
    ranges = training_ranges(cases, [Quantity(26.0), None, Quantity(78.0)])
    assert ranges == {"long_axis_mm": (20.0, 60.0), "spontaneous_hu": (10.0, 50.0), "age": (25.0, 80.0)}
    reference = ValidityReference(ranges)
    within = replace(MEASURED, long_axis_mm=60.0, spontaneous_hu=10.0)
    assert validity(LESION, within, ADULT, reference) == ()
    beyond = replace(MEASURED, long_axis_mm=61.0, spontaneous_hu=-4.0)
    found = {f.code: f for f in validity(LESION, beyond, Quantity(90.0), reference)}
    assert set(found) == {"long_axis_mm_beyond_training", "spontaneous_hu_beyond_training", "age_beyond_training"}
    assert {f.severity for f in found.values()} == {"caution"}
    assert "61 mm" in found["long_axis_mm_beyond_training"].text
    assert "20 to 60 mm" in found["long_axis_mm_beyond_training"].text
    assert validity(LESION, replace(within, spontaneous_hu=None), ADULT, reference) == ()
    assert training_ranges([replace(MEASURED, spontaneous_hu=None)], [None]).keys() == {"long_axis_mm"}


def embedded(rng: np.random.Generator, n: int, d: int = 6) -> np.ndarray:
    mixing = np.random.default_rng(0).normal(size=(d, d))
    return rng.normal(size=(n, d)) @ mixing + 3


def folded(*unseen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Held-out embeddings of members of one repetition, and which member held each out."""
    return np.concatenate(unseen)[None], np.concatenate([np.full(len(u), n) for n, u in enumerate(unseen)])[None]


def test_the_distance_is_that_of_ledoit_and_wolfs_estimate_scaled_by_what_is_usual() -> None:
    rng = np.random.default_rng(1)
    seen, unseen = [embedded(rng, 80) for _ in range(3)], [embedded(rng, 20) for _ in range(3)]
    reference = embedding_reference(seen, *folded(*unseen))
    case = np.stack([embedded(rng, 1)[0] for _ in range(3)])

    def scaled(a: np.ndarray, b: np.ndarray, x: np.ndarray) -> np.ndarray:
        fitted = LedoitWolf().fit(a)
        return np.sqrt(fitted.mahalanobis(x)) / np.median(np.sqrt(fitted.mahalanobis(b)))

    expected = [scaled(a, b, x[None])[0] for a, b, x in zip(seen, unseen, case, strict=True)]
    assert reference.distance(case) == pytest.approx(np.mean(expected), rel=1e-9)
    usual = np.sort(np.concatenate([scaled(a, b, b) for a, b in zip(seen, unseen, strict=True)]))
    assert reference.limit == pytest.approx(usual[-1])  # of 60, the 99th percentile is the largest
    again = EmbeddingReference.from_arrays(reference.arrays())
    assert again.distance(case) == reference.distance(case)
    assert again.limit == reference.limit
    with pytest.raises(ValueError, match="disagree"):
        EmbeddingReference.from_arrays({**reference.arrays(), "scale": np.ones(2)})


def test_distances_of_repetitions_are_averaged_for_the_limit() -> None:
    rng = np.random.default_rng(7)
    seen = [embedded(rng, 60) for _ in range(2)]
    unseen = np.stack([embedded(rng, 40), embedded(rng, 40)])
    reference = embedding_reference(seen, unseen, np.array([[0] * 40, [1] * 40]))
    one = [
        np.sqrt(f.mahalanobis(u)) / np.median(np.sqrt(f.mahalanobis(u)))
        for f, u in ((LedoitWolf().fit(a), u) for a, u in zip(seen, unseen, strict=True))
    ]
    assert reference.limit == pytest.approx(np.mean(one, axis=0).max())


def test_new_lesions_of_the_same_kind_pass_and_others_do_not() -> None:
    """One member, so that the rate is exact: about 1 in 100 of the same kind lies beyond the limit, all of another kind."""
    rng = np.random.default_rng(2)
    reference = embedding_reference([embedded(rng, 500)], *folded(embedded(rng, 1500)))
    beyond = sum(reference.distance(x[None]) > reference.limit for x in embedded(rng, 2000))
    # The limit is itself an estimate from 1500: its exceedance varies by a quarter, so the band is three of both errors.
    assert abs(beyond / 2000 - 0.01) < 3 * np.hypot(np.sqrt(0.01 * 0.99 / 2000), stats.beta(15, 1485).std())
    assert all(reference.distance(x[None]) > reference.limit for x in embedded(rng, 50) + 30)


def test_dead_units_of_an_embedding_do_no_harm() -> None:
    rng = np.random.default_rng(3)
    seen = np.hstack([embedded(rng, 60), np.zeros((60, 4))])
    reference = embedding_reference([seen], *folded(np.hstack([embedded(rng, 20), np.zeros((20, 4))])))
    case = np.append(embedded(rng, 1)[0], np.zeros(4))
    assert np.isfinite(reference.distance(case[None]))
    assert reference.distance((case + np.append(np.zeros(6), 9.0 * np.ones(4)))[None]) > reference.distance(case[None])


def test_an_image_unlike_the_training_cohort_is_outside_with_distance_and_limit() -> None:
    rng = np.random.default_rng(4)
    reference = ValidityReference({}, embedding_reference([embedded(rng, 90)] * 2, *folded(embedded(rng, 30), embedded(rng, 30))))
    near = np.stack([embedded(rng, 200).mean(axis=0)] * 2)
    assert validity(LESION, MEASURED, ADULT, reference, near) == ()
    (found,) = validity(LESION, MEASURED, ADULT, reference, near + 40)
    assert (found.code, found.severity) == ("unlike_training", "outside")
    assert f"{reference.embedding.limit:.2f}" in found.text
    assert validity(LESION, MEASURED, ADULT, reference, None) == ()


def test_an_image_not_in_hounsfield_units_is_found_on_a_whole_scan() -> None:
    grid = identity((40, 90, 90), (3.0, 1.5, 1.5), (-66.0, -66.0, -60.0))
    mask = ellipsoid(grid, (0.0, 0.0, 0.0), (15.0, 15.0, 15.0))
    scan = phantom(grid, mask)
    halved = CtImage((scan.hu // 2).astype(np.int16), grid, "unenhanced")  # a wrong rescale slope
    (lesion,) = extract_lesions(halved, [segment(mask, grid)])
    assert "fat_attenuation" in {f.code for f in validity(lesion, measure(lesion), ADULT)}

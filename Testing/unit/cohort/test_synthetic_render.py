"""The phantom as CT: what was drawn is what a reader would measure, and the surroundings are an abdomen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from AdrenalClassifierLib.cohort.synthetic.acquisition import sampled
from AdrenalClassifierLib.cohort.synthetic.canvas import tissues
from AdrenalClassifierLib.cohort.synthetic.render import build_scene, lesion_of, render_case, voxel_grid
from AdrenalClassifierLib.imaging.lesion import LEAST_EXTENT_MM, MARGIN_MM, extract_lesions


def even_ones(cases, count: int):  # type: ignore[no-untyped-def]
    """Homogeneous solid lesions with an unenhanced phase, 25-45 mm: their inside is large and of one attenuation."""
    found = [
        c for c in cases
        if not c.truth.heterogeneous and "unenhanced" in c.phases and 25 < c.truth.diameter_mm < 45 and c.look.wall_mm == 0
        and c.look.calcification == 0 and c.look.capsule_mm == 0
    ]  # fmt: skip
    return found[:count]


def noise_free(rendered, phase: str):  # type: ignore[no-untyped-def]
    scan = rendered.case.scans[phase]
    _, axes = voxel_grid(rendered.case, rendered.scene, phase)
    dx, dy, dz = scan.shift_mm
    moved = (axes[0] - dz, axes[1] - dy, axes[2] - dx)
    return sampled(scan, rendered.scene.volumes[phase], rendered.scene.axes, moved), moved


def test_the_unenhanced_mean_of_the_inside_is_the_drawn_attenuation_with_the_errors_of_the_scan(cases, render) -> None:  # type: ignore[no-untyped-def]
    """The mask's edge is blurred with fat, so the mean is taken where no fat reaches: further inside than the blur."""
    for case in even_ones(cases, 5):
        rendered = render(case.number)
        image = rendered.images.phases["unenhanced"]
        scan = case.scans["unenhanced"]
        _, axes = noise_free(rendered, "unenhanced")
        inside = rendered.scene.shape.distance(axes) < -(2 + scan.thickness_mm / 2 + 2 * case.look.margin_mm)
        found = float(image.hu[inside].mean())
        expected = case.truth.hu + case.truth.lesion_error_hu + scan.offset_hu
        assert expected == pytest.approx(case.truth.measured_hu)
        # Noise: correlated over about 2 mm; texture: the inside is not the whole, long waves of a third of the radius.
        volume = inside.sum() * image.geometry.voxel_volume_mm3
        error = np.hypot(scan.noise_hu * np.sqrt(8 * scan.thickness_mm / volume), case.look.texture_hu * 0.35)
        assert abs(found - expected) < 4 * error


def test_the_edge_lowers_the_mean_of_the_whole_mask_no_more_than_partial_volume_explains(cases, render) -> None:  # type: ignore[no-untyped-def]
    """Mean over the true mask = cover-weighted mean of lesion and surroundings, cover being the blurred true mask."""
    case = even_ones(cases, 1)[0]
    rendered = render(case.number)
    scan = case.scans["unenhanced"]
    free, axes = noise_free(rendered, "unenhanced")
    cover = sampled(scan, (rendered.scene.lesion < 0).astype(np.float32), rendered.scene.axes, axes)
    mask = rendered.scene.shape.distance(axes) < 0
    hu = case.truth.hu + case.truth.lesion_error_hu
    lowest = cover[mask] * hu + (1 - cover[mask]) * -125
    assert lowest.mean() - 3 < free[mask].mean() < hu + 10


def test_the_axial_long_axis_of_the_readers_mask_is_the_measured_diameter(cases, render) -> None:  # type: ignore[no-untyped-def]
    from AdrenalClassifierLib.imaging.measurements import measure

    for case in even_ones(cases, 4):
        rendered = render(case.number)
        (lesion,) = extract_lesions(rendered.images.phases[case.mask_phase], [rendered.images.mask])
        scan = case.scans[case.mask_phase]
        # A pixel on either side; the longest slice may lie between two slices: the chord of a circle half an increment away.
        radius = case.truth.measured_diameter_mm / 2
        lost = 2 * (radius - np.sqrt(radius**2 - (scan.increment_mm / 2) ** 2))
        found = measure(lesion).long_axis_mm
        assert -2 * scan.pixel_mm - lost - 0.01 * radius < found - 2 * radius < 2 * scan.pixel_mm + 0.02 * radius


def test_noise_in_an_even_organ_has_the_set_sd(cases, render) -> None:  # type: ignore[no-untyped-def]
    checked = 0
    for case in even_ones(cases, 4):
        rendered = render(case.number)
        for phase, image in rendered.images.phases.items():
            scan = case.scans[phase]
            free, _ = noise_free(rendered, phase)
            # Blood in the aorta or vena cava: without texture, so that the noise-free scan is even over many voxels.
            values, counts = np.unique(np.round(free[(free > 20) & (free < 250)], 2), return_counts=True)
            even = np.abs(free - values[counts.argmax()]) < 0.02
            if even.sum() < 4000:
                continue
            checked += 1
            found = float(image.hu[even].std())
            assert abs(found / np.hypot(scan.noise_hu, np.sqrt(1 / 12)) - 1) < 0.08
    assert checked >= 3


def test_images_are_whole_numbers_in_range_on_the_grids_that_were_drawn(cases, render) -> None:  # type: ignore[no-untyped-def]
    for case in even_ones(cases, 3):
        rendered = render(case.number)
        assert set(rendered.images.phases) == set(case.phases)
        for phase, image in rendered.images.phases.items():
            scan = case.scans[phase]
            assert image.hu.dtype == np.int16
            assert image.hu.shape == image.geometry.shape
            assert image.phase == phase
            assert image.geometry.spacing == (scan.increment_mm, scan.pixel_mm, scan.pixel_mm)
            assert image.hu.min() >= -1024
            assert image.hu.max() <= 3071
        assert rendered.images.mask.geometry == rendered.images.phases[case.mask_phase].geometry
        assert rendered.images.mask.side == case.side
        assert "SYNTHETIC" in rendered.images.mask.name


def test_the_field_of_view_holds_the_crop_of_a_lesion_with_all_phases(cases, render) -> None:  # type: ignore[no-untyped-def]
    case = next(c for c in cases if len(c.phases) == 3 and c.truth.diameter_mm < 40)
    lesion = lesion_of(case)
    assert set(lesion.phases) == set(case.phases)
    assert lesion.phase == case.mask_phase
    assert lesion.side == case.side
    assert not lesion.touches_border
    assert lesion.notices == ()
    extent = np.array(lesion.geometry.shape) * lesion.geometry.spacing
    assert (extent >= LEAST_EXTENT_MM).all()
    assert (extent >= case.truth.diameter_mm * 0.5 + 2 * MARGIN_MM).all()
    for phase in lesion.phases[1:]:
        hu = lesion.hu(phase)
        assert hu is not None
        assert np.isfinite(hu).mean() > 0.98
        assert np.isfinite(hu[lesion.mask]).all()


def test_a_lesion_in_memory_is_the_rendered_one(cases, render) -> None:  # type: ignore[no-untyped-def]
    case = even_ones(cases, 1)[0]
    rendered = render(case.number)
    lesion = lesion_of(case)
    assert lesion.mask.sum() == rendered.images.mask.mask.sum()
    assert sorted(lesion.ct[lesion.mask]) == sorted(rendered.images.phases[case.mask_phase].hu[rendered.images.mask.mask])


def test_a_phase_does_not_depend_on_which_others_are_rendered(cases, render) -> None:  # type: ignore[no-untyped-def]
    case = next(c for c in even_ones(cases, 20) if len(c.phases) > 1)
    whole = render(case.number).images
    alone = render_case(case, [case.phases[-1]])
    assert set(alone.phases) == {case.phases[-1]}
    assert (alone.phases[case.phases[-1]].hu == whole.phases[case.phases[-1]].hu).all()
    assert (alone.mask.mask == whole.mask.mask).all()


def test_another_seed_is_another_image(cases, render) -> None:  # type: ignore[no-untyped-def]
    case = even_ones(cases, 1)[0]
    other = render_case(replace(case, seed=case.seed + 1), [case.mask_phase]).phases[case.mask_phase]
    same = render(case.number).images.phases[case.mask_phase]
    assert other.hu.shape == same.hu.shape or abs(np.subtract(other.hu.shape, same.hu.shape)).max() < 12
    n = tuple(slice(0, min(a, b)) for a, b in zip(other.hu.shape, same.hu.shape, strict=True))
    assert (other.hu[n] != same.hu[n]).mean() > 0.9


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_surroundings_hold_fat_blood_kidney_bone_and_the_organ_of_the_side(cases, render, side) -> None:  # type: ignore[no-untyped-def]
    case = next(c for c in even_ones(cases, 60) if c.side == side and "portal" in c.phases)
    scene = render(case.number).scene
    hu, table = scene.volumes["portal"], tissues()
    outside = scene.lesion > 1

    def share(low: float, high: float) -> float:
        return float(((hu > low) & (hu < high) & outside).mean())

    assert 0.2 < share(-130, -70) < 0.8  # fat
    assert share(table["bone"]["portal"] * 0.6, 1200) > 0.002
    assert share(table["cortex"]["portal"] - 25, table["cortex"]["portal"] + 25) > 0.004
    assert share(table["aorta"]["portal"] - 25, table["aorta"]["portal"] + 25) > 0.005
    organ = table["spleen" if side == "left" else "liver"]["portal"]
    assert share(organ - 25, organ + 25) > 0.05
    # The organ lies lateral, the spine medial: x grows to the patient's left.
    bright = np.argwhere((hu > 400) & outside)[:, 2].mean() - hu.shape[2] / 2
    assert np.sign(bright) == (-1 if side == "left" else 1)


def test_kidney_and_vessels_enhance_and_bone_does_not(cases, render) -> None:  # type: ignore[no-untyped-def]
    case = next(c for c in even_ones(cases, 60) if {"unenhanced", "portal"} <= set(c.phases))
    volumes = render(case.number).scene.volumes
    rise = volumes["portal"] - volumes["unenhanced"]
    assert (rise > 80).mean() > 0.01
    assert abs(np.median(rise[volumes["unenhanced"] < -90])) < 6
    assert np.abs(rise[volumes["unenhanced"] > 500]).max() < 60


def test_a_lesion_never_overlaps_the_spine(cases) -> None:  # type: ignore[no-untyped-def]
    for case in [c for c in cases if c.truth.diameter_mm > 70][:2]:
        scene = build_scene(case, ["unenhanced"])
        inside = ndimage.binary_erosion(scene.lesion < 0, iterations=3)
        bone = inside & (scene.volumes["unenhanced"] > 420)
        assert bone.mean() < 1e-4 or case.look.calcification


def test_a_large_lesion_is_rendered_too(cases) -> None:  # type: ignore[no-untyped-def]
    case = max(cases, key=lambda c: c.truth.diameter_mm)
    assert case.truth.diameter_mm > 180
    scene = build_scene(case, [case.mask_phase])
    assert scene.volumes[case.mask_phase].size < 8_000_000
    assert (scene.lesion < 0).any()
    assert np.isfinite(scene.volumes[case.mask_phase]).all()


def test_malignant_and_benign_lesions_overlap_in_form_and_content(cases) -> None:  # type: ignore[no-untyped-def]
    """No single drawn feature of appearance separates the classes: image models should need more than one look."""
    from sklearn.metrics import roc_auc_score

    target = [c.malignant for c in cases]
    for feature in ("inplane", "irregularity", "margin_mm", "texture_hu", "necrosis_fraction", "calcification", "strands"):
        score = roc_auc_score(target, [getattr(c.look, feature) for c in cases])
        assert max(score, 1 - score) < 0.80, feature

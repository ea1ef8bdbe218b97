"""Synthetic lesions in scans that we did not make: any orientation, the scan's own blur and noise, its tissue pushed aside."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.cohort.synthetic.acquisition import noise
from AdrenalClassifierLib.cohort.synthetic.backgrounds import choose_background, list_backgrounds, render_on
from AdrenalClassifierLib.cohort.synthetic.insert import insert_lesion, plan_lesion
from AdrenalClassifierLib.cohort.synthetic.look import Scan
from AdrenalClassifierLib.cohort.synthetic.noise_texture import estimate_noise
from AdrenalClassifierLib.cohort.synthetic.write import write_synthetic
from AdrenalClassifierLib.cohort.table import read_cohort
from AdrenalClassifierLib.errors import CohortError, GeometryError
from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.imaging.images import CtImage
from AdrenalClassifierLib.imaging.resample import to_sitk
from support.grids import arrangements, oblique_grid, rearranged

GRID = identity((40, 84, 90), (2.0, 0.9, 0.9), (-60.0, -70.0, 300.0))
CENTRE = (-20.0, -32.0, 340.0)


def scan_of(noise_hu: float = 8.0, hu: float = -100.0) -> CtImage:
    """An even background with noise of the standard kernel."""
    scan = Scan(2.0, 2.0, 0.9, "standard", noise_hu, 0.0, (0.0, 0.0, 0.0))
    return CtImage(np.rint(hu + noise(np.random.default_rng(1), scan, GRID.shape)).astype(np.int16), GRID, "portal")


@pytest.fixture(scope="module")
def case(cases):  # type: ignore[no-untyped-def]
    """A homogeneous solid lesion of about 2 cm on the right."""
    return next(
        c for c in cases
        if c.side == "right" and 18 < c.truth.diameter_mm < 26 and not c.truth.heterogeneous and c.look.calcification == 0
        and c.lesion_class == "adenoma_lipid_poor" and c.look.portal[1] > 55
    )  # fmt: skip


@pytest.fixture(scope="module")
def inserted(case):  # type: ignore[no-untyped-def]
    """An even scan, and the same with the lesion and its mask."""
    background = scan_of()
    return (background, *insert_lesion(background, CENTRE, case, centre_lps=CENTRE))


def test_the_lesion_lies_where_it_was_put_with_its_size_and_attenuation(case, inserted) -> None:  # type: ignore[no-untyped-def]
    background, image, segment = inserted
    assert image.hu.dtype == np.int16
    assert segment.geometry is image.geometry is background.geometry
    assert (segment.side, segment.number) == ("right", 1)
    assert "SYNTHETIC" in segment.name
    world = GRID.to_world(np.argwhere(segment.mask))
    plan = plan_lesion(case, CENTRE, CENTRE)
    volume = segment.mask.sum() * GRID.voxel_volume_mm3
    assert abs(volume / (4 / 3 * np.pi * plan.outline.mean_radius_mm**3) - 1) < 0.15
    assert np.abs(world.mean(axis=0) - CENTRE).max() < 0.15 * case.truth.diameter_mm
    inside = plan.shape.distance(axes_around(CENTRE)) < -4
    assert abs(image.hu[inside].mean() - case.look.portal[1]) < 6


def axes_around(centre):  # type: ignore[no-untyped-def]
    return [GRID.origin[2 - a] + GRID.spacing[a] * np.arange(GRID.shape[a]) - centre[2 - a] for a in range(3)]


def test_the_noise_continues_in_the_lesion(case) -> None:  # type: ignore[no-untyped-def]
    smooth = replace(case, look=replace(case.look, texture_hu=0.0))
    for level in (5.0, 15.0):
        image, _ = insert_lesion(scan_of(level), CENTRE, smooth, centre_lps=CENTRE)
        inside = plan_lesion(smooth, CENTRE, CENTRE).shape.distance(axes_around(CENTRE)) < -4
        assert abs(image.hu[inside].std() / level - 1) < 0.15


def test_the_estimate_finds_sd_and_kernel_of_a_scan() -> None:
    distance = np.full(GRID.shape, 20.0, np.float32)
    for kernel in ("soft", "standard", "sharp"):
        for level in (6.0, 15.0):
            scan = Scan(2.0, 2.0, 0.9, kernel, level, 0.0, (0.0, 0.0, 0.0))
            found = estimate_noise(40 + noise(np.random.default_rng(2), scan, GRID.shape), distance, np.array(GRID.spacing))
            assert found.kernel == kernel
            assert abs(found.sd_hu / level - 1) < 0.1


def test_far_from_the_lesion_nothing_changes(case, inserted) -> None:  # type: ignore[no-untyped-def]
    background, image, _ = inserted
    far = plan_lesion(case, CENTRE, CENTRE).shape.distance(axes_around(CENTRE)) > 2.3 * case.truth.diameter_mm / 2
    assert far.any()
    np.testing.assert_array_equal(image.hu[far], background.hu[far])


def test_soft_tissue_is_pushed_aside_and_bone_is_not(case) -> None:  # type: ignore[no-untyped-def]
    radius = plan_lesion(case, CENTRE, CENTRE).shape.mean_radius_mm
    z, y, x = np.meshgrid(*axes_around(CENTRE), indexing="ij")
    plain = np.full(GRID.shape, -100, np.int16)
    plain[(x < -0.6 * radius) & (x > -0.6 * radius - 12)] = 60  # a sheet of tissue through the lesion's place
    bone = (x > radius + 6) & (x < radius + 18)
    plain[bone] = 900
    image, segment = insert_lesion(CtImage(plain, GRID, "portal"), CENTRE, case, centre_lps=CENTRE)
    level = np.abs(z) < 1.1
    line = image.hu[level & (np.abs(y) < 0.5)]
    before = x[level & (np.abs(y) < 0.5)]
    moved = (line > 0) & (before < -radius - 4) & (before > -radius - 25)
    assert moved.sum() >= 3  # beside the lesion lies tissue that was inside its place
    assert (image.hu[bone & (x > radius + 8)] > 800).all()
    assert not (segment.mask & bone).any()


@pytest.mark.parametrize(("order", "flips"), arrangements()[5::14])
def test_the_same_scan_stored_otherwise_gets_the_same_lesion(case, inserted, order, flips) -> None:  # type: ignore[no-untyped-def]
    background, expected, mask = inserted
    stored, grid = rearranged(background.hu, GRID, order, flips)
    image, segment = insert_lesion(CtImage(stored, grid, "portal"), CENTRE, case, centre_lps=CENTRE)  # type: ignore[arg-type]
    wanted, _ = rearranged(expected.hu, GRID, order, flips)
    wanted_mask, _ = rearranged(mask.mask, GRID, order, flips)
    assert (image.hu != wanted).mean() < 1e-4
    np.testing.assert_array_equal(segment.mask, wanted_mask)


def test_an_oblique_left_handed_scan_of_real_numbers_works(case) -> None:  # type: ignore[no-untyped-def]
    grid = oblique_grid((70, 110, 110), (1.5, 1.0, 1.0), (0.0, 0.0, 0.0), True, (5.0, -4.0, 8.0))
    centre = tuple(grid.to_world(np.array([35, 55, 55])))
    image, segment = insert_lesion(
        CtImage(np.full(grid.shape, -100, np.float32), grid, "portal"), centre, case, centre_lps=centre
    )
    assert image.hu.dtype == np.float32
    assert np.isfinite(image.hu).all()
    assert image.hu[segment.mask].mean() > 20
    np.testing.assert_allclose(grid.to_world(np.argwhere(segment.mask)).mean(axis=0), centre, atol=4)


def test_a_large_lesion_grows_outwards_and_forwards_from_the_bed(cases) -> None:  # type: ignore[no-untyped-def]
    for case in [c for c in cases if c.truth.diameter_mm > 90][:4]:
        x, y, z = plan_lesion(case, (0.0, 0.0, 0.0)).centre_lps
        assert (x > 5) == (case.side == "left")
        assert y < -5
        assert abs(z) < 1
    small = next(c for c in cases if c.truth.diameter_mm < 20)
    assert plan_lesion(small, (1.0, 2.0, 3.0)).centre_lps == (1.0, 2.0, 3.0)


def test_a_place_outside_the_scan_and_an_unknown_phase_are_refused(case) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GeometryError, match="does not lie within the scan"):
        insert_lesion(scan_of(), (500.0, 0.0, 0.0), case)
    with pytest.raises(CohortError, match="Say which contrast phase"):
        insert_lesion(replace(scan_of(), phase="unknown"), CENTRE, case)


ENTRY = {
    "phases": {"portal": "portal.nii.gz", "unenhanced": "unenhanced.nii.gz"},
    "beds": {"left": [40, 0, 105], "right": [-40, 0, 105]},
}


@pytest.fixture
def folder(tmp_path):  # type: ignore[no-untyped-def]
    """A folder with the list of one background that has both beds and both phases; its images are there, but empty."""
    for name in ENTRY["phases"].values():  # type: ignore[attr-defined]
        (tmp_path / name).touch()
    (tmp_path / "backgrounds.json").write_text(json.dumps({"backgrounds": [ENTRY]}))
    return tmp_path


def test_a_cohort_on_backgrounds_takes_their_phases_and_says_so(folder, tmp_path, cases) -> None:  # type: ignore[no-untyped-def]
    size = identity((60, 180, 230), (3.0, 1.0, 1.0), (-115.0, -100.0, 15.0))
    rng = np.random.default_rng(0)
    for name in ("portal", "unenhanced"):
        voxels = np.rint(rng.normal(-100, 8, size.shape)).astype(np.int16)
        voxels[:, :30] += 150
        sitk.WriteImage(to_sitk(voxels, size), str(folder / f"{name}.nii.gz"))
    choices = list_backgrounds(folder)
    case = next(c for c in cases if c.truth.diameter_mm < 40)
    rendered = render_on(choose_background(choices, case), case)
    assert set(rendered.phases) == {"portal", "unenhanced"}
    assert rendered.mask.geometry == rendered.phases["portal"].geometry
    assert rendered.phases["portal"].hu[rendered.mask.mask].mean() > 0
    table = write_synthetic(tmp_path / "out", 1, 5, backgrounds=folder)
    (row,) = read_cohort(table).rows
    assert set(row.ct) == {"portal", "unenhanced"}
    assert "real people" in (tmp_path / "out" / "README.txt").read_text()


@pytest.mark.parametrize(("text", "expected"), [
    (None, "no readable 'backgrounds.json'"),
    ("{", "not valid JSON"),
    ("[]", "must hold an object with a list"),
    ('{"backgrounds": []}', "at least one entry"),
    ('{"backgrounds": [{"phases": {}, "beds": {"left": [0, 0, 0]}}]}', "'phases' may hold"),
    ('{"backgrounds": [{"phases": {"venous": "portal.nii.gz"}, "beds": {"left": [0, 0, 0]}}]}', "'phases' may hold"),
    ('{"backgrounds": [{"phases": {"portal": "gone.nii.gz"}, "beds": {"left": [0, 0, 0]}}]}', "'gone.nii.gz' does not exist"),
    ('{"backgrounds": [{"phases": {"portal": "portal.nii.gz"}, "beds": {}}]}', "'beds' may hold left and right"),
    ('{"backgrounds": [{"phases": {"portal": "portal.nii.gz"}, "beds": {"left": [0, 0]}}]}', "list of three numbers"),
    ('{"backgrounds": [{"phases": {"portal": "portal.nii.gz"}, "beds": {"left": [0, 0, NaN]}}]}', "three finite numbers"),
])  # fmt: skip
def test_a_list_of_backgrounds_that_is_wrong_gets_one_sentence(folder, text, expected) -> None:  # type: ignore[no-untyped-def]
    (folder / "backgrounds.json").unlink()
    if text is not None:
        (folder / "backgrounds.json").write_text(text)
    with pytest.raises(CohortError, match=expected):
        list_backgrounds(folder)


def test_a_side_without_any_bed_is_refused(folder, cases) -> None:  # type: ignore[no-untyped-def]
    (choice,) = list_backgrounds(folder)
    only_left = replace(choice, beds={"left": choice.beds["left"]})
    right = next(c for c in cases if c.side == "right")
    with pytest.raises(CohortError, match="No background has a bed on the right"):
        choose_background([only_left], right)

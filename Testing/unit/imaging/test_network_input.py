"""The two cubes: invariant to storage, true to scale, quiet outside the rim."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from AdrenalClassifierLib.imaging.geometry import Geometry, identity
from AdrenalClassifierLib.imaging.images import CtImage
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.network_input import InputSettings, network_input
from support.grids import arrangements, ellipsoid, oblique_grid, phantom, rearranged, segment

CENTRE = (4.0, -3.0, 2.0)
GRID = identity((50, 140, 140), (3.0, 1.0, 1.0), (-70.0, -70.0, -75.0))


def lesion_on(grid: Geometry, radii: tuple[float, float, float], noise: float = 8.0) -> Lesion:
    mask = ellipsoid(grid, CENTRE, radii)
    (lesion,) = extract_lesions(phantom(grid, mask, noise=noise), [segment(mask, grid)])
    return lesion


@pytest.mark.parametrize(("order", "flips"), arrangements())
def test_storage_order_and_direction_change_nothing(order, flips) -> None:  # type: ignore[no-untyped-def]
    mask = ellipsoid(GRID, CENTRE, (20.0, 14.0, 17.0))
    ct = phantom(GRID, mask)
    expected = network_input(extract_lesions(ct, [segment(mask, GRID)])[0])
    hu, grid = rearranged(ct.hu, GRID, order, flips)
    stored, _ = rearranged(mask, GRID, order, flips)
    moved = CtImage(hu.astype(np.int16), grid, "unenhanced")
    (lesion,) = extract_lesions(moved, [segment(stored.astype(bool), grid)])
    np.testing.assert_allclose(network_input(lesion).views, expected.views, atol=1e-5)


@pytest.mark.parametrize("radii", [(8.0, 8.0, 8.0), (20.0, 14.0, 17.0), (40.0, 30.0, 38.0)])
def test_the_mask_channel_keeps_the_volume_and_the_fitted_view_the_extent(radii: tuple[float, float, float]) -> None:
    settings = InputSettings()
    lesion = lesion_on(GRID, radii)
    views = network_input(lesion, settings)
    volume = lesion.mask.sum() * lesion.geometry.voxel_volume_mm3
    for view, spacing in zip(views.views, views.spacings_mm, strict=True):
        assert view[2].sum() * spacing**3 == pytest.approx(volume, rel=0.02)
    extent = np.ptp(np.argwhere(lesion.mask), axis=0) + 1
    longest = (extent * lesion.geometry.spacing).max()
    expected = max(longest / (settings.fill * settings.size), settings.least_spacing_mm)
    assert views.spacings_mm == (settings.physical_spacing_mm, pytest.approx(expected))


def test_attenuation_is_that_of_the_scan_at_the_same_place() -> None:
    # A plane is reproduced by a normalised symmetric kernel away from the border.
    lesion = lesion_on(GRID, (20.0, 14.0, 17.0))
    index = np.stack(np.meshgrid(*(np.arange(n) for n in lesion.geometry.shape), indexing="ij"), axis=-1)
    slope = np.array([1.0, -0.7, 0.4])
    ramp = (lesion.geometry.to_world(index) @ slope + 40).astype(np.float32)
    settings = InputSettings(rim_mm=100.0)
    views = network_input(replace(lesion, ct=ramp), settings)
    low, high = settings.window_hu
    for view, grid in zip(views.views, views.grids, strict=True):
        where = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape), indexing="ij"), axis=-1)
        inside = view[2] > 0.99
        expected = grid.to_world(where[inside]) @ slope + 40
        got = view[0][inside] * (high - low) / 2 + (low + high) / 2
        # A triangle sampled at voxel centres keeps a plane to a small part of its change over one voxel (1 mm in plane).
        np.testing.assert_allclose(got, expected, atol=0.1 * np.linalg.norm(slope))


def test_an_oblique_scan_gives_nearly_the_same_cubes() -> None:
    straight = identity((120, 120, 120), (1.2, 1.2, 1.2), (-70.0, -70.0, -70.0))
    turned = oblique_grid((120, 120, 120), (1.2, 1.2, 1.2), (0.0, 0.0, 0.0), True)
    turned = replace(turned, origin=tuple(np.array(CENTRE) - turned.to_world(np.array((60.0, 60.0, 60.0)))))
    a, b = (network_input(lesion_on(g, (20.0, 14.0, 17.0), noise=0.0)) for g in (straight, turned))
    # The box around a voxelised ellipsoid is known to about a voxel.
    assert a.spacings_mm[1] == pytest.approx(b.spacings_mm[1], abs=2 * 1.2 / 36)
    # A boundary known to half a voxel (0.6 mm) on a body of 14 to 20 mm radius: Dice above 1 - 3/2 * 0.6 / 14.
    overlap = 2 * np.minimum(a.views[:, 2], b.views[:, 2]).sum() / (a.views[:, 2] + b.views[:, 2]).sum()
    assert overlap > 1 - 1.5 * 0.6 / 14
    assert np.abs(a.views[0, 0] - b.views[0, 0]).mean() < 0.03


def test_tissue_far_from_the_lesion_does_not_reach_the_network() -> None:
    lesion = lesion_on(GRID, (10.0, 10.0, 10.0))
    index = np.stack(np.meshgrid(*(np.arange(n) for n in lesion.geometry.shape), indexing="ij"), axis=-1)
    far = np.linalg.norm(lesion.geometry.to_world(index) - np.array(CENTRE), axis=-1) > 10 + 8 + 6 + 6
    disturbed = replace(lesion, ct=np.where(far, np.float32(900), lesion.ct))
    np.testing.assert_array_equal(network_input(disturbed).views[0], network_input(lesion).views[0])
    near = replace(lesion, ct=np.where(lesion.mask, lesion.ct, lesion.ct + 300))
    assert np.abs(network_input(near).views - network_input(lesion).views).max() > 0.5


def test_a_lesion_of_one_voxel_and_one_at_the_border_of_the_scan_work() -> None:
    for position in [(25, 70, 70), (0, 0, 0), (49, 139, 5)]:
        mask = np.zeros(GRID.shape, bool)
        mask[position] = True
        (lesion,) = extract_lesions(phantom(GRID, mask), [segment(mask, GRID)])
        views = network_input(lesion).views
        assert np.isfinite(views).all()
        assert views[:, 2].max() > 0
        assert np.abs(views[:, :2]).max() <= 1


def test_voxels_that_another_phase_does_not_cover_add_no_structure() -> None:
    mask = ellipsoid(GRID, CENTRE, (20.0, 14.0, 17.0))
    ct = phantom(GRID, mask)
    portal = CtImage(np.full((25, 140, 140), 80, np.int16), GRID.crop((0, 0, 0), (25, 140, 140)), "portal")
    (lesion,) = extract_lesions(ct, [segment(mask, GRID)], {"portal": portal})
    views = network_input(lesion).views
    inside = views[1, 2] > 0.99
    np.testing.assert_allclose(views[1, 1][inside], (80 - 50) / 200, atol=1e-5)


def test_each_phase_has_its_channel_and_an_absent_one_is_flagged() -> None:
    mask = ellipsoid(GRID, CENTRE, (20.0, 14.0, 17.0))
    ct = phantom(GRID, mask, noise=0.0)
    further = {p: CtImage(np.full(GRID.shape, hu, np.int16), GRID, p) for p, hu in (("portal", 90), ("delayed", 70))}
    cases = {
        (): ((1, 0), ("unenhanced",)),
        ("delayed",): ((1, 1), ("unenhanced", "delayed")),
        ("delayed", "portal"): ((1, 1), ("unenhanced", "portal")),
    }
    for extra, (present, phases) in cases.items():
        (lesion,) = extract_lesions(ct, [segment(mask, GRID)], {p: further[p] for p in extra})
        given = network_input(lesion)
        assert tuple(given.present) == present
        assert given.phases == phases
        inside = given.views[1, 2] > 0.99
        assert given.views[1, 0][inside].mean() == pytest.approx((35 - 50) / 200, abs=0.01)
        expected = {(): 0.0, ("delayed",): 0.1, ("delayed", "portal"): 0.2}[extra]
        np.testing.assert_allclose(given.views[1, 1][inside], expected, atol=1e-5)
    (alone,) = extract_lesions(replace(ct, phase="unknown"), [segment(mask, GRID)])
    assert tuple(network_input(alone).present) == (0, 1)
    assert not network_input(alone).views[:, 0].any()


def test_settings_survive_json() -> None:
    settings = InputSettings(size=48, window_hu=(-200.0, 300.0))
    assert InputSettings.from_json(settings.to_json()) == settings

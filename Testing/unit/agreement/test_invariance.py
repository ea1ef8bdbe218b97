"""What must not matter: who is called A, how the file stores the grid, empty space, orientation; and what does: the frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from AdrenalClassifierLib.agreement.pair import PairAgreement, compare
from AdrenalClassifierLib.agreement.placing import outline_of
from AdrenalClassifierLib.errors import GeometryError
from AdrenalClassifierLib.imaging.geometry import Geometry, identity
from AdrenalClassifierLib.imaging.images import CtImage
from support.agreement_pairs import frozen_pairs
from support.grids import arrangements, oblique_grid, rearranged, segment

A, B, SPACING = next((a, b, s) for name, a, b, s in frozen_pairs() if name == "lumpy")
GRID = Geometry(A.shape, SPACING, ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)), (-31.0, 12.5, 200.0))  # type: ignore[arg-type]
SWAPPED = {"volume_a_ml": "volume_b_ml", "long_axis_a_mm": "long_axis_b_mm", "added_ml": "missed_ml"}


def same(found: PairAgreement, expected: PairAgreement, rel: float = 1e-5) -> None:
    assert set(found.values) == set(expected.values)
    for key, value in expected.values.items():
        assert found[key] == (None if value is None else pytest.approx(value, rel=rel, abs=1e-6)), key


EXPECTED = compare(segment(A, GRID), segment(B, GRID))


def test_exchanging_the_masks_exchanges_their_names_only() -> None:
    turned = compare(segment(B, GRID), segment(A, GRID))
    for key, value in EXPECTED.values.items():
        other = {**SWAPPED, **{b: a for a, b in SWAPPED.items()}}.get(key, key)
        if value is None:
            assert turned[key] is None
        elif key in ("volume_difference_ml", "long_axis_difference_mm"):
            assert turned[key] == pytest.approx(-value)  # type: ignore[operator]
        elif key == "volume_ratio":
            assert turned[key] == pytest.approx(1 / value)  # type: ignore[operator]
        elif key == "volume_difference_percent":
            assert turned[key] == pytest.approx(100 * (1 / EXPECTED["volume_ratio"] - 1))  # type: ignore[operator]
        else:
            assert turned[other] == pytest.approx(value, rel=1e-12), key


@pytest.mark.parametrize(("order", "flips"), arrangements()[::5])
def test_the_order_and_direction_of_the_stored_axes_change_nothing(
    order: tuple[int, int, int], flips: tuple[bool, bool, bool]
) -> None:
    stored = [segment(*rearranged(mask, GRID, order, flips)) for mask in (A, B)]  # type: ignore[arg-type]
    same(compare(*stored), EXPECTED)
    # The two files need not store it alike, either.
    found = compare(segment(A, GRID), stored[1])
    same(found, EXPECTED)
    assert found.notices == ()


def test_empty_space_around_the_masks_changes_nothing() -> None:
    grid = GRID.crop((-3, -9, -4), (A.shape[0] + 20, A.shape[1] + 1, A.shape[2] + 7))
    wide = [np.pad(mask, ((3, 20), (9, 1), (4, 7))) for mask in (A, B)]
    same(compare(*(segment(mask, grid) for mask in wide)), EXPECTED)
    # One file cut to its segment, as 3D Slicer writes it, the other whole.
    cut = outline_of(segment(B, GRID))
    assert cut.mask is not None
    own = segment(cut.mask, GRID.crop(cut.start, cut.stop))
    found = compare(segment(wide[0], grid), own)
    same(found, EXPECTED)
    assert found.notices == ()


@pytest.mark.parametrize("mirror", [False, True])
def test_an_oblique_scan_gives_the_same_distances(mirror: bool) -> None:
    # Turning the scan in space turns both surfaces with it. Only the long axis depends on the patient's axial plane.
    grid = oblique_grid(A.shape, SPACING, (4.0, 5.0, 6.0), mirror, (2.0, -3.0, 1.0))  # type: ignore[arg-type]
    found = compare(segment(A, grid), segment(B, grid))
    for key, value in EXPECTED.values.items():
        if value is not None and "long_axis" not in key:
            tolerance = 0.02 if mirror else 1e-5  # the case table is not symmetric under reflection
            assert found[key] == pytest.approx(value, rel=tolerance), key


def test_masks_touching_the_border_of_the_image_are_closed_there() -> None:
    box = tuple(slice(int(w.min()), int(w.max()) + 1) for w in np.nonzero(A | B))
    grid = GRID.crop(tuple(s.start for s in box), tuple(s.stop for s in box))  # type: ignore[arg-type]
    same(compare(segment(A[box], grid), segment(B[box], grid)), EXPECTED)


def test_another_grid_is_resampled_to_the_finer_one_with_a_notice() -> None:
    factor = 2
    fine = np.repeat(np.repeat(np.repeat(B, factor, 0), factor, 1), factor, 2)
    spacing = tuple(s / factor for s in SPACING)
    origin = GRID.to_world(np.full(3, -0.25))
    grid = Geometry(fine.shape, spacing, GRID.axes, tuple(origin))  # type: ignore[arg-type]
    found = compare(segment(A, GRID), segment(fine, grid))
    assert [notice.code for notice in found.notices] == ["mask_resampled"]
    # Voxels are cut into eight: overlap and volume stay exactly; the surface moves by less than a fine voxel.
    for key in ("dice", "volume_a_ml", "volume_b_ml", "added_ml", "centroid_shift_mm"):
        assert found[key] == pytest.approx(EXPECTED[key]), key
    assert found["hausdorff_mm"] == pytest.approx(EXPECTED["hausdorff_mm"], abs=np.linalg.norm(SPACING) / 2)
    assert compare(segment(fine, grid), segment(A, GRID))["dice"] == pytest.approx(found["dice"])


def test_grids_of_different_scans_are_refused() -> None:
    far = Geometry(A.shape, (1.3, 0.8, 0.8), GRID.axes, (900.0, 0.0, 0.0))  # type: ignore[arg-type]
    with pytest.raises(GeometryError, match="different scans"):
        compare(segment(A, GRID), segment(B, far))


def test_masks_of_different_frames_of_reference_are_refused() -> None:
    a, b = (replace(outline_of(segment(m, GRID)), frame_of_reference=uid) for m, uid in ((A, "1.2"), (B, "1.3")))
    with pytest.raises(GeometryError, match="frames of reference"):
        compare(a, b)


def test_a_ct_of_another_frame_of_reference_is_refused() -> None:
    ct = CtImage(np.zeros(A.shape, np.int16), GRID, frame_of_reference="1.9")
    b = replace(outline_of(segment(B, GRID)), frame_of_reference="1.2")
    with pytest.raises(GeometryError, match="the CT have different frames"):
        compare(segment(A, GRID), b, ct)


def test_attenuation_is_that_of_the_voxels_of_each_mask() -> None:
    hu = np.random.default_rng(0).integers(-100, 200, A.shape).astype(np.int16)
    found = compare(segment(A, GRID), segment(B, GRID), CtImage(hu, GRID))
    assert found["mean_hu_a"] == pytest.approx(hu[A].mean())
    assert found["mean_hu_difference"] == pytest.approx(hu[B].mean() - hu[A].mean())
    assert "mean_hu_a" not in found.undefined
    stored, grid = rearranged(hu, GRID, (2, 0, 1), (True, False, True))
    again = compare(segment(A, GRID), segment(B, GRID), CtImage(stored, grid))  # type: ignore[arg-type]
    assert again["mean_hu_b"] == pytest.approx(hu[B].mean())


def test_a_ct_of_another_scan_is_refused() -> None:
    ct = CtImage(np.zeros((4, 4, 4), np.int16), identity((4, 4, 4), (1.0, 1.0, 1.0), (500.0, 500.0, 500.0)))
    with pytest.raises(GeometryError, match="do not overlap the CT"):
        compare(segment(A, GRID), segment(B, GRID), ct)

"""Grids: positions against SimpleITK, comparisons, orientation."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.errors import GeometryError
from AdrenalClassifierLib.imaging.geometry import Geometry, identity
from AdrenalClassifierLib.imaging.resample import geometry_of, to_sitk
from support.grids import oblique_grid, rotated


@pytest.mark.parametrize("mirror", [False, True])
def test_positions_agree_with_simpleitk_on_an_oblique_anisotropic_grid(mirror: bool) -> None:
    grid = oblique_grid((5, 7, 9), (3.0, 0.7, 0.8), (10.0, -20.0, 30.5), mirror)
    image = to_sitk(np.zeros(grid.shape, np.int16), grid)
    for index in [(0, 0, 0), (4, 6, 8), (1, 5, 2)]:
        expected = image.TransformIndexToPhysicalPoint([index[2], index[1], index[0]])
        np.testing.assert_allclose(grid.to_world(np.array(index)), expected, atol=1e-9)
    assert geometry_of(image).same_grid(grid)


def test_world_and_index_are_inverse() -> None:
    grid = oblique_grid((5, 7, 9), (3.0, 0.7, 0.8), (10.0, -20.0, 30.5), True)
    index = np.random.default_rng(0).uniform(-3, 12, (50, 3))
    np.testing.assert_allclose(grid.to_index(grid.to_world(index)), index, atol=1e-9)


def test_a_crop_keeps_every_voxel_in_its_place() -> None:
    grid = oblique_grid((5, 7, 9), (3.0, 0.7, 0.8), (10.0, -20.0, 30.5), False)
    part = grid.crop((1, 2, 3), (4, 7, 8))
    assert part.shape == (3, 5, 5)
    np.testing.assert_allclose(part.to_world(np.array([2, 1, 4])), grid.to_world(np.array([3, 3, 7])), atol=1e-9)


def test_differences_name_what_disagrees() -> None:
    grid = identity((4, 5, 6), (2.0, 1.0, 1.0))
    assert grid.same_grid(identity((4, 5, 6), (2.0, 1.0, 1.0), (0.001, 0, 0)))
    assert grid.differences(identity((4, 5, 7), (2.0, 1.0, 1.0))) == ("size 4 x 5 x 6 against 4 x 5 x 7 voxels",)
    assert "spacing" in grid.differences(identity((4, 5, 6), (2.5, 1.0, 1.0)))[0]
    assert "position, by up to 3 mm" in grid.differences(identity((4, 5, 6), (2.0, 1.0, 1.0), (0, 0, 3.0)))[0]
    assert "direction" in grid.differences(rotated(grid, 5.0))[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"spacing": (0.0, 1.0, 1.0)}, "above zero"),
        ({"spacing": (1.0, float("nan"), 1.0)}, "not a number"),
        ({"origin": (float("inf"), 0.0, 0.0)}, "not a number"),
        ({"axes": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.2, 0.0))}, "perpendicular"),
    ],
)
def test_an_impossible_grid_is_refused(changes: dict[str, tuple[float, ...]], words: str) -> None:
    good = identity((2, 2, 2))
    fields = {"shape": good.shape, "spacing": good.spacing, "axes": good.axes, "origin": good.origin, **changes}
    with pytest.raises(GeometryError, match=words):
        Geometry(**fields)  # type: ignore[arg-type]


def test_array_axes_are_matched_to_the_patient_for_every_permutation_and_flip() -> None:
    for permutation in [(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]:
        for sign in (1, -1):
            world = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0]], float)[list(permutation)] * sign
            axes = tuple(tuple(float(x) for x in row) for row in world)
            grid = Geometry((2, 3, 4), (1.0, 1.0, 1.0), axes, (0.0, 0.0, 0.0))  # type: ignore[arg-type]
            for patient_axis, array_axis in enumerate(grid.aligned_to_axes()):
                assert abs(axes[array_axis][patient_axis]) == 1


def test_simpleitk_reads_back_what_was_written(tmp_path) -> None:  # type: ignore[no-untyped-def]
    grid = oblique_grid((4, 5, 6), (2.0, 0.5, 1.5), (1.0, 2.0, 3.0), True)
    voxels = np.arange(120, dtype=np.int16).reshape(grid.shape)
    sitk.WriteImage(to_sitk(voxels, grid), tmp_path / "image.mha")
    back = sitk.ReadImage(tmp_path / "image.mha")
    np.testing.assert_array_equal(sitk.GetArrayFromImage(back), voxels)
    assert geometry_of(back).same_grid(grid)

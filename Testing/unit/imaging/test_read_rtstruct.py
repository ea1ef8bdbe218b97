"""RTSTRUCT: contours filled by the even-odd rule, on the CT's voxels or on a grid of their own; areas against closed forms."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.errors import GeometryError, ImageReadError, MaskError
from AdrenalClassifierLib.imaging.geometry import Geometry, identity
from AdrenalClassifierLib.imaging.images import Segment
from AdrenalClassifierLib.imaging.read import read_mask
from AdrenalClassifierLib.imaging.resample import resample_mask
from AdrenalClassifierLib.imaging.rtstruct import FINE_MM, ON_EDGE, inside
from support.dicom_files import FRAME_OF_REFERENCE, code, no_identity, save, write_rtstruct

Points = NDArray[np.float64]
CT = identity((12, 90, 100), (2.5, 0.8, 0.7), (-35.0, -36.0, -700.0))
CENTRE = (3.3, 4.1)


def circle(radius: float, z: float, centre: tuple[float, float] = CENTRE, n: int = 180) -> Points:
    """A regular polygon that has the area of the circle."""
    radius *= math.sqrt(2 * math.pi / n / math.sin(2 * math.pi / n))
    t = 2 * math.pi * np.arange(n) / n
    return np.column_stack([centre[0] + radius * np.cos(t), centre[1] + radius * np.sin(t), np.full(n, z)])


def slices(*k: int) -> list[float]:
    return [-700.0 + 2.5 * n for n in k]


def one(path: Path, label: str | None = None, reference: Geometry | None = None) -> Segment:
    (segment,) = read_mask(path, label, reference).segments
    return segment


def volume(segment: Segment) -> float:
    return float(segment.mask.sum() * segment.geometry.voxel_volume_mm3)


def area_tolerance(perimeter: float, dx: float, dy: float) -> float:
    """Four standard deviations of the area found by counting pixel centres: each of the perimeter / step pixels on the border is
    in or out by chance, with a variance of 1/12 of a pixel about its covered share."""
    return 4 * math.sqrt(perimeter / math.sqrt(dx * dy) / 12) * dx * dy


# -- on the CT's voxels --------------------------------------------------------------------------------------------


def test_a_cylinder_has_its_volume_on_the_voxels_of_the_ct(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"Tumour": [circle(15, z) for z in slices(2, 3, 4, 5)]})
    mask = read_mask(path, None, CT)
    (segment,) = mask.segments
    assert (segment.number, segment.name, segment.side) == (3, "Tumour", "unknown")
    assert mask.frame_of_reference == FRAME_OF_REFERENCE
    assert segment.geometry.spacing == CT.spacing
    assert segment.mask.shape[0] == 4
    start = CT.to_index(np.array(segment.geometry.origin))
    np.testing.assert_allclose(start, np.rint(start), atol=1e-9)
    assert abs(volume(segment) / 10 - math.pi * 15**2) < area_tolerance(2 * math.pi * 15, 0.7, 0.8)
    # Voxel by voxel: a centre counts when it is inside the circle; polygon and edge differ from it by less than 0.04 mm.
    world = segment.geometry.to_world(np.stack(np.meshgrid(*map(np.arange, segment.mask.shape), indexing="ij"), axis=-1))
    distance = np.hypot(world[..., 0] - CENTRE[0], world[..., 1] - CENTRE[1])
    assert segment.mask[distance < 15 - 0.04].all()
    assert not segment.mask[distance > 15 + 0.04].any()
    assert segment.notices == ()


def test_a_hole_an_island_and_a_second_part_follow_the_even_odd_rule(tmp_path: Path) -> None:
    loops = [circle(r, -695.0) for r in (16.0, 10.0, 4.0)] + [circle(5, -695.0, (-24.0, 4.1))]
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": loops}), None, CT)
    expected = math.pi * (16**2 - 10**2 + 4**2 + 5**2)
    assert abs(volume(segment) / 2.5 - expected) < area_tolerance(2 * math.pi * 35, 0.7, 0.8)
    at = segment.geometry.to_index(
        np.array([[*CENTRE, -695.0], [CENTRE[0] + 7, CENTRE[1], -695.0], [CENTRE[0] + 13, CENTRE[1], -695.0]])
    )
    assert [bool(segment.mask[tuple(np.rint(i).astype(int))]) for i in at] == [True, False, True]


def test_a_keyhole_keeps_its_hole(tmp_path: Path) -> None:
    outer, inner = circle(16, -695.0), circle(9, -695.0)
    keyhole = np.concatenate([outer, outer[:1], inner[:1], inner[::-1], outer[:1]])
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": [keyhole]}), None, CT)
    two = one(write_rtstruct(tmp_path / "two.dcm", {"a": [outer, inner]}), None, CT)
    np.testing.assert_array_equal(segment.mask, two.mask)
    assert abs(volume(segment) / 2.5 - math.pi * (16**2 - 9**2)) < area_tolerance(2 * math.pi * 25, 0.7, 0.8)


def test_a_contour_stored_twice_counts_once(tmp_path: Path) -> None:
    loops = [circle(12, z) for z in slices(4, 5)]
    once = one(write_rtstruct(tmp_path / "a.dcm", {"a": loops}), None, CT)
    twice = one(write_rtstruct(tmp_path / "b.dcm", {"a": [*loops, loops[0]]}), None, CT)
    np.testing.assert_array_equal(once.mask, twice.mask)


def test_slices_without_a_contour_stay_empty_and_are_reported(tmp_path: Path) -> None:
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": [circle(12, z) for z in slices(2, 3, 6)]}), None, CT)
    assert segment.mask.any(axis=(1, 2)).tolist() == [True, True, False, False, True]
    assert [n.code for n in segment.notices] == ["contour_gaps"]


@pytest.mark.parametrize("mirror", [False, True])
def test_contours_on_the_slices_of_an_oblique_ct_are_filled_on_its_voxels(tmp_path: Path, mirror: bool) -> None:
    turn = Rotation.from_euler("xyz", [12, -20, 35], degrees=True).as_matrix()
    axes = np.asarray(CT.axes) @ turn.T * ([[1], [-1 if mirror else 1], [1]])
    tilted = Geometry(CT.shape, CT.spacing, tuple(map(tuple, axes)), CT.origin)  # type: ignore[arg-type]
    index = [
        np.column_stack([np.full(180, k), (circle(14, 0)[:, 1] + 36) / 0.8, (circle(14, 0)[:, 0] + 35) / 0.7]) for k in (3, 4)
    ]
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": [tilted.to_world(i) for i in index]}), None, tilted)
    straight = one(write_rtstruct(tmp_path / "s.dcm", {"a": [CT.to_world(i) for i in index]}), None, CT)
    np.testing.assert_allclose(segment.geometry.axes, tilted.axes, atol=1e-9)
    np.testing.assert_array_equal(segment.mask, straight.mask)


def test_sagittal_contours_fall_on_the_columns_of_an_axial_ct(tmp_path: Path) -> None:
    flat = circle(9, 0.0, (0.0, 0.0))
    loops = [np.column_stack([np.full(180, -35 + 0.7 * i), flat[:, 0] + 1.0, flat[:, 1] - 688.0]) for i in (40, 41, 42)]
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": loops}), None, CT)
    assert segment.geometry.spacing == CT.spacing
    assert segment.mask.shape[2] == 3
    assert abs(volume(segment) / 2.1 - math.pi * 81) < area_tolerance(2 * math.pi * 9, 0.8, 2.5)


def test_a_single_contour_needs_the_thickness_of_its_slice(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"a": [circle(10, -695.0)]})
    with pytest.raises(GeometryError, match="single plane; give the CT"):
        read_mask(path)
    assert one(path, None, CT).geometry.spacing[0] == 2.5
    between = write_rtstruct(tmp_path / "b.dcm", {"a": [circle(10, -696.2)]})
    assert one(between, None, CT).geometry.spacing[0] == 2.5
    stated = write_rtstruct(tmp_path / "c.dcm", {"a": [circle(10, -695.0)]}, slab=4.0)
    assert one(stated).geometry.spacing[0] == 4.0


# -- on a grid of its own ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [None, CT])
def test_contours_between_the_slices_get_a_fine_grid_of_their_own(tmp_path: Path, reference: Geometry | None) -> None:
    places = [-697.0 + 3.0 * n for n in range(5)]
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": [circle(15, z) for z in places]}), None, reference)
    assert segment.geometry.spacing == pytest.approx((3.0, FINE_MM, FINE_MM))
    np.testing.assert_allclose(segment.geometry.axes, [[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert abs(volume(segment) / 15 - math.pi * 225) < area_tolerance(2 * math.pi * 15, FINE_MM, FINE_MM)
    centre = segment.geometry.to_world(np.argwhere(segment.mask)).mean(axis=0)
    np.testing.assert_allclose(centre, [*CENTRE, -691.0], atol=0.05)
    on_ct = resample_mask(segment.mask, segment.geometry, CT)
    assert on_ct.sum() * CT.voxel_volume_mm3 == pytest.approx(math.pi * 225 * 15, rel=0.01)


@pytest.mark.parametrize("euler", [(0, 0, 0), (90, 0, 0), (0, 90, 0), (12, -20, 35), (180, 0, 0)])
def test_planes_of_any_direction_keep_volume_and_place(tmp_path: Path, euler: tuple[float, float, float]) -> None:
    turn = Rotation.from_euler("xyz", euler, degrees=True)
    loops = [turn.apply(circle(11, z, (5.0, -8.0))) for z in (0.0, 2.0, 4.0, 6.0)]
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": loops[::-1]}))
    assert abs(volume(segment) / 8 - math.pi * 121) < area_tolerance(2 * math.pi * 11, FINE_MM, FINE_MM)
    world = segment.geometry.to_world(np.argwhere(segment.mask))
    np.testing.assert_allclose(world.mean(axis=0), turn.apply([5.0, -8.0, 3.0]), atol=0.05)
    assert np.linalg.det(segment.geometry.axes) == pytest.approx(-1)  # (k, j, i) of a right-handed (i, j, k)
    radial = turn.inv().apply(world) - [5.0, -8.0, 0.0]
    assert np.hypot(radial[:, 0], radial[:, 1]).max() < 11 + 0.02


def test_missing_planes_stay_empty_without_a_ct_too(tmp_path: Path) -> None:
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": [circle(9, z) for z in (0.0, 2.0, 4.0, 10.0)]}))
    assert segment.mask.any(axis=(1, 2)).tolist() == [True, True, True, False, False, True]
    assert [n.code for n in segment.notices] == ["contour_gaps"]


def test_rounded_coordinates_do_not_disturb_the_planes(tmp_path: Path) -> None:
    loops = [np.round(circle(9, -700 + 1.25 * n), 2) for n in range(9)]
    segment = one(write_rtstruct(tmp_path / "rs.dcm", {"a": loops}))
    assert segment.geometry.shape[0] == 9
    assert segment.geometry.spacing[0] == pytest.approx(1.25, abs=0.002)


# -- the fill itself -----------------------------------------------------------------------------------------------


def test_the_fill_agrees_with_the_winding_number_of_every_pixel() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        t = np.sort(rng.uniform(0, 2 * math.pi, 25))
        radius = rng.uniform(3, 14, 25)  # star-shaped, so that it does not cross itself
        loop = np.column_stack([16.1 + radius * np.sin(t), 17.3 + radius * np.cos(t)])
        j, i = np.mgrid[:34, :36]
        to = loop[:, None, None, :] - np.stack([j, i], axis=-1)
        angle = np.arctan2(to[..., 0], to[..., 1])
        turns = np.diff(np.concatenate([angle, angle[:1]]), axis=0)
        winding = np.rint(((turns + math.pi) % (2 * math.pi) - math.pi).sum(axis=0) / (2 * math.pi))
        along = np.roll(loop, -1, axis=0) - loop
        share = -(to * along[:, None, None, :]).sum(axis=-1) / (along**2).sum(axis=1)[:, None, None]
        distance = np.linalg.norm(to + share.clip(0, 1)[..., None] * along[:, None, None, :], axis=-1).min(axis=0)
        found = inside([loop], (34, 36))
        clear = distance > 2 * ON_EDGE
        assert clear.mean() > 0.9
        np.testing.assert_array_equal(found[clear], (winding != 0)[clear])


def border(mask: NDArray[np.bool_]) -> list[Points]:
    """Outer and inner borders of a mask through the centres of its outermost pixels, by walking around it (Moore neighbours)."""
    ring = [(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)]
    loops = []
    outside = ndimage.label(~mask)[0]
    parts = ndimage.label(mask, np.ones((3, 3)))[0]
    for part in range(1, parts.max() + 1):
        for gap in np.unique(outside[ndimage.binary_dilation(parts == part) & ~mask]):
            near = ndimage.binary_dilation(outside == gap) & (parts == part)
            start = tuple(np.argwhere(near)[0])
            # First step from a neighbour that lies in the gap.
            back = next(n for n in (6, 4, 2, 0) if outside[start[0] + ring[n][0], start[1] + ring[n][1]] == gap)
            loop, at, first = [start], start, None
            while True:
                for turn in range(1, 9):
                    n = (back + turn) % 8
                    to = (at[0] + ring[n][0], at[1] + ring[n][1])
                    if parts[to] == part:
                        break
                if first is None:
                    first = (at, to)
                elif (at, to) == first:
                    break
                loop.append(to)
                # The neighbour looked at just before, as seen from the new pixel.
                before = (at[0] + ring[(n - 1) % 8][0] - to[0], at[1] + ring[(n - 1) % 8][1] - to[1])
                at, back = to, ring.index(before)
            loops.append(np.array(loop[:-1], float))
    return loops


def test_contours_through_pixel_centres_give_back_the_mask_they_were_drawn_around() -> None:
    j, i = np.mgrid[:40, :44]
    radius = np.hypot(j - 19.3, (i - 21.8) * 0.9)
    mask = (radius < 15) & ~(radius < 6)
    mask[2:5, 2:9] = True
    # Stored coordinates are rounded to a hundredth of a millimetre.
    np.testing.assert_array_equal(inside([np.round(loop * 0.7, 2) / 0.7 for loop in border(mask)], mask.shape), mask)


def test_pixel_centres_on_an_edge_belong_to_the_polygon() -> None:
    box = np.array([[2, 3], [2, 7], [9, 7], [9, 3]], float)
    expected = np.zeros((12, 14), bool)
    expected[2:10, 3:8] = True
    np.testing.assert_array_equal(inside([box], (12, 14)), expected)
    diagonal = np.array([[1, 1], [6, 6], [6, 1]], float)
    np.testing.assert_array_equal(inside([diagonal], (8, 8))[1:7, 1:7], np.tri(6, dtype=bool))


def test_a_polygon_that_reaches_beyond_the_pixels_is_cut() -> None:
    assert inside([np.array([[-5, -5], [-5, 30], [30, 30], [30, -5]], float)], (6, 7)).all()
    assert not inside([np.array([[-5, -5], [-5, -2], [30, -2], [30, -5]], float)], (6, 7)).any()


# -- choice, sides, what goes wrong --------------------------------------------------------------------------------


def test_a_structure_is_chosen_by_number_or_name(tmp_path: Path) -> None:
    path = write_rtstruct(
        tmp_path / "rs.dcm",
        {"Left mass": [circle(9, z) for z in slices(2, 3)], "Right mass": [circle(5, z) for z in slices(2, 3)]},
    )
    both = read_mask(path, None, CT).segments
    assert [(s.number, s.name, s.side) for s in both] == [(3, "Left mass", "left"), (4, "Right mass", "right")]
    for label in ("4", "right MASS"):
        np.testing.assert_array_equal(one(path, label, CT).mask, both[1].mask)
    with pytest.raises(MaskError, match="no segment 'cyst'; it holds 3 'Left mass', 4 'Right mass'"):
        read_mask(path, "cyst", CT)


def test_the_side_may_be_coded(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"mass": [circle(9, -695.0)]})
    ds = pydicom.dcmread(path)
    observation = pydicom.Dataset()
    observation.ReferencedROINumber = 3
    modifier = [code("7771000", "SCT", "Left")]
    observation.RTROIIdentificationCodeSequence = [
        code("23451007", "SCT", "Adrenal gland", SegmentedPropertyTypeModifierCodeSequence=modifier)
    ]
    ds.RTROIObservationsSequence = [observation]
    save(ds, path)
    assert one(path, None, CT).side == "left"


def test_points_and_open_lines_enclose_nothing(tmp_path: Path) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"isocentre": [circle(9, -695.0)[:1]]}, kind="POINT")
    with pytest.raises(MaskError, match="holds no segment"):
        read_mask(path, None, CT)
    path = write_rtstruct(tmp_path / "line.dcm", {"line": [circle(9, -695.0)[:2]]})
    with pytest.raises(MaskError, match="fewer than three points"):
        read_mask(path, None, CT)
    path = write_rtstruct(tmp_path / "flat.dcm", {"flat": [np.array([[0, 0, -695.0], [5, 5, -695], [10, 10, -695]])]})
    with pytest.raises(MaskError, match="encloses no area"):
        read_mask(path, None, CT)


def test_contours_that_are_not_planar_or_parallel_are_refused(tmp_path: Path) -> None:
    warped = circle(9, -695.0)
    warped[::2, 2] += 0.5
    with pytest.raises(GeometryError, match="parallel planes"):
        read_mask(write_rtstruct(tmp_path / "a.dcm", {"a": [warped]}), None, CT)
    across = circle(5, 0.0)[:, [2, 0, 1]]
    with pytest.raises(GeometryError, match="parallel planes"):
        read_mask(write_rtstruct(tmp_path / "b.dcm", {"a": [circle(9, -695.0), across]}), None, CT)


def test_unevenly_spaced_planes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GeometryError, match=r"unevenly spaced \(2 to 2.7 mm\)"):
        read_mask(write_rtstruct(tmp_path / "a.dcm", {"a": [circle(9, z) for z in (0.0, 2.0, 4.7)]}))


@pytest.mark.parametrize("data", [["1", "2"], ["1", "2", "nan"] * 4, ["1e9", "2", "3", "4", "1e9", "3", "-1e9", "0", "3"]])
def test_damaged_coordinates_are_one_clear_sentence(tmp_path: Path, data: list[str]) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"a": [circle(9, z) for z in slices(1, 2)]})
    ds = pydicom.dcmread(path)
    item = ds.ROIContourSequence[0].ContourSequence[0]
    if "nan" in data:
        item["ContourData"]._value = data
    else:
        item.ContourData = data
    save(ds, path)
    with pytest.raises((ImageReadError, GeometryError)) as caught:
        read_mask(path, None, CT)
    assert "\n" not in str(caught.value)
    assert no_identity(str(caught.value))


@pytest.mark.parametrize("keyword", ["StructureSetROISequence", "ROIContourSequence"])
def test_a_structure_set_without_structures_is_refused(tmp_path: Path, keyword: str) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"a": [circle(9, -695.0)]})
    ds = pydicom.dcmread(path)
    delattr(ds, keyword)
    save(ds, path)
    with pytest.raises(MaskError, match="holds no segment"):
        read_mask(path, None, CT)


def test_a_truncated_structure_set_never_ends_in_a_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = write_rtstruct(tmp_path / "rs.dcm", {"a": [circle(9, z) for z in slices(1, 2)]})
    data = path.read_bytes()
    for cut in range(300, len(data) - 1, 397):
        path.write_bytes(data[:cut])
        with pytest.raises((ImageReadError, MaskError, GeometryError)):
            read_mask(path, None, CT)
    assert capfd.readouterr() == ("", "")

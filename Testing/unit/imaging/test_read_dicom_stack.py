"""Slice positions of a DICOM series: what makes a volume, what is refused, which of several volumes is meant."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.errors import GeometryError, ImageReadError, SeriesChoiceError
from AdrenalClassifierLib.imaging.read import list_series, read_ct
from support.dicom_files import PATIENT, body, no_identity, write_series

HU = body((8, 40, 48))


def moved(where: dict[int, float], axis: int = 2):  # type: ignore[no-untyped-def]
    """Move slices k by mm along an LPS axis."""

    def edit(ds: Dataset, k: int) -> None:
        position = [float(v) for v in ds.ImagePositionPatient]
        position[axis] += where.get(k, 0.0)
        ds.ImagePositionPatient = [f"{v:.6g}" for v in position]

    return edit


# -- regularity (slices 2 mm apart from -700 mm; instance numbers 8 to 1) --------------------------------------------


def test_missing_slices_are_named_by_their_neighbours(tmp_path: Path) -> None:
    paths = write_series(tmp_path, HU)
    paths[3].unlink()
    with pytest.raises(GeometryError) as caught:
        read_ct(tmp_path)
    text = str(caught.value)
    assert "1 slices are missing" in text
    assert "instance 6 (-696.00 mm) and instance 4 (-692.00 mm)" in text
    assert no_identity(text)
    assert str(tmp_path) not in text
    paths[4].unlink()
    with pytest.raises(GeometryError, match=r"2 slices are missing .*instance 6 \(-696.00 mm\) and instance 3 \(-690.00 mm\)"):
        read_ct(tmp_path)


@pytest.mark.parametrize("how", ["copy", "position"])
def test_a_repeated_position_is_refused_and_named(tmp_path: Path, how: str) -> None:
    if how == "copy":
        paths = write_series(tmp_path, HU)
        shutil.copy(paths[5], tmp_path / "copy")
        named = r"instance 3 \(-690.00 mm\) and instance 3 \(-690.00 mm\)"
    else:
        write_series(tmp_path, HU, edit=moved({5: 2.0}))
        named = r"instance (2|3) \(-688.00 mm\) and instance (2|3) \(-688.00 mm\)"
    with pytest.raises(GeometryError, match=f"more than once: {named}"):
        read_ct(tmp_path)


def test_an_irregular_distance_is_refused_and_named(tmp_path: Path) -> None:
    write_series(tmp_path, HU, edit=moved({2: 0.5}))
    with pytest.raises(GeometryError, match=r"irregular \(1.5 to 2.5 mm, usually 2 mm\).*instance 7 .*instance 6 \(-695.50 mm\)"):
        read_ct(tmp_path)


def test_a_distance_that_changes_halfway_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, HU, edit=moved({k: (k - 4) * 1.0 for k in range(5, 8)}))
    with pytest.raises(GeometryError, match="irregular"):
        read_ct(tmp_path)


def test_rounding_of_positions_within_one_percent_is_accepted(tmp_path: Path) -> None:
    write_series(tmp_path, HU, edit=moved({2: 0.015, 5: -0.015}))
    ct = read_ct(tmp_path)
    assert ct.geometry.spacing[0] == pytest.approx(2.0)
    np.testing.assert_array_equal(ct.hu, HU)


def test_thin_slices_may_be_off_by_a_hundredth_of_a_millimetre(tmp_path: Path) -> None:
    # 0.625 mm stored with two decimals: 0.62 and 0.63 in turn.
    def edit(ds: Dataset, k: int) -> None:
        ds.ImagePositionPatient = ["-50", "-60", f"{-700 + 0.625 * k:.2f}"]

    write_series(tmp_path, HU, spacing=(0.625, 0.8, 0.7), edit=edit)
    assert read_ct(tmp_path).geometry.spacing[0] == pytest.approx(0.625, abs=0.002)


def test_a_slice_shifted_within_its_plane_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, HU, edit=moved({3: 1.5}, axis=0))
    with pytest.raises(GeometryError, match=r"shifted .* instance 5 \(-694.00 mm\), by 1.5 mm"):
        read_ct(tmp_path)


# -- gantry tilt ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [15.0, -22.5])
def test_a_tilted_gantry_is_straightened_so_that_every_voxel_lies_where_it_was(tmp_path: Path, degrees: float) -> None:
    # A field that is linear in space is reproduced exactly by linear interpolation, up to rounding to whole HU.
    row, column = Rotation.from_euler("x", degrees, degrees=True).apply([[1, 0, 0], [0, 1, 0]])
    shape, spacing, origin, step = (9, 50, 40), (2.0, 0.8, 0.7), np.array([-14.0, -20.0, -700.0]), np.array([0, 0, 2.0])
    k, j, i = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")

    def field(world):  # type: ignore[no-untyped-def]
        return 3.0 * world[..., 0] + 9.0 * world[..., 1] - 5.0 * (world[..., 2] + 700)

    world = origin + k[..., None] * step + j[..., None] * column * spacing[1] + i[..., None] * row * spacing[2]
    hu = np.rint(field(world)).astype(np.int16)
    write_series(tmp_path, hu, spacing=spacing, orientation=(row, column), origin=origin, step=step)
    ct = read_ct(tmp_path)

    assert [n.code for n in ct.notices] == ["gantry_tilt"]
    assert f"{abs(degrees):.1f} degrees" in ct.notices[0].text
    np.testing.assert_allclose(ct.geometry.axes[0], np.cross(row, column), atol=1e-6)
    assert ct.geometry.spacing == pytest.approx((2 * np.cos(np.radians(degrees)), 0.8, 0.7))
    index = np.stack(np.meshgrid(*(np.arange(n) for n in ct.geometry.shape), indexing="ij"), axis=-1)
    there = ct.geometry.to_world(index)
    # Covered: inside the slice's own rectangle, which the tilt shifts along the column direction.
    beside = (there - origin - index[..., :1] * step) @ column / spacing[1]
    covered = (beside >= -1e-6) & (beside <= shape[1] - 1 + 1e-6)
    assert covered.sum() > 0.9 * hu.size
    np.testing.assert_allclose(ct.hu[covered], field(there)[covered], atol=1.01)
    away = (beside < -1 - 1e-6) | (beside > shape[1] + 1e-6)
    assert (ct.hu[away] == -1024).all()


def test_a_stack_that_leans_by_less_than_a_fifth_of_a_pixel_is_left_alone(tmp_path: Path) -> None:
    write_series(tmp_path, HU, step=(0.015, 0, 2.0))
    ct = read_ct(tmp_path)
    np.testing.assert_array_equal(ct.hu, HU)
    assert ct.notices == ()


# -- several volumes -----------------------------------------------------------------------------------------------


def two_series(folder: Path) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    first, second = body((5, 40, 48), 1), body((9, 40, 48), 2)
    write_series(folder, first, number=3, uid="1.2.3.3", description="Native 5.0", spacing=(5.0, 0.8, 0.7))
    write_series(folder, second, number=7, uid="1.2.3.7", description="Portal", name=lambda k: f"p{k}")
    return first, second


def test_several_series_are_listed_and_one_is_asked_for(tmp_path: Path) -> None:
    two_series(tmp_path)
    with pytest.raises(SeriesChoiceError) as caught:
        read_ct(tmp_path)
    assert "--series: 3 ('Native 5.0', 5 slices of 5 mm); 7 ('Portal', 9 slices of 2 mm)" in str(caught.value)
    assert caught.value.series == list_series(tmp_path)
    first, second = list_series(tmp_path)
    assert (first.choice, first.number, first.uid, first.slices, first.size) == ("3", 3, "1.2.3.3", 5, (40, 48))
    assert first.spacing == pytest.approx((5.0, 0.8, 0.7))
    assert (first.modality, first.thickness, first.phase) == ("CT", 5.0, "unknown")
    assert second.number == 7


@pytest.mark.parametrize(("given", "which"), [("3", 0), ("1.2.3.7", 1), (" 7 ", 1)])
def test_a_series_is_chosen_by_number_or_uid(tmp_path: Path, given: str, which: int) -> None:
    written = two_series(tmp_path)
    np.testing.assert_array_equal(read_ct(tmp_path, series=given).hu, written[which])


def test_an_unknown_series_lists_what_there_is(tmp_path: Path) -> None:
    two_series(tmp_path)
    with pytest.raises(SeriesChoiceError, match=r"no series '4'; it holds 3 .*7 "):
        read_ct(tmp_path, series="4")


def test_series_without_a_unique_number_are_chosen_by_uid(tmp_path: Path) -> None:
    write_series(tmp_path, HU, number=1, uid="1.2.3.5")
    write_series(tmp_path, HU[:4], number=1, uid="1.2.3.6", name=lambda k: f"b{k}")
    assert [info.choice for info in list_series(tmp_path)] == ["1.2.3.5", "1.2.3.6"]
    with pytest.raises(SeriesChoiceError, match=r"1\.2\.3\.5"):
        read_ct(tmp_path, series="1")
    assert read_ct(tmp_path, series="1.2.3.6").hu.shape[0] == 4


@pytest.mark.parametrize("keyword", ["AcquisitionNumber", "TemporalPositionIdentifier", "AcquisitionTime"])
def test_two_passes_in_one_series_are_two_choices(tmp_path: Path, keyword: str) -> None:
    other = body((8, 40, 48), 5)
    values = ("101500", "102000") if keyword == "AcquisitionTime" else ("4", "5")
    for n, hu in enumerate((HU, other)):

        def edit(ds: Dataset, k: int, n: int = n) -> None:
            setattr(ds, keyword, values[n])

        write_series(tmp_path, hu, uid="1.2.3.4", edit=edit, name=lambda k, n=n: f"{n}_{k}", first_instance=1 + 8 * n)  # type: ignore[misc]
    assert [info.choice for info in list_series(tmp_path)] == ["2:1", "2:2"]
    with pytest.raises(SeriesChoiceError, match=r"2:1 .*2:2"):
        read_ct(tmp_path)
    with pytest.raises(SeriesChoiceError, match=r"2:1 .*2:2"):
        read_ct(tmp_path, series="1.2.3.4")
    np.testing.assert_array_equal(read_ct(tmp_path, series="2:1").hu, HU)
    np.testing.assert_array_equal(read_ct(tmp_path, series="2:2").hu, other)


def test_an_acquisition_number_that_changes_along_one_volume_does_not_part_it(tmp_path: Path) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.AcquisitionNumber = 1 + k // 4

    write_series(tmp_path, HU, edit=edit)
    np.testing.assert_array_equal(read_ct(tmp_path).hu, HU)


def test_reformats_of_another_orientation_in_the_series_are_a_choice_of_their_own(tmp_path: Path) -> None:
    coronal = body((5, 20, 48), 4)
    write_series(tmp_path, HU, uid="1.2.3.4")
    write_series(tmp_path, coronal, uid="1.2.3.4", orientation=((1, 0, 0), (0, 0, -1)), name=lambda k: f"c{k}")
    infos = {info.description: info for info in list_series(tmp_path)}
    assert set(infos) == {"Abdomen, 40 x 48 pixels", "Abdomen, 20 x 48 pixels"}
    np.testing.assert_array_equal(read_ct(tmp_path, series=infos["Abdomen, 20 x 48 pixels"].choice).hu, coronal)


def test_a_stray_image_of_another_size_is_left_out_with_a_notice(tmp_path: Path) -> None:
    write_series(tmp_path, HU, uid="1.2.3.4")
    write_series(tmp_path, body((1, 30, 30)), uid="1.2.3.4", name=lambda k: "dose")
    ct = read_ct(tmp_path)
    np.testing.assert_array_equal(ct.hu, HU)
    assert [n.code for n in ct.notices] == ["images_left_out"]


def test_an_mr_series_beside_the_ct_is_listed_but_not_taken(tmp_path: Path) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.4", "MR"

    write_series(tmp_path, HU, number=1)
    write_series(tmp_path, HU, number=9, edit=edit, name=lambda k: f"mr{k}")
    np.testing.assert_array_equal(read_ct(tmp_path).hu, HU)
    assert [info.modality for info in list_series(tmp_path)] == ["CT", "MR"]
    with pytest.raises(ImageReadError, match=r"not a CT .*MR"):
        read_ct(tmp_path, series="9")


def test_nothing_in_a_listing_tells_who_the_patient_is(tmp_path: Path) -> None:
    write_series(tmp_path, HU, number=1, description=f"Abd Doe^Jane {PATIENT['PatientID']} 07.06.2021 20210607 thin jane_doe")
    write_series(tmp_path, HU, number=2, description="a" * 30 + " " + "b" * 30, name=lambda k: f"b{k}")
    with pytest.raises(SeriesChoiceError) as caught:
        read_ct(tmp_path)
    assert no_identity(str(caught.value))
    assert no_identity(repr(list_series(tmp_path)))
    assert [info.description for info in list_series(tmp_path)] == ["Abd thin", "a" * 30 + " " + "b" * 8 + "…"]


def test_a_folder_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="not a folder"):
        list_series(tmp_path / "nothing")

"""NIfTI: place in the patient as nibabel gives it, values, and files that are damaged or not what they should be."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.errors import AdrenalError, GeometryError, ImageReadError
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from support.dicom_files import body

HU = body((10, 24, 30))
CORNERS = np.array(list(itertools.product((0, 9), (0, 23), (0, 29))), float)
OBLIQUE = Rotation.from_euler("xyz", [10, -25, 140], degrees=True).as_matrix() * [0.7, 0.8, 2.5]


def affine(columns, origin=(31.0, -12.5, -480.0)):  # type: ignore[no-untyped-def]
    out = np.eye(4)
    out[:3, :3], out[:3, 3] = columns, origin
    return out


def write(path: Path, array, matrix, image=nib.Nifti1Image, sform: int = 1, qform: int = 1) -> Path:  # type: ignore[no-untyped-def]
    """Array (k, j, i) with an RAS+ matrix over (i, j, k)."""
    file = image(np.ascontiguousarray(np.asarray(array).T), matrix)
    file.set_sform(matrix if sform else None, sform)
    file.set_qform(matrix if qform else None, qform, strip_shears=True)
    nib.save(file, path)
    return path


def same_place(ct, path: Path) -> None:  # type: ignore[no-untyped-def]
    """Every corner lies where nibabel (RAS+, index i, j, k) puts it."""
    expected = nib.affines.apply_affine(nib.load(path).affine, CORNERS[:, ::-1]) * [-1, -1, 1]
    np.testing.assert_allclose(ct.geometry.to_world(CORNERS), expected, atol=2e-3)


# -- place ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        np.diag([0.7, 0.8, 2.5]),
        np.diag([-0.7, -0.8, 2.5]),
        np.diag([-0.7, 0.8, 2.5]),  # left-handed
        np.array([[0, 0, 2.5], [0.7, 0, 0], [0, -0.8, 0]]),  # permuted
        np.array([[0, 0.8, 0], [0.7, 0, 0], [0, 0, 2.5]]),  # permuted, left-handed
        OBLIQUE,
        OBLIQUE * [1, -1, 1],  # oblique, left-handed
    ],
)
@pytest.mark.parametrize(("sform", "qform"), [(1, 0), (0, 1), (2, 1)])
def test_the_place_in_the_patient_is_that_of_nibabel(tmp_path: Path, columns, sform: int, qform: int) -> None:  # type: ignore[no-untyped-def]
    path = write(tmp_path / "ct.nii.gz", HU, affine(columns), sform=sform, qform=qform)
    ct = read_ct(path)
    same_place(ct, path)
    np.testing.assert_array_equal(ct.hu, HU)
    assert ct.notices == ()


@pytest.mark.parametrize("image", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["ct.nii", "CT.NII.GZ"])
def test_both_versions_are_read_plain_and_compressed(tmp_path: Path, image: type, name: str) -> None:
    path = write(tmp_path / "ct.nii", HU, affine(OBLIQUE), image)
    if name != path.name:
        (tmp_path / name).write_bytes(gzip.compress(path.read_bytes()))
    ct = read_ct(tmp_path / name)
    same_place(ct, path)
    np.testing.assert_array_equal(ct.hu, HU)


def test_a_big_endian_file_is_read(tmp_path: Path) -> None:
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.dtype(">i2"))
    path = tmp_path / "ct.nii"
    nib.save(nib.Nifti1Image(HU.T, affine(OBLIQUE), header), path)
    assert path.read_bytes()[:2] == b"\0\0"
    ct = read_ct(path)
    same_place(ct, path)
    np.testing.assert_array_equal(ct.hu, HU)


def test_micrometres_become_millimetres(tmp_path: Path) -> None:
    file = nib.Nifti1Image(HU.T, affine(np.diag([700.0, 800.0, 2500.0])))
    file.header.set_xyzt_units("micron")
    nib.save(file, tmp_path / "ct.nii")
    assert read_ct(tmp_path / "ct.nii").geometry.spacing == pytest.approx((2.5, 0.8, 0.7))


def test_contradicting_positions_are_reported_and_the_sform_is_used(tmp_path: Path) -> None:
    file = nib.Nifti1Image(HU.T, affine(np.diag([0.7, 0.8, 2.5])))
    file.set_sform(affine(np.diag([0.7, 0.8, 2.5])), 1)
    file.set_qform(affine(np.diag([0.7, 0.8, 2.5]), (0, 0, 0)), 1)
    nib.save(file, tmp_path / "ct.nii")
    ct = read_ct(tmp_path / "ct.nii")
    same_place(ct, tmp_path / "ct.nii")
    assert [n.code for n in ct.notices] == ["sform_qform_differ"]


def test_a_file_without_a_position_is_read_with_a_notice(tmp_path: Path) -> None:
    path = write(tmp_path / "ct.nii", HU, affine(np.diag([0.7, 0.8, 2.5])), sform=0, qform=0)
    ct = read_ct(path)
    assert [n.code for n in ct.notices] == ["no_orientation"]
    assert ct.geometry.spacing == pytest.approx((2.5, 0.8, 0.7))
    np.testing.assert_allclose(ct.geometry.axes, [[0, 0, 1], [0, -1, 0], [-1, 0, 0]])
    label = read_mask(write(tmp_path / "m.nii", HU > 500, affine(np.eye(3)), sform=0, qform=0, image=_bytes))
    assert [n.code for n in label.segments[0].notices] == ["no_orientation"]


def _bytes(array, matrix):  # type: ignore[no-untyped-def]
    return nib.Nifti1Image(array.astype(np.uint8), matrix)


SHEARED = np.array([[0.7, 0.2, 0], [0, 0.8, 0], [0, 0, 2.5]])


def test_a_sheared_sform_gives_way_to_the_qform(tmp_path: Path) -> None:
    path = write(tmp_path / "ct.nii", HU, affine(SHEARED), sform=1, qform=1)
    ct = read_ct(path)
    assert [n.code for n in ct.notices] == ["sform_unusable"]
    np.testing.assert_allclose(
        ct.geometry.to_world(CORNERS),
        nib.affines.apply_affine(nib.load(path).get_qform(), CORNERS[:, ::-1]) * [-1, -1, 1],
        atol=2e-3,
    )


def test_a_sheared_image_without_qform_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "ct.nii", HU, affine(SHEARED), sform=1, qform=0)
    with pytest.raises(GeometryError, match=r"'ct\.nii' are not perpendicular"):
        read_ct(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_position_that_is_no_number_is_refused(tmp_path: Path, bad: float) -> None:
    path = write(tmp_path / "ct.nii", HU, affine(np.diag([0.7, 0.8, 2.5])), qform=0)
    data = bytearray(path.read_bytes())
    data[292:296] = np.float32(bad).tobytes()  # srow_x[3]
    path.write_bytes(data)
    with pytest.raises(GeometryError, match="no number"):
        read_ct(path)


# -- values --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "int16"])
def test_whole_values_of_any_type_become_int16(tmp_path: Path, dtype: str) -> None:
    ct = read_ct(write(tmp_path / "ct.nii.gz", HU.astype(dtype), affine(OBLIQUE)))
    assert ct.hu.dtype == np.int16
    np.testing.assert_array_equal(ct.hu, HU)


def test_fractions_become_float32(tmp_path: Path) -> None:
    ct = read_ct(write(tmp_path / "ct.nii.gz", (HU + 0.25).astype(np.float32), affine(OBLIQUE)))
    assert ct.hu.dtype == np.float32
    np.testing.assert_array_equal(ct.hu, np.float32(HU + 0.25).clip(-1024))


def test_slope_and_intercept_are_applied(tmp_path: Path) -> None:
    stored = (HU + 1024).astype(np.uint16)
    file = nib.Nifti1Image(stored.T, affine(OBLIQUE))
    file.header.set_data_dtype(np.uint16)
    file.header.set_slope_inter(0.5, -300.0)
    nib.save(file, tmp_path / "ct.nii.gz")
    with gzip.open(tmp_path / "ct.nii.gz") as plain:
        data = bytearray(plain.read())
    data[352:] = stored.tobytes()  # nibabel rescales on saving; the file is to hold the stored values
    (tmp_path / "ct.nii").write_bytes(data)
    ct = read_ct(tmp_path / "ct.nii")
    np.testing.assert_array_equal(ct.hu, (stored * 0.5 - 300).astype(np.float32))
    np.testing.assert_allclose(ct.hu, nib.load(tmp_path / "ct.nii").get_fdata().T)


def test_values_below_minus_1024_are_raised_with_a_notice(tmp_path: Path) -> None:
    hu = HU.astype(np.int32)
    hu[:, :2] = -3024
    ct = read_ct(write(tmp_path / "ct.nii.gz", hu, affine(OBLIQUE)))
    np.testing.assert_array_equal(ct.hu, hu.clip(-1024))
    assert [n.code for n in ct.notices] == ["padding_replaced"]
    assert f"{100 * 2 / 24:.2g} %" in ct.notices[0].text


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, bad: float) -> None:
    hu = HU.astype(np.float32)
    hu[4, 5, 6] = bad
    path = write(tmp_path / "ct.nii.gz", hu, affine(OBLIQUE))
    with pytest.raises(ImageReadError, match="not numbers"):
        read_ct(path)


@pytest.mark.parametrize(
    ("what", "values"),
    [
        ("without its offset", (HU.astype(np.int32) + 1024).astype(np.uint16)),
        ("an MR image", (np.random.default_rng(0).gamma(2, 200, HU.shape)).astype(np.uint16)),
        ("a map from 0 to 1", np.float32((HU + 1024) / 4096)),
        ("standardised", np.float32((HU - HU.mean()) / HU.std())),
        ("8 bits", ((HU.clip(-160, 240) + 160) / 400 * 255).astype(np.uint8)),
        ("nothing but air", np.full(HU.shape, -1000, np.int16)),
        ("constant", np.zeros(HU.shape, np.int16)),
        ("without its offset but padded", np.where(np.arange(24)[:, None] < 4, -2000, HU.astype(np.int16) + 1024)),
    ],
)
def test_what_cannot_be_in_hounsfield_units_is_refused(tmp_path: Path, what: str, values) -> None:  # type: ignore[no-untyped-def]
    path = write(tmp_path / "image.nii.gz", values, affine(OBLIQUE))
    with pytest.raises(ImageReadError, match=r"'image\.nii\.gz' is not a CT in Hounsfield units"):
        read_ct(path)


# -- dimensions ----------------------------------------------------------------------------------------------------


def nifti(path: Path, array) -> Path:  # type: ignore[no-untyped-def]
    nib.save(nib.Nifti1Image(array, np.eye(4)), path)
    return path


def test_a_2d_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="2D"):
        read_ct(nifti(tmp_path / "a.nii.gz", HU[0].T))
    with pytest.raises(ImageReadError, match="2D"):
        read_ct(nifti(tmp_path / "b.nii.gz", HU[:1].T))


def test_a_fourth_dimension_is_accepted_when_it_has_one_element_only(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_ct(nifti(tmp_path / "a.nii.gz", HU.T[..., None])).hu, HU)
    with pytest.raises(ImageReadError, match="2 images in one file"):
        read_ct(nifti(tmp_path / "b.nii.gz", np.stack([HU.T, HU.T], axis=-1)))


def test_several_values_a_voxel_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="5D"):
        read_ct(nifti(tmp_path / "a.nii.gz", np.stack([HU.T] * 3, axis=-1)[:, :, :, None]))
    colours = np.zeros(HU.T.shape, np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
    with pytest.raises(ImageReadError, match="one real number a voxel"):
        read_ct(nifti(tmp_path / "b.nii.gz", colours))


# -- damaged -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ct.nii", "ct.nii.gz"])
@pytest.mark.parametrize("kept", [0.0, 0.002, 0.5, 0.99, -1])
def test_a_truncated_file_is_refused_however_little_is_missing(tmp_path: Path, name: str, kept: float) -> None:
    path = write(tmp_path / name, HU, affine(OBLIQUE))
    data = path.read_bytes()
    path.write_bytes(data[:-1] if kept < 0 else data[: int(len(data) * kept)])
    with pytest.raises(ImageReadError) as caught:
        read_ct(path)
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_changed_byte_in_the_compressed_data_is_found(tmp_path: Path, place: float) -> None:
    path = write(tmp_path / "ct.nii.gz", HU, affine(OBLIQUE))
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match="damaged"):
        read_ct(path)


def test_gzip_files_of_several_members_are_read(tmp_path: Path) -> None:
    data = write(tmp_path / "a.nii", HU, affine(OBLIQUE)).read_bytes()
    parts = [data[:100], data[100:5000], data[5000:], b""]
    (tmp_path / "ct.nii.gz").write_bytes(b"".join(gzip.compress(part) for part in parts))
    np.testing.assert_array_equal(read_ct(tmp_path / "ct.nii.gz").hu, HU)


@pytest.mark.parametrize(
    "content", [b"hello, this is text\n" * 40, b"\x1f\x8b", gzip.compress(b"text " * 200, mtime=0), bytes(400)]
)
def test_something_else_under_the_name_of_a_nifti_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ct.nii.gz").write_bytes(content)
    with pytest.raises(ImageReadError, match=r"not a NIfTI file|damaged"):
        read_ct(tmp_path / "ct.nii.gz")


@pytest.mark.parametrize(("at", "value"), [(42, -3), (40, 9), (42, 32767), (70, 128), (108, 0)])
def test_a_header_that_contradicts_itself_is_refused(tmp_path: Path, at: int, value: int) -> None:
    path = write(tmp_path / "ct.nii", HU, affine(OBLIQUE))
    data = bytearray(path.read_bytes())
    data[at : at + 2] = np.int16(value).tobytes()
    if at == 108:
        data[at : at + 4] = bytes(4)
    path.write_bytes(data)
    with pytest.raises(ImageReadError):
        read_ct(path)


def test_random_damage_never_ends_in_anything_but_a_clear_error_or_an_image(tmp_path: Path) -> None:
    path = write(tmp_path / "ct.nii", HU, affine(OBLIQUE))
    data = path.read_bytes()
    rng = np.random.default_rng(11)
    for _ in range(120):
        broken = bytearray(data)
        for at in rng.integers(0, 352, 3):
            broken[at] = rng.integers(256)
        path.write_bytes(broken)
        try:
            ct = read_ct(path)
        except AdrenalError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert np.isfinite(ct.hu).all()


def test_a_series_can_be_chosen_in_a_dicom_folder_only(tmp_path: Path) -> None:
    path = write(tmp_path / "ct.nii", HU, affine(OBLIQUE))
    with pytest.raises(ImageReadError, match="--series"):
        read_ct(path, series="2")
    assert read_ct(path).phase == "unknown"
    assert read_ct(path, "delayed").phase == "delayed"


def test_missing_files_and_unknown_kinds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=r"no file or folder 'ct\.nii'"):
        read_ct(tmp_path / "ct.nii")
    (tmp_path / "ct.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageReadError, match="unknown kind"):
        read_ct(tmp_path / "ct.png")

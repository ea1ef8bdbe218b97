"""NRRD and MetaImage as SimpleITK writes them: place, values, damage."""

from __future__ import annotations

import bz2
import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.errors import AdrenalError, GeometryError, ImageReadError
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from support.dicom_files import body

HU = body((10, 24, 30))
OBLIQUE = Rotation.from_euler("xyz", [10, -25, 140], degrees=True).as_matrix()
FORMATS = [(suffix, packed) for suffix, packed in itertools.product((".nrrd", ".nhdr", ".mha", ".mhd"), (False, True))]


def write(path: Path, array=HU, direction=OBLIQUE, packed: bool = False) -> sitk.Image:  # type: ignore[no-untyped-def]
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 2.5))
    image.SetOrigin((31.0, -12.5, -480.0))
    image.SetDirection(np.asarray(direction, float).ravel().tolist())
    sitk.WriteImage(image, path, packed)
    return image


# -- place and values ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "packed"), FORMATS)
@pytest.mark.parametrize(
    "direction",
    [np.eye(3), OBLIQUE, OBLIQUE * [1, -1, 1], np.array([[0, 0, 1], [1, 0, 0], [0, -1, 0]])],
    ids=["straight", "oblique", "left-handed", "permuted"],
)
def test_every_voxel_lies_where_itk_puts_it(tmp_path: Path, suffix: str, packed: bool, direction) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / f"ct{suffix}"
    image = write(path, direction=direction, packed=packed)
    ct = read_ct(path)
    np.testing.assert_array_equal(ct.hu, HU)
    for k, j, i in itertools.product((0, 9), (0, 23), (0, 29)):
        expected = image.TransformContinuousIndexToPhysicalPoint((i, j, k))
        np.testing.assert_allclose(ct.geometry.to_world(np.array([k, j, i])), expected, atol=1e-4)
    assert ct.notices == ()
    assert ct.frame_of_reference is None


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "int64"])
def test_whole_values_of_any_type_become_int16(tmp_path: Path, suffix: str, dtype: str) -> None:
    write(tmp_path / f"ct{suffix}", HU.astype(dtype))
    ct = read_ct(tmp_path / f"ct{suffix}")
    assert ct.hu.dtype == np.int16
    np.testing.assert_array_equal(ct.hu, HU)


def test_a_big_endian_metaimage_is_read(tmp_path: Path) -> None:
    write(tmp_path / "ct.mhd")
    head = (tmp_path / "ct.mhd").read_text().replace("ByteOrderMSB = False", "ByteOrderMSB = True")
    (tmp_path / "ct.mhd").write_text(head)
    (tmp_path / "ct.raw").write_bytes(HU.astype(">i2").tobytes())
    np.testing.assert_array_equal(read_ct(tmp_path / "ct.mhd").hu, HU)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "ct.mhd")), HU)


@pytest.mark.parametrize("header_size", [17, -1])
def test_a_data_file_may_start_with_bytes_to_skip(tmp_path: Path, header_size: int) -> None:
    write(tmp_path / "ct.mhd")
    head = (tmp_path / "ct.mhd").read_text().replace("ElementDataFile", f"HeaderSize = {header_size}\nElementDataFile")
    (tmp_path / "ct.mhd").write_text(head)
    (tmp_path / "ct.raw").write_bytes(b"x" * 17 + HU.astype("<i2").tobytes())
    np.testing.assert_array_equal(read_ct(tmp_path / "ct.mhd").hu, HU)


@pytest.mark.parametrize(
    ("fields", "data"),
    [
        ("encoding: bzip2", bz2.compress(HU.astype("<i2").tobytes())),
        ("encoding: gz", gzip.compress(HU.astype("<i2").tobytes())),
        ("encoding: gzip\nbyte skip: 6", gzip.compress(b"skip me"[:6] + HU.astype("<i2").tobytes())),
        ("encoding: raw\nbyte skip: -1", b"anything" + HU.astype("<i2").tobytes()),
        ("encoding: raw\nline skip: 2\nbyte skip: 3", b"one\ntwo\nabc" + HU.astype("<i2").tobytes()),
        ("encoding: raw", HU.astype("<i2").tobytes()),
    ],
)
def test_nrrd_data_may_be_stored_in_several_ways(tmp_path: Path, fields: str, data: bytes) -> None:
    head = (
        "NRRD0005\r\n# comment\r\ntype: int16_t\r\ndimension: 3\r\nspace: RAS\r\nsizes: 30 24 10\r\nendian: little\r\n"
        "space directions: (-0.7,0,0) (0,-0.8,0) (0,0,2.5)\r\nspace origin: (1,2,3)\r\nkey:=a value: with colon\r\n"
    )
    (tmp_path / "ct.nrrd").write_bytes((head + fields.replace("\n", "\r\n") + "\r\n\r\n").encode() + data)
    ct = read_ct(tmp_path / "ct.nrrd")
    np.testing.assert_array_equal(ct.hu, HU)
    assert ct.geometry.origin == (-1, -2, 3)
    assert ct.geometry.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert ct.notices == ()


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"encoding: raw", b"encoding: ascii", "as text"),
        (b"type: short", b"type: block", "real numbers"),
        (b"dimension: 3", b"dimension: 4", "contradicting"),
        (b"sizes: 30 24 10", b"sizes: 30 24 0", "contradicting"),
        (b"sizes: 30 24 10", b"sizes: 30000 24000 10000", "GiB"),
        (b"space origin: (", b"space origin: (nan,", "no number"),
        (b"space origin: (", b"space origin: x(", "no number"),
        (b"kinds: domain domain domain", b"kinds: domain domain", "number of axes"),
        (b"kinds: domain domain domain", b"kinds: list vector domain", "dimensions"),
        (b"left-posterior-superior", b"left-anterior-superior", "left and right"),
    ],
)
def test_nrrd_headers_that_make_no_sense_are_refused(tmp_path: Path, old: bytes, new: bytes, words: str) -> None:
    write(tmp_path / "ct.nrrd")
    data = (tmp_path / "ct.nrrd").read_bytes()
    assert data.count(old) == 1
    (tmp_path / "ct.nrrd").write_bytes(data.replace(old, new))
    with pytest.raises(AdrenalError, match=words):
        read_ct(tmp_path / "ct.nrrd")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_a_file_without_orientation_is_read_with_a_notice(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ct{suffix}"
    if suffix == ".nrrd":
        head = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 30 24 10\nspacings: 0.7 0.8 2.5\nencoding: raw\nendian: little\n\n"
    else:
        head = b"NDims = 3\nDimSize = 30 24 10\nElementSpacing = 0.7 0.8 2.5\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    path.write_bytes(head + HU.astype("<i2").tobytes())
    ct = read_ct(path)
    assert [n.code for n in ct.notices] == ["no_orientation"]
    assert ct.geometry.spacing == pytest.approx((2.5, 0.8, 0.7))
    np.testing.assert_array_equal(ct.hu, HU)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path: Path, suffix: str, bad: float) -> None:
    hu = HU.astype(np.float32)
    hu[3, 4, 5] = bad
    write(tmp_path / f"ct{suffix}", hu)
    with pytest.raises(ImageReadError, match="not numbers"):
        read_ct(tmp_path / f"ct{suffix}")


# -- dimensions ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_only_three_dimensions_are_read(tmp_path: Path, suffix: str) -> None:
    flat, four, one = (tmp_path / f"{name}{suffix}" for name in ("flat", "four", "one"))
    sitk.WriteImage(sitk.GetImageFromArray(HU[0]), flat)
    with pytest.raises(ImageReadError, match="2D"):
        read_ct(flat)
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(HU)] * 2), four)
    with pytest.raises(ImageReadError, match="2 images in one file"):
        read_ct(four)
    sitk.WriteImage(sitk.JoinSeries([sitk.GetImageFromArray(HU)]), one)
    np.testing.assert_array_equal(read_ct(one).hu, HU)
    vector = tmp_path / f"vector{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(np.stack([HU] * 3, axis=-1), isVector=True), vector)
    with pytest.raises(ImageReadError, match=r"one real number a voxel|several values a voxel"):
        read_ct(vector)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_sheared_axes_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ct{suffix}"
    write(path, direction=np.eye(3))
    data = path.read_bytes()
    old, new = (
        (b"(0,0.8000", b"(0.3,0.8000")
        if suffix == ".nrrd"
        else (b"TransformMatrix = 1 0 0 0 1", b"TransformMatrix = 1 0 0 0.3 1")
    )
    assert data.count(old) == 1
    path.write_bytes(data.replace(old, new))
    with pytest.raises(GeometryError, match="not perpendicular"):
        read_ct(path)


# -- damaged -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "packed"), FORMATS)
@pytest.mark.parametrize("kept", [0.0, 0.01, 0.6, -1])
def test_a_truncated_file_is_one_clear_sentence_and_nothing_on_stderr(
    tmp_path: Path, suffix: str, packed: bool, kept: float, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"ct{suffix}"
    write(path, packed=packed)
    (data_file,) = [p for p in tmp_path.iterdir() if p != path] or [path]
    data = data_file.read_bytes()
    data_file.write_bytes(data[:-1] if kept < 0 else data[: int(len(data) * kept)])
    with pytest.raises(ImageReadError) as caught:
        read_ct(path)
    text = str(caught.value)
    assert "\n" not in text
    assert "itk" not in text.lower()
    assert str(tmp_path) not in text
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
@pytest.mark.parametrize("place", [0.3, 0.6, 0.95])
def test_a_changed_byte_in_the_compressed_data_is_found(tmp_path: Path, suffix: str, place: float) -> None:
    path = tmp_path / f"ct{suffix}"
    write(path, packed=True)
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match="damaged"):
        read_ct(path)


@pytest.mark.parametrize("suffix", [".nhdr", ".mhd"])
def test_a_missing_data_file_is_said_to_be_missing(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / f"ct{suffix}")
    (tmp_path / "ct.raw").unlink()
    with pytest.raises(ImageReadError, match="missing"):
        read_ct(tmp_path / f"ct{suffix}")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("suffix", [".nrrd", ".nhdr", ".mha", ".mhd"])
@pytest.mark.parametrize("content", [b"hello, this is text\n" * 40, bytes(400), b"NRRD0004\n", b"NDims = 3\n"])
def test_something_else_under_the_name_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"ct{suffix}"
    path.write_bytes(content)
    for read in (read_ct, read_mask):
        with pytest.raises(ImageReadError):
            read(path)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("DimSize = 30 24 10", "DimSize = 30 -24 10", "size below one"),
        ("DimSize = 30 24 10", "DimSize = 30000 24000 10000", "GiB"),
        ("ElementType = MET_SHORT", "ElementType = MET_OTHER", "one real number"),
        ("ElementSpacing = ", "ElementSpacing = nan ", "no number"),
        ("ElementSpacing = ", "ElementSpacing = x ", "not 3 numbers"),
        ("BinaryData = True", "BinaryData = False", "as text"),
        ("ElementDataFile = LOCAL", "ElementDataFile = LIST", "file of its own"),
        ("DimSize = 30 24 10", "DimSize = thirty", "damaged"),
    ],
)
def test_metaimage_headers_that_make_no_sense_are_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "ct.mha"
    write(path)
    data = path.read_bytes()
    assert data.count(old.encode()) == 1
    path.write_bytes(data.replace(old.encode(), new.encode()))
    with pytest.raises(AdrenalError, match=words):
        read_ct(path)


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_random_damage_of_the_header_never_ends_in_anything_but_a_clear_error_or_an_image(
    tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"ct{suffix}"
    write(path)
    data = path.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(80):
        broken = bytearray(data)
        for at in rng.integers(0, 330, 2):
            broken[at] = rng.integers(32, 127)
        path.write_bytes(broken)
        try:
            ct = read_ct(path)
        except AdrenalError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert np.isfinite(ct.hu).all()
    assert capfd.readouterr() == ("", "")

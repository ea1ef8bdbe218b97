"""DICOM CT series: pixels and units, order and place, what is not a CT."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging.read import list_series, read_ct
from support.dicom_files import (
    FRAME_OF_REFERENCE,
    body,
    enhanced_dataset,
    no_identity,
    read_pixels,
    save,
    write_series,
)

HU = body((6, 40, 48))


def codes(ct) -> set[str]:  # type: ignore[no-untyped-def]
    return {notice.code for notice in ct.notices}


# -- pixels and units ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [None, "jpeg2000", "jpegls", "rle"])
def test_every_lossless_compression_gives_the_voxels_that_were_written(tmp_path: Path, compression: str | None) -> None:
    paths = write_series(tmp_path, HU, compression=compression)
    ct = read_ct(tmp_path)
    assert ct.hu.dtype == np.int16
    np.testing.assert_array_equal(ct.hu, HU)
    np.testing.assert_array_equal(ct.hu[2], read_pixels(paths[2]))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian])
def test_other_encodings_of_the_file_give_the_same_voxels(tmp_path: Path, syntax: str) -> None:
    def encode(ds: Dataset, k: int) -> None:
        ds.file_meta.TransferSyntaxUID = syntax

    write_series(tmp_path, HU, edit=encode)
    np.testing.assert_array_equal(read_ct(tmp_path).hu, HU)


def test_big_endian_files_give_the_same_voxels(tmp_path: Path) -> None:
    def encode(ds: Dataset, k: int) -> None:
        ds.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        ds.PixelData = (HU[k] + 1024).astype(">u2").tobytes()

    write_series(tmp_path, HU, edit=encode)
    np.testing.assert_array_equal(read_ct(tmp_path).hu, HU)


def test_files_without_preamble_are_read(tmp_path: Path) -> None:
    def encode(ds: Dataset, k: int) -> None:
        ds.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian

    for path in write_series(tmp_path, HU, edit=encode):
        ds = pydicom.dcmread(path)
        path.unlink()
        with open(path, "wb") as file:
            pydicom.dcmwrite(file, Dataset(ds), implicit_vr=True, little_endian=True)
        assert path.read_bytes()[128:132] != b"DICM"
    np.testing.assert_array_equal(read_ct(tmp_path).hu, HU)


def test_rescale_may_differ_from_slice_to_slice(tmp_path: Path) -> None:
    slopes, intercepts = [1, 2, 1, 4, 1, 2], [-1024, -1200, -2000, -1400, -1030, -1024]
    stored = np.random.default_rng(3).integers(100, 900, HU.shape)

    def edit(ds: Dataset, k: int) -> None:
        ds.RescaleSlope, ds.RescaleIntercept = str(slopes[k]), str(intercepts[k])
        ds.PixelData = stored[k].astype("<u2").tobytes()

    paths = write_series(tmp_path, HU, edit=edit)
    ct = read_ct(tmp_path)
    expected = stored * np.reshape(slopes, (-1, 1, 1)) + np.reshape(intercepts, (-1, 1, 1))
    np.testing.assert_array_equal(ct.hu, expected.clip(-1024))
    np.testing.assert_array_equal(ct.hu[3], read_pixels(paths[3]).clip(-1024))


def test_a_fractional_slope_gives_float32(tmp_path: Path) -> None:
    def edit(ds: Dataset, k: int) -> None:
        if k == 4:
            ds.RescaleSlope = "0.5"

    paths = write_series(tmp_path, HU + 200, edit=edit)
    ct = read_ct(tmp_path)
    assert ct.hu.dtype == np.float32
    for k, path in enumerate(paths):
        np.testing.assert_allclose(ct.hu[k], read_pixels(path), atol=1e-4)


def test_signed_values_of_twelve_bits_keep_their_sign(tmp_path: Path) -> None:
    stored = np.clip(HU, -1024, 1000)

    def edit(ds: Dataset, k: int) -> None:
        ds.PixelRepresentation, ds.RescaleIntercept = 1, "0"
        ds.BitsStored, ds.HighBit = 12, 11
        # Bits above the stored ones may hold anything, such as an overlay.
        above = np.random.default_rng(k).integers(0, 16, stored[k].shape) << 12
        ds.PixelData = ((stored[k].astype("<i2").view("<u2") & 0x0FFF) | above.astype("<u2")).tobytes()

    write_series(tmp_path, HU, edit=edit)
    np.testing.assert_array_equal(read_ct(tmp_path).hu, stored)


@pytest.mark.parametrize("limit", [None, -1990])
def test_padding_and_what_lies_below_becomes_minus_1024_with_a_notice(tmp_path: Path, limit: int | None) -> None:
    stored = HU.astype(np.int16).copy()
    stored[:, :3] = -2000
    stored[:, 3] = -1995

    def edit(ds: Dataset, k: int) -> None:
        ds.PixelRepresentation, ds.RescaleIntercept, ds.PixelPaddingValue = 1, "0", -2000
        if limit is not None:
            ds.PixelPaddingRangeLimit = limit
        ds.PixelData = stored[k].astype("<i2").tobytes()

    write_series(tmp_path, HU, edit=edit)
    ct = read_ct(tmp_path)
    np.testing.assert_array_equal(ct.hu, np.where(stored < -1024, -1024, stored))
    assert "padding_replaced" in codes(ct)


def test_padding_that_equals_a_tissue_value_is_replaced_at_the_border_only(tmp_path: Path) -> None:
    hu = HU.copy()
    hu[:, :3] = 40
    hu[:, 20, 20] = 40

    def edit(ds: Dataset, k: int) -> None:
        ds.PixelPaddingValue = 40 + 1024

    write_series(tmp_path, hu, edit=edit)
    ct = read_ct(tmp_path)
    assert (ct.hu[:, :3] == -1024).all()
    assert (ct.hu[:, 20, 20] == 40).all()


@pytest.mark.parametrize("tag", ["RescaleSlope", "RescaleIntercept"])
def test_a_slice_without_rescale_is_not_in_hounsfield_units(tmp_path: Path, tag: str) -> None:
    def edit(ds: Dataset, k: int) -> None:
        if k == 3:
            delattr(ds, tag)

    write_series(tmp_path, HU, edit=edit)
    with pytest.raises(ImageReadError, match=r"1 of 6 slices .* lack rescale .* not in Hounsfield units"):
        read_ct(tmp_path)


def test_a_rescale_type_other_than_hu_is_refused(tmp_path: Path) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.RescaleType = "MGML"

    write_series(tmp_path, HU, edit=edit)
    with pytest.raises(ImageReadError, match=r"not in Hounsfield units .*MGML"):
        read_ct(tmp_path)


def test_stored_values_without_their_offset_are_refused(tmp_path: Path) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.RescaleIntercept = "0"

    write_series(tmp_path, HU, edit=edit)
    with pytest.raises(ImageReadError, match="not a CT in Hounsfield units"):
        read_ct(tmp_path)


# -- order and place -----------------------------------------------------------------------------------------------


def test_slices_are_ordered_by_position_whatever_their_numbers_and_names(tmp_path: Path) -> None:
    write_series(tmp_path, HU)
    ct = read_ct(tmp_path)
    np.testing.assert_array_equal(ct.hu, HU)
    assert ct.geometry.spacing == pytest.approx((2.0, 0.8, 0.7))
    assert ct.geometry.origin == pytest.approx((-50, -60, -700))
    np.testing.assert_allclose(ct.geometry.axes, [[0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert ct.frame_of_reference == FRAME_OF_REFERENCE
    assert ct.notices == ()


@pytest.mark.parametrize(
    "rotation",
    [
        Rotation.from_euler("xyz", [12, -20, 35], degrees=True),
        Rotation.from_euler("x", 90, degrees=True),  # coronal
        Rotation.from_euler("zx", [90, 90], degrees=True),  # sagittal
        Rotation.from_euler("z", 180, degrees=True),  # prone, seen from the feet
        Rotation.from_euler("y", 180, degrees=True),  # rows run leftwards, the normal downwards
    ],
)
def test_oblique_and_turned_slices_keep_their_place_in_the_patient(tmp_path: Path, rotation: Rotation) -> None:
    row, column = rotation.apply([[1, 0, 0], [0, 1, 0]])
    write_series(tmp_path, HU, orientation=(row, column))
    ct = read_ct(tmp_path)
    np.testing.assert_array_equal(ct.hu, HU)
    index = np.array([[0, 0, 0], [5, 0, 0], [0, 39, 0], [0, 0, 47], [3, 7, 11]], float)
    world = np.array([-50, -60, -700]) + index @ np.array([np.cross(row, column) * 2.0, column * 0.8, row * 0.7])
    np.testing.assert_allclose(ct.geometry.to_world(index), world, atol=1e-5)


def test_files_that_are_no_dicom_and_other_objects_are_ignored(tmp_path: Path) -> None:
    write_series(tmp_path / "deep" / "er", HU, name=lambda k: f"{k}.dcm")
    (tmp_path / "README").write_text("not DICOM\n" * 50)
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI\x14\x001.2.840.10008.1.2.1\0")
    (tmp_path / "report.pdf").write_bytes(b"%PDF-1.4" + bytes(200))
    (tmp_path / ".DS_Store").write_bytes(b"")
    ct = read_ct(tmp_path)
    np.testing.assert_array_equal(ct.hu, HU)
    assert ct.notices == ()


def test_empty_files_in_the_folder_are_reported(tmp_path: Path) -> None:
    write_series(tmp_path, HU)
    (tmp_path / "IM99999").touch()
    assert codes(read_ct(tmp_path)) == {"empty_files"}


def test_one_file_of_a_series_stands_for_the_series(tmp_path: Path) -> None:
    wanted = write_series(tmp_path, HU, number=2)
    write_series(tmp_path, body((4, 40, 48), 9), number=3, name=lambda k: f"other{k}")
    np.testing.assert_array_equal(read_ct(wanted[3]).hu, HU)


def test_a_single_slice_is_refused_as_2d(tmp_path: Path) -> None:
    (path,) = write_series(tmp_path, HU[:1])
    for given in (path, tmp_path):
        with pytest.raises(ImageReadError, match="single CT slice"):
            read_ct(given)


# -- enhanced CT ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [2, 5, 0, 3, 1, 4]])
def test_an_enhanced_ct_is_ordered_by_the_position_of_its_frames(tmp_path: Path, order: list[int]) -> None:
    save(enhanced_dataset(HU, order), tmp_path / "enhanced.dcm")
    for given in (tmp_path, tmp_path / "enhanced.dcm"):
        ct = read_ct(given)
        np.testing.assert_array_equal(ct.hu, HU)
        assert ct.geometry.spacing == pytest.approx((2.0, 0.8, 0.7))
        assert ct.geometry.origin == pytest.approx((-50, -60, -700))
        assert ct.frame_of_reference == FRAME_OF_REFERENCE


def test_an_enhanced_ct_with_several_rescales_is_refused(tmp_path: Path) -> None:
    save(enhanced_dataset(HU, range(6), [-1024, -1024, -1000, -1024, -1024, -1024]), tmp_path / "enhanced.dcm")
    with pytest.raises(ImageReadError, match="frames differ in rescale"):
        read_ct(tmp_path)


# -- phase ---------------------------------------------------------------------------------------------------------


def contrast(term: str | None, agent: str = "Iomeprol", route: str = "IV"):  # type: ignore[no-untyped-def]
    def edit(ds: Dataset, k: int) -> None:
        ds.ContrastBolusAgent, ds.ContrastBolusRoute = agent, route
        if term is not None:
            usage = Dataset()
            usage.ContrastBolusAgentPhase = term
            ds.ContrastBolusUsageSequence = [usage]

    return edit


@pytest.mark.parametrize(
    ("term", "phase"),
    [
        ("PRE_CONTRAST", "unenhanced"),
        ("PORTAL_VENOUS", "portal"),
        ("ARTERIAL", "arterial"),
        ("DELAYED", "delayed"),
        ("VENOUS", "unknown"),
    ],
)
def test_the_phase_is_taken_from_the_header_where_it_names_one(tmp_path: Path, term: str, phase: str) -> None:
    write_series(tmp_path, HU, edit=contrast(term))
    assert read_ct(tmp_path).phase == phase
    assert [info.phase for info in list_series(tmp_path)] == [phase]


def test_free_text_and_a_missing_agent_say_nothing_about_the_phase(tmp_path: Path) -> None:
    write_series(tmp_path, HU, description="unenhanced portal")
    assert read_ct(tmp_path).phase == "unknown"


def test_the_given_phase_wins_and_a_contradiction_is_reported(tmp_path: Path) -> None:
    write_series(tmp_path / "portal", HU, edit=contrast("PORTAL_VENOUS"))
    write_series(tmp_path / "agent", HU, edit=contrast(None))
    write_series(tmp_path / "oral", HU, edit=contrast(None, route="ORAL"))
    for name, expected in (("portal", {"phase_contradicts_header"}), ("agent", {"phase_contradicts_header"}), ("oral", set())):
        ct = read_ct(tmp_path / name, "unenhanced")
        assert ct.phase == "unenhanced"
        assert codes(ct) == expected


# -- not a CT, damaged ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sop_class", "modality", "words"),
    [
        (MRImageStorage, "MR", "not a CT .*MR"),
        ("1.2.840.10008.5.1.4.1.1.128", "PT", "not a CT .*PT"),
        (SecondaryCaptureImageStorage, "CT", "derived pictures"),
    ],
)
def test_other_images_are_refused(tmp_path: Path, sop_class: str, modality: str, words: str) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.SOPClassUID, ds.Modality = sop_class, modality

    paths = write_series(tmp_path, HU, edit=edit)
    with pytest.raises(ImageReadError, match=words):
        read_ct(tmp_path)
    with pytest.raises(ImageReadError, match="not a CT"):
        read_ct(paths[0])


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    for series in (None, "4"):
        with pytest.raises(ImageReadError, match="no DICOM slices"):
            read_ct(tmp_path, series=series)
    assert list_series(tmp_path) == ()


def test_localizers_are_not_a_ct(tmp_path: Path) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_series(tmp_path, HU[:2], edit=edit, number=1)
    with pytest.raises(ImageReadError, match="no DICOM slices of a CT"):
        read_ct(tmp_path)
    write_series(tmp_path, HU, number=2, name=lambda k: f"ct{k}")
    np.testing.assert_array_equal(read_ct(tmp_path).hu, HU)
    assert [info.number for info in list_series(tmp_path)] == [2]


@pytest.mark.parametrize("compression", [None, "jpeg2000", "jpegls", "rle"])
@pytest.mark.parametrize("kept", [0.9, 0.995])
def test_a_truncated_slice_is_one_clear_sentence_and_nothing_on_stderr(
    tmp_path: Path, compression: str | None, kept: float, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = write_series(tmp_path, HU, compression=compression)
    data = paths[2].read_bytes()
    paths[2].write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ImageReadError) as caught:
        read_ct(tmp_path)
    text = str(caught.value)
    assert "instance 4" in text
    assert "\n" not in text
    assert "itk" not in text.lower()
    assert "/" not in text
    assert no_identity(text)
    assert capfd.readouterr() == ("", "")


def test_a_slice_cut_in_its_header_is_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, HU)
    paths[2].write_bytes(paths[2].read_bytes()[:700])
    with pytest.raises(ImageReadError, match="damaged"):
        read_ct(tmp_path)


def test_an_unknown_compression_is_named(tmp_path: Path) -> None:
    def edit(ds: Dataset, k: int) -> None:
        ds.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"  # High-Throughput JPEG 2000
        ds.PixelData = pydicom.encaps.encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])
        ds["PixelData"].is_undefined_length = True

    write_series(tmp_path, HU, edit=edit)
    with pytest.raises(ImageReadError, match=r"transfer syntax 1\.2\.840\.10008\.1\.2\.4\.201"):
        read_ct(tmp_path)


def test_slices_without_a_position_are_refused(tmp_path: Path) -> None:
    def edit(ds: Dataset, k: int) -> None:
        if k == 1:
            del ds.ImagePositionPatient

    write_series(tmp_path, HU, edit=edit)
    with pytest.raises(ImageReadError, match="lack position"):
        read_ct(tmp_path)


def test_malformed_attributes_are_no_crash(tmp_path: Path) -> None:
    paths = write_series(tmp_path, HU)
    for path in paths:
        data = path.read_bytes()
        at = data.index(b"\x28\x00\x30\x00DS") + 8  # Pixel Spacing
        path.write_bytes(data[:at] + b"abc" + data[at + 3 :])
    with pytest.raises(ImageReadError, match="pixel spacing"):
        read_ct(tmp_path)


def test_a_copied_folder_with_one_slice_twice_names_no_file(tmp_path: Path) -> None:
    paths = write_series(tmp_path, HU)
    shutil.copy(paths[0], tmp_path / "JANE_DOE_copy")
    with pytest.raises(Exception, match="more than once") as caught:
        read_ct(tmp_path)
    assert no_identity(str(caught.value))

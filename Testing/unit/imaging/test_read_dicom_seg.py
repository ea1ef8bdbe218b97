"""DICOM SEG: real files by dcmqi and highdicom, and what highdicom writes in every layout."""

from __future__ import annotations

import sys
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes
from pydicom.uid import JPEGLSLossless, generate_uid
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.errors import GeometryError, ImageReadError, MaskError, MissingDependencyError
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from support.dicom_files import FRAME_OF_REFERENCE, body, save, write_rtstruct, write_series

DATA = Path(__file__).parents[2] / "data" / "dicom_seg"
SHAPE = (8, 24, 32)
A, B = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
A[2:6, 5:15, 8:20] = True
A[3, 7, 9] = False
B[4:7, 10:20, 15:28] = True  # overlaps A


# -- real files ----------------------------------------------------------------------------------------------------


def test_a_segmentation_by_dcmqi_equals_the_label_map_it_was_made_from() -> None:
    seg, nrrd = read_mask(DATA / "dcmqi_liver.dcm"), read_mask(DATA / "dcmqi_liver.nrrd")
    ((a,), (b,)) = seg.segments, nrrd.segments
    assert (a.number, a.name, a.side) == (1, "Liver", "unknown")
    assert a.mask.sum() == b.mask.sum()
    index = np.argwhere(b.mask)
    there = a.geometry.to_index(b.geometry.to_world(index))
    np.testing.assert_allclose(there, np.rint(there), atol=1e-3)
    assert a.mask[tuple(np.rint(there).astype(int).T)].all()
    assert seg.frame_of_reference == pydicom.dcmread(DATA / "dcmqi_liver.dcm").FrameOfReferenceUID


def test_the_frames_of_a_real_tumour_lie_at_their_own_positions() -> None:
    # Unpacked here bit by bit from the file, frame by frame (DICOM PS3.5 8.1.1: the first pixel is the lowest bit).
    ds = pydicom.dcmread(DATA / "dcmqi_pet_tumour.dcm")
    (segment,) = read_mask(DATA / "dcmqi_pet_tumour.dcm").segments
    bits = np.unpackbits(np.frombuffer(ds.PixelData, np.uint8), bitorder="little")
    frames = bits[: ds.NumberOfFrames * ds.Rows * ds.Columns].reshape(-1, ds.Rows, ds.Columns)
    assert segment.mask.sum() == frames.sum() == 795
    spacing = [float(v) for v in ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing]
    for frame, item in zip(frames, ds.PerFrameFunctionalGroupsSequence, strict=True):
        origin = np.array(item.PlanePositionSequence[0].ImagePositionPatient, float)
        j, i = np.nonzero(frame)
        world = origin + np.column_stack([i * spacing[1], j * spacing[0], np.zeros(len(i))])
        index = np.rint(segment.geometry.to_index(world))
        np.testing.assert_allclose(segment.geometry.to_world(index), world, atol=1e-2)
        assert segment.mask[tuple(index.astype(int).T)].all()


def test_a_segmentation_of_a_single_frame_lies_on_its_slice() -> None:
    (segment,) = read_mask(DATA / "highdicom_bone.dcm").segments
    ct = pydicom.dcmread(DATA / "highdicom_ct.dcm")
    assert segment.geometry.shape == (1, ct.Rows, ct.Columns)
    np.testing.assert_allclose(segment.geometry.origin, ct.ImagePositionPatient)
    hu = ct.pixel_array * float(ct.RescaleSlope) + float(ct.RescaleIntercept)
    assert segment.name == "first segment"
    # The bone segment covers the voxels of high attenuation.
    assert np.median(hu[segment.mask[0]]) > 150 > np.median(hu[~segment.mask[0]])


def test_a_folder_that_holds_one_mask_stands_for_it(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    for name, to in (("highdicom_ct.dcm", "ct/1"), ("dcmqi_pet_tumour.dcm", "seg")):
        (tmp_path / to).write_bytes((DATA / name).read_bytes())
    assert read_mask(tmp_path).segments[0].mask.sum() == 795
    (tmp_path / "seg2").write_bytes((DATA / "highdicom_bone.dcm").read_bytes())
    with pytest.raises(MaskError, match="2 masks; give one of them: 'seg', 'seg2'"):
        read_mask(tmp_path)


# -- written by highdicom ------------------------------------------------------------------------------------------


def describe(number: int, label: str, region=None, modifier=None) -> hd.seg.SegmentDescription:  # type: ignore[no-untyped-def]
    description = hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Mass,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        anatomic_regions=[region] if region is not None else None,
    )
    if modifier is not None:
        target = description.AnatomicRegionSequence[0] if region is not None else description.SegmentedPropertyTypeCodeSequence[0]
        keyword = "AnatomicRegionModifierSequence" if region is not None else "SegmentedPropertyTypeModifierCodeSequence"
        setattr(target, keyword, [hd.sr.CodedConcept(*modifier)])
    return description


RIGHT, LEFT = ("24028007", "SCT", "Right"), ("7771000", "SCT", "Left")


def write_seg(path: Path, folder: Path, masks: list[np.ndarray], descriptions=None, *, slices=None, **options) -> Path:  # type: ignore[no-untyped-def,type-arg]
    """A SEG of masks (k, j, i) on the series in ``folder``, or on some of its slices in some order."""
    sources = sorted((pydicom.dcmread(p) for p in folder.iterdir()), key=lambda d: float(d.ImagePositionPatient[2]))
    for source in sources:
        source.StudyInstanceUID, source.StudyTime, source.StudyID = "1.2.3", "", ""
        source.AccessionNumber, source.PatientSex, source.ReferringPhysicianName = "", "", ""
    order = list(range(len(sources))) if slices is None else slices
    seg = hd.seg.Segmentation(
        source_images=[sources[k] for k in order],
        pixel_array=np.stack([m[order] for m in masks], axis=-1),
        segmentation_type=options.pop("kind", hd.seg.SegmentationTypeValues.BINARY),
        segment_descriptions=descriptions or [describe(n, f"s{n}") for n in range(1, len(masks) + 1)],
        series_instance_uid=generate_uid(),
        series_number=100,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    seg.save_as(path)
    return path


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", body(SHAPE))
    return tmp_path / "ct"


def on_ct(segment, series: Path) -> np.ndarray:  # type: ignore[no-untyped-def,type-arg]
    """The segment's voxels on the grid of the CT, found by position alone."""
    ct = read_ct(series)
    out = np.zeros(ct.hu.shape, bool)
    index = ct.geometry.to_index(segment.geometry.to_world(np.argwhere(segment.mask)))
    np.testing.assert_allclose(index, np.rint(index), atol=1e-3)
    out[tuple(np.rint(index).astype(int).T)] = True
    return out


@pytest.mark.parametrize("omit", [True, False])
def test_several_overlapping_segments_are_read(tmp_path: Path, series: Path, omit: bool) -> None:
    mask = read_mask(write_seg(tmp_path / "seg.dcm", series, [A, B], omit_empty_frames=omit))
    assert mask.frame_of_reference == FRAME_OF_REFERENCE == read_ct(series).frame_of_reference
    for segment, expected in zip(mask.segments, (A, B), strict=True):
        np.testing.assert_array_equal(on_ct(segment, series), expected)
        assert segment.notices == ()


def test_planes_without_a_frame_are_empty(tmp_path: Path, series: Path) -> None:
    gap = A.copy()
    gap[3:5] = False
    (segment,) = read_mask(write_seg(tmp_path / "seg.dcm", series, [gap])).segments
    assert segment.geometry.shape[0] == 4
    np.testing.assert_array_equal(on_ct(segment, series), gap)


@pytest.mark.parametrize("order", [[7, 6, 5, 4, 3, 2, 1, 0], [3, 0, 7, 5, 1, 6, 2, 4], [2, 3, 4, 5]])
def test_frames_in_any_order_and_on_some_slices_only_are_placed_by_position(
    tmp_path: Path, series: Path, order: list[int]
) -> None:
    seg = write_seg(tmp_path / "seg.dcm", series, [A], slices=order, omit_empty_frames=False)
    (segment,) = read_mask(seg).segments
    np.testing.assert_array_equal(on_ct(segment, series), A)


def test_an_oblique_series_keeps_the_place_of_its_segmentation(tmp_path: Path) -> None:
    row, column = Rotation.from_euler("xyz", [12, -20, 35], degrees=True).apply([[1, 0, 0], [0, 1, 0]])
    write_series(tmp_path / "ct", body(SHAPE), orientation=(row, column))
    (segment,) = read_mask(write_seg(tmp_path / "seg.dcm", tmp_path / "ct", [A])).segments
    np.testing.assert_array_equal(on_ct(segment, tmp_path / "ct"), A)


@pytest.mark.parametrize("syntax", [None, JPEGLSLossless])
@pytest.mark.parametrize("highest", [255, 100])
def test_fractions_count_from_half_of_the_maximum(tmp_path: Path, series: Path, syntax: str | None, highest: int) -> None:
    share = np.zeros(SHAPE, np.float32)
    share[2:6] = np.linspace(0, 1, 4 * 24 * 32, dtype=np.float32).reshape(4, 24, 32)
    share[5, 23, 31] = 1
    options = {"transfer_syntax_uid": syntax} if syntax else {}
    kind = hd.seg.SegmentationTypeValues.FRACTIONAL
    path = write_seg(tmp_path / "seg.dcm", series, [share], kind=kind, max_fractional_value=highest, **options)
    (segment,) = read_mask(path).segments
    np.testing.assert_array_equal(on_ct(segment, series), np.around(share * highest) >= highest / 2)
    assert [n.code for n in segment.notices] == ["fractional_segment"]


@pytest.mark.parametrize(
    ("region", "modifier", "name", "side"),
    [
        (codes.SCT.AdrenalGland, RIGHT, "mass", "right"),
        (codes.SCT.AdrenalGland, LEFT, "mass", "left"),
        (None, RIGHT, "mass", "right"),
        (None, ("G-A101", "SRT", "Left"), "mass", "left"),
        (codes.SCT.AdrenalGland, None, "mass", "unknown"),
        (codes.SCT.AdrenalGland, None, "left adrenal", "left"),
    ],
)
def test_the_side_is_that_of_the_region_or_type_modifier(  # type: ignore[no-untyped-def]
    tmp_path: Path, series: Path, region, modifier, name: str, side: str
) -> None:
    seg = write_seg(tmp_path / "seg.dcm", series, [A], [describe(1, name, region, modifier)])
    (segment,) = read_mask(seg).segments
    assert segment.side == side


def test_a_segment_is_chosen_by_number_or_label(tmp_path: Path, series: Path) -> None:
    seg = write_seg(tmp_path / "seg.dcm", series, [A, B], [describe(1, "Right mass"), describe(2, "Cyst")])
    for label, expected in (("2", B), ("cyst", B), ("RIGHT MASS", A)):
        (segment,) = read_mask(seg, label).segments
        np.testing.assert_array_equal(on_ct(segment, series), expected)
    with pytest.raises(MaskError, match="no segment 'liver'; it holds 1 'Right mass', 2 'Cyst'"):
        read_mask(seg, "liver")


# -- what goes wrong -----------------------------------------------------------------------------------------------


def test_without_highdicom_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'adrenal-classifier\[dicom\]'"):
        read_mask(DATA / "dcmqi_liver.dcm")
    square = np.array([[0, 0, 5.0], [4, 0, 5], [4, 4, 5], [0, 4, 5]])
    assert read_mask(write_rtstruct(tmp_path / "rs.dcm", {"a": [square]}, slab=2.0)).segments  # needs pydicom only


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.97])
def test_a_truncated_segmentation_is_one_clear_sentence(kept: float, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data = (DATA / "dcmqi_liver.dcm").read_bytes()
    (tmp_path / "seg.dcm").write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(ImageReadError) as caught:
        read_mask(tmp_path / "seg.dcm")
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "keyword",
    ["SegmentSequence", "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence", "SegmentationType", "Rows"],
)
def test_a_segmentation_that_lacks_something_is_refused(keyword: str, tmp_path: Path) -> None:
    ds = pydicom.dcmread(DATA / "dcmqi_pet_tumour.dcm")
    delattr(ds, keyword)
    save(ds, tmp_path / "seg.dcm")
    with pytest.raises((ImageReadError, GeometryError)):
        read_mask(tmp_path / "seg.dcm")


def test_unevenly_spaced_frames_are_refused(tmp_path: Path) -> None:
    ds = pydicom.dcmread(DATA / "dcmqi_pet_tumour.dcm")
    position = ds.PerFrameFunctionalGroupsSequence[4].PlanePositionSequence[0]
    x, y, z = position.ImagePositionPatient
    position.ImagePositionPatient = [x, y, z + 1.2]
    save(ds, tmp_path / "seg.dcm")
    with pytest.raises(GeometryError, match="evenly spaced"):
        read_mask(tmp_path / "seg.dcm")


def test_two_frames_of_one_segment_at_one_position_are_refused(tmp_path: Path) -> None:
    ds = pydicom.dcmread(DATA / "dcmqi_pet_tumour.dcm")
    frames = ds.PerFrameFunctionalGroupsSequence
    frames[4].PlanePositionSequence[0].ImagePositionPatient = frames[5].PlanePositionSequence[0].ImagePositionPatient
    save(ds, tmp_path / "seg.dcm")
    with pytest.raises(GeometryError, match="several frames of segment 1"):
        read_mask(tmp_path / "seg.dcm")


def test_a_ct_is_no_mask_and_a_segmentation_no_ct() -> None:
    with pytest.raises(ImageReadError, match="is no mask"):
        read_mask(DATA / "highdicom_ct.dcm")
    with pytest.raises(ImageReadError, match="no CT slice"):
        read_ct(DATA / "dcmqi_liver.dcm")

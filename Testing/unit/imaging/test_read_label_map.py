"""Label maps: which label, which kinds of numbers, in every format."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.errors import ImageReadError, MaskError
from AdrenalClassifierLib.imaging.read import read_mask

LABELS = np.zeros((9, 20, 24), np.uint8)
LABELS[2:5, 3:9, 4:10] = 8
LABELS[4:7, 10:15, 12:20] = 9
SUFFIXES = [".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd"]


def write(path: Path, array) -> Path:  # type: ignore[no-untyped-def]
    image = sitk.GetImageFromArray(array)
    image.SetSpacing((0.7, 0.8, 2.5))
    sitk.WriteImage(image, path)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32", "float64"])
def test_every_label_is_a_segment_in_every_format(tmp_path: Path, suffix: str, dtype: str) -> None:
    mask = read_mask(write(tmp_path / f"mask{suffix}", LABELS.astype(dtype)))
    assert [(s.number, s.name, s.side, s.terminology) for s in mask.segments] == [
        (8, "label 8", "unknown", None),
        (9, "label 9", "unknown", None),
    ]
    for segment in mask.segments:
        assert segment.mask.dtype == np.bool_
        np.testing.assert_array_equal(segment.mask, segment.number == LABELS)
        assert segment.geometry.spacing == pytest.approx((2.5, 0.8, 0.7))
    assert mask.frame_of_reference is None


@pytest.mark.parametrize("label", ["9", " 9 ", "label 9", "LABEL 9"])
def test_one_label_is_chosen_by_number_or_name(tmp_path: Path, label: str) -> None:
    (segment,) = read_mask(write(tmp_path / "m.nrrd", LABELS), label).segments
    np.testing.assert_array_equal(segment.mask, LABELS == 9)


@pytest.mark.parametrize("label", ["7", "0", "-8", "adrenal"])
def test_an_unknown_label_lists_what_there_is(tmp_path: Path, label: str) -> None:
    with pytest.raises(MaskError, match=f"no segment '{label}'; it holds 8, 9"):
        read_mask(write(tmp_path / "m.nrrd", LABELS), label)


def test_more_than_four_labels_need_a_choice_and_ten_are_listed(tmp_path: Path) -> None:
    four = np.arange(5 * 9, dtype=np.uint8).reshape(5, 3, 3) // 9
    assert len(read_mask(write(tmp_path / "four.nrrd", four)).segments) == 4
    many = np.arange(8 * 9, dtype=np.uint8).reshape(8, 3, 3) // 3
    path = write(tmp_path / "many.nrrd", many)
    with pytest.raises(MaskError, match="23 segments; choose the lesion with --label: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 13 more"):
        read_mask(path)
    assert read_mask(path, "17").segments[0].mask.sum() == 3


def test_an_empty_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match=r"'m\.nrrd' holds no segment"):
        read_mask(write(tmp_path / "m.nrrd", np.zeros((4, 5, 6), np.uint8)))


def test_a_binary_mask_of_zeros_and_ones_may_be_stored_as_fractions(tmp_path: Path) -> None:
    (segment,) = read_mask(write(tmp_path / "m.nii.gz", (LABELS > 0).astype(np.float32))).segments
    assert segment.number == 1
    np.testing.assert_array_equal(segment.mask, LABELS > 0)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (np.linspace(0, 1, 60).reshape(3, 4, 5).astype(np.float32), "probability map"),
        (np.full((3, 4, 5), np.nan, np.float32), "not numbers"),
        (np.arange(-30, 30, dtype=np.int16).reshape(3, 4, 5), "is not a mask"),
        (np.arange(2000, dtype=np.int16).reshape(10, 10, 20), "is not a mask"),
    ],
)
def test_what_is_no_mask_is_refused(tmp_path: Path, values, words: str) -> None:  # type: ignore[no-untyped-def]
    for label in (None, "1"):
        with pytest.raises(MaskError, match=words):
            read_mask(write(tmp_path / "m.nrrd", values), label)


def test_a_mask_of_one_slice_is_read_but_a_2d_one_is_not(tmp_path: Path) -> None:
    (segment,) = read_mask(write(tmp_path / "one.nrrd", LABELS[3:4]), "8").segments
    assert segment.geometry.shape == (1, 20, 24)
    with pytest.raises(ImageReadError, match="2D"):
        read_mask(write(tmp_path / "flat.nrrd", LABELS[3]))


def test_large_label_values_are_kept(tmp_path: Path) -> None:
    labels = np.where(LABELS == 8, 70001, 0).astype(np.int32)
    (segment,) = read_mask(write(tmp_path / "m.nii.gz", labels)).segments
    assert segment.number == 70001
    np.testing.assert_array_equal(segment.mask, LABELS == 8)


def test_a_scaled_nifti_mask_keeps_its_meaning(tmp_path: Path) -> None:
    file = nib.Nifti1Image(LABELS.T.astype(np.float64) * 2, np.eye(4))
    file.header.set_data_dtype(np.uint8)
    file.header.set_slope_inter(2, 0)
    nib.save(file, tmp_path / "m.nii")
    values = np.unique(nib.load(tmp_path / "m.nii").get_fdata())
    assert [0, *(s.number for s in read_mask(tmp_path / "m.nii").segments)] == values.tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_damaged_and_missing_masks_are_refused(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(ImageReadError, match="no file or folder"):
        read_mask(tmp_path / f"m{suffix}")
    (tmp_path / f"m{suffix}").touch()
    with pytest.raises(ImageReadError, match="0 bytes"):
        read_mask(tmp_path / f"m{suffix}")


def test_a_folder_or_file_without_a_mask_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="is no mask"):
        read_mask(tmp_path)
    (tmp_path / "m.csv").write_text("a,b\n")
    with pytest.raises(ImageReadError, match="unknown kind"):
        read_mask(tmp_path / "m.csv")

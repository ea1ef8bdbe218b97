"""Large compressed files: unpacked by ITK's zlib-ng, checked by us, and by zlib whenever anything does not match."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging import volume_file
from AdrenalClassifierLib.imaging.fast_inflate import CHUNK, LEAST_BYTES, crc32, unpacked
from AdrenalClassifierLib.imaging.read import read_mask

SHAPE = (48, 448, 450)  # 9.7 million voxels
MASK = np.zeros(SHAPE, np.uint8)
MASK[20:30, 200:260, 100:180] = 1


def write(path: Path, mask: np.ndarray = MASK) -> Path:  # type: ignore[type-arg]
    image = sitk.GetImageFromArray(mask)
    image.SetSpacing((0.7, 0.8, 2.0))
    if path.name.endswith(".seg.nrrd"):
        for key, value in {"ID": "Segment_1", "Name": "Mass", "LabelValue": "1", "Layer": "0"}.items():
            image.SetMetaData(f"Segment0_{key}", value)
    sitk.WriteImage(image, str(path), True)
    return path


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each unpacking succeeded the fast way."""
    found: list[bool] = []

    def spy(*words: object) -> object:
        out = unpacked(*words)  # type: ignore[arg-type]
        found.append(out is not None)
        return out

    monkeypatch.setattr(volume_file, "unpacked", spy)
    return found


@pytest.mark.parametrize("name", ["m.nii.gz", "m.nrrd", "m.seg.nrrd", "with blank and ü.nrrd"])
def test_a_large_mask_is_read_the_fast_way_and_holds_the_same_voxels(tmp_path: Path, name: str, fast: list[bool]) -> None:
    (segment,) = read_mask(write(tmp_path / name)).segments
    np.testing.assert_array_equal(segment.mask, MASK == 1)
    assert fast == [True]


@pytest.mark.parametrize("name", ["m.nii.gz", "m.seg.nrrd"])
def test_labels_other_than_one_are_found_in_a_large_map(tmp_path: Path, name: str) -> None:
    both = MASK * 3
    both[40:44, 10:20, 10:20] = 1
    image = read_mask(write(tmp_path / name, both), "1")
    np.testing.assert_array_equal(image.segments[0].mask, both == 1)


@pytest.mark.parametrize("name", ["m.nii.gz", "m.nrrd"])
@pytest.mark.parametrize("damage", ["bit", "checksum", "length", "end"])
def test_damage_anywhere_is_noticed(tmp_path: Path, name: str, damage: str) -> None:
    path = write(tmp_path / name)
    data = bytearray(path.read_bytes())
    start = 0 if name == "m.nii.gz" else data.index(b"\n\n") + 2
    if damage == "bit":
        data[start + (len(data) - start) // 2] ^= 4
    elif damage == "checksum":
        data[-8] ^= 1
    elif damage == "length":
        data[-4] ^= 1
    else:
        del data[-2000:]
    path.write_bytes(data)
    with pytest.raises(ImageReadError, match="damaged or incomplete"):
        read_mask(path)


def test_several_gzip_members_are_unpacked_by_zlib(tmp_path: Path, fast: list[bool]) -> None:
    path = write(tmp_path / "m.nii.gz")
    content = gzip.decompress(path.read_bytes())
    half = len(content) // 2
    path.write_bytes(gzip.compress(content[:half]) + gzip.compress(content[half:]))
    np.testing.assert_array_equal(read_mask(path).segments[0].mask, MASK == 1)
    assert fast == [False]


def test_small_data_and_other_compression_are_left_to_zlib(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    for data, wanted in ((gzip.compress(bytes(100)), 100), (zlib.compress(bytes(LEAST_BYTES)), LEAST_BYTES)):
        path.write_bytes(data)
        assert unpacked(path, 0, data, wanted) is None


def test_the_checksum_is_that_of_zlib() -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, CHUNK - 1, CHUNK, 5 * CHUNK + 77):
        for filled in (0.0, 0.3, 1.0):
            data = np.zeros(size, np.uint8)
            for start in range(0, size, CHUNK):
                if rng.random() < filled:
                    part = data[start : start + CHUNK]
                    part[:] = rng.integers(0, 256, part.size)
            assert crc32(data) == zlib.crc32(data.tobytes())


def test_voxels_outlive_the_reader(tmp_path: Path) -> None:
    mask = read_mask(write(tmp_path / "m.nrrd")).segments[0].mask
    for n in range(3):  # memory of a freed image would be used again
        read_mask(write(tmp_path / f"other{n}.nrrd", 1 - MASK))
    np.testing.assert_array_equal(mask, MASK == 1)


def test_an_empty_label_map_is_one_empty_segment_where_that_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "m.nii.gz", np.zeros((4, 5, 6), np.uint8))
    (segment,) = read_mask(path, empty=True).segments
    assert segment.mask.shape == (4, 5, 6)
    assert not segment.mask.any()

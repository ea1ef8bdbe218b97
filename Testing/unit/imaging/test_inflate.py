"""Compressed files: unpacked piece by piece and checked, whatever library does it."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from zlib_ng import zlib_ng

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging import volume_file
from AdrenalClassifierLib.imaging.read import read_mask
from AdrenalClassifierLib.imaging.volume_file import CHUNK, inflate

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


@pytest.fixture(params=["zlib-ng", "zlib"], autouse=True)
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fast library, and with Python's own where that is all there is."""
    monkeypatch.setattr(volume_file, "DEFLATE", zlib_ng if request.param == "zlib-ng" else zlib)


@pytest.mark.parametrize("name", ["m.nii.gz", "m.nrrd", "m.seg.nrrd", "with blank and ü.nrrd"])
def test_a_large_mask_holds_the_voxels_that_itk_wrote(tmp_path: Path, name: str) -> None:
    (segment,) = read_mask(write(tmp_path / name)).segments
    np.testing.assert_array_equal(segment.mask, MASK == 1)


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


def test_several_gzip_members_are_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "m.nii.gz")
    content = gzip.decompress(path.read_bytes())
    half = len(content) // 2
    path.write_bytes(gzip.compress(content[:half]) + gzip.compress(content[half:]))
    np.testing.assert_array_equal(read_mask(path).segments[0].mask, MASK == 1)


@given(
    st.lists(st.tuples(st.integers(0, 3 * CHUNK), st.booleans()), min_size=1, max_size=4),
    st.sampled_from(["gzip", "members", "zlib"]),
    st.integers(-5000, 5000),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_data_unpack_to_what_zlib_makes_of_them(runs: list[tuple[int, bool]], kind: str, more: int) -> None:
    rng = np.random.default_rng(len(runs))
    parts = [rng.integers(0, 256, n, np.uint8).tobytes() if filled else bytes(n) for n, filled in runs]
    data = b"".join(parts)
    packed = {"gzip": gzip.compress(data), "zlib": zlib.compress(data), "members": b"".join(map(gzip.compress, parts))}[kind]
    wanted = max(len(data) + more, 0)
    assert inflate(Path("x"), packed, wanted).tobytes() == data[:wanted]


def test_a_header_that_announces_more_than_memory_is_refused_by_the_data(tmp_path: Path) -> None:
    assert inflate(Path("x"), gzip.compress(bytes(1000)), 1 << 46).size == 1000


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

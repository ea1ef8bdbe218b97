"""A lesion goes through its file unchanged, and a damaged file is told from a good one."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from AdrenalClassifierLib.errors import AdrenalError, ImageReadError, OutputError
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.lesion_file import read_lesion, read_values, write_lesion, write_values
from AdrenalClassifierLib.notices import Notice
from support.grids import ellipsoid, oblique_grid, phantom, segment


def lesion(mirror: bool = False) -> Lesion:
    """On an oblique grid with three phases, one of them partly outside (NaN), and remarks with all sorts of signs."""
    grid = oblique_grid((20, 30, 28), (3.1, 0.7 + 1e-13, 0.9), (1 / 3, -2.0, 1e-9), mirror)
    mask = ellipsoid(grid, tuple(grid.to_world(np.array([10, 15, 14]))), (9.0, 8.0, 10.0))
    found = extract_lesions(phantom(grid, mask), [segment(mask, grid)])[0]
    rng = np.random.default_rng(3)
    portal = rng.normal(80, 10, found.ct.shape).astype(np.float32)
    portal[:2] = np.nan
    return replace(
        found,
        lesion_id="lésion \u2028 'x'",
        side="left",
        others={"portal": portal, "delayed": found.ct + np.float32(0.1)},
        touches_border=True,
        notices=(Notice("a", 'Ünïcode \u2013 and "quotes"\n.'), Notice("b", "")),
    )


@pytest.mark.parametrize("mirror", [False, True])
def test_every_field_comes_back_exactly(tmp_path: Path, mirror: bool) -> None:
    before = lesion(mirror)
    write_lesion(tmp_path / "x.npz", before)
    after = read_lesion(tmp_path / "x.npz")
    for name in ("lesion_id", "side", "phase", "geometry", "touches_border", "notices", "phases"):
        assert getattr(after, name) == getattr(before, name), name
    for phase in before.phases:
        np.testing.assert_array_equal(after.hu(phase), before.hu(phase))  # NaN equals NaN here
        assert after.hu(phase).dtype == np.float32
    np.testing.assert_array_equal(after.mask, before.mask)
    assert after.mask.dtype == bool
    assert list(tmp_path.iterdir()) == [tmp_path / "x.npz"]


def test_a_crop_without_an_outline_and_single_volumes_travel_too(tmp_path: Path) -> None:
    empty = replace(lesion(), mask=np.zeros(lesion().ct.shape, bool))
    write_lesion(tmp_path / "crop.data", empty)
    assert not read_lesion(tmp_path / "crop.data").mask.any()
    for values in (empty.mask, np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 3, 4)):
        write_values(tmp_path / "v.npz", values)
        np.testing.assert_array_equal(read_values(tmp_path / "v.npz"), values)
        assert read_values(tmp_path / "v.npz").dtype == values.dtype


def test_a_damaged_file_gives_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_lesion(path, lesion())
    good = path.read_bytes()
    rng = np.random.default_rng(0)
    for n in (0, 1, 10, 300, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:n])
        with pytest.raises(ImageReadError, match=r"'x.npz' is damaged .*again\."):
            read_lesion(path)
    unnoticed, told = 0, set()
    for _ in range(100):
        wrong = bytearray(good)
        wrong[rng.integers(len(good))] ^= 1 << rng.integers(8)
        path.write_bytes(wrong)
        try:
            after = read_lesion(path)
        except AdrenalError as error:
            told.add(str(error))
            continue
        unnoticed += 1  # only parts of the archive that carry no data (times, flags) are not under a checksum
        np.testing.assert_array_equal(after.ct, lesion().ct)
        np.testing.assert_array_equal(after.mask, lesion().mask)
    assert unnoticed < 5
    assert told
    assert not [text for text in told if str(tmp_path) in text]


def test_no_file_no_lesion_or_a_newer_one(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="cannot be opened"):
        read_lesion(tmp_path / "none.npz")
    write_values(tmp_path / "v.npz", np.zeros(3))
    with pytest.raises(ImageReadError, match="no lesion file"):
        read_lesion(tmp_path / "v.npz")
    write_lesion(tmp_path / "x.npz", lesion())
    with pytest.raises(ImageReadError, match="damaged"):
        read_values(tmp_path / "x.npz")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(ImageReadError, match="no lesion file"):
        read_lesion(tmp_path / "one.npy")
    with pytest.raises(OutputError):
        write_lesion(tmp_path / "v.npz" / "under a file", lesion())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"schema_version": 2}, "newer version"),
        ({"phase": "venous"}, "damaged"),
        ({"others": ["portal", "arterial"]}, "damaged"),
        ({"grid": {"shape": [1, 2], "spacing": [1, 1, 1], "axes": [], "origin": [0, 0, 0]}}, "damaged"),
        ({"notices": [["code alone"]]}, "damaged"),
    ],
)
def test_a_head_that_contradicts_the_data(tmp_path: Path, change: dict[str, object], match: str) -> None:
    write_lesion(tmp_path / "x.npz", lesion())
    with np.load(tmp_path / "x.npz") as archive:
        arrays = dict(archive)
    head = json.loads(arrays["head"].tobytes())
    arrays["head"] = np.frombuffer(json.dumps({**head, **change}).encode(), np.uint8)
    np.savez(tmp_path / "y.npz", **arrays)
    with pytest.raises(ImageReadError, match=match):
        read_lesion(tmp_path / "y.npz")


def test_objects_in_the_archive_are_not_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", head=np.array([{"a": 1}], dtype=object))
    with zipfile.ZipFile(tmp_path / "x.npz") as archive:
        assert archive.namelist() == ["head.npy"]
    with pytest.raises(ImageReadError, match="damaged"):
        read_lesion(tmp_path / "x.npz")

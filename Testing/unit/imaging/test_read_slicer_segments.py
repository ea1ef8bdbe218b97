"""Segmentations of 3D Slicer, new and old layouts, written byte by byte after the documented format."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.errors import ImageReadError, MaskError
from AdrenalClassifierLib.imaging.read import read_mask

# The example of 3D Slicer's developer guide (Segmentations, TerminologyEntry), for the right and the left side.
ENTRY = (
    "Segmentation category and type - 3D Slicer General Anatomy list~SCT^49755003^Morphologically Altered Structure"
    "~SCT^4147007^Mass~^^~Anatomic codes - DICOM master list~SCT^23451007^Adrenal gland~SCT^{}"
)
RIGHT, LEFT = ENTRY.format("24028007^Right"), ENTRY.format("7771000^Left")
TAGS = "Segmentation.Status:inprogress|TerminologyEntry:{}|DICOM.Note:a|"

DATA = Path(__file__).parents[2] / "data"

A, B, C = (np.zeros((4, 5, 6), bool) for _ in range(3))
A[1:3, 1:4, 1:4] = True
B[0:2, 0:2, 3:6] = True  # overlaps A
C[3, 3:, 4:] = True


def write(
    path: Path, layers: list[np.ndarray], keys: dict[str, str], axis: str = "first", space: str = "left-posterior-superior"
) -> Path:  # type: ignore[type-arg]
    """A .seg.nrrd with layers along a list axis, or 3D when ``axis`` is none; 0.7 x 0.8 x 2.5 mm, oblique by 36.87 degrees."""
    steps = "(0.56,0.42,0) (-0.48,0.64,0) (0,0,2.5)"
    if axis == "none":
        (data,), sizes, kinds = layers, "6 5 4", "domain domain domain"
    elif axis == "first":
        data, sizes, kinds, steps = np.stack(layers, -1), f"{len(layers)} 6 5 4", "list domain domain domain", "none " + steps
    else:
        data, sizes, kinds, steps = np.stack(layers), f"6 5 4 {len(layers)}", "domain domain domain list", steps + " none"
    head = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "type: unsigned char",
        f"dimension: {4 - (axis == 'none')}",
        f"space: {space}",
        f"sizes: {sizes}",
        f"space directions: {steps}",
        f"kinds: {kinds}",
        "encoding: gzip",
        "space origin: (10,-20,30.5)",
        *(f"{key}:={value}" for key, value in keys.items()),
        "Segmentation_ReferenceImageExtentOffset:=17 33 5",
        "Segmentation_MasterRepresentation:=Binary labelmap",
        "",
        "",
    ]
    path.write_bytes("\n".join(head).encode() + gzip.compress(np.ascontiguousarray(data, np.uint8).tobytes()))
    return path


def segment(n: int, name: str, **more: str) -> dict[str, str]:
    keys = {"ID": f"Segment_{n + 1}", "Name": name, "Color": "0.5 0.6 0.7", "Extent": "0 5 0 4 0 3", **more}
    return {f"Segment{n}_{key}": value for key, value in keys.items()}


LAYERED = {
    **segment(0, "Mass right", LabelValue="1", Layer="0", Tags=TAGS.format(RIGHT)),
    **segment(1, "Mass", LabelValue="1", Layer="1", Tags=TAGS.format(LEFT)),
    **segment(2, "Zyste", LabelValue="2", Layer="0", Tags="TerminologyEntry:|"),
}
LAYERS = [A * 1 + C * 2, B * 1]


@pytest.mark.parametrize("axis", ["first", "last"])
def test_segments_share_layers_and_may_overlap(tmp_path: Path, axis: str) -> None:
    segments = read_mask(write(tmp_path / "m.seg.nrrd", LAYERS, LAYERED, axis)).segments
    assert [(s.number, s.name, s.side, s.terminology) for s in segments] == [
        (1, "Mass right", "right", RIGHT),
        (2, "Mass", "left", LEFT),
        (3, "Zyste", "unknown", None),
    ]
    for found, expected in zip(segments, (A, B, C), strict=True):
        np.testing.assert_array_equal(found.mask, expected)
        assert found.notices == ()


@pytest.mark.parametrize("space", ["left-posterior-superior", "right-anterior-superior", "LPS", "RAS"])
def test_the_place_is_that_of_the_file_whatever_the_extent_offset(tmp_path: Path, space: str) -> None:
    path = write(tmp_path / "m.seg.nrrd", LAYERS, LAYERED, space=space)
    image = sitk.ReadImage(path)
    geometry = read_mask(path).segments[0].geometry
    for k, j, i in ((0, 0, 0), (3, 4, 5), (1, 0, 2)):
        expected = image.TransformIndexToPhysicalPoint((i, j, k))
        np.testing.assert_allclose(geometry.to_world(np.array([k, j, i])), expected, atol=1e-6)


def test_a_space_that_programs_read_differently_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match="left and right"):
        read_mask(write(tmp_path / "m.seg.nrrd", LAYERS, LAYERED, space="left-anterior-superior"))


def test_a_file_saved_by_3d_slicer_holds_the_boxes_that_were_drawn() -> None:
    # Three boxes drawn on an oblique grid of 20 x 30 x 40 voxels; Slicer cropped the file to what they fill.
    turn = np.array([[np.cos(0.4), -np.sin(0.4), 0], [np.sin(0.4), np.cos(0.4), 0], [0, 0, 1]])
    to_ras = turn @ np.diag([-0.8, -0.7, 2.5])
    boxes = {
        "Mass right": np.s_[5:9, 10:20, 12:25],
        "overlap": np.s_[7:12, 15:24, 20:33],
        "small": np.s_[14:17, 3:6, 3:8],
    }
    segments = read_mask(DATA / "slicer_three_segments.seg.nrrd").segments
    assert [s.name for s in segments] == list(boxes)
    assert [s.side for s in segments] == ["right", "unknown", "unknown"]
    assert segments[0].terminology == RIGHT
    for segment, box in zip(segments, boxes.values(), strict=True):
        drawn = np.zeros((20, 30, 40), bool)
        drawn[box] = True
        index = np.argwhere(drawn)
        world = (index[:, ::-1] @ to_ras.T + [30, 40, -500]) * [-1, -1, 1]
        there = segment.geometry.to_index(world)
        np.testing.assert_allclose(there, np.rint(there), atol=1e-9)
        assert segment.mask[tuple(np.rint(there).astype(int).T)].all()
        assert segment.mask.sum() == drawn.sum()


def test_old_files_have_one_layer_a_segment_and_no_label_values(tmp_path: Path) -> None:
    keys = {**segment(0, "a"), **segment(1, "b"), **segment(2, "c")}
    segments = read_mask(write(tmp_path / "m.seg.nrrd", [A * 1, B * 1, C * 1], keys)).segments
    for found, expected in zip(segments, (A, B, C), strict=True):
        np.testing.assert_array_equal(found.mask, expected)


def test_a_single_segment_may_be_a_plain_3d_file(tmp_path: Path) -> None:
    for name, keys, layer in (
        ("old", segment(0, "left adrenal mass"), A * 1),
        ("new", segment(0, "left adrenal mass", LabelValue="3", Layer="0"), A * 3 + C * 1),
    ):
        (found,) = read_mask(write(tmp_path / f"{name}.seg.nrrd", [layer], keys, "none")).segments
        np.testing.assert_array_equal(found.mask, A)
        assert (found.name, found.side) == ("left adrenal mass", "left")


def test_label_values_without_layers_share_the_one_layer_there_is(tmp_path: Path) -> None:
    keys = {**segment(0, "a", LabelValue="5"), **segment(1, "b", LabelValue="7")}
    segments = read_mask(write(tmp_path / "m.seg.nrrd", [A * 5 + C * 7], keys, "none")).segments
    np.testing.assert_array_equal(segments[0].mask, A)
    np.testing.assert_array_equal(segments[1].mask, C)


@pytest.mark.parametrize(("label", "expected"), [("2", B), ("zyste", C), ("MASS RIGHT", A), ("Mass", B)])
def test_a_segment_is_chosen_by_number_or_name(tmp_path: Path, label: str, expected: np.ndarray) -> None:  # type: ignore[type-arg]
    (found,) = read_mask(write(tmp_path / "m.seg.nrrd", LAYERS, LAYERED), label).segments
    np.testing.assert_array_equal(found.mask, expected)


def test_an_unknown_or_ambiguous_name_lists_what_there_is(tmp_path: Path) -> None:
    path = write(tmp_path / "m.seg.nrrd", LAYERS, LAYERED)
    with pytest.raises(MaskError, match="no segment 'liver'; it holds 1 'Mass right', 2 'Mass', 3 'Zyste'"):
        read_mask(path, "liver")
    twins = {**segment(0, "Mass", LabelValue="1", Layer="0"), **segment(1, "mass", LabelValue="1", Layer="1")}
    path = write(tmp_path / "n.seg.nrrd", [A * 1, B * 1], twins)
    with pytest.raises(MaskError, match="2 segments called 'mass'; choose one by number with --label: 1, 2"):
        read_mask(path, "mass")
    np.testing.assert_array_equal(read_mask(path, "2").segments[0].mask, B)


def test_more_than_sixteen_segments_need_a_choice(tmp_path: Path) -> None:
    keys = {key: value for n in range(17) for key, value in segment(n, f"s{n}", LabelValue=str(n + 1), Layer="0").items()}
    path = write(tmp_path / "m.seg.nrrd", [A * 17], keys, "none")
    with pytest.raises(MaskError, match="17 segments"):
        read_mask(path)
    np.testing.assert_array_equal(read_mask(path, "s16").segments[0].mask, A)


@pytest.mark.parametrize(
    ("name", "entry", "side", "codes"),
    [
        ("left mass", RIGHT, "right", ["side_contradicts_name"]),
        ("right mass", RIGHT, "right", []),
        ("mass", ENTRY.format("51440002^Right and left"), "unknown", []),
        ("adrenal_gland_right", "", "right", []),
        ("LEFT", "", "left", []),
        ("bright leftover", "", "unknown", []),
        ("right of the left kidney", "", "unknown", []),
    ],
)
def test_the_side_is_that_of_the_terminology_else_of_the_name(
    tmp_path: Path, name: str, entry: str, side: str, codes: list[str]
) -> None:
    keys = segment(0, name, LabelValue="1", Layer="0", Tags=TAGS.format(entry))
    (found,) = read_mask(write(tmp_path / "m.seg.nrrd", [A * 1], keys, "none")).segments
    assert found.side == side
    assert [n.code for n in found.notices] == codes


@pytest.mark.parametrize(("key", "value"), [("Layer", "2"), ("Layer", "x"), ("LabelValue", "one"), ("Layer", "-1")])
def test_layers_and_values_that_do_not_exist_are_refused(tmp_path: Path, key: str, value: str) -> None:
    path = write(tmp_path / "m.seg.nrrd", LAYERS, {**LAYERED, f"Segment1_{key}": value})
    with pytest.raises(ImageReadError, match="damaged"):
        read_mask(path)


def test_a_file_without_segments_is_empty(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="no segment"):
        read_mask(write(tmp_path / "m.seg.nrrd", [A * 0], {}, "none"))


def test_an_empty_segment_is_an_empty_mask(tmp_path: Path) -> None:
    found = read_mask(
        write(tmp_path / "m.seg.nrrd", [A * 1], {**segment(0, "a", LabelValue="1"), **segment(1, "b", LabelValue="2")}, "none")
    )
    assert [s.mask.sum() for s in found.segments] == [A.sum(), 0]


def test_several_layers_without_segments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskError, match="several values a voxel"):
        read_mask(write(tmp_path / "m.nrrd", LAYERS, {}))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "m.seg.nrrd", LAYERS, LAYERED)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ImageReadError, match="damaged"):
        read_mask(path)

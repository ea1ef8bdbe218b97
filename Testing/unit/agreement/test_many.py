"""Folders of masks: matching, inter- and intra-reader, summary, consensus, the command."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from AdrenalClassifierLib.agreement.consensus import consensus
from AdrenalClassifierLib.agreement.folders import readings_of
from AdrenalClassifierLib.agreement.many import compare_many
from AdrenalClassifierLib.agreement.pair import compare
from AdrenalClassifierLib.agreement.placing import outline_of
from AdrenalClassifierLib.agreement.summary import by_size, pairs_csv, summarise
from AdrenalClassifierLib.commands.main import main
from AdrenalClassifierLib.errors import AdrenalError, ImageReadError, MaskError
from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.imaging.resample import to_sitk
from support.grids import ellipsoid, segment

GRID = identity((24, 30, 30), (1.0, 0.9, 0.9), (5.0, -3.0, 10.0))
CENTRE = (17.0, 10.0, 21.0)


def ball(radius: float, shift: float = 0.0) -> NDArray[np.bool_]:
    return ellipsoid(GRID, (CENTRE[0] + shift, CENTRE[1], CENTRE[2]), (radius, radius, radius))


def write(folder: Path, name: str, mask: NDArray[np.bool_]) -> None:
    folder.mkdir(exist_ok=True)
    sitk.WriteImage(to_sitk(mask, GRID), str(folder / name), True)


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Three readers (a, b, c) and a second session of a (d): reader b is 0.9 mm off, c draws larger."""
    for n, radius in enumerate((4, 5, 6, 7, 8, 9)):
        write(tmp_path / "a", f"case{n}.nii.gz", ball(radius))
        write(tmp_path / "b", f"case{n}.nrrd", ball(radius, 0.9))
        write(tmp_path / "c", f"case{n}.mha", ball(radius + 1))
        write(tmp_path / "d", f"case{n}.nii", ball(radius))
    return [tmp_path / name for name in "abcd"]


def test_masks_are_matched_by_name_whatever_the_format(folders: list[Path]) -> None:
    write(folders[0], "alone.nii.gz", ball(4))
    readings = readings_of(folders[:2])
    compared = compare_many(readings)
    assert [pair.case for pair in compared.pairs] == [f"case{n}" for n in range(6)]
    summary = summarise(compared, readings)
    assert summary["unmatched"] == {"a": ["alone"], "b": []}
    for pair in compared.pairs:
        radius = 4 + int(pair.case[-1])
        expected = compare(segment(ball(radius), GRID), segment(ball(radius, 0.9), GRID))
        for key, value in expected.values.items():
            assert pair.values[key] == (None if value is None else pytest.approx(value, rel=1e-5)), key


def test_the_number_of_workers_changes_nothing(folders: list[Path]) -> None:
    readings = readings_of(folders[:3])
    assert compare_many(readings, workers=1).pairs == compare_many(readings, workers=3).pairs


def test_sessions_of_one_reader_are_intra_and_kept_apart(folders: list[Path]) -> None:
    readings = readings_of(folders, ["a", "b", "c", "a"])
    compared = compare_many(readings)
    summary = summarise(compared, readings)
    inter = summary["inter"]["comparisons"]
    assert [(c["reader_a"], c["reader_b"]) for c in inter] == [("a", "b"), ("a", "c"), ("b", "c")]
    (intra,) = summary["intra"]["comparisons"]
    assert (intra["reader_a"], intra["session_a"], intra["reader_b"], intra["session_b"]) == ("a", 1, "a", 2)
    assert intra["metrics"]["dice"]["mean"] == 1
    assert all(c["metrics"]["dice"]["max"] < 1 for c in inter)
    (together,) = summary["inter"]["together"]
    assert len(together["raters"]) == together["icc"]["volume_ml_log"]["raters"] == 3
    assert together["icc"]["volume_ml_log"]["n"] == 6
    assert summary["intra"]["together"][0]["icc"]["volume_ml_log"]["a1"]["value"] == 1


def test_a_planted_enlargement_is_found_as_bias(folders: list[Path]) -> None:
    readings = readings_of([folders[0], folders[2]])
    (found,) = summarise(compare_many(readings), readings)["inter"]["comparisons"]
    ratios = [((r + 1) / r) ** 3 for r in range(4, 10)]
    planted = float(np.exp(np.mean(np.log(ratios))))
    assert found["bland_altman"]["volume_ml"]["ratio"] is True
    assert found["bland_altman"]["volume_ml"]["bias"]["value"] == pytest.approx(planted, rel=0.05)
    assert found["bland_altman"]["long_axis_mm"]["bias"]["value"] == pytest.approx(2, abs=0.5)
    # Dice of a ball and one a millimetre larger: 2 / (1 + (1 + 1/r)^3).
    assert found["by_size"]["small"]["metrics"]["dice"]["mean"] == pytest.approx(
        np.mean([2 / (1 + (1 + 1 / r) ** 3) for r in (4, 5)]), abs=0.04
    )
    drawn = [(ball(r), ball(r + 1)) for r in range(4, 10)]
    assert found["dice_below_0_80"] == sum(2 * (a & b).sum() / (a.sum() + b.sum()) < 0.8 for a, b in drawn)
    assert found["by_size"]["small"]["dice_below_0_80"] == 2


def test_an_empty_mask_is_counted_and_not_averaged(folders: list[Path]) -> None:
    write(folders[1], "case3.nrrd", np.zeros(GRID.shape, bool))
    readings = readings_of(folders[:2])
    compared = compare_many(readings)
    (found,) = summarise(compared, readings)["inter"]["comparisons"]
    assert found["metrics"]["dice"]["n"] == 6
    assert found["metrics"]["dice"]["min"] == 0
    assert (found["metrics"]["assd_mm"]["n"], found["metrics"]["assd_mm"]["n_undefined"]) == (5, 1)
    assert found["bland_altman"]["volume_ml"]["n"] == 5
    row = next(
        r for r in csv.DictReader(pairs_csv(compared.pairs).splitlines()) if (r["case"], r["metric"]) == ("case3", "hd95_mm")
    )
    assert (row["value"], row["undefined"], row["unit"]) == ("", "Mask B is empty.", "mm")


def test_a_damaged_file_is_reported_and_the_others_go_on(folders: list[Path]) -> None:
    (folders[1] / "case2.nrrd").write_bytes(b"NRRD0004\ntype: uint8\n\nnot much")
    compared = compare_many(readings_of(folders[:2]))
    assert list(compared.failed) == ["case2"]
    assert "damaged" in compared.failed["case2"]
    assert len(compared.pairs) == 5


def test_terciles_are_thirds_by_mean_volume(folders: list[Path]) -> None:
    pairs = compare_many(readings_of(folders[:2])).pairs
    found = by_size(list(pairs)[::-1])
    assert [found[name]["metrics"]["dice"]["n"] for name in ("small", "medium", "large")] == [2, 2, 2]
    assert found["small"]["volume_to_ml"] < found["medium"]["volume_from_ml"]
    assert by_size(pairs[:2]) == {}


def test_further_values_of_a_pair_are_summarised_and_written_beside_the_metrics(folders: list[Path]) -> None:
    readings = readings_of(folders[:2])
    compared = compare_many(readings)
    values = [0.1, 0.2, None, 0.4, 0.5, 0.3]
    pairs = tuple(replace(p, extra={"probability_difference": v}) for p, v in zip(compared.pairs, values, strict=True))
    summary = summarise(replace(compared, pairs=pairs), readings, definitions={"probability_difference": "B minus A."})
    found = summary["inter"]["comparisons"][0]["metrics"]["probability_difference"]
    assert (found["n"], found["n_undefined"], found["median"]) == (5, 1, 0.3)
    assert summary["definitions"]["probability_difference"] == "B minus A."
    assert sum("probability_difference" in line for line in pairs_csv(pairs).splitlines()) == 6


def test_folders_that_cannot_be_matched_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a", "x.nii.gz", ball(4))
    write(tmp_path / "b", "y.nii.gz", ball(4))
    with pytest.raises(AdrenalError, match="same file name"):
        compare_many(readings_of([tmp_path / "a", tmp_path / "b"]))
    write(tmp_path / "a", "x.nrrd", ball(4))
    with pytest.raises(AdrenalError, match="two masks of one case"):
        readings_of([tmp_path / "a", tmp_path / "b"])
    (tmp_path / "c").mkdir()
    with pytest.raises(ImageReadError, match="holds no masks"):
        readings_of([tmp_path / "b", tmp_path / "c"])
    with pytest.raises(AdrenalError, match="3 readers"):
        readings_of([tmp_path / "b", tmp_path / "b"], ["p", "q", "r"])


def test_the_agreement_map_counts_readers_and_staple_finds_the_majority() -> None:
    masks = [ball(7), ball(7), ball(7), ball(7, 4.5)]  # three agree, one is off
    found = consensus([outline_of(segment(mask, GRID)) for mask in masks])
    assert set(np.unique(found.count)) == {0, 1, 3, 4}
    for n in (1, 3, 4):
        world = found.geometry.to_world(np.argwhere(found.count == n))
        index = np.rint(GRID.to_index(world)).astype(int)
        assert (np.sum(masks, axis=0)[tuple(index.T)] == n).all()
    assert (found.count > 0).sum() == np.any(masks, axis=0).sum()
    assert found.dice[:3] == (1, 1, 1)
    assert found.dice[3] == pytest.approx(compare(segment(masks[0], GRID), segment(masks[3], GRID))["dice"])
    assert all(s > 0.99 for s in found.sensitivity[:3])
    assert found.sensitivity[3] == pytest.approx((masks[0] & masks[3]).sum() / masks[0].sum(), abs=0.02)


def test_a_summary_without_the_readings_names_the_readers_of_each_consensus(folders: list[Path]) -> None:
    (folders[1] / "case5.nrrd").unlink()  # two readers are left: no consensus
    readings = readings_of(folders, ["a", "b", "c", "a"])
    compared = compare_many(readings)
    alone, known = summarise(compared), summarise(compared, readings)
    assert [r["reader"] for r in alone["consensus"]["cases"]["case0"]["readers"]] == ["a", "b", "c"]
    assert list(alone["consensus"]["cases"]) == [f"case{n}" for n in range(5)]
    assert (alone["readings"], alone["unmatched"]) == ([], {})
    for part in ("consensus", "inter", "intra", "n_cases"):
        assert alone[part] == known[part]
    few = summarise(replace(compared, pairs=compared.pairs[:1]))  # pairs were left out: who is who is no longer known
    assert [r["reader"] for r in few["consensus"]["cases"]["case0"]["readers"]] == ["reader 1", "reader 2", "reader 3"]


def test_a_consensus_does_not_depend_on_empty_space() -> None:
    masks = [ball(6), ball(7), ball(6, 1.8)]
    grid = GRID.crop((-5, -5, -5), tuple(n + 5 for n in GRID.shape))  # type: ignore[arg-type]
    tight = consensus([outline_of(segment(mask, GRID)) for mask in masks])
    wide = consensus([outline_of(segment(np.pad(mask, 5), grid)) for mask in masks])
    np.testing.assert_array_equal(tight.probability, wide.probability)
    with pytest.raises(MaskError, match="empty"):
        consensus([outline_of(segment(mask, GRID)) for mask in (*masks, np.zeros(GRID.shape, bool))])


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command_prints_a_pair_as_json(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(folders[0] / "case4.nii.gz"), str(folders[1] / "case4.nrrd")]
    assert main(["agreement", *words, "--json", "--out", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    promised = {
        *("dice", "jaccard", "volume_a_ml", "volume_b_ml", "volume_difference_percent", "hausdorff_mm", "hd95_mm"),
        *("hd95_pooled_mm", "assd_mm", "surface_dice_1mm", "surface_dice_2mm", "centroid_shift_mm"),
    }
    assert promised <= set(found)
    assert found["centroid_shift_mm"] == pytest.approx(0.9)
    written = json.loads((tmp_path / "out" / "pair.json").read_text())
    assert written["dice"] == found["dice"]
    assert "hd95_mm" in written["definitions"]


def test_the_command_writes_table_summary_and_maps_of_several_readers(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["agreement", *map(str, folders), "--out", str(out), "--readers", "ann", "ben", "cid", "ann", "--tolerance", "1.5"]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "intra-reader: ann (session 1) and ann (session 2), 6 pairs" in text
    rows = list(csv.DictReader((out / "pairs.csv").read_text().splitlines()))
    assert {r["kind"] for r in rows} == {"inter", "intra"}
    assert "surface_dice_1.5mm" in {r["metric"] for r in rows}
    assert len({(r["case"], r["reader_a"], r["reader_b"], r["session_b"], r["metric"]) for r in rows}) == len(rows)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["definitions"]["dice"]
    assert summary["packages"]["SimpleITK"]
    assert len(summary["consensus"]["cases"]["case0"]["readers"]) == 3
    count = sitk.GetArrayFromImage(sitk.ReadImage(str(out / "agreement_maps" / "case5.nrrd")))
    assert count.max() == 3
    assert sitk.ReadImage(str(out / "consensus" / "case5.nrrd")).GetSpacing() == pytest.approx((0.9, 0.9, 1.0))


def test_the_command_uses_a_ct_for_each_case(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hu = np.arange(np.prod(GRID.shape), dtype=np.int16).reshape(GRID.shape) % 400 - 150
    (tmp_path / "ct").mkdir()
    sitk.WriteImage(to_sitk(hu, GRID), str(tmp_path / "ct" / "case1.nii.gz"))
    assert main(["agreement", str(folders[0]), str(folders[1]), "--ct", str(tmp_path / "ct"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["inter"]["comparisons"][0]["metrics"]["mean_hu_a"]
    assert (found["n"], found["n_undefined"]) == (1, 5)
    assert found["mean"] == pytest.approx(hu[ball(5)].mean())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a"], "at least two masks"),
        (["a", "a/case1.nii.gz"], "masks only or folders only"),
        (["a", "b"], "Say where the result goes"),
        (["a/case1.nii.gz", "a/none.nii.gz"], "no file or folder 'none.nii.gz'"),
        (["a/case1.nii.gz", "b/case1.nrrd", "c/case1.mha"], "a folder of its own"),
        (["a/case1.nii.gz", "b/case1.nrrd", "--tolerance", "0"], "above 0"),
        (["a/case1.nii.gz", "b/case1.nrrd", "--label", "7"], "no segment '7'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    folders: list[Path], capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    root = folders[0].parent
    assert main(["agreement", *(str(root / w) if w[0] in "abc" else w for w in words)]) == 2
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert str(root) not in error

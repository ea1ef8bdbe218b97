"""The options of ``assess`` that change how a probability is presented, on the sample case and the bundled model."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.imaging.resample import geometry_of, to_sitk
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT
from support.sample import CT, MASK, PATIENT, run, voxels

CASE = ("assess", "--ct", CT, "--mask", MASK, "--phase", "unenhanced", "--patient", PATIENT)


def log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def test_the_assessment_has_all_that_stands_beside_a_probability(capsys) -> None:  # type: ignore[no-untyped-def]
    found = run(capsys, *CASE, "--json").json
    assert found["schema_version"] == 2
    assert {"prevalence", "what_if", "validity", "saliency", "conformal_set"} <= set(found)
    assert found["validity"] == {"outside": False, "findings": []}
    assert found["prevalence"]["setting"] == "training"
    assert found["saliency"] is None


@pytest.mark.parametrize(
    ("text", "value"), [("8%", 0.08), ("0.08", 0.08), ("incidentaloma", 0.08), ("surgical", 0.26), ("3.5 %", 0.035)]
)
def test_another_prevalence_moves_the_probability_by_the_prior_shift(text: str, value: float, capsys) -> None:  # type: ignore[no-untyped-def]
    trained = run(capsys, *CASE, "--json").json
    moved = run(capsys, *CASE, "--prevalence", text, "--json").json
    shift = log_odds(value) - log_odds(trained["prevalence"]["training"])
    assert moved["prevalence"]["log_odds"] == pytest.approx(shift)
    assert log_odds(moved["probability"]) - log_odds(trained["probability"]) == pytest.approx(shift, abs=1e-6)
    total = moved["baseline_log_odds"] + sum(item["log_odds"] for item in moved["contributions"]) + shift
    assert total == pytest.approx(log_odds(moved["probability"]), abs=1e-6)
    assert moved["contributions"] == trained["contributions"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--prevalence", "8"), "percent sign"),
        (("--prevalence", "often"), "not understood"),
        (("--prevalence", "100%"), "outside the range"),
        (("--level", "90"), "90% or 0.9"),
        (("--level", "sure"), "90% or 0.9"),
        (("--outside-range", "maybe"), "invalid choice"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused_before_anything_is_written(words, says, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    answer = run(capsys, *CASE, *words, "--out", tmp_path / "out")
    assert answer.code == 2
    assert says in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "out").exists()


def test_outside_the_validated_range_the_probability_is_hidden_and_shown_on_request(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    unknown = ("assess", "--ct", CT, "--mask", MASK, "--patient", PATIENT)
    hidden = run(capsys, *unknown, "--out", tmp_path / "hidden")
    assert hidden.code == 0
    assert "No probability" in hidden.out
    assert "Outside the validated range" in hidden.out
    assert SYNTHETIC_STATEMENT in hidden.out
    written = json.loads((tmp_path / "hidden" / "assessment.json").read_text(encoding="utf-8"))
    assert written["probability"] is None
    assert [f["code"] for f in written["validity"]["findings"]] == ["phase_unknown"]
    assert all(m["reason"].startswith("outside the validated range") for m in written["models"].values())
    shown = run(capsys, *unknown, "--outside-range", "show", "--json").json
    assert shown["probability"] is not None
    assert shown["validity"] == written["validity"]


@pytest.mark.parametrize(
    ("offset", "code", "hidden"), [(0, None, False), (45, "fat_attenuation", True), (90, "fat_not_found", False)]
)
def test_an_image_whose_scale_is_shifted_is_found(offset, code, hidden, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    hu, _, grid = voxels()
    sitk.WriteImage(to_sitk((hu + offset).astype(np.int16), grid), str(tmp_path / "ct.nii.gz"))
    words = ("assess", "--ct", tmp_path / "ct.nii.gz", "--mask", MASK, "--phase", "unenhanced", "--json")
    found = run(capsys, *words).json
    assert (found["probability"] is None) == hidden
    codes = {f["code"] for f in found["validity"]["findings"]} - {"age_missing", "spontaneous_hu_beyond_training"}
    assert codes == (set() if code is None else {code})


def test_the_saliency_volume_lies_on_the_cts_grid_within_the_mask(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    answer = run(capsys, *CASE, "--saliency", "--out", tmp_path)
    assert answer.code == 0, answer.err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["assessment.json", "report.html", "saliency.nii.gz"]
    image = sitk.ReadImage(str(tmp_path / "saliency.nii.gz"))
    assert image.GetPixelID() == sitk.sitkFloat32
    _, mask, grid = voxels()
    assert geometry_of(image).same_lattice(grid)
    values = sitk.GetArrayFromImage(image)
    outline = sitk.Resample(to_sitk(mask, grid), image, sitk.Transform(), sitk.sitkNearestNeighbor, 0)
    inside = sitk.GetArrayFromImage(outline).astype(bool)
    assert not values[~inside].any()
    assert values[inside].any()
    told = json.loads((tmp_path / "assessment.json").read_text(encoding="utf-8"))["saliency"]
    assert told["file"] == "saliency.nii.gz"
    volume_ml = float(np.prod(image.GetSpacing())) / 1000
    assert float(values.sum(dtype=float)) * volume_ml == pytest.approx(told["whole_structure_log_odds"], abs=0.02)
    assert "not where a tumour is malignant" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_two_lesions_have_a_saliency_volume_each(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    _, mask, grid = voxels()
    labels = mask.astype(np.uint8)
    labels[np.roll(mask, 3, axis=2) & ~mask] = 2
    sitk.WriteImage(to_sitk(labels, grid), str(tmp_path / "mask.nii.gz"))
    words = ("assess", "--ct", CT, "--mask", tmp_path / "mask.nii.gz", "--phase", "unenhanced", "--outside-range", "show")
    answer = run(capsys, *words, "--saliency", "--out", tmp_path / "out")
    assert answer.code == 0, answer.err
    names = {p.name for p in (tmp_path / "out").iterdir()}
    written = json.loads((tmp_path / "out" / "assessment.json").read_text(encoding="utf-8"))
    files = [a["saliency"]["file"] for a in written]
    assert len(set(files)) == 2
    assert names == {"assessment.json", "report.html", *files}

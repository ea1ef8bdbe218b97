"""The commands as their users run them, on the sample case and the bundled model."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from pathlib import Path

import pytest

from AdrenalClassifierLib.files import sha256_of
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource
from support.sample import CT, MASK, PATIENT, run

KEYS = {
    "schema_version", "lesion_id", "side", "probability", "interval", "model", "models", "conformal_set", "contributions",
    "measurements", "guidelines", "warnings", "missing", "provenance",
}  # fmt: skip


def test_demo_prints_four_probabilities_with_intervals_and_writes_the_report(tmp_path: Path, monkeypatch, capsys) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    answer = run(capsys, "demo")
    assert answer.code == 0
    assert "Probability of malignancy:" in answer.out
    assert SYNTHETIC_STATEMENT in answer.out
    rows = [line for line in answer.out.splitlines() if "%" in line and " to " in line and line.startswith("  Image")]
    assert len(rows) == 4
    assert "Long axis (axial)" in answer.out
    assert "ESE/ENSAT 2023" in answer.out
    folder = tmp_path / "adrenal-classifier-demo"
    assert sorted(p.name for p in folder.iterdir()) == ["assessment.json", "report.html"]
    assert SYNTHETIC_STATEMENT in (folder / "report.html").read_text(encoding="utf-8")
    written = json.loads((folder / "assessment.json").read_text(encoding="utf-8"))
    assert set(written) >= KEYS
    assert written["model"] == "combined"
    assert set(written["models"]) == set(MODELS)
    low, high = written["interval"]
    assert 0 < low <= written["probability"] <= high < 1


def test_contributions_of_the_printed_assessment_add_up_to_its_probability(capsys) -> None:  # type: ignore[no-untyped-def]
    found = run(capsys, "assess", "--ct", CT, "--mask", MASK, "--phase", "unenhanced", "--patient", PATIENT, "--json").json
    logit = found["baseline_log_odds"] + sum(item["log_odds"] for item in found["contributions"])
    assert 1 / (1 + math.exp(-logit)) == pytest.approx(found["probability"], abs=1e-9)


def test_json_is_alone_on_stdout_and_the_same_every_time(capsys) -> None:  # type: ignore[no-untyped-def]
    words = ("assess", "--ct", CT, "--mask", MASK, "--phase", "unenhanced", "--patient", PATIENT, "--json")
    first, second = run(capsys, *words).json, run(capsys, *words).json
    first["provenance"].pop("created")
    second["provenance"].pop("created")
    assert first == second
    assert first["provenance"]["weights_sha256"] == sha256_of(resource("Models", DEFAULT_MODEL) / "weights.safetensors")


def test_without_patient_and_phase_the_assessment_says_what_is_missing(capsys) -> None:  # type: ignore[no-untyped-def]
    found = run(capsys, "assess", "--ct", CT, "--mask", MASK, "--outside-range", "show", "--json").json
    assert found["model"] == "image+radiological"
    assert found["models"]["combined"] == {"probability": None, "interval": None, "reason": "no clinical value was given"}
    assert found["measurements"]["spontaneous_hu"] is None
    assert "cortisol_dst" in found["missing"]
    assert "phase_unknown" in {w["code"] for w in found["warnings"]}


def test_no_output_names_a_path_or_the_machine(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "somewhere"
    answer = run(capsys, "assess", "--ct", CT, "--mask", MASK, "--phase", "unenhanced", "--out", out)
    for text in (answer.out, *(p.read_text(encoding="utf-8") for p in out.iterdir())):
        assert str(CT.parent) not in text
        assert str(tmp_path) not in text


def test_measure_gives_the_documented_keys(capsys) -> None:  # type: ignore[no-untyped-def]
    found = run(capsys, "measure", "--ct", CT, "--mask", MASK, "--phase", "unenhanced", "--json").json
    assert {
        "volume_ml", "long_axis_mm", "short_axis_mm", "max_3d_diameter_mm", "mean_hu", "core_mean_hu", "sd_hu", "median_hu",
        "p10_hu", "p90_hu", "fat_fraction", "fluid_fraction", "calcium_fraction", "homogeneous", "absolute_washout_percent",
        "relative_washout_percent", "phase", "voxel_count",
    } <= set(found)  # fmt: skip
    text = run(capsys, "measure", "--ct", CT, "--mask", MASK, "--phase", "unenhanced").out
    assert f"{found['long_axis_mm']:.1f} mm" in text


def test_doctor_verifies_the_model_and_names_the_device(capsys) -> None:  # type: ignore[no-untyped-def]
    answer = run(capsys, "doctor")
    assert answer.code == 0
    assert "checksums verified" in answer.out
    assert SYNTHETIC_STATEMENT in answer.out
    found = run(capsys, "doctor", "--json").json
    assert found["model"]["whole"] is True
    assert found["device"]["name"] in ("cpu", "cuda", "mps")
    assert run(capsys, "doctor", "--model", CT.parent).code == 2


def test_a_cohort_is_made_checked_and_trained_on(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    cohort = tmp_path / "cohort"
    assert run(capsys, "cohort", "synthesize", "--out", cohort, "--lesions", 44, "--seed", 3, "--workers", 2).code == 0
    assert run(capsys, "cohort", "check", cohort / "cohort.csv", "--quick").code == 0
    model = tmp_path / "tiny-model"
    answer = run(capsys, "train", "--cohort", cohort / "cohort.csv", "--out", model, "--epochs", 1, "--workers", 2)
    assert answer.code == 0, answer.err
    assert SYNTHETIC_STATEMENT in answer.out
    assert sum("AUC" in line for line in answer.out.splitlines()) == 4
    found = run(capsys, "assess", "--ct", CT, "--mask", MASK, "--patient", PATIENT, "--model", model, "--json").json
    assert found["provenance"]["model_name"] == "tiny-model"
    assert found["statement"] == SYNTHETIC_STATEMENT
    (cohort / "cohort.csv").write_text((cohort / "cohort.csv").read_text().replace("right", "rigth", 1))
    answer = run(capsys, "cohort", "check", cohort / "cohort.csv", "--quick")
    assert answer.code == 2
    assert "Row " in answer.err
    assert "'side'" in answer.err
    assert run(capsys, "train", "--cohort", cohort / "cohort.csv", "--out", tmp_path / "other").code == 2
    assert not (tmp_path / "other").exists()


def test_the_program_starts_quickly_and_help_needs_nothing_heavy() -> None:
    code = (
        "import sys; from AdrenalClassifierLib.commands import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([n for n in ('numpy', 'torch', 'SimpleITK') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def test_demo_is_done_within_ten_seconds_of_starting_the_program(tmp_path: Path) -> None:
    program = Path(sys.executable).parent / "adrenal-classifier"
    started = time.perf_counter()
    done = subprocess.run([program, "demo", "--out", tmp_path / "out"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.perf_counter() - started < 10

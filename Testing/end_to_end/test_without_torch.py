"""Without torch everything but the probability works, and the answer says how to get it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.sample import CT, MASK, PATIENT

BLOCKED = """
import sys

class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in {packages!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent)
from AdrenalClassifierLib.commands import main
sys.exit(main(sys.argv[1:]))
"""


def run(packages: tuple[str, ...], *words: object) -> subprocess.CompletedProcess[str]:
    code = BLOCKED.format(packages=packages)
    return subprocess.run([sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("packages", [("torch",), ("safetensors",), ("torch", "safetensors", "sklearn")])
def test_assess_gives_measurements_and_guidelines(packages: tuple[str, ...], tmp_path: Path) -> None:
    words = ("assess", "--ct", CT, "--mask", MASK, "--phase", "unenhanced", "--patient", PATIENT, "--out", tmp_path, "--json")
    done = run(packages, *words)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["probability"] is None
    assert found["model"] is None
    for model in found["models"].values():
        assert "pip install 'adrenal-classifier[torch]'" in model["reason"]
    assert found["measurements"]["long_axis_mm"] > 40
    assert len(found["guidelines"]) == 9
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "No probability" in page
    assert "pip install" in page


def test_measure_and_doctor_work_and_training_says_what_it_needs(tmp_path: Path) -> None:
    assert run(("torch", "safetensors"), "measure", "--ct", CT, "--mask", MASK).returncode == 0
    doctor = run(("torch",), "doctor")
    assert doctor.returncode == 0
    assert "pip install 'adrenal-classifier[torch]'" in doctor.stdout
    (tmp_path / "cohort.csv").write_text("patient_id\n")
    train = run(("torch",), "train", "--cohort", tmp_path / "cohort.csv", "--out", tmp_path / "m")
    assert train.returncode == 2
    assert "pip install" in train.stderr
    assert "Traceback" not in train.stderr


def test_a_dicom_seg_without_highdicom_says_how_to_get_it(tmp_path: Path) -> None:
    from support.sample import as_dicom

    ct, seg = as_dicom(tmp_path)
    done = run(("highdicom",), "measure", "--ct", ct, "--mask", seg)
    assert done.returncode == 2
    assert "adrenal-classifier[dicom]" in done.stderr

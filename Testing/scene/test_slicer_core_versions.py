"""The scene's suite on other versions of Slicer's core, and a case saved on an older one that is restored on a newer one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".slicer-cores"
CORES = {"5.11.0.6": "9.6.0", "5.13.31053.0": "9.6.2"}
"""Version of slicer-core -> version of VTK that it was built with."""
HERE = "SLICER_CORE_UNDER_TEST"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(HERE in os.environ, reason="this is the suite that is run on another version"),
]


def core(version: str) -> Path:
    """The folder with a version's packages, outside the environment; installed when it is not there yet."""
    folder = CACHE / version
    if not (folder / "slicer").is_dir():
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        words += [f"slicer-core=={version}", f"vtk=={CORES[version]}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"slicer-core {version} cannot be installed: {done.stderr[-500:]}")
    return folder


def run(version: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Python with a version of the core first on its path."""
    path = [str(core(version)), str(ROOT / "AdrenalClassifier"), str(ROOT / "Testing")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), HERE: version}
    return subprocess.run([sys.executable, *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("version", CORES)
def test_the_suite_passes_on(version: str) -> None:
    which = run(version, "-c", "import slicer, vtk; print(slicer.__file__, vtk.vtkVersion().GetVTKVersion())")
    assert str(CACHE / version) in which.stdout, which.stderr
    assert CORES[version] in which.stdout
    done = run(version, "-m", "pytest", "-q", "-p", "no:cacheprovider", "Testing/scene")
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout


@pytest.mark.parametrize(("older", "newer"), [("5.11.0.6", "5.13.31053.0"), ("5.13.31053.0", "5.11.0.6")])
def test_a_case_saved_on_one_version_is_restored_on_another(older: str, newer: str, tmp_path: Path) -> None:
    tool = str(ROOT / "Testing" / "tools" / "carry_case.py")
    for version, do in ((older, "save"), (newer, "restore")):
        done = run(version, tool, do, str(tmp_path))
        assert done.returncode == 0, done.stderr[-3000:]
    told, restored = (json.loads((tmp_path / name).read_text(encoding="utf-8")) for name in ("told.json", "restored.json"))
    assert [lesion["stale"] for lesion in told["lesions"].values()] == [False, False]
    assert told["own nodes"].count("label") == told["own nodes"].count("saliency") == 2
    assert restored == told

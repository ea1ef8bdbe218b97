"""The house rules that machines can check: import contracts, no torch at import, style, types."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from AdrenalClassifierLib.commands.demo import SAMPLE
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "AdrenalClassifier" / "AdrenalClassifierLib"


def _run(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, **more)  # type: ignore[call-overload,no-any-return]


def _tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def test_every_room_imports_only_rooms_below_it() -> None:
    done = _run(_tool("lint-imports"), "--no-cache")
    assert done.returncode == 0, done.stdout


def test_importing_the_whole_library_does_not_load_torch_or_training_packages() -> None:
    modules = [
        ".".join(path.relative_to(LIBRARY.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted(LIBRARY.rglob("*.py"))
        if path.relative_to(LIBRARY).parts[0] not in ("desktop", "scene")  # they need 3D Slicer
    ]
    assert len(modules) > 20
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "heavy = ('torch', 'safetensors', 'sklearn', 'statsmodels', 'matplotlib', 'pandas', 'highdicom')\n"
        "print(sorted(n for n in heavy if n in sys.modules))"
    )
    done = _run(sys.executable, "-W", "error", "-c", code)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("words", [("check", "."), ("format", "--check", ".")])
def test_style(words: tuple[str, ...]) -> None:
    done = _run(_tool("ruff"), *words, "--no-cache")
    assert done.returncode == 0, done.stdout


def test_types_are_strict(tmp_path: Path) -> None:
    done = _run(_tool("mypy"), "--cache-dir", str(tmp_path))
    assert done.returncode == 0, done.stdout


def test_no_file_is_too_long_to_be_read_in_one_go() -> None:
    long = {str(p.relative_to(LIBRARY)): n for p in LIBRARY.rglob("*.py") if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_the_distribution_lists_every_package_and_ships_model_and_sample() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = set(re.findall(r'^  "(AdrenalClassifierLib[\w.]*)",$', text.split("packages = [")[1].split("]")[0], re.M))
    found = {".".join(p.parent.relative_to(LIBRARY.parent).parts) for p in LIBRARY.rglob("__init__.py")}
    assert listed == found | {"AdrenalClassifierLib.shipped"}
    assert resource("Models", DEFAULT_MODEL, "weights.safetensors").is_file()
    assert resource("SampleData", SAMPLE, "ct.nii.gz").is_file()
    with pytest.raises(AdrenalError, match="Install the software again"):
        resource("Models", "no-such-model")


def test_the_shipped_files_stay_small() -> None:
    def size(folder: str) -> int:
        return sum(p.stat().st_size for p in (ROOT / "Resources" / folder).rglob("*") if p.is_file())

    assert size("Models") < 15e6
    assert size("SampleData") < 6e6

"""The house rules that machines can check: import contracts, no torch at import, style, types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
    ]
    assert len(modules) > 20
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "print(sorted(n for n in ('torch', 'safetensors', 'sklearn', 'highdicom') if n in sys.modules))"
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

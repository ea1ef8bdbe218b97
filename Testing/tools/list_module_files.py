"""Writes the lists of scripts and resources in AdrenalClassifier/CMakeLists.txt as the folder has them.

python Testing/tools/list_module_files.py
"""

from __future__ import annotations

import re
from pathlib import Path

MODULE = Path(__file__).resolve().parents[2] / "AdrenalClassifier"
LISTS = MODULE / "CMakeLists.txt"
RESOURCES = (".json", ".css", ".ui", ".svg", ".png")


def scripts() -> list[str]:
    """Every Python file of the module, relative to its folder."""
    return ["AdrenalClassifier.py", *_found("AdrenalClassifierLib", (".py",))]


def resources() -> list[str]:
    """Every other file that the module needs to run."""
    return sorted([*_found("AdrenalClassifierLib", RESOURCES), *_found("Resources", RESOURCES)])


def _found(folder: str, endings: tuple[str, ...]) -> list[str]:
    paths = [p for p in (MODULE / folder).rglob("*") if p.suffix in endings and "__pycache__" not in p.parts]
    return sorted(p.relative_to(MODULE).as_posix() for p in paths)


def listed(name: str, text: str) -> list[str]:
    """The entries of a list in the text of a CMakeLists.txt."""
    inside = re.search(rf"set\({name}\n(.*?)  \)", text, re.S)
    return inside.group(1).split() if inside else []


def written(text: str) -> str:
    """The text with both lists as they should be."""
    for name, entries in (("MODULE_PYTHON_SCRIPTS", scripts()), ("MODULE_PYTHON_RESOURCES", resources())):
        lines = "".join(f"  {entry}\n" for entry in entries)
        text = re.sub(rf"(set\({name}\n).*?(  \))", lambda m, lines=lines: m.group(1) + lines + m.group(2), text, flags=re.S)
    return text


if __name__ == "__main__":
    LISTS.write_text(written(LISTS.read_text(encoding="utf-8")), encoding="utf-8")

"""Every text that can be translated: a literal with named places, filled by just those names."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

LIBRARY = Path(__file__).resolve().parents[2] / "AdrenalClassifier"
FILES = [
    path
    for path in (LIBRARY / "AdrenalClassifier.py", *sorted((LIBRARY / "AdrenalClassifierLib/desktop").glob("*.py")))
    if path.is_file()
]


def faults(source: str) -> list[str]:
    """What is wrong with the translated texts of a file."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            child.above = node  # type: ignore[attr-defined]
    found = []
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "translate")):
            continue
        where = f"line {node.lineno}"
        argument = node.args[-1] if node.args else None
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)) or node.keywords:
            found.append(f"{where}: the text is not a literal")
            continue
        try:
            places = {name for _, name, _, _ in string.Formatter().parse(argument.value) if name is not None}
        except ValueError:
            found.append(f"{where}: braces do not match")
            continue
        if any(not name.isidentifier() for name in places):
            found.append(f"{where}: a place has no name")
            continue
        found += [f"{where}: {text}" for text in _filled(node, places)]
    return found


def _filled(node: ast.Call, places: set[str]) -> list[str]:
    above = node.above  # type: ignore[attr-defined]
    call = getattr(above, "above", None)
    if not (isinstance(above, ast.Attribute) and above.attr == "format" and isinstance(call, ast.Call)):
        return ["a text with places is not filled"] if places else []
    if call.args or any(keyword.arg is None for keyword in call.keywords):
        return ["it is filled by position or by **"]
    given = {str(keyword.arg) for keyword in call.keywords}
    return [f"places {sorted(places)} are filled by {sorted(given)}"] if given != places else []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_text_is_a_literal_and_filled_by_its_own_names(path: Path) -> None:
    assert faults(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("_(f'{a}')", "not a literal"),
        ("_('a' + b)", "not a literal"),
        ("_('{} of')", "no name"),
        ("_('{0} of').format(1)", "no name"),
        ("_('{a} of')", "not filled"),
        ("_('{a} of').format(b=1)", "are filled by"),
        ("_('{a} of').format(a=1, b=2)", "are filled by"),
        ("_('{a} of').format(**c)", "by position"),
        ("_('plain').format(a=1)", "are filled by"),
    ],
)
def test_a_faulty_text_is_found(source: str, says: str) -> None:
    (fault,) = faults(source)
    assert says in fault


def test_the_desktop_has_texts() -> None:
    assert len(FILES) > 15
    assert sum(path.read_text(encoding="utf-8").count("_(") for path in FILES) > 100

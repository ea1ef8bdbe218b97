"""The tests that are meant for Slicer itself, run in the stand-in, so that they are known to be sound."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path
from typing import Any

import pytest

from standin.plugin import Host

FOLDER = Path(__file__).resolve().parents[1] / "Slicer"
CASES = sorted(path.stem for path in FOLDER.glob("*Test.py"))


@pytest.mark.parametrize("name", [*CASES, "AdrenalClassifier"])
def test_the_in_application_tests_hold(host: Host, module: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    suite = unittest.TestLoader().loadTestsFromName(name if name in CASES else f"{name}.{name}Test")
    assert suite.countTestCases() > 0
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0).run(suite)
    assert result.wasSuccessful(), "\n".join(text for _, text in [*result.errors, *result.failures])

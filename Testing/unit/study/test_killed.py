"""A reader's process that is killed at random points loses nothing that it was told is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools" / "kill_reader.py"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_twenty_kills_lose_nothing() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--times", "20", "--seed", "4"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["killed"] == 20
    assert found["lost"] == 0
    assert found["autosaves_begun"] > 20  # it was at work when it was killed


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_the_check_notices_a_loss() -> None:
    """The same run with a writer that forgets: autosaves that are acknowledged but not written.

    It ends at the first loss, after a few kills as a rule; the moments are random, so it may take more.
    """
    code = (
        f"import sys; sys.argv = ['x', '--times', '200', '--seed', '4']; sys.path.insert(0, {str(TOOL.parent)!r})\n"
        "import kill_reader\n"
        "kill_reader.work.autosave = lambda *words: None\n"
        "sys.exit(kill_reader.main())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "autosave" in done.stderr

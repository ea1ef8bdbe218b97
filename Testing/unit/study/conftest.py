"""Fixtures of the study room."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk() -> Iterator[None]:
    """Let fsync return at once: a simulated study flushes thousands of times. Tests of durability watch the calls themselves, and
    those that kill processes run outside of this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield

"""Fixtures of the scene's suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.session_case import OPEN
from support.slicer_core import scene, vtk_messages

__all__ = ["scene", "vtk_messages"]


@pytest.fixture(autouse=True)
def _no_session_outlives_its_test() -> Iterator[None]:
    yield
    for session in [*OPEN]:
        session.close()

"""Observers that are remembered, so that none is left behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import vtk


class Observers:
    """Adds observers to VTK objects and removes them again."""

    def __init__(self) -> None:
        self._kept: list[tuple[Any, int]] = []

    def add(self, source: Any, event: Any, call: Callable[[], None]) -> None:
        """Call ``call`` without arguments whenever ``source`` invokes ``event`` (a number or a name)."""
        self._kept.append((source, source.AddObserver(event, lambda _source, _event: call())))

    def add_with_object(self, source: Any, event: Any, call: Callable[[Any], None]) -> None:
        """Call ``call`` with the VTK object that goes with the event, such as the node that is removed."""

        @vtk.calldata_type(vtk.VTK_OBJECT)  # type: ignore[untyped-decorator,unused-ignore]
        def note(_source: Any, _event: Any, item: Any) -> None:
            call(item)

        self._kept.append((source, source.AddObserver(event, note)))

    def clear(self) -> None:
        """Remove all."""
        for source, tag in self._kept:
            source.RemoveObserver(tag)
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)

"""How a stand-in widget declares its members: Qt properties that a .ui file can set, signals by their C++ signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore


def declared(kind: str, name: str, default: Any) -> Any:
    """A Qt property kept by the stand-in itself; ``_changed(name)`` is called after it was set to another value."""

    def get(self: Any) -> Any:
        return kept(self).get(name, default)

    def put(self: Any, value: Any) -> None:
        before = get(self)
        kept(self)[name] = value
        if value != before:
            self._changed(name)

    return QtCore.Property(kind, get, put)


def kept(widget: Any) -> dict[str, Any]:
    """The private values of a stand-in."""
    values: dict[str, Any] = object.__getattribute__(widget, "__dict__").setdefault("_kept", {})
    return values


def finished(kind: Any) -> Any:
    """Class decorator: every declared property also has its setter."""
    for name, value in list(vars(kind).items()):
        if isinstance(value, QtCore.Property):
            setter = "set" + name[0].upper() + name[1:]
            if not hasattr(kind, setter):
                setattr(kind, setter, _setter(name))
    kind._KEEPS = True
    if "_changed" not in vars(kind) and not hasattr(kind, "_changed"):
        kind._changed = lambda self, name: None
    return kind


def _setter(name: str) -> Callable[[Any, Any], None]:
    return lambda self, value: setattr(self, name, value)

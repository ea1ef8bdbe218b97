"""The module's own icons, and marks beside texts that warn."""

from __future__ import annotations

from collections.abc import Callable

import qt

Resource = Callable[[str], str]
"""Gives the path of a file under the module's Resources folder."""


def icon(resource: Resource, name: str) -> qt.QIcon:
    """An icon by its file name without ``.svg``; drawn in colours that stand on light and on dark ground."""
    return qt.QIcon(resource(f"Icons/{name}.svg"))


def pixmap(resource: Resource, name: str, size: int = 16) -> qt.QPixmap:
    """The same as a picture, for a label."""
    return icon(resource, name).pixmap(size, size)

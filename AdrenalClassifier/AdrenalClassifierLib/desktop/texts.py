"""Texts that people read, in the application's language: ``from AdrenalClassifierLib.desktop.texts import _``.

``_`` takes a literal text with named placeholders: ``_("{count} lesions").format(count=3)``. Keys and file names are no texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    _: Callable[[str], str]
else:
    try:
        from slicer.i18n import tr as _
    except ImportError:  # outside of 3D Slicer

        def _(text):
            return text


__all__ = ["_"]

"""Colours of words and bars that suit a light and a dark palette. No colour says anything that words beside it do not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import qt

Tone = Literal["soft", "good", "caution", "bad", "for", "against", "mark", "track"]

_LIGHT: Mapping[Tone, str] = {
    "soft": "#55626f",
    "good": "#1d6b34",
    "caution": "#8a5200",
    "bad": "#a31919",
    "for": "#c2570c",
    "against": "#1f6fb2",
    "mark": "#1c2733",
    "track": "#c3ccd5",
}
_DARK: Mapping[Tone, str] = {
    "soft": "#a9b4be",
    "good": "#7fd497",
    "caution": "#ffc266",
    "bad": "#ff9b94",
    "for": "#ff9d52",
    "against": "#6cb6f5",
    "mark": "#ffffff",
    "track": "#5a6570",
}


def is_dark() -> bool:
    """Whether the application's palette is dark."""
    # A widget of its own: every widget starts with the application's palette, and this is a plain property.
    return bool(qt.QWidget().palette.color(qt.QPalette.Window).lightness() < 128)


def colour(tone: Tone, faded: bool = False) -> str:
    """The colour of a tone, as ``#rrggbb``; ``faded``: of a figure that no longer holds."""
    if faded and tone in ("for", "against"):
        return "#8c8c8c"
    if faded and tone != "track":
        tone = "soft"
    return (_DARK if is_dark() else _LIGHT)[tone]


def style_of(tone: Tone | None = None, *, bold: bool = False, faded: bool = False) -> str:
    """The style sheet of words in a tone."""
    style = f"color: {colour(tone or 'soft', faded)};" if tone or faded else ""
    return style + ("font-weight: bold;" if bold else "")


def say(label: Any, text: str, tone: Tone | None = None, *, bold: bool = False) -> None:
    """Show a text in a label in a tone, or hide the label when there is none. The label must have its place in a layout already:
    showing one without a parent would open a window."""
    style = style_of(tone, bold=bold)
    if label.styleSheet != style:
        label.setStyleSheet(style)
    if label.text != text:
        label.text = text
    label.setVisible(bool(text))

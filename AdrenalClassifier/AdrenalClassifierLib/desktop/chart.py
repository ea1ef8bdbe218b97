"""Charts of native widgets: a probability with its interval on a scale, and bars to both sides of a zero line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import qt

from AdrenalClassifierLib.desktop import widgets
from AdrenalClassifierLib.desktop.colours import Tone, colour

PARTS = 1000
"""Into how many parts a width is divided."""
LONGEST_VALUE = 44
"""Characters of what was given, beside a bar."""


def scale(probability: float, low: float, high: float, faded: bool) -> Any:
    """The probability as a mark in the bar of its interval, on a track from 0 to 100 %."""
    track = qt.QFrame()
    track.objectName = "probabilityScale"
    track.setFixedHeight(14)
    track.setStyleSheet(f"background: {colour('track', faded)}; border-radius: 4px;")
    line = qt.QHBoxLayout(track)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(0)
    at = _parts(probability)
    below, above = at - _parts(low), _parts(high) - at
    line.addStretch(max(_parts(low), 0))
    _add(line, _block("against", faded), below)
    line.addWidget(_block("mark", faded, height=14, width=4))
    _add(line, _block("against", faded), above)
    line.addStretch(max(PARTS - _parts(high), 0))
    return track


def bars(rows: Sequence[tuple[str, str, float, str]], widest: float, faded: bool) -> Any:
    """Bars from a zero line in the middle: label, value given, length, figure; to the right above 0."""
    chart = qt.QWidget()
    chart.objectName = "contributionChart"
    grid = qt.QGridLayout(chart)
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(6)
    grid.setVerticalSpacing(4)
    for column, stretch in enumerate((9, 8, 0)):
        grid.setColumnStretch(column, stretch)
    for at, (label, value, length, figure) in enumerate(rows):
        words = qt.QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(widgets.text_label(label, "soft" if faded else None))
        if value:
            given = widgets.text_label(shortened(value), "soft")
            given.toolTip = value
            words.addWidget(given)
        grid.addLayout(words, at, 0)
        grid.addWidget(_bar(length, widest, faded), at, 1)
        shown = qt.QLabel(figure)
        shown.setAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
        grid.addWidget(shown, at, 2)
    return chart


def shortened(text: str) -> str:
    """A list of values as far as two lines reach; the tooltip has all of them."""
    if len(text) <= LONGEST_VALUE:
        return text
    kept, _sep, _rest = text[:LONGEST_VALUE].rpartition("; ")
    return f"{kept or text[:LONGEST_VALUE]}; \u2026"


def _bar(length: float, widest: float, faded: bool) -> Any:
    frame = qt.QFrame()
    frame.setMinimumWidth(60)
    line = qt.QHBoxLayout(frame)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(0)
    filled = min(round(PARTS * abs(length) / widest), PARTS) if widest > 0 else 0
    zero = _block("mark", faded, height=20, width=1)
    if length < 0:
        line.addStretch(PARTS - filled)
        _add(line, _block("against", faded), filled)
        line.addWidget(zero)
        line.addStretch(PARTS)
    else:
        line.addStretch(PARTS)
        line.addWidget(zero)
        _add(line, _block("for", faded), filled)
        line.addStretch(PARTS - filled)
    return frame


def _block(tone: Tone, faded: bool, height: int = 12, width: int = 0) -> Any:
    """A filled rectangle, of a fixed width or as wide as its share of a line."""
    block = qt.QFrame()
    block.setFixedHeight(height)
    block.setStyleSheet(f"background: {colour(tone, faded)}; border-radius: 0px;")
    if width:
        block.setFixedWidth(width)
        block.setSizePolicy(qt.QSizePolicy.Fixed, qt.QSizePolicy.Fixed)
    else:
        block.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
    return block


def _add(line: Any, block: Any, share: int) -> None:
    """Give a block its share of a line; a block without a share is left out, since a stretch of 0 means "as you like"."""
    if share > 0:
        line.addWidget(block, share)


def _parts(share: float) -> int:
    return max(0, min(PARTS, round(PARTS * share)))

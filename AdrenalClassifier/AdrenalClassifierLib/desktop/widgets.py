"""Small widgets of the panels, set up the same way everywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import ctk
import qt

from AdrenalClassifierLib.desktop.colours import Tone, style_of


def text_label(text: str = "", tone: Tone | None = None, *, bold: bool = False, name: str = "") -> Any:
    """A label whose text wraps, is never taken for HTML, and can be selected with the mouse; hidden without a text."""
    label = qt.QLabel()
    label.setTextFormat(qt.Qt.PlainText)
    label.wordWrap = True
    label.setTextInteractionFlags(qt.Qt.TextSelectableByMouse)
    label.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Preferred)
    label.setMinimumWidth(40)
    if name:
        label.objectName = name
    label.setStyleSheet(style_of(tone, bold=bold))
    label.text = text  # after the size policy: it is the text that tells it that the height follows the width
    if not text:
        label.setVisible(False)
    return label


def button(text: str, slot: Callable[[], None], name: str, tip: str = "") -> Any:
    """A push button that may be narrower than its text."""
    made = qt.QPushButton(text)
    made.objectName = name
    made.toolTip = tip or text
    made.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
    made.setMinimumWidth(60)
    made.connect("clicked(bool)", lambda _on: slot())
    return made


def combo(items: Iterable[tuple[str, str]], name: str) -> Any:
    """A combo box with (text, data) that the mouse wheel does not change and that may be narrower than its texts."""
    made = ctk.ctkComboBox()
    made.objectName = name
    made.scrollWheelEffect = ctk.ctkComboBox.NeverScroll
    made.setSizeAdjustPolicy(qt.QComboBox.AdjustToMinimumContentsLengthWithIcon)
    made.minimumContentsLength = 4
    for text, data in items:
        made.addItem(text, data)
    return made


def choose(box: Any, data: str) -> None:
    """Select the item with this data without telling anybody."""
    index = box.findData(data)
    if index >= 0 and index != box.currentIndex:
        blocked = box.blockSignals(True)
        box.currentIndex = index
        box.blockSignals(blocked)


def set_text(edit: Any, text: str) -> None:
    """Put a text into a line edit without telling anybody."""
    if edit.text != text:
        blocked = edit.blockSignals(True)
        edit.text = text
        edit.blockSignals(blocked)


def section(title: str, name: str, *, collapsed: bool = False) -> tuple[Any, Any]:
    """A collapsible section and the layout to fill.

    The contents are in one widget of their own: folding and unfolding shows and hides that one and leaves what is in it alone.
    """
    made = ctk.ctkCollapsibleButton()
    made.text = title
    made.objectName = name
    outer = qt.QVBoxLayout(made)
    outer.setContentsMargins(6, 4, 6, 6)
    contents = qt.QWidget()
    outer.addWidget(contents)
    layout = qt.QVBoxLayout(contents)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    made.collapsed = collapsed
    return made, layout


def row(*widgets: Any) -> Any:
    """A horizontal layout of widgets without margins; all share the width."""
    layout = qt.QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget, 1)
    return layout


def empty(layout: Any) -> None:
    """Take everything out of a layout and delete it."""
    while layout.count():
        item = layout.takeAt(0)
        widget = item.widget()
        if widget is not None:
            widget.hide()
            widget.setParent(None)
            widget.deleteLater()
        elif item.layout() is not None:
            empty(item.layout())
            item.layout().deleteLater()

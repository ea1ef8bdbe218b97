"""Where lines from a laboratory system are pasted; what could not be read is said there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import qt

from AdrenalClassifierLib.desktop import widgets
from AdrenalClassifierLib.desktop.colours import say
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.patient.pasted import read_pasted


class PasteArea:
    """A text box that opens below the buttons. Its text is dropped as soon as it was read: it may name the patient.

    Args:
        take: takes over the values that were read.

    Attributes:
        widget: the area; hidden until ``open``.
    """

    def __init__(self, take: Callable[[Mapping[str, FormEntry]], None]) -> None:
        self._take = take
        self.widget = qt.QFrame()
        self.widget.objectName = "pasteArea"
        self.widget.setFrameShape(qt.QFrame.StyledPanel)
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(6, 6, 6, 6)
        about = _("Paste one or several lines from the laboratory system here: name, value, unit, reference range.")
        layout.addWidget(widgets.text_label(about, "soft"))
        self._text = qt.QPlainTextEdit()
        self._text.objectName = "pasteText"
        self._text.tabChangesFocus = True
        self._text.setMaximumHeight(90)
        layout.addWidget(self._text)
        read = widgets.button(_("Read the values"), self._read, "pasteRead")
        close = widgets.button(_("Close"), self._close, "pasteClose")
        layout.addLayout(widgets.row(read, close))
        self._problems = widgets.text_label(name="pasteProblems")
        self._notices = widgets.text_label(name="pasteNotices")
        layout.addWidget(self._problems)
        layout.addWidget(self._notices)
        self.widget.setVisible(False)

    def open(self) -> None:
        """Show the area, ready for Ctrl+V."""
        self.widget.setVisible(True)
        self._text.setFocus(qt.Qt.OtherFocusReason)

    def _close(self) -> None:
        self._text.setPlainText("")
        say(self._problems, "")
        say(self._notices, "")
        self.widget.setVisible(False)

    def _read(self) -> None:
        found = read_pasted(self._text.plainText)
        self._text.setPlainText("")
        if found.entries:
            self._take(found.entries)
        problems = [_("Not taken over:"), *(f"\u2022 {text}" for text in found.unread)] if found.unread else []
        say(self._problems, "\n".join(problems), "caution")
        say(self._notices, "\n".join(notice.text for notice in found.notices), "soft")
        if found.entries and not found.unread and not found.notices:
            self.widget.setVisible(False)

"""One value of the patient form: label, entry, unit, the laboratory's own limit, and what is to be said of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import qt

from AdrenalClassifierLib.desktop import widgets
from AdrenalClassifierLib.desktop.colours import Tone, say
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.patient.catalogue import Variable
from AdrenalClassifierLib.patient.form import FieldState
from AdrenalClassifierLib.patient.parse import FormEntry

Told = Callable[[str], None]


class PatientField:
    """The widgets of one variable, in one row and a line of words below it.

    Args:
        variable: of the catalogue.
        edited: called with the key while the person types.
        finished: called with the key when the person is done with an entry: Enter, another widget, a choice.
        onward: called with the widget in which Enter was pressed.
        back: called with the key when Escape was pressed.

    Attributes:
        key: of the variable.
        entries: widgets that take the keyboard, in their order.
    """

    def __init__(
        self, variable: Variable, edited: Told, finished: Told, onward: Callable[[Any], None], back: Told, layout: Any, at: int
    ) -> None:
        self.key, self.variable = variable.key, variable
        self._shortcuts: list[Any] = []
        self._edited, self._finished, self._onward, self._back = edited, finished, onward, back
        self.label = widgets.text_label(variable.label, name=f"label_{variable.key}")
        self.label.setTextInteractionFlags(qt.Qt.NoTextInteraction)
        self.label.toolTip = variable.help
        self.state = widgets.text_label(name=f"state_{variable.key}")
        layout.addWidget(self.label, 2 * at, 0)
        self.edit: Any = None
        self.unit: Any = None
        self.limit: Any = None
        self.choice: Any = None
        if variable.kind in ("number", "count"):
            self.edit = self._line_edit(f"value_{variable.key}", _("not available"), variable.help)
            layout.addWidget(self.edit, 2 * at, 1)
            if variable.units:
                self._add_unit(layout, 2 * at)
            if variable.kind == "number" and variable.group != "history":
                tip = _("The laboratory's own upper limit, in the unit beside it; leave it empty to use the usual limit.")
                self.limit = self._line_edit(f"limit_{variable.key}", _("limit"), tip)
                layout.addWidget(self.limit, 2 * at, 3)
        else:
            self._add_choice(layout, 2 * at)
        layout.addWidget(self.state, 2 * at + 1, 0, 1, 4)
        self._name_for_readers()
        self.entries = tuple(w for w in (self.edit, self.choice, self.unit, self.limit) if w is not None and w is not self._fixed)

    _fixed: Any = None
    """The label of the unit of a variable that has only one."""
    _shown = True

    def _name_for_readers(self) -> None:
        """Say what each widget is to those who cannot see the label beside it."""
        label = self.variable.label
        for widget in (self.edit, self.choice):
            if widget is not None:
                widget.accessibleName = label
        if self.limit is not None:
            self.limit.accessibleName = _("Upper limit of {label}").format(label=label)
        if self.unit is not None and self.unit is not self._fixed:
            self.unit.accessibleName = _("Unit of {label}").format(label=label)

    def _line_edit(self, name: str, placeholder: str, tip: str) -> Any:
        edit = qt.QLineEdit()
        edit.objectName = name
        edit.placeholderText = placeholder
        edit.toolTip = tip
        edit.setMinimumWidth(44)
        edit.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
        edit.connect("textEdited(QString)", lambda _text: self._edited(self.key))
        edit.connect("editingFinished()", self._done)
        edit.connect("returnPressed()", lambda: self._onward(edit))
        self._on_key(qt.Qt.Key_Escape, edit, lambda: self._back(self.key))
        return edit

    def _add_unit(self, layout: Any, at: int) -> None:
        units = self.variable.units
        if len(units) == 1:
            self.unit = self._fixed = widgets.text_label(units[0].name, "soft")
        else:
            self.unit = widgets.combo([(unit.name, unit.name) for unit in units], f"unit_{self.key}")
            self.unit.toolTip = _("Unit in which the laboratory reports. The number stays as typed; its meaning changes.")
            self._keys_of(self.unit)
        layout.addWidget(self.unit, at, 2)

    def _add_choice(self, layout: Any, at: int) -> None:
        if self.variable.kind == "flag":
            items = [("yes", _("yes")), ("no", _("no"))]
        else:
            items = [(choice.value, choice.label) for choice in self.variable.choices]
        self.choice = widgets.combo([(_("not available"), ""), *((text, value) for value, text in items)], f"value_{self.key}")
        self.choice.toolTip = self.variable.help
        self._keys_of(self.choice)
        layout.addWidget(self.choice, at, 1, 1, 3)

    def _keys_of(self, box: Any) -> None:
        box.connect("activated(int)", lambda _index: self._finished(self.key))
        for key in (qt.Qt.Key_Return, qt.Qt.Key_Enter):
            self._on_key(key, box, lambda: self._onward(box))
        self._on_key(qt.Qt.Key_Escape, box, lambda: self._back(self.key))

    def _on_key(self, key: Any, widget: Any, call: Callable[[], None]) -> None:
        """A key while the widget itself has the focus (not the list that it may have opened)."""
        shortcut = qt.QShortcut(qt.QKeySequence(key), widget)
        shortcut.setContext(qt.Qt.WidgetShortcut)
        shortcut.connect("activated()", call)
        self._shortcuts.append(shortcut)

    def _done(self) -> None:
        """Take a unit that was typed behind the number over into the list of units."""
        match = None if self.edit is None else re.fullmatch(r"\s*([<>=]?\s*[-+]?[0-9.,]+)\s*([^\s0-9.,].*)", self.edit.text)
        if match is not None and (unit := self.variable.find_unit(match[2])) is not None:
            widgets.set_text(self.edit, match[1].replace(" ", ""))
            if self.unit is not self._fixed:
                widgets.choose(self.unit, unit.name)
        self._finished(self.key)

    def entry(self) -> FormEntry | None:
        """What stands in the row, None when it is not available."""
        if self.choice is not None:
            return FormEntry(str(self.choice.currentData)) if self.choice.currentData else None
        text = self.edit.text.strip()
        if not text:
            return None
        return FormEntry(text, self._unit_name(), "" if self.limit is None else self.limit.text.strip())

    def _unit_name(self) -> str:
        if self.unit is None:
            return ""
        return self.variable.units[0].name if self.unit is self._fixed else str(self.unit.currentData)

    def show(self, entry: FormEntry | None) -> None:
        """Put an entry into the row; None empties it and leaves the unit."""
        if entry == self.entry():
            return
        if self.choice is not None:
            self._show_choice(entry)
            return
        widgets.set_text(self.edit, "" if entry is None else entry.text)
        if self.limit is not None:
            widgets.set_text(self.limit, "" if entry is None else entry.upper_limit)
        if entry is not None and self.unit is not None and self.unit is not self._fixed:
            unit = self.variable.find_unit(entry.unit)
            widgets.choose(self.unit, unit.name if unit else self.variable.units[0].name)

    def _show_choice(self, entry: FormEntry | None) -> None:
        text = "" if entry is None else entry.text
        widgets.choose(self.choice, text)
        if self.choice.currentData != text:
            wanted = text.strip().casefold()
            same = [c.value for c in self.variable.choices if wanted in (c.label.casefold(), *c.aliases)]
            widgets.choose(self.choice, same[0] if same else "")

    def say(self, state: FieldState) -> None:
        """Say what is to be said of the entry, in words and in a colour."""
        text, tone = words_of(state)
        text = text.removeprefix(f"{self.variable.label}: ")
        say(self.state, text, tone, bold=tone in ("bad", "caution"))
        if not self._shown:
            self.state.setVisible(False)

    def set_visible(self, visible: bool) -> None:
        """Show the row or hide it."""
        self._shown = visible
        for widget in (self.label, self.edit, self.choice, self.unit, self.limit):
            if widget is not None:
                widget.setVisible(visible)
        self.state.setVisible(visible and bool(self.state.text))


def words_of(state: FieldState) -> tuple[str, Tone]:
    """What a field says below its entry, and its tone."""
    limit = _("{limit} (the laboratory's)").format(limit=state.upper) if state.own_limit else state.upper
    other_unit = _("that is {value}").format(value=state.value) if state.value else ""
    if state.standing == "unacceptable":
        return " ".join(state.problems), "bad"
    if state.standing == "unusual":
        return " ".join(state.remarks), "caution"
    if state.standing == "above":
        text = _("above {limit}").format(limit=limit) if limit else _("above the limit")
        return _joined(other_unit, text), "caution"
    if state.standing == "below":
        return _joined(other_unit, _("below {limit}").format(limit=state.lower)), "caution"
    if state.standing == "open":
        text = _("cannot be compared with {limit}").format(limit=limit) if limit else _("the limit depends on sex or age")
        return _joined(other_unit, text), "soft"
    if state.standing == "within":
        if state.upper:
            return _joined(other_unit, _("not above {limit}").format(limit=limit)), "soft"
        return _joined(other_unit, _("not below {limit}").format(limit=state.lower)), "soft"
    return other_unit, "soft"


def _joined(other_unit: str, text: str) -> str:
    return f"{other_unit}, {text}" if other_unit else text

"""The patient's values: a form made from the catalogue, grouped, searchable, with undo, files and pasting."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import ctk
import qt

from AdrenalClassifierLib.desktop import patient_files, widgets
from AdrenalClassifierLib.desktop.colours import say
from AdrenalClassifierLib.desktop.patient_field import PatientField
from AdrenalClassifierLib.desktop.patient_paste import PasteArea
from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.desktop.unsaved import guard_of
from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.form import field_state
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_form
from AdrenalClassifierLib.patient.pasted_names import fold, load_names
from AdrenalClassifierLib.patient.record import PatientRecord

PAUSE_MS = 250
"""Time after the last key before an entry is read."""


class PatientPanel:
    """The form over the session's entries.

    Args:
        session: the work on one scene.
        resource: path of a file of the module's resources; not needed here.

    Attributes:
        widget: the panel.
    """

    def __init__(self, session: Any, resource: Callable[[str], str] | None = None) -> None:
        self._session = session
        self._before: Mapping[str, FormEntry] | None = None
        self._waiting: str | None = None
        self._folded: dict[str, bool] | None = None
        self.widget = qt.QWidget()
        self.widget.objectName = "patientPanel"
        self._timer = qt.QTimer(self.widget)  # gone with it, and its connection too
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.connect("timeout()", self._flush)
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._add_head(layout)
        self._add_fields(layout)
        self._show()
        session.changed.connect(self._told)

    def close(self) -> None:
        """Drop what is connected."""
        self._timer.stop()
        self._session.changed.disconnect(self._told)

    def enter(self) -> None:
        """The module is shown: colours may have changed."""
        self._show()

    def exit(self) -> None:
        """The module is left: nothing that was typed may wait."""
        self._flush()

    # -- making ---------------------------------------------------------------------------------------------------

    def _add_head(self, layout: Any) -> None:
        self._search = ctk.ctkSearchBox()
        self._search.objectName = "patientSearch"
        self._search.placeholderText = _("Search the fields")
        self._search.toolTip = _("Part of a name, such as cort, metan or 17")
        self._search.connect("textChanged(QString)", lambda _text: self._filter())
        self._count = widgets.text_label(name="patientCount")
        layout.addWidget(self._search)
        layout.addWidget(self._count)
        self._paste = widgets.button(
            _("Paste"), self._open_paste, "patientPaste", _("Paste lines copied from a laboratory system")
        )
        load = widgets.button(_("Load"), guarded(self._load), "patientLoad", _("Load values from a JSON file or a CSV row"))
        save = widgets.button(_("Save"), guarded(self._save), "patientSave", _("Save the values as a JSON file or a CSV row"))
        self._clear = widgets.button(_("Clear"), self._clear_all, "patientClear", _("Make all values not available"))
        layout.addLayout(widgets.row(self._paste, load, save, self._clear))
        self._said = widgets.text_label(name="patientSaid")
        self._undo = widgets.button(_("Undo"), self._undo_last, "patientUndo", _("Bring back the values as they were before"))
        self._undo.setVisible(False)
        line = qt.QHBoxLayout()
        line.addWidget(self._said, 3)
        line.addWidget(self._undo, 1)
        layout.addLayout(line)
        self._area = PasteArea(self._take)
        layout.addWidget(self._area.widget)
        self._none = widgets.text_label(_("No field has this in its name."), "soft", name="patientNoField")
        self._none.setVisible(False)
        layout.addWidget(self._none)

    def _add_fields(self, layout: Any) -> None:
        catalogue = load_catalogue()
        self._fields: dict[str, PatientField] = {}
        self._sections: dict[str, Any] = {}
        for group, label in catalogue.groups.items():
            made, inside = widgets.section(label, f"group_{group}", collapsed=group != "history")
            grid = qt.QGridLayout()
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setHorizontalSpacing(4)
            grid.setVerticalSpacing(3)
            for column, stretch in enumerate((12, 8, 8, 6)):
                grid.setColumnStretch(column, stretch)
            for at, variable in enumerate(v for v in catalogue.variables.values() if v.group == group):
                field = PatientField(variable, self._edited, self._finished, self._onward, self._back, grid, at)
                self._fields[variable.key] = field
            inside.addLayout(grid)
            inside.addStretch(1)
            layout.addWidget(made)
            self._sections[group] = made
        layout.addStretch(1)
        self._names = {key: _searched(key) for key in self._fields}
        order = [entry for field in self._ordered() for entry in field.entries]
        for first, second in pairwise(order):
            qt.QWidget.setTabOrder(first, second)

    def _ordered(self) -> list[PatientField]:
        """Fields as they stand on the screen."""
        groups = list(load_catalogue().groups)
        return sorted(self._fields.values(), key=lambda field: groups.index(field.variable.group))

    # -- typing ---------------------------------------------------------------------------------------------------

    def _edited(self, key: str) -> None:
        if self._waiting not in (None, key):
            self._flush()
        self._waiting = key
        self._timer.start()

    def _finished(self, key: str) -> None:
        self._edited(key)
        self._flush()

    def _flush(self) -> None:
        """Give the session what was typed last."""
        self._timer.stop()
        key, self._waiting = self._waiting, None
        if key is None:
            return
        entry = self._fields[key].entry()
        if entry != self._session.entries.get(key):
            self._forget_undo()
            self._session.set_entry(key, entry)

    def _onward(self, widget: Any) -> None:
        """Enter: the next field; within a row, Tab leads on to the unit and the limit."""
        shown = [field for field in self._ordered() if field.entries[0].visible]
        at = next((i for i, field in enumerate(shown) if any(entry is widget for entry in field.entries)), None)
        if at is not None and at + 1 < len(shown):
            following = shown[at + 1].entries[0]
            following.setFocus(qt.Qt.TabFocusReason)
            if shown[at + 1].edit is not None:
                following.selectAll()
        elif at is not None:
            self._flush()

    def _back(self, key: str) -> None:
        """Escape: what was there before this entry was begun."""
        self._timer.stop()
        self._waiting = None
        self._fields[key].show(self._session.entries.get(key))

    # -- the whole form -------------------------------------------------------------------------------------------

    def _replace(self, entries: Mapping[str, FormEntry], said: str) -> None:
        self._flush()
        before = self._session.entries
        self._session.set_entries(entries)
        self._before = before
        say(self._said, said)
        self._undo.setVisible(True)

    def _forget_undo(self) -> None:
        self._before = None
        self._said.setVisible(False)
        self._undo.setVisible(False)

    def _undo_last(self) -> None:
        before = self._before
        self._forget_undo()
        if before is not None:
            self._session.set_entries(before)
            say(self._said, _("The values are as they were before."))

    def _clear_all(self) -> None:
        self._flush()
        count = len(self._session.entries)
        if count:
            self._replace({}, _("{count} values were cleared.").format(count=count))
        else:
            self._forget_undo()
            say(self._said, _("There is nothing to clear."))

    def _load(self) -> None:
        entries, remarks = patient_files.load(self.widget)
        if entries is not None:
            count = _("{count} values were loaded in place of those before.").format(count=len(entries))
            self._replace(entries, " ".join([count, *remarks]))

    def _save(self) -> None:
        self._flush()
        record: PatientRecord = self._session.patient()[0]
        name = patient_files.save(self.widget, record)
        if name:
            guard_of(self._session).saved_values()
            self._forget_undo()
            say(self._said, _("Saved as {name}.").format(name=name))

    def _open_paste(self) -> None:
        self._area.open()

    def _take(self, entries: Mapping[str, FormEntry]) -> None:
        """Take over what was pasted."""
        self._flush()
        before = self._session.entries
        replaced = [key for key, entry in entries.items() if before.get(key, entry) != entry]
        said = _("{count} values were read.").format(count=len(entries))
        if replaced:
            labels = ", ".join(load_catalogue().variables[key].label for key in replaced)
            said += " " + _("Other values stood before in: {labels}.").format(labels=labels)
        for group in {load_catalogue().variables[key].group for key in entries}:
            self._sections[group].collapsed = False
        self._replace({**before, **entries}, said)

    # -- showing --------------------------------------------------------------------------------------------------

    def _told(self, topic: str) -> None:
        if topic == "patient":
            self._show()

    def _show(self) -> None:
        entries = self._session.entries
        sex, age = _sex_and_age(entries)
        bad, given = dict.fromkeys(self._sections, 0), dict.fromkeys(self._sections, 0)
        for key, field in self._fields.items():
            if key != self._waiting:
                field.show(entries.get(key))
            state = field_state(key, entries.get(key), sex, age)
            field.say(state)
            bad[field.variable.group] += state.standing == "unacceptable"
            given[field.variable.group] += key in entries
        text = _("{given} of {total} values given").format(given=len(entries), total=len(self._fields))
        faults = sum(bad.values())
        if faults:
            text += _("; {count} cannot be used").format(count=faults)
        say(self._count, text, "bad" if faults else None, bold=bool(faults))
        catalogue = load_catalogue()
        for group, made in self._sections.items():
            total = sum(field.variable.group == group for field in self._fields.values())
            part = f"{given[group]}/{total}"
            if bad[group]:
                part = _("{part}; {count} cannot be used").format(part=part, count=bad[group])
            made.text = f"{catalogue.groups[group]} ({part})"

    def _filter(self) -> None:
        """Show the fields whose name holds every word of the search."""
        words = fold(self._search.text).split()
        if words and self._folded is None:
            self._folded = {group: made.collapsed for group, made in self._sections.items()}
        found = {key: all(word in self._names[key] for word in words) for key in self._fields}
        for key, field in self._fields.items():
            field.set_visible(found[key])
        for group, made in self._sections.items():
            some = any(found[key] for key, field in self._fields.items() if field.variable.group == group)
            made.setVisible(some)
            if words:
                made.collapsed = False
            elif self._folded is not None:
                made.collapsed = self._folded[group]
        if not words:
            self._folded = None
        self._none.setVisible(bool(words) and not any(found.values()))


def _searched(key: str) -> str:
    """All names of a value in one text."""
    variable = load_catalogue().variables[key]
    names = [words for words, name in load_names().by_text.items() if key in name.keys]
    return fold(" ".join([variable.label, key, key.replace("_", " "), *names]))


def _sex_and_age(entries: Mapping[str, FormEntry]) -> tuple[str | None, Any]:
    """Sex and age as far as they can be read."""
    try:
        record, _notices = record_from_form({key: entries[key] for key in ("sex", "age") if key in entries})
    except PatientValueError:
        return None, None
    return record.choice("sex"), record.quantity("age")

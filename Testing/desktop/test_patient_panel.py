"""The patient form, filled with mouse and keyboard as a person does."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtTest import QTest

from AdrenalClassifierLib.desktop.patient_panel import PatientPanel
from AdrenalClassifierLib.desktop.unsaved import guard_of
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.scene.session import Session
from standin.plugin import Host
from support.stand_in_ports import ManualTimers, ManualWorker

import qt  # isort: skip


@pytest.fixture
def session(host: Host) -> Any:
    made = Session(host.scene, ManualWorker(), ManualTimers())
    yield made
    made.close()


@pytest.fixture
def panel(host: Host, session: Session) -> Any:
    made = PatientPanel(session)
    host.show(made.widget)
    yield made
    made.close()


def field(host: Host, panel: PatientPanel, name: str) -> Any:
    """A field, its section unfolded."""
    key = name.split("_", 1)[1]
    host.child(panel.widget, f"group_{load_catalogue().variables[key].group}").collapsed = False
    host.process()
    return host.child(panel.widget, name)


def said(host: Host, panel: PatientPanel, key: str) -> str:
    return str(host.child(panel.widget, f"state_{key}").text)


def test_every_variable_has_its_field_and_nothing_is_given_at_first(host: Host, panel: PatientPanel, session: Session) -> None:
    for variable in load_catalogue().variables.values():
        widget = host.child(panel.widget, f"value_{variable.key}")
        assert host.child(panel.widget, f"label_{variable.key}").toolTip == variable.help
        assert widget.accessibleName == variable.label
        if variable.kind in ("flag", "choice"):
            assert widget.currentText == "not available"
        else:
            assert (widget.text, widget.placeholderText) == ("", "not available")
    assert host.child(panel.widget, "patientCount").text == f"0 of {len(load_catalogue().variables)} values given"
    assert session.entries == {}


def test_a_value_is_typed_its_unit_switched_and_its_standing_said_in_words(
    host: Host, panel: PatientPanel, session: Session
) -> None:
    host.type(field(host, panel, "value_cortisol_dst"), "1,9")
    unit = field(host, panel, "unit_cortisol_dst")
    assert "usual in µg/dL: is the unit right?" in said(host, panel, "cortisol_dst")
    unit.setFocus()
    QTest.keyClick(unit, qt.Qt.Key_Down)  # µg/dL: the number stays, its meaning changes
    host.process()
    assert session.entries["cortisol_dst"] == FormEntry("1,9", "µg/dL")
    assert said(host, panel, "cortisol_dst") == "that is 52.4 nmol/L, above 1.81 µg/dL"
    host.type(field(host, panel, "limit_cortisol_dst"), "2")
    assert said(host, panel, "cortisol_dst") == "that is 52.4 nmol/L, not above 2 µg/dL (the laboratory's)"


def test_a_unit_typed_behind_the_number_is_taken_over(host: Host, panel: PatientPanel, session: Session) -> None:
    host.type(field(host, panel, "value_acth"), "< 5 ng/L")
    assert session.entries["acth"] == FormEntry("<5", "pg/mL")
    assert field(host, panel, "unit_acth").currentText == "pg/mL"


def test_what_cannot_be_used_is_said_and_counted(host: Host, panel: PatientPanel, session: Session) -> None:
    host.type(field(host, panel, "value_potassium"), "39")
    assert said(host, panel, "potassium") == session.problems_of("potassium")[0]
    assert "1 cannot be used" in host.child(panel.widget, "patientCount").text
    host.type(field(host, panel, "value_crp"), "abc")
    assert "2 cannot be used" in host.child(panel.widget, "patientCount").text


def test_the_keyboard_alone_is_enough(host: Host, panel: PatientPanel, session: Session) -> None:
    age = field(host, panel, "value_age")
    host.type(age, "54")
    assert qt.QApplication.focusWidget().name == "value_sex"
    QTest.keyClick(qt.QApplication.focusWidget(), qt.Qt.Key_Down)
    QTest.keyClick(qt.QApplication.focusWidget(), qt.Qt.Key_Return)
    host.process()
    assert session.entries["sex"].text == "female"
    assert qt.QApplication.focusWidget().name == "value_discovery_mode"
    QTest.keyClick(qt.QApplication.focusWidget(), qt.Qt.Key_Tab)
    assert qt.QApplication.focusWidget().name == "value_prior_cancer"
    field(host, panel, "value_cortisol_dst").setFocus()
    for name in ("unit_cortisol_dst", "limit_cortisol_dst", "value_cortisol_basal"):
        QTest.keyClick(qt.QApplication.focusWidget(), qt.Qt.Key_Tab)
        assert qt.QApplication.focusWidget().name == name


def test_enter_in_an_open_list_chooses_and_stays(host: Host, panel: PatientPanel, session: Session) -> None:
    sex = field(host, panel, "value_sex")
    sex.setFocus()
    sex.showPopup()
    host.process()
    QTest.keyClick(sex.view(), qt.Qt.Key_Down)
    QTest.keyClick(sex.view(), qt.Qt.Key_Return)
    host.process()
    assert session.entries["sex"].text == "female"
    assert qt.QApplication.focusWidget().name == "value_sex"


def test_escape_brings_back_what_was_there(host: Host, panel: PatientPanel, session: Session) -> None:
    edit = field(host, panel, "value_crp")
    host.type(edit, "5")
    host.type(edit, "77", finish=False)
    QTest.keyClick(edit, qt.Qt.Key_Escape)
    host.process(0.3)
    assert edit.text == "5"
    assert session.entries["crp"].text == "5"


def test_typing_is_read_after_a_pause_and_costs_little(host: Host, panel: PatientPanel, session: Session) -> None:
    for key in load_catalogue().variables:  # the worst case: a full form
        variable = load_catalogue().variables[key]
        text = "yes" if variable.kind == "flag" else variable.choices[0].value if variable.choices else "5"
        session.set_entry(key, FormEntry(text, variable.units[0].name if variable.units else ""))
    edit = field(host, panel, "value_crp")
    edit.setFocus()
    longest = 0.0
    for letter in "12":
        started = time.perf_counter()
        QTest.keyClick(edit, letter)
        longest = max(longest, time.perf_counter() - started)
    assert session.entries["crp"].text == "5"
    started = time.perf_counter()
    panel._flush()
    longest = max(longest, time.perf_counter() - started)
    assert session.entries["crp"].text == "512"
    print(f"longest step of an edit: {1000 * longest:.1f} ms")
    assert longest < 0.1


def test_the_wheel_changes_nothing(host: Host, panel: PatientPanel, session: Session) -> None:
    from PySide6 import QtCore, QtGui, QtWidgets

    sex = field(host, panel, "value_sex")
    sex.setFocus()
    event = QtGui.QWheelEvent(
        QtCore.QPointF(5, 5), QtCore.QPointF(5, 5), QtCore.QPoint(0, -120), QtCore.QPoint(0, -120),
        qt.Qt.NoButton, qt.Qt.NoModifier, qt.Qt.NoScrollPhase, False,
    )  # fmt: skip
    QtWidgets.QApplication.sendEvent(sex, event)
    host.process()
    assert sex.currentText == "not available"
    assert session.entries == {}


def test_the_search_shows_the_fields_that_are_meant(host: Host, panel: PatientPanel) -> None:
    search = host.child(panel.widget, "patientSearch")

    def shown() -> set[str]:
        host.process()
        return {key for key in load_catalogue().variables if host.child(panel.widget, f"label_{key}").isVisible()}

    search.text = "metan"
    assert shown() == {"metanephrine", "normetanephrine", "urine_metanephrine", "urine_normetanephrine"}
    search.text = "kalium"
    assert shown() == {"potassium"}
    host.picture(panel.widget, "patient_search")
    search.text = "nothing like it"
    assert shown() == set()
    assert host.child(panel.widget, "patientNoField").isVisible()
    search.text = ""
    assert shown() == {v.key for v in load_catalogue().variables.values() if v.group == "history"}  # folded as before


def test_a_laboratory_line_is_pasted_and_can_be_undone(host: Host, panel: PatientPanel, session: Session) -> None:
    host.type(field(host, panel, "value_potassium"), "4.0")
    host.click(host.child(panel.widget, "patientPaste"))
    host.child(panel.widget, "pasteText").setPlainText(
        "Mustermann, Erika; 12.03.1961; Kalium; 3,2; mmol/l; 3,5-5,1\nCortisol 380 nmol/l\nLDH 230 U/l"
    )
    host.click(host.child(panel.widget, "pasteRead"))
    assert session.entries["potassium"] == FormEntry("3,2", "mmol/L", "5,1")
    assert host.child(panel.widget, "patientSaid").text == "2 values were read. Other values stood before in: Potassium."
    assert "does not say which test" in host.child(panel.widget, "pasteProblems").text
    assert host.child(panel.widget, "pasteText").plainText == ""
    host.picture(panel.widget, "patient_pasted")
    host.click(host.child(panel.widget, "patientUndo"))
    assert session.entries == {"potassium": FormEntry("4.0", "mmol/L")}


def test_clear_can_be_undone_until_something_else_is_typed(host: Host, panel: PatientPanel, session: Session) -> None:
    host.type(field(host, panel, "value_crp"), "5")
    host.click(host.child(panel.widget, "patientClear"))
    assert session.entries == {}
    assert field(host, panel, "value_crp").text == ""
    host.click(host.child(panel.widget, "patientUndo"))
    assert field(host, panel, "value_crp").text == "5"
    host.click(host.child(panel.widget, "patientClear"))
    host.type(field(host, panel, "value_crp"), "6")
    assert not host.child(panel.widget, "patientUndo").isVisible()


@pytest.mark.parametrize("suffix", ["json", "csv"])
def test_values_are_saved_and_loaded(host: Host, panel: PatientPanel, session: Session, tmp_path: Path, suffix: str) -> None:
    session.set_entries({"acth": FormEntry("<5", "pg/mL", "60"), "sex": FormEntry("male"), "age": FormEntry("54", "years")})
    record = session.patient()[0]
    path = tmp_path / f"values.{suffix}"
    host.shown.files = [str(path)]
    host.click(host.child(panel.widget, "patientSave"))
    assert host.child(panel.widget, "patientSaid").text == f"Saved as values.{suffix}."
    assert guard_of(session).unsaved == ()
    session.set_entries({"crp": FormEntry("5", "mg/L")})
    assert guard_of(session).unsaved == ("patient values",)
    host.shown.files = [str(path)]
    host.click(host.child(panel.widget, "patientLoad"))
    assert session.patient()[0] == record
    assert host.child(panel.widget, "patientUndo").isVisible()
    host.shown.files = ["", ""]
    host.click(host.child(panel.widget, "patientLoad"))
    host.click(host.child(panel.widget, "patientSave"))
    assert session.patient()[0] == record


def test_a_file_without_a_value_does_not_empty_the_form(
    host: Host, panel: PatientPanel, session: Session, tmp_path: Path
) -> None:
    session.set_entries({"age": FormEntry("54", "years")})
    path = tmp_path / "values.json"
    path.write_text("{}", encoding="utf-8")
    host.shown.files = [str(path)]
    host.click(host.child(panel.widget, "patientLoad"))
    assert "holds no value" in host.shown.texts("error")[0]
    assert session.entries["age"].text == "54"


def test_a_file_that_cannot_be_read_is_one_sentence(host: Host, panel: PatientPanel, session: Session, tmp_path: Path) -> None:
    path = tmp_path / "values.json"
    path.write_text(json.dumps({"patient_name": "Mustermann"}), encoding="utf-8")
    host.shown.files = [str(path)]
    host.click(host.child(panel.widget, "patientLoad"))
    (message,) = host.shown.texts("error")
    assert "identifies the patient" in message
    assert "Mustermann" not in message
    assert str(tmp_path) not in message
    host.click(host.child(panel.widget, "patientSave"))
    assert "no value to save" in host.shown.texts("error")[1]


def test_another_scene_s_values_are_shown(host: Host, panel: PatientPanel, session: Session) -> None:
    session.set_entries({"diabetes": FormEntry("yes"), "sex": FormEntry("F"), "crp": FormEntry("5", "mg/dL")})
    host.process()
    assert host.child(panel.widget, "value_diabetes").currentText == "yes"
    assert host.child(panel.widget, "value_sex").currentText == "Female"
    assert host.child(panel.widget, "unit_crp").currentText == "mg/dL"
    session.set_entries({})
    assert host.child(panel.widget, "value_diabetes").currentText == "not available"


FILLED = {
    "age": FormEntry("54", "years"),
    "sex": FormEntry("female"),
    "hypertension": FormEntry("yes"),
    "prior_cancer_site": FormEntry("other_gastrointestinal"),
    "cortisol_dst": FormEntry("1,9", "µg/dL"),
    "cortisol_basal": FormEntry("abc", "nmol/L"),
    "urinary_free_cortisol": FormEntry("12000", "nmol/24h"),
    "salivary_cortisol": FormEntry("3", "nmol/L"),
    "acth": FormEntry("<5", "pg/mL", "60"),
}


@pytest.mark.parametrize("name", ["plain", "longer", "dark"])
def test_pictures(host: Host, session: Session, name: str) -> None:
    host.longer(0.4 if name == "longer" else 0)
    host.dark(name == "dark")
    panel = PatientPanel(session)
    host.show(panel.widget)
    session.set_entries(FILLED)
    host.child(panel.widget, "group_cortisol").collapsed = False
    host.child(panel.widget, "group_catecholamines").collapsed = False
    host.picture(panel.widget, f"patient_{name}")
    panel.close()


def test_the_form_is_made_quickly(host: Host, session: Session) -> None:
    started = time.perf_counter()
    panel = PatientPanel(session)
    took = time.perf_counter() - started
    print(f"made in {1000 * took:.0f} ms")
    assert took < 1.0
    panel.close()
    assert len(session.changed) == 0

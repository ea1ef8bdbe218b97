"""Patient values to and from a file that the person chooses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import qt

from AdrenalClassifierLib.cohort.patient_row import read_patient_row, write_patient_row
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.files import write_json
from AdrenalClassifierLib.patient.form import form_entries
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_json
from AdrenalClassifierLib.patient.record import PatientRecord


def load(parent: Any) -> tuple[dict[str, FormEntry] | None, list[str]]:
    """Ask for a file and read it; entries (None when the person cancels) and remarks.

    Raises:
        PatientValueError: it cannot be read, or holds no value: those in the form must not be lost to it.
    """
    chosen = qt.QFileDialog.getOpenFileName(parent, _("Load patient values"), "", _("Patient values") + " (*.json *.csv)")
    if not chosen:
        return None, []
    path = Path(chosen)
    if path.suffix.lower() == ".csv":
        found = read_patient_row(path)
        record, notices = found.record, found.notices
    else:
        record, notices = record_from_json(path)
    if not record.values:
        raise PatientValueError(_("This file holds no value, so the form was left as it is; choose another file."))
    return form_entries(record), [notice.text for notice in notices]


def save(parent: Any, record: PatientRecord) -> str:
    """Ask for a file and write the values; its name, "" when the person cancels. Raises PatientValueError, OutputError."""
    if not record.values:
        raise PatientValueError(_("There is no value to save; enter one first."))
    kinds = "JSON (*.json);;CSV (*.csv)"
    chosen = qt.QFileDialog.getSaveFileName(parent, _("Save patient values"), "patient.json", kinds)
    if not chosen:
        return ""
    path = Path(chosen)
    if path.suffix.lower() == ".csv":
        write_patient_row(path, record)
    else:
        path = path if path.suffix else path.with_suffix(".json")
        write_json(path, record.to_json())
    return path.name

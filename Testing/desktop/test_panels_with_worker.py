"""Patient, result and export panels over the real session and the real worker process, on the sample case."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from AdrenalClassifierLib.cohort.patient_row import read_patient_row
from AdrenalClassifierLib.desktop import sample_case
from AdrenalClassifierLib.desktop.export_panel import ExportPanel
from AdrenalClassifierLib.desktop.patient_panel import PatientPanel
from AdrenalClassifierLib.desktop.process import WorkerProcess
from AdrenalClassifierLib.desktop.result_panel import ResultPanel
from AdrenalClassifierLib.desktop.timers import QtTimers
from AdrenalClassifierLib.report.wording import percent
from AdrenalClassifierLib.scene.session import Session
from standin.plugin import Host

import qt  # isort: skip
import slicer  # isort: skip


@pytest.fixture
def session(host: Host) -> Any:
    made = Session(slicer.mrmlScene, WorkerProcess(), QtTimers())
    sample_case.open_in(made, sample_case.load_nodes())
    yield made
    made.close()


def test_values_typed_a_result_a_report_and_the_next_case(host: Host, session: Session, tmp_path: Path) -> None:
    patient, result, export = PatientPanel(session), ResultPanel(session), ExportPanel(session)
    for panel in (patient, result, export):
        host.show(panel.widget)

    def child(name: str) -> Any:
        found = [p.widget.findChild(qt.QWidget, name) for p in (patient, result, export)]
        return next(widget for widget in found if widget is not None)

    host.type(child("value_age"), "\b\b\b\b")  # the sample has its own values
    session.set_entries({})
    host.type(child("value_age"), "54")
    child("group_general").collapsed = False
    host.process()
    host.type(child("value_ldh"), "230")
    assert session.not_yet == ()
    host.click(child("runButton"))
    longest = 0.0
    end = time.monotonic() + 120
    while session.run.state != "idle":
        assert time.monotonic() < end
        assert session.run.state != "failed", session.run.failure
        started = time.perf_counter()
        qt.QApplication.processEvents()
        longest = max(longest, time.perf_counter() - started)
        time.sleep(0.005)
    print(f"longest turn of the event loop: {1000 * longest:.0f} ms")
    host.process()
    found = session.result(session.current or "")
    assert found.assessment is not None
    assert found.assessment.result is not None
    assert child("resultProbability").text == percent(found.assessment.result.probability)
    assert child("resultStatement").text == found.assessment.statement
    assert child("showSaliency").isVisible()
    host.click(child("showSaliency"))
    assert session.saliency_visible
    host.click(child("showSaliency"))

    host.shown.files = [str(tmp_path / "report.html"), str(tmp_path / "a.csv"), str(tmp_path / "a.json"), str(tmp_path / "p.csv")]
    host.click(child("export_html"))
    host.wait(lambda: child("exportSaid").text.startswith("Written"), 60)
    assert percent(found.assessment.result.probability).replace(" ", "&nbsp;") in (tmp_path / "report.html").read_text()
    host.click(child("export_csv"))
    host.click(child("export_json"))
    assert json.loads((tmp_path / "a.json").read_text())["statement"] == found.assessment.statement
    host.click(child("patientSave"))
    assert read_patient_row(tmp_path / "p.csv").record == session.patient()[0]

    started = time.perf_counter()
    host.type(child("value_ldh"), "0")
    print(f"an edit that makes the result stale: {1000 * (time.perf_counter() - started):.0f} ms")
    assert child("runButton").text == "Update"
    assert child("staleBanner").isVisible()
    assert not child("export_html").enabled
    host.click(child("nextCase"))
    assert "patient values" in child("nextCaseAsked").text
    host.click(child("nextCaseDiscard"))
    assert session.entries == {}
    assert child("value_ldh").text == ""
    assert host.shown.texts("error") == []
    for panel in (patient, result, export):
        panel.close()
    assert len(session.changed) == 0

"""What leaves the case, and the way on to the next one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from AdrenalClassifierLib.desktop.export_panel import ExportPanel
from AdrenalClassifierLib.desktop.unsaved import CaseGuard, UnsavedWorkError
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.scene.ports import Failure
from AdrenalClassifierLib.scene.running import RunState
from standin.plugin import Host
from support.assessed import assessments
from support.stand_in_session import StandInSession

import qt  # isort: skip
import slicer  # isort: skip


@pytest.fixture
def session() -> StandInSession:
    return StandInSession()


@pytest.fixture
def panel(host: Host, session: StandInSession) -> Any:
    made = ExportPanel(session)
    host.show(made.widget)
    yield made
    made.close()
    assert len(session.changed) == 0
    assert not slicer.mrmlScene.HasObserver(slicer.vtkMRMLScene.EndSaveEvent)


def child(panel: ExportPanel, name: str) -> Any:
    return panel.widget.findChild(qt.QWidget, name)


def classified(session: StandInSession) -> None:
    session.tell("result", results={"a": (assessments()["normal"], False)})


def enabled(panel: ExportPanel) -> set[str]:
    return {name for name in ("html", "pdf", "csv", "json", "dicom") if child(panel, f"export_{name}").enabled}


def test_every_button_says_why_it_cannot_be_pressed(host: Host, panel: ExportPanel, session: StandInSession) -> None:
    session.tell("lesions", names=(), current=None)
    assert enabled(panel) == set()
    assert "There is no lesion yet." in child(panel, "exportReasons").text
    session.tell("lesions", names=("a",), current="a")
    assert enabled(panel) == {"csv"}
    assert "press Classify first" in child(panel, "exportReasons").text
    classified(session)
    assert enabled(panel) == {"csv", "json", "html"}
    reasons = child(panel, "exportReasons").text
    assert "needs the browser component" in reasons
    assert "loaded from DICOM files" in reasons
    session.tell("patient", results={"a": (assessments()["normal"], True)})
    assert enabled(panel) == {"csv"}
    assert "press Update first" in child(panel, "exportReasons").text
    session.tell("run", run=RunState("running", 1, 4))
    assert enabled(panel) == set()
    assert not child(panel, "nextCase").enabled


def test_table_and_results_are_written_where_the_person_says(
    host: Host, panel: ExportPanel, session: StandInSession, tmp_path: Path
) -> None:
    classified(session)
    host.shown.files = [str(tmp_path / "a"), "", str(tmp_path / "b.json")]
    host.click(child(panel, "export_csv"))
    assert session.asked == [("csv", tmp_path / "a.csv")]
    assert child(panel, "exportSaid").text == "Written: a.csv"
    host.click(child(panel, "export_json"))
    assert len(session.asked) == 1
    host.click(child(panel, "export_json"))
    assert session.asked[1:] == [("json", tmp_path / "b.json")]


def test_a_report_comes_later_or_fails_in_words(host: Host, panel: ExportPanel, session: StandInSession, tmp_path: Path) -> None:
    classified(session)
    path = tmp_path / "report.html"
    host.shown.files = [str(path), str(path)]
    host.click(child(panel, "export_html"))
    _, asked, done, _ = session.asked[-1]
    assert asked == path
    assert child(panel, "exportSaid").text == "Writing …"
    assert enabled(panel) == set()
    done((path,))
    assert child(panel, "exportSaid").text == "Written: report.html"
    host.click(child(panel, "export_html"))
    session.asked[-1][3](Failure("OutputError", "Cannot write 'report.html': disk full.", ""))
    assert child(panel, "exportSaid").text == "Cannot write 'report.html': disk full."
    assert enabled(panel) == {"csv", "json", "html"}


def test_an_export_that_is_refused_at_once_leaves_nothing_under_way(
    host: Host, panel: ExportPanel, session: StandInSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from AdrenalClassifierLib.errors import OutputError

    classified(session)

    def refuse(*_: Any) -> None:
        raise OutputError("A result is out of date.")

    monkeypatch.setattr(session, "write_report", refuse, raising=False)
    host.shown.files = [str(tmp_path / "report.html")]
    host.click(child(panel, "export_html"))
    assert host.shown.texts("error") == ["A result is out of date."]
    assert "html" in enabled(panel)


def test_dicom_objects_of_a_ct_from_dicom(host: Host, panel: ExportPanel, session: StandInSession, tmp_path: Path) -> None:
    ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    ct.SetAttribute("DICOM.instanceUIDs", "1.2.1 1.2.2")
    slicer.dicomDatabase.paths.update({"1.2.1": "one.dcm", "1.2.2": "two.dcm"})
    try:
        session.ct = ct
        session.tell("ct")
        assert enabled(panel) == {"csv", "dicom"}  # an outline needs no result
        classified(session)
        host.shown.files = [str(tmp_path)]
        host.click(child(panel, "export_dicom"))
        name, folder, files, done, _ = session.asked[-1]
        assert (name, folder, files) == ("dicom", tmp_path, [Path("one.dcm"), Path("two.dcm")])
        done((tmp_path / "segmentation.dcm", tmp_path / "measurements.dcm"))
        assert child(panel, "exportSaid").text == "Written: segmentation.dcm, measurements.dcm"
    finally:
        slicer.dicomDatabase.paths.clear()


class Web(qt.QObject):
    """The members of qSlicerWebWidget that a PDF needs."""

    from PySide6 import QtCore

    SIGNALS: ClassVar[dict[str, str]] = {
        "loadFinished(bool)": "loadFinished",
        "pdfPrintingFinished(QString,bool)": "pdfPrintingFinished",
    }
    loadFinished = QtCore.Signal(bool)
    pdfPrintingFinished = QtCore.Signal(str, bool)
    made: ClassVar[list[Any]] = []

    def __init__(self) -> None:
        super().__init__()
        Web.made.append(self)
        self.printed: list[str] = []

    def setUrl(self, url: str) -> None:
        self.opened = url

    def printToPdf(self, path: str) -> None:
        self.printed.append(path)


def test_a_pdf_is_printed_by_the_browser_component(
    host: Host, panel: ExportPanel, session: StandInSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicer, "qSlicerWebWidget", Web, raising=False)
    classified(session)
    host.shown.files = [str(tmp_path / "report.pdf")]
    host.click(child(panel, "export_pdf"))
    _, page, done, _ = session.asked[-1]
    assert page.parent.is_dir()
    assert page.parent != tmp_path
    done((page,))
    web = Web.made[-1]
    assert web.opened == page.as_uri()
    web.loadFinished.emit(True)
    assert web.printed == [str(tmp_path / "report.pdf")]
    web.pdfPrintingFinished.emit(str(tmp_path / "report.pdf"), True)
    assert child(panel, "exportSaid").text == "Written: report.pdf"
    assert not page.parent.exists()
    host.shown.files = [str(tmp_path / "report.pdf")]
    host.click(child(panel, "export_pdf"))
    session.asked[-1][2]((page,))
    Web.made[-1].loadFinished.emit(False)
    assert "could not be opened for printing" in child(panel, "exportSaid").text


def test_a_pdf_without_a_place_for_temporary_files_is_refused_in_words(
    host: Host, panel: ExportPanel, session: StandInSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slicer, "qSlicerWebWidget", Web, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    classified(session)
    host.shown.files = [str(tmp_path / "report.pdf")]
    host.click(child(panel, "export_pdf"))
    assert host.shown.texts("error") == ["There is no place for temporary files. Free some space on the disk and try again."]
    assert "pdf" in enabled(panel)


def test_next_lesion_leads_on_and_ends_at_the_last(host: Host, panel: ExportPanel, session: StandInSession) -> None:
    session.tell("lesions", names=("a", "b"))
    host.click(child(panel, "nextLesion"))
    assert session.current == "b"
    assert not child(panel, "nextLesion").enabled
    assert child(panel, "nextLesion").toolTip == "This is the last lesion."


def test_the_next_case_asks_before_anything_is_lost(host: Host, panel: ExportPanel, session: StandInSession) -> None:
    session.entries["crp"] = FormEntry("5", "mg/L")
    classified(session)
    host.click(child(panel, "nextCase"))
    assert "new case" not in session.asked
    assert child(panel, "nextCaseAsked").text == ("Not in a file yet, and lost with the next case: results, patient values.")
    assert host.shown.messages == []  # no dialog that a test would answer with yes
    host.picture(panel.widget, "export_question")
    host.click(child(panel, "nextCaseStay"))
    assert not child(panel, "nextCaseQuestion").isVisible()
    host.click(child(panel, "nextCase"))
    host.click(child(panel, "nextCaseDiscard"))
    assert session.asked[-1] == "new case"


@pytest.mark.parametrize("how", ["csv", "scene"])
def test_what_lies_in_a_file_may_go(host: Host, panel: ExportPanel, session: StandInSession, tmp_path: Path, how: str) -> None:
    classified(session)
    if how == "csv":
        host.shown.files = [str(tmp_path / "a.csv")]
        host.click(child(panel, "export_csv"))
    else:
        slicer.mrmlScene.InvokeEvent(slicer.vtkMRMLScene.EndSaveEvent)
    assert panel.guard.unsaved == ()
    session.entries["crp"] = FormEntry("5", "mg/L")
    assert panel.guard.unsaved == ("patient values",)
    del session.entries["crp"]
    host.click(child(panel, "nextCase"))
    assert session.asked[-1] == "new case"


def test_the_guard_itself_refuses() -> None:
    session = StandInSession(results={"a": (assessments()["normal"], False)})
    guard = CaseGuard(session)
    with pytest.raises(UnsavedWorkError, match="not saved"):
        guard.next_case()
    session.run = RunState("running", 1, 2)
    with pytest.raises(UnsavedWorkError, match="is running"):
        guard.next_case(discard=True)
    assert session.asked == []


@pytest.mark.parametrize("look", ["plain", "longer", "dark"])
@pytest.mark.parametrize("state", ["empty", "classified", "stale"])
def test_pictures(host: Host, session: StandInSession, state: str, look: str) -> None:
    host.longer(0.4 if look == "longer" else 0)
    host.dark(look == "dark")
    if state != "empty":
        session.results = {"a": (assessments()["normal"], state == "stale")}
    panel = ExportPanel(session)
    host.show(panel.widget)
    host.picture(panel.widget, f"export_{state}_{look}")
    panel.close()


def test_an_error_does_not_stand_beside_what_was_said_of_an_earlier_file(
    host: Host, panel: ExportPanel, session: StandInSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from AdrenalClassifierLib.errors import OutputError

    def refuse(*_: Any) -> None:
        raise OutputError("Cannot write 'b.csv': No space left on device.")

    classified(session)
    host.shown.files = [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]
    host.click(child(panel, "export_csv"))
    assert child(panel, "exportSaid").text == "Written: a.csv"
    monkeypatch.setattr(session, "write_csv", refuse)
    host.click(child(panel, "export_csv"))
    assert child(panel, "exportSaid").text == ""
    assert len(host.shown.texts("error")) == 1

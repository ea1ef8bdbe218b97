"""What leaves the case: report, table, JSON, DICOM objects; and the way on to the next lesion or case."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt
import slicer

from AdrenalClassifierLib.desktop import dicom_phase, pdf, widgets
from AdrenalClassifierLib.desktop.colours import say
from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.desktop.unsaved import guard_of
from AdrenalClassifierLib.errors import OutputError

FORMATS = ("html", "pdf", "csv", "json", "dicom")


class ExportPanel:
    """Buttons for every format, each with its reason when it cannot be pressed.

    Args:
        session: the work on one scene.
        resource: path of a file of the module's resources; not needed here.

    Attributes:
        widget: the panel.
        guard: what lies in files already.
    """

    def __init__(self, session: Any, resource: Callable[[str], str] | None = None) -> None:
        self._session = session
        self.guard = guard_of(session)
        self._printer = pdf.PdfPrinter()
        self._writing = ""
        self._folder: Path | None = None
        self.widget = qt.QWidget()
        self.widget.objectName = "exportPanel"
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        labels = {
            "html": _("Report"), "pdf": _("Report as PDF"), "csv": _("Table (CSV)"), "json": _("JSON"),
            "dicom": _("DICOM SEG and SR"),
        }  # fmt: skip
        slots = {"html": self._html, "pdf": self._pdf, "csv": self._csv, "json": self._json, "dicom": self._dicom}
        self._buttons = {name: widgets.button(labels[name], guarded(slots[name]), f"export_{name}") for name in FORMATS}
        layout.addLayout(widgets.row(self._buttons["html"], self._buttons["pdf"]))
        layout.addLayout(widgets.row(self._buttons["csv"], self._buttons["json"]))
        layout.addWidget(self._buttons["dicom"])
        self._reasons = widgets.text_label(name="exportReasons")
        layout.addWidget(self._reasons)
        self._said = widgets.text_label(name="exportSaid")
        layout.addWidget(self._said)
        self._lesion = widgets.button(
            _("Next lesion"), guarded(self._next_lesion), "nextLesion", _("Turn to the lesion after this one")
        )
        tip = _("Begin a new case; volumes and outlines stay in the scene")
        self._case = widgets.button(_("Next case"), guarded(self._next_case), "nextCase", tip)
        layout.addLayout(widgets.row(self._lesion, self._case))
        self._add_question(layout)
        layout.addStretch(1)
        self._watch = slicer.mrmlScene.AddObserver(slicer.vtkMRMLScene.EndSaveEvent, self._scene_saved)
        self._show()
        session.changed.connect(self._told)

    def _add_question(self, layout: Any) -> None:
        """Asked in the panel, since a dialog is answered with yes where nobody sits."""
        self._question = qt.QFrame()
        self._question.objectName = "nextCaseQuestion"
        self._question.setFrameShape(qt.QFrame.StyledPanel)
        inside = qt.QVBoxLayout(self._question)
        inside.setContentsMargins(6, 6, 6, 6)
        self._asked = widgets.text_label(name="nextCaseAsked")
        inside.addWidget(self._asked)
        discard = widgets.button(_("Discard and go on"), guarded(self._discard), "nextCaseDiscard")
        stay = widgets.button(_("Stay with this case"), self._stay, "nextCaseStay")
        inside.addLayout(widgets.row(discard, stay))
        self._question.setVisible(False)
        layout.addWidget(self._question)

    def close(self) -> None:
        """Drop what is connected."""
        self._session.changed.disconnect(self._told)
        slicer.mrmlScene.RemoveObserver(self._watch)
        self._printer.stop()
        self._forget_folder()

    # -- writing --------------------------------------------------------------------------------------------------

    def _html(self) -> None:
        path = self._ask_file(_("Write the report"), "report.html", "HTML (*.html)")
        if path is not None:
            self._begin("html")
            self._call(lambda: self._session.write_report(path, lambda files: self._written(files[0].name), self._not_written))

    def _pdf(self) -> None:
        path = self._ask_file(_("Write the report"), "report.pdf", "PDF (*.pdf)")
        if path is None:
            return
        self._forget_folder()
        try:
            folder = self._folder = Path(tempfile.mkdtemp(prefix="adrenal-report-"))
        except OSError as error:
            raise OutputError(_("There is no place for temporary files. Free some space on the disk and try again.")) from error

        def printed(files: tuple[Path, ...]) -> None:
            self._printer.start(files[0], path, lambda: self._written(path.name), self._failed)

        self._begin("pdf")
        self._call(lambda: self._session.write_report(folder / "report.html", printed, self._not_written))

    def _csv(self) -> None:
        path = self._ask_file(_("Write the table"), "lesions.csv", "CSV (*.csv)")
        if path is not None:
            say(self._said, "")  # what was said of an earlier file must not stand beside an error
            self._session.write_csv(path)
            self._written(path.name)

    def _json(self) -> None:
        path = self._ask_file(_("Write the results"), "assessment.json", "JSON (*.json)")
        if path is not None:
            say(self._said, "")
            self._session.write_json(path)
            self._written(path.name)

    def _dicom(self) -> None:
        chosen = qt.QFileDialog.getExistingDirectory(self.widget, _("Folder for the DICOM files"))
        if chosen:
            files = [Path(name) for name in dicom_phase.files_of(self._session.ct)]

            def done(written: tuple[Path, ...]) -> None:
                self._written(", ".join(path.name for path in written))

            self._begin("dicom")
            self._call(lambda: self._session.write_dicom(Path(chosen), files, done, self._not_written))

    def _ask_file(self, title: str, name: str, kinds: str) -> Path | None:
        chosen = qt.QFileDialog.getSaveFileName(self.widget, title, name, kinds)
        if not chosen:
            return None
        path = Path(chosen)
        return path if path.suffix else path.with_suffix(Path(name).suffix)

    def _call(self, write: Callable[[], None]) -> None:
        """Ask for a file that comes later; when it is refused at once, nothing is under way."""
        try:
            write()
        except Exception:
            self._end()
            say(self._said, "")
            raise

    def _begin(self, name: str) -> None:
        self._writing = name
        say(self._said, _("Writing …"), "soft")
        self._show()

    def _end(self) -> None:
        self._writing = ""
        self._forget_folder()
        self._show()

    def _written(self, name: str) -> None:
        self.guard.saved_results()
        self._end()
        say(self._said, _("Written: {name}").format(name=name), "good")

    def _not_written(self, failure: Any) -> None:
        self._failed(failure.text)

    def _failed(self, text: str) -> None:
        self._end()
        say(self._said, text, "bad", bold=True)

    def _forget_folder(self) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    # -- onward ---------------------------------------------------------------------------------------------------

    def _next_lesion(self) -> None:
        if not self._session.next_lesion():
            say(self._said, _("This was the last lesion."), "soft")

    def _next_case(self) -> None:
        lost = self.guard.unsaved
        if self._session.run.state in ("starting", "running") or not lost:
            self.guard.next_case()
            self._question.setVisible(False)
            return
        what = ", ".join(lost)
        say(self._asked, _("Not in a file yet, and lost with the next case: {what}.").format(what=what), "caution", bold=True)
        self._question.setVisible(True)

    def _discard(self) -> None:
        self._question.setVisible(False)
        self.guard.next_case(discard=True)

    def _stay(self) -> None:
        self._question.setVisible(False)

    # -- showing --------------------------------------------------------------------------------------------------

    def _scene_saved(self, *_event: Any) -> None:
        self.guard.saved()

    def _told(self, topic: str) -> None:
        if topic not in ("measurements", "patient") or self._question.visible:
            self._question.setVisible(False)
        if topic in ("patient", "options", "result", "lesions", "ct"):
            say(self._said, "")
        self._show()

    def _show(self) -> None:
        session = self._session
        running = session.run.state in ("starting", "running")
        reasons = {name: self._why_not(name, running) for name in FORMATS}
        for name, made in self._buttons.items():
            made.enabled = not reasons[name]
            made.toolTip = reasons[name] or made.text
        shown = list(dict.fromkeys(reason for reason in reasons.values() if reason))
        say(self._reasons, "\n".join(f"\u2022 {reason}" for reason in shown), "soft")
        lesions = session.lesions
        last = not lesions or session.current == lesions[-1].segment_id
        self._lesion.enabled = not last
        self._lesion.toolTip = _("This is the last lesion.") if last else _("Turn to the lesion after this one")
        self._case.enabled = not running and not self._writing
        self._case.toolTip = (
            _("Wait until the computation is done, or cancel it.")
            if running or self._writing
            else _("Begin a new case; volumes and outlines stay in the scene")
        )

    def _why_not(self, name: str, running: bool) -> str:
        """Why a file cannot be written now, "" when it can."""
        session = self._session
        if running or self._writing:
            return _("Something is being computed or written.")
        results = [session.result(lesion.segment_id) for lesion in session.lesions]
        if not session.lesions:
            return _("There is no lesion yet.")
        if name == "csv":
            return ""
        if name == "dicom":  # outlines and measurements go out without a result, too
            came = _came_from_dicom(session.ct)
            return "" if came else _("DICOM SEG and SR need a CT that was loaded from DICOM files; this one was not.")
        if not any(result.assessment is not None for result in results):
            return _("There is no result yet: press Classify first. The table needs none.")
        if any(result.stale for result in results):
            return _("A result is out of date: press Update first.")
        return pdf.why_not() if name == "pdf" else ""


def _came_from_dicom(ct: Any) -> bool:
    """Whether the database knows a volume's first slice; all slices are looked up when they are needed."""
    instances = [] if ct is None else dicom_phase.instances_of(ct)
    database = getattr(slicer, "dicomDatabase", None)
    return bool(instances) and database is not None and bool(database.isOpen) and bool(database.fileForInstance(instances[0]))

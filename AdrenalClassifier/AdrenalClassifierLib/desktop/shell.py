"""The module's panel: six sections one below the other, the statement above them, the state of the work below."""

from __future__ import annotations

import contextlib
from typing import Any

import slicer

from AdrenalClassifierLib.desktop import sample_case
from AdrenalClassifierLib.desktop.ct_panel import CtPanel
from AdrenalClassifierLib.desktop.dicom_phase import stated_phase
from AdrenalClassifierLib.desktop.export_panel import ExportPanel
from AdrenalClassifierLib.desktop.icons import Resource, pixmap
from AdrenalClassifierLib.desktop.measure_panel import MeasurePanel
from AdrenalClassifierLib.desktop.patient_panel import PatientPanel
from AdrenalClassifierLib.desktop.process import WorkerProcess
from AdrenalClassifierLib.desktop.result_panel import ResultPanel
from AdrenalClassifierLib.desktop.segment_panel import SegmentPanel
from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.statement import statement_of
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.desktop.timers import QtTimers, after
from AdrenalClassifierLib.scene.ports import Timers, Worker
from AdrenalClassifierLib.scene.session import Session

UNFOLDED_MS = 100
"""A section that is unfolded has its place and height after this time."""


class Shell:
    """Everything that the module shows.

    Args:
        resource: finds the module's files.
        worker, timers: what the session works with; the application's own unless a test gives others.
    """

    def __init__(self, resource: Resource, worker: Worker | None = None, timers: Timers | None = None) -> None:
        self.session = Session(slicer.mrmlScene, worker or WorkerProcess(), timers or QtTimers(), stated_phase)
        self.widget = slicer.util.loadUI(resource("UI/AdrenalClassifier.ui"))
        self._ui = ui = slicer.util.childWidgetVariables(self.widget)
        self.widget.setMRMLScene(slicer.mrmlScene)
        ui.statementIcon.setPixmap(pixmap(resource, "statement", 20))
        session = self.session
        self.ct = CtPanel(session, resource, self.open_sample)
        self.segment = SegmentPanel(session, resource)
        self.measure = MeasurePanel(session, resource)
        self.patient = PatientPanel(session, resource)
        self.result = ResultPanel(session, resource)
        self.export = ExportPanel(session, resource)
        self._panels: list[Any] = [self.ct, self.segment, self.measure, self.patient, self.result, self.export]
        sections = (ui.ctSection, ui.segmentSection, ui.measureSection, ui.patientSection, ui.resultSection, ui.exportSection)
        for section, panel in zip(sections, self._panels, strict=True):
            section.layout().addWidget(panel.widget)
        self._sections = sections
        self._closed = self._entered = False
        ui.statusButton.connect("clicked()", guarded(self._go))
        ui.newCaseButton.connect("clicked()", guarded(session.start_new_case))
        session.changed.connect(self._changed)
        self._show_statement()
        self.render()

    def enter(self) -> None:
        """The module is shown."""
        self.session.enter()
        self.session.choose_visible_ct()
        if not self._entered:
            self._entered = True
            slicer.app.connect("focusChanged(QWidget*,QWidget*)", self._focus_moved)
        for panel in self._panels:
            if hasattr(panel, "enter"):
                panel.enter()
        self.render()

    def exit(self) -> None:
        """Another module is shown."""
        self._follow_no_focus()
        for panel in self._panels:
            if hasattr(panel, "exit"):
                panel.exit()
        self.session.leave()

    def close(self) -> None:
        """Leave no observer, process, overlay or connection behind, even where one of the panels fails to."""
        self._closed = True
        self._follow_no_focus()
        with contextlib.ExitStack() as last_first:
            last_first.callback(self.widget.deleteLater)
            last_first.callback(self.widget.setMRMLScene, None)
            last_first.callback(self.session.close)
            for panel in self._panels:
                last_first.callback(panel.close)
            last_first.callback(self.session.changed.disconnect, self._changed)

    def _follow_no_focus(self) -> None:
        if self._entered:
            self._entered = False
            slicer.app.disconnect("focusChanged(QWidget*,QWidget*)", self._focus_moved)
            self.segment.allow_keys(True)

    def _focus_moved(self, _before: Any, now: Any) -> None:
        """Leave the keys to whom the person types at."""
        elsewhere = now is not None and self.widget.isAncestorOf(now) and not self.segment.widget.isAncestorOf(now)
        self.segment.allow_keys(not elsewhere)

    def open_sample(self) -> sample_case.SampleCase:
        """Load the sample case and make it the one at work."""
        sample = sample_case.load_nodes()
        sample_case.open_in(self.session, sample)
        return sample

    def _changed(self, topic: str) -> None:
        if topic == "options":
            self._show_statement()
        self.render()

    def _show_statement(self) -> None:
        self._ui.statementLabel.text = statement_of(self.session.model)

    def render(self) -> None:
        """Show the state of the work."""
        problem = self.session.problem or ""
        self._ui.problemFrame.visible = bool(problem)
        self._ui.problemLabel.text = problem
        status = self.status()
        if self._ui.statusLabel.text != status:
            self._ui.statusLabel.text = status

    def _go(self) -> None:
        """Open the section in which the next step is done, and bring it into view."""
        section = self._sections[self.next_section() - 1]
        section.collapsed = False
        after(UNFOLDED_MS, lambda: self._scroll_to(section))

    def _scroll_to(self, section: Any) -> None:
        if not self._closed:
            bar = self._ui.sectionsArea.verticalScrollBar()
            bar.setValue(min(section.y, bar.maximum))

    def next_section(self) -> int:
        """Number of the section in which the next step is done, 1 to 6."""
        session = self.session
        if session.ct is None or session.ct_problem is not None:
            return 1
        if session.current is None or next(item for item in session.lesions if item.segment_id == session.current).empty:
            return 2
        if session.not_yet and session.run.state not in ("starting", "running"):
            return 4
        result = session.result(session.current)
        return 5 if result.assessment is None or result.stale else 6

    def status(self) -> str:
        """One line: what runs, else what is missing before Classify, else what can be done."""
        session = self.session
        run = session.run
        if run.state in ("starting", "running"):
            return _("Classifying: {what}").format(what=run.what) if run.what else _("Classifying …")
        reasons = session.not_yet
        if reasons:
            more = len(reasons) - 1
            text = _("Not yet ready: {reason}").format(reason=reasons[0])
            return text if more == 0 else _("{text} (and {count} more)").format(text=text, count=more)
        result = session.result(session.current or "")
        if result.assessment is None:
            return _("Ready: press Classify in section 5.")
        if result.stale:
            return _("The result is out of date: press Update in section 5.")
        return _("Classified. The report can be written in section 6.")

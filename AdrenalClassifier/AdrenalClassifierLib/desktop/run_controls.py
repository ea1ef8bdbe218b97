"""The controls of a classification: run, cancel, progress, what went wrong, and how the result is to be presented."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import qt

from AdrenalClassifierLib.desktop import widgets
from AdrenalClassifierLib.desktop.colours import say
from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.model.prevalence import NAMED, Prevalence, parse_prevalence
from AdrenalClassifierLib.report.sentences import share

MISSING_PACKAGE = "MissingDependencyError"


class RunControls:
    """Buttons, progress and failure; and the choice of the prevalence.

    Attributes:
        widget: the controls.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._cancelled = False
        self.widget = qt.QWidget()
        self.widget.objectName = "runControls"
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._run = widgets.button(_("Classify"), guarded(self._classify), "runButton")
        self._all = widgets.button(_("Classify all lesions"), guarded(self._classify_all), "runAllButton")
        self._cancel = widgets.button(_("Cancel"), guarded(self._stop), "cancelButton", _("End the computation now"))
        layout.addLayout(widgets.row(self._run, self._all, self._cancel))
        self._reasons = widgets.text_label(name="runReasons")
        layout.addWidget(self._reasons)
        self._bar = qt.QProgressBar()
        self._bar.objectName = "runProgress"
        self._bar.textVisible = False
        self._bar.setMaximumHeight(10)
        layout.addWidget(self._bar)
        self._what = widgets.text_label(name="runWhat")
        layout.addWidget(self._what)
        self._add_failure(layout)
        self._add_prevalence(layout)

    def _add_failure(self, layout: Any) -> None:
        self._failure = widgets.text_label(name="runFailure")
        layout.addWidget(self._failure)
        self._install = widgets.button(
            _("Install what is missing"), guarded(self._install_packages), "installButton",
            _("Install the packages that the model needs; you are asked before anything is downloaded"),
        )  # fmt: skip
        self._more = widgets.button(
            _("Details"), self._show_details, "detailsButton", _("The last lines that the computation wrote")
        )
        layout.addLayout(widgets.row(self._install, self._more))
        self._details = qt.QPlainTextEdit()
        self._details.objectName = "runDetails"
        self._details.readOnly = True
        self._details.setMaximumHeight(110)
        self._details.setVisible(False)
        layout.addWidget(self._details)

    def _add_prevalence(self, layout: Any) -> None:
        items = [
            (_("as in the training cohort"), "training"),
            (_("as among incidentalomas ({share})").format(share=share(NAMED["incidentaloma"])), "incidentaloma"),
            (_("as among operated lesions ({share})").format(share=share(NAMED["surgical"])), "surgical"),
            (_("another one"), "own"),
        ]
        tip = _("How common malignancy is among the patients you see; the probability is given for this prevalence.")
        self._prevalence = widgets.combo(items, "prevalenceBox")
        self._prevalence.toolTip = tip
        self._prevalence.connect("activated(int)", lambda _index: self._choose_prevalence())
        self._own = qt.QLineEdit()
        self._own.objectName = "prevalenceOwn"
        self._own.placeholderText = "%"
        self._own.toolTip = _("Prevalence of malignancy in per cent, 0.1 to 99.9")
        self._own.setSizePolicy(qt.QSizePolicy.Ignored, qt.QSizePolicy.Fixed)
        self._own.setMinimumWidth(44)
        self._own.connect("editingFinished()", self._take_own)
        self._asking_own = False
        line = qt.QHBoxLayout()
        line.setSpacing(4)
        caption = widgets.text_label(_("Prevalence"))
        caption.toolTip = tip
        line.addWidget(caption, 3)
        line.addWidget(self._prevalence, 6)
        line.addWidget(self._own, 2)
        layout.addLayout(line)
        self._wrong = widgets.text_label(name="prevalenceProblem")
        layout.addWidget(self._wrong)

    # -- what buttons do ------------------------------------------------------------------------------------------

    def _classify(self) -> None:
        self._cancelled = False
        self._session.classify()

    def _classify_all(self) -> None:
        self._cancelled = False
        self._session.classify(all_lesions=True)

    def _stop(self) -> None:
        self._cancelled = True
        self._session.cancel()

    def came(self) -> None:
        """A result has come: it was not cancelled after all."""
        self._cancelled = False

    def _show_details(self) -> None:
        self._details.setVisible(not self._details.visible)

    def _install_packages(self) -> None:
        from AdrenalClassifierLib.desktop import dependencies

        if dependencies.install(self.widget):
            self._classify()

    def _choose_prevalence(self) -> None:
        setting = self._prevalence.currentData
        self._asking_own = setting == "own"
        say(self._wrong, "")
        if setting == "own":
            self._own.setVisible(True)
            self._own.setFocus(qt.Qt.OtherFocusReason)
            return
        self._own.setVisible(False)
        value = None if setting == "training" else NAMED[setting]
        self._set_prevalence(Prevalence(setting, value))

    def _take_own(self) -> None:
        text = self._own.text.strip().rstrip("%").strip()
        if not text:
            return
        try:
            found = parse_prevalence(text + "%")
        except AdrenalError:
            say(self._wrong, _("Give the prevalence in per cent, from 0.1 to 99.9."), "bad")
            return
        say(self._wrong, "")
        self._set_prevalence(Prevalence("own", found.value))

    def _set_prevalence(self, prevalence: Prevalence) -> None:
        self._session.set_options(replace(self._session.options, prevalence=prevalence))

    # -- showing --------------------------------------------------------------------------------------------------

    def show(self, assessment: Any, stale: bool) -> None:
        """Show the state of the run. ``assessment``: the current lesion's last one, None before it."""
        session = self._session
        run = session.run
        active = run.state in ("starting", "running")
        reasons = () if active else session.not_yet
        several = sum(not lesion.empty for lesion in session.lesions) > 1
        self._run.text = _("Update") if stale else _("Classify again") if assessment is not None else _("Classify")
        self._run.enabled = not active and not reasons
        self._run.toolTip = "\n".join(reasons) or _("Compute the probability of malignancy for the current lesion")
        self._run.setVisible(not active)
        self._all.enabled = not active and not reasons
        self._all.setVisible(several and not active)
        self._cancel.setVisible(active)
        head = [_("Not yet:")] if reasons else []
        say(self._reasons, "\n".join([*head, *(f"\u2022 {reason}" for reason in reasons)]), "soft")
        self._show_progress(run, active)
        self._show_failure(run, assessment, active)
        self._show_prevalence(active)

    def _show_progress(self, run: Any, active: bool) -> None:
        self._bar.setVisible(active)
        if active:
            self._bar.maximum = run.total if run.state == "running" else 0
            self._bar.value = run.done
            say(self._what, run.what or _("Starting the computation"), "soft")
        else:
            say(self._what, _("Cancelled. Nothing was changed.") if self._cancelled and run.state == "idle" else "", "soft")

    def _show_failure(self, run: Any, assessment: Any, active: bool) -> None:
        failure = run.failure if run.state == "failed" else None
        say(self._failure, "" if failure is None else failure.text, "bad", bold=True)
        lacks = failure is not None and failure.code == MISSING_PACKAGE
        lacks = lacks or (assessment is not None and assessment.statement is None)
        self._install.setVisible(lacks and not active)
        details = "" if failure is None else failure.details
        self._more.setVisible(bool(details))
        if self._details.plainText != details:
            self._details.setPlainText(details)
        if not details:
            self._details.setVisible(False)

    def _show_prevalence(self, active: bool) -> None:
        prevalence = self._session.options.prevalence
        own = prevalence.setting == "own" or self._asking_own
        widgets.choose(self._prevalence, "own" if own else prevalence.setting)
        self._prevalence.enabled = self._own.enabled = not active
        self._own.setVisible(own)
        if prevalence.setting == "own" and prevalence.value is not None and not self._own.focus:
            widgets.set_text(self._own, f"{100 * prevalence.value:g}")

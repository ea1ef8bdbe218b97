"""Classify, and what came out of it for the current lesion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import qt

from AdrenalClassifierLib.desktop import widgets
from AdrenalClassifierLib.desktop.colours import say
from AdrenalClassifierLib.desktop.result_view import ResultView
from AdrenalClassifierLib.desktop.run_controls import RunControls
from AdrenalClassifierLib.desktop.slots import guarded
from AdrenalClassifierLib.desktop.texts import _

_TOPICS = ("ct", "lesions", "current", "measurements", "patient", "options", "run", "result", "problem")


class ResultPanel:
    """Run controls, the result of the current lesion, and the switches of what is drawn in the views.

    Args:
        session: the work on one scene.
        resource: path of a file of the module's resources; not needed here.

    Attributes:
        widget: the panel.
    """

    def __init__(self, session: Any, resource: Callable[[str], str] | None = None) -> None:
        self._session = session
        self._drawn: tuple[Any, ...] = ()
        self.widget = qt.QWidget()
        self.widget.objectName = "resultPanel"
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._controls = RunControls(session)
        layout.addWidget(self._controls.widget)
        self._stale = widgets.text_label(name="staleBanner")
        layout.addWidget(self._stale)
        self._nothing = widgets.text_label(name="noResult")
        layout.addWidget(self._nothing)
        self._outside, self._outside_check = self._switch(
            _("Show a probability outside the validated range"), "showOutside", guarded(self._set_outside),
            _("The warning stays beside it. Press Update after changing this."),
        )  # fmt: skip
        self._saliency, self._saliency_check = self._switch(
            _("Show in the views what the network used"), "showSaliency", guarded(self._set_saliency),
            _("A coloured map over the CT with a legend: orange for malignancy, blue against. The earlier layers come back."),
        )  # fmt: skip
        self._label, self._label_check = self._switch(
            _("Show the probability at the lesion in the views"), "showLabel", guarded(self._set_label),
            _("With its interval and the statement; the lesion keeps the colour of its probability."),
        )  # fmt: skip
        self._view = ResultView()
        layout.addWidget(self._outside)
        layout.addWidget(self._view.widget)
        layout.addWidget(self._label)
        layout.addWidget(self._saliency)
        layout.addStretch(1)
        self._show()
        session.changed.connect(self._told)

    def close(self) -> None:
        """Drop what is connected."""
        self._session.changed.disconnect(self._told)

    def enter(self) -> None:
        """The module is shown: colours may have changed."""
        self._drawn = ()
        self._show()

    def _switch(self, text: str, name: str, slot: Callable[..., None], tip: str) -> tuple[Any, Any]:
        """A check box beside words that wrap: the text of a check box itself does not."""
        box = qt.QWidget()
        box.objectName = f"{name}Row"
        line = qt.QHBoxLayout(box)
        line.setContentsMargins(0, 0, 0, 0)
        check = qt.QCheckBox()
        check.objectName = name
        check.toolTip = tip
        check.accessibleName = text
        check.connect("toggled(bool)", slot)
        words = widgets.text_label(text)
        words.toolTip = tip
        line.addWidget(check)
        line.addWidget(words, 1)
        box.setVisible(False)
        return box, check

    def _set_outside(self, on: bool) -> None:
        self._session.set_options(replace(self._session.options, show_outside=on))

    def _set_saliency(self, on: bool) -> None:
        self._session.set_saliency_visible(on)

    def _set_label(self, on: bool) -> None:
        self._session.set_label_visible(on)

    # -- showing --------------------------------------------------------------------------------------------------

    def _told(self, topic: str) -> None:
        if topic in _TOPICS:
            if topic == "result":
                self._controls.came()
            self._show()

    def _show(self) -> None:
        session = self._session
        current = session.current
        result = None if current is None else session.result(current)
        assessment = None if result is None else result.assessment
        stale = result is not None and assessment is not None and result.stale
        self._controls.show(assessment, stale)
        self._show_stale(result.why if result is not None and stale else None)
        active = session.run.state in ("starting", "running")
        waiting = assessment is None and not active and not session.not_yet
        say(self._nothing, _("No result yet. Press Classify to compute one.") if waiting else "", "soft")
        self._view.widget.setVisible(assessment is not None)
        if assessment is not None:
            title = self._title(current)
            drawn = (id(assessment), title, stale)
            if drawn != self._drawn:
                self._view.show(assessment, title, stale)
                self._drawn, self._kept = drawn, assessment
        self._show_switches(assessment, stale)

    _kept: Any = None
    """The assessment on show: while it is kept, its id is its own."""

    def _show_stale(self, why: Sequence[str] | None) -> None:
        if why is None:
            say(self._stale, "")
            return
        text = _("Out of date: {reason}. The figures below no longer hold. Press Update.").format(reason=reason_words(why))
        say(self._stale, text, "caution", bold=True)

    def _show_switches(self, assessment: Any, stale: bool) -> None:
        options = self._session.options
        _set(self._outside_check, options.show_outside)
        self._outside.setVisible(assessment is not None and (assessment.outside or options.show_outside))
        _set(self._label_check, self._session.label_visible)
        self._label.setVisible(assessment is not None and not stale and assessment.shown is not None)
        _set(self._saliency_check, self._session.saliency_visible)
        self._saliency.setVisible(assessment is not None and not stale and has_map(assessment))

    def _title(self, current: Any) -> str:
        lesion = next(item for item in self._session.lesions if item.segment_id == current)
        sides = {"left": _("left side"), "right": _("right side")}
        side = sides.get(lesion.side, "") if str(lesion.side) not in lesion.name.casefold() else ""
        return f"{lesion.name}, {side}" if side else str(lesion.name)


def has_map(assessment: Any) -> bool:
    """Whether a map of what the network used was made."""
    return assessment.saliency is not None or assessment.told_saliency is not None


def reason_words(why: Sequence[str]) -> str:
    """What has changed since a result was computed."""
    words = {
        "outline": _("the outline or its side has changed"),
        "ct": _("the CT or its phase has changed"),
        "patient": _("a patient value has changed"),
        "options": _("the prevalence or another option has changed"),
    }
    return ", ".join(words[part] for part in why) or _("something it stands on has changed")


def _set(check: Any, on: bool) -> None:
    if check.checked != on:
        blocked = check.blockSignals(True)
        check.checked = on
        check.blockSignals(blocked)

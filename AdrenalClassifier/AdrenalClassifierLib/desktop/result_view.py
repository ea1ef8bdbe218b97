"""One result: volume and probability side by side, with what they hold for, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.desktop import chart, guideline_view, widgets
from AdrenalClassifierLib.desktop.colours import Tone
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.model.fusion import MODELS, ModelName
from AdrenalClassifierLib.report.contributions import contributions
from AdrenalClassifierLib.report.sentences import (
    SET_LABELS,
    WHAT_IF_NOTE,
    absence,
    conformal_note,
    conformal_sentence,
    prevalence_sentence,
    remarks,
    saliency_sentences,
    what_if_sentences,
)
from AdrenalClassifierLib.report.wording import MODEL_LABELS, RESEARCH_ONLY, input_label, percent


class ResultView:
    """The widgets of one assessment; made anew for each.

    Attributes:
        widget: the view.
    """

    def __init__(self) -> None:
        self.widget = qt.QWidget()
        self.widget.objectName = "resultView"
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._head = qt.QVBoxLayout()
        self._head.setSpacing(4)
        layout.addLayout(self._head)
        self._sections: dict[str, tuple[Any, Any]] = {}
        for name, title, collapsed in (
            ("why", _("Why this probability"), False),
            ("models", _("The four models"), True),
            ("missing", _("What is missing"), True),
            ("guidelines", _("What guidelines say"), True),
        ):
            made, inside = widgets.section(title, f"result_{name}", collapsed=collapsed)
            layout.addWidget(made)
            self._sections[name] = (made, inside)

    def show(self, assessment: Assessment, title: str, stale: bool) -> None:
        """Show an assessment; ``stale``: faded, because it no longer holds."""
        widgets.empty(self._head)
        self._show_head(assessment, title, stale)
        fills: dict[str, Callable[[Any], bool]] = {
            "why": lambda layout: _fill_why(layout, assessment, stale),
            "models": lambda layout: _fill_models(layout, assessment, stale),
            "missing": lambda layout: _fill_missing(layout, assessment, stale),
            "guidelines": lambda layout: _fill_guidelines(layout, assessment, stale),
        }
        for name, fill in fills.items():
            made, inside = self._sections[name]
            widgets.empty(inside)
            holds = fill(inside)
            inside.addStretch(1)
            made.setVisible(holds)

    def _show_head(self, assessment: Assessment, title: str, stale: bool) -> None:
        add = self._head.addWidget
        tone: Tone | None = "soft" if stale else None
        add(widgets.text_label(title, tone, bold=True, name="resultTitle"))
        pair = qt.QHBoxLayout()
        pair.setSpacing(8)
        volume = f"{assessment.measurements.volume_ml:.1f} mL"
        pair.addLayout(_figure(_("Volume"), volume, "resultVolume", stale), 1)
        result = assessment.result
        if result is not None and result.probability is not None:
            value = percent(result.probability)
        else:
            value = _("not shown") if assessment.statement else _("not computed")
        pair.addLayout(_figure(_("Probability of malignancy"), value, "resultProbability", stale), 1)
        self._head.addLayout(pair)
        if result is not None and result.probability is not None and result.interval is not None:
            low, high = result.interval
            text = _("95 % interval {low} to {high}").format(low=percent(low), high=percent(high))
            add(widgets.text_label(text, tone, name="resultInterval"))
            add(chart.scale(result.probability, low, high, stale))
            add(widgets.text_label(in_words(result.probability), tone, name="resultWords"))
        add(widgets.text_label(assessment.statement or RESEARCH_ONLY, "bad", bold=True, name="resultStatement"))
        for text in _outside(assessment):
            add(widgets.text_label(text, "caution", bold=True))
        if result is None or result.probability is None:
            reason = "" if assessment.outside and assessment.statement else assessment.models["image"].reason or ""
            add(widgets.text_label(reason, "caution", name="resultReason"))
            self._add_notes(assessment)
            return
        if assessment.conformal_set is not None:
            label = widgets.text_label(conformal_sentence(assessment.conformal_set), tone, name="resultConformal")
            label.toolTip = conformal_note(assessment.conformal_set)
            add(label)
        if assessment.prior is not None:
            add(widgets.text_label(prevalence_sentence(assessment.prior), tone, name="resultPrevalence"))
        if assessment.shown is not None:
            add(widgets.text_label(why_this_model(assessment.shown), "soft", name="resultModel"))
        self._add_notes(assessment)

    def _add_notes(self, assessment: Assessment) -> None:
        texts = remarks(assessment)
        if texts:
            self._head.addWidget(widgets.text_label(_("Please note"), bold=True))
            self._head.addWidget(widgets.text_label("\n".join(f"\u2022 {text}" for text in texts), "caution", name="resultNotes"))


def in_words(probability: float) -> str:
    """The probability as a share of a hundred lesions."""
    count = round(100 * probability)
    if 100 * probability < 1:
        return _("In words: fewer than 1 of 100 lesions with these findings would be malignant.")
    if 100 * probability > 99:
        return _("In words: more than 99 of 100 lesions with these findings would be malignant.")
    return _("In words: about {count} of 100 lesions with these findings would be malignant.").format(count=count)


def why_this_model(shown: ModelName) -> str:
    """Which of the four models is shown, and why."""
    label = MODEL_LABELS[shown]
    if shown in ("combined", "image+clinical"):
        return _("Model shown: {label}. It uses every value that was given.").format(label=label)
    return _("Model shown: {label}. No history or laboratory value that a model uses was given.").format(label=label)


def _figure(caption: str, value: str, name: str, stale: bool) -> Any:
    """A large figure below its caption."""
    column = qt.QVBoxLayout()
    column.setSpacing(0)
    column.addWidget(widgets.text_label(caption, "soft"))
    label = widgets.text_label(value, "soft" if stale else None, name=name)
    font = qt.QFont(label.font)
    font.setPointSize(max(font.pointSize(), 9) * 2)
    font.setBold(True)
    label.setFont(font)
    column.addWidget(label)
    column.addStretch(1)
    return column


def _outside(assessment: Assessment) -> list[str]:
    reasons = [finding.text for finding in assessment.validity if finding.severity == "outside"]
    if not reasons:
        return []
    hidden = assessment.result is None and assessment.statement is not None
    head = _("Outside the validated range, so no probability is shown:") if hidden else _("Outside the validated range:")
    return ["\n".join([head, *(f"\u2022 {reason}" for reason in reasons)])]


def _fill_why(layout: Any, assessment: Assessment, stale: bool) -> bool:
    found = contributions(assessment)
    if found is None:
        return False
    rows = [(bar.label, bar.value, bar.log_odds, bar.figure) for bar in found.bars]
    layout.addWidget(chart.bars(rows, found.widest, stale))
    layout.addWidget(widgets.text_label(found.note, "soft"))
    if assessment.saliency is not None:
        layout.addWidget(widgets.text_label(saliency_sentences(assessment.saliency), "soft"))
    return True


def _fill_models(layout: Any, assessment: Assessment, stale: bool) -> bool:
    tone: Tone | None = "soft" if stale else None
    if assessment.statement is None:
        return False
    grid = qt.QGridLayout()
    grid.setContentsMargins(0, 0, 0, 0)
    grid.setHorizontalSpacing(8)
    grid.setColumnStretch(0, 1)
    grid.setColumnStretch(1, 1)
    for at, name in enumerate(MODELS):
        result = assessment.models[name]
        shown = name == assessment.shown
        label = MODEL_LABELS[name]
        grid.addWidget(widgets.text_label(_("{label} (shown)").format(label=label) if shown else label, tone, bold=shown), at, 0)
        if result.probability is None or result.interval is None:
            grid.addWidget(widgets.text_label(absence(result.reason), "soft"), at, 1)
            continue
        low, high = (percent(end) for end in result.interval)
        text = _("{probability} ({low} to {high})").format(probability=percent(result.probability), low=low, high=high)
        own = assessment.conformal.get(name)
        grid.addWidget(widgets.text_label(text if own is None else f"{text}, {SET_LABELS[own.name]}", tone, bold=shown), at, 1)
    layout.addLayout(grid)
    return True


def _fill_missing(layout: Any, assessment: Assessment, stale: bool) -> bool:
    texts = what_if_sentences(assessment)
    for text in texts:
        layout.addWidget(widgets.text_label(f"\u2022 {text}", "soft" if stale else None))
    if texts:
        layout.addWidget(widgets.text_label(WHAT_IF_NOTE, "soft"))
    if assessment.missing:
        labels = ", ".join(input_label(key) for key in assessment.missing)
        layout.addWidget(widgets.text_label(_("Not given: {labels}.").format(labels=labels), "soft"))
    return bool(texts or assessment.missing)


def _fill_guidelines(layout: Any, assessment: Assessment, stale: bool) -> bool:
    guideline_view.fill(layout, assessment.guidelines, stale)
    return bool(assessment.guidelines)

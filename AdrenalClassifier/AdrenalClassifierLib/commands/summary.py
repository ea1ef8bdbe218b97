"""An assessment as plain text for a terminal."""

from __future__ import annotations

import textwrap

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.report.sentences import (
    HOW_TO_SHOW,
    SET_LABELS,
    absence,
    conformal_sentence,
    prevalence_sentence,
    remarks,
    what_if_sentences,
)
from AdrenalClassifierLib.report.wording import (
    MODEL_LABELS,
    QUESTION_LABELS,
    by_guideline,
    input_label,
    measurement_rows,
    percent,
)

WIDTH = 110


def measurements_text(measurements: Measurements) -> str:
    """One line a measurement."""
    rows = measurement_rows(measurements)
    width = max(len(label) for label, _ in rows)
    return "\n".join(f"  {label:<{width}}  {value}" for label, value in rows)


def assessment_text(assessment: Assessment) -> str:
    """The whole assessment, ending with the statement that belongs to the probability."""
    side = "" if assessment.side == "unknown" else f", {assessment.side} side"
    lines = [f"{assessment.lesion_id}{side}", ""]
    lines += _headline(assessment)
    lines += ["", "Four models"]
    width = max(len(label) for label in MODEL_LABELS.values())
    for name in MODELS:
        item = assessment.models[name]
        if item.probability is None or item.interval is None:
            text = absence(item.reason) if assessment.result or _beyond(assessment) else "not computed"
        else:
            text = f"{percent(item.probability):>5}  ({percent(item.interval[0])} to {percent(item.interval[1])})"
            found = assessment.conformal.get(name)
            text += "" if found is None else f"  {SET_LABELS[found.name]}"
        lines.append(f"  {MODEL_LABELS[name]:<{width}}  {text}")
    lines += ["", "Measurements", measurements_text(assessment.measurements), "", "Guidelines"]
    for guideline, verdicts in by_guideline(assessment.guidelines).items():
        lines.append(f"  {guideline}")
        for verdict in verdicts:
            lines += _wrapped(f"{QUESTION_LABELS.get(verdict.question, verdict.question)}: {verdict.text}", "    ")
            if verdict.missing:
                lines += _wrapped(f"To decide, give: {', '.join(verdict.missing_labels)}.", "      ")
    texts = remarks(assessment)
    if texts:
        lines += ["", "Please note"]
        for text in texts:
            lines += _wrapped(text, "  ")
    supposed = what_if_sentences(assessment)
    if supposed:
        lines += ["", "What a missing value could change"]
        for text in supposed:
            lines += _wrapped(text, "  ")
    if assessment.missing:
        lines += ["", *_wrapped("Not given: " + ", ".join(map(input_label, assessment.missing)))]
    return "\n".join(lines)


def _beyond(assessment: Assessment) -> list[str]:
    """Why the lesion is outside the validated range of the model, where there is a model."""
    if assessment.statement is None:
        return []
    return [finding.text for finding in assessment.validity if finding.severity == "outside"]


def _headline(assessment: Assessment) -> list[str]:
    """The probability or why there is none, with the statement that belongs to it."""
    lines: list[str] = []
    reasons = _beyond(assessment)
    if reasons:
        lines += ["Outside the validated range:"]
        for text in reasons:
            lines += _wrapped(text, "  ")
    result = assessment.result
    if result is None or result.probability is None or result.interval is None or assessment.shown is None:
        why = HOW_TO_SHOW if lines else assessment.models["image"].reason
        lines += _wrapped(f"No probability. {why}" if lines else f"No probability: {why}")
    else:
        low, high = result.interval
        lines += [
            f"Probability of malignancy: {percent(result.probability)} (95 % interval {percent(low)} to {percent(high)})",
            f"Model: {MODEL_LABELS[assessment.shown]}",
        ]
        if assessment.prior is not None:
            lines += _wrapped(prevalence_sentence(assessment.prior))
        if assessment.conformal_set is not None:
            lines += _wrapped(conformal_sentence(assessment.conformal_set))
    if assessment.statement:
        lines += _wrapped(assessment.statement)
    return lines


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + ("  " if indent else ""))

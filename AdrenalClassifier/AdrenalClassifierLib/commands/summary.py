"""An assessment as plain text for a terminal."""

from __future__ import annotations

import textwrap

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.model.fusion import MODELS
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
    result = assessment.result
    if result is None or result.probability is None or result.interval is None or assessment.shown is None:
        lines += _wrapped(f"No probability: {assessment.models['image'].reason}")
    else:
        low, high = result.interval
        lines += [
            f"Probability of malignancy: {percent(result.probability)} (95 % interval {percent(low)} to {percent(high)})",
            f"Model: {MODEL_LABELS[assessment.shown]}",
        ]
    if assessment.statement:
        lines += _wrapped(assessment.statement)
    lines += ["", "Four models"]
    width = max(len(label) for label in MODEL_LABELS.values())
    for name in MODELS:
        item = assessment.models[name]
        if item.probability is None or item.interval is None:
            text = f"not computed: {item.reason}" if assessment.result else "not computed"
        else:
            text = f"{percent(item.probability):>5}  ({percent(item.interval[0])} to {percent(item.interval[1])})"
        lines.append(f"  {MODEL_LABELS[name]:<{width}}  {text}")
    lines += ["", "Measurements", measurements_text(assessment.measurements), "", "Guidelines"]
    for guideline, verdicts in by_guideline(assessment.guidelines).items():
        lines.append(f"  {guideline}")
        for verdict in verdicts:
            lines += _wrapped(f"{QUESTION_LABELS.get(verdict.question, verdict.question)}: {verdict.text}", "    ")
            if verdict.missing:
                lines += _wrapped(f"To decide, give: {', '.join(verdict.missing_labels)}.", "      ")
    if assessment.warnings:
        lines += ["", "Please note"]
        for notice in assessment.warnings:
            lines += _wrapped(notice.text, "  ")
    if assessment.missing:
        lines += ["", *_wrapped("Not given: " + ", ".join(map(input_label, assessment.missing)))]
    return "\n".join(lines)


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=indent + ("  " if indent else ""))

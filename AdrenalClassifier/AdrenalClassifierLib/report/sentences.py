"""Sentences about a prediction, shared by the page and the terminal: prevalence, conformal set, missing values, saliency."""

from __future__ import annotations

from collections.abc import Mapping

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.model.conformal import ConformalSet, SetName
from AdrenalClassifierLib.model.fusion import ModelName
from AdrenalClassifierLib.model.plausible import Point, WhatIf
from AdrenalClassifierLib.model.prediction import OUTSIDE
from AdrenalClassifierLib.model.prevalence import PriorShift, Setting
from AdrenalClassifierLib.model.saliency import SaliencyMap
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.report.wording import MODEL_LABELS, input_label, number, percent

_SETTINGS: dict[Setting, str] = {
    "training": "as in the training cohort",
    "incidentaloma": "as among incidentalomas",
    "surgical": "as among operated lesions",
    "own": "as chosen",
}

SET_LABELS: Mapping[SetName, str] = {
    "benign": "benign only",
    "malignant": "malignant only",
    "either": "benign or malignant",
    "none": "unlike either class",
}
HOW_TO_SHOW = "It can be shown on request, with this warning beside it (command line: --outside-range show)."
WHAT_IF_NOTE = (
    "The most informative first. Each value is supposed alone, within the 10th to 90th percentile of the training cohort or "
    "at its usual categories; the image score stays as it is."
)
SALIENCY_NOTE = (
    "It shows what the network used, not where a tumour is malignant. Radiomic features, size, history and laboratory values are "
    "not part of it."
)


def absence(reason: str | None) -> str:
    """Why a model has no probability, in a table's cell: the reasons of the validity gate stand elsewhere."""
    if reason is not None and reason.startswith(OUTSIDE):
        return f"not shown: {OUTSIDE}"
    return f"not computed: {reason}"


def remarks(assessment: Assessment) -> list[str]:
    """Warnings and cautions, without what the reasons for being outside the validated range say already."""
    said = {finding.code for finding in assessment.validity if finding.severity == "outside"}
    texts = [notice.text for notice in assessment.warnings if notice.code not in said]
    texts += [finding.text for finding in assessment.validity if finding.severity == "caution"]
    if assessment.statement is None:  # without a model there is no range to be outside of, and the remarks stand alone
        texts = [notice.text for notice in assessment.warnings]
    return list(dict.fromkeys(texts))


def prevalence_sentence(prior: PriorShift) -> str:
    """For which prevalence the probability holds."""
    text = f"Holds for a prevalence of malignancy of {share(prior.value)}, {_SETTINGS[prior.setting]}"
    return f"{text}." if prior.setting == "training" else f"{text} (training cohort: {share(prior.training)})."


def conformal_sentence(found: ConformalSet) -> str:
    """What the set says, in one sentence."""
    level = f"{100 * found.level:g} % conformal set"
    if found.name == "either":
        why = f" ({found.reason})" if found.reason else ""
        return f"{level}: benign or malignant; the model cannot tell them apart at this level{why}."
    if found.name == "none":
        return f"{level}: empty; the lesion is unlike either class of the training cohort."
    return f"{level}: {found.name} only."


def conformal_note(found: ConformalSet) -> str:
    """What a set promises."""
    return (
        f"Of benign and of malignant lesions alike, at least {100 * found.level:g} % have a set that holds their class, whatever "
        "the prevalence, as long as they are drawn as the training cohort was."
    )


def what_if_sentence(item: WhatIf, now: float, shown: ModelName) -> str:
    """How the probability would move if a missing value were known, at both ends of what is plausible."""
    with_model = "" if item.model == shown else f" (then from the model: {MODEL_LABELS[item.model].lower()})"
    ends = [f"{_value(item, end)} would {_move(end.probability, now)}" for end in (item.lowest, item.highest)]
    return f"{input_label(item.input)}: {ends[0]}, {ends[1]}{with_model}."


def what_if_sentences(assessment: Assessment) -> list[str]:
    """The missing values that would change the probability as it is printed; one sentence when none of them would."""
    result = assessment.result
    if result is None or result.probability is None or assessment.shown is None or not assessment.what_if:
        return []
    now = percent(result.probability)
    telling = [w for w in assessment.what_if if {percent(w.lowest.probability), percent(w.highest.probability)} != {now}]
    if not telling:
        name = input_label(assessment.what_if[0].input)
        return [f"No missing value alone would change it: the most informative ({name}) would leave it at {now} as well."]
    return [what_if_sentence(item, result.probability, assessment.shown) for item in telling]


def saliency_sentences(found: SaliencyMap) -> str:
    """What a map shows and what it adds up to."""
    whole = found.logit - found.uniform_logit
    sign = "+" if whole >= 0 else ""
    return (
        "Log-odds that the structure inside the outline adds, against the same lesion with its mean attenuation throughout; "
        f"over the whole lesion {sign}{number(whole, 2)}. {SALIENCY_NOTE}"
    )


def share(value: float) -> str:
    """A prevalence as a percentage, with a decimal where it matters."""
    percentage = 100 * value
    return f"{percentage:.3g} %" if percentage < 10 or percentage > 90 else f"{percentage:.0f} %"


def _move(probability: float, now: float) -> str:
    text = percent(probability)
    if text == percent(now):
        return f"leave it at {text}"
    return f"{'lower' if probability < now else 'raise'} it to {text}"


def _value(item: WhatIf, point: Point) -> str:
    """The supposed value in words."""
    if isinstance(point.value, bool):
        return "yes" if point.value else "no"
    if isinstance(point.value, str):
        choices = load_catalogue().variables[item.input].choices
        label = next((c.label for c in choices if c.value == point.value), point.value)
        return f"\u201c{label}\u201d"
    if point.ratio is not None:
        multiple = f"{point.ratio:.2g} times the upper limit"
        return f"a value within limits ({multiple})" if point.ratio <= 1 else f"one of {multiple}"
    digits = f"{point.value:.3g}".replace("-", "\u2212")
    return f"{digits} {item.unit}" if item.unit else digits

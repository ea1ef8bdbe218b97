"""The model card: filled from the run, not by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from AdrenalClassifierLib.model.bundle import ModelBundle
from AdrenalClassifierLib.model.fusion import MODELS

_NAMES: Mapping[str, str] = {
    "image": "image",
    "image+radiological": "image + radiological data (size, spontaneous attenuation)",
    "image+clinical": "image + history and laboratory",
    "combined": "image + radiological data + history and laboratory",
}


def model_card(bundle: ModelBundle) -> str:
    """The card as Markdown."""
    data = bundle.training_data
    kind = str(data.get("kind", "clinical"))
    return "\n".join([
        f"# {bundle.name} {bundle.version}",
        "",
        f"**{bundle.statement}**",
        "",
        "## What it is",
        "",
        "Estimates the probability that an adrenal lesion outlined on CT is malignant. A small 3D residual network "
        "scores the image; four penalised logistic regressions combine that score with radiological data and with history and "
        "laboratory values. The design follows the published abstract of Huang et al., Eur J Radiol 2026;201:112907; it is not "
        "the published model.",
        "",
        "## What it is not for",
        "",
        "Diagnosis or treatment decisions. " + (
            "It was trained on simulated lesions and has not seen a patient: what it says of a patient means nothing."
            if kind == "synthetic"
            else "It was trained on the cases of one cohort and holds, if at all, for patients selected in the same way."
        ),
        "",
        "## Training data",
        "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in data.items()),
        f"- share of malignant lesions: {bundle.prevalence:.3f}; the probabilities hold for this prevalence",
        f"- counted as malignant: {', '.join(sorted(h for h, yes in bundle.label_policy.items() if yes))}",
        f"- counted as benign: {', '.join(sorted(h for h, yes in bundle.label_policy.items() if not yes))}",
        "",
        "## Performance",
        "",
        *_performance(bundle.performance),
        "## Thresholds",
        "",
        "Fixed on out-of-fold predictions of the training part.",
        "",
        *(f"- {_NAMES[m]}: {', '.join(f'{k} {v:.3f}' for k, v in bundle.thresholds[m].items())}" for m in MODELS),
        "",
        "## Limits",
        "",
        "- Missing values take the training mean and switch an indicator on; since tests are not ordered at random, the "
        "indicator carries information about who orders them.",
        "- The interval beside a probability covers the sampling of the training cohort and the spread of the ensemble, not "
        "errors of the outline, of the laboratory or of the cohort itself.",
        "",
    ])  # fmt: skip


def _performance(performance: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for part, title in (("cross_validation", "Cross-validation on the training part"), ("test", "Held-out test part")):
        if part not in performance:
            continue
        first = performance[part][MODELS[0]]
        lines += [
            f"### {title} ({first['lesions']} lesions, {first['malignant']} malignant)",
            "",
            "| model | AUC | sensitivity | specificity | accuracy |",
            "| --- | --- | --- | --- | --- |",
        ]
        for model in MODELS:
            found = performance[part][model]
            cells = [_cell(found["auc"])]
            cells += [_cell(found["balanced"][name]) for name in ("sensitivity", "specificity", "accuracy")]
            lines.append(f"| {_NAMES[model]} | {' | '.join(cells)} |")
        lines += ["", "With 95 % intervals (AUC: DeLong; proportions: Wilson) at the threshold `balanced`.", ""]
    return lines


def _cell(metric: Mapping[str, Any]) -> str:
    if metric["value"] is None:
        return "not defined"
    if metric["low"] is None:
        return f"{metric['value']:.3f} (no interval)"
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"

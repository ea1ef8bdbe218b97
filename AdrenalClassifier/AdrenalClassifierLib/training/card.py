"""The model card: filled from the run, not by hand.

Sections follow the model-card practice (Mitchell et al., FAT* 2019, arXiv 1810.03993) and carry the topics of TRIPOD+AI
(Collins et al., BMJ 2024;385:e078378) that a training run can fill.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from AdrenalClassifierLib.model.bundle import ModelBundle
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.training.card_tables import (
    MODEL_NAMES,
    calibration_table,
    ceiling_lines,
    comparison_table,
    conformal_table,
    image_model_table,
    indicator_table,
    performance_table,
    rule_table,
    subgroup_table,
    table,
)

SYNTHETIC_COMPARISON = (
    "These are simulated lesions. The figures show how well the software recovers what its own generator put in; they cannot be "
    "compared with figures measured in patients, those of the published abstract included."
)


def model_card(bundle: ModelBundle) -> str:
    """The card as Markdown."""
    data, performance = bundle.training_data, bundle.performance
    synthetic = str(data.get("kind", "clinical")) == "synthetic"
    evaluations: Mapping[str, Any] = performance.get("evaluation", {})
    lines = [
        f"# {bundle.name} {bundle.version}",
        "",
        f"**{bundle.statement}**",
        "",
        "## What it is",
        "",
        "Estimates the probability that an adrenal lesion outlined on CT is malignant, with four models that share the "
        "image: image "
        "alone, with radiological data (size, spontaneous attenuation), with history and laboratory values, and with "
        "all. The image "
        f"is seen by {len(bundle.members)} small 3D networks and by handcrafted features of shape, margin, content and "
        "enhancement. "
        "Each model is a penalised multinomial regression over histology groups, calibrated for malignancy. The design "
        "follows the "
        "published abstract of Huang et al., Eur J Radiol 2026;201:112907; it is not the published model.",
        "",
        "## What it is not for",
        "",
        "Diagnosis or treatment decisions. "
        + (
            "It was trained on simulated lesions and has not seen a patient: what it says of a patient means nothing."
            if synthetic
            else "It was trained on the cases of one cohort and holds, if at all, for patients selected in the same way."
        ),
        "",
        "## Data",
        "",
        *(f"- {name.replace('_', ' ')}: {value}" for name, value in data.items()),
        f"- share of malignant lesions in training: {bundle.prevalence:.3f}; the probabilities hold for this prevalence, and the "
        "software shifts them to another one on request",
        f"- counted as malignant: {', '.join(sorted(h for h, yes in bundle.label_policy.items() if yes))}",
        f"- counted as benign: {', '.join(sorted(h for h, yes in bundle.label_policy.items() if not yes))}",
        "- the split is by patient, stratified by nature and histology; nothing was fitted or chosen on the test part",
        "",
        "## Development",
        "",
        *_development(bundle),
        "## Performance",
        "",
        *([SYNTHETIC_COMPARISON, ""] if synthetic else []),
        *_cross_validation(performance),
        *(line for key in ("test", "further") if key in evaluations for line in _evaluation(key, evaluations[key])),
        "## Thresholds",
        "",
        "Fixed on out-of-fold predictions of the training part: `balanced` has the largest Youden index, "
        "`high_sensitivity` is the "
        "highest at which 95 % of the malignant training lesions are called.",
        "",
        *(f"- {MODEL_NAMES[m]}: {', '.join(f'{k} {v:.3f}' for k, v in bundle.thresholds[m].items())}" for m in MODELS),
        "",
        "## Limits",
        "",
        *_limits(synthetic),
    ]
    return "\n".join([*lines, ""])


def _development(bundle: ModelBundle) -> list[str]:
    performance = bundle.performance
    up = [f.name for f in bundle.features if f.sign > 0]
    down = [f.name for f in bundle.features if f.sign < 0]
    groups = bundle.fusions["combined"]
    named = ", ".join(f"{g} ({'malignant' if m else 'benign'})" for g, m in zip(groups.groups, groups.malignant, strict=True))
    lines = [
        f"Histology groups of the fusion: {named}.",
        "",
        f"Columns: {', '.join(f'{MODEL_NAMES[m]} {len(bundle.fusions[m].columns)}' for m in MODELS)}. Inputs on which "
        "medicine is "
        "agreed can move the probability in one direction only. Up: the network's score, "
        f"{', '.join(up)}. Down: {', '.join(down)}.",
        "",
    ]
    if "image_models" in performance:
        lines += [
            "### Choice of the image model",
            "",
            "Out-of-fold AUC on the training part, same folds and fusion for all; the test part was not looked at.",
            "",
            *image_model_table(performance["image_models"]),
            "",
        ]
    if "fusion" in performance:
        lines += [
            "### Missing values and their indicators",
            "",
            "A missing value takes the training mean. An indicator that a test was not ordered betrays what its "
            "physician suspected; "
            "it enters only where cross-validation finds it useful.",
            "",
            *indicator_table(performance["fusion"]),
            "",
        ]
    return lines


def _cross_validation(performance: Mapping[str, Any]) -> list[str]:
    if "cross_validation" not in performance:
        return []
    found = performance["cross_validation"]
    first = found[MODELS[0]]
    head = ["model", "AUC", "sensitivity", "specificity", "accuracy"]
    rows = [[MODEL_NAMES[m], found[m]["auc"], *(found[m]["balanced"][k] for k in head[2:])] for m in MODELS]
    return [
        f"### Cross-validation on the training part ({first['lesions']} lesions, {first['malignant']} malignant)",
        "",
        *table(head, rows),
        "",
        "95 % intervals (AUC: DeLong; proportions: Wilson) at the threshold `balanced`, which was chosen on the same "
        "predictions.",
        "",
    ]


def _evaluation(key: str, found: Mapping[str, Any]) -> list[str]:
    cohort = found["cohort"]
    title = {"test": "Held-out test part", "further": "Further cohorts, never used in training"}[key]
    numbers = f"{cohort['lesions']} lesions of {cohort['patients']} patients, {cohort['malignant']} malignant"
    return [
        f"### {title} ({numbers})",
        "",
        *performance_table(found),
        "",
        "Calibration:",
        "",
        *calibration_table(found),
        "",
        "Differences in AUC (paired DeLong; p-values by Holm within their family):",
        "",
        *comparison_table(found),
        "",
        "Rules on the same lesions, and how far the combined model is ahead of each at the rule's own operating point:",
        "",
        *rule_table(found),
        "",
        *conformal_table(found),
        *ceiling_lines(found),
        "Subgroups (AUC; for a histology the share called rightly at `balanced`):",
        "",
        *subgroup_table(found),
        "",
    ]


def _limits(synthetic: bool) -> list[str]:
    return [
        "- The interval beside a probability covers the sampling of the training cohort and the spread of the "
        "ensemble, not errors "
        "of the outline, of the laboratory or of the cohort itself.",
        "- Missing values are imputed by the mean. A model that sees little says little; the assessment lists what is missing.",
        "- Out-of-fold scores come from single networks of a repetition, new lesions get the mean of all; calibration is checked "
        "above, not assumed.",
        "- Groups with few lesions (lymphoma, sarcoma, ganglioneuroma) are learnt together with others of their nature.",
        *(
            [
                "- The generator draws from published distributions, independent given diagnosis and hormonal state, and knows "
                "neither scanners nor readers other than its own; real lesions differ in ways it does not simulate."
            ]
            if synthetic
            else ["- One cohort, one way of referral. Judge the model on cases from elsewhere before believing it there."]
        ),
    ]

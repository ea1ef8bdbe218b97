"""Tables of the model card, as Markdown lines, from what ``evaluation`` and ``comparison`` give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from AdrenalClassifierLib.model.fusion import MODELS, ModelName

MODEL_NAMES: Mapping[ModelName, str] = {
    "image": "image",
    "image+radiological": "image + radiological data",
    "image+clinical": "image + history and laboratory",
    "combined": "combined",
}
NETWORKS = {"residual": "small residual network", "monai_resnet": "MONAI ResNet"}
Cell = str | Mapping[str, Any]
Found = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> list[str]:
    """A Markdown table; a metric becomes ``value (low to high)``."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(c if isinstance(c, str) else metric(c) for c in row) + " |" for row in rows]


def metric(found: Mapping[str, Any], decimals: int = 3) -> str:
    """A figure with its interval; without one it says so, and why where that is known."""
    if found["value"] is None:
        return f"not defined ({found['reason']})" if found.get("reason") else "not defined"
    value = f"{found['value']:.{decimals}f}"
    if found["low"] is None:
        return f"{value} (no interval)"
    return f"{value} ({found['low']:.{decimals}f} to {found['high']:.{decimals}f})"


def image_model_table(candidates: Sequence[Found]) -> list[str]:
    """Candidates of the comparison."""
    rows: list[list[Cell]] = []
    for item in candidates:
        parts = [NETWORKS[item["network"]]] if item["network"] else []
        parts += ["handcrafted features"] if item["handcrafted"] else []
        size = f"{item['parameters']:,}" if item["parameters"] else "none"
        rows.append([" + ".join(parts), size, item["image"], item["combined"]])
    return table(["image model", "parameters of a network", "model image", "model combined"], rows)


def indicator_table(fusions: Mapping[str, Found]) -> list[str]:
    """Out-of-fold AUC with and without missing-indicators."""
    rows: list[list[Cell]] = [
        [
            MODEL_NAMES[m],
            fusions[m]["auc_without_indicators"],
            fusions[m]["auc_with_indicators"],
            "yes" if fusions[m]["indicators"] else "no",
            f"{fusions[m]['penalty']:g}",
        ]
        for m in MODELS
    ]
    return table(["model", "AUC without", "AUC with", "used", "ridge penalty"], rows)


def performance_table(found: Found) -> list[str]:
    """The four models and the baseline at both thresholds."""
    out: list[str] = []
    for name in ("balanced", "high_sensitivity"):
        rows: list[list[Cell]] = []
        for m in MODELS:
            entry = found["models"][m]
            at = entry["thresholds"][name]
            rows.append(
                [MODEL_NAMES[m], entry["auc"], *(at[k] for k in ("sensitivity", "specificity", "accuracy", "ppv", "npv"))]
            )
        out += [f"Threshold `{name}` (AUC: DeLong; proportions: Wilson):", ""]
        out += [*table(["model", "AUC", "sensitivity", "specificity", "accuracy", "PPV", "NPV"], rows), ""]
    rows = [
        [
            MODEL_NAMES[m],
            *(found["models"][m]["thresholds"]["balanced"][f"{k}_at_{p}_percent"] for p in (8, 26) for k in ("ppv", "npv")),
        ]
        for m in MODELS
    ]
    out += ["Predictive values at `balanced` for other prevalences (Mercaldo 2007):", ""]
    return [*out, *table(["model", "PPV at 8 %", "NPV at 8 %", "PPV at 26 %", "NPV at 26 %"], rows)]


def calibration_table(found: Found) -> list[str]:
    """Brier scores and calibration."""
    keys = ("average_precision", "brier", "scaled_brier", "calibration_slope", "calibration_intercept")
    rows: list[list[Cell]] = [[MODEL_NAMES[m], *(found["models"][m][k] for k in keys)] for m in MODELS]
    for name, entry in found["baselines"].items():
        rows.append([f"logistic regression on {name.replace('_', ' and ')}", *(entry[k] for k in keys)])
    return table(["model", "average precision", "Brier", "scaled Brier", "calibration slope", "calibration intercept"], rows)


def comparison_table(found: Found) -> list[str]:
    """Differences in AUC between models, and to the baseline."""
    rows: list[list[Cell]] = []
    for item in found["comparisons"]["models"]:
        rows.append([f"{MODEL_NAMES[item['a']]} less {MODEL_NAMES[item['b']]}", item["auc"], _p(item["auc"])])
    for item in found["comparisons"]["baselines"]:
        name = item["baseline"].replace("_", " and ")
        rows.append([f"{MODEL_NAMES[item['model']]} less regression on {name}", item["auc"], _p(item["auc"])])
    return table(["contrast", "difference", "p (Holm)"], rows)


def rule_table(found: Found) -> list[str]:
    """Rules, and the lead of the combined model at each rule's sensitivity and specificity."""
    lead = {item["rule"]: item for item in found["comparisons"]["rules"] if item["model"] == "combined"}
    rows: list[list[Cell]] = []
    for key, rule in found["rules"].items():
        mine = lead[key]
        rows.append(
            [
                rule["label"],
                rule["sensitivity"],
                rule["specificity"],
                mine["sensitivity_at_rule_specificity"]["difference"],
                mine["specificity_at_rule_sensitivity"]["difference"],
                mine["accuracy"],
            ]
        )
    head = ["rule", "sensitivity", "specificity", "model ahead in sensitivity at the rule's specificity",
            "in specificity at its sensitivity", "in accuracy at `balanced`"]  # fmt: skip
    return table(head, rows)


def conformal_table(found: Found) -> list[str]:
    """Coverage and sizes of the conformal sets."""
    if not found["conformal"]:
        return []
    conformal = found["conformal"]
    rows: list[list[Cell]] = []
    for m, entry in conformal["models"].items():
        shares = [f"{100 * entry['share'][k]['value']:.1f} %" for k in ("benign", "malignant", "either", "none")]
        rows.append([MODEL_NAMES[m], *(entry["coverage"][k] for k in ("malignant", "benign", "all")), " / ".join(shares)])
    head = ["model", "malignant", "benign", "all", "sets: benign / malignant / either / none"]
    return [f"Conformal sets at {100 * conformal['level']:g} %, share that hold the truth (Wilson):", "", *table(head, rows), ""]


def ceiling_lines(found: Found) -> list[str]:
    """What any model of the tabular part could reach, where the generator tells."""
    ceiling = found["ceiling"]
    if ceiling is None:
        return []
    rows: list[list[Cell]] = [[MODEL_NAMES[m], ceiling["models"][m]["auc_ratio"]] for m in MODELS]
    return [
        f"Ceiling: AUC {metric(ceiling['auc'])}. {ceiling['about']}",
        "",
        *table(["model", "AUC over the ceiling's"], rows),
        "",
    ]


def subgroup_table(found: Found) -> list[str]:
    """AUC of the four models by subgroup; a group of one nature has sensitivity or specificity instead."""
    rows: list[list[Cell]] = []
    for entry in found["subgroups"].values():
        for level in entry["levels"]:
            numbers = f"{level['lesions']} ({level['malignant']})"
            rows.append([f"{entry['label']}: {level['level']}", numbers, *(_of_level(level["models"][m]) for m in MODELS)])
    return table(["subgroup", "lesions (malignant)", *(MODEL_NAMES[m] for m in MODELS)], rows)


def _of_level(entry: Found) -> Cell:
    if entry["auc"]["value"] is not None:
        return dict(entry["auc"])
    for name in ("sensitivity", "specificity"):
        if name in entry and entry[name]["value"] is not None:
            return f"{name} {metric(entry[name])}"
    return "not defined"


def _p(found: Found) -> str:
    value = found.get("p_holm", found.get("p"))
    if value is None:
        return "not defined"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"

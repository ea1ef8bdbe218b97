"""Tables of an evaluation as HTML: every figure with its interval, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.report.evaluation_figures import SHORT, letters
from AdrenalClassifierLib.report.wording import number

PROPORTIONS = frozenset({"sensitivity", "specificity", "accuracy", "ppv", "npv"})
FIGURES: Mapping[str, tuple[str, int]] = {  # metric -> heading, decimals
    "auc": ("AUC, DeLong", 3),
    "auc_bootstrap": ("AUC, bootstrap", 3),
    "average_precision": ("Average precision", 3),
    "brier": ("Brier score", 3),
    "scaled_brier": ("Scaled Brier", 3),
    "calibration_slope": ("Calibration slope", 2),
    "calibration_intercept": ("Calibration intercept", 2),
    "calibration_in_the_large": ("Calibration in the large", 2),
}
CALLS: Mapping[str, str] = {
    "sensitivity": "Sensitivity",
    "specificity": "Specificity",
    "accuracy": "Accuracy",
    "ppv": "PPV",
    "npv": "NPV",
}
BAYES: Mapping[str, str] = {
    "ppv_at_8_percent": "PPV at 8&nbsp;%",
    "npv_at_8_percent": "NPV at 8&nbsp;%",
    "ppv_at_26_percent": "PPV at 26&nbsp;%",
    "npv_at_26_percent": "NPV at 26&nbsp;%",
}
POINTS = "{}, percentage points"
THRESHOLDS: Mapping[str, str] = {"balanced": "balanced", "high_sensitivity": "high sensitivity"}


def table(heading: Sequence[str], rows: Iterable[Sequence[str]], marked: Sequence[int] = ()) -> str:
    """A table that scrolls by itself where it is too wide. Cells are HTML; the first of each row is its heading."""
    head = "".join(f"<th scope=col>{cell}</th>" for cell in heading)
    body = ""
    for n, row in enumerate(rows):
        cells = "".join(f"<td>{text}</td>" for text in row[1:])
        body += f"<tr{' class=shown' if n in marked else ''}><th scope=row>{row[0]}</th>{cells}</tr>"
    return f"<div class=wide><table class=figures><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def cell(metric: Mapping[str, Any], decimals: int = 3, percent: bool = False, sign: bool = False) -> str:
    """Value over its interval; a missing one says why. ``sign`` is for differences, whose percentages are points."""
    if metric["value"] is None:
        return f"<span class=absent>none<small>{escape(str(metric.get('reason') or ''))}</small></span>"
    value = _number(metric["value"], decimals, percent, sign) + ("&nbsp;%" if percent and not sign else "")
    if metric["low"] is None:
        return f"{value}<small class=absent>no interval: {escape(str(metric.get('reason') or 'not known'))}</small>"
    low, high = (_number(metric[end], decimals, percent, False) for end in ("low", "high"))
    return f"{value}<small>{low} to {high}</small>"


def _number(value: float, decimals: int, percent: bool, sign: bool) -> str:
    text = number(100 * value if percent else value, 1 if percent else decimals)
    return f"+{text}" if sign and value > 0 and float(text) != 0 else text


def p_value(p: float | None) -> str:
    """A p-value; very small ones as a bound."""
    if p is None:
        return "&ndash;"
    return "&lt;0.001" if p < 0.001 else f"{p:.3f}"


def models_table(models: Mapping[str, Any]) -> str:
    """The summary: AUC and what happens at the balanced threshold."""
    heading = ["Model", "AUC", *CALLS.values()]
    rows = [[SHORT[m], cell(models[m]["auc"]), *(cell(models[m][name], percent=True) for name in CALLS)] for m in MODELS]
    return table(heading, rows, [MODELS.index("combined")])


def probabilities_table(models: Mapping[str, Any], baselines: Mapping[str, Any]) -> str:
    """Figures that need no threshold."""
    rows = [[SHORT[m], *(cell(models[m][name], decimals) for name, (_, decimals) in FIGURES.items())] for m in MODELS]
    for key, entry in baselines.items():
        rows.append([escape(baseline_label(key)), *(cell(entry[name], decimals) for name, (_, decimals) in FIGURES.items())])
    return table(["Model", *(heading for heading, _ in FIGURES.values())], rows, [MODELS.index("combined")])


def thresholds_table(models: Mapping[str, Any]) -> str:
    """Every figure at every threshold."""
    rows = []
    for model in MODELS:
        for name, at in models[model]["thresholds"].items():
            title = f"{SHORT[model]}<small>{escape(THRESHOLDS.get(name, name))}, {at['threshold']:.3f}</small>"
            rows.append([title, *(cell(at[key], percent=True) for key in ("sensitivity", "specificity", "accuracy", *BAYES))])
    return table(["Model and threshold", "Sensitivity", "Specificity", "Accuracy", *BAYES.values()], rows)


def comparisons_table(items: Sequence[Mapping[str, Any]]) -> str:
    """The models against each other; the pre-specified contrasts are marked and come first."""
    ordered = sorted(items, key=lambda item: item["auc"]["family"] != "auc_primary")
    rows = [
        [
            f"{SHORT[item['a']]} against {SHORT[item['b']].lower()}<small>{item['lesions']} lesions</small>",
            cell(item["auc"], sign=True),
            *_tests(item["auc"]),
            cell(item["accuracy"], percent=True, sign=True),
            *_tests(item["accuracy"]),
            cell(item["brier"], sign=True),
        ]
        for item in ordered
    ]
    marked = [n for n, item in enumerate(ordered) if item["auc"]["family"] == "auc_primary"]
    heading = ["First minus second", "AUC", "p", "p, Holm", POINTS.format("Accuracy"), "p", "p, Holm", "Brier score"]
    return table(heading, rows, marked)


def baselines_table(items: Sequence[Mapping[str, Any]]) -> str:
    """The models against simple regressions."""
    rows = [
        [
            f"{SHORT[item['model']]} against {escape(baseline_label(item['baseline']).lower())}<small>{item['lesions']} "
            "lesions</small>",
            cell(item["auc"], sign=True),
            *_tests(item["auc"]),
            cell(item["brier"], sign=True),
        ]
        for item in items
    ]
    return table(["First minus second", "AUC", "p", "p, Holm", "Brier score"], rows)


def _tests(test: Mapping[str, Any]) -> tuple[str, str]:
    return p_value(test["p"]), p_value(test.get("p_holm"))


def rules_table(rules: Mapping[str, Any]) -> str:
    """What the rules do on the same lesions."""
    mark = letters(list(rules))
    rows = [
        [
            f"{mark[key]}: {escape(rule['label'])}",
            f"{rule['undecided']['lesions']}<small>{rule['undecided']['malignant']} malignant</small>",
            *(cell(rule[name], percent=True) for name in CALLS),
        ]
        for key, rule in rules.items()
    ]
    return table(["Rule", "Undecided", *CALLS.values()], rows)


def against_rules_table(items: Sequence[Mapping[str, Any]], rules: Mapping[str, Any]) -> str:
    """The combined model against each rule."""
    mark = letters(list(rules))
    rows = []
    for item in items:
        above, beside = item["sensitivity_at_rule_specificity"], item["specificity_at_rule_sensitivity"]
        rows.append([
            f"{mark[item['rule']]}: {escape(rules[item['rule']]['label'])}",
            cell(above["difference"], percent=True, sign=True),
            cell(beside["difference"], percent=True, sign=True),
            cell(item["accuracy"], percent=True, sign=True),
            *_tests(item["accuracy"]),
            cell(item["net_benefit"]["0.2"], sign=True),
        ])  # fmt: skip
    heading = [
        "Combined model minus rule",
        POINTS.format("Sensitivity at the rule's specificity"),
        POINTS.format("Specificity at the rule's sensitivity"),
        POINTS.format("Accuracy"),
        "p",
        "p, Holm",
        "Net benefit at 20&nbsp;%",
    ]
    return table(heading, rows)


def ceiling_table(ceiling: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    """AUC of the exact posterior and each model's share of it."""
    rows = [["Exact posterior (ceiling)", cell(ceiling["auc"]), ""]]
    rows += [[SHORT[m], cell(models[m]["auc"]), cell(ceiling["models"][m]["auc_ratio"], percent=True)] for m in MODELS]
    return table(["", "AUC", "Share of the ceiling's AUC"], rows)


def conformal_table(conformal: Mapping[str, Any]) -> str:
    """Coverage and size of the conformal sets."""
    rows = [
        [
            SHORT[model],
            *(cell(entry["coverage"][name], percent=True) for name in ("malignant", "benign")),
            *(cell(entry["share"][name], percent=True) for name in ("benign", "malignant", "either", "none")),
        ]
        for model, entry in conformal["models"].items()
    ]
    heading = ["Model", "Coverage, malignant", "Coverage, benign", "Set: benign", "Set: malignant", "Set: either", "Set: none"]
    return table(heading, rows)


def published_table(published: Mapping[str, Any], models: Mapping[str, Any]) -> str:
    """The abstract's figures beside ours."""
    accuracy = published["accuracy"]
    exact = accuracy["exact"]
    theirs = f"{100 * accuracy['value']:.1f}&nbsp;%<small>exact {100 * exact['low']:.1f} to {100 * exact['high']:.1f}</small>"
    combined = models["combined"]
    rows = [
        ["Accuracy", theirs, cell(combined["accuracy"], percent=True)],
        ["AUC", f"{published['auc']['value']:.2f}<small>interval: see below</small>", cell(combined["auc"])],
    ]
    return table(["", "Published abstract", "This model, combined, on these lesions"], rows)


def forest(subgroups: Mapping[str, Any], overall: Mapping[str, Any]) -> str:
    """The combined model in every subgroup: a dot and its interval on a scale of 0 to 1, with the numbers below.

    Args:
        subgroups: divisions with their levels.
        overall: the combined model's figures on all lesions, drawn as a line through every track.
    """
    names = ("auc", "sensitivity", "specificity")
    rows = []
    for division in subgroups.values():
        rows.append(f"<tr class=division><th colspan=5 scope=rowgroup>{escape(division['label'])}</th></tr>")
        for level in division["levels"]:
            found = level["models"]["combined"]
            cells = "".join(
                f"<td>{_track(found[name], overall[name]['value'])}</td>" if name in found else "<td></td>" for name in names
            )
            rows.append(
                f"<tr><th scope=row>{escape(level['level'])}</th><td class=count>{level['lesions']}"
                f"<small>{level['malignant']} malignant</small></td>{cells}</tr>"
            )
    scale = "<div class=scale><span>0</span><span>0.5</span><span>1</span></div>"
    head = "<th scope=col></th><th scope=col>Lesions</th>"
    head += "".join(f"<th scope=col>{name}{scale}</th>" for name in ("AUC", "Sensitivity", "Specificity"))
    return f"<div class=wide><table class=forest><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"


def _track(metric: Mapping[str, Any], overall: float | None) -> str:
    if metric["value"] is None:
        reason = str(metric.get("reason") or "")
        # That a level has one class only is plain from its counts.
        return "" if reason in ("no benign lesion", "no malignant lesion") else f"<small class=absent>{escape(reason)}</small>"
    value = metric["value"]
    bar = "" if overall is None else f'<i class=all style="left:{100 * overall:.1f}%"></i>'
    text = f"{value:.2f}"
    if metric["low"] is not None:
        low, high = metric["low"], metric["high"]
        bar += f'<i class=bar style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
        text += f" ({low:.2f} to {high:.2f})"
    else:
        text += f", no interval: {escape(str(metric.get('reason') or 'not known'))}"
    return f'<div class=track>{bar}<i class=dot style="left:{100 * value:.1f}%"></i></div><small>{text}</small>'


def baseline_label(key: str) -> str:
    """What a baseline is called."""
    return {"size_attenuation": "Regression on size and attenuation"}.get(key, key.replace("_", " "))

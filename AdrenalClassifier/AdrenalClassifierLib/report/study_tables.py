"""The tables of a study's page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.report.study_text import (
    GROUP_TITLES,
    comparison_title,
    interval,
    mean_interval,
    mean_sd,
    median_iqr,
    metric_label,
    most_of,
    pairs_in,
    shown_metrics,
)
from AdrenalClassifierLib.report.wording import MODEL_LABELS, number
from AdrenalClassifierLib.study.analysis import Analysis

MOST_CARDS = 2


def headline(analysis: Analysis, summary: Mapping[str, Any]) -> str:
    """The few figures to be seen first, each with its interval."""
    items = []
    for group, title in GROUP_TITLES.items():
        entries = pairs_in(summary, group)
        if not entries:
            continue
        dice = summary["per_lesion"][group]["dice"]
        if dice["n"]:
            items.append(
                (
                    f"Dice {title[0].lower()}{title[1:]}",
                    mean_sd(dice, 2),
                    f"95 % interval of the mean {mean_interval(dice, 3, 1.0)}",
                )
            )
        together = [] if group == "original" else summary[group]["together"]
        found = [(entry, entry["icc"]["volume_ml_log"]["a1"]) for entry in together]
        found = [(entry, a) for entry, a in found if a["value"] is not None]
        name = f"ICC(A,1) of the volume, {title[0].lower()}{title[1:]}"
        if len(found) > MOST_CARDS:
            values = sorted(a["value"] for _, a in found)
            text = f"of {len(found)}; each with its interval in the text"
            items.append((name, f"{number(values[0], 3)} to {number(values[-1], 3)}", text))
            continue
        for entry, a in found:
            which = f"session {entry['session']}" if group == "inter" else str(entry["reader"])
            value, text = number(a["value"], 3), f"95 % interval {number(a['low'], 3)} to {number(a['high'], 3)}"
            items.append((name + (f", {which}" if len(found) > 1 else ""), value, text))
    low = sum(entry["dice_below_0_80"] for group in GROUP_TITLES for entry in pairs_in(summary, group))
    text = f"{len(analysis.outliers)} outliers in all" if len(analysis.outliers) != 1 else "1 outlier in all"
    items.append(("Pairs below a Dice of 0.80", f"{low} of {len(analysis.compared.pairs)}", text))
    blocks = "".join(
        f"<div><p>{escape(name)}</p><p class=value>{escape(value)}</p><p class=note>{escape(note)}</p></div>"
        for name, value, note in items
    )
    return f"<div class=headline>{blocks}</div>"


def agreement_tables(analysis: Analysis, summary: Mapping[str, Any]) -> str:
    """Lesions, comparisons and size terciles for each group of comparisons."""
    out = []
    for group, title in GROUP_TITLES.items():
        entries = pairs_in(summary, group)
        if not entries:
            continue
        described = summary["per_lesion"][group]
        rows = []
        for key in shown_metrics(analysis.tolerances_mm):
            label, unit, decimals = metric_label(key)
            found = described.get(key)
            if found is None or found["n"] == 0:
                continue
            cells = (
                mean_sd(found, decimals),
                mean_interval(found, decimals, most_of(key)),
                median_iqr(found, decimals),
                f"{number(found['min'], decimals)} to {number(found['max'], decimals)}",
                str(found["n"]) + (f" (+ {found['n_undefined']} undefined)" if found["n_undefined"] else ""),
            )
            name = f"{escape(label)}{f' <small>({unit})</small>' if unit else ''}"
            rows.append(f"<tr><th scope=row>{name}</th>{_cells(cells)}</tr>")
        head = _head("", "Mean ± SD", "95 % interval of the mean", "Median [IQR]", "Range", "Lesions")
        out.append(f"<h3>{title}</h3><div class=wide><table class=numbers>{head}<tbody>{''.join(rows)}</tbody></table></div>")
        out.append(_comparisons(entries))
        out.append(_terciles(entries))
    return "".join(out) + (
        "<p class=note>The first table describes lesions: where several pairs of readers outlined a lesion, their mean is its "
        "value. "
        "Differences and ratios are the second reading against the first.</p>"
    )


def _comparisons(entries: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for entry in entries:
        dice, altman = entry["metrics"]["dice"], entry["bland_altman"]["volume_ml"]
        cells = (
            str(entry["n_pairs"]),
            f"{mean_sd(dice, 3)}\n({mean_interval(dice, 3, 1.0)})",
            str(entry["dice_below_0_80"]),
            _two_lines(interval(altman["bias"], 3)),
            f"{_value(altman['lower_limit'])} to {_value(altman['upper_limit'])}",
            _two_lines(interval(entry["icc"]["volume_ml_log"]["a1"], 3)),
            _two_lines(interval(entry["icc"]["long_axis_mm"]["a1"], 3)),
        )
        rows.append(f"<tr><th scope=row>{escape(comparison_title(entry))}</th>{_cells(cells)}</tr>")
    head = _head(
        "Comparison",
        "Pairs",
        "Dice, mean ± SD (95 % interval)",
        "Dice < 0.80",
        "Volume ratio (95 % interval)",
        "Limits of agreement",
        "ICC(A,1) of volume",
        "ICC(A,1) of long axis",
    )
    return f"<div class=wide><table class=numbers>{head}<tbody>{''.join(rows)}</tbody></table></div>"


def _terciles(entries: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for entry in entries:
        for name, tercile in entry["by_size"].items():
            m = tercile["metrics"]
            cells = (
                f"{name}\n{number(tercile['volume_from_ml'], 1)} to {number(tercile['volume_to_ml'], 1)} mL",
                f"{mean_sd(m['dice'], 3)}\n({mean_interval(m['dice'], 3, 1.0)})",
                _two_lines(median_iqr(m["dice"], 3)),
                _two_lines(median_iqr(m["hd95_mm"], 1)),
                _two_lines(median_iqr(m["assd_mm"], 2)),
            )
            rows.append(f"<tr><th scope=row>{escape(comparison_title(entry))}</th>{_cells(cells)}</tr>")
    if not rows:
        return ""
    head = _head(
        "Comparison",
        "Size tercile",
        "Dice, mean ± SD (95 % interval)",
        "Dice, median [IQR]",
        "HD95, median [IQR] (mm)",
        "Average surface distance, median [IQR] (mm)",
    )
    table = f"<div class=wide><table class=numbers>{head}<tbody>{''.join(rows)}</tbody></table></div>"
    if len(entries) < 3:
        return table
    return f"<details><summary>By size tercile, {len(entries)} comparisons</summary>{table}</details>"


def probability_table(summary: Mapping[str, Any]) -> str:
    """How far each model's probability moves, with the model's statement; "" when there are no probabilities."""
    statement = summary["statement"]
    if statement is None:
        return ""
    rows = []
    for kind in ("inter", "intra"):
        for entry in summary[kind]["comparisons"]:
            for model in MODELS:
                name = model.replace("+", "_")
                found = entry["metrics"].get(f"probability_{name}_abs_difference")
                if found is None or found["n"] == 0:
                    continue
                flips = {t: entry["metrics"][f"class_flip_{name}_{t}"] for t in summary["thresholds"].get(model, {})}
                cells = (
                    MODEL_LABELS[model].replace(" + ", "\n+ ", 1),
                    str(found["n"]),
                    f"{number(found['mean'], 3)}\n({mean_interval(found, 3)})",
                    _two_lines(median_iqr(found, 3)),
                    number(found["max"], 3),
                    "; ".join(_flips(threshold, m) for threshold, m in flips.items()).replace("; ", "\n", 1),
                )
                rows.append(f"<tr><th scope=row>{escape(comparison_title(entry))}</th>{_cells(cells)}</tr>")
    if not rows:
        return ""
    head = _head(
        "Comparison",
        "Model",
        "Pairs",
        "Mean |difference| (95 % interval)",
        "Median [IQR]",
        "Largest",
        "Class flips by threshold (95 % interval)",
    )
    text = (
        f"<p class=statement>{escape(statement)}</p><p>How far the probability of malignancy moves when the same lesion is "
        f"outlined by someone else, or again; CT and patient values are the same. Model: {escape(str(summary['model']))}.</p>"
    )
    table = f'<div class=wide><table class="numbers tight">{head}<tbody>{"".join(rows)}</tbody></table></div>'
    return text + table


def _flips(threshold: str, found: Mapping[str, Any]) -> str:
    from scipy import stats

    count = round(found["mean"] * found["n"])
    span = stats.binomtest(count, found["n"]).proportion_ci(method="wilson")
    return f"{threshold.replace('_', ' ')} {count} of {found['n']} ({100 * span.low:.0f} to {100 * span.high:.0f} %)"


def _head(*titles: str) -> str:
    return f"<thead><tr>{''.join(f'<th scope=col>{escape(title)}</th>' for title in titles)}</tr></thead>"


def _cells(texts: Iterable[str]) -> str:
    """Table cells; what follows the end of a line stands smaller below it."""
    out = []
    for text in texts:
        first, *rest = text.split("\n")
        out.append(f"<td>{escape(first)}{''.join(f'<small>{escape(line)}</small>' for line in rest)}</td>")
    return "".join(out)


def _two_lines(text: str) -> str:
    """A value and its interval, the interval on a line of its own."""
    return text.replace(" (", "\n(", 1).replace(" [", "\n[", 1)


def _value(estimate: Mapping[str, Any]) -> str:
    return "not available" if estimate["value"] is None else number(estimate["value"], 3)

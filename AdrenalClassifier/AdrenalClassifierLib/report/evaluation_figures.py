"""Curves of an evaluation as inline SVG, drawn with matplotlib (imported only when something is drawn)."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from AdrenalClassifierLib.model.fusion import MODELS, ModelName

SHORT: Mapping[ModelName, str] = {
    "image": "Image",
    "image+radiological": "Image + radiological",
    "image+clinical": "Image + clinical",
    "combined": "Combined",
}
# Okabe & Ito's palette: told apart with any colour vision; line styles tell them apart in print.
COLOURS: Mapping[ModelName, str] = {
    "image": "#0072b2",
    "image+radiological": "#b35c00",
    "image+clinical": "#007a5a",
    "combined": "#1c2733",
}
STYLES: Mapping[ModelName, Any] = {
    "image": (0, (1, 1.2)),
    "image+radiological": (0, (5, 1.6)),
    "image+clinical": (0, (5, 1.4, 1, 1.4)),
    "combined": "-",
}
RULE_STYLES = ((0, (4, 2)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (2, 2)))
RULE_COLOURS = ("#b35c00", "#0072b2", "#007a5a", "#a03070", "#6a5acd", "#5f5f00")
GREY = "#5a6a7a"
SIZE = (5.0, 4.5)
_PARAMETERS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "evaluation",  # the same figure has the same bytes
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Segoe UI", "Arial", "sans-serif"],
    "font.size": 9,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.labelcolor": "#1c2733",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "#1c2733",
    "ytick.labelcolor": "#1c2733",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def letters(rules: Sequence[str]) -> dict[str, str]:
    """A letter for each rule, as the ROC figure marks it."""
    return {key: chr(ord("A") + n) for n, key in enumerate(rules)}


def roc_figure(curves: Mapping[str, Any], models: Mapping[str, Any], rules: Mapping[str, Any]) -> str | None:
    """ROC curves of the four models, the band of the combined one, and the rules as points; None without any curve."""

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#b8c2cc", lw=1)
        for model in _drawn(curves["roc"]):
            found = curves["roc"][model]
            if model == "combined":
                band = found["band"]
                _fill(axes, band["false_positive_rate"], band, COLOURS[model])
            area = models[model]["auc"]["value"]
            label = f"{SHORT[model]}, AUC {area:.3f}"
            _line(axes, model, found["curve"]["false_positive_rate"], found["curve"]["sensitivity"], label)
        points: dict[tuple[float, float], list[str]] = {}
        for key, letter in letters(list(rules)).items():
            specificity, sensitivity = rules[key]["specificity"]["value"], rules[key]["sensitivity"]["value"]
            points.setdefault((round(1 - specificity, 3), round(sensitivity, 3)), []).append(letter)
        for (x, y), names in points.items():
            axes.plot(x, y, "D", color="#fff", mec="#8a1c1c", mew=1.4, ms=6, zorder=5)
            place = (0, -13) if y > 0.2 else (0, 7)
            axes.annotate(
                ", ".join(names), (x, y), xytext=place, textcoords="offset points", ha="center", color="#8a1c1c", weight="bold",
                fontsize=8.5, zorder=6,
            )  # fmt: skip
        if points:
            axes.plot([], [], "D", color="#fff", mec="#8a1c1c", mew=1.4, ms=6, label="Rules (letters as in the table)")
        axes.set(xlabel="1 − specificity", ylabel="Sensitivity", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.legend(loc="lower right")

    return _svg("roc", draw) if _drawn(curves["roc"]) else None


def precision_recall_figure(curves: Mapping[str, Any]) -> str | None:
    """Precision over recall of the four models with the band of the combined one; None without any curve."""
    shown = _drawn(curves["precision_recall"])

    def draw(axes: Any) -> None:
        prevalence = curves["precision_recall"][shown[0]]["prevalence"]
        axes.axhline(prevalence, color="#b8c2cc", lw=1)
        axes.annotate(
            "prevalence", (0.99, prevalence), xytext=(0, 3), textcoords="offset points", ha="right", fontsize=8, color=GREY
        )
        for model in shown:
            found = curves["precision_recall"][model]
            if model == "combined":
                _fill(axes, found["band"]["recall"], found["band"], COLOURS[model])
            # Each point holds back to the recall before it: no straight line between points, which would flatter.
            _line(axes, model, found["curve"]["recall"], found["curve"]["precision"], SHORT[model], drawstyle="steps-pre")
        axes.set(xlabel="Recall (sensitivity)", ylabel="Precision (PPV)", xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
        axes.legend(loc="lower left")

    return _svg("pr", draw) if shown else None


def calibration_figure(curves: Mapping[str, Any], model: ModelName) -> str | None:
    """Observed share over predicted probability of one model: smooth curve with band, groups with intervals."""
    found = curves["calibration"][model]

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color="#b8c2cc", lw=1, label="Ideal")
        if found["curve"] is not None:
            _fill(axes, found["curve"]["predicted"], found["curve"], COLOURS[model])
            x, y = _known(found["curve"]["predicted"], found["curve"]["observed"])
            axes.plot(x, y, color=COLOURS[model], lw=1.8, label="LOESS, 95 % band")
        x = [g["predicted"] for g in found["groups"]]
        y = [g["observed"]["value"] for g in found["groups"]]
        error = [
            [g["observed"]["value"] - g["observed"]["low"] for g in found["groups"]],
            [g["observed"]["high"] - g["observed"]["value"] for g in found["groups"]],
        ]
        axes.errorbar(x, y, error, fmt="o", ms=4, color=GREY, elinewidth=1, label="Groups of equal size, Wilson")
        axes.set(xlabel="Predicted probability", ylabel="Observed share", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axes.set_title(SHORT[model], fontsize=10, loc="left", color="#1c2733")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2, fontsize=8)

    return _svg(f"cal{MODELS.index(model)}", draw, (5.0, 4.8)) if found["groups"] else None


def decision_figure(curves: Mapping[str, Any], rules: Mapping[str, Any] | None = None) -> str | None:
    """Net benefit over the decision threshold: of the four models, or of the combined model and ``rules``."""
    found = curves["decision"]
    shown = [m for m in MODELS if m in found["models"] and (rules is None or m == "combined")]

    def draw(axes: Any) -> None:
        x = [100 * t for t in found["threshold"]]
        axes.plot(x, found["treat_all"], color="#8fa3b7", lw=1.8, label="Operate on all")
        axes.plot(x, found["treat_none"], color="#1c2733", lw=1.0, ls=(0, (1, 3)), label="Operate on none")
        top = max([*found["treat_all"], 0.05])
        same: dict[tuple[float, ...], list[str]] = {}
        for key in rules or {}:
            same.setdefault(tuple(found["rules"][key]["net_benefit"]), []).append(key)
        for n, (values, keys) in enumerate(same.items()):
            marks = ", ".join(letters(list(rules or {}))[key] for key in keys)
            label = f"{marks}: {(rules or {})[keys[0]]['label']}" if len(keys) == 1 else f"{marks} (alike)"
            axes.plot(x, values, lw=1.3, ls=RULE_STYLES[n % 6], color=RULE_COLOURS[n % 6], label=label)
        for model in shown:
            entry = found["models"][model]
            if model == "combined":
                _fill(axes, x, entry, COLOURS[model])
                top = max(top, *(v for v in entry["high"] if v is not None), 0)
            _line(axes, model, x, entry["net_benefit"], SHORT[model])
        # Under the axes: the curves may be anywhere in the field.
        axes.set(xlabel="Threshold probability for surgery (%)", ylabel="Net benefit", xlim=(5, 50), ylim=(-0.06, top * 1.08))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8)

    return _svg("dc" if rules is None else "dr", draw, (5.0, 4.9)) if shown else None


def _drawn(curves: Mapping[str, Any]) -> list[ModelName]:
    return [model for model in MODELS if curves[model]["curve"] is not None]


def _line(axes: Any, model: ModelName, x: Sequence[Any], y: Sequence[Any], label: str, **more: Any) -> None:
    width = 2.0 if model == "combined" else 1.5
    axes.plot(*_known(x, y), color=COLOURS[model], ls=STYLES[model], lw=width, label=label, **more)


def _fill(axes: Any, x: Sequence[Any], band: Mapping[str, Any], colour: str) -> None:
    where = [n for n in range(len(x)) if band["low"][n] is not None and band["high"][n] is not None]
    if where:
        low, high = ([band[name][n] for n in where] for name in ("low", "high"))
        axes.fill_between([x[n] for n in where], low, high, color=colour, alpha=0.14, lw=0)


def _known(x: Sequence[Any], y: Sequence[Any]) -> tuple[list[float], list[float]]:
    pairs = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b is not None]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _svg(name: str, draw: Any, size: tuple[float, float] = SIZE) -> str:
    """Draw on fresh axes and give an ``<svg>`` element that fills its box; ids carry ``name``, since a page holds several."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    out = io.StringIO()
    with matplotlib.rc_context(_PARAMETERS):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        axes.grid(color="#eef2f6", lw=0.8)
        axes.set_axisbelow(True)
        draw(axes)
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(
        r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1), count=1
    )
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r"url\(#", f"url(#{name}-", text)
    return re.sub(r'href="#', f'href="#{name}-', text)

"""Figures of a reader study as SVG for a page. matplotlib is needed only when one is drawn."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from AdrenalClassifierLib.agreement.definitions import LOW_DICE
from AdrenalClassifierLib.agreement.many import ComparedPair
from AdrenalClassifierLib.errors import MissingDependencyError
from AdrenalClassifierLib.study.analysis import CaseRecord, comparison_of, group_of, pair_key
from AdrenalClassifierLib.study.manifest import ReadingId

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, RED, SOFT, LINE = "#1f6fb2", "#c2570c", "#2e7d4f", "#b3261e", "#5a6a7a", "#d9e0e7"
KIND_COLOURS = {"inter": BLUE, "original": GREEN, "intra": ORANGE}
READER_COLOURS = ("#1f6fb2", "#c2570c", "#2e7d4f", "#7b4fa3", "#8c6d1f", "#00838f", "#b3261e", "#5a6a7a", "#d16ba5", "#3c4f63")
WIDTH = 10.0
"""Inches of a figure as wide as the page."""
SHELL_MM = 1.0
MOST_COLUMNS, MANY = 3, 9
"""Panels in a row; two more where there are many."""


def require_matplotlib() -> None:
    """Raises MissingDependencyError when there is no matplotlib."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "The figures need the package matplotlib, which is not installed. Install it with: pip install matplotlib."
        ) from error


def shell_dice(volume_ml: float, shell_mm: float = SHELL_MM) -> float:
    """Dice of a ball and the same ball with a shell around it: 2 / (1 + (1 + d/r)^3)."""
    radius = math.pow(3000 * volume_ml / (4 * math.pi), 1 / 3)
    return 2 / (1 + (1 + shell_mm / radius) ** 3)


def mean_volume(pair: ComparedPair) -> float:
    """Mean of the two volumes in mL."""
    return ((pair.values["volume_a_ml"] or 0.0) + (pair.values["volume_b_ml"] or 0.0)) / 2


def bland_altman_figure(comparisons: Sequence[tuple[str, Sequence[ComparedPair], Mapping[str, Any]]]) -> str:
    """Ratio of the volumes against their geometric mean, a panel for each comparison (title, pairs, its Bland-Altman)."""
    columns = min(len(comparisons), MOST_COLUMNS if len(comparisons) <= MANY else MOST_COLUMNS + 2)
    rows = math.ceil(len(comparisons) / columns)
    figure = _figure(WIDTH if columns > 1 else WIDTH * 0.62, (2.9 if columns <= MOST_COLUMNS else 2.0) * rows + 0.3)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for ax, (title, pairs, found) in zip(axes.flat, comparisons, strict=False):
        volumes = [(p.values["volume_a_ml"] or 0.0, p.values["volume_b_ml"] or 0.0) for p in pairs]
        a, b = np.array([pair for pair in volumes if min(pair) > 0]).reshape(-1, 2).T
        for name, colour in (("lower_limit", SOFT), ("bias", BLUE), ("upper_limit", SOFT)):
            value = found[name]
            if value["low"] is not None:
                ax.axhspan(value["low"], value["high"], color=colour, alpha=0.16, linewidth=0)
            if value["value"] is not None:
                ax.axhline(value["value"], color=colour, linewidth=1.2, linestyle="-" if name == "bias" else "--")
        ax.axhline(1.0, color="black", linewidth=0.6)
        ax.scatter(np.sqrt(a * b), b / a, s=14, color="#1c2733", alpha=0.75, linewidth=0, zorder=3)
        ax.set_title(title, fontsize=10 if columns <= MOST_COLUMNS else 8)
        ax.set_xscale("log")
        ax.set_yscale("log")
    _plain_log(axes[0, 0])  # shared by all panels
    for ax in axes.flat[len(comparisons) :]:
        ax.set_visible(False)
    _outer_labels(figure, axes, len(comparisons), "Geometric mean volume (mL)", "Volume ratio")
    return _svg(figure, "bland-altman")


def dice_by_size_figure(groups: Sequence[tuple[str, str, Sequence[ComparedPair], Mapping[str, Any]]]) -> str:
    """Dice against volume, a panel for each group (title, kind, pairs, terciles), with each tercile's median and quartiles."""
    figure = _figure(WIDTH if len(groups) > 1 else WIDTH * 0.62, 3.6)
    axes = figure.subplots(1, len(groups), squeeze=False, sharey=True)[0]
    for ax, (title, kind, pairs, terciles) in zip(axes, groups, strict=True):
        drawn = [(mean_volume(p), p.values["dice"]) for p in pairs if p.values["dice"] is not None and mean_volume(p) > 0]
        volume, dice = np.array(drawn).reshape(-1, 2).T
        ax.scatter(volume, dice, s=14, color=KIND_COLOURS[kind], alpha=0.6, linewidth=0, zorder=3)
        if len(volume):
            span = np.geomspace(volume.min(), volume.max(), 60)
            ax.plot(span, [shell_dice(v) for v in span], color=SOFT, linewidth=1, linestyle=":", label="1 mm shell around a ball")
        for n, tercile in enumerate(terciles.values()):
            d = tercile["metrics"]["dice"]
            low, high = tercile["volume_from_ml"], tercile["volume_to_ml"]
            if d["median"] is not None and low > 0:
                label = "median and quartiles of a size tercile" if n == 0 else None
                ax.fill_between([low, high], d["q1"], d["q3"], color=KIND_COLOURS[kind], alpha=0.16, linewidth=0)
                ax.plot([low, high], [d["median"]] * 2, color=KIND_COLOURS[kind], linewidth=1.6, label=label)
        ax.axhline(LOW_DICE, color=RED, linewidth=0.8, linestyle="--")
        ax.set_xscale("log")
        _plain_log(ax, "x")
        ax.set_title(title, fontsize=10)
        ax.set_xlabel("Mean volume (mL)")
        handles, labels = ax.get_legend_handles_labels()
    axes[0].set_ylabel("Dice")
    legend = figure.legend(handles, labels, fontsize=8, loc="outside lower center", frameon=False, ncols=2)
    for line in legend.get_lines():  # the terciles have the colour of their panel
        line.set_color(SOFT)
    return _svg(figure, "dice-by-size")


def strip_figure(pairs: Sequence[ComparedPair], outliers: Sequence[ComparedPair]) -> str:
    """Dice of every pair of every case, cases by size, outliers ringed."""
    size: dict[str, list[float]] = {}
    for pair in pairs:
        size.setdefault(pair.case, []).append(mean_volume(pair))
    cases = sorted(size, key=lambda case: (float(np.mean(size[case])), case))
    place = {case: n for n, case in enumerate(cases)}
    apart = {pair_key(pair) for pair in outliers}
    kinds = [group_of(pair) for pair in pairs]
    shift = {"inter": -0.18, "original": 0.0, "intra": 0.18} if len(set(kinds)) > 1 else dict.fromkeys(KIND_COLOURS, 0.0)
    figure = _figure(WIDTH, 3.7)
    ax = figure.subplots()
    for n in range(0, len(cases), 2):
        ax.axvspan(n - 0.5, n + 0.5, color=LINE, alpha=0.45, linewidth=0)
    for kind, colour in KIND_COLOURS.items():
        own = [p for p, group in zip(pairs, kinds, strict=True) if group == kind and p.values["dice"] is not None]
        if not own:
            continue
        x = np.array([place[p.case] + shift[kind] for p in own])
        y = np.array([p.values["dice"] for p in own], float)
        for case in {p.case for p in own}:
            at = [n for n, p in enumerate(own) if p.case == case]
            ax.vlines(x[at[0]], y[at].min(), y[at].max(), color=colour, linewidth=1.0, alpha=0.6)
        ax.scatter(x, y, s=16, color=colour, linewidth=0, zorder=3, label=KIND_LABELS[kind])
        far = [n for n, p in enumerate(own) if pair_key(p) in apart]
        ax.scatter(x[far], y[far], s=56, facecolor="none", edgecolor=RED, linewidth=1.3, zorder=4)
    if apart:
        ax.scatter([], [], s=56, facecolor="none", edgecolor=RED, linewidth=1.3, label="outlier")
    ax.axhline(LOW_DICE, color=RED, linewidth=0.8, linestyle="--")
    ax.set_xlim(-0.6, len(cases) - 0.4)
    ax.set_xticks(range(len(cases)), cases, rotation=90, fontsize=7 if len(cases) > 24 else 8, family="monospace")
    ax.set_ylabel("Dice")
    ax.set_xlabel("Case, from the smallest to the largest")
    figure.legend(fontsize=8, loc="outside upper right", frameon=False, ncols=4)
    return _svg(figure, "strip")


KIND_LABELS = {"inter": "between readers", "original": "with the existing outline", "intra": "within a reader"}


def time_figure(records: Sequence[CaseRecord], labels: Mapping[ReadingId, str]) -> str:
    """Minutes for each case in the order in which it was read, a panel for each reading, titled by its label."""
    readings = list(dict.fromkeys(r.reading for r in records))
    columns = min(len(readings), 5)
    rows = math.ceil(len(readings) / columns)
    figure = _figure(WIDTH if columns > 2 else WIDTH * 0.8, 2.1 * rows + 0.3)
    axes = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    readers = list(dict.fromkeys(reading.reader for reading in readings))
    for ax, reading in zip(axes.flat, readings, strict=False):
        own = [r for r in records if r.reading == reading]
        colour = READER_COLOURS[readers.index(reading.reader) % len(READER_COLOURS)]
        minutes = [r.active_s / 60 for r in own]
        ax.scatter([r.position for r in own], minutes, s=12, color=colour, alpha=0.8, linewidth=0)
        ax.axhline(float(np.median(minutes)), color=colour, linewidth=1)
        ax.set_title(labels[reading], fontsize=10)
    axes[0, 0].set_ylim(0, 1.08 * max(r.active_s / 60 for r in records) or 1.0)  # shared by all panels
    for ax in axes.flat[len(readings) :]:
        ax.set_visible(False)
    _outer_labels(figure, axes, len(readings), "Place in the order", "Minutes")
    return _svg(figure, "time")


def group_pairs(pairs: Sequence[ComparedPair]) -> dict[tuple[str, int, str, int], list[ComparedPair]]:
    """Pairs by the two readings that they compare."""
    out: dict[tuple[str, int, str, int], list[ComparedPair]] = {}
    for pair in pairs:
        out.setdefault(comparison_of(pair), []).append(pair)
    return out


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _plain_log(ax: Axes, which: str = "both") -> None:
    """Ticks of a log axis as plain numbers, few enough to be read."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    for axis, (low, high) in ((ax.xaxis, ax.get_xlim()), (ax.yaxis, ax.get_ylim())):
        if which == "x" and axis is ax.yaxis:
            continue
        axis.set_major_locator(FixedLocator(log_ticks(low, high)))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.3g}"))
        axis.set_minor_formatter(NullFormatter())


FEW_MANTISSAS, FEWEST_TICKS = 5, 3


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round numbers between two others, at most about ``most``, no two of them close together on a log axis.

    The rounder ones come first: powers of ten, then 2 and 5, 1.5, 3 and 7; tenths and hundredths only where these are too few.
    """
    apart = math.log(high / low) / most
    tenths = [n / 10 for n in range(10, 100)]
    tiers = ([1.0], [2.0, 5.0], [1.5, 3.0, 7.0], [1.2, 4.0, 6.0, 8.0, 9.0], tenths, [n / 100 for n in range(100, 1000)])
    chosen: list[float] = []
    for tier in tiers:
        if len(tier) > FEW_MANTISSAS and len(chosen) >= FEWEST_TICKS:
            break
        for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1):
            for mantissa in tier:
                value = mantissa * 10.0**power
                if low <= value <= high and all(abs(math.log(value / other)) >= apart for other in chosen):
                    chosen.append(value)
    return sorted(chosen)


def _outer_labels(figure: Figure, axes: Any, count: int, x: str, y: str) -> None:
    """One label for each direction; the lowest panel of each column shows its ticks."""
    figure.supxlabel(x, fontsize=10)
    figure.supylabel(y, fontsize=10)
    columns = axes.shape[1]
    for n in range(max(count - columns, 0), count):
        axes[divmod(n, columns)].tick_params(labelbottom=True)


def _svg(figure: Figure, name: str) -> str:
    """The figure as an ``<svg>`` that stands in a page: scalable, no dates, no addresses, the same every time."""
    import matplotlib

    text = io.StringIO()
    settings: dict[Any, Any] = {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.family": ["DejaVu Sans", "sans-serif"],
        "font.size": 9,
    }
    with matplotlib.rc_context(settings):
        for ax in figure.axes:
            ax.spines[["top", "right"]].set_visible(False)
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    size = f'style="max-width: {96 * figure.get_figwidth():.0f}px" role="img"'
    return re.sub(r'(<svg[^>]*?) width="[\d.]+pt" height="[\d.]+pt"', rf"\1 {size}", svg, count=1)

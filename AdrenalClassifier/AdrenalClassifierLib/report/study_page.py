"""The HTML page of a reader study: one self-contained file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from AdrenalClassifierLib.agreement.summary import by_size
from AdrenalClassifierLib.errors import MissingDependencyError
from AdrenalClassifierLib.files import write_text
from AdrenalClassifierLib.imaging.read import read_ct
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.report import study_figures as figures
from AdrenalClassifierLib.report.pictures import outline_pictures
from AdrenalClassifierLib.report.study_tables import agreement_tables, headline, probability_table
from AdrenalClassifierLib.report.study_text import GROUP_TITLES, comparison_title, findings, methods, reading_labels, who
from AdrenalClassifierLib.report.wording import number
from AdrenalClassifierLib.study.analysis import Analysis, Outlier, group_of
from AdrenalClassifierLib.study.masks import mask_on_grid

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8") + (_FOLDER / "study_page.css").read_text(encoding="utf-8")
RESEARCH = "For research use only. Not a medical device."


def write_study_page(path: Path, analysis: Analysis, summary: Mapping[str, Any], progress: Progress = silent) -> None:
    """Write the page of a study, whole or not at all.

    Args:
        path: the HTML file.
        analysis: what was found, with its extra values.
        summary: of ``study.results.summary_of``.
        progress: told after each outlier that was drawn.

    Raises:
        OutputError: it cannot be written.
        AdrenalError: a mask or CT of an outlier cannot be read.
    """
    write_text(path, study_page(analysis, summary, progress))


def study_page(analysis: Analysis, summary: Mapping[str, Any], progress: Progress = silent) -> str:
    """The page as text."""
    study = analysis.study
    title = f"Reader study {study.code}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _remarks(analysis, summary),
        _section("What was found", headline(analysis, summary) + _paragraphs(findings(analysis, summary))),
        _section("Agreement", agreement_tables(analysis, summary)),
        _section("Volume: Bland-Altman", _figure(lambda: _bland_altman(analysis, summary), BLAND_ALTMAN)),
        _section("Dice by size", _figure(lambda: _by_size(analysis, summary), BY_SIZE)),
        _section("Every case", _figure(lambda: _strip(analysis), STRIP)),
        _section("Effect on the probability of malignancy", probability_table(summary)),
        _outliers(analysis, progress),
        _section(
            "Time for a case",
            _figure(lambda: figures.time_figure(analysis.records, reading_labels(analysis)), TIME) if analysis.records else "",
        ),
        _section("Methods", _paragraphs(methods(analysis, summary)) + _definitions(summary)),
        _footer(analysis, summary),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main><article>{''.join(parts)}"
        "</article></main></body></html>\n"
    )


BLAND_ALTMAN = (
    "Each point is a lesion. Solid line: mean ratio (bias); dashed lines: limits of agreement (1.96 SD); bands: their 95 % "
    "intervals; "
    "thin black line: equal volumes. Both axes are logarithmic."
)
BY_SIZE = (
    "Each point is a pair of outlines. The same error at the border costs a small lesion more Dice than a large one: the "
    "dotted line is "
    "what a shell of 1 mm all around a ball costs. Dashed red line: 0.80."
)
STRIP = "Each point is a pair of outlines of the case below it; lines join the pairs of one case. Dashed red line: 0.80."
PICTURED = "Each picture shows, of the slices that hold both outlines, the one in which they differ most."
TIME = "Each point is a case, in the order in which the reader met it; the line is the median. Pauses are left out."


def _section(title: str, content: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{content}</section>" if content else ""


def _paragraphs(texts: Iterable[str]) -> str:
    return "".join(f"<p>{escape(text)}</p>" for text in texts)


def _figure(draw: Any, caption: str) -> str:
    """A figure with its caption; without matplotlib, how to get it."""
    try:
        figures.require_matplotlib()
    except MissingDependencyError as error:
        return f"<p class=absent>{escape(str(error))}</p>"
    return f"<figure class=chart>{draw()}<figcaption>{escape(caption)}</figcaption></figure>"


def _remarks(analysis: Analysis, summary: Mapping[str, Any]) -> str:
    items = []
    if analysis.unfinished:
        names = ", ".join(reading.name for reading in analysis.unfinished)
        items.append(f"These results were opened before all readers had finished. Not complete: {names}.")
    for entry in analysis.remarks:
        day, reason = entry.time[:10], entry.values["reason"]
        if entry.event == "analysed_early":
            items.append(f"{day}: results opened early. Reason: {reason}")
        else:
            items.append(f"{day}: package {entry.values['reading']} released before the wash-out had passed. Reason: {reason}")
    items += [f"Case {case} could not be compared. {text}" for case, text in analysis.compared.failed.items()]
    items += list(summary["notes"])
    listed = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<section class=warnings><h3>Please note</h3><ul>{listed}</ul></section>" if items else ""


def _bland_altman(analysis: Analysis, summary: Mapping[str, Any]) -> str:
    groups = figures.group_pairs(analysis.compared.pairs)
    panels = []
    for kind in ("inter", "intra"):
        for entry in summary[kind]["comparisons"]:
            key = (entry["reader_a"], entry["session_a"], entry["reader_b"], entry["session_b"])
            panels.append((comparison_title(entry), groups[key], entry["bland_altman"]["volume_ml"]))
    return figures.bland_altman_figure(panels)


def _by_size(analysis: Analysis, summary: Mapping[str, Any]) -> str:
    groups = []
    for group, title in GROUP_TITLES.items():
        pairs = [pair for pair in analysis.compared.pairs if group_of(pair) == group]
        if pairs:
            groups.append((title, group, pairs, by_size(pairs)))
    return figures.dice_by_size_figure(groups)


def _strip(analysis: Analysis) -> str:
    return figures.strip_figure(analysis.compared.pairs, [o.pair for o in analysis.outliers])


def _outliers(analysis: Analysis, progress: Progress) -> str:
    blocks = []
    for done, outlier in enumerate(analysis.outliers, start=1):
        blocks.append(_outlier(analysis, outlier))
        progress(done, len(analysis.outliers), "Drawing outliers")
    text = f"<p>{len(blocks)} in all, the worst first. {PICTURED}</p>" if blocks else "<p>No pair is an outlier.</p>"
    return _section("Outliers", text + "".join(blocks))


def _outlier(analysis: Analysis, outlier: Outlier) -> str:
    pair = outlier.pair
    ct = read_ct(analysis.ct(pair.case))
    entry = {"reader_a": pair.reader_a, "session_a": pair.session_a, "reader_b": pair.reader_b, "session_b": pair.session_b}
    a, b = (
        mask_on_grid(analysis.mask(entry[f"reader_{s}"], entry[f"session_{s}"], pair.case), ct.geometry)  # type: ignore[arg-type]
        for s in "ab"
    )
    figures_html = ""
    if a.any() or b.any():
        figures_html = "".join(
            f'<figure><img alt="{escape(p.caption)}" src="{p.data_uri}"><figcaption>{escape(p.caption)}</figcaption></figure>'
            for p in outline_pictures(ct.hu, a, b, ct.geometry)
        )
    volumes = np.array([a.sum(), b.sum()]) * ct.geometry.voxel_volume_mm3 / 1000
    dice = "undefined" if pair.values["dice"] is None else number(pair.values["dice"], 3)
    hd95 = "" if pair.values["hd95_mm"] is None else f", HD95 {number(pair.values['hd95_mm'], 1)} mm"
    return (
        f"<div class=outlier><h3>Case {escape(pair.case)}: Dice {dice}{hd95}</h3>"
        f"<p>{escape('; '.join(outlier.reasons))}. <span class=key><i class=first></i>{escape(who(entry, 'a'))}, "
        f"{number(float(volumes[0]), 1)} mL</span><span class=key><i class=second></i>{escape(who(entry, 'b'))}, "
        f"{number(float(volumes[1]), 1)} mL</span><span class=key><i class=shared></i>both</span></p>"
        f"<div class=pictures>{figures_html}</div></div>"
    )


def _definitions(summary: Mapping[str, Any]) -> str:
    items = {**summary["definitions"], **summary["statistics"], "outliers": summary["outliers"]["rule"]}
    rows = "".join(f"<tr><th scope=row><code>{escape(k)}</code></th><td>{escape(v)}</td></tr>" for k, v in items.items())
    return f"<details><summary>Definition of every number</summary><table><tbody>{rows}</tbody></table></details>"


def _footer(analysis: Analysis, summary: Mapping[str, Any]) -> str:
    study = analysis.study
    return (
        f"<footer>{RESEARCH} Study {escape(study.code)}, created {escape(study.created[:10])}, manifest {study.sha256[:12]}, "
        "seed "
        f"{study.seed}. Software {escape(summary['software_version'])}. Values: pairs.csv; times: times.csv; statistics: "
        "summary.json.</footer>"
    )

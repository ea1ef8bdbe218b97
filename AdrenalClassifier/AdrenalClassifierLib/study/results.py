"""What an analysis writes: the long table, the times, the summary."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.agreement.definitions import DEFINITIONS
from AdrenalClassifierLib.agreement.statistics import describe
from AdrenalClassifierLib.agreement.summary import pairs_csv, summarise
from AdrenalClassifierLib.files import write_json, write_text
from AdrenalClassifierLib.study.analysis import GROUPS, OUTLIER_RULE, Analysis, by_lesion, group_of, times_of
from AdrenalClassifierLib.version import __version__

PER_LESION = (
    "Mean of a metric over the pairs of each lesion, then described over lesions (pairs of one lesion are not independent). "
    "Apart for pairs of readers (inter), of a reader and the existing outline (original), of sessions of one reader (intra)."
)
TOOL_COLUMNS = ("tool_a", "tool_version_a", "tool_b", "tool_version_b")


def summary_of(
    analysis: Analysis,
    definitions: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    statement: str | None = None,
    model: str | None = None,
    thresholds: Mapping[Any, Mapping[str, float]] | None = None,
) -> dict[str, Any]:
    """The summary as a JSON object: that of ``agreement.summary``, and what belongs to the study.

    Args:
        analysis: what was found.
        definitions: of extra values of the pairs.
        notes: such as why there are no probabilities.
        statement, model, thresholds: of the model whose probabilities are among the extra values: what must be said beside them,
            its name and version, and the thresholds of each of its models.
    """
    study = analysis.study
    out = summarise(analysis.compared, analysis.readings, analysis.tolerances_mm, definitions)
    readers_only = tuple(pair for pair in analysis.compared.pairs if group_of(pair) != "original")
    # The agreement of all readers together is theirs alone, whether existing outlines were compared or not.
    out["inter"]["together"] = summarise(replace(analysis.compared, pairs=readers_only, consensuses={}))["inter"]["together"]
    out["per_lesion"] = {}
    for group in GROUPS:
        pairs = [pair for pair in analysis.compared.pairs if group_of(pair) == group]
        keys = dict.fromkeys(key for pair in pairs for key in pair.values)
        out["per_lesion"][group] = {key: describe(list(by_lesion(pairs, key).values())) for key in keys}
    out["statistics"] = {**out["statistics"], "per_lesion": PER_LESION}
    out["study"] = {
        "study": study.code,
        "manifest_sha256": study.sha256,
        "created": study.created,
        "seed": study.seed,
        "readers": list(study.readers),
        "sessions": study.sessions,
        "washout_days": study.washout_days,
        "hint": study.hint,
        "content": study.content,
        "sampling": dict(study.sampling),
        "unfinished": [reading.name for reading in analysis.unfinished],
        "remarks": [
            {"time": e.time, "event": e.event, "reading": e.values["reading"], "reason": e.values["reason"]}
            for e in analysis.remarks
        ],
    }
    out["minutes"] = {reading.name: describe(list(minutes)) for reading, minutes in times_of(analysis.records).items()}
    out["outliers"] = {
        "rule": OUTLIER_RULE,
        "pairs": [
            {
                "case": o.pair.case,
                "kind": o.pair.kind,
                "reader_a": o.pair.reader_a,
                "session_a": o.pair.session_a,
                "reader_b": o.pair.reader_b,
                "session_b": o.pair.session_b,
                "dice": o.pair.values["dice"],
                "reasons": list(o.reasons),
            }
            for o in analysis.outliers
        ],
    }
    out["notes"] = list(notes)
    out["statement"], out["model"] = statement, model
    out["thresholds"] = {name: dict(values) for name, values in (thresholds or {}).items()}
    return out


def definition_of(key: str, extra: Mapping[str, str] | None = None) -> str:
    """What a metric means; the second of two like ``volume_b_ml`` has the definition of the first."""
    known = {**DEFINITIONS, **(extra or {})}
    if key.startswith("surface_dice"):
        return known["surface_dice"]
    return known.get(key) or known.get(key.replace("_b_", "_a_")) or known.get(key.removesuffix("_b") + "_a", "")


def long_csv(analysis: Analysis, definitions: Mapping[str, str] | None = None) -> str:
    """One row a case, pair of readings and metric: ``agreement.summary.pairs_csv`` with study, tools, definition and version."""
    tools = {(r.reading.reader, r.reading.session, r.case): (r.tool, r.tool_version) for r in analysis.records}
    rows = csv.DictReader(io.StringIO(pairs_csv(analysis.compared.pairs)))
    text = io.StringIO()
    columns = ["study", *(rows.fieldnames or ()), *TOOL_COLUMNS, "definition", "software_version"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        drawn = [tools.get((row[f"reader_{side}"], int(row[f"session_{side}"]), row["case"]), ("", "")) for side in "ab"]
        writer.writerow(
            (analysis.study.code, *row.values(), *drawn[0], *drawn[1], definition_of(row["metric"], definitions), __version__)
        )
    return text.getvalue()


def times_csv(analysis: Analysis) -> str:
    """One row a reading and case: place in the order, seconds of work, submissions, tool."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        ("study", "case", "reader", "session", "position", "active_s", "submissions", "submitted", "tool", "tool_version")
    )
    for r in analysis.records:
        who = (r.reading.reader, r.reading.session, r.position)
        when = r.when.isoformat(timespec="seconds")
        writer.writerow((analysis.study.code, r.case, *who, f"{r.active_s:.1f}", r.submissions, when, r.tool, r.tool_version))
    return text.getvalue()


def write_analysis(
    folder: Path, analysis: Analysis, summary: Mapping[str, Any], definitions: Mapping[str, str] | None = None
) -> None:
    """Write ``pairs.csv``, ``times.csv`` and ``summary.json`` into ``folder``. Raises OutputError."""
    write_text(folder / "pairs.csv", long_csv(analysis, definitions))
    write_text(folder / "times.csv", times_csv(analysis))
    write_json(folder / "summary.json", summary)

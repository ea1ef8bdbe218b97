"""Many pairs as a summary and as a long table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.agreement.definitions import DEFINITIONS, LOW_DICE, unit_of
from AdrenalClassifierLib.agreement.folders import Reading, unmatched
from AdrenalClassifierLib.agreement.many import Compared, ComparedPair
from AdrenalClassifierLib.agreement.statistics import LEVEL, bland_altman, concordance, describe, icc
from AdrenalClassifierLib.files import write_json, write_text
from AdrenalClassifierLib.version import __version__

SCHEMA_VERSION = 1
MEASURED = {"volume_ml": ("volume_a_ml", "volume_b_ml"), "long_axis_mm": ("long_axis_a_mm", "long_axis_b_mm")}
MEASURED["mean_hu"] = ("mean_hu_a", "mean_hu_b")
"""What is measured on each mask, and its keys in a pair."""
TERCILES = ("small", "medium", "large")

STATISTICS = {
    "describe": "mean with 95 % t interval, SD (n - 1), median, quartiles (linear interpolation), range; undefined values are "
    "left out and counted in n_undefined.",
    "by_size": "terciles of the mean of the two volumes, by rank.",
    "icc_a1": "ICC(A,1): two-way model, absolute agreement, single rater (McGraw & Wong 1996), F-based 95 % interval.",
    "icc_c1": "ICC(C,1): as ICC(A,1) for consistency. Volumes: both ICC are computed on ln(mL) (suffix of the measure: _log).",
    "ccc": "Lin's concordance correlation coefficient, interval by Fisher's z.",
    "bland_altman": "B - A, for volumes B / A on the log scale; limits at 1.96 SD; intervals after Bland & Altman 1999 with t.",
    "measured": "Statistics of volume, long axis and attenuation use the cases that every reader of the comparison measured; for "
    "volumes only those outlined by all.",
}


def summarise(
    compared: Compared,
    readings: Sequence[Reading] = (),
    tolerances_mm: Sequence[float] = (),
    definitions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The summary as a JSON object.

    Inter- and intra-reader comparisons are kept apart; within each, every pair of readings has its own entry in
    ``comparisons``, and all readers together their ICC.

    Args:
        compared: pairs, with their extra values if any.
        readings: for the lists of readings and of unmatched cases, which are empty without; other readings than those compared
            leave the readers of a consensus numbered instead of named.
        tolerances_mm: as used.
        definitions: of the pairs' extra values, added to those of the metrics.
    """
    out: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "software_version": __version__,
        "packages": {name: version(name) for name in ("numpy", "scipy", "SimpleITK")},
        "level": LEVEL,
        "tolerances_mm": list(tolerances_mm),
        "readings": [{"reader": r.reader, "session": r.session, "n_files": len(r.files)} for r in readings],
        "n_cases": len({pair.case for pair in compared.pairs}),
        "unmatched": unmatched(readings),
        "failed": dict(compared.failed),
    }
    for kind in ("inter", "intra"):
        pairs = [pair for pair in compared.pairs if pair.kind == kind]
        groups: dict[tuple[str, int, str, int], list[ComparedPair]] = {}
        for pair in pairs:
            groups.setdefault((pair.reader_a, pair.session_a, pair.reader_b, pair.session_b), []).append(pair)
        out[kind] = {
            "comparisons": [
                {"reader_a": a, "session_a": sa, "reader_b": b, "session_b": sb, **_comparison(group)}
                for (a, sa, b, sb), group in groups.items()
            ],
            "together": _together(pairs, kind),
        }
    out["consensus"] = _consensus(compared, readings)
    out["definitions"] = {**DEFINITIONS, **(definitions or {})}
    out["statistics"] = STATISTICS
    return out


def _comparison(pairs: Sequence[ComparedPair]) -> dict[str, Any]:
    """Everything about one pair of readings."""
    return {
        "n_pairs": len(pairs),
        "dice_below_0_80": _low(pairs),
        "metrics": _described(pairs),
        "by_size": by_size(pairs),
        **_measured(pairs),
    }


def _low(pairs: Sequence[ComparedPair]) -> int:
    return sum(1 for pair in pairs if (dice := pair.values["dice"]) is not None and dice < LOW_DICE)


def _described(pairs: Sequence[ComparedPair]) -> dict[str, Any]:
    keys = dict.fromkeys(key for pair in pairs for key in pair.values)
    return {key: describe([pair.values.get(key) for pair in pairs]) for key in keys}


def by_size(pairs: Sequence[ComparedPair]) -> dict[str, Any]:
    """The metrics by tercile of the pair's mean volume; empty for fewer than three pairs. Ties go by name of the case."""
    if len(pairs) < len(TERCILES):
        return {}
    size = {id(p): ((p.values["volume_a_ml"] or 0.0) + (p.values["volume_b_ml"] or 0.0)) / 2 for p in pairs}
    ordered = sorted(pairs, key=lambda p: (size[id(p)], p.case))
    out = {}
    for name, numbers in zip(TERCILES, np.array_split(np.arange(len(ordered)), len(TERCILES)), strict=True):
        group = [ordered[n] for n in numbers]
        sizes = [size[id(p)] for p in group]
        out[name] = {
            "volume_from_ml": min(sizes),
            "volume_to_ml": max(sizes),
            "dice_below_0_80": _low(group),
            "metrics": _described(group),
        }
    return out


def _measured(pairs: Sequence[ComparedPair]) -> dict[str, Any]:
    """ICC, Bland-Altman and concordance of two readings."""
    out: dict[str, Any] = {"icc": {}, "bland_altman": {}, "ccc": {}}
    for name, keys in MEASURED.items():
        rows = [[pair.values.get(key) for key in keys] for pair in pairs]
        scores = np.array([row for row in rows if _usable(row, name)], float).reshape(-1, 2)
        ratio = name == "volume_ml"
        out["icc"] |= _icc(name, scores)
        out["bland_altman"][name] = bland_altman(scores[:, 0], scores[:, 1], ratio).to_json()
        out["ccc"][name] = concordance(scores[:, 0], scores[:, 1]).to_json()
    return out


def _usable(row: Sequence[float | None], name: str) -> bool:
    return all(value is not None and (name != "volume_ml" or value > 0) for value in row)


def _icc(name: str, scores: NDArray[np.float64]) -> dict[str, Any]:
    log = name == "volume_ml"
    a, c = icc(np.log(scores) if log else scores)
    return {name + ("_log" if log else ""): {"n": len(scores), "raters": scores.shape[1], "a1": a.to_json(), "c1": c.to_json()}}


def _together(pairs: Sequence[ComparedPair], kind: str) -> list[dict[str, Any]]:
    """ICC over all readers of a session (inter) or all sessions of a reader (intra), on the cases that all of them measured."""
    key: Callable[[ComparedPair], str | int] = (lambda p: p.session_a) if kind == "inter" else (lambda p: p.reader_a)
    found = []
    for value in dict.fromkeys(key(pair) for pair in pairs):
        group = [pair for pair in pairs if key(pair) == value]
        entry: dict[str, Any] = {"session" if kind == "inter" else "reader": value}
        table: dict[str, dict[tuple[str, int], dict[str, float | None]]] = {}
        for pair in group:
            for side in "ab":
                who = (pair.reader_a, pair.session_a) if side == "a" else (pair.reader_b, pair.session_b)
                row = {name: pair.values.get(keys["ab".index(side)]) for name, keys in MEASURED.items()}
                table.setdefault(pair.case, {})[who] = row
        raters = list(dict.fromkeys(who for by in table.values() for who in by))
        entry["raters"] = [{"reader": reader, "session": session} for reader, session in raters]
        entry["icc"] = {}
        for name in MEASURED:
            rows = [[by[who][name] if who in by else None for who in raters] for by in table.values()]
            scores = np.array([row for row in rows if _usable(row, name)], float).reshape(-1, len(raters))
            entry["icc"] |= _icc(name, scores)
        found.append(entry)
    return found


def _consensus(compared: Compared, readings: Sequence[Reading]) -> dict[str, Any] | None:
    """STAPLE by case; None with fewer than three readers."""
    if not compared.consensuses:
        return None
    out = {}
    for case, found in compared.consensuses.items():
        readers = _readers(case, len(found.dice), compared, readings)
        out[case] = {
            "volume_ml": float(found.mask.sum()) * found.geometry.voxel_volume_mm3 / 1000,
            "all_readers_ml": float((found.count == len(found.dice)).sum()) * found.geometry.voxel_volume_mm3 / 1000,
            "any_reader_ml": float((found.count > 0).sum()) * found.geometry.voxel_volume_mm3 / 1000,
            "readers": [
                {"reader": reader, "sensitivity": p, "specificity": q, "dice": d}
                for reader, p, q, d in zip(readers, found.sensitivity, found.specificity, found.dice, strict=True)
            ],
        }
    return {"method": "STAPLE (Warfield 2004) on the readers' joint box with one voxel around it, threshold 0.5", "cases": out}


def _readers(case: str, count: int, compared: Compared, readings: Sequence[Reading]) -> list[str]:
    """Names of the readers whose first masks made up the consensus of a case, in its order.

    Without the readings they are those of the case's pairs, which stand in the same order; numbers where pairs were left out.
    """
    names = [r.reader for r in readings if r.session == 1 and case in r.files]
    if not readings:
        pairs = [p for p in compared.pairs if p.case == case and p.kind == "inter" and p.session_a == p.session_b == 1]
        names = list(dict.fromkeys(name for pair in pairs for name in (pair.reader_a, pair.reader_b)))
    return names if len(names) == count else [f"reader {n}" for n in range(1, count + 1)]


COLUMNS = ("case", "kind", "reader_a", "session_a", "reader_b", "session_b", "metric", "value", "unit", "undefined")


def pairs_csv(pairs: Sequence[ComparedPair]) -> str:
    """The long table: one row a pair and metric; an undefined value is empty, with its reason in the last column."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for pair in pairs:
        who = (pair.case, pair.kind, pair.reader_a, pair.session_a, pair.reader_b, pair.session_b)
        for key, value in pair.values.items():
            reason = "" if value is not None else pair.agreement.undefined.get(key, "Not available.")
            writer.writerow((*who, key, "" if value is None else repr(value), unit_of(key), reason))
    return text.getvalue()


def write_results(folder: Path, compared: Compared, summary: Mapping[str, Any]) -> None:
    """Write ``pairs.csv`` and ``summary.json`` into ``folder``. Raises OutputError."""
    write_text(folder / "pairs.csv", pairs_csv(compared.pairs))
    write_json(folder / "summary.json", summary)

"""The words of a study's page: how it was done, and what was found, with the numbers filled in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from AdrenalClassifierLib.agreement.statistics import lesions_for_interval
from AdrenalClassifierLib.report.wording import number
from AdrenalClassifierLib.study.analysis import ORIGINAL, OUTLIER_RULE, Analysis
from AdrenalClassifierLib.study.manifest import ReadingId

HALF_WIDTH = 0.01
"""Half width of the interval of the mean Dice for which the number of lesions is given."""
GROUP_TITLES = {"inter": "Between readers", "original": "With the existing outlines", "intra": "Within readers"}
# metric -> (label, unit, decimals)
METRICS: Mapping[str, tuple[str, str, int]] = {
    "dice": ("Dice", "", 3),
    "surface_dice_1mm": ("Surface Dice, 1 mm", "", 3),
    "surface_dice_2mm": ("Surface Dice, 2 mm", "", 3),
    "hd95_mm": ("HD95", "mm", 1),
    "hausdorff_mm": ("Hausdorff distance", "mm", 1),
    "assd_mm": ("Average surface distance", "mm", 2),
    "volume_difference_percent": ("Volume difference", "%", 1),
    "long_axis_difference_mm": ("Long axis difference", "mm", 1),
    "mean_hu_difference": ("Attenuation difference", "HU", 1),
    "centroid_shift_mm": ("Centroid shift", "mm", 1),
}
HINTS = {
    "none": "no hint of the place of the lesion",
    "point": "a point inside the lesion, drawn at random from its deepest half",
    "box": "a box drawn 10 to 20 mm larger than the existing outline on each side",
}
CONTENTS = {"crop": "a part of the CT that reaches 30 to 70 mm beyond the lesion", "full": "the whole CT"}


def metric_label(key: str) -> tuple[str, str, int]:
    """Label, unit and decimals of a metric; surface Dice at any tolerance has them."""
    if key in METRICS:
        return METRICS[key]
    if key.startswith("surface_dice_"):
        return f"Surface Dice, {key.removeprefix('surface_dice_').removesuffix('mm')} mm", "", 3
    return key, "", 3


def shown_metrics(tolerances_mm: Sequence[float]) -> list[str]:
    """The metrics of the tables, in order, with the surface Dice at the tolerances that were used."""
    own = [f"surface_dice_{t:g}mm" for t in tolerances_mm]
    return ["dice", *own, *(key for key in METRICS if key != "dice" and not key.startswith("surface_dice"))]


def plural(count: int, noun: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def interval(value: Mapping[str, Any] | None, decimals: int, unit: str = "") -> str:
    """``0.93 (0.91 to 0.95)``; ``not available`` where it does not exist."""
    if value is None or value["value"] is None:
        return "not available"
    text = number(value["value"], decimals) + (f" {unit}" if unit else "")
    if value["low"] is None:
        return f"{text} (no interval)"
    return f"{text} ({number(value['low'], decimals)} to {number(value['high'], decimals)})"


def mean_sd(found: Mapping[str, Any], decimals: int) -> str:
    """``0.92 ± 0.03``; without a deviation for one value."""
    if found["n"] == 0:
        return "undefined"
    sd = "" if found["sd"] is None else f" ± {number(found['sd'], decimals)}"
    return f"{number(found['mean'], decimals)}{sd}"


def mean_interval(found: Mapping[str, Any], decimals: int, most: float = math.inf) -> str:
    """The 95 % interval of a mean, ``0.91 to 0.93``, cut at the largest value that there can be."""
    if found.get("mean_low") is None:
        return "no interval"
    return f"{number(found['mean_low'], decimals)} to {number(min(found['mean_high'], most), decimals)}"


def most_of(key: str) -> float:
    """The largest value that a metric can have."""
    return 1.0 if "dice" in key or key.startswith("probability_") else math.inf


def median_iqr(found: Mapping[str, Any], decimals: int) -> str:
    """``0.92 [0.90 to 0.94]``."""
    if found["n"] == 0:
        return "undefined"
    return f"{number(found['median'], decimals)} [{number(found['q1'], decimals)} to {number(found['q3'], decimals)}]"


def methods(analysis: Analysis, summary: Mapping[str, Any]) -> list[str]:
    """Paragraphs on how the study was done, ready for a manuscript."""
    study, sampling = analysis.study, analysis.study.sampling
    strata = sampling["strata"]
    by = "class and tercile of volume" if any(" " in name for name in strata) else ", ".join(strata)
    drawn = (
        f"All {sampling['drawn']} eligible lesions were read"
        if sampling["drawn"] == sampling["eligible"]
        else f"{sampling['drawn']} of {sampling['eligible']} eligible lesions were drawn in proportion from strata of {by} "
        f"(systematic sample, seed {study.seed})"
    )
    left = sampling["left_out_one_lesion_a_patient"]
    one = f"; {plural(left, 'further lesion')} of the same patients took no part" if left else ""
    sessions = (
        "once"
        if study.sessions == 1
        else f"{study.sessions} times, with a wash-out of at least {study.washout_days} days between two sessions"
    )
    readers = plural(len(study.readers), "reader")
    design = (
        f"{drawn}{one}. {readers[0].upper()}{readers[1:]} outlined each lesion {sessions}, blinded to patient, clinical data, "
        "diagnosis, the existing outline, other readers' outlines and any probability. Cases carried random codes, others in "
        "each "
        f"reading, and came in a random order of each reading's own. Readers saw {CONTENTS[study.content]}, with "
        f"{HINTS[study.hint]}."
    )
    tools = sorted({f"{r.tool} {r.tool_version}" for r in analysis.records})
    tolerances = " and ".join(f"{t:g}" for t in analysis.tolerances_mm)
    measures = (
        f"Outlines were drawn with {', '.join(tools) or 'unknown tools'}. Agreement was measured by the Dice coefficient and, "
        "between triangulated surfaces in mm, by the 95th percentile of the Hausdorff distance (the larger of both "
        "directions), the "
        f"average symmetric surface distance, and the surface Dice at {tolerances} mm; volumes by Bland-Altman limits on the "
        "log scale and by ICC(A,1) of ln(mL) (two-way random, absolute agreement, single rater). Intervals are 95 %. Distances "
        "from an "
        "empty mask are undefined, not averaged, and counted. Only sessions of the same number are compared between readers. "
        f"Software {summary['software_version']}, {', '.join(f'{k} {v}' for k, v in summary['packages'].items())}."
    )
    return [design, measures]


def findings(analysis: Analysis, summary: Mapping[str, Any]) -> list[str]:
    """One paragraph for each group of comparisons, and one on times and outliers."""
    out = []
    for group, title in GROUP_TITLES.items():
        described = summary["per_lesion"].get(group) or {}
        if not described or described["dice"]["n"] == 0:
            continue
        dice, pairs = described["dice"], pairs_in(summary, group)
        low = sum(entry["dice_below_0_80"] for entry in pairs)
        count = sum(entry["n_pairs"] for entry in pairs)
        text = (
            f"{title}, the Dice coefficient was {mean_sd(dice, 2)} (mean ± SD of {plural(dice['n'], 'lesion')}; 95 % interval "
            "of the "
            f"mean {mean_interval(dice, 3, 1.0)}; median [IQR] {median_iqr(dice, 2)}; range {number(dice['min'], 2)} to "
            f"{number(dice['max'], 2)}); {low} of {plural(count, 'pair')} lay below 0.80."
        )
        hd95, assd = described["hd95_mm"], described["assd_mm"]
        if hd95["n"]:
            text += f" Median HD95 was {median_iqr(hd95, 1)} mm, median average surface distance {median_iqr(assd, 2)} mm."
        text += _icc_text(summary, group)
        if len(pairs) == 1:
            found = pairs[0]["bland_altman"]["volume_ml"]
            names = [who(pairs[0], side) for side in "ab"]
            text += (
                f" Volumes of {names[1]} were {interval(found['bias'], 3)} times those of {names[0]} (limits of agreement "
                f"{interval(found['lower_limit'], 2)} and {interval(found['upper_limit'], 2)})."
            )
        if dice["sd"]:
            needed = lesions_for_interval(dice["sd"], 2 * HALF_WIDTH)
            text += (
                f" At this SD, {plural(needed, 'lesion')} would give an interval of the mean Dice of ± {HALF_WIDTH:g} or less."
            )
        out.append(text)
    labels = {reading.name: label for reading, label in reading_labels(analysis).items()}
    minutes = [f"{labels[name]} {median_iqr(found, 1)}" for name, found in summary["minutes"].items() if found["n"]]
    if minutes:
        out.append(f"Median [IQR] time for a case in minutes, pauses left out: {'; '.join(minutes)}.")
    count = len(analysis.outliers)
    out.append(
        f"Outliers are pairs with {OUTLIER_RULE}: {count or 'none'} of {plural(len(analysis.compared.pairs), 'pair')}"
        f"{', all shown below' if count else ''}."
    )
    return out


def reading_labels(analysis: Analysis) -> dict[ReadingId, str]:
    """Each reading in words: the reader, with the session where there are several."""
    several = analysis.study.sessions > 1
    return {r: f"{r.reader}, session {r.session}" if several else r.reader for r in analysis.study.readings}


def pairs_in(summary: Mapping[str, Any], group: str) -> list[Mapping[str, Any]]:
    """The comparisons of a group."""
    kind = "intra" if group == "intra" else "inter"
    return [
        entry
        for entry in summary[kind]["comparisons"]
        if kind == "intra" or (ORIGINAL in (entry["reader_a"], entry["reader_b"])) == (group == "original")
    ]


def who(entry: Mapping[str, Any], side: str) -> str:
    """A reading in words: ``R1``, ``R1 (session 2)``, ``the existing outlines``."""
    reader, session = entry[f"reader_{side}"], entry[f"session_{side}"]
    if reader == ORIGINAL:
        return "existing outlines"
    return str(reader) if session == 1 else f"{reader} (session {session})"


def comparison_title(entry: Mapping[str, Any]) -> str:
    """``R2 against R1``: B against A."""
    if entry["reader_a"] == entry["reader_b"]:
        return f"{entry['reader_a']}: session {entry['session_b']} against {entry['session_a']}"
    if ORIGINAL not in (entry["reader_a"], entry["reader_b"]) and entry["session_a"] == entry["session_b"] != 1:
        return f"{entry['reader_b']} against {entry['reader_a']}, session {entry['session_a']}"
    return f"{who(entry, 'b')} against {who(entry, 'a')}"


def _icc_text(summary: Mapping[str, Any], group: str) -> str:
    if group == "original":
        return ""
    parts = []
    for entry in summary[group]["together"]:
        found = entry["icc"]["volume_ml_log"]
        if found["a1"]["value"] is None:
            continue
        if group == "intra":
            of = f"for the sessions of {entry['reader']}"
        else:
            of = f"for {', '.join(r['reader'] for r in entry['raters'])}"
            of += f" in session {entry['session']}" if len(summary[group]["together"]) > 1 else ""
        parts.append(f"{interval(found['a1'], 3)} {of} (n = {found['n']})")
    return f" ICC(A,1) of the volume was {'; '.join(parts)}." if parts else ""

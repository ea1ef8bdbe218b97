"""``agreement``: two masks of one lesion, or folders of masks of two or more readers."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.agreement.consensus import write_map
from AdrenalClassifierLib.agreement.definitions import DEFAULT_TOLERANCES_MM, DEFINITIONS, unit_of
from AdrenalClassifierLib.agreement.folders import masks_in, readings_of
from AdrenalClassifierLib.agreement.many import Compared, compare_many
from AdrenalClassifierLib.agreement.pair import PairAgreement, compare
from AdrenalClassifierLib.agreement.placing import only_segment
from AdrenalClassifierLib.agreement.statistics import lesions_for_interval
from AdrenalClassifierLib.agreement.summary import SCHEMA_VERSION, summarise, write_results
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.files import write_json
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from AdrenalClassifierLib.version import __version__

SHOWN = ("dice", "volume_difference_percent", "hausdorff_mm", "hd95_mm", "assd_mm", "centroid_shift_mm")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument(
        "masks", type=Path, nargs="+", metavar="A B", help="two masks, or two or more folders of masks matched by file name"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for pair.json, or for pairs.csv and summary.json")
    parser.add_argument("--label", metavar="LABEL", help="number or name of the segment to compare, where files hold several")
    parser.add_argument(
        "--ct", type=Path, metavar="CT", help="the CT, or a folder of CT files named as the masks, for attenuation"
    )
    parser.add_argument(
        "--tolerance",
        type=float,
        action="append",
        metavar="MM",
        help="tolerance of the surface Dice (repeat for several); default: 1 and 2 mm",
    )
    parser.add_argument(
        "--readers",
        nargs="+",
        metavar="NAME",
        help="the reader of each folder; a name given again is a further session of that reader (intra-reader agreement)",
    )
    parser.add_argument("--workers", type=int, metavar="N", help="cases compared at a time; default: one a core, at most four")
    parser.add_argument("--json", action="store_true", help="print the machine-readable result alone on stdout")


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError for bad input, before anything is written."""
    tolerances = tuple(dict.fromkeys(options.tolerance or DEFAULT_TOLERANCES_MM))
    if len(options.masks) < 2:
        raise AdrenalError("Give at least two masks, or two folders of masks.")
    if options.workers is not None and options.workers < 1:
        raise AdrenalError("--workers must be 1 or more.")
    kinds = {path.is_dir() for path in options.masks}
    if kinds == {True, False}:
        raise AdrenalError("Give masks only or folders only, not both.")
    if kinds == {True}:
        _folders(options, tolerances)
        return
    if len(options.masks) > 2:
        raise AdrenalError("Give two masks; for more readers, put the masks of each reader into a folder of its own.")
    if options.readers:
        raise AdrenalError("--readers names folders; leave it out for two masks.")
    _pair(options, tolerances)


def _pair(options: argparse.Namespace, tolerances: Sequence[float]) -> None:
    ct = read_ct(options.ct) if options.ct else None
    a, b = (
        only_segment(read_mask(path, options.label, ct.geometry if ct else None, empty=True), path.name) for path in options.masks
    )
    found = compare(a, b, ct, tolerances)
    result = {**found.to_json(), "schema_version": SCHEMA_VERSION, "software_version": __version__}
    if options.out is not None:
        write_json(options.out / "pair.json", {**result, "definitions": DEFINITIONS})
    if options.json:
        print(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(pair_text(found))
        for notice in found.notices:
            print(f"note: {notice.text}", file=sys.stderr)
    if options.out is not None:
        print(f"Written: {options.out / 'pair.json'}", file=sys.stderr)


def _folders(options: argparse.Namespace, tolerances: Sequence[float]) -> None:
    if options.out is None and not options.json:
        raise AdrenalError("Say where the result goes: --out DIR writes pairs.csv and summary.json, --json prints the summary.")
    readings = readings_of(options.masks, options.readers)
    cts = masks_in(options.ct) if options.ct else None
    with progress_bar() as progress:
        compared = compare_many(readings, options.label, cts, tolerances, options.workers, progress)
    if not compared.pairs:
        raise AdrenalError(f"No case could be compared. The first one: {next(iter(compared.failed.values()))}")
    summary = summarise(compared, readings, tolerances)
    if options.out is not None:
        write_results(options.out, compared, summary)
        _write_maps(options.out, compared)
    print(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) if options.json else summary_text(summary))
    for name, cases in summary["unmatched"].items():
        if cases:
            print(f"note: only {name} has {', '.join(cases[:10])}{' ...' if len(cases) > 10 else ''}.", file=sys.stderr)
    for case, reason in compared.failed.items():
        print(f"note: {case} was not compared. {reason}", file=sys.stderr)
    if options.out is not None:
        print(f"Written: {options.out / 'pairs.csv'}, {options.out / 'summary.json'}", file=sys.stderr)


def _write_maps(folder: Path, compared: Compared) -> None:
    for case, found in compared.consensuses.items():
        write_map(folder / "agreement_maps" / f"{case}.nrrd", found.count, found.geometry)
        write_map(folder / "consensus" / f"{case}.nrrd", found.mask, found.geometry)


def pair_text(found: PairAgreement) -> str:
    """One line a metric."""
    width = max(map(len, found.values))
    lines = []
    for key, value in found.values.items():
        if value is None:
            if not key.startswith("mean_hu"):
                lines.append(f"  {key:<{width}}  undefined: {found.undefined[key]}")
        else:
            lines.append(f"  {key:<{width}}  {value:.4g}" if unit_of(key) != "1" else f"  {key:<{width}}  {value:.4f}")
    return "\n".join(lines)


def summary_text(summary: dict[str, Any]) -> str:
    """A short table a comparison and the number of lesions for an interval as narrow as is usual."""
    lines = [f"{summary['n_cases']} cases"]
    for kind in ("inter", "intra"):
        for entry in summary[kind]["comparisons"]:
            who = [f"{entry[f'reader_{side}']} (session {entry[f'session_{side}']})" for side in "ab"]
            lines += ["", f"{kind}-reader: {who[0]} and {who[1]}, {entry['n_pairs']} pairs"]
            for key in (*SHOWN, *(k for k in entry["metrics"] if k.startswith("surface_dice"))):
                m = entry["metrics"][key]
                if m["n"] == 0:
                    lines.append(f"  {key:<28} undefined in all pairs")
                    continue
                sd = "" if m["sd"] is None else f" +- {m['sd']:.3f}"
                left = f", undefined in {m['n_undefined']}" if m["n_undefined"] else ""
                text = f"{m['mean']:.3f}{sd}, median {m['median']:.3f} [{m['q1']:.3f} to {m['q3']:.3f}]"
                lines.append(f"  {key:<28} {text}, {m['min']:.3f} to {m['max']:.3f}{left}")
            lines.append(f"  {'Dice below 0.80':<28} {entry['dice_below_0_80']} pairs")
            for name, value in entry["icc"].items():
                a = value["a1"]
                if a["low"] is not None:
                    lines.append(
                        f"  {'ICC(A,1) ' + name:<28} {a['value']:.3f} ({a['low']:.3f} to {a['high']:.3f}), n = {value['n']}"
                    )
            sd = entry["metrics"]["dice"]["sd"]
            if sd:
                needed = lesions_for_interval(sd, 0.02)
                lines.append(f"  {'lesions needed':<28} {needed} for a 95 % interval of the mean Dice 0.02 wide at this SD")
    return "\n".join(lines)

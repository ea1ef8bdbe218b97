"""``evaluate``: judge a model's four variants on a cohort, as a study would."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.cohort.table import read_cohort
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.evaluation.evaluate import Evaluation, evaluate, require_statistics
from AdrenalClassifierLib.evaluation.files import write_results
from AdrenalClassifierLib.model.bundle import load_bundle
from AdrenalClassifierLib.model.device import DEVICES, require_torch
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.report.evaluation_page import write_evaluation_page
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource
from AdrenalClassifierLib.training.judging import PARTS, bundle_policy, choose_part, judge

PAGE = "evaluation.html"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--cohort", type=Path, required=True, nargs="+", metavar="cohort.csv",
                        help="the cohort table; several are judged as one")  # fmt: skip
    parser.add_argument("--model", type=Path, metavar="DIR", help="a bundle written by 'train'; default: the bundled model")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR",
                        help=f"folder for metrics.json, metrics.csv, predictions.csv and {PAGE}")  # fmt: skip
    parser.add_argument("--part", choices=PARTS, default=None,
                        help="which rows; default: the test rows of the column 'split' where there is one, else all")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="determines the bootstrap (default: 0)")
    parser.add_argument("--bootstrap", type=int, default=2000, metavar="N", help="resamples of patients (default: 2000)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the network runs (default: auto)")


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError before the long work starts where it can."""
    require_torch()
    require_statistics()
    if options.bootstrap < 100 or options.seed < 0:
        raise AdrenalError("--bootstrap must be 100 or more and --seed 0 or more.")
    if options.out.exists() and not options.out.is_dir():
        raise AdrenalError(f"'{options.out.name}' is a file. Choose a folder for the results.")
    bundle = load_bundle(options.model or resource("Models", DEFAULT_MODEL))
    tables = [read_cohort(path, bundle_policy(bundle)) for path in options.cohort]
    chosen = [choose_part(table, bundle, options.part) for table in tables]
    remarks = tuple(dict.fromkeys(remark for _, said in chosen for remark in said))
    with progress_bar() as progress:
        given = judge(bundle, [cohort for cohort, _ in chosen], remarks, max(options.workers, 1), options.device, progress)
        found = evaluate(given, options.seed, options.bootstrap, progress)
        write_evaluation_page(options.out / PAGE, found)
        write_results(options.out, found, given)
    print(_text(found))
    print(f"Written: {options.out / PAGE}", file=sys.stderr)


def _text(found: Evaluation) -> str:
    cohort = found.cohort
    lines = [f"{cohort['lesions']} lesions of {cohort['patients']} patients, {cohort['malignant']} malignant"]
    for model in MODELS:
        entry = found.models[model]
        lines.append(f"{model:<20} AUC {_figure(entry['auc'])}  accuracy {_figure(entry['accuracy'])}")
    if found.ceiling is not None:
        lines.append(f"{'ceiling':<20} AUC {_figure(found.ceiling['auc'])}")
    return "\n".join(
        [*lines, *found.remarks, *([found.published["comparison"]] if cohort["synthetic"] else []), found.model["statement"]]
    )


def _figure(metric: dict[str, Any]) -> str:
    if metric["value"] is None:
        return f"not defined ({metric.get('reason')})"
    if metric["low"] is None:
        return f"{metric['value']:.3f} (no interval: {metric.get('reason')})"
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"

"""``assess --cohort``: every lesion of a cohort table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from AdrenalClassifierLib.batch.results import LINES, TABLE
from AdrenalClassifierLib.batch.run import BatchSettings, assess_cohort
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.commands.case import FURTHER
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.model.conformal import parse_level
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.model.prevalence import parse_prevalence

OF_ONE_CASE = ("ct", "mask", "label", "phase", "series", "patient", *FURTHER)


def add_cohort_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments that only a cohort has."""
    group = parser.add_argument_group("a whole cohort instead of --ct and --mask")
    group.add_argument("--cohort", type=Path, metavar="cohort.csv", help="assess every lesion of a cohort table")
    group.add_argument("--workers", type=int, default=1, metavar="N", help="processes of this machine (default: 1)")
    group.add_argument("--scheduler", metavar="ADDRESS", help="use the workers of a Dask scheduler, such as tcp://10.0.0.5:8786")
    group.add_argument(
        "--restart", action="store_true", help="assess all lesions again instead of going on where a run was cut off"
    )


def presentation(options: argparse.Namespace) -> Options:
    """How predictions are presented, by the arguments. Raises AdrenalError."""
    return Options(
        parse_prevalence(options.prevalence), parse_level(options.level), options.outside_range == "show", options.saliency
    )


def run_cohort(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError for bad input."""
    given = [name for name in OF_ONE_CASE if getattr(options, name) is not None]
    if given:
        raise AdrenalError(f"--{given[0]} belongs to a single case. With --cohort everything comes from the table.")
    if options.json:
        raise AdrenalError(f"--json prints one case. A cohort writes {LINES} (one JSON object a line) in the folder --out DIR.")
    if options.out is None:
        raise AdrenalError("Say where the results go: --out DIR.")
    if options.saliency:
        raise AdrenalError("--saliency belongs to a single case (--ct and --mask).")
    chosen = presentation(options)
    settings = BatchSettings(options.model, options.device, options.workers, options.scheduler, options.restart, chosen)
    with progress_bar() as progress:
        summary = assess_cohort(options.cohort, options.out, settings, progress)
    print(f"{summary.lesions} lesions: {summary.lesions - summary.errors} assessed, {summary.errors} with an error.")
    if summary.done_before:
        print(f"{summary.done_before} of them were there from an earlier run.")
    print(summary.statement)
    print(f"Written: {options.out / TABLE}, {options.out / LINES}", file=sys.stderr)

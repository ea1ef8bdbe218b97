"""``cohort synthesize``, ``cohort check`` and ``cohort import-tcia``."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from AdrenalClassifierLib.cohort.check import check_cohort
from AdrenalClassifierLib.cohort.labels import chosen_policy, policy_names
from AdrenalClassifierLib.cohort.synthetic.write import write_synthetic
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.commands.import_tcia import add_import_arguments, run_import
from AdrenalClassifierLib.errors import CohortError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the commands."""
    commands = parser.add_subparsers(dest="cohort_command", metavar="COMMAND", required=True)

    text = "write a synthetic cohort: CT, masks and cohort.csv; every name and header says SYNTHETIC"
    make = commands.add_parser("synthesize", help=text, description=text)
    make.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder")
    make.add_argument("--lesions", type=int, default=385, help="number of lesions (default: 385)")
    make.add_argument("--seed", type=int, default=0, help="determines everything (default: 0)")
    make.add_argument("--backgrounds", type=Path, metavar="DIR", help="put the lesions into the CTs of this folder")
    make.add_argument("--dicom", action="store_true", help="write DICOM series instead of NIfTI")
    make.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")

    text = "report every problem of a cohort table with row and column"
    check = commands.add_parser("check", help=text, description=text)
    check.add_argument("table", type=Path, metavar="cohort.csv", help="the table")
    check.add_argument("--quick", action="store_true", help="do not open the images")
    check.add_argument("--label-policy", choices=policy_names(), default=None, help="which histologies count as malignant")

    add_import_arguments(commands)


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises CohortError when the table has problems."""
    if options.cohort_command == "import-tcia":
        run_import(options)
        return
    if options.cohort_command == "synthesize":
        with progress_bar() as progress:
            table = write_synthetic(
                options.out, options.lesions, options.seed, progress, max(options.workers, 1), options.backgrounds, options.dicom
            )
        print(f"Written: {table}", file=sys.stderr)
        return
    with progress_bar() as progress:
        problems, notices = check_cohort(options.table, not options.quick, chosen_policy(options.label_policy), progress)
    for notice in notices:
        print(f"note: {notice.text}")
    if problems:
        raise CohortError(f"'{options.table.name}' has {len(problems)} problems:", problems)
    print(f"'{options.table.name}' is sound.")

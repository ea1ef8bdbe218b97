"""``cohort import-tcia``: a cohort table of the public collection Adrenal-ACC-Ki67-Seg."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.cohort.importers.report import SERIES_FILE, TEXT_FILE
from AdrenalClassifierLib.cohort.importers.tcia import import_tcia
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.imaging.images import PHASES


def add_import_arguments(commands: Any) -> None:
    """The sub-command and its arguments."""
    text = "make a cohort table of the TCIA collection Adrenal-ACC-Ki67-Seg from its download folder and clinical table"
    parser = commands.add_parser("import-tcia", help=text, description=text)
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="the download, in any layout: only DICOM headers are looked at"
    )
    parser.add_argument("--clinical", type=Path, required=True, metavar="TABLE", help="the clinical table, .csv or .xlsx")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="a new folder for cohort.csv and the import report"
    )
    parser.add_argument("--unknown-phase", choices=[phase for phase in PHASES if phase != "unknown"], default=None,
                        help="phase of series of which nothing says it (default: they are left out)")  # fmt: skip
    parser.add_argument("--all-studies", action="store_true", help="rows for every study of a patient (default: the earliest)")


def run_import(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError for bad input."""
    with progress_bar() as progress:
        made = import_tcia(options.folder, options.clinical, options.out, options.unknown_phase, options.all_studies, progress)
    print(f"{made.lesions} lesions of {made.patients} patients.")
    if made.to_look_at:
        print(f"{made.to_look_at} things to look at, in {TEXT_FILE}; every series with the reason is in {SERIES_FILE}.")
    print(f"Written: {made.table}", file=sys.stderr)

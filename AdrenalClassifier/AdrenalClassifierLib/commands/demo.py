"""``demo``: the main job on the sample case that ships with the software."""

from __future__ import annotations

import argparse
import json
import webbrowser
from pathlib import Path

from AdrenalClassifierLib.commands.assess import add_output_arguments, assess_case
from AdrenalClassifierLib.commands.case import FURTHER
from AdrenalClassifierLib.resources import resource

SAMPLE = "adrenal-right-synthetic"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_output_arguments(parser)
    parser.add_argument("--open", action="store_true", help="open the report in the browser")


def run(options: argparse.Namespace) -> None:
    """Run the command on the sample case."""
    folder = resource("SampleData", SAMPLE)
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    options.ct, options.mask, options.patient = (folder / case[key] for key in ("ct", "mask", "patient"))
    options.phase, options.label, options.series = case["phase"], None, None
    for phase in FURTHER:
        setattr(options, phase, None)
    options.out = options.out or Path("adrenal-classifier-demo")
    assess_case(options)
    if options.open:
        webbrowser.open((options.out / "report.html").resolve().as_uri())

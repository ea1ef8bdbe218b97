"""``measure``: the measurements of a lesion; needs no model and no torch."""

from __future__ import annotations

import argparse
import json
import sys

from AdrenalClassifierLib.commands.case import add_case_arguments, read_case
from AdrenalClassifierLib.commands.summary import measurements_text
from AdrenalClassifierLib.imaging.measurements import measure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_case_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print the machine-readable result alone on stdout")


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError for bad input."""
    lesions = read_case(options)
    measured = [measure(lesion) for lesion in lesions]
    if options.json:
        objects = [
            {"lesion_id": lesion.lesion_id, "side": lesion.side, **m.to_json()}
            for lesion, m in zip(lesions, measured, strict=True)
        ]
        print(json.dumps(objects[0] if len(objects) == 1 else objects, indent=2, allow_nan=False))
        return
    for lesion, m in zip(lesions, measured, strict=True):
        side = "" if lesion.side == "unknown" else f", {lesion.side} side"
        print(f"{lesion.lesion_id}{side}\n{measurements_text(m)}")
        for notice in dict.fromkeys((*lesion.notices, *m.notices)):
            print(f"note: {notice.text}", file=sys.stderr)

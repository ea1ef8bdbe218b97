"""``assess``: the main job on files of one case."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from AdrenalClassifierLib.assessment import Assessor, write_assessments
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.commands.case import add_case_arguments, read_case
from AdrenalClassifierLib.commands.summary import assessment_text
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.model.device import DEVICES
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.patient.record import PatientRecord
from AdrenalClassifierLib.report.page import write_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_case_arguments(parser)
    parser.add_argument("--patient", type=Path, metavar="P.json", help="history and laboratory values (see 'cohort variables')")
    add_output_arguments(parser)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, device and where results go; shared with ``demo``."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="a bundle written by 'train'; default: the bundled model")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the network runs (default: auto)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for report.html and assessment.json")
    parser.add_argument("--json", action="store_true", help="print the machine-readable result alone on stdout")


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError for bad input, before anything is written."""
    if options.out is None and not options.json:
        raise AdrenalError("Say where the result goes: --out DIR writes files, --json prints.")
    assess_case(options)


def assess_case(options: argparse.Namespace) -> None:
    """Read, assess, write, print."""
    with progress_bar() as progress:
        steps = 4
        progress(0, steps, "Assessing")
        patient, notices = read_patient(options.patient)
        lesions = read_case(options)
        progress(1, steps, "Assessing")
        assessor = Assessor(options.model, options.device)
        progress(2, steps, "Assessing")
        assessments = tuple(assessor.assess(lesion, patient, notices) for lesion in lesions)
        progress(3, steps, "Assessing")
        if options.out is not None:
            write_page(options.out / "report.html", list(zip(assessments, lesions, strict=True)))
            write_assessments(options.out / "assessment.json", assessments)
        progress(4, steps, "Assessing")
    if options.json:
        objects = [a.to_json() for a in assessments]
        print(json.dumps(objects[0] if len(objects) == 1 else objects, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n\n".join(assessment_text(a) for a in assessments))
    if options.out is not None:
        print(f"\nWritten: {options.out / 'report.html'}, {options.out / 'assessment.json'}", file=sys.stderr)


def read_patient(path: Path | None) -> tuple[PatientRecord, tuple[Notice, ...]]:
    """The patient file, or an empty record. Raises PatientValueError."""
    return (PatientRecord({}), ()) if path is None else record_from_json(path)

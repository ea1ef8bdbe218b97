"""``assess``: the main job on files of one case, or on a cohort table."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from AdrenalClassifierLib.assessment import Assessment, Assessor, write_assessments
from AdrenalClassifierLib.commands.assess_cohort import add_cohort_arguments, presentation, run_cohort
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.commands.case import add_case_arguments, read_case
from AdrenalClassifierLib.commands.summary import assessment_text
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.model.device import DEVICES
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.patient.record import PatientRecord
from AdrenalClassifierLib.report.page import write_page
from AdrenalClassifierLib.report.volume import write_volume


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    add_case_arguments(parser, required=False)
    parser.add_argument("--patient", type=Path, metavar="P.json", help="history and laboratory values (see 'cohort variables')")
    add_output_arguments(parser)
    add_cohort_arguments(parser)


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """Model, device and where results go; shared with ``demo``."""
    parser.add_argument("--model", type=Path, metavar="DIR", help="a bundle written by 'train'; default: the bundled model")
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where the network runs (default: auto)")
    parser.add_argument("--prevalence", metavar="P", default="training",
                        help="of malignancy where the patient comes from: 8%%, 0.08, incidentaloma (8%%), surgical (26%%); "
                        "default: that of the training cohort")  # fmt: skip
    parser.add_argument("--level", metavar="L", default="90%", help="of the conformal set (default: 90%%)")
    parser.add_argument("--outside-range", choices=("hide", "show"), default="hide",
                        help="the probability of a lesion outside the validated range (default: hide)")  # fmt: skip
    parser.add_argument("--saliency", action="store_true",
                        help="show what the network used in the image; with --out also as saliency.nii.gz")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for report.html and assessment.json")
    parser.add_argument("--json", action="store_true", help="print the machine-readable result alone on stdout")


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError for bad input, before anything is written."""
    if options.cohort is not None:
        run_cohort(options)
        return
    if options.ct is None or options.mask is None:
        raise AdrenalError("Give a case (--ct CT --mask MASK) or a cohort (--cohort cohort.csv).")
    if options.workers != 1 or options.scheduler is not None or options.restart:
        raise AdrenalError("--workers, --scheduler and --restart belong to --cohort.")
    if options.out is None and not options.json:
        raise AdrenalError("Say where the result goes: --out DIR writes files, --json prints.")
    assess_case(options)


def assess_case(options: argparse.Namespace) -> None:
    """Read, assess, write, print."""
    chosen = presentation(options)
    with progress_bar() as progress:
        steps = 4
        progress(0, steps, "Assessing")
        patient, notices = read_patient(options.patient)
        lesions = read_case(options)
        progress(1, steps, "Assessing")
        assessor = Assessor(options.model, options.device)
        progress(2, steps, "Assessing")
        assessments = tuple(assessor.assess(lesion, patient, notices, chosen) for lesion in lesions)
        progress(3, steps, "Assessing")
        written = ["report.html", "assessment.json"]
        if options.out is not None:
            assessments = tuple(
                _with_saliency(options.out, assessment, lesion, len(lesions) > 1)
                for assessment, lesion in zip(assessments, lesions, strict=True)
            )
            written += [a.saliency_file for a in assessments if a.saliency_file is not None]
            write_page(options.out / "report.html", list(zip(assessments, lesions, strict=True)))
            write_assessments(options.out / "assessment.json", assessments)
        progress(4, steps, "Assessing")
    if options.json:
        objects = [a.to_json() for a in assessments]
        print(json.dumps(objects[0] if len(objects) == 1 else objects, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n\n".join(assessment_text(a) for a in assessments))
    if options.out is not None:
        print(f"\nWritten: {', '.join(str(options.out / name) for name in written)}", file=sys.stderr)


def _with_saliency(folder: Path, assessment: Assessment, lesion: Lesion, several: bool) -> Assessment:
    """Write the saliency volume of an assessment that has one, and note its name."""
    if assessment.saliency is None:
        return assessment
    name = f"saliency-{assessment.lesion_id}.nii.gz" if several else "saliency.nii.gz"
    write_volume(folder / name, assessment.saliency.values, lesion.geometry)
    return replace(assessment, saliency_file=name)


def read_patient(path: Path | None) -> tuple[PatientRecord, tuple[Notice, ...]]:
    """The patient file, or an empty record. Raises PatientValueError."""
    return (PatientRecord({}), ()) if path is None else record_from_json(path)

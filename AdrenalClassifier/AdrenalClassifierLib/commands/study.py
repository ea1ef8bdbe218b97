"""``study``: blinded reader studies, for the coordinator (create, release, status, collect, analyse) and the reader (work)."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from pathlib import Path

from AdrenalClassifierLib.agreement.definitions import DEFAULT_TOLERANCES_MM
from AdrenalClassifierLib.commands import study_work
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.commands.study_probability import Probabilities, with_probabilities
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.model.device import DEVICES
from AdrenalClassifierLib.report.study_page import write_study_page
from AdrenalClassifierLib.report.study_text import findings
from AdrenalClassifierLib.study.analysis import analyse
from AdrenalClassifierLib.study.collect import collect
from AdrenalClassifierLib.study.create import Design, create_study
from AdrenalClassifierLib.study.hints import CONTENTS, HINTS
from AdrenalClassifierLib.study.manifest import ANALYSIS, DEFAULT_WASHOUT_DAYS, PACKAGES, read_study
from AdrenalClassifierLib.study.release import release
from AdrenalClassifierLib.study.results import summary_of, write_analysis
from AdrenalClassifierLib.study.sampling import DEFAULT_LESIONS
from AdrenalClassifierLib.study.sources import sources_of_cohort, sources_of_folders
from AdrenalClassifierLib.study.status import Progress, progress_of

SECRET_BYTES = 32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the commands."""
    commands = parser.add_subparsers(dest="study_command", metavar="COMMAND", required=True)

    text = "draw the lesions, freeze the manifest, and write the packages of every reader's first session"
    make = commands.add_parser("create", help=text, description=text)
    source = make.add_mutually_exclusive_group(required=True)
    source.add_argument("--cohort", type=Path, metavar="cohort.csv", help="a cohort table")
    source.add_argument("--cts", type=Path, metavar="DIR", help="a folder of CT files, or of folders of DICOM slices")
    make.add_argument("--masks", type=Path, metavar="DIR", help="with --cts: a folder of masks of the same names")
    make.add_argument("--out", type=Path, required=True, metavar="STUDY", help="a new folder, which only the coordinator may see")
    make.add_argument("--readers", nargs="+", required=True, metavar="NAME", help="pseudonyms of the readers")
    make.add_argument("--sessions", type=int, default=1, metavar="N", help="readings by each reader (default: 1)")
    make.add_argument(
        "--washout", type=int, default=DEFAULT_WASHOUT_DAYS, metavar="DAYS", help="least time between them (default: 28)"
    )
    make.add_argument("--lesions", type=int, default=DEFAULT_LESIONS, metavar="N", help="lesions to draw (default: 40)")
    make.add_argument("--seed", type=int, help="decides sample and orders (default: drawn at random and recorded)")
    make.add_argument("--content", choices=CONTENTS, default="crop", help="what readers see of a CT (default: crop)")
    make.add_argument("--hint", choices=HINTS, default="point", help="what they are told of the lesion's place (default: point)")

    text = "write the package of a later session, once its wash-out has passed"
    later = commands.add_parser("release", help=text, description=text)
    _study(later)
    later.add_argument("--reader", required=True, metavar="NAME", help="whose session")
    later.add_argument("--session", type=int, required=True, metavar="N", help="which session")
    later.add_argument("--force", metavar="REASON", default="", help="release it before the wash-out has passed; logged")

    text = "progress by reader; never a result"
    status = commands.add_parser("status", help=text, description=text)
    _study(status)
    status.add_argument("--json", action="store_true", help="print the machine-readable result alone on stdout")

    text = "verify returned packages and copy their masks and logs into the study"
    back = commands.add_parser("collect", help=text, description=text)
    _study(back)
    back.add_argument(
        "packages", type=Path, nargs="*", metavar="PACKAGE", help="returned folders or .zip; default: those in STUDY"
    )

    text = "compare all outlines: pairs.csv, times.csv, summary.json and study.html"
    results = commands.add_parser("analyse", help=text, description=text)
    _study(results)
    results.add_argument("--out", type=Path, metavar="DIR", help="default: analysis/ in the study's folder")
    results.add_argument(
        "--force", metavar="REASON", default="", help="open the results before all readers have finished; logged"
    )
    results.add_argument("--original", action="store_true", help="also compare with the existing outlines")
    results.add_argument(
        "--tolerance",
        type=float,
        action="append",
        metavar="MM",
        help="of the surface Dice (repeat for several); default: 1 and 2",
    )
    results.add_argument("--model", type=Path, metavar="DIR", help="a bundle for the probabilities; default: the bundled model")
    results.add_argument("--device", choices=DEVICES, default="auto", help="where the network runs (default: auto)")
    results.add_argument("--no-probability", action="store_true", help="leave the probabilities out")
    results.add_argument("--workers", type=int, metavar="N", help="cases compared at a time; default: one a core, at most four")
    results.add_argument("--json", action="store_true", help="print the summary alone on stdout")

    study_work.add_arguments(commands)


def _study(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, metavar="STUDY", help="the study's folder")


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError for bad input."""
    {
        "create": _create,
        "release": _release,
        "status": _status,
        "collect": _collect,
        "analyse": _analyse,
        "work": study_work.run,
    }[options.study_command](options)


def _create(options: argparse.Namespace) -> None:
    if options.masks is not None and options.cts is None:
        raise AdrenalError("--masks goes with --cts; a cohort table names its masks itself.")
    seed = secrets.randbelow(2**31) if options.seed is None else options.seed
    design = Design(
        tuple(options.readers), seed, options.sessions, options.washout, options.lesions, options.content, options.hint
    )
    sources = sources_of_cohort(options.cohort) if options.cohort else sources_of_folders(options.cts, options.masks)
    with progress_bar() as progress:
        study = create_study(options.out, sources, design, secrets.token_bytes(SECRET_BYTES), options.cohort, progress=progress)
    drawn = study.sampling["drawn"]
    print(f"Study {study.code}: {drawn} of {study.sampling['eligible']} lesions, seed {seed}.")
    for name, count in study.sampling["strata"].items():
        print(f"  {name:<24} {count['drawn']} of {count['eligible']}")
    if drawn < options.lesions:
        print(f"note: {options.lesions} lesions were wanted, {drawn} are eligible; all of them are read.", file=sys.stderr)
    print(f"Written: {options.out}. Hand out the files in {PACKAGES}/ and nothing else.", file=sys.stderr)


def _release(options: argparse.Namespace) -> None:
    folder = release(read_study(options.study), options.reader, options.session, options.force)
    print(f"Written: {folder}, {folder.name}.zip", file=sys.stderr)


def _status(options: argparse.Namespace) -> None:
    study = read_study(options.study)
    readings = progress_of(study)
    if options.json:
        print(json.dumps({"study": study.code, "readings": [r.to_json() for r in readings]}, indent=2))
        return
    print(f"Study {study.code}: {len(study.cases)} cases, {len(study.readers)} readers, sessions: {study.sessions}")
    width = max(len(r.reading.reader) for r in readings)
    for r in readings:
        print(f"  {r.reading.reader:<{width}}  session {r.reading.session}  {_progress_text(r)}")


def _progress_text(r: Progress) -> str:
    if r.finished:
        return f"{r.total} of {r.total} submitted and collected: finished"
    if not r.released:
        return "not released" + ("" if r.opens is None else f"; may be from {r.opens.isoformat()} on")
    begun = f", {r.begun} begun" if r.begun else ""
    return f"{r.submitted} of {r.total} submitted{begun}; {r.collected} collected"


def _collect(options: argparse.Namespace) -> None:
    study = read_study(options.study)
    packages = options.packages
    if not packages:
        places = (study.folder / PACKAGES / reading.name for reading in study.readings)
        packages = [place for place in places if (place / "log.csv").is_file()]
        if not packages:
            raise AdrenalError("No package in the study's folder was worked on. Name the returned folders or .zip files.")
    for package in packages:
        returned = collect(study, package)
        work = returned.worklist
        print(f"{returned.reading.name}: {work.submitted} of {len(work.cases)} cases, {returned.new} new submissions")


def _analyse(options: argparse.Namespace) -> None:
    if options.workers is not None and options.workers < 1:
        raise AdrenalError("--workers must be 1 or more.")
    tolerances = tuple(dict.fromkeys(options.tolerance or DEFAULT_TOLERANCES_MM))
    study = read_study(options.study)
    out = options.out or study.folder / ANALYSIS
    with progress_bar() as progress:
        analysis = analyse(study, options.force, options.original, tolerances, options.workers, progress)
        if not analysis.compared.pairs:
            raise AdrenalError(f"No case could be compared. The first one: {next(iter(analysis.compared.failed.values()), '')}")
        found = Probabilities(analysis, {}, None, None, ())
        if not options.no_probability:
            found = with_probabilities(analysis, options.model, options.device, progress)
        analysis = found.analysis
        summary = summary_of(analysis, found.definitions, found.notes, found.statement, found.model, found.thresholds)
        write_analysis(out, analysis, summary, found.definitions)
        write_study_page(out / "study.html", analysis, summary, progress)
    if options.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print("\n".join(findings(analysis, summary)))
        if found.statement:
            print(found.statement)
    for note in found.notes:
        print(f"note: {note}", file=sys.stderr)
    for case, reason in analysis.compared.failed.items():
        print(f"note: {case} was not compared. {reason}", file=sys.stderr)
    print(f"Written: {out / 'study.html'}, pairs.csv, times.csv, summary.json", file=sys.stderr)

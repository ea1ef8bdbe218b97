"""``study work``: the steps of a reader, for a host without a module of its own and for readers who draw with another program."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.study import work
from AdrenalClassifierLib.study.hints import hint_text
from AdrenalClassifierLib.study.worklist import CaseState, Worklist

STEPS = {
    "list": "the cases in the reader's order, and where each stands",
    "open": "begin or go on with a case; its timer runs",
    "pause": "stop the timer",
    "resume": "let the timer run again",
    "close": "leave a case for later",
    "autosave": "keep a mask of work in progress",
    "submit": "hand a mask in",
    "reopen": "allow a submitted case to be changed; the earlier mask is kept",
}


def add_arguments(commands: Any) -> None:
    """Add ``work`` to the commands of ``study``."""
    text = "a reader's steps in a package"
    parser = commands.add_parser("work", help=text, description=text)
    steps = parser.add_subparsers(dest="work_command", metavar="STEP", required=True)
    for name, about in STEPS.items():
        step = steps.add_parser(name, help=about, description=about)
        step.add_argument("package", type=Path, metavar="PACKAGE", help="the reader's folder")
        if name != "list":
            step.add_argument("case", metavar="CASE", help="code of the case")
        if name in ("autosave", "submit"):
            optional = "?" if name == "submit" else None
            step.add_argument(
                "mask", type=Path, nargs=optional, metavar="MASK", help="mask file on the case's CT; default: the last autosave"
            )
            step.add_argument("--label", metavar="LABEL", help="number or name of the segment, where the file holds several")
        if name == "open":
            step.add_argument("--tool", required=True, metavar="NAME", help="the program that the lesion is outlined with")
            step.add_argument("--tool-version", required=True, metavar="V", help="its version")
        if name == "reopen":
            step.add_argument("--reason", required=True, metavar="TEXT", help="why; logged")
        step.add_argument("--json", action="store_true", help="print the machine-readable result alone on stdout")


def run(options: argparse.Namespace) -> None:
    """Run one step. Raises AdrenalError."""
    folder = options.package
    match options.work_command:
        case "list":
            listed = work.open_package(folder)
            print(json.dumps(_list_json(listed), indent=2) if options.json else list_text(listed))
        case "open":
            opened = work.open_case(folder, options.case, options.tool, options.tool_version)
            value = {
                **_state_json(opened.state),
                "ct": opened.case.file,
                "mask": None if opened.mask is None else opened.mask.relative_to(folder).as_posix(),
                "hint": dict(opened.case.hint),
            }
            hint = hint_text(opened.case.hint, opened.case.grid)
            text = f"{options.case}: outline {opened.case.file}" + (f"; {hint}" if hint else "")
            print(
                json.dumps(value, indent=2) if options.json else text + (f"; go on from {value['mask']}" if value["mask"] else "")
            )
        case "pause":
            _say(work.pause(folder, options.case), options.json)
        case "resume":
            _say(work.resume(folder, options.case), options.json)
        case "close":
            _say(work.close_case(folder, options.case), options.json)
        case "autosave":
            _say(work.autosave(folder, options.case, options.mask, label=options.label), options.json)
        case "submit":
            _say(work.submit(folder, options.case, options.mask, label=options.label), options.json)
        case "reopen":
            _say(work.reopen(folder, options.case, options.reason), options.json)


def list_text(listed: Worklist) -> str:
    """One line a case."""
    lines = [
        f"Reader {listed.package.reader}, session {listed.package.session}: {listed.submitted} of {len(listed.cases)} submitted"
    ]
    following = listed.next
    for case in listed.cases:
        mark = ">" if following is not None and case.code == following.code else " "
        hint = hint_text(listed.package.case(case.code).hint, listed.package.case(case.code).grid)
        lines.append(f"{mark} {case.position:>3}  {case.code}  {case.state:<9}  {_minutes(case.active_s)}  {hint}".rstrip())
    return "\n".join(lines)


def _say(state: CaseState, as_json: bool) -> None:
    if as_json:
        print(json.dumps(_state_json(state), indent=2))
        return
    timer = "runs" if state.running else "stands"
    print(f"{state.code}: {state.state}, {_minutes(state.active_s)} min of work, timer {timer}")


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes:>3}:{rest:02d}"


def _state_json(state: CaseState) -> dict[str, Any]:
    return {
        "code": state.code,
        "position": state.position,
        "state": state.state,
        "running": state.running,
        "active_s": state.active_s,
        "submissions": len(state.submissions),
    }


def _list_json(listed: Worklist) -> dict[str, Any]:
    package = listed.package
    return {
        "study": package.study,
        "reader": package.reader,
        "session": package.session,
        "next": None if listed.next is None else listed.next.code,
        "submitted": listed.submitted,
        "finished": listed.finished,
        "cases": [
            {**_state_json(state), "ct": package.case(state.code).file, "hint": dict(package.case(state.code).hint)}
            for state in listed.cases
        ],
    }

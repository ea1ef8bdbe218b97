"""The process that computes for a host whose own process must stay responsive: ``python -m AdrenalClassifierLib.worker``.

JSON lines. Requests come on stdin, one object a line, and are done one after another; a host cancels by ending the process:

    {"id": 1, "do": "measure", "lesion": "x.npz"}

Answers go to stdout, and nothing else does:

    {"event": "ready", "pid": 123, "version": "..."}
    {"id": 1, "event": "progress", "done": 1, "total": 4, "what": "loading the model"}
    {"id": 1, "event": "result", ...}
    {"id": 1, "event": "error", "code": "BundleError", "text": "One sentence.", "details": ""}

What can be asked for, and what the result holds:

- ``measure`` {lesion} -> {measurements, notices}
- ``grow`` {lesion, point_lps} -> {mask, voxels, text}; the lesion's own mask is not looked at
- ``assess`` {lesion, patient, notices, options, model, device} -> {assessment, saliency}; torch is imported here only
- ``report`` {lesions, assessments, saliency, out} -> {files}
- ``dicom`` {lesions, assessments, ct_files, semiautomatic, out} -> {files}; an assessment may be null

Lesions are files of ``imaging.lesion_file``; masks and saliency maps are written beside the lesion's file. ``code`` is the name
of an AdrenalError class, or ``internal`` for a fault of the software, whose details name places in the code, never values.

The process ends at once when stdin ends, also in the middle of work: so it never outlives its host, however that went.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from AdrenalClassifierLib.errors import AdrenalError, places
from AdrenalClassifierLib.progress import Progress
from AdrenalClassifierLib.version import __version__

if TYPE_CHECKING:
    from AdrenalClassifierLib.assessment import Assessor
    from AdrenalClassifierLib.model.device import DeviceName
    from AdrenalClassifierLib.model.prediction import Options

INTERNAL = "internal"

_State = tuple[tuple[str, int, int], ...]
Answer = dict[str, Any]
Say = Callable[[Answer], None]


class Work:
    """What the process can do. Models stay loaded, one for each folder and device, until their files change."""

    def __init__(self) -> None:
        self._assessors: dict[tuple[Path | None, str], tuple[_State, Assessor]] = {}
        self.jobs: Mapping[str, Callable[[Mapping[str, Any], Progress], Answer]] = {
            "measure": self.measure,
            "grow": self.grow,
            "assess": self.assess,
            "report": self.report,
            "dicom": self.dicom,
        }

    def measure(self, asked: Mapping[str, Any], progress: Progress) -> Answer:
        """Measure a lesion; the core whose attenuation is measured comes as a file, where the lesion has one."""
        from AdrenalClassifierLib.imaging.attenuation import core_of
        from AdrenalClassifierLib.imaging.lesion_file import read_lesion, write_values
        from AdrenalClassifierLib.imaging.measurements import measure

        path = Path(asked["lesion"])
        lesion = read_lesion(path)
        found, core = measure(lesion), core_of(lesion.mask, lesion.geometry)
        notices = dict.fromkeys((*lesion.notices, *found.notices))
        beside = None
        if core is not None:
            beside = str(_beside(path, "core"))
            write_values(Path(beside), core)
        remarks = [{"code": n.code, "text": n.text} for n in notices]
        return {"measurements": found.to_json(), "notices": remarks, "core": beside}

    def grow(self, asked: Mapping[str, Any], progress: Progress) -> Answer:
        """A first outline from one click."""
        from AdrenalClassifierLib.imaging.grow import grow
        from AdrenalClassifierLib.imaging.lesion_file import read_lesion, write_values

        path = Path(asked["lesion"])
        lesion = read_lesion(path)
        x, y, z = asked["point_lps"]
        found = grow(lesion.ct, lesion.geometry, (float(x), float(y), float(z)))
        beside = _beside(path, "mask")
        write_values(beside, found.mask)
        return {"mask": str(beside), "voxels": found.voxels, "text": found.text}

    def assess(self, asked: Mapping[str, Any], progress: Progress) -> Answer:
        """The whole assessment."""
        steps = 4
        progress(0, steps, "reading the lesion")
        from AdrenalClassifierLib.imaging.lesion_file import read_lesion, write_values
        from AdrenalClassifierLib.notices import Notice
        from AdrenalClassifierLib.patient.parse import record_from_json

        path = Path(asked["lesion"])
        lesion = read_lesion(path)
        patient, remarks = record_from_json(asked.get("patient") or {})
        given = tuple(Notice(item["code"], item["text"]) for item in asked.get("notices") or ())
        options = _options(asked.get("options") or {})
        progress(1, steps, "loading the model")
        assessor = self._assessor(asked.get("model"), asked.get("device") or "auto")
        progress(2, steps, "assessing")
        found = assessor.assess(lesion, patient, tuple(dict.fromkeys((*given, *remarks))), options)
        progress(3, steps, "writing")
        beside = None
        if found.saliency is not None:
            beside = _beside(path, "saliency")
            write_values(beside, found.saliency.values)
        progress(4, steps, "done")
        return {"assessment": found.to_json(), "saliency": None if beside is None else str(beside)}

    def report(self, asked: Mapping[str, Any], progress: Progress) -> Answer:
        """The HTML page."""
        from AdrenalClassifierLib.report.page import write_page

        out = Path(asked["out"])
        write_page(out, _cases(asked))
        return {"files": [str(out)]}

    def dicom(self, asked: Mapping[str, Any], progress: Progress) -> Answer:
        """Segmentation and structured report."""
        from AdrenalClassifierLib.assessment import Assessment
        from AdrenalClassifierLib.imaging.lesion_file import read_lesion
        from AdrenalClassifierLib.report.dicom import write_dicom

        progress(0, 1, "writing")
        cases = [
            (None if told is None else Assessment.from_json(told), read_lesion(Path(path)))
            for path, told in zip(asked["lesions"], asked["assessments"], strict=True)
        ]
        slices = [Path(name) for name in asked["ct_files"]]
        files = write_dicom(Path(asked["out"]), slices, cases, frozenset(asked.get("semiautomatic") or ()))
        return {"files": [str(path) for path in files]}

    def _assessor(self, model: str | None, device: DeviceName) -> Assessor:
        from AdrenalClassifierLib.assessment import Assessor

        folder = None if model is None else Path(model)
        state = _state(folder)
        known = self._assessors.get((folder, device))
        if known is None or known[0] != state:
            known = self._assessors[folder, device] = (state, Assessor(folder, device))
        return known[1]


def answer(work: Work, line: bytes, say: Say) -> None:
    """Do what one line asks for and say the result or the error; never raises."""
    number: Any = None
    try:
        asked = json.loads(line)
        number = asked.get("id")
        job = work.jobs.get(asked.get("do"))
        if job is None:
            raise AdrenalError("The request is not known to this version of the software. Install the same version everywhere.")

        def progress(done: int, total: int, what: str) -> None:
            say({"id": number, "event": "progress", "done": done, "total": total, "what": what})

        say({"id": number, "event": "result", **job(asked, progress)})
    except AdrenalError as error:
        say({"id": number, "event": "error", "code": type(error).__name__, "text": str(error), "details": ""})
    except MemoryError as error:
        text = "The computer has no memory left for this. Close other programs and try again."
        say({"id": number, "event": "error", "code": INTERNAL, "text": text, "details": places(error)})
    except Exception as error:  # whatever it is, the host is told and the next request is answered
        text = "The calculation failed because of a fault in the software. Report it with the details."
        say({"id": number, "event": "error", "code": INTERNAL, "text": text, "details": places(error)})


def _state(folder: Path | None) -> _State:
    """Names, times and sizes of a model's files: trained anew in the same folder it is another model."""
    if folder is None or not folder.is_dir():
        return ()
    stats = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    return tuple((name, stat.st_mtime_ns, stat.st_size) for name, stat in stats)


def _beside(path: Path, what: str) -> Path:
    return path.with_name(f"{path.stem}-{what}.npz")


def _options(value: Mapping[str, Any]) -> Options:
    from AdrenalClassifierLib.model.conformal import DEFAULT_LEVEL, parse_level
    from AdrenalClassifierLib.model.prediction import Options
    from AdrenalClassifierLib.model.prevalence import parse_prevalence

    return Options(
        parse_prevalence(str(value.get("prevalence", "training"))),
        parse_level(str(value.get("level", DEFAULT_LEVEL))),
        bool(value.get("show_outside", False)),
        bool(value.get("saliency", False)),
    )


def _cases(asked: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    """Assessments with their lesions, and the saliency maps put back where there are any."""
    from AdrenalClassifierLib.assessment import Assessment
    from AdrenalClassifierLib.imaging.lesion_file import read_lesion, read_values

    maps = asked.get("saliency") or [None] * len(asked["lesions"])
    cases = []
    for path, told, values in zip(asked["lesions"], asked["assessments"], maps, strict=True):
        assessment = Assessment.from_json(told)
        if values is not None:
            assessment = assessment.with_saliency(read_values(Path(values)))
        cases.append((assessment, read_lesion(Path(path))))
    return cases


def _listen(channel: int, lines: queue.SimpleQueue[bytes]) -> None:
    """Put every line of a file descriptor into the queue; when it ends, so does the process."""
    try:
        with open(channel, "rb") as requests:
            for line in requests:
                if line.strip():
                    lines.put(line)
    finally:
        os._exit(0)


def main() -> None:
    """Answer requests until stdin ends."""
    # Libraries that print would break the protocol: from here on file descriptor 1 leads to stderr. And on Windows some hang
    # when they look at a stdin on which another thread waits: file descriptor 0 leads nowhere.
    given, out = os.dup(0), open(os.dup(1), "wb")  # noqa: SIM115
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    sys.stdout = sys.stderr

    def say(told: Answer) -> None:
        try:
            out.write(json.dumps(told, allow_nan=False).encode("ascii") + b"\n")
            out.flush()
        except OSError:  # nobody listens any more
            os._exit(1)

    lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(given, lines), daemon=True).start()
    say({"event": "ready", "pid": os.getpid(), "version": __version__})
    work = Work()
    # While nobody waits: what every request needs.
    import AdrenalClassifierLib.imaging.lesion_file
    import AdrenalClassifierLib.imaging.measurements  # noqa: F401

    while True:
        answer(work, lines.get(), say)


if __name__ == "__main__":
    main()

"""A session on a small scene, with a worker that answers by the library's own functions when the test says so."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from AdrenalClassifierLib import worker
from AdrenalClassifierLib.assessment import Assessment, Assessor, fingerprint
from AdrenalClassifierLib.imaging.lesion_file import read_lesion, write_values
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.model.prevalence import parse_prevalence
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.scene.session import Session
from support.scene_cases import GRIDS, SHAPE, add_ct, ball, body, put
from support.slicer_core import add_slice_view
from support.stand_in_ports import ManualTimers, ManualWorker

CENTRES = ((20.0, 60.0, 40.0), (22.0, 62.0, 92.0))
RADII = (6.0, 14.0, 16.0)


@functools.cache
def _assessor() -> Assessor:
    return Assessor(device="cpu")


WORK = worker.Work()
OPEN: weakref.WeakSet[Session] = weakref.WeakSet()
"""Sessions that tests have opened; one that a failing test leaves open would disturb those after it."""

_assessed: dict[tuple[str, ...], Assessment] = {}


def by_worker(do: str) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
    """What the worker's process does, in this one."""
    return lambda arguments: WORK.jobs[do](arguments, lambda *_: None)


def assess_answer(arguments: Mapping[str, Any]) -> dict[str, Any]:
    path, given = Path(arguments["lesion"]), arguments["options"]
    options = Options(parse_prevalence(given["prevalence"]), given["level"], given["show_outside"], given["saliency"])
    lesion, (record, _) = read_lesion(path), record_from_json(arguments["patient"])
    key = (fingerprint(lesion, record), lesion.lesion_id, repr(options))
    if key not in _assessed:  # many tests ask for the very same
        notices = tuple(Notice(item["code"], item["text"]) for item in arguments["notices"])
        _assessed[key] = _assessor().assess(lesion, record, notices, options)
    found = _assessed[key]
    out = None
    if found.saliency is not None:
        out = path.with_name("saliency.npz")
        write_values(out, found.saliency.values)
    return {"assessment": found.to_json(), "saliency": None if out is None else str(out)}


def grow_answer(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Everything within 12 mm of the click."""
    path = Path(arguments["lesion"])
    crop = read_lesion(path)
    assert not crop.mask.any()
    where = crop.geometry.to_world(np.stack(np.indices(crop.geometry.shape), axis=-1))
    mask = np.linalg.norm(where - np.asarray(arguments["point_lps"]), axis=-1) <= 12.0
    out = path.with_name("mask.npz")
    write_values(out, mask)
    return {"mask": str(out), "voxels": int(mask.sum()), "text": "Found an outline."}


@dataclass
class Work:
    """A session and its surroundings."""

    scene: Any
    worker: ManualWorker = field(default_factory=ManualWorker)
    timers: ManualTimers = field(default_factory=ManualTimers)
    topics: list[str] = field(default_factory=list)
    grid: str = "axial"

    def __post_init__(self) -> None:
        self.worker.answers.update(assess=assess_answer, grow=grow_answer)
        self.worker.answers.update({do: by_worker(do) for do in ("measure", "report", "dicom")})
        self.session = self.open()

    def open(self) -> Session:
        """A session on the scene as it is now."""
        self.session = Session(self.scene, self.worker, self.timers)
        OPEN.add(self.session)
        self.session.changed.connect(self.topics.append)
        return self.session

    def add_ct(self) -> Any:
        """A CT with two denser balls in it, in the Red view."""
        voxels = body()
        for centre in CENTRES:
            voxels[ball(SHAPE, centre, RADII)] += 20
        node = add_ct(self.scene, self.grid, voxels)
        composite = add_slice_view(self.scene)
        composite.SetBackgroundVolumeID(node.GetID())
        return node

    def draw(self, segment_id: str, lesion: int = 0, scale: float = 1.0) -> None:
        """Outline one of the balls, as a tool of the editor does."""
        radii = tuple(r * scale for r in RADII)
        put(self.session.segmentation, segment_id, ball(SHAPE, CENTRES[lesion], radii), GRIDS[self.grid])  # type: ignore[arg-type]

    def settle(self) -> None:
        """Let time pass and the worker answer until nothing is left to do."""
        for _ in range(100):
            self.timers.run()
            if not self.worker.open:
                return
            self.worker.answer()
        raise AssertionError("the session never comes to rest")

    def ready(self, lesions: int = 1) -> list[str]:
        """The CT chosen and lesions outlined and measured."""
        self.add_ct()
        self.session.choose_visible_ct()
        self.session.set_phase("portal")
        self.session.set_options(replace(self.session.options, show_outside=True))
        ids = []
        for number in range(lesions):
            ids.append(self.session.add_lesion("left" if number == 0 else "right"))
            self.draw(ids[-1], number)
        self.settle()
        return ids

    def classified(self, lesions: int = 1) -> list[str]:
        """All lesions classified."""
        ids = self.ready(lesions)
        self.session.classify(all_lesions=True)
        self.settle()
        return ids

"""Measurements that follow the reader's hand: asked of the worker a moment after the last edit, the newest edit winning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.cores import Core
from AdrenalClassifierLib.scene.desk import Desk
from AdrenalClassifierLib.scene.handover import read_values, write_lesion
from AdrenalClassifierLib.scene.ports import CANCELLED, Failure, Timers

PAUSE_MS = 300
"""Time after the last edit."""


@dataclass(frozen=True)
class Measured:
    """Measurements of one lesion as they stand now.

    Attributes:
        values: the last measurements, None before the first and when the lesion is empty.
        notices: what limits them.
        problem: the sentence why there are none, None otherwise.
        busy: an edit has not been measured yet; ``values`` are those before it.
        by_hand: diameters that a reader set, mm, by measurement key.
    """

    values: Measurements | None = None
    notices: tuple[Notice, ...] = ()
    problem: str | None = None
    busy: bool = False
    by_hand: Mapping[str, float] = field(default_factory=dict)


@dataclass
class _Lesion:
    key: str | None = None
    """Of the inputs that were measured or found wanting last."""
    values: Measurements | None = None
    notices: tuple[Notice, ...] = ()
    problem: str | None = None
    core: Core | None = None
    """What the core attenuation is of; None when the lesion is too small for a core."""
    refused: bool = False
    """The lesion cannot be cut out of the CT: nothing that needs it can be done."""


class Measuring:
    """Keeps every lesion measured.

    Args:
        case: the case.
        desk: the worker.
        timers: the clock.
        told: called with a lesion's id and its measurements (None when it has none) whenever they change.
    """

    def __init__(self, case: Case, desk: Desk, timers: Timers, told: Callable[[str, Measurements | None], None]) -> None:
        self._case, self._desk, self._timers, self._told = case, desk, timers, told
        self._lesions: dict[str, _Lesion] = {}
        self._stop_timer: Callable[[], None] | None = None
        self.active = True
        """False while the module is not on the screen: nothing is asked."""
        self._asked: str | None = None
        """The lesion that is with the worker."""

    def measured(self, segment_id: str) -> Measured:
        """The measurements of a lesion."""
        kept = self._lesions.get(segment_id, _Lesion())
        lesion = self._case.state.lesions.get(segment_id)
        by_hand = {} if lesion is None else dict(lesion.by_hand)
        return Measured(kept.values, kept.notices, kept.problem, self._wanting(segment_id), by_hand)

    def core(self, segment_id: str) -> Core | None:
        """The core of a lesion as it was measured last."""
        return self._lesions.get(segment_id, _Lesion()).core

    def refused(self, segment_id: str) -> str | None:
        """The sentence why a lesion cannot be cut out of the CT as both are now; None when it can, or when that is not known."""
        kept = self._lesions.get(segment_id, _Lesion())
        return kept.problem if kept.refused and not self._wanting(segment_id) else None

    def look(self) -> None:
        """Something may have changed: measure again what did, a moment after the last call."""
        for gone in set(self._lesions) - set(self._case.segment_ids()):
            del self._lesions[gone]
        for segment_id in self._case.segment_ids():
            self._empty(segment_id)
        if any(self._wanting(name) for name in self._case.segment_ids()):
            self._wait(PAUSE_MS)

    def forget(self) -> None:
        """Drop all measurements and what is planned."""
        if self._stop_timer is not None:
            self._stop_timer()
        self._stop_timer, self._asked = None, None
        self._lesions.clear()

    def _key(self, segment_id: str) -> str | None:
        try:
            return self._case.image_key(segment_id)
        except AdrenalError as error:
            return f"! {error}"

    def _wanting(self, segment_id: str) -> bool:
        key = self._key(segment_id)
        return key is not None and self._lesions.get(segment_id, _Lesion()).key != key

    def _empty(self, segment_id: str) -> None:
        kept = self._lesions.get(segment_id)
        if self._key(segment_id) is None and kept is not None:
            del self._lesions[segment_id]
            self._told(segment_id, None)

    def try_again(self) -> None:
        """Forget failures that the lesion has no part in: the process ended, the disk was full."""
        for name in [name for name, kept in self._lesions.items() if kept.problem is not None and not kept.refused]:
            del self._lesions[name]

    def set_active(self, active: bool) -> None:
        """Pause, or go on; what failed for want of a worker or of space on the disk is tried again."""
        self.try_again()
        self.active = active
        if not active and self._stop_timer is not None:
            self._stop_timer()
            self._stop_timer = None
        self.look()

    def _wait(self, milliseconds: int) -> None:
        if self._stop_timer is not None:
            self._stop_timer()
            self._stop_timer = None
        if self.active:
            self._stop_timer = self._timers.later(milliseconds, self._next)

    def _next(self) -> None:
        self._stop_timer = None
        if self._asked is not None:
            return  # the answer's arrival goes on
        names = sorted(self._case.segment_ids(), key=lambda name: name != self._case.state.current)
        wanting = next((name for name in names if self._wanting(name)), None)
        if wanting is None:
            return
        key = self._key(wanting)
        try:
            lesion = self._case.lesion(wanting)
        except AdrenalError as error:
            self._keep(wanting, _Lesion(key, None, (), str(error), refused=True))
            self._wait(0)
            return
        try:

            def prepare(folder: Path) -> dict[str, Any]:
                write_lesion(folder / "lesion.npz", lesion)
                return {"lesion": str(folder / "lesion.npz")}

            self._asked = wanting
            self._desk.ask(
                "measure",
                prepare,
                lambda answer: self._answered(wanting, key, answer, lesion.geometry),
                lambda failure: self._failed(wanting, key, failure),
            )
        except AdrenalError as error:
            self._asked = None
            self._keep(wanting, _Lesion(key, None, (), str(error)))
            self._wait(0)

    def _answered(self, segment_id: str, key: str | None, answer: Mapping[str, Any], grid: Geometry) -> None:
        self._asked = None
        if key == self._key(segment_id):
            notices = tuple(Notice(item["code"], item["text"]) for item in answer["notices"])
            values = replace(Measurements.from_json(answer["measurements"]), notices=notices)
            core = None if answer["core"] is None else (read_values(Path(answer["core"])), grid)
            self._keep(segment_id, _Lesion(key, values, notices, None, core))
        self._wait(0)

    def _failed(self, segment_id: str, key: str | None, failure: Failure) -> None:
        self._asked = None
        if failure.code == CANCELLED:  # by somebody who cancelled something else
            self._wait(PAUSE_MS)
            return
        self._keep(segment_id, _Lesion(key, None, (), failure.text))
        self._wait(0)

    def _keep(self, segment_id: str, lesion: _Lesion) -> None:
        if segment_id in self._case.segment_ids():
            self._lesions[segment_id] = lesion
            self._told(segment_id, lesion.values)

"""A first outline from one click: asked of the worker, written as one undoable step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from AdrenalClassifierLib.errors import AdrenalError, GeometryError, ImageReadError
from AdrenalClassifierLib.imaging.geometry import Vector
from AdrenalClassifierLib.imaging.hounsfield import LEAST_HU
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.resample import boxed
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.desk import Desk
from AdrenalClassifierLib.scene.grids import matrix_of
from AdrenalClassifierLib.scene.handover import read_values, write_lesion
from AdrenalClassifierLib.scene.masks import GROWN, lesion_number, write_mask
from AdrenalClassifierLib.scene.ports import CANCELLED, Failure
from AdrenalClassifierLib.scene.segments import segment_of, side_stated

REACH_MM = 80.0
"""Design: the outline is sought within this distance of the click; larger lesions are rare and are outlined by hand."""


@dataclass(frozen=True)
class Growth:
    """How the last click went.

    Attributes:
        busy: the outline has not come yet.
        text: what was found, or why nothing was; "" before the first click.
        failure: set when it failed.
    """

    busy: bool = False
    text: str = ""
    failure: Failure | None = None


class Growing:
    """Grows outlines; a newer click supersedes an older one.

    Args:
        case: the case.
        desk: the worker.
        moved: called when ``state`` has changed.
    """

    def __init__(self, case: Case, desk: Desk, moved: Callable[[], None]) -> None:
        self._case, self._desk, self._moved = case, desk, moved
        self.state = Growth()
        self._latest = 0

    def forget(self) -> None:
        """Drop what is under way; nobody is told."""
        self._latest += 1
        self.state = Growth()

    def grow(self, segment_id: str, point_lps: Vector, before: Callable[[], None] | None) -> None:
        """Ask for the outline around a point.

        Raises:
            AdrenalError: the point lies outside the CT, or there is no CT.
        """
        if self._case.ct is None:
            raise ImageReadError("No CT is chosen. Choose the CT before outlining a lesion.")
        ct = self._case.image(self._case.ct, self._case.state.phase)
        index = np.rint(ct.geometry.to_index(np.asarray(point_lps))).astype(int)
        if (index < 0).any() or (index >= ct.geometry.shape).any():
            raise GeometryError("The click lies outside the CT. Click inside the lesion.")
        reach = np.ceil(REACH_MM / np.asarray(ct.geometry.spacing)).astype(int)
        low, high = np.maximum(index - reach, 0), np.minimum(index + reach + 1, ct.geometry.shape)
        start, stop = (int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2]))
        grid = ct.geometry.crop(start, stop)
        hu = np.maximum(np.asarray(boxed(ct.hu, start, stop), np.float32), np.float32(LEAST_HU))
        number, side = lesion_number(self._case.segmentation, segment_id), side_stated(self._case.segmentation, segment_id)
        crop = Lesion(f"lesion-{number}", side, self._case.state.phase, hu, np.zeros(grid.shape, bool), grid, {})
        self._latest += 1
        click, volume, drawn = self._latest, self._case.volume_key(), self._drawn(segment_id)

        def prepare(folder: Path) -> dict[str, Any]:
            write_lesion(folder / "crop.npz", crop)
            return {"lesion": str(folder / "crop.npz"), "point_lps": [float(x) for x in point_lps]}

        def done(answer: dict[str, Any]) -> None:
            if click != self._latest:
                return
            try:
                if volume != self._case.volume_key() or drawn != self._drawn(segment_id):
                    raise ImageReadError("The CT or the lesion changed before the outline was found. Click again.")
                mask = read_values(Path(answer["mask"]))
                if before is not None:
                    before()
                write_mask(self._case.segmentation, segment_id, mask.astype(bool), grid, matrix_of(ct.geometry))
                segment_of(self._case.segmentation, segment_id).SetTag(GROWN, "1")
            except AdrenalError as error:
                failed(Failure(type(error).__name__, str(error)))
                return
            self._set(Growth(text=str(answer.get("text", ""))))

        def failed(failure: Failure) -> None:
            if click == self._latest:
                self._set(Growth() if failure.code == CANCELLED else Growth(text=failure.text, failure=failure))

        self._set(Growth(busy=True))
        try:
            self._desk.ask("grow", prepare, done, failed)
        except AdrenalError as error:
            failed(Failure(type(error).__name__, str(error)))

    def _drawn(self, segment_id: str) -> str | None:
        """Changes with what a segment holds and when it goes: strokes made meanwhile must not be lost."""
        if segment_id not in self._case.segment_ids():
            return None
        outline = self._case.outline(segment_id)
        return "" if outline is None else outline.digest

    def _set(self, state: Growth) -> None:
        self.state = state
        self._moved()

"""Real CTs as surroundings of synthetic lesions.

A folder of backgrounds holds CT files and a ``backgrounds.json``::

    {"backgrounds": [{"phases": {"portal": "a.nii.gz", "unenhanced": "b.nii.gz"},
                      "beds": {"left": [x, y, z], "right": [x, y, z]}}]}

Paths are relative to the folder; ``beds`` gives the LPS position in mm of a normal gland's middle, for each side that may be
used.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from AdrenalClassifierLib.cohort.synthetic.case import SyntheticCase
from AdrenalClassifierLib.cohort.synthetic.insert import LesionPlan, insert_planned, plan_lesion
from AdrenalClassifierLib.cohort.synthetic.look import SYNTHETIC_PHASES
from AdrenalClassifierLib.cohort.synthetic.render import RenderedCase
from AdrenalClassifierLib.errors import CohortError, GeometryError
from AdrenalClassifierLib.imaging.images import CtImage, Phase, Segment, Side
from AdrenalClassifierLib.imaging.read import read_ct
from AdrenalClassifierLib.imaging.resample import boxed, index_box

LIST = "backgrounds.json"
BACKGROUND = 20
"""Purpose of the random stream that chooses a case's background."""
FIELD_MM = 45.0
"""Tissue kept around an inserted lesion."""


@dataclass(frozen=True)
class Background:
    """One patient's scans.

    Attributes:
        phases: file by contrast phase.
        beds: LPS position in mm of the gland, by side.
    """

    phases: Mapping[Phase, Path]
    beds: Mapping[Side, tuple[float, float, float]]


def list_backgrounds(folder: Path) -> tuple[Background, ...]:
    """Read ``backgrounds.json``. Raises CohortError when it is missing or wrong, or a file it names does not exist."""
    path = folder / LIST
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CohortError(f"The folder of backgrounds has no readable '{LIST}', which says where the glands lie.") from error
    except ValueError as error:
        raise CohortError(f"'{LIST}' is not valid JSON; correct it.") from error
    items = value.get("backgrounds") if isinstance(value, dict) else None
    if not isinstance(items, list) or not items:
        raise CohortError(f"'{LIST}' must hold an object with a list 'backgrounds' of at least one entry.")
    return tuple(_background(item, folder, n) for n, item in enumerate(items, start=1))


def _background(item: Any, folder: Path, number: int) -> Background:
    where = f"'{LIST}', entry {number}"
    if not isinstance(item, dict) or not isinstance(item.get("phases"), dict) or not isinstance(item.get("beds"), dict):
        raise CohortError(f"{where}: needs 'phases' (file by phase) and 'beds' (position by side).")
    phases: dict[Phase, Path] = {}
    for phase in SYNTHETIC_PHASES:
        if phase in item["phases"]:
            phases[phase] = folder / str(item["phases"][phase])
            if not phases[phase].exists():
                raise CohortError(f"{where}: the file '{phases[phase].name}' does not exist.")
    if not phases or len(phases) < len(item["phases"]):
        raise CohortError(f"{where}: 'phases' may hold {', '.join(SYNTHETIC_PHASES)}, at least one of them.")
    beds: dict[Side, tuple[float, float, float]] = {}
    sides: tuple[Side, ...] = ("left", "right")
    for side in sides:
        if side in item["beds"]:
            beds[side] = _position(item["beds"][side], where)
    if not beds or len(beds) < len(item["beds"]):
        raise CohortError(f"{where}: 'beds' may hold left and right, at least one of them.")
    return Background(phases, beds)


def _position(value: Any, where: str) -> tuple[float, float, float]:
    try:
        x, y, z = (float(v) for v in value)
    except (TypeError, ValueError) as error:
        raise CohortError(f"{where}: a bed is a list of three numbers in mm, [left, posterior, superior].") from error
    if not all(math.isfinite(v) for v in (x, y, z)):
        raise CohortError(f"{where}: a bed is a list of three finite numbers in mm.")
    return x, y, z


def choose_background(choices: Sequence[Background], case: SyntheticCase) -> Background:
    """The background of a case, decided by the case's own seed. Raises CohortError when none has a bed on the case's side."""
    fitting = [b for b in choices if case.side in b.beds]
    if not fitting:
        raise CohortError(f"No background has a bed on the {case.side}; lesions of both sides are in every cohort.")
    return fitting[int(case.stream(BACKGROUND).integers(len(fitting)))]


def render_on(background: Background, case: SyntheticCase) -> RenderedCase:
    """The case's lesion in a real CT, in every phase of the background, cut to the lesion's neighbourhood.

    Raises:
        ImageReadError: a background cannot be read.
        GeometryError: the bed lies outside a scan.
    """
    plan = plan_lesion(case, background.beds[case.side])
    images: dict[Phase, CtImage] = {}
    masks: dict[Phase, Segment] = {}
    for phase, path in background.phases.items():
        try:
            image = _cut(read_ct(path, phase), plan)
            images[phase], masks[phase] = insert_planned(image, plan, case, phase)
        except GeometryError as error:
            raise GeometryError(f"Background '{path.name}': {error}") from error
    return RenderedCase(images, masks["portal" if "portal" in masks else next(iter(masks))])


def _cut(image: CtImage, plan: LesionPlan) -> CtImage:
    reach = np.asarray(plan.shape.reach_mm[::-1]) + FIELD_MM
    corners = np.array([[a, b, c] for a in (-1, 1) for b in (-1, 1) for c in (-1, 1)]) * reach + np.asarray(plan.centre_lps)
    start, stop = index_box(image.geometry, corners, margin=0)
    if min(b - a for a, b in zip(start, stop, strict=True)) < 2:
        raise GeometryError("The bed lies outside the scan; correct its position.")
    return CtImage(boxed(image.hu, start, stop), image.geometry.crop(start, stop), image.phase)

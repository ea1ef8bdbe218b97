"""Which lesions a study shows: drawn in proportion from the strata of class and size."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.study.codes import shuffled, uniform
from AdrenalClassifierLib.study.sources import Source

TERCILES = ("small", "medium", "large")
DEFAULT_LESIONS = 40
"""After the published abstract: 40 lesions were segmented a second time."""


@dataclass(frozen=True)
class Stratum:
    """Class and tercile of volume; either is "" where it is unknown."""

    group: str
    tercile: str

    @property
    def name(self) -> str:
        """Both in words."""
        return " ".join(part for part in (self.group, self.tercile) if part) or "all"


@dataclass(frozen=True)
class Sample:
    """What was drawn.

    Attributes:
        chosen: names of the lesions, sorted.
        strata: stratum of every eligible lesion by name.
        left_out: lesions that were not eligible because another one of their patient was taken into account.
    """

    chosen: tuple[str, ...]
    strata: Mapping[str, Stratum]
    left_out: int

    def to_json(self) -> dict[str, Any]:
        """How many lesions each stratum has, and how many were drawn."""
        drawn = Counter(self.strata[name].name for name in self.chosen)
        whole = Counter(stratum.name for stratum in self.strata.values())
        return {
            "method": METHOD,
            "eligible": len(self.strata),
            "left_out_one_lesion_a_patient": self.left_out,
            "drawn": len(self.chosen),
            "strata": {name: {"eligible": whole[name], "drawn": drawn[name]} for name in sorted(whole)},
        }


METHOD = (
    "One lesion a patient (by hash of seed and name); strata by class and by tercile of volume (by rank); a systematic sample "
    "with random start along the strata: each stratum gives its share to within one lesion, and every eligible lesion has the "
    "same chance."
)


def draw(sources: Sequence[Source], volumes_ml: Mapping[str, float | None], wanted: int, seed: int) -> Sample:
    """Draw lesions; all of them when there are no more than ``wanted``.

    Args:
        sources: candidates in any order.
        volumes_ml: by name; terciles are formed only when every eligible lesion has a volume.
        wanted: number of lesions, at least 1.
        seed: any integer.

    Raises:
        StudyError: nothing to draw from, or ``wanted`` below 1.
    """
    if wanted < 1 or not sources:
        raise StudyError("A study needs at least one lesion.")
    patient = {source.name: source.patient for source in sources}
    one: dict[str, str] = {}
    for name in shuffled(patient, "patient", seed):
        one.setdefault(patient[name], name)
    eligible = sorted(one.values())
    strata = _strata({s.name: s.group for s in sources if s.name in set(eligible)}, volumes_ml)
    if len(eligible) <= wanted:
        return Sample(tuple(eligible), strata, len(sources) - len(eligible))
    place = {name: n for n, name in enumerate(shuffled(eligible, "sample", seed))}
    line = sorted(eligible, key=lambda name: (strata[name].group, _rank(strata[name].tercile), place[name]))
    start = uniform("start", seed)
    step = len(line) / wanted
    chosen = [line[min(math.floor((n + start) * step), len(line) - 1)] for n in range(wanted)]
    return Sample(tuple(sorted(chosen)), strata, len(sources) - len(eligible))


def _strata(groups: Mapping[str, str], volumes_ml: Mapping[str, float | None]) -> dict[str, Stratum]:
    volumes = {name: volumes_ml.get(name) for name in groups}
    known = {name: volume for name, volume in volumes.items() if volume is not None}
    if len(known) < len(groups) or len(groups) < len(TERCILES):
        return {name: Stratum(group, "") for name, group in groups.items()}
    ordered = sorted(known, key=lambda name: (known[name], name))
    return {name: Stratum(groups[name], TERCILES[n * len(TERCILES) // len(ordered)]) for n, name in enumerate(ordered)}


def _rank(tercile: str) -> int:
    return TERCILES.index(tercile) if tercile in TERCILES else 0

"""Conformal sets: which of "benign" and "malignant" cannot be ruled out at a stated level, for each class on its own.

Mondrian (class-conditional) inductive conformal prediction [Vovk, Gammerman & Shafer, Algorithmic Learning in a Random World,
2005, section 4.5; Vovk, Ann Math Artif Intell 2015;74:9 for scores from cross-validation; Angelopoulos & Bates, Found Trends
Mach Learn 2023;16:494, section 4.2]. Of new lesions of a class, drawn as the calibration lesions of that class were, at least
``level`` have a set that holds their class. Nothing is assumed of the model: a poor one gives "either" often.

With n calibration lesions of a class the coverage that one model goes on to have is itself drawn from Beta(k, n + 1 - k) with the
rank k = ceil((n + 1) level): at 90 % it varies with a standard deviation of 3.6 points for n = 69 and of 2.1 points for n = 198.

The promise holds within each class, so it does not depend on how common malignancy is: a set stays as it is when the prevalence
is changed (``prevalence.py``). It is a promise over many lesions, not about one.

Calibration scores are out-of-fold, each from one member of the ensemble, while a new lesion is scored by their mean, which
varies less. With a member's own variance ``v`` (as a share of the variance within a class) and normal scores the coverage is
``Phi(z * sqrt(1 + v))`` with ``Phi(z) = level``: above the level, by 1 point at v = 0.1 and 2 points at v = 0.25.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import AdrenalError

Array = NDArray[np.float64]
SetName = Literal["benign", "malignant", "either", "none"]
SETS: tuple[SetName, ...] = get_args(SetName)
DEFAULT_LEVEL = 0.9


@dataclass(frozen=True)
class ConformalSet:
    """The set of one lesion.

    Attributes:
        name: ``benign`` or ``malignant`` when only that class is compatible with the calibration lesions, ``either`` when both
            are, ``none`` when neither is: the lesion is unlike either class, which does happen at a level below 100 %.
        level: the share of lesions of each class whose set holds their class, 0-1.
        reason: why the set could not be narrowed, when there are too few calibration lesions; else None.
    """

    name: SetName
    level: float
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {"set": self.name, "level": self.level, "reason": self.reason}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> ConformalSet:
        """Inverse of ``to_json``. Raises KeyError, TypeError or ValueError for an object that is none."""
        if value["set"] not in SETS:
            raise ValueError("unknown conformal set")
        return ConformalSet(value["set"], value["level"], value["reason"])


@dataclass(frozen=True, eq=False)
class ConformalScores:
    """Calibrated out-of-fold log-odds of malignancy of one model, by true class; what a new lesion is compared with.

    Attributes:
        benign: of benign lesions, one a patient, increasing, shape (n,). The higher, the stranger.
        malignant: of malignant lesions, one a patient, increasing, shape (m,). The lower, the stranger.
    """

    benign: Array
    malignant: Array

    def limits(self, level: float = DEFAULT_LEVEL) -> tuple[float | None, float | None]:
        """``(greatest log-odds still compatible with benign, least log-odds still compatible with malignant)`` at ``level``.

        None where the class has too few lesions for this level. Raises AdrenalError for a level that is not between 0 and 1.
        """
        upper = _rank(len(self.benign), level)
        lower = _rank(len(self.malignant), level)
        return (
            None if upper is None else float(self.benign[upper - 1]),
            None if lower is None else float(self.malignant[len(self.malignant) - lower]),
        )

    def contains(self, logit: Array, level: float = DEFAULT_LEVEL) -> NDArray[np.bool_]:
        """Whether the sets of lesions with these log-odds, shape (n,), hold (benign, malignant), shape (n, 2)."""
        values = np.asarray(logit, float)
        greatest, least = self.limits(level)
        if greatest is None or least is None:
            return np.ones((len(values), 2), bool)
        return np.stack([values <= greatest, values >= least], axis=1)

    def set_of(self, logit: float, level: float = DEFAULT_LEVEL) -> ConformalSet:
        """The set of one lesion with the log-odds ``logit`` at the training prevalence."""
        few = [
            f"{len(scores)} {name}"
            for name, scores in (("benign", self.benign), ("malignant", self.malignant))
            if _rank(len(scores), level) is None
        ]
        if few:
            needed = f"{100 * level:g} % needs at least {least_lesions(level)} of each class"
            return ConformalSet("either", level, f"only {' and '.join(few)} lesions to compare with; {needed}")
        benign, malignant = self.contains(np.array([logit]), level)[0]
        names: Mapping[tuple[bool, bool], SetName] = {
            (True, False): "benign",
            (False, True): "malignant",
            (True, True): "either",
            (False, False): "none",
        }
        return ConformalSet(names[bool(benign), bool(malignant)], level)

    def arrays(self) -> dict[str, Array]:
        """What goes into the weights file."""
        return {"benign": self.benign, "malignant": self.malignant}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Any]) -> ConformalScores:
        """Inverse of ``arrays``. Raises KeyError or ValueError when a part is missing or not a list of finite numbers."""
        parts = [np.asarray(arrays[name], float) for name in ("benign", "malignant")]
        if any(part.ndim != 1 or not np.isfinite(part).all() for part in parts):
            raise ValueError("the conformal scores are not lists of numbers")
        return ConformalScores(*(np.sort(part) for part in parts))


def conformal_scores(logit: Array, malignant: NDArray[np.bool_], patients: Sequence[str]) -> ConformalScores:
    """Calibration scores from out-of-fold predictions.

    Two lesions of one patient are more alike than two patients are, so they are not exchangeable with a new patient's lesion:
    of each patient one lesion a class enters (subsampling once: Dunn, Wasserman & Ramdas, J Am Stat Assoc 2023;118:2491). Which
    one is decided by the patient's identifier, so the order of the rows does not matter.

    Args:
        logit: calibrated log-odds of fits that did not see the lesion's patient, shape (n,).
        malignant: labels, shape (n,).
        patients: patient of each lesion.
    """
    groups: dict[tuple[bool, str], list[float]] = {}
    for value, label, patient in zip(logit, malignant, patients, strict=True):
        groups.setdefault((bool(label), patient), []).append(float(value))
    chosen: dict[bool, list[float]] = {False: [], True: []}
    for (label, patient), values in groups.items():
        draw = int.from_bytes(hashlib.sha256(f"conformal {patient}".encode()).digest()[:8], "big")
        chosen[label].append(sorted(values)[draw % len(values)])
    return ConformalScores(np.sort(np.array(chosen[False], float)), np.sort(np.array(chosen[True], float)))


def least_lesions(level: float = DEFAULT_LEVEL) -> int:
    """Fewest calibration lesions of a class for which a set at ``level`` is defined: 9 at 90 %."""
    share = _share(level)
    return math.ceil(share / (1 - share))


def parse_level(text: str) -> float:
    """``90%``, ``90 %`` or ``0.9`` as 0.9. Raises AdrenalError for anything that is not between 50 % and 99 %."""
    word = text.strip().replace(",", ".")
    try:
        # From the digits as typed, lest 95 / 100 bring a rounding error into the rank.
        level = Fraction(word[:-1].strip()) / 100 if word.endswith("%") else Fraction(word)
    except (ValueError, ZeroDivisionError):
        level = Fraction(0)
    if not Fraction(1, 2) <= level <= Fraction(99, 100):
        raise AdrenalError("The level of the conformal set must be between 50% and 99%; give it as 90% or 0.9.")
    return float(level)


def _rank(n: int, level: float) -> int | None:
    """ceil((n + 1) * level), the rank of the score that is the finite-sample quantile; None when there is no such score."""
    rank = math.ceil((n + 1) * _share(level))
    return rank if 0 < rank <= n else None


def _share(level: float) -> Fraction:
    """The level as the decimal that was typed: 0.9 * 10 must be 9, not 9.000000000000002."""
    if not 0 < level < 1:
        raise AdrenalError("The level of a conformal set must lie between 0 and 1, such as 0.9.")
    return Fraction(str(float(level)))

"""What the probability is where malignancy is more or less common than in the training cohort.

Standard prior shift: with the prevalence of training ``p`` and another one ``q``, the log-odds move by
``ln(q / (1 - q)) - ln(p / (1 - p))``, the same for every lesion [Saerens, Latinne & Decaestecker, Neural Comput 2002;14:21,
equation 2.4 for two classes]. It is right when benign and malignant lesions look as they did in training and only their shares
differ; it cannot mend a clinic whose lesions are of another kind.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from AdrenalClassifierLib.errors import AdrenalError

Setting = Literal["training", "incidentaloma", "surgical", "own"]
LEAST, GREATEST = 0.001, 0.999
"""Design: 0.1 % to 99.9 %; beyond, the prevalence alone decides."""

NAMED: Mapping[Setting, float] = {"incidentaloma": 0.08, "surgical": 0.26}
"""``incidentaloma``: EURINE-ACT, 14 centres, 98 adrenocortical carcinomas and 65 other malignant of 2017 [Bancos, Lancet Diabetes
Endocrinol 2020;8:773, table 2]. ``surgical``: 101 of 385 lesions with pathology [Huang, Eur J Radiol 2026;201:112907]."""

_NUMBER = re.compile(r"([0-9]*[.,]?[0-9]+)\s*(%?)")
_HOW = "Give it as 8% or 0.08 (0.1% to 99.9%), or one of: training, incidentaloma (8%), surgical (26%)."


@dataclass(frozen=True)
class Prevalence:
    """A prevalence of malignancy that the user chose.

    Attributes:
        setting: which of the choices.
        value: the prevalence, 0-1; None for ``training``, whose value the model knows.
    """

    setting: Setting = "training"
    value: float | None = None

    def at(self, training: float) -> PriorShift:
        """The shift for a model trained at the prevalence ``training`` (0-1)."""
        if self.value is None:
            return PriorShift("training", training, training)
        return PriorShift(self.setting, self.value, training)


@dataclass(frozen=True)
class PriorShift:
    """A prevalence applied to one model.

    Attributes:
        setting: which of the choices.
        value: prevalence for which the probability holds, 0-1.
        training: prevalence in the model's training cohort, 0-1.
    """

    setting: Setting
    value: float
    training: float

    @property
    def log_odds(self) -> float:
        """What is added to the log-odds of every lesion; exactly 0 as trained."""
        return 0.0 if self.setting == "training" else _logit(self.value) - _logit(self.training)

    def probability(self, trained: float) -> float:
        """The probability at this prevalence of what is ``trained`` at that of training."""
        if self.setting == "training":
            return trained
        malignant = trained * self.value / self.training
        benign = (1 - trained) * (1 - self.value) / (1 - self.training)
        return malignant / (malignant + benign)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {"setting": self.setting, "value": self.value, "training": self.training, "log_odds": self.log_odds}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> PriorShift:
        """Inverse of ``to_json``. Raises KeyError or TypeError for an object that is none."""
        return PriorShift(value["setting"], value["value"], value["training"])


def parse_prevalence(text: str) -> Prevalence:
    """``training``, ``incidentaloma``, ``surgical``, ``8%``, ``8 %`` or ``0.08`` as a prevalence.

    A number of 1 or more without a percent sign is refused rather than guessed at.

    Raises:
        AdrenalError: it is none of these, or outside 0.1 % to 99.9 %.
    """
    word = text.strip().lower()
    if word == "training":
        return Prevalence()
    for setting, value in NAMED.items():
        if word == setting:
            return Prevalence(setting, value)
    match = _NUMBER.fullmatch(word)
    if match is None:
        raise AdrenalError(f"The prevalence is not understood. {_HOW}")
    value = float(match[1].replace(",", "."))
    if match[2]:
        value /= 100
    elif value >= 1:
        raise AdrenalError(f"The prevalence needs a percent sign or must be below 1. {_HOW}")
    if not LEAST * (1 - 1e-9) <= value <= GREATEST * (1 + 1e-9):
        raise AdrenalError(f"The prevalence lies outside the range that makes sense. {_HOW}")
    return Prevalence(next((s for s, named in NAMED.items() if math.isclose(named, value)), "own"), value)


def _logit(p: float) -> float:
    return math.log(p / (1 - p))

"""What is judged: the predictions of the four models for lesions of known nature, and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.model.fusion import MODELS, ModelName

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
CONFORMAL_SETS = ("benign", "malignant", "either", "none")


@dataclass(frozen=True, eq=False)
class Rule:
    """A rule that calls a lesion positive or negative, such as a guideline's.

    Attributes:
        label: for people.
        about: what counts as positive, with its source.
        called: 1 positive, 0 negative, NaN undecided because a value is missing; shape (n,).
    """

    label: str
    about: str
    called: Array


@dataclass(frozen=True)
class Subgroup:
    """A division of the lesions.

    Attributes:
        label: for people.
        level: level of each lesion; None where it is not known.
        order: levels in the order in which they are shown; others follow by name.
    """

    label: str
    level: tuple[str | None, ...]
    order: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Predictions:
    """Everything that ``evaluate`` looks at; n lesions in one order.

    Attributes:
        lesion_id: pseudonyms, unique.
        patient_id: pseudonyms; lesions of one patient are resampled together.
        histology: subtype.
        malignant: the reference standard, shape (n,).
        log_odds: of malignancy at the training prevalence, one array (n,) a model; NaN where a model gave none.
        thresholds: for each model name -> probability, fixed on training data; ``balanced`` is the one that is compared.
        training_prevalence: share of malignant lesions for which the probabilities hold.
        statement: the model's own, shown wherever a probability of it stands.
        model: what is known of the model (name, version, training data), plain JSON.
        rules: binary rules by key.
        baselines: further log-odds by key, such as ``size_attenuation``; NaN where there is none.
        subgroups: divisions by key.
        conformal: for each model the set of each lesion: benign, malignant, either or none; None where the model gave none.
        conformal_level: coverage that the sets aim at.
        ceiling: log-odds by the exact posterior of the generator that made the lesions; None for lesions of patients.
        synthetic: whether the lesions were simulated.
        remarks: sentences on how the lesions were chosen, shown with the result.

    Raises:
        ValueError: shapes disagree, a lesion stands there twice, a log-odds is infinite, or there is no lesion.
    """

    lesion_id: tuple[str, ...]
    patient_id: tuple[str, ...]
    histology: tuple[str, ...]
    malignant: Flags
    log_odds: Mapping[ModelName, Array]
    thresholds: Mapping[ModelName, Mapping[str, float]]
    training_prevalence: float
    statement: str
    model: Mapping[str, Any] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    baselines: Mapping[str, Array] = field(default_factory=dict)
    subgroups: Mapping[str, Subgroup] = field(default_factory=dict)
    conformal: Mapping[ModelName, tuple[str | None, ...]] = field(default_factory=dict)
    conformal_level: float = 0.9
    ceiling: Array | None = None
    synthetic: bool = False
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.lesion_id)
        sized = {
            "patient_id": self.patient_id,
            "histology": self.histology,
            "malignant": self.malignant,
            **{f"log-odds of {k}": v for k, v in self.log_odds.items()},
            **{f"rule {k}": v.called for k, v in self.rules.items()},
            **{f"baseline {k}": v for k, v in self.baselines.items()},
            **{f"subgroup {k}": v.level for k, v in self.subgroups.items()},
            **{f"conformal sets of {k}": v for k, v in self.conformal.items()},
            **({} if self.ceiling is None else {"ceiling": self.ceiling}),
        }
        wrong = [name for name, values in sized.items() if len(values) != n]
        if not n or wrong:
            raise ValueError(f"there is no lesion, or not one value a lesion in: {', '.join(wrong)}")
        if len(set(self.lesion_id)) != n:
            raise ValueError("a lesion stands there twice")
        if self.malignant.dtype != np.bool_ or set(self.log_odds) != set(MODELS) or set(self.thresholds) != set(MODELS):
            raise ValueError("malignant must be bool, and log-odds and thresholds must be given for the four models")
        arrays = [*self.log_odds.values(), *self.baselines.values(), *([] if self.ceiling is None else [self.ceiling])]
        if any(np.isinf(values).any() for values in arrays):
            raise ValueError("a log-odds is infinite")
        if any(s not in (*CONFORMAL_SETS, None) for sets in self.conformal.values() for s in sets):
            raise ValueError(f"a conformal set is none of {', '.join(CONFORMAL_SETS)}")

    def __len__(self) -> int:
        return len(self.lesion_id)

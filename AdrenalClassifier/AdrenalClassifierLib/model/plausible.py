"""What a missing value would change: how the probability would move if it were known and lay where such values usually lie.

The usual range of every input is learnt in training: the 10th to 90th percentile of the values present [design, after the
clinical reference, section 6.5], or the categories that are not rare. A hormone that the model reads as a multiple of its upper
reference limit is described so, and enters through the patient record with the limit that holds for this patient.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.model.features import CENSORED_BELOW, Feature
from AdrenalClassifierLib.model.fusion import ModelName
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity, Value

PERCENTILES = (10.0, 50.0, 90.0)
LEAST_VALUES = 20
"""Design: of fewer values the 10th and 90th percentile are single patients' results: unsure, and none of a bundle's business."""
LEAST_SHARE = 0.05
"""Design: a category that fewer of the training cases have is not what an unknown value plausibly is."""

Kind = Literal["number", "ratio", "category"]
Evaluate = Callable[[Measurements, PatientRecord], "tuple[ModelName, float] | None"]
"""Which model's probability would be shown for these inputs, and the probability; None when none would be."""


@dataclass(frozen=True)
class PlausibleRange:
    """Where the values of one input usually lie.

    Attributes:
        key: catalogue key, or the name of a measurement.
        alternatives: keys of which any one, when given, makes the input known; ``key`` among them.
        measured: whether it is a measurement rather than a patient's value.
        kind: ``number`` in the canonical unit, ``ratio`` to the upper reference limit, or ``category``.
        values: the 10th, 50th and 90th percentile, or the categories, most frequent first (yes and no as bool).
        lesions: training lesions with a value.
    """

    key: str
    alternatives: tuple[str, ...]
    measured: bool
    kind: Kind
    values: tuple[Any, ...]
    lesions: int

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {**self.__dict__, "values": list(self.values), "alternatives": list(self.alternatives)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> PlausibleRange:
        """Inverse of ``to_json``. Raises TypeError or KeyError for an object that is none."""
        return PlausibleRange(**{**value, "values": tuple(value["values"]), "alternatives": tuple(value["alternatives"])})


@dataclass(frozen=True)
class Point:
    """One value that the missing input might have.

    Attributes:
        value: number in the canonical unit, yes or no, or the choice's key.
        ratio: multiple of the upper reference limit, where the model reads it so.
        probability: what would be shown.
    """

    value: float | bool | str
    ratio: float | None
    probability: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {"value": self.value, "times_upper_limit": self.ratio, "probability": self.probability}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Point:
        """Inverse of ``to_json``. Raises KeyError or TypeError for an object that is none."""
        return Point(value["value"], value["times_upper_limit"], value["probability"])


@dataclass(frozen=True)
class WhatIf:
    """How the probability would move over the plausible values of one missing input.

    Attributes:
        input: catalogue key or name of a measurement.
        unit: of the values, None without.
        model: whose probability would be shown.
        lowest: the value that would give the lowest probability.
        highest: the value that would give the highest.
    """

    input: str
    unit: str | None
    model: ModelName
    lowest: Point
    highest: Point

    @property
    def span(self) -> float:
        """How far the probability would move."""
        return self.highest.probability - self.lowest.probability

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {
            "input": self.input,
            "unit": self.unit,
            "model": self.model,
            "lowest": self.lowest.to_json(),
            "highest": self.highest.to_json(),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> WhatIf:
        """Inverse of ``to_json``. Raises KeyError or TypeError for an object that is none."""
        return WhatIf(
            value["input"], value["unit"], value["model"], Point.from_json(value["lowest"]), Point.from_json(value["highest"])
        )


def plausible_ranges(
    features: Sequence[Feature], measurements: Sequence[Measurements], patients: Sequence[PatientRecord]
) -> tuple[PlausibleRange, ...]:
    """Ranges of every input that the features read, from training lesions; in the features' order.

    Where a feature takes the largest of several results (metanephrines), the result given most often stands for all.
    """
    found: dict[str, PlausibleRange] = {}
    for feature in features:
        if feature.group not in ("radiological", "clinical") or any(key in found for key in feature.inputs):
            continue
        options: list[PlausibleRange | None]
        if feature.group == "radiological":
            options = [_of_measurements(key, measurements) for key in feature.inputs]
        else:
            kind: Kind = "ratio" if feature.kind == "log2_ratio" else "number"
            options = [_of_values(key, feature.inputs, kind, patients) for key in feature.inputs]
        item = max((o for o in options if o is not None), key=lambda o: o.lesions, default=None)
        if item is not None:
            found[item.key] = item
    return tuple(found.values())


def what_if(
    ranges: Sequence[PlausibleRange], measurements: Measurements, patient: PatientRecord, evaluate: Evaluate
) -> tuple[WhatIf, ...]:
    """All missing inputs, the most informative first: those over whose plausible values the probability would move farthest.

    One value at a time is supposed to be known; the other missing ones stay missing. The image score is kept, also where
    an unenhanced phase, if it existed, would be shown to the network.
    """
    found = []
    for item in ranges:
        if any(_given(key, item.measured, measurements, patient) for key in item.alternatives):
            continue
        points: list[tuple[ModelName, Point]] = []
        for typical in item.values:
            supposed = _supposed(item, typical, measurements, patient)
            if supposed is None:
                continue
            value, ratio, with_measurements, with_patient = supposed
            answer = evaluate(with_measurements, with_patient)
            if answer is not None:
                points.append((answer[0], Point(value, ratio, answer[1])))
        if len(points) > 1:
            ordered = sorted(points, key=lambda p: p[1].probability)
            found.append(WhatIf(item.key, _unit(item), ordered[0][0], ordered[0][1], ordered[-1][1]))
    return tuple(sorted(found, key=lambda w: -w.span))


def _of_measurements(key: str, measurements: Sequence[Measurements]) -> PlausibleRange | None:
    numbers = [float(v) for m in measurements if (v := getattr(m, key)) is not None]
    return _of_numbers(key, (key,), True, "number", numbers)


def _of_values(key: str, alternatives: tuple[str, ...], kind: Kind, patients: Sequence[PatientRecord]) -> PlausibleRange | None:
    values = [(p, v) for p in patients if (v := p.get(key)) is not None]
    if load_catalogue().variables[key].kind in ("flag", "choice"):
        counts = Counter(v for _, v in values if not isinstance(v, Quantity))
        common = tuple(v for v, n in counts.most_common() if n >= LEAST_SHARE * len(values))
        return PlausibleRange(key, alternatives, False, "category", common, len(values)) if len(common) > 1 else None
    numbers = []
    for patient, value in values:
        if isinstance(value, Quantity):
            number = value.value * (CENSORED_BELOW if value.comparator == "<" else 1.0)
            limit = patient.upper_limit_of(key) if kind == "ratio" else 1.0
            if limit:
                numbers.append(number / limit)
    return _of_numbers(key, alternatives, False, kind, numbers)


def _of_numbers(
    key: str, alternatives: tuple[str, ...], measured: bool, kind: Kind, numbers: Sequence[float]
) -> PlausibleRange | None:
    if len(numbers) < LEAST_VALUES:
        return None
    low, middle, high = (float(f"{v:.3g}") for v in np.percentile(numbers, PERCENTILES))
    return PlausibleRange(key, alternatives, measured, kind, (low, middle, high), len(numbers)) if low < high else None


def _given(key: str, measured: bool, measurements: Measurements, patient: PatientRecord) -> bool:
    return (getattr(measurements, key) if measured else patient.get(key)) is not None


def _supposed(
    item: PlausibleRange, typical: Any, measurements: Measurements, patient: PatientRecord
) -> tuple[float | bool | str, float | None, Measurements, PatientRecord] | None:
    """Value, ratio and inputs as if the missing value were ``typical``; None when no upper limit is known for it."""
    if item.measured:
        return typical, None, replace(measurements, **{item.key: typical}), patient
    if item.kind == "category":
        return typical, None, measurements, _with(patient, item.key, typical)
    variable = load_catalogue().variables[item.key]
    ratio, limit = None, None
    number = float(typical)
    if item.kind == "ratio":
        limit = patient.upper_limit_of(item.key) or max((r.upper for r in variable.reference if r.upper), default=None)
        if limit is None:
            return None
        ratio, number = number, number * limit
    if variable.kind == "count":
        number = float(round(number))
    if variable.hard is not None:
        number = min(max(number, variable.hard.low), variable.hard.high)
    if ratio is not None and limit is not None:
        ratio = number / limit
    return number, ratio, measurements, _with(patient, item.key, Quantity(number, "=", limit, None, ""))


def _with(patient: PatientRecord, key: str, value: Value) -> PatientRecord:
    return PatientRecord({**patient.values, key: value})


def _unit(item: PlausibleRange) -> str | None:
    if item.measured:
        return "HU" if item.key.endswith("_hu") else "mm" if item.key.endswith("_mm") else None
    unit = load_catalogue().variables[item.key].unit
    return unit.name if unit else None

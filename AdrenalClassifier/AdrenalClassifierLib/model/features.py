"""Columns of the fusion: numbers made from measurements and the patient's values, declared as data.

A bundle carries its own list of features, so a model always sees what it was trained on. Every feature names the input
it explains: contributions are reported for inputs a physician knows ("spontaneous_hu"), not for columns.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import BundleError
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.patient.record import PatientRecord

Group = Literal["image", "radiological", "clinical"]
Kind = Literal["linear", "log2", "above", "below", "flag", "choice", "log2_ratio"]

NETWORK = "image"
"""Input under which the network's scores are reported."""

CENSORED_BELOW = 1 / math.sqrt(2)
"""A result reported as ``< x`` enters as x times this (Hornung & Reed, Appl Occup Environ Hyg 1990;5:46)."""


@dataclass(frozen=True)
class Feature:
    """One column.

    Attributes:
        name: column name.
        group: ``image`` reads the radiomic features, ``radiological`` Measurements, ``clinical`` PatientRecord.
        explains: the input under which its contribution is reported.
        inputs: keys that are read; ``log2_ratio`` takes the largest of those at hand, the others read one key.
        kind: ``linear`` (x - centre) / scale; ``log2`` of x / centre, over scale; ``above`` and ``below`` the distance past
            ``centre`` over scale, else 0; ``flag`` 1 or 0; ``choice`` 1 when the value is one of ``choices``;
            ``log2_ratio`` log2 of the value over its upper reference limit, over scale.
        centre: see kind.
        scale: see kind.
        low: the value before scaling (the ratio for ``log2_ratio``) is clipped to ``low``..``high``.
        high: see low.
        choices: see kind.
        sign: +1 (-1) when medicine says the risk of malignancy can only rise (fall) with the column, 0 when it is open.
    """

    name: str
    group: Group
    explains: str
    inputs: tuple[str, ...]
    kind: Kind
    centre: float = 0.0
    scale: float = 1.0
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()
    sign: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object; infinite limits are left out."""
        out = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {k: v for k, v in out.items() if not (isinstance(v, float) and math.isinf(v))}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Feature:
        """Inverse of ``to_json``. Raises BundleError for an object that is not a feature."""
        try:
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}
            return Feature(**fields)
        except TypeError as error:
            raise BundleError("The bundle's feature list is not one this version reads. Update the software.") from error


@cache
def default_features() -> tuple[Feature, ...]:
    """The features that ``train`` uses, from ``features.json`` beside this file."""
    text = (Path(__file__).parent / "features.json").read_text(encoding="utf-8")
    return tuple(Feature.from_json(item) for item in json.loads(text)["features"])


def feature_value(
    feature: Feature, radiomics: Mapping[str, float | None], measurements: Measurements, patient: PatientRecord
) -> float | None:
    """The column's value, None when its input is missing."""
    if feature.group != "clinical":
        name = feature.inputs[0]
        value = radiomics[name] if feature.group == "image" else getattr(measurements, name)
        return None if value is None else _scaled(feature, float(value))
    if feature.kind == "log2_ratio":
        ratios = [r for key in feature.inputs if (r := _ratio(patient, key)) is not None]
        return _scaled(feature, max(ratios)) if ratios else None
    key = feature.inputs[0]
    if feature.kind == "flag":
        flag = patient.flag(key)
        return None if flag is None else float(flag)
    if feature.kind == "choice":
        choice = patient.choice(key)
        return None if choice is None else float(choice in feature.choices)
    number = _number(patient, key)
    return None if number is None else _scaled(feature, number)


def _number(patient: PatientRecord, key: str) -> float | None:
    quantity = patient.quantity(key)
    if quantity is None:
        return None
    return quantity.value * (CENSORED_BELOW if quantity.comparator == "<" else 1.0)


def _ratio(patient: PatientRecord, key: str) -> float | None:
    number, limit = _number(patient, key), patient.upper_limit_of(key)
    return None if number is None or not limit else number / limit


def _scaled(feature: Feature, value: float) -> float:
    value = min(max(value, feature.low), feature.high)
    if feature.kind in ("log2", "log2_ratio"):
        return math.log2(value / (feature.centre or 1.0)) / feature.scale
    if feature.kind == "above":
        return max(value - feature.centre, 0.0) / feature.scale
    if feature.kind == "below":
        return max(feature.centre - value, 0.0) / feature.scale
    return (value - feature.centre) / feature.scale


def feature_row(
    features: Sequence[Feature], radiomics: Mapping[str, float | None], measurements: Measurements, patient: PatientRecord
) -> NDArray[np.float64]:
    """Values of all features, shape ``(len(features),)``; NaN where the input is missing."""
    values = (feature_value(feature, radiomics, measurements, patient) for feature in features)
    return np.array([math.nan if v is None else v for v in values], float)


def indicator_name(explains: str) -> str:
    """Name of the column that is 1 when the input ``explains`` is missing."""
    return f"{explains}__missing"

"""What goes into the rules, what comes out, and the rules' data."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from AdrenalClassifierLib.patient.catalogue import Source, load_catalogue
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity

CANNOT_DECIDE = "cannot_decide"
AT_LEAST = "at_least_"
"""Prefix of a verdict that is open, but in no case more benign than what follows."""

_LABELS = {
    "long_axis_mm": "Long axis",
    "spontaneous_hu": "Unenhanced attenuation",
    "homogeneous": "Homogeneity",
    "macroscopic_fat": "Macroscopic fat",
    "absolute_washout_percent": "Absolute washout",
    "relative_washout_percent": "Relative washout",
}


@dataclass(frozen=True)
class GuidelineInputs:
    """What the rules look at. None means not known; NaN and infinity are taken as not known.

    Attributes:
        long_axis_mm: largest axial diameter.
        spontaneous_hu: mean attenuation on an unenhanced phase, not rounded.
        homogeneous: by the unenhanced phase or the reader.
        macroscopic_fat: fat that is visible as such, not the lipid of an adenoma.
        absolute_washout_percent: of a dedicated adrenal CT.
        relative_washout_percent: likewise.
        patient: the patient's values.

    Raises:
        ValueError: the long axis is not above 0.
    """

    long_axis_mm: float | None = None
    spontaneous_hu: float | None = None
    homogeneous: bool | None = None
    macroscopic_fat: bool | None = None
    absolute_washout_percent: float | None = None
    relative_washout_percent: float | None = None
    patient: PatientRecord = field(default_factory=lambda: PatientRecord({}))

    def __post_init__(self) -> None:
        for name in ("long_axis_mm", "spontaneous_hu", "absolute_washout_percent", "relative_washout_percent"):
            value = getattr(self, name)
            object.__setattr__(self, name, float(value) if value is not None and math.isfinite(value) else None)
        for name in ("homogeneous", "macroscopic_fat"):
            value = getattr(self, name)
            object.__setattr__(self, name, None if value is None else bool(value))
        if self.long_axis_mm is not None and self.long_axis_mm <= 0:
            raise ValueError("long_axis_mm must be above 0.")


@dataclass(frozen=True)
class Performance:
    """Published performance of a rule or a test.

    Attributes:
        rule: what was applied.
        metric: sensitivity, specificity, ppv, npv, accuracy, lr_positive, lr_negative, misclassified or risk.
        value: in ``unit``.
        low: lower end of the interval, None where none is known.
        high: upper end.
        interval: what the interval is.
        unit: "%" or "ratio".
        target: what the rule looks for.
        population: in whom.
        count: numerator, where the value was computed from counts.
        of: denominator.
        note: what to keep in mind.
        source: origin and standing.
    """

    rule: str
    metric: str
    value: float
    low: float | None
    high: float | None
    interval: str
    unit: Literal["%", "ratio"]
    target: str
    population: str
    count: int | None
    of: int | None
    note: str
    source: Source

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        out = {k: v for k, v in self.__dict__.items() if k != "source" and v not in (None, "")}
        return {**out, "source": self.source.text, "tag": self.source.tag}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Performance:
        """Inverse of ``to_json``. Raises KeyError or TypeError for an object that is none."""
        left_out = {"low": None, "high": None, "interval": "", "count": None, "of": None, "note": ""}
        given = {name: part for name, part in value.items() if name not in ("source", "tag")}
        return Performance(**{**left_out, **given}, source=Source(value["source"], value["tag"]))


@dataclass(frozen=True)
class Outcome:
    """One possible verdict of a question, as the data file declares it.

    Attributes:
        verdict: machine code.
        rule: id of the rule that leads here.
        rank: 0 for the most benign, rising with concern; None outside the scope.
        phrase: short, for lists of what is possible.
        lower_bound: whether an open verdict may say "at least" this.
        text: sentence; may have a place for ``{detail}``.
        unsourced: details that the reference marks as unsourced or as conventions of this software.
        performance: what was published.
    """

    verdict: str
    rule: str
    rank: int | None
    phrase: str
    lower_bound: bool
    text: str
    unsourced: tuple[str, ...]
    performance: tuple[Performance, ...]


@dataclass(frozen=True)
class Guideline:
    """Data of one guideline.

    Attributes:
        name: for people.
        citation: full text with DOI.
        unsourced: details that concern every verdict.
        thresholds: value by name.
        sources: origin of each threshold.
        questions: for each question its outcomes by id.
    """

    name: str
    citation: str
    unsourced: tuple[str, ...]
    thresholds: Mapping[str, float]
    sources: Mapping[str, Source]
    questions: Mapping[str, Mapping[str, Outcome]]


@dataclass(frozen=True)
class Verdict:
    """What one guideline says on one question.

    Attributes:
        guideline: its name.
        question: what is asked, such as ``imaging`` or ``hormone_excess``.
        rule: id of the rule that fired, "" when the verdict is open.
        verdict: machine code; ``cannot_decide``, or ``at_least_<code>`` when it is open but in no case more benign than that.
        text: one sentence for people.
        possible: codes that are possible with the values at hand; one when the verdict is decided.
        inputs: the values that were used, by name, in canonical units; a censored one is text such as "<50".
        missing: names of the values needed to decide.
        citation: full text with DOI.
        performance: published performance of the rule.
        unsourced: details that the reference marks as unsourced or as conventions of this software.
    """

    guideline: str
    question: str
    rule: str
    verdict: str
    text: str
    possible: tuple[str, ...]
    inputs: Mapping[str, Any]
    missing: tuple[str, ...]
    citation: str
    performance: tuple[Performance, ...]
    unsourced: tuple[str, ...]

    @property
    def decided(self) -> bool:
        """Whether a rule fired."""
        return bool(self.rule)

    @property
    def missing_labels(self) -> tuple[str, ...]:
        """``missing`` for people."""
        return tuple(label(name) for name in self.missing)

    def to_json(self) -> dict[str, Any]:
        """The object of assessment.json (DESIGN section 8)."""
        return {
            "guideline": self.guideline,
            "question": self.question,
            "rule": self.rule,
            "verdict": self.verdict,
            "text": self.text,
            "possible": list(self.possible),
            "inputs": dict(self.inputs),
            "missing": list(self.missing),
            "citation": self.citation,
            "performance": [item.to_json() for item in self.performance],
            "unsourced": list(self.unsourced),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Verdict:
        """Inverse of ``to_json``. Raises KeyError or TypeError for an object that is none."""
        lists = {name: tuple(value[name]) for name in ("possible", "missing", "unsourced")}
        performance = tuple(Performance.from_json(item) for item in value["performance"])
        return Verdict(**{**value, **lists, "inputs": dict(value["inputs"]), "performance": performance})


@cache
def load_guideline(name: str) -> Guideline:
    """The data of ``ese_ensat_2023``, ``acr_2017`` or ``eurine_act``; read once."""
    data = _read(name)
    return Guideline(
        data["guideline"],
        data["citation"],
        tuple(data["unsourced"]),
        {key: float(item["value"]) for key, item in data["thresholds"].items()},
        {key: Source(**item["source"]) for key, item in data["thresholds"].items()},
        {
            question: {
                key: Outcome(
                    item.get("verdict", key),
                    item["rule"],
                    item["rank"],
                    item["phrase"],
                    item.get("lower_bound", False),
                    item["text"],
                    tuple(item.get("unsourced", ())),
                    tuple(load_performance()[p] for p in item.get("performance", ())),
                )
                for key, item in outcomes.items()
            }
            for question, outcomes in data["questions"].items()
        },
    )


@cache
def load_performance() -> Mapping[str, Performance]:
    """Published performance by id; read once."""
    return {
        key: Performance(
            item["rule"],
            item["metric"],
            float(item["value"]),
            item["low"],
            item["high"],
            item.get("interval", ""),
            item["unit"],
            item["target"],
            item["population"],
            item.get("count"),
            item.get("of"),
            item.get("note", ""),
            Source(**item["source"]),
        )
        for key, item in _read("performance")["performance"].items()
    }


def _read(name: str) -> Any:
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="utf-8"))


def label(name: str) -> str:
    """Name of an input for people: an imaging input, a patient variable, or the laboratory's limit of one."""
    variables = load_catalogue().variables
    if name in _LABELS:
        return _LABELS[name]
    if name in variables:
        return variables[name].label
    key = name.removesuffix("_upper_limit")
    return f"Laboratory's upper limit of {variables[key].label}"


def known_inputs(inputs: GuidelineInputs, *names: str) -> dict[str, Any]:
    """The values at hand among ``names``, as a verdict shows them."""
    out: dict[str, Any] = {}
    for name in names:
        value = getattr(inputs, name) if name in _LABELS else inputs.patient.get(name)
        if isinstance(value, Quantity):
            value = value.value if value.comparator == "=" else f"{value.comparator}{value.value:g}"
        if value is not None:
            out[name] = value
    return out

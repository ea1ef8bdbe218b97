"""The catalogue of clinical variables: ``catalogue.json`` as typed, immutable objects."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Kind = Literal["number", "count", "flag", "choice"]
Tag = Literal["sourced", "unsourced", "computed", "design"]
Sex = Literal["female", "male"]
Role = Literal["value", "upper_limit", "lower_limit"]


@dataclass(frozen=True)
class Source:
    """Where a fact comes from and its standing.

    ``sourced``: read in the source named. ``unsourced``: general knowledge, to be verified before anyone relies on it.
    ``computed``: calculated from sourced figures. ``design``: a choice of this software, no clinical fact.
    """

    text: str
    tag: Tag


@dataclass(frozen=True)
class Choice:
    """One value of a choice: what is stored, what people read, and what is accepted besides."""

    value: str
    label: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unit:
    """A unit of a variable: ``canonical value = value * factor``.

    ``suffix`` ends column names (``nmol_l``). ``aliases`` are other names of the very same unit (mEq/L for mmol/L of potassium).
    """

    name: str
    suffix: str
    factor: float
    aliases: tuple[str, ...] = ()


class Range(NamedTuple):
    """Limits in the canonical unit, both included."""

    low: float
    high: float


@dataclass(frozen=True)
class Reference:
    """A reference range in the canonical unit, for one sex and one span of ages where the source distinguishes them.

    Attributes:
        lower: lower limit, None where the source has none.
        upper: upper limit, None where the source has none.
        sex: None for both.
        age_from: completed years, included; None from birth.
        age_below: completed years, not included; None without end.
        upper_span: least and greatest upper limit where sources or laboratories disagree.
        condition: a condition beyond age and sex. Such a range is shown but never applied by the software.
        source: origin.
    """

    lower: float | None
    upper: float | None
    sex: Sex | None
    age_from: float | None
    age_below: float | None
    upper_span: tuple[float, float] | None
    condition: str
    source: Source


@dataclass(frozen=True)
class DecisionLimit:
    """A limit with a meaning of its own: value (canonical unit) ``comparator`` limit means ``text``."""

    name: str
    comparator: Literal["<", "<=", ">", ">="]
    value: float
    text: str
    source: Source


@dataclass(frozen=True)
class Loinc:
    """A LOINC code. The component of every code was verified; ``property_verified`` tells whether property and system were."""

    code: str
    text: str
    property_verified: bool


@dataclass(frozen=True)
class Variable:
    """One clinical variable.

    Attributes:
        key: name in JSON.
        label: name for people.
        help: one or two sentences for the person who enters it.
        kind: ``number``, ``count`` (whole, without unit), ``flag`` (yes or no) or ``choice``.
        group: key of a catalogue group.
        choices: of a choice.
        units: of a number; the first is canonical (SI).
        unit_source: where the conversion factors come from.
        molar_mass: g/mol, where units of mass and of substance are converted.
        hard: values outside are refused; ``hard_source`` says whose choice that is.
        soft: values outside are accepted with a notice; ``soft_source`` likewise.
        reference: reference ranges.
        decision_limits: limits with a meaning of their own.
        loinc: codes.
        evidence: what the literature says about the variable.
    """

    key: str
    label: str
    help: str
    kind: Kind
    group: str
    choices: tuple[Choice, ...] = ()
    units: tuple[Unit, ...] = ()
    unit_source: Source | None = None
    molar_mass: float | None = None
    hard: Range | None = None
    hard_source: Source | None = None
    soft: Range | None = None
    soft_source: Source | None = None
    reference: tuple[Reference, ...] = ()
    decision_limits: tuple[DecisionLimit, ...] = ()
    loinc: tuple[Loinc, ...] = ()
    evidence: tuple[Source, ...] = ()

    @property
    def unit(self) -> Unit | None:
        """The canonical unit, None for a variable without unit."""
        return self.units[0] if self.units else None

    def find_unit(self, text: str) -> Unit | None:
        """The unit that ``text`` names, however micro, spaces and capitals are written; None when it names none of them."""
        wanted = normal_unit(text)
        return next((u for u in self.units if wanted in {normal_unit(name) for name in (u.name, *u.aliases)}), None)

    def column(self, unit: Unit | None = None, role: Role = "value") -> str:
        """Name of the table column for ``unit`` (canonical when None), such as ``cortisol_dst_upper_limit_nmol_l``."""
        unit = unit or self.unit
        parts = [self.key, *([] if role == "value" else [role]), *([unit.suffix] if unit else [])]
        return "_".join(parts)

    def decision_limit(self, name: str) -> DecisionLimit:
        """The decision limit called ``name``. Raises KeyError."""
        for limit in self.decision_limits:
            if limit.name == name:
                return limit
        raise KeyError(name)


@dataclass(frozen=True)
class Column:
    """What a column of a table holds."""

    name: str
    variable: Variable
    unit: Unit | None
    role: Role


@dataclass(frozen=True)
class RatioKind:
    """One kind of aldosterone/renin ratio; the two kinds are never compared with each other.

    Attributes:
        renin: key of the divisor.
        unit: unit of the ratio.
        limit: above it, primary aldosteronism is suggested.
        least_aldosterone: aldosterone (in the ratio's unit of aldosterone) below which the ratio says nothing; None without.
        source: of the limit.
    """

    renin: str
    unit: str
    limit: float
    least_aldosterone: float | None
    source: Source


@dataclass(frozen=True)
class Catalogue:
    """All variables in their order, the groups of a form, and the columns a table may have.

    Attributes:
        variables: by key.
        groups: label by group key, in the order of a form.
        columns: by name; canonical columns and those in other units, for values and laboratory limits.
        ratio_kinds: the aldosterone/renin ratios, which are derived and never entered.
    """

    variables: Mapping[str, Variable]
    groups: Mapping[str, str]
    ratio_kinds: tuple[RatioKind, ...]
    columns: Mapping[str, Column] = field(default_factory=dict)

    def canonical_columns(self) -> tuple[str, ...]:
        """One column a variable, in its canonical unit, in the order of the catalogue: the clinical head of a cohort table."""
        return tuple(variable.column() for variable in self.variables.values())


@cache
def load_catalogue() -> Catalogue:
    """The catalogue that ships with the software; read once."""
    value = json.loads((Path(__file__).parent / "catalogue.json").read_text(encoding="utf-8"))
    variables = {item["key"]: _variable(item) for item in value["variables"]}
    return Catalogue(
        MappingProxyType(variables),
        MappingProxyType({group["key"]: group["label"] for group in value["groups"]}),
        tuple(
            RatioKind(k["renin"], k["unit"], float(k["limit"]), k.get("least_aldosterone"), _source(k["source"]))
            for k in value["derived"]["aldosterone_renin_ratio"]["kinds"]
        ),
        MappingProxyType({column.name: column for variable in variables.values() for column in _columns(variable)}),
    )


def normal_unit(text: str) -> str:
    """A unit's name in one spelling: both signs of micro and ``mc`` as u, no spaces, lower case, a day as 24h."""
    name = "".join(unicodedata.normalize("NFKC", text).replace("μ", "u").split()).casefold()
    if name.startswith("mcg"):
        name = "u" + name[2:]
    for day in ("/day", "/24hr", "/24hours", "/d"):
        if name.endswith(day):
            name = name.removesuffix(day) + "/24h"
    return name


def unit_suffix(name: str) -> str:
    """Column suffix of a unit: ``nmol/24h`` gives ``nmol_24h``, ``µg/dL`` gives ``ug_dl``, ``%`` gives ``percent``."""
    return normal_unit(name).replace("/", "_").replace("%", "percent")


def _columns(variable: Variable) -> Iterator[Column]:
    if not variable.units:
        yield Column(variable.column(), variable, None, "value")
    roles: tuple[Role, ...] = ("value",) if variable.group == "history" else ("value", "upper_limit", "lower_limit")
    for unit in variable.units:
        for suffix in dict.fromkeys(unit_suffix(name) for name in (unit.name, *unit.aliases)):
            for role in roles:
                yield Column(variable.column(replace(unit, suffix=suffix), role), variable, unit, role)


def _variable(item: Mapping[str, Any]) -> Variable:
    return Variable(
        item["key"],
        item["label"],
        item["help"],
        item["kind"],
        item["group"],
        tuple(Choice(c["value"], c["label"], tuple(c.get("aliases", ()))) for c in item.get("choices", ())),
        tuple(
            Unit(u["name"], unit_suffix(u["name"]), float(u["factor"]), tuple(u.get("aliases", ())))
            for u in item.get("units", ())
        ),
        _source(item["unit_source"]) if "unit_source" in item else None,
        item.get("molar_mass"),
        *_range(item.get("hard")),
        *_range(item.get("soft")),
        tuple(_reference(r) for r in item.get("reference", ())),
        tuple(
            DecisionLimit(d["name"], d["comparator"], float(d["value"]), d["text"], _source(d["source"]))
            for d in item.get("decision_limits", ())
        ),
        tuple(Loinc(c["code"], c["text"], c["property_verified"]) for c in item.get("loinc", ())),
        tuple(_source(e) for e in item.get("evidence", ())),
    )


def _source(item: Mapping[str, Any]) -> Source:
    return Source(item["text"], item["tag"])


def _range(item: Mapping[str, Any] | None) -> tuple[Range | None, Source | None]:
    return (None, None) if item is None else (Range(float(item["low"]), float(item["high"])), _source(item["source"]))


def _reference(item: Mapping[str, Any]) -> Reference:
    span = item.get("upper_span")
    return Reference(
        item.get("lower"),
        item.get("upper"),
        item.get("sex"),
        item.get("age_from"),
        item.get("age_below"),
        None if span is None else (float(span[0]), float(span[1])),
        item.get("condition", ""),
        _source(item["source"]),
    )

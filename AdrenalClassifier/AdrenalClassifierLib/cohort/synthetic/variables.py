"""The generator's tables: classes, and clinical variables given class, latent state and what was drawn before.

A variable is a list of rules; the first whose condition holds gives its parameters. Conditions look only at the class, the
latent state, and values that are *observed* (missing values fail every comparison), so that the probability of a finished
row can be computed exactly (posterior.py).
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Codes = NDArray[np.intp]

TABLES = Path(__file__).parent / "tables"

Kind = Literal["flag", "choice", "normal", "lognormal"]
COMPARE: tuple[tuple[str, Callable[[Floats, float], Bools]], ...] = (
    ("<=", operator.le),
    (">=", operator.ge),
    ("<", operator.lt),
    (">", operator.gt),
)


@dataclass(frozen=True)
class LesionClass:
    """One diagnosis of the synthetic cohort (``tables/classes.json``).

    Attributes:
        name: the cohort table's ``histology``.
        malignant: truth under the default label policy.
        count: lesions of this class among 385.
        median_cm: median of the largest axial diameter in cm.
        sigma_ln: SD of its natural logarithm.
        hu_mean: mean unenhanced attenuation in HU, before the clip.
        hu_sd: its SD in HU.
        hu_clip: draws below take this value.
        heterogeneous: probability below 4 cm, and from 4 cm on.
        age: mean and SD in years.
        women: share.
        ill: probability of systemic illness (latent).
        states: probability of each functional state (latent).
        left: share on the left side.
    """

    name: str
    malignant: bool
    count: int
    median_cm: float
    sigma_ln: float
    hu_mean: float
    hu_sd: float
    hu_clip: float
    heterogeneous: tuple[float, float]
    age: tuple[float, float]
    women: float
    ill: float
    states: Mapping[str, float]
    left: float


@dataclass(frozen=True)
class Measurement:
    """Errors of what a radiologist measures: SD of ln(diameter), SD of HU, and its part that is common to a scan."""

    diameter_sigma_ln: float
    hu_sd: float
    hu_sd_of_scan: float


@dataclass(frozen=True)
class Classes:
    """``tables/classes.json``."""

    classes: tuple[LesionClass, ...]
    states: tuple[str, ...]
    design_lesions: int
    bilateral_pairs: tuple[str, ...]
    size_limits_cm: tuple[float, float]
    age_limits: tuple[float, float]
    measurement: Measurement

    def index(self, name: str) -> int:
        """Position of a class."""
        return next(n for n, c in enumerate(self.classes) if c.name == name)


@dataclass(frozen=True)
class Rule:
    """Parameters that hold under a condition."""

    when: Mapping[str, Any]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Variable:
    """One clinical variable of the generator.

    Attributes:
        key: the catalogue's key.
        column: the cohort table's column (key and unit).
        kind: distribution.
        values: choices of a ``choice``, else empty.
        number: the choices are written as numbers.
        rules: parameters: ``p`` (flag: probability of yes; choice: of each value), ``mean`` and ``sd``, ``median`` and ``sigma``.
        missing: ``p`` that the value is not recorded.
        low: lower end of a truncated normal.
        high: its upper end.
        lod: results below are reported as ``<lod``.
        decimals: decimals of a normal variable in the table.
        digits: significant digits of a lognormal variable in the table.
        factors: rules that multiply the median by ``times``.
        size_power: median times (diameter / reference_cm) ** power in the states named.
    """

    key: str
    column: str
    kind: Kind
    rules: tuple[Rule, ...]
    missing: tuple[Rule, ...]
    values: tuple[str, ...] = ()
    number: bool = False
    low: float = -np.inf
    high: float = np.inf
    lod: float = 0.0
    decimals: int = 0
    digits: int = 3
    factors: tuple[Rule, ...] = ()
    size_power: Mapping[str, Any] | None = None

    @property
    def uses_state(self) -> bool:
        """Whether any parameter depends on the latent state."""
        rules = (*self.rules, *self.missing, *self.factors)
        return self.size_power is not None or any({"state", "ill"} & set(rule.when) for rule in rules)


def _read(name: str) -> Any:
    return json.loads((TABLES / name).read_text(encoding="utf-8"))


def _rules(items: list[dict[str, Any]]) -> tuple[Rule, ...]:
    return tuple(Rule(item["when"], {k: v for k, v in item.items() if k not in ("when", "source")}) for item in items)


@cache
def classes() -> Classes:
    """The classes of the synthetic cohort."""
    table = _read("classes.json")
    entries = tuple(
        LesionClass(**{**c, "heterogeneous": tuple(c["heterogeneous"]), "age": tuple(c["age"])}) for c in table["classes"]
    )
    states = tuple(dict.fromkeys(state for c in entries for state in c.states))
    m = table["measurement"]
    low, high = table["size_limits_cm"]
    youngest, oldest = table["age_limits"]
    return Classes(
        entries,
        states,
        int(table["design_lesions"]),
        tuple(table["bilateral_pairs"]),
        (float(low), float(high)),
        (float(youngest), float(oldest)),
        Measurement(m["diameter_sigma_ln"], m["hu_sd"], m["hu_sd_of_scan"]),
    )


@cache
def variables() -> tuple[Variable, ...]:
    """History, then laboratory, in the order in which they are drawn."""
    items = [*_read("history.json")["variables"], *_read("laboratory.json")["variables"]]
    out = []
    for item in items:
        options = {k: v for k, v in item.items() if k not in ("key", "column", "kind", "rules", "missing", "factors", "values")}
        out.append(
            Variable(
                key=item["key"],
                column=item.get("column", item["key"]),
                kind=item["kind"],
                rules=_rules(item["rules"]),
                missing=_rules(item["missing"]),
                values=tuple(item.get("values", ())),
                factors=_rules(item.get("factors", [])),
                **options,
            )
        )
    return tuple(out)


@cache
def scan_rules() -> Mapping[str, tuple[Rule, ...]]:
    """Which CT phases are missing (``tables/imaging_rows.json``), by phase."""
    table = _read("imaging_rows.json")
    return {k: _rules(v) for k, v in table.items() if k != "note"}


SEXES = ("female", "male")
YES_NO = ("no", "yes")


def choices_of(key: str) -> tuple[str, ...]:
    """The values of a coded column in the order of their codes; empty for a number."""
    if key == "sex":
        return SEXES
    if key in ("suspicious", "heterogeneous"):
        return YES_NO
    for variable in variables():
        if variable.key == key:
            return () if variable.number else YES_NO if variable.kind == "flag" else variable.values
    return ()


@dataclass(frozen=True)
class Given:
    """What a rule may look at, for n rows.

    Attributes:
        lesion_class: index of the class: one for all rows, or each row's.
        state: the same for the latent functional state.
        ill: the same for latent systemic illness.
        columns: observed values by key, shape (n,): numbers, or codes of choices; NaN where missing.
    """

    lesion_class: int | Codes
    state: int | Codes
    ill: bool | Bools
    columns: Mapping[str, Floats]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.columns["measured_cm"])

    def holds(self, when: Mapping[str, Any]) -> Bools:
        """Where the condition is true, shape (n,)."""
        table = classes()
        out = np.ones(self.n, bool)
        for key, wanted in when.items():
            if key == "class":
                out &= np.isin(self.lesion_class, [table.index(name) for name in wanted])
            elif key == "state":
                out &= np.isin(self.state, [table.states.index(name) for name in wanted])
            elif key == "ill":
                out &= np.asarray(self.ill) == (wanted == "yes")
            elif key == "present":
                out &= ~np.isnan(self.columns[wanted])
            else:
                out &= _compare(self.columns[key], key, wanted)
        return out

    def first(self, rules: tuple[Rule, ...]) -> Codes:
        """For each row the position of the first rule that holds. The last rule has to hold always."""
        out = np.full(self.n, len(rules) - 1, np.intp)
        free = np.ones(self.n, bool)
        for n, rule in enumerate(rules[:-1]):
            now = free & self.holds(rule.when)
            out[now] = n
            free &= ~now
            if not free.any():
                break
        return out

    def parameter(self, rules: tuple[Rule, ...], name: str, chosen: Codes | None = None) -> Floats:
        """The parameter of the rule that holds, shape (n,) or (n, values)."""
        chosen = self.first(rules) if chosen is None else chosen
        return np.asarray([rule.parameters[name] for rule in rules], float)[chosen]


def _compare(column: Floats, key: str, wanted: Any) -> Bools:
    if isinstance(wanted, str):
        for sign, compare in COMPARE:
            if wanted.startswith(sign):
                with np.errstate(invalid="ignore"):
                    return compare(column, float(wanted[len(sign) :]))
        wanted = [wanted]
    choices = choices_of(key)
    return np.isin(column, [float(choices.index(w)) for w in wanted])


@cache
def possible_rules(variable: int, lesion_class: int, state: int, ill: bool) -> tuple[bool, ...]:
    """For every rule of the variable at a position of ``variables()`` whether class and latent state let it apply."""
    table, chosen = classes(), variables()[variable]
    conditions = [rule.when for rule in (*chosen.rules, *chosen.missing, *chosen.factors)]
    if chosen.size_power is not None:
        conditions.append({"state": chosen.size_power["state"]})
    here = {"class": table.classes[lesion_class].name, "state": table.states[state], "ill": "yes" if ill else "no"}
    return tuple(all(here[key] in when[key] for key in here if key in when) for when in conditions)

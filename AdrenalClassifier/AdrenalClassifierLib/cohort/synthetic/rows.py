"""Draw the tabular part of the synthetic cohort from uniform numbers, one fixed slot for each variable.

Each case has its own vector of uniforms, so a case does not depend on how many others are drawn beside it or in which
order; every value is an inverse distribution function of its slot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import ndtr, ndtri

from AdrenalClassifierLib.cohort.synthetic.variables import (
    Bools,
    Classes,
    Codes,
    Floats,
    Given,
    Variable,
    classes,
    scan_rules,
    variables,
)

LESION_SLOTS = ("size", "size_error", "hu", "hu_error_scan", "hu_error_lesion", "heterogeneous", "side")
SCAN_SLOTS = ("unenhanced_missing", "portal_missing", "delayed_missing")
PATIENT_SLOTS = ("state", "ill", "age", "sex")
LARGE_CM = 4.0
SUSPICIOUS_HU = 20.0


@dataclass(frozen=True)
class TabularRows:
    """n lesions as numbers.

    Attributes:
        columns: what a physician knows, by key, shape (n,): numbers, codes of choices and flags; NaN where missing. Besides the
            clinical variables: ``measured_cm``, ``measured_hu`` (unenhanced, NaN without that phase), ``heterogeneous``.
        below: for variables with a detection limit, True where only "below the limit" is known.
    """

    columns: Mapping[str, Floats]
    below: Mapping[str, Bools]

    def __len__(self) -> int:
        return len(self.columns["measured_cm"])

    def take(self, index: Codes | Bools) -> TabularRows:
        """Some of the rows."""
        return TabularRows({k: v[index] for k, v in self.columns.items()}, {k: v[index] for k, v in self.below.items()})


@dataclass(frozen=True)
class TrueRows:
    """What only the generator knows of n lesions: drawn diameter in cm, drawn HU, errors of its measurement, latent state, side,
    and which phases were not scanned."""

    cm: Floats
    hu: Floats
    scan_error_hu: Floats
    lesion_error_hu: Floats
    state: Codes
    ill: Bools
    left: Bools
    missing_phase: Mapping[str, Bools]


@cache
def slots() -> Mapping[str, int]:
    """Position of every uniform number."""
    names = [*LESION_SLOTS, *SCAN_SLOTS, *PATIENT_SLOTS]
    names += [f"{part}:{v.key}" for v in variables() for part in ("value", "missing")]
    return {name: n for n, name in enumerate(names)}


def first_of_patient() -> int:
    """Slots from here on belong to the patient and not to the lesion."""
    return len(LESION_SLOTS)


def draw_rows(lesion_class: Codes, uniforms: Floats) -> tuple[TabularRows, TrueRows]:
    """Rows for given classes.

    Args:
        lesion_class: index of each row's class, shape (n,).
        uniforms: numbers in (0, 1), shape (n, len(slots())).

    Returns:
        What is observed, and the truth behind it.
    """
    table, where = classes(), slots()

    def u(name: str) -> Floats:
        return uniforms[:, where[name]]

    def of_class(name: str) -> Floats:
        return np.array([getattr(c, name) for c in table.classes], float)[lesion_class]

    true_cm = _truncated_lognormal(u("size"), of_class("median_cm"), of_class("sigma_ln"), table.size_limits_cm)
    true_hu = np.maximum(of_class("hu_mean") + of_class("hu_sd") * ndtri(u("hu")), of_class("hu_clip"))
    error = table.measurement
    scan_error = error.hu_sd_of_scan * ndtri(u("hu_error_scan"))
    lesion_error = np.sqrt(error.hu_sd**2 - error.hu_sd_of_scan**2) * ndtri(u("hu_error_lesion"))
    large = (true_cm >= LARGE_CM).astype(int)
    heterogeneous = u("heterogeneous") < of_class("heterogeneous")[np.arange(len(large)), large]
    state = _state(table, lesion_class, u("state"))
    age = of_class("age")
    low, high = table.age_limits
    columns: dict[str, Floats] = {
        "measured_cm": true_cm * np.exp(error.diameter_sigma_ln * ndtri(u("size_error"))),
        "heterogeneous": heterogeneous.astype(float),
        "age": np.rint(_truncated_normal(u("age"), age[:, 0], age[:, 1], low, high)),
        "sex": (u("sex") >= of_class("women")).astype(float),
    }
    ill = u("ill") < of_class("ill")
    given = Given(lesion_class, state, ill, columns)
    missing: dict[str, Bools] = {}

    def absent(phase: str) -> Bools:
        return u(f"{phase}_missing") < given.parameter(scan_rules()[f"{phase}_missing"], "p")

    missing["unenhanced"] = absent("unenhanced")
    columns["measured_hu"] = np.where(missing["unenhanced"], np.nan, true_hu + scan_error + lesion_error)
    missing["portal"] = absent("portal")
    missing["delayed"] = absent("delayed") | missing["unenhanced"] | missing["portal"]
    columns["suspicious"] = suspicious(columns)
    below: dict[str, Bools] = {}
    for variable in variables():
        value, limit = _value(variable, given, u(f"value:{variable.key}"))
        gone = u(f"missing:{variable.key}") < given.parameter(variable.missing, "p")
        columns[variable.key] = np.where(gone, np.nan, value)
        if variable.lod:
            below[variable.key] = limit & ~gone
    left = u("side") < of_class("left")
    truth = TrueRows(true_cm, true_hu, scan_error, lesion_error, state, ill, left, missing)
    return TabularRows(columns, below), truth


def suspicious(columns: Mapping[str, Floats]) -> Floats:
    """1 where CT makes a physician think of cancer: 4 cm or more, and above 20 HU, heterogeneous or of unknown attenuation.

    ESE/ENSAT 2023: 4 cm or more and heterogeneous or above 20 HU; without unenhanced CT nothing speaks against it.
    """
    hu = columns["measured_hu"]
    with np.errstate(invalid="ignore"):
        doubt = np.isnan(hu) | (hu > SUSPICIOUS_HU) | (columns["heterogeneous"] > 0)
        return ((columns["measured_cm"] >= LARGE_CM) & doubt).astype(float)


def median_of(variable: Variable, given: Given, chosen: Codes) -> Floats:
    """Median of a lognormal variable with its factors, shape (n,)."""
    median = given.parameter(variable.rules, "median", chosen)
    for rule in variable.factors:
        median = np.where(given.holds(rule.when), median * rule.parameters["times"], median)
    if variable.size_power is not None:
        power = variable.size_power
        ratio = given.columns["measured_cm"] / power["reference_cm"]
        median = np.where(given.holds({"state": power["state"]}), median * ratio ** power["power"], median)
    return median


def _value(variable: Variable, given: Given, u: Floats) -> tuple[Floats, Bools]:
    never = np.zeros(len(u), bool)
    chosen = given.first(variable.rules)
    if variable.kind == "flag":
        return (u < given.parameter(variable.rules, "p", chosen)).astype(float), never
    if variable.kind == "choice":
        upper = np.cumsum(given.parameter(variable.rules, "p", chosen), axis=1)
        return (u[:, None] * upper[:, -1:] >= upper[:, :-1]).sum(axis=1).astype(float), never
    if variable.kind == "normal":
        mean, sd = (given.parameter(variable.rules, name, chosen) for name in ("mean", "sd"))
        return np.round(_truncated_normal(u, mean, sd, variable.low, variable.high), variable.decimals), never
    value = np.exp(np.log(median_of(variable, given, chosen)) + given.parameter(variable.rules, "sigma", chosen) * ndtri(u))
    below = value < variable.lod
    return np.where(below, variable.lod, significant(value, variable.digits)), below


def significant(value: Floats, digits: int) -> Floats:
    """Positive numbers rounded to significant digits."""
    scale = 10.0 ** (digits - 1 - np.floor(np.log10(value)))
    return np.rint(value * scale) / scale


def _state(table: Classes, lesion_class: Codes, u: Floats) -> Codes:
    share = np.array([[c.states.get(s, 0.0) for s in table.states] for c in table.classes])
    upper = np.cumsum(share, axis=1)[lesion_class]
    return np.asarray((u[:, None] * upper[:, -1:] >= upper[:, :-1]).sum(axis=1))


def _truncated_normal(u: Floats, mean: Floats, sd: Floats, low: float, high: float) -> Floats:
    first, last = ndtr((low - mean) / sd), ndtr((high - mean) / sd)
    return np.asarray(np.clip(mean + sd * ndtri(first + u * (last - first)), low, high))


def _truncated_lognormal(u: Floats, median: Floats, sigma: Floats, limits: tuple[float, float]) -> Floats:
    low, high = np.log(limits)
    return np.exp(_truncated_normal(u, np.log(median), sigma, float(low), float(high)))

"""The exact probability of malignancy of a synthetic row: the ceiling of every model that sees the same row.

The generator draws class, then latent state (hormones, systemic illness), then observed variables that are independent given
these and what was observed before. Bayes' rule over classes and states therefore gives the true posterior of the tabular part:
diameter and unenhanced attenuation as measured, heterogeneity, age, sex, history, laboratory values, and what is missing.
Voxels are not part of it. The two lesions of a bilateral patient are judged one by one.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import product

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr

from AdrenalClassifierLib.cohort.synthetic.rows import LARGE_CM, TabularRows, median_of
from AdrenalClassifierLib.cohort.synthetic.variables import (
    Classes,
    Floats,
    Given,
    LesionClass,
    Variable,
    classes,
    possible_rules,
    scan_rules,
    variables,
)

SIZE, ATTENUATION, HETEROGENEITY, DEMOGRAPHY = "measured_cm", "measured_hu", "heterogeneous", "demography"
EVERYTHING = frozenset({SIZE, ATTENUATION, HETEROGENEITY, DEMOGRAPHY})


def log_joint(rows: TabularRows, using: Collection[str] | None = None) -> Floats:
    """ln p(class, row), shape (n, classes), classes as in ``classes().classes``; densities in cm, HU and the variables' units.

    Args:
        rows: the observed rows.
        using: what is looked at: ``measured_cm``, ``measured_hu`` (with its missingness), ``heterogeneous``, ``demography`` (age
            and sex), and keys of clinical variables (each with its missingness); None is everything. A subset gives the
            posterior of that subset as long as its variables' parents are in it.
    """
    table = classes()
    wanted = set(EVERYTHING | {v.key for v in variables()}) if using is None else set(using)
    total = sum(c.count for c in table.classes)
    out = np.empty((len(rows), len(table.classes)))
    chosen = [n for n, v in enumerate(variables()) if v.key in wanted]
    known: dict[tuple[int, tuple[bool, ...]], Floats] = {}

    def term(variable: int, lesion_class: int, state: int, ill: bool) -> Floats:
        # Most classes and states share the rules that can apply to them, and with them the whole column.
        key = variable, possible_rules(variable, lesion_class, state, ill)
        if key not in known:
            known[key] = _variable(variables()[variable], Given(lesion_class, state, ill, rows.columns), rows)
        return known[key]

    for n, lesion_class in enumerate(table.classes):
        fixed = np.full(len(rows), np.log(lesion_class.count / total))
        any_state = Given(n, 0, False, rows.columns)
        fixed += _imaging(lesion_class, rows, any_state, wanted, table)
        if DEMOGRAPHY in wanted:
            fixed += _demography(lesion_class, rows, table)
        for variable in chosen:
            if not variables()[variable].uses_state:
                fixed += term(variable, n, 0, False)
        parts = []
        for (name, share), ill in product(lesion_class.states.items(), (False, True)):
            part = np.full(len(rows), np.log(share) + np.log(lesion_class.ill if ill else 1 - lesion_class.ill))
            for variable in chosen:
                if variables()[variable].uses_state:
                    part += term(variable, n, table.states.index(name), ill)
            parts.append(part)
        out[:, n] = fixed + logsumexp(parts, axis=0)
    return out


def malignancy_probability(rows: TabularRows, using: Collection[str] | None = None) -> Floats:
    """P(malignant | row), shape (n,), under the class shares of the design; arguments as ``log_joint``."""
    joint = log_joint(rows, using)
    malignant = np.array([c.malignant for c in classes().classes])
    return np.asarray(np.exp(logsumexp(joint[:, malignant], axis=1) - logsumexp(joint, axis=1)))


def _log_normal_density(x: Floats, mean: Floats | float, sd: Floats | float) -> Floats:
    z = (x - mean) / sd
    return np.asarray(-0.5 * z * z - np.log(sd) - 0.5 * np.log(2 * np.pi))


def _imaging(lesion_class: LesionClass, rows: TabularRows, given: Given, wanted: set[str], table: Classes) -> Floats:
    out = np.zeros(len(rows))
    if SIZE in wanted or HETEROGENEITY in wanted:
        out += _size_and_heterogeneity(lesion_class, rows, wanted, table)
    if ATTENUATION in wanted:
        hu = rows.columns["measured_hu"]
        missing = np.isnan(hu)
        p = given.parameter(scan_rules()["unenhanced_missing"], "p")
        out += np.where(missing, np.log(p), np.log1p(-p))
        out[~missing] += _attenuation(lesion_class, hu[~missing], table)
    return out


def _size_and_heterogeneity(lesion_class: LesionClass, rows: TabularRows, wanted: set[str], table: Classes) -> Floats:
    """The measured diameter is the true one (truncated lognormal) times a lognormal error; heterogeneity follows the true one."""
    mu, s = np.log(lesion_class.median_cm), lesion_class.sigma_ln
    e = table.measurement.diameter_sigma_ln
    edges = np.log([table.size_limits_cm[0], LARGE_CM, table.size_limits_cm[1]])
    if SIZE in wanted:
        x = np.log(rows.columns["measured_cm"])
        v = np.hypot(s, e)
        middle, spread = (mu * e**2 + x * s**2) / v**2, s * e / v
        share = np.diff(ndtr((edges[:, None] - middle) / spread), axis=0)
        whole = np.diff(ndtr((edges[[0, 2]] - mu) / s))[0]
        out = _log_normal_density(x, mu, v) - x - np.log(whole)
    else:
        share = np.diff(ndtr((edges[:, None] - mu) / s), axis=0)
        share, out = share / share.sum(), np.zeros(len(rows))
    if HETEROGENEITY in wanted:
        p = np.asarray(lesion_class.heterogeneous)[:, None]
        likelihood = np.where(rows.columns["heterogeneous"] > 0, p, 1 - p)
        share = share * likelihood
    with np.errstate(divide="ignore"):
        return np.asarray(out + np.log(share.sum(axis=0)))


def _attenuation(lesion_class: LesionClass, hu: Floats, table: Classes) -> Floats:
    """A normal variable that was clipped from below, plus a normal error."""
    mu, s, e, c = lesion_class.hu_mean, lesion_class.hu_sd, table.measurement.hu_sd, lesion_class.hu_clip
    v = np.hypot(s, e)
    middle, spread = (mu * e**2 + hu * s**2) / v**2, s * e / v
    above = _log_normal_density(hu, mu, v) + log_ndtr((middle - c) / spread)
    return np.asarray(np.logaddexp(above, log_ndtr((c - mu) / s) + _log_normal_density(hu, c, e)))


def _demography(lesion_class: LesionClass, rows: TabularRows, table: Classes) -> Floats:
    mean, sd = lesion_class.age
    edges = np.clip(rows.columns["age"] + np.array([[-0.5], [0.5]]), *table.age_limits)
    low, high = ndtr((np.asarray(table.age_limits) - mean) / sd)
    age = np.log(np.diff(ndtr((edges - mean) / sd), axis=0)[0] / (high - low))
    female = rows.columns["sex"] == 0
    return np.asarray(age + np.where(female, np.log(lesion_class.women), np.log1p(-lesion_class.women)))


def _variable(variable: Variable, given: Given, rows: TabularRows) -> Floats:
    """ln of the probability (density) of a variable's value or absence, shape (n,)."""
    x = rows.columns[variable.key]
    missing = np.isnan(x)
    p = given.parameter(variable.missing, "p")
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.where(missing, np.log(p), np.log1p(-p))
        present = ~missing
        value = _log_value(variable, given, rows, np.where(missing, 1.0, x))
    out[present] += value[present]
    return out


def _log_value(variable: Variable, given: Given, rows: TabularRows, x: Floats) -> Floats:
    chosen = given.first(variable.rules)
    if variable.kind == "flag":
        p = given.parameter(variable.rules, "p", chosen)
        return np.where(x > 0, np.log(p), np.log1p(-p))
    if variable.kind == "choice":
        p = given.parameter(variable.rules, "p", chosen)
        code = np.minimum(x.astype(int), p.shape[1] - 1)
        return np.asarray(np.log(p[np.arange(len(x)), code] / p.sum(axis=1)))
    if variable.kind == "normal":
        mean, sd = (given.parameter(variable.rules, name, chosen) for name in ("mean", "sd"))
        inside = ndtr((variable.high - mean) / sd) - ndtr((variable.low - mean) / sd)
        return np.asarray(_log_normal_density(x, mean, sd) - np.log(inside))
    mu, sigma = np.log(median_of(variable, given, chosen)), given.parameter(variable.rules, "sigma", chosen)
    density = _log_normal_density(np.log(x), mu, sigma) - np.log(x)
    if variable.lod:
        return np.where(rows.below[variable.key], log_ndtr((np.log(variable.lod) - mu) / sigma), density)
    return density

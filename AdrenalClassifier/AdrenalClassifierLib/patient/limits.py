"""Reference limits for one patient, and the aldosterone/renin ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from AdrenalClassifierLib.patient.catalogue import RatioKind, Reference, Variable, load_catalogue
from AdrenalClassifierLib.patient.quantity import Comparator, Quantity, all_true, any_true, is_above, is_below

if TYPE_CHECKING:
    from AdrenalClassifierLib.patient.record import PatientRecord


def reference_for(variable: Variable, sex: str | None, age: Quantity | None) -> Reference | None:
    """The reference range that surely applies to a patient, None when there is none or a needed sex or age is missing.

    A range for this sex or age comes before one for everybody. A range with a further condition is never taken.
    """
    sure = [r for r in variable.reference if _applies(r, sex, age) is True]
    specific = [r for r in sure if _is_specific(r)]
    return next(iter(specific or sure), None)


def is_above_reference(variable: Variable, quantity: Quantity, sex: str | None, age: Quantity | None) -> bool | None:
    """Whether a value is above the upper reference limit, by all ranges that may apply to the patient.

    None when the answer depends on a missing sex or age, on a censored value, on a limit about which the sources disagree
    (``upper_span``), or when there is no limit.
    """
    reference = reference_for(variable, sex, age)
    if reference is not None and _is_specific(reference):
        candidates = [reference]
    else:
        candidates = [r for r in variable.reference if _applies(r, sex, age) is not False and not r.condition]
    answers = {_above(r, quantity) for r in candidates}
    return answers.pop() if len(answers) == 1 else None


def _is_specific(reference: Reference) -> bool:
    return (reference.sex, reference.age_from, reference.age_below) != (None, None, None)


def _applies(reference: Reference, sex: str | None, age: Quantity | None) -> bool | None:
    if reference.condition:
        return None
    right_sex = True if reference.sex is None else None if sex is None else sex == reference.sex
    old = True if reference.age_from is None else _negated(is_below(age, reference.age_from))
    young = True if reference.age_below is None else is_below(age, reference.age_below)
    youngest = load_catalogue().variables["age"].hard
    if reference.age_below is not None and youngest is not None and reference.age_below <= youngest.low:
        young = False  # a band for children never applies: every patient is an adult, even when the age is not given
    return all_true(right_sex, old, young)


def _above(reference: Reference, quantity: Quantity) -> bool | None:
    if reference.upper is None:
        return None
    least, greatest = reference.upper_span or (reference.upper, reference.upper)
    answers = is_above(quantity, least), is_above(quantity, greatest)
    return answers[0] if answers[0] == answers[1] else None


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


@dataclass(frozen=True)
class AldosteroneReninRatio:
    """A ratio derived from the two results, in the unit of its kind; ratios of different kinds are never compared.

    Attributes:
        kind: unit, limit and source of the limit.
        value: the ratio, or a bound on it.
        comparator: as in Quantity.
        suggestive: whether it suggests primary aldosteronism by the kind's limit; None when that stays open.
    """

    kind: RatioKind
    value: float
    comparator: Comparator
    suggestive: bool | None

    @property
    def text(self) -> str:
        """The ratio with its unit, for people."""
        bound = "" if self.comparator == "=" else self.comparator
        return f"{bound}{self.value:.3g} {self.kind.unit}"


def aldosterone_renin_ratios(record: PatientRecord) -> tuple[AldosteroneReninRatio, ...]:
    """The ratios that the record's values give: pmol/mIU with the renin concentration, (ng/dL)/(ng/mL/h) with its activity.

    Limits are those of the catalogue and marked as unsourced there. A censored part makes the ratio a bound; when both parts
    are censored so that the ratio is not bounded, there is none.
    """
    catalogue = load_catalogue()
    aldosterone = record.quantity("aldosterone")
    ratios = []
    for kind in catalogue.ratio_kinds:
        renin = record.quantity(kind.renin)
        if aldosterone is None or renin is None:
            continue
        # Less renin means a greater ratio, so the divisor's comparator counts the other way round.
        flipped: dict[Comparator, Comparator] = {"<": ">", ">": "<", "=": "="}
        signs = {aldosterone.comparator, flipped[renin.comparator]} - {"="}
        if len(signs) > 1:
            continue
        comparator: Comparator = signs.pop() if signs else "="
        divisor = 1.0
        if kind.unit.startswith("(ng/dL)"):
            unit = catalogue.variables["aldosterone"].find_unit("ng/dL")
            assert unit is not None
            divisor = unit.factor
        ratio = aldosterone.value / divisor / renin.value
        least = kind.least_aldosterone
        enough = True if least is None else _negated(is_below(aldosterone, least * divisor))
        suggestive = all_true(is_above(Quantity(ratio, comparator), kind.limit), enough)
        ratios.append(AldosteroneReninRatio(kind, ratio, comparator, suggestive))
    return tuple(ratios)


def is_hypokalaemic(record: PatientRecord) -> bool | None:
    """Hypokalaemia by what was reported or by the potassium given; None when neither tells.

    A low potassium counts whatever was reported, and a reported hypokalaemia whatever the potassium (it may be treated).
    """
    reported = record.flag("hypokalaemia")
    limit = load_catalogue().variables["potassium"].decision_limit("hypokalaemia").value
    measured = is_below(record.quantity("potassium"), limit)
    if reported is False and measured is None:
        return False
    if reported is None and measured is False:
        return False
    return any_true(reported, measured)

"""Hormone excess derived from the patient's values: yes, no, or not known, for four kinds of hormones, with reasons.

A kind is excluded when the tests that are asked for, given what is known, were done and are negative. Any raised value that
was given counts, whether it was asked for or not: a test that need not be done does not overrule one that was.
"""

from __future__ import annotations

from dataclasses import dataclass

from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.limits import aldosterone_renin_ratios, is_hypokalaemic
from AdrenalClassifierLib.patient.quantity import any_true, is_above
from AdrenalClassifierLib.patient.record import PatientRecord

PLASMA = ("metanephrine", "normetanephrine")
URINE = ("urine_metanephrine", "urine_normetanephrine")
SEX_STEROIDS = ("dheas", "androstenedione", "testosterone", "estradiol")


@dataclass(frozen=True)
class Finding:
    """Excess of one kind of hormone.

    Attributes:
        name: the kind.
        excess: None when not known.
        reasons: why it is present or excluded, for people.
        missing: names of values that would decide, when ``excess`` is None.
        used: catalogue keys that were looked at.
        unsourced: limits used that are marked as unsourced in the catalogue.
    """

    name: str
    excess: bool | None
    reasons: tuple[str, ...]
    missing: tuple[str, ...]
    used: tuple[str, ...]
    unsourced: tuple[str, ...] = ()


@dataclass(frozen=True)
class HormoneExcess:
    """Excess of any kind: one finding each for cortisol, catecholamines, aldosterone and sex steroids."""

    findings: tuple[Finding, ...]

    @property
    def excess(self) -> bool | None:
        """Kleene's OR of the findings."""
        return any_true(*(finding.excess for finding in self.findings))

    @property
    def missing(self) -> tuple[str, ...]:
        """Names of values that would decide; empty when it is decided."""
        if self.excess is not None:
            return ()
        return tuple(dict.fromkeys(name for finding in self.findings for name in finding.missing))

    @property
    def reasons(self) -> tuple[str, ...]:
        """Reasons for the answer: those of the findings that share it."""
        return tuple(reason for finding in self.findings if finding.excess is self.excess for reason in finding.reasons)

    @property
    def used(self) -> tuple[str, ...]:
        """Catalogue keys that were looked at."""
        return tuple(dict.fromkeys(key for finding in self.findings for key in finding.used))

    @property
    def unsourced(self) -> tuple[str, ...]:
        """Unsourced limits behind the findings."""
        return tuple(dict.fromkeys(text for finding in self.findings for text in finding.unsourced))


def hormone_excess(patient: PatientRecord, lipid_rich: bool | None = False) -> HormoneExcess:
    """Judge hormone excess.

    Args:
        patient: the values.
        lipid_rich: the lesion is homogeneous and at most 10 HU, so that metanephrines are not asked for (ESE/ENSAT 2023).
    """
    return HormoneExcess(
        (
            cortisol_excess(patient),
            catecholamine_excess(patient, lipid_rich),
            aldosterone_excess(patient),
            sex_steroid_excess(patient),
        )
    )


def cortisol_excess(patient: PatientRecord) -> Finding:
    """Overt signs, or cortisol above 50 nmol/L after 1 mg dexamethasone (ESE/ENSAT 2023); a raised urinary free cortisol
    counts too. Excluded when there are no overt signs and the dexamethasone test is at most 50 nmol/L."""
    limit = load_catalogue().variables["cortisol_dst"].decision_limit("autonomous_cortisol").value
    signs = patient.flag("cushing_signs")
    unsuppressed = is_above(patient.quantity("cortisol_dst"), limit)
    used = ("cushing_signs", "cortisol_dst", "urinary_free_cortisol")
    reasons = []
    if signs:
        reasons.append("overt signs of Cushing syndrome")
    if unsuppressed:
        reasons.append(f"cortisol after dexamethasone {patient.text('cortisol_dst')} (limit {limit:g} nmol/L)")
    if patient.is_above_upper_limit("urinary_free_cortisol"):
        reasons.append(_above(patient, "urinary_free_cortisol"))
    if reasons:
        return Finding("cortisol", True, tuple(reasons), (), used)
    missing = [key for key, value in (("cushing_signs", signs), ("cortisol_dst", unsuppressed)) if value is None]
    if missing:
        return Finding("cortisol", None, (), tuple(missing), used)
    return Finding("cortisol", False, ("cortisol is suppressed by dexamethasone, no overt signs",), (), used)


def catecholamine_excess(patient: PatientRecord, lipid_rich: bool | None = False) -> Finding:
    """A plasma or urine metanephrine above its (age-adjusted) limit. Excluded when both plasma free metanephrines, or both
    urine metanephrines, are not above theirs, or when they are not asked for and none is raised."""
    keys = (*PLASMA, *URINE)
    above = {key: patient.is_above_upper_limit(key) for key in keys}
    unsourced = _unsourced_limits(patient, keys)
    raised = tuple(_above(patient, key) for key in keys if above[key])
    if raised:
        return Finding("catecholamines", True, raised, (), keys, unsourced)
    for pair, where in ((PLASMA, "plasma"), (URINE, "urine")):
        if all(above[key] is False for key in pair):
            return Finding("catecholamines", False, (f"{where} metanephrines are not raised",), (), keys, unsourced)
    if lipid_rich:
        reason = "metanephrines are not asked for in a homogeneous lesion of at most 10 HU"
        return Finding("catecholamines", False, (reason,), (), keys)
    missing = tuple(dict.fromkeys(_needed(patient, key) for key in PLASMA if above[key] is None))
    return Finding("catecholamines", None, (), missing, keys, unsourced)


def aldosterone_excess(patient: PatientRecord) -> Finding:
    """An aldosterone/renin ratio above its limit suggests it (limits unsourced). Excluded when the ratio is not above it, or
    when it is not asked for: neither hypertension nor hypokalaemia (CUA 2023)."""
    used = ("hypertension", "hypokalaemia", "potassium", "aldosterone", "renin", "renin_activity")
    ratios = aldosterone_renin_ratios(patient)
    unsourced = tuple(f"limit of the aldosterone/renin ratio: {r.kind.limit:g} {r.kind.unit}" for r in ratios)
    high = tuple(
        f"aldosterone/renin ratio {r.text} (limit {r.kind.limit:g}) suggests primary aldosteronism"
        for r in ratios
        if r.suggestive
    )
    if high:
        return Finding("aldosterone", True, high, (), used, unsourced)
    if ratios and all(r.suggestive is False for r in ratios):
        return Finding("aldosterone", False, (f"aldosterone/renin ratio {ratios[0].text}",), (), used, unsourced)
    hypertension, hypokalaemia = patient.flag("hypertension"), is_hypokalaemic(patient)
    if hypertension is False and hypokalaemia is False:
        return Finding("aldosterone", False, ("neither hypertension nor hypokalaemia",), (), used)
    missing = ["aldosterone"] if patient.quantity("aldosterone") is None else []
    if patient.quantity("renin") is None and patient.quantity("renin_activity") is None:
        missing.append("renin")
    if not missing:
        missing = ["aldosterone", "renin"]  # both given, but censored so that the ratio stays open
    missing += [key for key, value in (("hypertension", hypertension), ("hypokalaemia", hypokalaemia)) if value is None]
    if True in (hypertension, hypokalaemia):
        missing = [name for name in missing if name not in ("hypertension", "hypokalaemia")]
    return Finding("aldosterone", None, (), tuple(missing), used, unsourced)


def sex_steroid_excess(patient: PatientRecord) -> Finding:
    """Virilisation or feminisation, or an androgen or oestradiol above its limit. Excluded when there are no such signs and
    no raised value was given (that the hormones are asked for only with signs is marked as unsourced in the rules)."""
    used = ("sex_steroid_signs", *SEX_STEROIDS)
    signs = patient.flag("sex_steroid_signs")
    raised = [key for key in SEX_STEROIDS if patient.is_above_upper_limit(key)]
    unsourced = _unsourced_limits(patient, tuple(raised))
    reasons = [*(["virilisation or feminisation"] if signs else []), *(_above(patient, key) for key in raised)]
    if reasons:
        return Finding("sex steroids", True, tuple(reasons), (), used, unsourced)
    if signs is None:
        return Finding("sex steroids", None, (), ("sex_steroid_signs",), used)
    return Finding("sex steroids", False, ("no virilisation or feminisation",), (), used)


def _above(patient: PatientRecord, key: str) -> str:
    limit = patient.upper_limit_of(key)
    variable = load_catalogue().variables[key]
    shown = f" (upper limit {limit:g} {variable.unit.name if variable.unit else ''})" if limit is not None else ""
    return f"{variable.label} {patient.text(key)}{shown}"


def _needed(patient: PatientRecord, key: str) -> str:
    """What would decide whether ``key`` is raised: a value, the age its limit depends on, or the laboratory's limit."""
    quantity = patient.quantity(key)
    if quantity is None or quantity.comparator != "=" or quantity.upper_limit is not None:
        return key
    by_age = any(r.age_from is not None for r in load_catalogue().variables[key].reference)
    return "age" if by_age and patient.quantity("age") is None else f"{key}_upper_limit"


def _unsourced_limits(patient: PatientRecord, keys: tuple[str, ...]) -> tuple[str, ...]:
    variables = load_catalogue().variables
    return tuple(
        f"upper limit of {variables[key].label}"
        for key in keys
        if (quantity := patient.quantity(key)) is not None
        and quantity.upper_limit is None
        and any(r.source.tag == "unsourced" for r in variables[key].reference)
    )

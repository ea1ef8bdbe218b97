"""Values of one patient that contradict each other: notices, never corrections."""

from __future__ import annotations

from collections.abc import Iterator

from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.quantity import is_above, is_below
from AdrenalClassifierLib.patient.record import PatientRecord


def consistency_notices(record: PatientRecord) -> tuple[Notice, ...]:
    """One notice for each pair of values that cannot both be right. Nothing is said where one of the two is missing."""
    return tuple(Notice(f"contradiction_{code}", f"{text} Check both.") for code, text in _contradictions(record))


def _contradictions(record: PatientRecord) -> Iterator[tuple[str, str]]:
    flag, choice, quantity = record.flag, record.choice, record.quantity
    if flag("hypertension") is False:
        if flag("resistant_hypertension") is True:
            yield "resistant_hypertension", "Resistant hypertension is yes, but hypertension is no."
        if is_above(quantity("antihypertensive_drugs"), 0) is True:
            yield "antihypertensive_drugs", "Antihypertensive drugs are taken, but hypertension is no."
    if choice("prior_cancer") == "none":
        if choice("prior_cancer_site") is not None:
            yield "prior_cancer_site", "A site of cancer elsewhere is given, but cancer elsewhere is none."
        if choice("discovery_mode") == "cancer_staging":
            yield "cancer_staging", "The lesion was found at the staging of a cancer, but cancer elsewhere is none."
    if choice("sex") == "male" and flag("pregnancy") is True:
        yield "pregnancy", "Pregnancy is yes, but the sex is male."
    limit = load_catalogue().variables["potassium"].decision_limit("hypokalaemia").value
    if flag("hypokalaemia") is False and is_below(quantity("potassium"), limit) is True:
        yield "hypokalaemia", f"Hypokalaemia is no, but potassium is below {limit:g} mmol/L."
    growth = quantity("growth_rate")
    if growth is not None and choice("prior_imaging") == "none":
        yield "prior_imaging", "A growth rate is given, but earlier imaging is none."
    if choice("prior_imaging") == "growing" and growth is not None and is_above(growth, 0) is False:
        yield "growth_rate", "Earlier imaging says growing, but the growth rate is not above 0."

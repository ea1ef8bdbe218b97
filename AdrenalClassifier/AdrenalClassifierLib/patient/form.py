"""A record back in a form, and what a form says beside each value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.patient.catalogue import Unit, Variable, load_catalogue
from AdrenalClassifierLib.patient.limits import reference_for
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_form
from AdrenalClassifierLib.patient.quantity import Quantity, format_number, is_above, is_below
from AdrenalClassifierLib.patient.record import PatientRecord, Value

Standing = Literal["missing", "unacceptable", "unusual", "above", "below", "within", "open", "no limit"]


@dataclass(frozen=True)
class FieldState:
    """What is to be said of one field.

    Attributes:
        standing: ``unacceptable``: the entry cannot be used; ``unusual``: to be checked; ``open``: whether it is above its limit
            cannot be said (sex or age missing, a value such as "<5", or sources that disagree); ``no limit``: there is none.
        value: the value in the canonical unit where another unit was chosen, with its unit; else "".
        upper: the upper limit it was compared with, in the unit of the entry, with its unit; "" without one.
        lower: likewise the lower limit.
        own_limit: whether the upper limit is the laboratory's own.
        problems: why it cannot be used, in sentences.
        remarks: what is unusual about it, in sentences.
    """

    standing: Standing
    value: str = ""
    upper: str = ""
    lower: str = ""
    own_limit: bool = False
    problems: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def form_entries(record: PatientRecord) -> dict[str, FormEntry]:
    """The record as a form shows it: in the unit that was typed, where that is known, else in the canonical unit."""
    return {key: _entry(key, value, record) for key, value in record.values.items()}


def field_state(key: str, entry: FormEntry | None, sex: str | None = None, age: Quantity | None = None) -> FieldState:
    """Judge one field of a form.

    Args:
        key: of the catalogue.
        entry: what stands in the field, None when nothing does.
        sex: ``female`` or ``male`` for the reference limits, None when not known.
        age: in years, None when not known.
    """
    if entry is None or not entry.text.strip():
        return FieldState("missing")
    try:
        record, notices = record_from_form({key: entry})
    except PatientValueError as error:
        return FieldState("unacceptable", problems=error.problems)
    quantity = record.quantity(key)
    if quantity is None:
        return FieldState("missing" if record.get(key) is None else "no limit")
    variable = load_catalogue().variables[key]
    unit = variable.find_unit(entry.unit) or _unit_in(variable, quantity)
    reference = reference_for(variable, sex, age)
    upper = quantity.upper_limit
    if upper is None and reference is not None:
        upper = reference.upper
    lower = quantity.lower_limit if quantity.lower_limit is not None else reference.lower if reference is not None else None
    if quantity.upper_limit is not None:
        above = is_above(quantity, quantity.upper_limit)
    else:
        known: dict[str, Value] = {key: quantity}
        if sex is not None and key != "sex":
            known["sex"] = sex
        if age is not None and key != "age":
            known["age"] = age
        above = PatientRecord(known).is_above_upper_limit(key)
    below = None if lower is None else is_below(quantity, lower)
    has_upper = upper is not None or any(r.upper is not None and not r.condition for r in variable.reference)
    standing: Standing
    if above is True or below is True:
        standing = "above" if above is True else "below"
    elif (has_upper and above is None) or (not has_upper and lower is not None and below is None):
        standing = "open"
    else:
        standing = "no limit" if upper is None and lower is None else "within"
    if notices:
        standing = "unusual"
    return FieldState(
        standing,
        _canonical(variable, quantity, unit),
        _shown(upper, unit),
        _shown(lower, unit),
        quantity.upper_limit is not None,
        remarks=tuple(notice.text for notice in notices),
    )


def _entry(key: str, value: Value, record: PatientRecord) -> FormEntry:
    if isinstance(value, bool):
        return FormEntry("yes" if value else "no")
    if isinstance(value, str):
        return FormEntry(value)
    variable = load_catalogue().variables[key]
    if not variable.units:
        return FormEntry(format_number(value.value))
    typed, _, name = value.entered.partition(" ")
    unit = variable.find_unit(name) if name else None
    if unit is None:
        bound = "" if value.comparator == "=" else value.comparator
        unit, typed = variable.units[0], bound + format_number(value.value)
    upper = "" if value.upper_limit is None else f"{value.upper_limit / unit.factor:.6g}"
    return FormEntry(typed, unit.name, upper)


def _unit_in(variable: Variable, quantity: Quantity) -> Unit | None:
    """The unit that was typed behind the number."""
    _, _, name = quantity.entered.partition(" ")
    return (variable.find_unit(name) if name else None) or variable.unit


def _canonical(variable: Variable, quantity: Quantity, unit: Unit | None) -> str:
    if unit is None or variable.unit is None or unit == variable.unit or unit.factor == 1:
        return ""
    bound = "" if quantity.comparator == "=" else quantity.comparator
    return f"{bound}{_digits(quantity.value)} {variable.unit.name}"


def _shown(limit: float | None, unit: Unit | None) -> str:
    if limit is None:
        return ""
    return _digits(limit) if unit is None else f"{_digits(limit / unit.factor)} {unit.name}"


def _digits(value: float) -> str:
    """Three digits, or all of a whole number."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"

"""The values of one patient, in canonical units, without identity."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.patient.catalogue import Variable, load_catalogue
from AdrenalClassifierLib.patient.limits import is_above_reference, reference_for
from AdrenalClassifierLib.patient.quantity import Quantity, format_number, is_above

__all__ = ["PatientRecord", "Quantity", "Value"]

Value = Quantity | bool | str
"""Quantity for numbers and counts, bool for flags, str for choices."""


@dataclass(frozen=True, eq=False)
class PatientRecord:
    """What is known about one patient. Immutable; equal and hashed by content, not by how values were typed.

    Attributes:
        values: by catalogue key, in the order of the catalogue. A value that is not known is absent.

    Raises:
        PatientValueError: a key is unknown, or a value is not of its variable's kind or outside its hard range. Values from
            people go through ``parse``, which says so in the unit that was typed.
    """

    values: Mapping[str, Value]

    def __post_init__(self) -> None:
        variables = load_catalogue().variables
        unknown = [key for key in self.values if key not in variables]
        problems = [f"'{key}' is not a variable of the catalogue." for key in unknown]
        ordered = {key: self.values[key] for key in variables if key in self.values}
        problems += [text for key, value in ordered.items() if (text := _fault(variables[key], value))]
        if problems:
            raise PatientValueError(*problems)
        object.__setattr__(self, "values", MappingProxyType(ordered))

    def __eq__(self, other: object) -> bool:
        return self.values == other.values if isinstance(other, PatientRecord) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self.values.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        # A mappingproxy cannot be pickled, and records travel to worker processes.
        return PatientRecord, (dict(self.values),)

    @property
    def fingerprint(self) -> str:
        """Hexadecimal SHA-256 of the content; the same for equal records on every machine."""
        content = {
            key: [v.comparator, *(None if n is None else float(n) for n in (v.value, v.upper_limit, v.lower_limit))]
            if isinstance(v, Quantity)
            else v
            for key, v in self.values.items()
        }
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    def get(self, key: str) -> Value | None:
        """The value, None when missing. Raises KeyError for a key that is not in the catalogue."""
        _ = load_catalogue().variables[key]
        return self.values.get(key)

    def quantity(self, key: str) -> Quantity | None:
        """The value of a number or count, None when missing."""
        value = self.get(key)
        return value if isinstance(value, Quantity) else None

    def number(self, key: str) -> float | None:
        """The number alone, in the canonical unit, None when missing. For a censored value it is the bound: decisions use
        ``quantity``, whose comparator says so."""
        quantity = self.quantity(key)
        return None if quantity is None else quantity.value

    def flag(self, key: str) -> bool | None:
        """Yes, no, or None when missing."""
        value = self.get(key)
        return value if isinstance(value, bool) else None

    def choice(self, key: str) -> str | None:
        """The chosen value, None when missing."""
        value = self.get(key)
        return value if isinstance(value, str) else None

    def text(self, key: str) -> str | None:
        """The value for people: as typed with its unit, yes or no, or the choice's label; None when missing."""
        value = self.get(key)
        if value is None:
            return None
        variable = load_catalogue().variables[key]
        if isinstance(value, bool):
            return "yes" if value else "no"
        if isinstance(value, str):
            return next(choice.label for choice in variable.choices if choice.value == value)
        if value.entered:
            return value.entered
        unit = f" {variable.unit.name}" if variable.unit else ""
        return f"{'' if value.comparator == '=' else value.comparator}{value.value:.6g}{unit}"

    def missing(self) -> tuple[str, ...]:
        """Catalogue keys without a value, in the order of the catalogue."""
        return tuple(key for key in load_catalogue().variables if key not in self.values)

    def with_value(self, key: str, value: Value) -> PatientRecord:
        """A new record with one value set. Raises PatientValueError."""
        return PatientRecord({**self.values, key: value})

    def without(self, key: str) -> PatientRecord:
        """A new record in which one value is missing."""
        return PatientRecord({k: v for k, v in self.values.items() if k != key})

    def upper_limit_of(self, key: str) -> float | None:
        """The laboratory's own upper limit if given, else the catalogue's for this patient's age and sex, in the canonical unit.

        None when there is no limit, or when it depends on an age or sex that is missing.
        """
        quantity = self.quantity(key)
        if quantity is not None and quantity.upper_limit is not None:
            return quantity.upper_limit
        reference = reference_for(load_catalogue().variables[key], self.choice("sex"), self.quantity("age"))
        return None if reference is None else reference.upper

    def ratio_to_upper_limit(self, key: str) -> float | None:
        """Value over ``upper_limit_of``; the bound stands for a censored value. None when either is missing."""
        number, limit = self.number(key), self.upper_limit_of(key)
        return None if number is None or limit is None else number / limit

    def is_above_upper_limit(self, key: str) -> bool | None:
        """Whether the value is above its upper limit: the laboratory's own, else the catalogue's.

        None when the value is missing or there is no limit, or when the answer depends on a censored value, a missing age or
        sex, or a limit about which the sources disagree.
        """
        quantity = self.quantity(key)
        if quantity is None:
            return None
        if quantity.upper_limit is not None:
            return is_above(quantity, quantity.upper_limit)
        return is_above_reference(load_catalogue().variables[key], quantity, self.choice("sex"), self.quantity("age"))

    def to_json(self) -> dict[str, Any]:
        """An object that ``parse.record_from_json`` reads back as an equal record, with what was typed."""
        out: dict[str, Any] = {}
        for key, value in self.values.items():
            unit = load_catalogue().variables[key].unit
            if not isinstance(value, Quantity):
                out[key] = value
            elif unit is None:
                out[key] = int(value.value)
            else:
                item = {
                    "value": value.value,
                    "unit": unit.name,
                    "comparator": None if value.comparator == "=" else value.comparator,
                    "upper_limit": value.upper_limit,
                    "lower_limit": value.lower_limit,
                    "entered": value.entered or None,
                }
                out[key] = {name: part for name, part in item.items() if part is not None}
        return out

    def to_row(self) -> dict[str, str]:
        """Cells by column name, in canonical units, for the values at hand; ``parse.record_from_row`` reads an equal record."""
        row: dict[str, str] = {}
        for key, value in self.values.items():
            variable = load_catalogue().variables[key]
            if isinstance(value, bool):
                row[variable.column()] = "yes" if value else "no"
            elif isinstance(value, str):
                row[variable.column()] = value
            else:
                bound = "" if value.comparator == "=" else value.comparator
                row[variable.column()] = bound + format_number(value.value)
                if value.upper_limit is not None:
                    row[variable.column(role="upper_limit")] = format_number(value.upper_limit)
                if value.lower_limit is not None:
                    row[variable.column(role="lower_limit")] = format_number(value.lower_limit)
        return row


def _fault(variable: Variable, value: object) -> str | None:
    """What is wrong with a value in canonical units, None when nothing is."""
    key = variable.key
    if variable.kind == "flag":
        return None if isinstance(value, bool) else f"{key} is yes or no."
    if variable.kind == "choice":
        known = [choice.value for choice in variable.choices]
        return None if isinstance(value, str) and value in known else f"{key} must be one of {', '.join(known)}."
    if not isinstance(value, Quantity) or value.comparator not in ("=", "<", ">"):
        return f"{key} must be a number."
    numbers = [n for n in (value.value, value.upper_limit, value.lower_limit) if n is not None]
    if not all(isinstance(n, (int, float)) and not isinstance(n, bool) and math.isfinite(n) for n in numbers):
        return f"{key} must be a finite number."
    if variable.kind == "count" and (value.value != int(value.value) or value.comparator != "="):
        return f"{key} must be a whole number."
    if variable.hard is not None and not variable.hard.low <= value.value <= variable.hard.high:
        unit = f" {variable.unit.name}" if variable.unit else ""
        return f"{key} must lie between {variable.hard.low:g} and {variable.hard.high:g}{unit}."
    if value.upper_limit is not None and value.upper_limit <= 0:
        return f"The upper limit of {key} must be above 0."
    if value.lower_limit is not None and value.lower_limit < 0:
        return f"The lower limit of {key} must not be negative."
    if value.upper_limit is not None and value.lower_limit is not None and value.lower_limit >= value.upper_limit:
        return f"The lower limit of {key} must be below its upper limit."
    return None

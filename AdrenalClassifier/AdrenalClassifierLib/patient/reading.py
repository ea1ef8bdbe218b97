"""One value as typed -> one value in canonical units, or one sentence that says what is wrong with it.

No sentence repeats what was typed in a cell: a shifted table column must not carry a name or a date into a message.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any

from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.catalogue import Range, Unit, Variable, load_catalogue
from AdrenalClassifierLib.patient.quantity import Comparator, Quantity, format_number
from AdrenalClassifierLib.patient.record import Value

MISSING = frozenset({"", "na", "n/a", "-", "–", "—", "unknown", "."})
"""What a cell or field may hold, in any capitals, to say that the value is not known."""

_YES = frozenset({"yes", "true", "1", "y"})
_NO = frozenset({"no", "false", "0", "n"})
_NUMBER = re.compile(
    r"(?P<sign>[<>=]?)\s*(?P<number>[-+−]?(?P<digits>[0-9]*[.,][0-9]+|[0-9]+)(?:[eE][-+]?[0-9]+)?)(?P<rest>.*)", re.DOTALL
)
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")
_UNIT_LIKE = re.compile(r"[A-Za-zµμ%]{1,5}(/(24\s?)?[A-Za-zµμ]{1,5}[0-9]?){0,2}")


class Unreadable(Exception):
    """A value cannot be used; ``str()`` is the sentence."""


@dataclass(frozen=True)
class Given:
    """One value as it came in.

    Attributes:
        name: the key or column, as messages name it.
        variable: what it is a value of.
        value: text, number or bool, as typed.
        unit: the unit named beside the value (in the key, the column or a unit field), None when none was.
        comparator: named beside the value, None when none was.
        upper_limit: the laboratory's own limit as typed, in ``upper_unit`` or else in the unit of the value.
        lower_limit: likewise.
        upper_unit: unit of the column the limit came from.
        lower_unit: likewise.
        entered: the text that was once typed, from a file that this software wrote.
    """

    name: str
    variable: Variable
    value: Any
    unit: Unit | None = None
    comparator: str | None = None
    upper_limit: Any = None
    lower_limit: Any = None
    upper_unit: Unit | None = None
    lower_unit: Unit | None = None
    entered: str | None = None


def is_missing(value: object) -> bool:
    """Whether a value as typed says that nothing is known."""
    return value is None or (isinstance(value, str) and value.strip().casefold() in MISSING)


def read_value(given: Given) -> tuple[Value, tuple[Notice, ...]]:
    """The value in canonical units, with a notice when it is unusual.

    Raises:
        Unreadable: wrong kind, wrong or missing unit, not finite, or outside the hard range.
    """
    variable = given.variable
    beside = (given.unit, given.comparator, given.upper_limit, given.lower_limit, given.entered)
    if variable.kind in ("flag", "choice") and any(part is not None for part in beside):
        raise Unreadable(f"{given.name} has no unit and no limits; give the value alone.")
    if variable.kind == "flag":
        return _flag(given), ()
    if variable.kind == "choice":
        return _choice(given), ()
    return _quantity(given)


def _flag(given: Given) -> bool:
    value = given.value
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)) and value in (0, 1):
        return value == 1
    text = value.strip().casefold() if isinstance(value, str) else ""
    if text in _YES or text in _NO:
        return text in _YES
    raise Unreadable(f"{given.name} must be yes or no.")


def _choice(given: Given) -> str:
    if isinstance(given.value, str):
        wanted = _plain(given.value)
        for choice in given.variable.choices:
            if wanted in {_plain(name) for name in (choice.value, choice.label, *choice.aliases)}:
                return choice.value
    raise Unreadable(f"{given.name} must be one of {', '.join(c.value for c in given.variable.choices)}.")


def _plain(text: str) -> str:
    return "_".join(re.findall(r"[^\W_]+", text.casefold()))


def _quantity(given: Given) -> tuple[Quantity, tuple[Notice, ...]]:
    variable = given.variable
    sign, number, typed, unit = _number_with_unit(given, given.value, given.unit)
    if given.comparator is not None:
        if given.comparator not in ("=", "<", ">"):
            raise Unreadable(f"The comparator of {given.name} must be <, > or =.")
        if sign and sign != given.comparator:
            raise Unreadable(f"{given.name} has two different comparators; give one.")
        sign = given.comparator
    comparator: Comparator = "<" if sign == "<" else ">" if sign == ">" else "="
    if variable.kind == "count" and (comparator != "=" or number != int(number)):
        raise Unreadable(f"{given.name} must be a whole number.")
    check_range(given.name, variable, number, unit)
    sides = (("upper", given.upper_limit, given.upper_unit), ("lower", given.lower_limit, given.lower_unit))
    limits = [None if is_missing(limit) else _limit(given, side, limit, own, unit) for side, limit, own in sides]
    if limits[0] is not None and limits[1] is not None and limits[1] >= limits[0]:
        raise Unreadable(f"The lower limit of {given.name} must be below its upper limit.")
    value = canonical(number, unit)
    bound = "" if comparator == "=" else comparator
    entered = f"{bound}{typed}{f' {unit.name}' if unit else ''}"
    quantity = Quantity(value, comparator, limits[0], limits[1], _agreed(given, entered, value, comparator))
    return quantity, _notices(variable, number, unit, f"{bound}{typed}")


def canonical(number: float, unit: Unit | None) -> float:
    """``number`` of ``unit`` in the canonical unit, to 12 significant digits so that tables stay readable."""
    return number if unit is None or unit.factor == 1 else float(f"{number * unit.factor:.12g}")


def _number_with_unit(
    given: Given, value: object, beside: Unit | None, default: Unit | None = None
) -> tuple[str, float, str, Unit | None]:
    """Comparator ("" when none), number, its text, and unit of a value that may carry both in its text.

    ``beside`` is a unit named elsewhere, with which the text must agree; ``default`` stands in when none is named at all.
    """
    variable, name = given.variable, given.name
    sign, rest = "", ""
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value.strip())
        if match is None:
            raise Unreadable(_how_to_write(given))
        sign, rest = match["sign"], match["rest"].strip()
        if _THOUSANDS.fullmatch(match["digits"]) or re.match("[0-9.,]", rest):
            raise Unreadable(f"{name} can be read in two ways; write it with a decimal point and without parting thousands.")
        typed = match["number"].replace("−", "-").replace(",", ".")
        number = float(typed)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            number = float(value)
        except OverflowError:
            raise Unreadable(f"{name} must be a finite number.") from None
        typed = format_number(number)
    else:
        raise Unreadable(_how_to_write(given))
    if not math.isfinite(number):
        raise Unreadable(f"{name} must be a finite number.")
    unit = beside
    if rest:
        unit = variable.find_unit(rest)
        if unit is None:
            raise Unreadable(wrong_unit(name, variable, rest))
        if beside is not None and unit != beside:
            raise Unreadable(f"{name} names two different units, {beside.name} and {unit.name}; give one.")
    unit = unit or default
    if unit is None and variable.units:
        if len(variable.units) > 1:
            example = f"'35 {variable.units[0].name}'"
            raise Unreadable(f"{name} needs its unit, {_unit_names(variable)}: write it like {example}.")
        unit = variable.units[0]
    return sign, number, typed, unit


def _limit(given: Given, side: str, value: object, own: Unit | None, of_value: Unit | None) -> float:
    try:
        sign, number, _, unit = _number_with_unit(given, value, own, of_value)
    except Unreadable as error:
        raise Unreadable(f"In the {side} limit: {error}") from None
    hard = given.variable.hard
    limit = canonical(number, unit)
    if (
        sign not in ("", "=")
        or (hard is not None and not (0 if side == "lower" else hard.low) <= limit <= hard.high)
        or (side == "upper" and limit <= 0)
    ):
        raise Unreadable(f"The {side} limit of {given.name} must be a plain number within the allowed range of the variable.")
    return limit


def _agreed(given: Given, entered: str, value: float, comparator: Comparator) -> str:
    """The text once typed, when the file carries it and it says the same as the value."""
    if given.entered is None:
        return entered
    try:
        sign, number, typed, unit = _number_with_unit(given, given.entered, None)
    except Unreadable:
        raise Unreadable(f"The field 'entered' of {given.name} is not a value with its unit; leave it out.") from None
    if (sign or "=") != comparator or not math.isclose(canonical(number, unit), value, rel_tol=1e-9):
        raise Unreadable(f"The field 'entered' of {given.name} differs from its value; leave it out.")
    return f"{'' if comparator == '=' else comparator}{typed}{f' {unit.name}' if unit else ''}"


def check_range(name: str, variable: Variable, number: float, unit: Unit | None) -> None:
    """Refuse a number outside the hard range; the sentence gives the range in the unit that was typed. Raises Unreadable."""
    if variable.hard is None:
        return
    value = canonical(number, unit)
    if variable.hard.low <= value <= variable.hard.high:
        return
    raise Unreadable(
        f"{name} must lie between {range_text(variable.hard, unit)}; check the value and its unit."
        + _other_unit(variable, number, unit, variable.soft)
    )


def range_text(limits: Range, unit: Unit | None) -> str:
    """A range in a unit, rounded inwards to four digits, so that both numbers printed are themselves within it."""
    factor = unit.factor if unit else 1.0
    low = _rounded(limits.low, factor, ROUND_CEILING)
    high = _rounded(limits.high, factor, ROUND_FLOOR)
    return f"{low} and {high}{f' {unit.name}' if unit else ''}"


def _rounded(limit: float, factor: float, rounding: str) -> str:
    exact = Context(prec=30).divide(Decimal(repr(limit)), Decimal(repr(factor)))
    return f"{Context(prec=4, rounding=rounding).plus(exact).normalize():f}"


def _notices(variable: Variable, number: float, unit: Unit | None, shown: str) -> tuple[Notice, ...]:
    if variable.soft is None or variable.soft.low <= canonical(number, unit) <= variable.soft.high:
        return ()
    text = (
        f"{variable.label}: {shown}{f' {unit.name}' if unit else ''} is unusual "
        f"(expected between {range_text(variable.soft, unit)}); check the value and its unit."
    )
    return (Notice("unusual_value", text + _other_unit(variable, number, unit, variable.soft)),)


def _other_unit(variable: Variable, number: float, unit: Unit | None, usual: Range | None) -> str:
    """A remark when the same number would be usual in another unit of the variable."""
    if usual is None:
        return ""
    for other in variable.units:
        if other != unit and usual.low <= canonical(number, other) <= usual.high:
            return f" The same number would be usual in {other.name}: is the unit right?"
    return ""


def wrong_unit(name: str, variable: Variable, text: str) -> str:
    """The sentence for a unit that a variable does not have."""
    if not variable.units:
        return f"{name} has no unit; give the number alone."
    owners = [v.key for v in load_catalogue().variables.values() if v.find_unit(text)]
    shown = f" ('{text.strip()}')" if owners or ("/" in text and _UNIT_LIKE.fullmatch(text.strip())) else ""
    kin = [key for key in owners if variable.key in key or key in variable.key]
    hint = f" That unit belongs to {kin[0]}." if kin else ""
    return f"The unit of {name}{shown} is not one of its units: use {_unit_names(variable)}.{hint}"


def _unit_names(variable: Variable) -> str:
    return " or ".join(unit.name for unit in variable.units)


def _how_to_write(given: Given) -> str:
    if given.variable.kind == "count":
        return f"{given.name} must be a whole number."
    unit = given.unit or given.variable.unit
    suffix = f" {unit.name}" if unit else ""
    return f"{given.name} cannot be read as a number; write it like '35{suffix}', '<35{suffix}' or '>35{suffix}'."

"""A laboratory result as reported: a number, or only a bound on it; and comparisons that admit not to know."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Comparator = Literal["=", "<", ">"]


@dataclass(frozen=True)
class Quantity:
    """A number in the canonical unit of its variable.

    Attributes:
        value: the number, or the bound when ``comparator`` is not "=".
        comparator: ``<`` when the true value lies below ``value``, ``>`` when above.
        upper_limit: the laboratory's own upper reference limit, None when not given.
        lower_limit: the laboratory's own lower reference limit, None when not given.
        entered: what was typed, with its unit. Two quantities are equal whatever was typed.
    """

    value: float
    comparator: Comparator = "="
    upper_limit: float | None = None
    lower_limit: float | None = None
    entered: str = field(default="", compare=False)


def is_above(quantity: Quantity | None, limit: float) -> bool | None:
    """Whether the true value is above ``limit``; None when it is missing or censored so that this stays open."""
    if quantity is None:
        return None
    if quantity.comparator == "<":
        return False if quantity.value <= limit else None
    if quantity.comparator == ">":
        return True if quantity.value >= limit else None
    return quantity.value > limit


def is_below(quantity: Quantity | None, limit: float) -> bool | None:
    """Whether the true value is below ``limit``; None when it is missing or censored so that this stays open."""
    if quantity is None:
        return None
    if quantity.comparator == ">":
        return False if quantity.value >= limit else None
    if quantity.comparator == "<":
        return True if quantity.value <= limit else None
    return quantity.value < limit


def any_true(*values: bool | None) -> bool | None:
    """Kleene's OR: True when one is true, False when all are false, else None."""
    if any(value is True for value in values):
        return True
    return None if any(value is None for value in values) else False


def all_true(*values: bool | None) -> bool | None:
    """Kleene's AND: False when one is false, True when all are true, else None."""
    if any(value is False for value in values):
        return False
    return None if any(value is None for value in values) else True


def format_number(value: float) -> str:
    """The shortest decimal text that reads back as exactly ``value``; no trailing ``.0``."""
    text = repr(float(value))
    return text.removesuffix(".0")

"""What stands beside a name in a line of a laboratory system: value, unit, flag, reference range, remark."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache

from AdrenalClassifierLib.patient.catalogue import load_catalogue, normal_unit
from AdrenalClassifierLib.patient.pasted_names import load_names

NUMBER = r"[0-9]+(?:[.,][0-9]+)*"
DATE_OR_TIME = re.compile(
    r"(?<![0-9.,])(?:[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{1,2}[./-][0-9]{1,2}[./-](?:[0-9]{4}|[0-9]{2}))(?![0-9.,])"
    r"|(?<![0-9.,:])[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?![0-9:])"
)
_SPACED_SLASH = re.compile(r"(?<=[a-zμ0-9%])\s*/\s*(?=[a-zμ0-9])")
_DAY = re.compile(r"/\s*24\s*(h|hr|hrs|hours|std|stunden|heures)\b\.?")
_TOKEN = re.compile(
    rf"(?P<sign>[<>≤≥]=?|=)?\s*(?P<number>(?<![0-9])(?<![0-9][.,])[-+]?{NUMBER})(?![0-9])|(?P<word>[^\s()\[\];|<>≤≥=,:]+)|(?P<other>\S)"
)


@dataclass
class Beside:
    """What stands beside a name.

    Attributes:
        value: the number as written, with its comparator; "" when there is none.
        unit: as written, in one spelling; "" when there is none.
        upper: upper limit as written; "" when there is none.
        words: words between name and value that are not known to be harmless.
        remarks: words that were not understood behind the value.
        problem: a code when it cannot be read: "several_numbers", "several_units", "no_value".
        loosely: whether "at most" or "at least" was read as "below" or "above".
        text: all words of the first cell that has any, for a value that is yes, no or a choice.
    """

    value: str = ""
    unit: str = ""
    upper: str = ""
    words: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    problem: str = ""
    loosely: bool = False
    text: str = ""


def read_beside(text: str) -> Beside:
    """Read the folded text that follows a name up to the next one."""
    cells = (" ".join(re.findall(r"[^\W_]+", cell)) for cell in re.split(r"[\t;|,]|\s{2,}", text))
    found = Beside(text=next((words for words in cells if words), ""))
    text = DATE_OR_TIME.sub(" ; ", text)
    text = _SPACED_SLASH.sub("/", _DAY.sub("/24h", text))
    text = _take_limits(text, found)
    numbers: list[tuple[str, str]] = []
    units: list[str] = []
    for match in _TOKEN.finditer(text):
        if match["number"]:
            numbers.append((match["sign"] or "", match["number"]))
        elif match["word"]:
            _take_word(match["word"], found, units, bool(numbers))
    _take_value(numbers, found)
    if len({unit.casefold() for unit in units}) > 1:
        found.problem = found.problem or "several_units"
    found.unit = units[0] if units else ""
    return found


def is_unit(word: str) -> str | None:
    """The spelling that the catalogue knows, the word itself when it merely looks like a unit, else None."""
    name = normal_unit(word.strip(".,"))
    name = load_names().units.get(name, name)
    if normal_unit(name) in _unit_names():
        return name
    return name if re.fullmatch(r"[a-zμu%]{1,5}(/(24)?[a-zμu]{1,5}[0-9]?){1,2}", name) else None


@cache
def _unit_names() -> frozenset[str]:
    units = [unit for variable in load_catalogue().variables.values() for unit in variable.units]
    return frozenset(normal_unit(name) for unit in units for name in (unit.name, *unit.aliases))


def _take_word(word: str, found: Beside, units: list[str], after_value: bool) -> None:
    names = load_names()
    bare = word.strip(".,-/'\"")
    unit = is_unit(word)
    if unit is not None and not (bare in names.flags and not after_value):
        units.append(unit)
    elif not bare or word in names.flags or bare in names.flags or bare in names.neutral or bare in names.range_words:
        return
    elif after_value:
        found.remarks += re.findall(r"[^\W_]+", bare)
    else:
        found.words.append(bare)


def _take_value(numbers: list[tuple[str, str]], found: Beside) -> None:
    if not numbers:
        found.problem = "no_value"
        return
    sign, number = numbers[0]
    for other_sign, other in numbers[1:]:
        if other_sign[:1] in ("<", "≤") and not found.upper:
            found.upper = other
        elif other_sign[:1] not in (">", "≥"):
            found.problem = "several_numbers"
    found.loosely = sign in ("≤", "≥", "<=", ">=")
    sign = {"≤": "<", "≥": ">", "<=": "<", ">=": ">", "=": ""}.get(sign, sign)
    found.value = sign + number


def _take_limits(text: str, found: Beside) -> str:
    """Take reference ranges and stated upper limits out of the text; the first one counts."""
    ranges, stated = _limit_patterns()
    start, kept = 0, []
    while (match := ranges.search(text, start)) is not None:
        if _number(match["low"]) < _number(match["high"]):
            kept.append(text[start : match.start()] + " ; ")
            found.upper = found.upper or match["high"]
            start = match.end()
        else:
            kept.append(text[start : match.start() + 1])
            start = match.start() + 1
    text = "".join(kept) + text[start:]

    def state(match: re.Match[str]) -> str:
        sign, number = (match["a"], match["x"]) if match["x"] else (match["b"], match["y"]) if match["y"] else ("<", match["z"])
        if sign[:1] not in (">", "≥"):
            found.upper = found.upper or number
        return " ; "

    return stated.sub(state, text)


@cache
def _limit_patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    names = load_names()
    between = "|".join(rf"\s{re.escape(w)}\s" if w.isalpha() else rf"\s*{re.escape(w)}\s*" for w in names.between)
    before = "|".join(map(re.escape, names.range_words))
    upper = "|".join(map(re.escape, names.upper))
    ranges = rf"(?<![0-9<>])(?<![0-9][.,])(?P<low>{NUMBER})(?:{between})(?P<high>{NUMBER})(?![0-9]|[.,][0-9])"
    number = rf"(?:{NUMBER})(?![0-9])"
    sign = r"(?:[<>≤≥]=?)"
    stated = (
        rf"[(\[]\s*(?:(?:{before})\s*:?\s*)?(?P<a>{sign})\s*(?P<x>{number})"
        rf"|(?<![^\W_])(?:{before})\s*:?\s*(?P<b>{sign})\s*(?P<y>{number})"
        rf"|(?<![^\W_])(?:{upper})\s*:?\s*(?P<z>{number})"
    )
    return re.compile(ranges), re.compile(stated)


def _number(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return float("nan")

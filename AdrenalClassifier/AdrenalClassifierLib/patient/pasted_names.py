"""What laboratory systems call the catalogue's values: ``pasted_names.json`` as something to search a line with."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from AdrenalClassifierLib.patient.catalogue import load_catalogue, normal_unit

_GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta"})
_WORD = re.compile(r"[^\W\d_]+|\d+")
_BETWEEN = re.compile(r"[ \-_/.,:()+'\[\]]*")


@dataclass(frozen=True)
class Name:
    """One name that was found in a line.

    Attributes:
        text: the name as the table prints it, so that it can be repeated to a person.
        keys: the catalogue's values that it may mean.
        unit_decides: whether the unit alone may settle which.
    """

    text: str
    keys: tuple[str, ...]
    unit_decides: bool = False


class Found(NamedTuple):
    """A name in a folded line, from ``start`` to ``end``."""

    start: int
    end: int
    name: Name


@dataclass(frozen=True)
class Names:
    """The table, ready to be searched.

    Attributes:
        by_text: what a name means, by its words alone.
        by_first: the words of all names that begin with a word, the longest first.
        loinc: keys by LOINC code; several or none where the code does not say enough.
        settled_by: names of the catalogue's units that settle each key.
        neutral: words that change nothing.
        modifiers: words that change what a name means.
        heading_ends: headings that end an earlier heading.
        flags: marks beside a value.
        upper: words before an upper limit.
        between: words between the two limits.
        range_words: words before a range.
        units: other spellings of units.
        without_unit: keys of values that may be given without their unit.
        yes_no: what yes and no are called.
        choice_words: what values of a choice are called.
    """

    by_text: Mapping[str, Name]
    by_first: Mapping[str, tuple[tuple[str, ...], ...]]
    loinc: Mapping[str, tuple[str, ...]]
    settled_by: Mapping[str, frozenset[str]]
    neutral: frozenset[str]
    modifiers: frozenset[str]
    heading_ends: frozenset[str]
    flags: frozenset[str]
    upper: tuple[str, ...]
    between: tuple[str, ...]
    range_words: tuple[str, ...]
    units: Mapping[str, str]
    without_unit: frozenset[str]
    yes_no: Mapping[str, str]
    choice_words: Mapping[str, str]


def fold(text: str) -> str:
    """One spelling of a text: small letters without accents, Greek but micro by name, one kind of space and minus."""
    plain = unicodedata.normalize("NFKC", text).casefold().translate(_GREEK)
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not unicodedata.combining(c))
    return bare.replace("œ", "oe").replace("−", "-").replace("’", "'").replace("\u00a0", " ")


def words_of(text: str) -> str:
    """The words of a folded text, parted where letters meet digits: ``17OHP`` and ``17-OHP`` are the same words."""
    return " ".join(_WORD.findall(text))


def find_names(line: str) -> list[Found]:
    """The names in a folded line, the longest at each place; punctuation and neutral words may stand between their words."""
    names = load_names()
    words = list(_WORD.finditer(line))
    found: list[Found] = []
    for place, word in enumerate(words):
        if (found and word.start() < found[-1].end) or not _is_edge(line, word.start()):
            continue
        for wanted in names.by_first.get(word[0], ()):
            end = _match(line, words, place, wanted, names.neutral)
            if end is not None and _is_edge(line, end):
                found.append(Found(word.start(), end, names.by_text[" ".join(wanted)]))
                break
    return found


@cache
def load_names() -> Names:
    """The table that ships with the software; read once."""
    data = json.loads((Path(__file__).parent / "pasted_names.json").read_text(encoding="utf-8"))
    neutral = frozenset(fold(word) for word in data["neutral"]["words"])
    by_text = _names(data["names"])
    settles = data["unit_settles"]
    return Names(
        by_text,
        _by_first(by_text),
        _loinc(data["loinc_not_specific"]),
        {key: frozenset(units) for key, units in settles.items() if key not in ("about", "source")},
        neutral,
        frozenset(fold(word) for word in data["modifiers"]["words"]),
        frozenset(fold(word) for word in data["headings"]["ends"]),
        frozenset(fold(word) for word in data["flags"]),
        _folded(data["limit_words"]["upper"]),
        _folded(data["limit_words"]["between"]),
        _folded(data["limit_words"]["range"]),
        {normal_unit(name): unit for name, unit in data["unit_spellings"].items() if name not in ("about", "source")},
        frozenset(data["without_unit"]["keys"]),
        {fold(word): answer for answer in ("yes", "no") for word in data[answer]},
        {fold(word): value for value, words in data["choice_words"].items() for word in words},
    )


def _folded(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({fold(word) for word in words}, key=lambda word: (-len(word), word)))


def _names(entries: list[dict[str, Any]]) -> dict[str, Name]:
    """Every name by its words. The catalogue's labels come first; its keys last, since the key ``renin`` may mean two values."""
    found: dict[str, Name] = {}
    variables = load_catalogue().variables.values()
    for variable in variables:
        found[words_of(fold(variable.label))] = Name(variable.label, (variable.key,))
    for entry in entries:
        keys = tuple(entry["keys"])
        for text in (*entry.get("en", ()), *entry.get("fr", ()), *entry.get("de", ())):
            known = found.setdefault(words_of(fold(text)), Name(text, keys, entry.get("unit_decides", False)))
            if set(known.keys) != set(keys):
                raise ValueError(f"'{text}' stands for {known.keys} and for {keys}.")
    for variable in variables:
        found.setdefault(words_of(fold(variable.key)), Name(variable.label, (variable.key,)))
    return found


def _loinc(not_specific: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    codes: dict[str, tuple[str, ...]] = {}
    for variable in load_catalogue().variables.values():
        for loinc in variable.loinc:
            codes[loinc.code] = (variable.key,)
    return codes | {code: tuple(keys) for code, keys in not_specific.items() if code not in ("about", "source")}


def _by_first(names: Iterable[str]) -> dict[str, tuple[tuple[str, ...], ...]]:
    groups: dict[str, list[tuple[str, ...]]] = {}
    for text in names:
        words = tuple(text.split())
        groups.setdefault(words[0], []).append(words)
    return {first: tuple(sorted(group, key=lambda words: (-len(words), words))) for first, group in groups.items()}


def _is_edge(line: str, place: int) -> bool:
    """Whether a word ends or begins here, letters and digits being one word."""
    return place == 0 or place == len(line) or not (line[place - 1].isalnum() and line[place].isalnum())


def _match(line: str, words: list[re.Match[str]], place: int, wanted: tuple[str, ...], neutral: frozenset[str]) -> int | None:
    """Where a name that begins at the word ``place`` ends, None when it is not the one wanted."""
    for number, word in enumerate(wanted):
        if number:
            place += 1
            while place < len(words) and words[place][0] != word and words[place][0] in neutral:
                if not _joined(line, words, place):
                    return None
                place += 1
            if place >= len(words) or not _joined(line, words, place):
                return None
        if words[place][0] != word:
            return None
    return words[place].end()


def _joined(line: str, words: list[re.Match[str]], place: int) -> bool:
    return _BETWEEN.fullmatch(line, words[place - 1].end(), words[place].start()) is not None

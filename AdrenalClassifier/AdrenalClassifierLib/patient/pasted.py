"""Lines copied from a laboratory system -> entries of the form; what is not sure is said in words and never guessed.

A line is text or a table row: name, value, unit, flag, reference range, parted by tabs, semicolons, bars, commas or spaces, one
value a line or several. Names are those of the catalogue (label, key, LOINC code) and of ``pasted_names.json``. A value is taken
only when every word of its name is understood, its unit is one of the value's own, and it is within its hard range: "free
testosterone" is not testosterone, and "cortisol" alone may be any of four tests. Nothing of a line but the name of a value known
to the catalogue is kept or repeated, since lines carry names, dates and numbers of patients.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.catalogue import Variable, load_catalogue
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_form
from AdrenalClassifierLib.patient.pasted_line import DATE_OR_TIME, NUMBER, Beside, is_unit, read_beside
from AdrenalClassifierLib.patient.pasted_names import Name, find_names, fold, load_names, words_of

LONGEST_TEXT = 100_000
"""Characters; a patient's whole laboratory history is shorter."""

_CELL = re.compile(r"\t|[;|]|\s{2,}|,\s|(?<![0-9]):(?![0-9])|(?<=[a-z])\s*:\s")
_CODE = re.compile(r"(?<![0-9.,-])[0-9]{3,5}-[0-9](?![0-9.,-])")


@dataclass(frozen=True)
class Pasted:
    """What was read.

    Attributes:
        entries: by catalogue key; each can be read by ``record_from_form``.
        unread: one sentence for each thing that was found but not taken over, and why.
        notices: remarks on what was taken over: unusual values, a limit that was left out.
    """

    entries: dict[str, FormEntry]
    unread: tuple[str, ...]
    notices: tuple[Notice, ...]


def read_pasted(text: str) -> Pasted:
    """Read what was copied from a laboratory system. Never raises for bad content.

    Args:
        text: one or several lines.
    """
    if len(text) > LONGEST_TEXT:
        return Pasted({}, ("The text is too long to be one patient's laboratory values; copy fewer lines.",), ())
    work = _Work(commas=re.search(r"[0-9],[0-9]", text) is not None)
    for number, line, heading in _lines(text):
        work.line(number, line, heading)
    return work.finish()


def _lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Folded lines with their numbers and the heading they stand under; a name alone is joined with the value below it."""
    heading = ""
    held: tuple[int, str, str] | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = fold(raw.replace('","', "\t").replace('";"', "\t")).replace('"', " ").strip(" ")
        found = next(iter(find_names(line)), None)
        if held is not None:
            if found is None and re.match(rf"\s*[<>≤≥]?\s*{NUMBER}", line):
                yield held[0], f"{held[1]}\t{line}", held[2]
                held = None
                continue
            yield held
            held = None
        if not line:
            heading = ""
        elif (new := _heading(line)) is not None:
            heading = new
        elif found is not None and not re.search(r"[0-9]", line[found.end :]):
            held = (number, line, heading)
        else:
            yield number, line, heading
    if held is not None:
        yield held


def _heading(line: str) -> str | None:
    """Words of a heading that hold for the lines below, "" for a heading that ends another, None for a line of its own."""
    names = load_names()
    words = words_of(line).split()
    known = [word for word in words if word in names.modifiers]
    rest = [word for word in words if word not in names.modifiers | names.neutral and word not in ("24", "h", "mg", "1", "2")]
    if known and not rest and not find_names(line):
        return " ".join(words)
    return "" if " ".join(words) in names.heading_ends else None


@dataclass
class _Work:
    """What was found on the way through the lines. ``commas``: the text has decimal commas."""

    commas: bool
    taken: dict[str, tuple[FormEntry, int]] = field(default_factory=dict)
    unread: list[tuple[int, str]] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unnamed: list[int] = field(default_factory=list)
    twice: set[str] = field(default_factory=set)

    def line(self, number: int, line: str, heading: str) -> None:
        """Read one line."""
        names = load_names()
        codes = [match[0] for match in _CODE.finditer(line)]
        plain = _CODE.sub(" ; ", DATE_OR_TIME.sub(" ; ", line))
        matches = find_names(plain)
        if not matches:
            by_code = [names.loinc[code] for code in codes if code in names.loinc]
            if len(by_code) == 1 and len(by_code[0]) == 1:
                key = by_code[0][0]
                rest = _CODE.split(line)[-1]
                self._take(number, Name(load_catalogue().variables[key].label, (key,)), [], read_beside(rest))
            else:
                self.unnamed.append(number)
            return
        for place, match in enumerate(matches):
            before = plain[matches[place - 1].end if place else 0 : match.start]
            after = plain[match.end : matches[place + 1].start if place + 1 < len(matches) else len(plain)]
            foreign = _foreign(before, heading, first=place == 0)
            name = match.name
            longer = names.by_text.get(words_of(f"{' '.join(foreign)} {plain[match.start : match.end]}"))
            if foreign and longer is not None:
                name, foreign = longer, []
            beside = read_beside(after if place + 1 == len(matches) else after[: len(after) - len(_own_prefix(after))])
            if re.match(r",\S", after) and "," in beside.value:
                beside.problem = beside.problem or "commas"
            if len(matches) == 1:
                name = self._by_code(name, [names.loinc[code] for code in codes if code in names.loinc], bool(codes))
            self._take(number, name, foreign, beside)

    def _by_code(self, name: Name, known: Sequence[tuple[str, ...]], any_code: bool) -> Name:
        """Name and LOINC code must agree; a code that is not known may be of another specimen."""
        if not any_code:
            return name
        if not known:
            return replace(name, keys=())
        both = tuple(key for key in name.keys if all(key in keys for keys in known))
        return replace(name, keys=both, unit_decides=name.unit_decides and len(both) != 1)

    def _take(self, number: int, name: Name, foreign: list[str], beside: Beside) -> None:
        variables = load_catalogue().variables
        if not name.keys:
            self._say(number, f"the code beside '{name.text}' does not belong to that value of the form; enter it by hand.")
            return
        first = variables[name.keys[0]]
        if len(name.keys) == 1 and first.kind in ("flag", "choice"):
            self._take_word(number, first, beside)
            return
        if beside.problem == "no_value":
            self._say(number, f"no number stands beside '{name.text}'.")
            return
        elsewhere = [word for word in beside.remarks if word in load_names().modifiers]  # "potassium 40 mmol/L, urine"
        if foreign or beside.words or elsewhere:
            labels = " or ".join(f"'{variables[key].label}'" for key in name.keys)
            self._say(number, f"other words stand beside '{name.text}', so it may not be {labels} of the form; enter it by hand.")
            return
        keys = _settled(name, beside.unit)
        if len(keys) != 1:
            labels = ", ".join(f"'{variables[key].label}'" for key in name.keys)
            self._say(number, f"'{name.text}' does not say which test it is; enter it in the field that is meant: {labels}.")
            return
        problem = self._problem(variables[keys[0]], beside)
        if problem:
            self._say(number, problem)
        else:
            self._keep(number, variables[keys[0]], beside)

    def _problem(self, variable: Variable, beside: Beside) -> str:
        if beside.problem == "several_numbers":
            return f"more than one number stands beside '{variable.label}'; copy the value alone with its unit and range."
        if beside.problem == "several_units":
            return f"more than one unit stands beside '{variable.label}'; copy the value with its own unit."
        thousands = re.fullmatch(r"[<>]?[-+]?[1-9][0-9]{0,2}\.[0-9]{3}", beside.value)
        if beside.problem == "commas" or (self.commas and thousands):
            return f"the number beside '{variable.label}' can be read in two ways; enter it by hand."
        return ""

    def _keep(self, number: int, variable: Variable, beside: Beside) -> None:
        unit = variable.find_unit(beside.unit) if beside.unit else None
        name = unit.name if unit else beside.unit
        if not name and len(variable.units) == 1:
            if variable.key not in load_names().without_unit:
                self._say(number, f"{variable.label} needs its unit, {variable.units[0].name}: laboratories use others as well.")
                return
            name = variable.units[0].name
        entry = FormEntry(beside.value, name, beside.upper)
        problems, notices = _check(variable.key, entry)
        if problems and beside.upper:
            entry = replace(entry, upper_limit="")
            problems, notices = _check(variable.key, entry)
            if not problems:
                text = f"The laboratory's limit beside {variable.label} could not be read and was left out."
                notices = (Notice("limit_left_out", text), *notices)
        if problems:
            self._say(number, problems[0][0].lower() + problems[0][1:] if problems[0][:3] == "In " else problems[0])
            return
        if self._differs(number, variable, entry):
            return
        self.notices += notices
        if beside.loosely:
            text = f"{variable.label}: 'at most' or 'at least' was read as below or above."
            self.notices.append(Notice("bound_included", text))
        if beside.remarks:
            text = f"A remark stands beside {variable.label} in line {number}; read it in the laboratory's report."
            self.notices.append(Notice("remark_beside_value", text))

    def _take_word(self, number: int, variable: Variable, beside: Beside) -> None:
        names = load_names()
        answers = names.yes_no if variable.kind == "flag" else names.choice_words
        entry = FormEntry(answers.get(beside.text, beside.text))
        if beside.text and not _check(variable.key, entry)[0]:
            self._differs(number, variable, entry)
            return
        self._say(number, f"what stands beside '{variable.label}' is not one of its answers; choose it by hand.")

    def _differs(self, number: int, variable: Variable, entry: FormEntry) -> bool:
        """Keep an entry; True when the same value was given before and differs: then neither is taken over."""
        before = self.taken.setdefault(variable.key, (entry, number))
        if before[0] == entry:
            return False
        self.twice.add(variable.key)
        self._say(number, f"'{variable.label}' is given in line {before[1]} already, and differs; enter the one that is meant.")
        return True

    def _say(self, number: int, text: str) -> None:
        self.unread.append((number, f"Line {number}: {text}"))

    def finish(self) -> Pasted:
        """All that was found, in the order of the catalogue."""
        kept = {key: self.taken[key][0] for key in load_catalogue().variables if key in self.taken and key not in self.twice}
        unread = [text for _, text in sorted(self.unread, key=lambda item: item[0])]
        if self.unnamed:
            unread.append(_unnamed(self.unnamed))
        elif not kept and not unread:
            unread.append("There is nothing to read.")
        return Pasted(kept, tuple(dict.fromkeys(unread)), tuple(dict.fromkeys(self.notices)))


def _unnamed(lines: Sequence[int]) -> str:
    if len(lines) == 1:
        return f"Line {lines[0]} names no value of the form."
    shown = ", ".join(str(number) for number in lines[:12]) + (", ..." if len(lines) > 12 else "")
    return f"{len(lines)} lines name no value of the form: {shown}."


def _settled(name: Name, unit: str) -> tuple[str, ...]:
    """The one value that a name with this unit is; none when that is open."""
    if not name.unit_decides:
        return name.keys if len(name.keys) == 1 else ()
    settled = tuple(key for key in name.keys if _settles(key, unit))
    return settled if len(settled) == 1 else ()


def _settles(key: str, unit: str) -> bool:
    own = load_catalogue().variables[key].find_unit(unit)
    return own is not None and own.name in load_names().settled_by.get(key, frozenset())


def _check(key: str, entry: FormEntry) -> tuple[tuple[str, ...], tuple[Notice, ...]]:
    try:
        return (), record_from_form({key: entry})[1]
    except PatientValueError as error:
        return error.problems, ()


def _own_prefix(text: str) -> str:
    """The end of a text that belongs to the name after it: the words behind the last number, unit or separator."""
    last = 0
    for match in re.finditer(rf"{NUMBER}|[()\[\];|\t,*]|\s{{2,}}|:", text):
        last = match.end()
    tail = text[last:]
    for match in re.finditer(r"\S+", tail):
        if is_unit(match[0]) is not None or match[0].strip("+-*.") in load_names().flags | {""}:
            last += match.end()
            return _own_prefix(text[last:]) if re.search(r"[^\W_]", text[last:]) else text[last:]
        break
    return tail


def _foreign(before: str, heading: str, *, first: bool) -> list[str]:
    """Words before a name, and those of its heading, that may change what the name means."""
    names = load_names()
    own = [word for word in re.findall(r"[^\W_]+", _own_prefix(before)) if word not in names.neutral]
    if not first:
        return own
    cells = before[: len(before) - len(_own_prefix(before))]
    earlier = [word for word in re.findall(r"[^\W_]+", cells) if word in names.modifiers]
    return [*heading.split(), *earlier, *own]

"""Patient values from JSON, from a row of a table or from a form: all problems at once, notices for what is unusual.

What is accepted
- JSON: ``{"cortisol_dst": {"value": 35, "unit": "nmol/L", "comparator": "<", "upper_limit": 50}}``, ``{"cortisol_dst":
  "<35 nmol/L"}``, ``{"cortisol_dst_nmol_l": 35}``, ``{"cortisol_dst_ug_dl": "<1.8"}``. A bare number is enough where the
  variable has one unit only. ``null`` means missing.
- A row: cells under columns that end in the unit, such as ``<0.2``; the laboratory's own limit in
  ``<key>_upper_limit_<unit>`` and ``<key>_lower_limit_<unit>``.
- Missing: empty, NA, n/a, -, unknown, a single point. A missing value is absent from the record.
- A comma is a decimal comma, except where it could part thousands (``1,234``): that is refused. ``0,35``, ``12,34`` and
  ``1,2345`` are read. Thousands are never parted.
- Yes and no: yes/no, true/false, 1/0, y/n.

Errors name the key or column, never what stood in it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import PatientValueError
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.catalogue import Column, Unit, load_catalogue
from AdrenalClassifierLib.patient.consistency import consistency_notices
from AdrenalClassifierLib.patient.reading import Given, Unreadable, is_missing, read_value, wrong_unit
from AdrenalClassifierLib.patient.record import PatientRecord, Value

Parsed = tuple[PatientRecord, tuple[Notice, ...]]

LARGEST_FILE = 1_000_000
"""Bytes; a patient file is some kilobytes."""

# fmt: off
_IDENTITY = frozenset((
    "name", "first_name", "last_name", "surname", "given_name", "family_name", "maiden_name", "full_name", "initials",
    "patient", "patient_name", "patient_id", "id", "identifier", "mrn", "medical_record_number", "ipp", "nip", "ssn",
    "social_security_number", "nhs_number", "insurance_number", "birth_date", "birthdate", "date_of_birth", "dob", "birthday",
    "birth_name", "address", "street", "city", "zip", "zip_code", "postcode", "postal_code", "phone", "telephone", "mobile",
    "email", "accession", "accession_number", "patient_birth_date", "patient_address", "other_patient_ids", "nom", "prenom",
    "date_de_naissance", "vorname", "nachname", "geburtsdatum",
))
# fmt: on
_OBJECT_FIELDS = ("value", "unit", "comparator", "upper_limit", "lower_limit", "entered")


@dataclass(frozen=True)
class FormEntry:
    """One line of a form: what was typed, the unit chosen beside it ("" when the variable has none), the laboratory's limit."""

    text: str
    unit: str = ""
    upper_limit: str = ""


def record_from_json(value: Mapping[str, Any] | Path) -> Parsed:
    """Read a patient's values from a JSON object or a file with one.

    Args:
        value: the object, keys as in the module's description, or the path of a UTF-8 file.

    Returns:
        The record, and notices about unusual or contradictory values.

    Raises:
        PatientValueError: the file cannot be read, or some values are not acceptable; ``problems`` has one sentence for each.
    """
    work = _Work()
    for name, item in (_load(value) if isinstance(value, Path) else value).items():
        column = work.find(name, keys=True)
        if column is None or item is None:
            continue
        if column.role != "value":
            work.limit(column, item)
        elif isinstance(item, Mapping):
            work.add_object(column, item)
        else:
            work.add(Given(column.name, column.variable, item, column.unit))
    return work.finish()


def record_from_row(row: Mapping[str, str]) -> Parsed:
    """Read a patient's values from the clinical cells of a table row; columns of the cohort itself are already taken out.

    Args:
        row: cell by column name.

    Returns:
        The record, and notices about unusual or contradictory values.

    Raises:
        PatientValueError: some columns or cells are not acceptable; ``problems`` has one sentence for each.
    """
    work = _Work()
    for name, cell in row.items():
        column = work.find(name, keys=False)
        if column is None or is_missing(cell):
            continue
        if column.role == "value":
            work.add(Given(column.name, column.variable, cell, column.unit))
        else:
            work.limit(column, cell)
    return work.finish()


def record_from_form(entries: Mapping[str, FormEntry]) -> Parsed:
    """Read a patient's values from a form with one entry a variable.

    Args:
        entries: by catalogue key.

    Returns:
        The record, and notices about unusual or contradictory values.

    Raises:
        PatientValueError: some entries are not acceptable; ``problems`` has one sentence for each, with the label of the field.
    """
    work = _Work()
    for key, entry in entries.items():
        variable = load_catalogue().variables.get(key)
        if variable is None:
            work.problems.append(_unknown(key, tuple(load_catalogue().variables)))
        elif not is_missing(entry.text):
            given = Given(variable.label, variable, entry.text, upper_limit=entry.upper_limit.strip() or None)
            work.add(_with_unit(given, entry.unit, work))
    return work.finish()


def _with_unit(given: Given, name: str, work: _Work) -> Given | None:
    if not name.strip():
        return given
    unit = given.variable.find_unit(name)
    if unit is None:
        work.problems.append(wrong_unit(given.name, given.variable, name))
        return None
    if given.unit is not None and unit != given.unit:
        work.problems.append(f"{given.name} names two different units, {given.unit.name} and {unit.name}; give one.")
        return None
    return replace(given, unit=unit)


@dataclass
class _Work:
    """Values, limits and problems gathered on the way through one patient's entries."""

    given: dict[str, Given] = field(default_factory=dict)
    limits: dict[tuple[str, str], tuple[str, Any, Unit | None]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    twice: set[str] = field(default_factory=set)

    def find(self, name: object, *, keys: bool) -> Column | None:
        """The column, or (in JSON) the variable, that ``name`` names; None with a problem noted when there is none."""
        catalogue = load_catalogue()
        text = name.strip() if isinstance(name, str) else ""
        if keys and text in catalogue.variables:
            return Column(text, catalogue.variables[text], None, "value")
        if text in catalogue.columns:
            return catalogue.columns[text]
        if name is None:
            self.problems.append("The row has more cells than columns; check its separators.")
        elif _is_identity(text):
            self.problems.append(f"'{_shown(text)}' identifies the patient; leave identity out of the patient's values.")
        elif not keys and text in catalogue.variables:
            columns = [catalogue.variables[text].column(unit) for unit in catalogue.variables[text].units]
            self.problems.append(f"The column '{text}' must name its unit: {' or '.join(columns)}.")
        else:
            self.problems.append(_unknown(text, (*(catalogue.variables if keys else ()), *catalogue.columns)))
        return None

    def add_object(self, column: Column, item: Mapping[Any, Any]) -> None:
        """Take a value given as an object with value, unit, comparator and limits."""
        strange = [name for name in item if name not in _OBJECT_FIELDS]
        if strange:
            self.problems.append(f"{column.name} may have the fields {', '.join(_OBJECT_FIELDS)} only.")
            return
        if is_missing(item.get("value")):
            if any(not is_missing(part) for name, part in item.items() if name not in ("value", "unit")):
                self.problems.append(f"{column.name} has no value; give one or leave {column.name} out.")
            return
        unit, entered, comparator = item.get("unit"), item.get("entered"), item.get("comparator")
        if not all(part is None or isinstance(part, str) for part in (unit, entered, comparator)):
            self.problems.append(f"The unit, the comparator and the field 'entered' of {column.name} must be text.")
            return
        given = Given(
            column.name,
            column.variable,
            item["value"],
            column.unit,
            comparator,
            item.get("upper_limit"),
            item.get("lower_limit"),
            entered=entered,
        )
        self.add(_with_unit(given, unit or "", self))

    def add(self, given: Given | None) -> None:
        """Take one value; None when it was found unusable. Missing values are passed over."""
        if given is None or is_missing(given.value):
            return
        key = given.variable.key
        first = self.given.setdefault(key, given)
        if first is not given:
            self.problems.append(f"{key} is given twice ({first.name} and {given.name}); give it once.")
            self.twice.add(key)

    def limit(self, column: Column, value: Any) -> None:
        """Take a laboratory limit that stands in a column of its own."""
        if is_missing(value):
            return
        place = (column.variable.key, column.role)
        if place in self.limits:
            first = self.limits[place][0]
            self.problems.append(f"A limit of {place[0]} is given twice ({first} and {column.name}); give it once.")
        else:
            self.limits[place] = (column.name, value, column.unit)

    def finish(self) -> Parsed:
        """Read every value; raise with all problems, or give the record and its notices."""
        values: dict[str, Value] = {}
        notices: list[Notice] = []
        for key, given in self.given.items():
            if key in self.twice:
                continue
            try:
                values[key], found = read_value(self._with_limits(given))
                notices.extend(found)
            except Unreadable as error:
                self.problems.append(str(error))
        if self.problems:
            raise PatientValueError(*self.problems)
        record = PatientRecord(values)
        return record, (*notices, *consistency_notices(record))

    def _with_limits(self, given: Given) -> Given:
        key = given.variable.key
        for role in ("upper_limit", "lower_limit"):
            if (key, role) in self.limits:
                name, value, unit = self.limits[key, role]
                if getattr(given, role) is not None:
                    raise Unreadable(f"A limit of {key} is given twice ({given.name} and {name}); give it once.")
                if role == "upper_limit":
                    given = replace(given, upper_limit=value, upper_unit=unit)
                else:
                    given = replace(given, lower_limit=value, lower_unit=unit)
        return given


def _load(path: Path) -> Mapping[str, Any]:
    def no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twins = sorted({name for name, _ in pairs if sum(name == other for other, _ in pairs) > 1})
            raise PatientValueError(*(f"'{_shown(name)}' is given twice in '{path.name}'; give it once." for name in twins))
        return found

    try:
        with open(path, "rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise PatientValueError(f"Cannot read the patient file '{path.name}': {error.strerror or error}.") from error
    if len(data) > LARGEST_FILE:
        raise PatientValueError(f"'{path.name}' is too large for a patient file; give a JSON object of keys and values.")
    try:
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=no_twins)
    except json.JSONDecodeError as error:
        raise PatientValueError(
            f"'{path.name}' is not valid JSON (line {error.lineno}, column {error.colno}); correct it there."
        ) from error
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise PatientValueError(f"'{path.name}' is not a JSON text in UTF-8; save it again as UTF-8.") from error
    if not isinstance(value, dict):
        raise PatientValueError(f"'{path.name}' must hold a JSON object of keys and values.")
    return value


def _is_identity(name: str) -> bool:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return "_".join(re.findall(r"[^\W_]+", words)).casefold() in _IDENTITY


def _unknown(name: str, known: tuple[str, ...]) -> str:
    lower = name.strip().casefold().replace(" ", "_")
    near = difflib.get_close_matches(lower, known, n=1, cutoff=0.6)
    hint = f"did you mean '{near[0]}'?" if near else "see the catalogue for the known names."
    return f"'{_shown(name)}' is not a known variable; {hint}"


def _shown(name: str) -> str:
    """A key as a message may repeat it: printable and short."""
    text = "".join(c if c.isprintable() else "?" for c in name)
    return text if len(text) <= 60 else text[:57] + "..."

"""Lines as laboratory systems in three languages print them."""

from __future__ import annotations

import time

import pytest

from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_form
from AdrenalClassifierLib.patient.pasted import LONGEST_TEXT, Pasted, read_pasted
from AdrenalClassifierLib.patient.pasted_names import load_names


def entry(text: str) -> tuple[str, FormEntry]:
    found = read_pasted(text)
    assert not found.unread
    (pair,) = found.entries.items()
    return pair


def unread(text: str) -> str:
    found = read_pasted(text)
    assert not found.entries
    (sentence,) = found.unread
    return sentence


@pytest.mark.parametrize(
    ("line", "key", "expected"),
    [
        ("Cortisol nach 1 mg Dexamethason\t1,8\tµg/dl\tH\t(< 1,8)", "cortisol_dst", FormEntry("1,8", "µg/dL", "1,8")),
        ("Cortisol (Serum) nach 1 mg Dexamethason 35 nmol/l", "cortisol_dst", FormEntry("35", "nmol/L")),
        ("Freinage minute : cortisol 38 nmol/L", "cortisol_dst", FormEntry("38", "nmol/L")),
        ("S-Kortisol basal 400 nmol/l [138–690]", "cortisol_basal", FormEntry("400", "nmol/L", "690")),
        ("Cortisol, 8 h: 450 nmol/L", "cortisol_basal", FormEntry("450", "nmol/L")),
        ("Cortisol libre urinaire des 24 h;112;nmol/24 h;;0 - 140", "urinary_free_cortisol", FormEntry("112", "nmol/24h", "140")),
        ("Cortisol 45 µg/24h", "urinary_free_cortisol", FormEntry("45", "µg/24h")),
        ("DHEA-S;4,2;µmol/l;H;0,9 - 11,7", "dheas", FormEntry("4,2", "µmol/L", "11,7")),
        ("17-OH-Progestérone   3,1 nmol/L *   (0,5 à 6,0)", "hydroxyprogesterone_17", FormEntry("3,1", "nmol/L", "6,0")),
        ("17OHP 3.1 nmol/L", "hydroxyprogesterone_17", FormEntry("3.1", "nmol/L")),
        ("delta-4-Androstenedione 4.1 nmol/L (up to 12)", "androstenedione", FormEntry("4.1", "nmol/L", "12")),
        ("Metanephrine, free, plasma  0.32 nmol/L (<0.45)", "metanephrine", FormEntry("0.32", "nmol/L", "0.45")),
        ("Normetanephrin im Plasma 0,98 nmol/l ++ Ref.: <0,67", "normetanephrine", FormEntry("0,98", "nmol/L", "0,67")),
        ("Normetanephrine 24 h urine 2.1 µmol/24h (up to 3.0)", "urine_normetanephrine", FormEntry("2.1", "µmol/24h", "3.0")),
        ("Metanephrin 1,2 µmol/24 Std", "urine_metanephrine", FormEntry("1,2", "µmol/24h")),
        ("Renin 12 mU/L", "renin", FormEntry("12", "mIU/L")),
        ("Rénine active : 12 mUI/L", "renin", FormEntry("12", "mIU/L")),
        ("Renin 1.2 ng/mL/hr", "renin_activity", FormEntry("1.2", "ng/mL/h")),
        ("ACTH <5 pg/mL", "acth", FormEntry("<5", "pg/mL")),
        ("ACTH\t< 5,0\tng/l\t\t7,2-63,3", "acth", FormEntry("< 5,0".replace(" ", ""), "pg/mL", "63,3")),
        ("2823-3 | Potassium | 12.03.2026 08:00 | 3.2 | mmol/L | L | 3.5-5.1", "potassium", FormEntry("3.2", "mmol/L", "5.1")),
        ("Kalium [mmol/l] 3,9 (3,5-5,1)", "potassium", FormEntry("3,9", "mmol/L", "5,1")),
        ('"Kalium","3,9","mmol/l"', "potassium", FormEntry("3,9", "mmol/L")),
        ("Kalium,3.9,mmol/l,3.5-5.1", "potassium", FormEntry("3.9", "mmol/L", "5.1")),
        ("K+ 3.9", "potassium", FormEntry("3.9", "mmol/L")),
        ("K 3,9mmol/l", "potassium", FormEntry("3,9", "mmol/L")),
        ("β2-Mikroglobulin 1.9 mg/l", "beta2_microglobulin", FormEntry("1.9", "mg/L")),
        ("HbA1c 6.1 %", "hba1c", FormEntry("6.1", "%")),
        ("45050-2 Cortisol 450 nmol/L", "cortisol_basal", FormEntry("450", "nmol/L")),
        ("2532-0\t312\tU/L", "ldh", FormEntry("312", "U/L")),
        ("Kalium\n3,9 mmol/l", "potassium", FormEntry("3,9", "mmol/L")),
        ("Urine:\nNormetanephrine 2.1 µmol/24h", "urine_normetanephrine", FormEntry("2.1", "µmol/24h")),
        ("Diabetes: no; seen 12.03.2026", "diabetes", FormEntry("no")),
        ("Geschlecht: männlich", "sex", FormEntry("male")),
        ("Hypertonie: ja", "hypertension", FormEntry("yes")),
        ("Age 54 years", "age", FormEntry("54", "years")),
    ],
)
def test_a_line_is_read_as_a_person_would(line: str, key: str, expected: FormEntry) -> None:
    assert entry(line) == (key, expected)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("Cortisol 450 nmol/L (138-690)", "'Cortisol after 1 mg dexamethasone', 'Cortisol, 8 h'"),
        ("14675-3 Cortisol 450 nmol/L", "'Cortisol after 1 mg dexamethasone', 'Cortisol, 8 h'"),
        ("Metanephrin 0,3 nmol/l", "'Metanephrine, plasma free', 'Metanephrine in 24 h urine'"),
        ("3-methoxytyramine 0.1 nmol/L", None),
        ("Renin 12", "'Renin concentration', 'Plasma renin activity'"),
        ("Cortisol after 2 mg dexamethasone 30 nmol/L", "other words stand beside"),
        ("free testosterone 12 pmol/L", "other words stand beside"),
        ("Testosteron frei 12 pmol/l", "other words stand beside"),
        ("Potassium urine 40 mmol/L", "other words stand beside"),
        ("Urin; Kalium; 4,0; mmol/l", "other words stand beside"),
        ("Kalium; 4,0; mmol/l; Urin", "other words stand beside"),
        ("Testosterone 1.2 nmol/L (free)", "other words stand beside"),
        ("U-Kalium 4,0 mmol/l", "other words stand beside"),
        ("Urine:\nPotassium 4.0 mmol/L", "Line 2: other words stand beside"),
        ("Dexamethason-Hemmtest 2 mg; Cortisol basal; 40; nmol/l", "other words stand beside"),
        ("Creatinine clearance 90 mL/min", "other words stand beside"),
        ("2609-6 Metanephrine 1.2 µmol/24h", "the code beside"),
        ("2828-2 Potassium 4.0 mmol/L", "the code beside"),
        ("CRP 12", "needs its unit"),
        ("CRP 1 mmol/L", "not one of its units"),
        ("HbA1c 43 mmol/mol", "not one of its units"),
        ("Potassium 39 mmol/L", "must lie between"),
        ("Kalium 3,9 mmol/l 4,0 4,1", "more than one number"),
        ("Kalium 3,9 mmol/l 3,5 5,1", "more than one number"),
        ("Aldosterone 24h urine 12 µg/24h", "other words stand beside"),
        ("Glucose 5,1 mmol/l (92 mg/dl)", "more than one"),
        ("Kalium,3,9,mmol/l,3.5-5.1", "two ways"),
        ("LDH 1.234 U/l (135,0-225,0)", "two ways"),
        ("Potassium haemolysed", "no number"),
        ("Chromogranin A: pending", "no number"),
        ("DHEA 12 nmol/L", "names no value of the form"),
        ("Hypertension: see letter", "not one of its answers"),
        ("Diabetes: no retinopathy", "not one of its answers"),
        ("Chromogranin A 95", "needs its unit"),
        ("HbA1c 43", "must lie between"),
        ("", "nothing to read"),
    ],
)
def test_what_is_not_sure_is_said_and_not_guessed(line: str, says: str | None) -> None:
    sentence = unread(line)
    assert says is None or says in sentence
    assert sentence.endswith(".")


def test_a_line_with_many_values_gives_each_its_own() -> None:
    found = read_pasted("Na 140 mmol/l K 3.9 mmol/l Krea 88 µmol/l CRP <1 mg/l")
    assert found.entries == {
        "potassium": FormEntry("3.9", "mmol/L"),
        "creatinine": FormEntry("88", "µmol/L"),
        "crp": FormEntry("<1", "mg/L"),
    }
    assert not found.unread
    assert list(found.entries) == [key for key in load_catalogue().variables if key in found.entries]


def test_a_report_of_several_lines_keeps_what_it_can_and_says_the_rest_with_line_numbers() -> None:
    found = read_pasted(
        "Analyse\tErgebnis\tEinheit\tReferenz\n"
        "Natrium\t140\tmmol/l\t135-145\n"
        "Kalium\t3,2\tmmol/l\t3,5-5,1\n"
        "Cortisol\t380\tnmol/l\t138-690\n"
        "LDH\t230\tU/l\tbis 250\n"
    )
    assert found.entries == {"potassium": FormEntry("3,2", "mmol/L", "5,1"), "ldh": FormEntry("230", "U/L", "250")}
    assert found.unread[0].startswith("Line 4: 'cortisol' does not say which test it is")
    assert found.unread[1] == "2 lines name no value of the form: 1, 2."


def test_nothing_of_a_person_is_kept_or_repeated() -> None:
    found = read_pasted(
        "Patient: Mustermann, Erika *12.03.1961  Fall 40012345\n"
        "Mustermann, Erika; 12.03.1961; 40012345; Kalium; 3,9; mmol/l\n"
        "Mustermann Cortisol 380 nmol/l\n"
        "Erika Testosteron 12 nmol/l Mustermann\n"
    )
    assert found.entries == {"potassium": FormEntry("3,9", "mmol/L")}
    assert len(found.unread) == 3
    said = " ".join([*found.unread, *(notice.text for notice in found.notices), str(found.entries)])
    for trace in ("mustermann", "erika", "1961", "12.03", "40012345"):
        assert trace not in said.casefold()


def test_the_same_value_twice_is_kept_once_and_two_different_ones_are_not_taken() -> None:
    assert read_pasted("CRP 3 mg/L\nCRP 3 mg/L").entries == {"crp": FormEntry("3", "mg/L")}
    assert "given in line 1 already" in unread("CRP 3 mg/L\nCRP 4 mg/L")


def test_remarks_bounds_and_bad_limits_are_said() -> None:
    def codes(text: str) -> tuple[Pasted, set[str]]:
        found = read_pasted(text)
        assert not found.unread
        return found, {notice.code for notice in found.notices}

    assert codes("Potassium 5.9 mmol/L haemolysed sample")[1] == {"remark_beside_value"}
    found, said = codes("CRP ≤0.6 mg/L")
    assert (found.entries["crp"].text, said) == ("<0.6", {"bound_included"})
    found, said = codes("LDH 200 U/L (30-40)")  # an upper limit below the range of the value itself is a column gone astray
    assert (found.entries["ldh"].upper_limit, said) == ("", {"limit_left_out"})
    assert codes("Potassium 1.9 mmol/L")[1] == {"unusual_value"}


def test_every_name_of_the_table_leads_to_its_value_and_every_entry_is_one_the_form_can_read() -> None:
    names, variables = load_names(), load_catalogue().variables
    assert len(names.by_text) > 250
    for words, name in names.by_text.items():
        variable = variables[name.keys[0]]
        if name.unit_decides or variable.kind not in ("number", "count"):
            continue
        assert variable.hard is not None
        middle = (max(variable.hard.low, 0.01) * variable.hard.high) ** 0.5 if variable.kind == "number" else 2
        unit = variable.units[0].name if variable.units else ""
        found = read_pasted(f"{words}\t{middle:.2f} {unit}" if variable.units else f"{words}\t{middle}")
        assert list(found.entries) == [variable.key], (words, found)
        record_from_form(found.entries)


def test_bad_text_is_never_an_error_and_costs_little() -> None:
    assert "too long" in read_pasted("x" * (LONGEST_TEXT + 1)).unread[0]
    started = time.perf_counter()
    for text in (
        "\x00\ud800 K",
        "()[]{}<>≤" * 500,
        "1-2-3-4" * 2000,
        "cortisol " * 2000,
        "K" + " " * 20000 + "3.9",
        "1,2.3,4 " * 3000,
    ):
        read_pasted(text)
    assert time.perf_counter() - started < 5

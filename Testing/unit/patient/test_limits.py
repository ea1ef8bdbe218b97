"""Comparisons that admit not to know; reference limits by age and sex; the aldosterone/renin ratio."""

from __future__ import annotations

import itertools

import pytest

from AdrenalClassifierLib.patient.limits import aldosterone_renin_ratios, is_hypokalaemic
from AdrenalClassifierLib.patient.quantity import Quantity, all_true, any_true, is_above, is_below
from AdrenalClassifierLib.patient.record import PatientRecord


def candidates(quantity: Quantity) -> list[float]:
    """True values that a report allows, on a grid around it."""
    grid = [n / 16 for n in range(320)]
    if quantity.comparator == "<":
        return [x for x in grid if x < quantity.value]
    if quantity.comparator == ">":
        return [x for x in grid if x > quantity.value]
    return [quantity.value]


@pytest.mark.parametrize(("comparator", "value", "limit"), list(itertools.product("=<>", (4.0, 5.0, 6.0), (4.75, 5.0, 5.25))))
def test_comparison_answers_only_what_holds_for_every_value_that_the_report_allows(comparator, value, limit) -> None:
    quantity = Quantity(value, comparator)
    above = {x > limit for x in candidates(quantity)}
    below = {x < limit for x in candidates(quantity)}
    assert is_above(quantity, limit) == (above.pop() if len(above) == 1 else None)
    assert is_below(quantity, limit) == (below.pop() if len(below) == 1 else None)


def test_a_missing_value_is_neither_above_nor_below() -> None:
    assert is_above(None, 5) is None
    assert is_below(None, 5) is None


def test_dexamethasone_result_below_50_is_not_above_50_and_one_below_60_is_open() -> None:
    assert is_above(Quantity(50, "<"), 50) is False
    assert is_above(Quantity(60, "<"), 50) is None
    assert is_above(Quantity(50, ">"), 50) is True
    assert is_above(Quantity(50), 50) is False


@pytest.mark.parametrize("values", list(itertools.product((True, False, None), repeat=3)))
def test_three_valued_or_and_and_agree_with_every_completion(values: tuple[bool | None, ...]) -> None:
    complete = list(itertools.product(*[(True, False) if v is None else (v,) for v in values]))
    some = {any(c) for c in complete}
    every = {all(c) for c in complete}
    assert any_true(*values) == (some.pop() if len(some) == 1 else None)
    assert all_true(*values) == (every.pop() if len(every) == 1 else None)


def nmn(value: float, comparator: str = "=", upper: float | None = None, **history: object) -> PatientRecord:
    values = {k: Quantity(v) if k == "age" else v for k, v in history.items()}
    return PatientRecord({"normetanephrine": Quantity(value, comparator, upper), **values})


@pytest.mark.parametrize(
    ("age", "limit"),
    [(18, 0.55), (29.9, 0.55), (30, 0.6), (39, 0.6), (40, 0.67), (49, 0.67), (50, 0.8), (59, 0.8), (60, 0.99), (90, 0.99)],
)  # fmt: skip
def test_upper_limit_of_normetanephrine_follows_the_age(age: float, limit: float) -> None:
    # Eisenhofer, Ann Clin Biochem 2013;50:62.
    record = nmn(limit * 2, age=age)
    assert record.upper_limit_of("normetanephrine") == limit
    assert record.ratio_to_upper_limit("normetanephrine") == pytest.approx(2)


def test_without_age_the_limit_is_not_known_but_extreme_values_are_judged() -> None:
    # The limits of adults lie between 0.55 and 1.05 nmol/L (Eisenhofer 2013).
    assert nmn(0.7).upper_limit_of("normetanephrine") is None
    assert nmn(0.7).ratio_to_upper_limit("normetanephrine") is None
    assert nmn(0.55).is_above_upper_limit("normetanephrine") is False
    assert nmn(0.7).is_above_upper_limit("normetanephrine") is None
    assert nmn(1.06).is_above_upper_limit("normetanephrine") is True


def test_between_two_published_limits_the_answer_is_open() -> None:
    # From 60 years on: 0.99 in the table, 1.05 in the paper's text.
    assert nmn(0.99, age=65).is_above_upper_limit("normetanephrine") is False
    assert nmn(1.02, age=65).is_above_upper_limit("normetanephrine") is None
    assert nmn(1.06, age=65).is_above_upper_limit("normetanephrine") is True


def test_the_laboratorys_own_limit_comes_first() -> None:
    record = nmn(1.02, upper=0.9, age=65)
    assert record.upper_limit_of("normetanephrine") == 0.9
    assert record.is_above_upper_limit("normetanephrine") is True
    assert record.ratio_to_upper_limit("normetanephrine") == pytest.approx(1.02 / 0.9)


def test_a_censored_age_gives_a_limit_only_when_one_band_is_certain() -> None:
    record = PatientRecord({"normetanephrine": Quantity(0.5), "age": Quantity(89, ">")})
    assert record.upper_limit_of("normetanephrine") == 0.99
    record = PatientRecord({"normetanephrine": Quantity(0.5), "age": Quantity(45, ">")})
    assert record.upper_limit_of("normetanephrine") is None


def test_limits_that_depend_on_sex_need_it() -> None:
    values = {"testosterone": Quantity(5.0), "estradiol": Quantity(120.0)}
    unknown, woman, man = (PatientRecord({**values, **sex}) for sex in ({}, {"sex": "female"}, {"sex": "male"}))
    assert [r.upper_limit_of("testosterone") for r in (unknown, woman, man)] == [None, 2, 30]
    assert [r.is_above_upper_limit("testosterone") for r in (unknown, woman, man)] == [None, True, False]
    # A limit for women after the menopause is never applied by itself.
    assert [r.upper_limit_of("estradiol") for r in (unknown, woman, man)] == [None, None, 150]


def test_a_general_limit_stands_in_where_the_sex_is_not_known() -> None:
    values = {"acth": Quantity(7.0)}
    limits = [PatientRecord({**values, **sex}).upper_limit_of("acth") for sex in ({}, {"sex": "female"}, {"sex": "male"})]
    assert limits == [8.8, 6, 11.1]
    assert PatientRecord(values).is_above_upper_limit("acth") is None  # above the women's limit, below the men's
    assert PatientRecord({"acth": Quantity(12.0)}).is_above_upper_limit("acth") is True


def test_a_variable_without_limit_has_no_ratio() -> None:
    record = PatientRecord({"crp": Quantity(3.0)})
    assert record.upper_limit_of("crp") is None
    assert record.ratio_to_upper_limit("crp") is None
    assert record.is_above_upper_limit("crp") is None


def ratios(**values: Quantity) -> dict[str, tuple[float, str, bool | None]]:
    return {r.kind.unit: (r.value, r.comparator, r.suggestive) for r in aldosterone_renin_ratios(PatientRecord(values))}


def test_ratio_uses_parts_of_one_kind_and_is_labelled_with_its_unit() -> None:
    # 554.8 pmol/L are 20 ng/dL (27.74 pmol/L per ng/dL); kinds are never mixed or converted.
    found = ratios(aldosterone=Quantity(554.8), renin=Quantity(4.0), renin_activity=Quantity(0.5))
    assert found == {
        "pmol/mIU": (pytest.approx(138.7), "=", True),
        "(ng/dL)/(ng/mL/h)": (pytest.approx(40.0), "=", True),
    }
    assert list(ratios(aldosterone=Quantity(554.8), renin_activity=Quantity(0.5))) == ["(ng/dL)/(ng/mL/h)"]
    assert ratios(aldosterone=Quantity(554.8)) == {}
    assert ratios(renin=Quantity(4.0)) == {}


def test_ratio_with_activity_suggests_nothing_below_15_ng_per_decilitre() -> None:
    assert ratios(aldosterone=Quantity(14 * 27.74), renin_activity=Quantity(0.1))["(ng/dL)/(ng/mL/h)"][2] is False
    assert ratios(aldosterone=Quantity(15 * 27.74), renin_activity=Quantity(0.1))["(ng/dL)/(ng/mL/h)"][2] is True


@pytest.mark.parametrize(
    ("aldosterone", "renin", "expected"),
    [
        (Quantity(400), Quantity(2, "<"), (200.0, ">", True)),  # renin below 2: the ratio is above 200
        (Quantity(40, "<"), Quantity(2), (20.0, "<", False)),
        (Quantity(400, ">"), Quantity(10), (40.0, ">", None)),
        (Quantity(400), Quantity(10, ">"), (40.0, "<", False)),
    ],
)
def test_a_censored_part_makes_the_ratio_a_bound(aldosterone, renin, expected) -> None:
    assert ratios(aldosterone=aldosterone, renin=renin)["pmol/mIU"] == (pytest.approx(expected[0]), *expected[1:])


def test_a_ratio_bounded_from_neither_side_does_not_exist() -> None:
    assert ratios(aldosterone=Quantity(40, "<"), renin=Quantity(2, "<")) == {}


@pytest.mark.parametrize(
    ("flag", "potassium", "expected"),
    [
        (None, None, None), (True, None, True), (False, None, False), (None, 3.4, True), (None, 3.5, False), (False, 3.4, True),
        (True, 4.0, True),
    ],
)  # fmt: skip
def test_hypokalaemia_by_report_or_by_potassium(flag: bool | None, potassium: float | None, expected: bool | None) -> None:
    values: dict[str, object] = {} if flag is None else {"hypokalaemia": flag}
    if potassium is not None:
        values["potassium"] = Quantity(potassium)
    assert is_hypokalaemic(PatientRecord(values)) is expected

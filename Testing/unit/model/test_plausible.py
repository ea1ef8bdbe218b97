"""What a missing value would change: ranges from training, values through the patient record, ranked by effect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from AdrenalClassifierLib.imaging.measurements import Measurements, measure
from AdrenalClassifierLib.model.features import default_features, feature_value
from AdrenalClassifierLib.model.plausible import LEAST_VALUES, PlausibleRange, plausible_ranges, what_if
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity
from support.examples import small_lesion

MEASURED = measure(small_lesion())
FEATURES = {f.name: f for f in default_features()}


def cohort(n: int = 200) -> list[PatientRecord]:
    """Patients with a value of each kind, some missing, some below the detection limit, limits of their own."""
    records = []
    for k in range(n):
        values: dict[str, object] = {
            "age": f"{25 + k % 50}",
            "sex": "male" if k % 4 == 0 else "female",
            "cortisol_dst": f"{'<' if k % 5 == 0 else ''}{20 + k} nmol/L",
            "weight_loss": k % 3 == 0,
            "sex_steroid_signs": k % 40 == 0,
            "normetanephrine": {"value": 0.3 + 0.01 * k, "unit": "nmol/L", "upper_limit": 1.0},
        }
        if k % 2:
            values["metanephrine"] = {"value": 0.2 + 0.002 * k, "unit": "nmol/L", "upper_limit": 0.5}
            del values["weight_loss"]
        records.append(record_from_json({k2: v for k2, v in values.items() if v is not None})[0])
    return records


PATIENTS = cohort()
RANGES = {r.key: r for r in plausible_ranges(default_features(), [MEASURED] * len(PATIENTS), PATIENTS)}


def test_ranges_are_the_percentiles_and_common_categories_of_the_values_present() -> None:
    numbers = [(20 + k) / (np.sqrt(2) if k % 5 == 0 else 1) for k in range(200)]
    assert RANGES["cortisol_dst"].values == pytest.approx(np.percentile(numbers, [10, 50, 90]), rel=5e-3)
    assert RANGES["cortisol_dst"].kind == "number"
    ratios = [0.3 + 0.01 * k for k in range(200)]
    assert RANGES["normetanephrine"].kind == "ratio"
    assert RANGES["normetanephrine"].values == pytest.approx(np.percentile(ratios, [10, 50, 90]), rel=5e-3)
    assert RANGES["weight_loss"].values == (False, True)  # the more frequent first
    assert RANGES["weight_loss"].lesions == 100
    assert RANGES["sex"].values == ("female", "male")


def test_a_rare_category_a_constant_and_a_handful_of_values_give_no_range() -> None:
    assert "sex_steroid_signs" not in RANGES  # 1 in 40
    assert "spontaneous_hu" not in RANGES  # the same in every case
    assert "ldh" not in RANGES  # never given
    few = cohort(LEAST_VALUES - 1)
    assert "cortisol_dst" not in {r.key for r in plausible_ranges(default_features(), [MEASURED] * len(few), few)}


def test_of_results_that_stand_for_each_other_the_one_given_most_often_has_the_range() -> None:
    assert "metanephrine" not in RANGES  # given half as often as normetanephrine
    assert set(RANGES["normetanephrine"].alternatives) == set(FEATURES["metanephrines"].inputs)


def test_ranges_survive_json() -> None:
    for item in RANGES.values():
        assert PlausibleRange.from_json(item.to_json()) == item


def by_hand(measurements: Measurements, patient: PatientRecord):  # type: ignore[no-untyped-def]
    """A model whose probability is a known function of two columns."""
    ratio = feature_value(FEATURES["metanephrines"], {}, measurements, patient)
    loss = feature_value(FEATURES["weight_loss"], {}, measurements, patient)
    hu = measurements.spontaneous_hu
    return "combined", 0.3 - 0.05 * (ratio or 0) + 0.02 * (loss or 0) + (0.0 if hu is None else 0.004 * (hu - 20))


def test_the_value_that_moves_the_probability_farthest_comes_first_with_both_ends() -> None:
    ranges = [RANGES["weight_loss"], RANGES["normetanephrine"], RANGES["cortisol_dst"]]
    patient, _ = record_from_json({"age": 61, "sex": "female"})
    found = what_if(ranges, replace(MEASURED, spontaneous_hu=None), patient, by_hand)
    assert [w.input for w in found] == ["normetanephrine", "weight_loss", "cortisol_dst"]
    first = found[0]
    low, _, high = RANGES["normetanephrine"].values
    # A higher metanephrine lowers the probability, so the lowest belongs to the 90th percentile.
    assert (first.lowest.ratio, first.highest.ratio) == (pytest.approx(high), pytest.approx(low))
    assert first.lowest.probability == pytest.approx(0.3 - 0.05 * np.log2(high))
    assert first.highest.probability == pytest.approx(0.3 - 0.05 * np.log2(low))
    assert found[2].span == 0.0
    assert (found[1].lowest.value, found[1].highest.value) == (False, True)


def test_a_ratio_enters_with_the_limit_that_holds_for_the_patient() -> None:
    """The limit of normetanephrine rises with age: the same multiple is another concentration."""
    seen: dict[str, float] = {}
    reference = load_catalogue().variables["normetanephrine"].reference
    for age in (25, 65):
        patient, _ = record_from_json({"age": age, "sex": "female"})
        (item,) = what_if([RANGES["normetanephrine"]], MEASURED, patient, by_hand)
        limit = next(r.upper for r in reference if (r.age_from or 0) <= age < (r.age_below or 200))
        assert item.highest.value == pytest.approx(item.highest.ratio * limit)
        seen[str(age)] = item.highest.value
        assert item.unit == "nmol/L"
    assert seen["65"] > seen["25"]
    (unknown,) = what_if([RANGES["normetanephrine"]], MEASURED, PatientRecord({}), by_hand)
    assert unknown.highest.ratio == pytest.approx(RANGES["normetanephrine"].values[0])


@pytest.mark.parametrize("key", ["normetanephrine", "metanephrine", "urine_metanephrine"])
def test_an_input_that_any_of_its_results_makes_known_is_not_missing(key: str) -> None:
    patient = PatientRecord({key: Quantity(0.4, "=", 0.5, None, "")})
    assert what_if([RANGES["normetanephrine"]], MEASURED, patient, by_hand) == ()


def test_a_missing_spontaneous_attenuation_is_supposed_on_the_measurements() -> None:
    rng = np.random.default_rng(0)
    cases = [replace(MEASURED, spontaneous_hu=float(v)) for v in rng.normal(20, 15, 300)]
    ranges = plausible_ranges(default_features(), cases, [PatientRecord({})] * 300)
    item = next(r for r in ranges if r.key == "spontaneous_hu")
    without = replace(MEASURED, spontaneous_hu=None)
    (found,) = what_if([item], without, PatientRecord({}), by_hand)
    assert (found.input, found.unit) == ("spontaneous_hu", "HU")
    assert (found.lowest.value, found.highest.value) == (item.values[0], item.values[2])
    assert found.span == pytest.approx(0.004 * (item.values[2] - item.values[0]))
    assert what_if([item], MEASURED, PatientRecord({}), by_hand) == ()


def test_a_model_that_cannot_be_computed_for_a_supposed_value_gives_nothing() -> None:
    assert what_if(list(RANGES.values()), MEASURED, PatientRecord({}), lambda m, p: None) == ()


def test_supposed_values_stay_within_what_a_record_may_hold() -> None:
    wide = replace(RANGES["cortisol_dst"], values=(0.1, 100.0, 1e6))
    (found,) = what_if([wide], MEASURED, PatientRecord({}), lambda m, p: ("combined", p.number("cortisol_dst") / 1e4))
    hard = load_catalogue().variables["cortisol_dst"].hard
    assert (found.lowest.value, found.highest.value) == (hard.low, hard.high)

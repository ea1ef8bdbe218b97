"""ESE/ENSAT 2023 (Fassnacht, Eur J Endocrinol 2023;189:G1-G42): every rule at and around its limits."""

from __future__ import annotations

import pytest

from AdrenalClassifierLib.guidelines.evaluate import GuidelineInputs, Verdict, evaluate
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity

NO_EXCESS = {
    "cushing_signs": False,
    "cortisol_dst": Quantity(30.0),
    "metanephrine": Quantity(0.2),
    "normetanephrine": Quantity(0.4),
    "hypertension": False,
    "hypokalaemia": False,
    "sex_steroid_signs": False,
}


def patient(**values: object) -> PatientRecord:
    return PatientRecord({k: Quantity(float(v)) if type(v) in (int, float) else v for k, v in values.items() if v is not None})


def says(question: str, inputs: GuidelineInputs) -> Verdict:
    (found,) = [v for v in evaluate(inputs) if v.guideline == "ESE/ENSAT 2023" and v.question == question]
    return found


def imaging(axis: float | None, hu: float | None, homogeneous: bool | None, **values: object) -> Verdict:
    return says("imaging", GuidelineInputs(axis, hu, homogeneous, patient=patient(**{**NO_EXCESS, **values})))


@pytest.mark.parametrize(
    ("axis", "hu", "homogeneous", "code", "rule"),
    [
        (15, 10.0, True, "benign", "R2.3"),  # R2.3: homogeneous and <= 10 HU, any size
        (120, 10.0, True, "benign", "R2.3"),
        (15, -30.0, True, "benign", "R2.3"),
        (15, 10.01, True, "additional_imaging", "R2.4"),  # R2.4: 10 < HU <= 20, < 4 cm; the mean is not rounded
        (39.9, 20.0, True, "additional_imaging", "R2.4"),
        (40, 20.0, True, "individualise", "residual"),  # >= 4 cm and 11-20 HU
        (39.9, 20.01, True, "individualise", "residual"),  # < 4 cm and > 20 HU
        (15, 5.0, False, "individualise", "residual"),  # < 4 cm and heterogeneous
        (40, 20.01, True, "surgery_usual", "high_risk"),  # >= 4 cm and > 20 HU
        (40, -5.0, False, "surgery_usual", "high_risk"),  # >= 4 cm and heterogeneous
    ],
)
def test_imaging_rules(axis: float, hu: float, homogeneous: bool, code: str, rule: str) -> None:
    found = imaging(axis, hu, homogeneous)
    assert (found.verdict, found.rule, found.missing) == (code, rule, ())
    assert found.possible == (code,)
    assert found.inputs["spontaneous_hu"] == hu
    assert "10.1093/ejendo/lvad066" in found.citation


def test_hormone_excess_leads_from_additional_imaging_to_an_individual_decision() -> None:
    assert imaging(25, 15, True, cortisol_dst=Quantity(51.0)).verdict == "individualise"
    assert imaging(25, 15, True, cortisol_dst=Quantity(50.0)).verdict == "additional_imaging"


def test_unknown_hormone_excess_leaves_the_verdict_open_but_bounded() -> None:
    found = imaging(25, 15, True, cortisol_dst=None)
    assert found.verdict == "at_least_additional_imaging"
    assert found.missing == ("cortisol_dst",)
    assert found.possible == ("additional_imaging", "individualise")
    assert found.missing_labels == ("Cortisol after 1 mg dexamethasone",)
    assert found.text == "At least additional imaging, possibly individual decision in the multidisciplinary meeting."
    assert not found.decided


def test_hormones_do_not_matter_where_the_rule_does_not_look_at_them() -> None:
    for inputs in (GuidelineInputs(25, 5, True), GuidelineInputs(60, 30, True), GuidelineInputs(25, 30, True)):
        found = says("imaging", inputs)
        assert found.decided
        assert "cortisol_dst" not in found.inputs


@pytest.mark.parametrize(
    ("axis", "hu", "homogeneous", "code", "missing"),
    [
        (None, 5, True, "benign", ()),  # any size
        (50, None, False, "surgery_usual", ()),  # heterogeneous and large whatever the attenuation
        (50, 25, None, "surgery_usual", ()),  # dense and large whether homogeneous or not
        (25, 25, None, "individualise", ()),
        (25, 5, None, "cannot_decide", ("homogeneous",)),
        (50, None, True, "cannot_decide", ("spontaneous_hu",)),
        (25, None, True, "cannot_decide", ("spontaneous_hu",)),
        (None, 25, True, "at_least_individualise", ("long_axis_mm",)),
        (50, 15, None, "at_least_individualise", ("homogeneous",)),
        (None, 15, True, "at_least_additional_imaging", ("long_axis_mm",)),
    ],
)
def test_missing_imaging_values(axis, hu, homogeneous, code: str, missing: tuple[str, ...]) -> None:
    found = imaging(axis, hu, homogeneous)
    assert found.verdict == code
    assert found.missing == missing
    assert bool(found.rule) == (not missing)


def test_values_that_are_not_finite_count_as_missing_and_a_size_of_zero_is_refused() -> None:
    found = imaging(50, float("nan"), True)
    assert (found.verdict, found.missing) == ("cannot_decide", ("spontaneous_hu",))
    assert imaging(float("inf"), 15, False).verdict == "at_least_individualise"
    with pytest.raises(ValueError, match="above 0"):
        GuidelineInputs(0.0)


def test_macroscopic_fat_is_mentioned_where_the_rule_passes_over_it() -> None:
    found = says("imaging", GuidelineInputs(60, -40, False, True))
    assert found.verdict == "surgery_usual"
    assert "macroscopic fat was found" in found.text
    assert found.inputs["macroscopic_fat"] is True
    assert "fat" not in says("imaging", GuidelineInputs(60, -40, False, False)).text


# Growth by more than 20 % of the earlier diameter and at least 5 mm within a year: 30 mm now, 25 mm a year ago is exactly 20 %.
@pytest.mark.parametrize(
    ("values", "axis", "code", "missing"),
    [
        ({"growth_rate": 5.0}, 30, "no_relevant_growth", ()),
        ({"growth_rate": 5.01}, 30, "reconsider_surgery", ()),
        ({"growth_rate": 4.9}, 10, "no_relevant_growth", ()),  # 96 %, but below 5 mm
        ({"growth_rate": 5.0}, 10, "reconsider_surgery", ()),
        ({"growth_rate": 12.0}, 10, "reconsider_surgery", ()),
        ({"growth_rate": -8.0}, 30, "no_relevant_growth", ()),
        ({"growth_rate": 4.0}, None, "no_relevant_growth", ()),
        ({"growth_rate": 8.0}, None, "cannot_decide", ("long_axis_mm",)),
        ({"growth_rate": Quantity(5.0, "<")}, 30, "no_relevant_growth", ()),
        ({"growth_rate": Quantity(9.0, "<")}, 30, "cannot_decide", ("growth_rate",)),
        ({"growth_rate": Quantity(9.0, ">")}, 30, "reconsider_surgery", ()),
        ({"prior_imaging": "none"}, 30, "no_prior_imaging", ()),
        ({"prior_imaging": "stable"}, 30, "no_relevant_growth", ()),
        ({"prior_imaging": "stable", "growth_rate": 9.0}, 30, "reconsider_surgery", ()),
        ({"prior_imaging": "growing"}, 30, "cannot_decide", ("growth_rate",)),
        ({"prior_imaging": "growing"}, None, "cannot_decide", ("growth_rate", "long_axis_mm")),
        ({"prior_imaging": "new"}, 30, "reconsider_surgery", ()),
        ({"prior_imaging": "new"}, 4, "no_relevant_growth", ()),
        ({"prior_imaging": "new"}, None, "cannot_decide", ("long_axis_mm",)),
        ({}, 30, "cannot_decide", ("prior_imaging", "growth_rate")),
    ],
)
def test_growth(values: dict[str, object], axis: float | None, code: str, missing: tuple[str, ...]) -> None:
    found = says("growth", GuidelineInputs(axis, patient=patient(**values)))
    assert (found.verdict, found.missing) == (code, missing)
    if code in ("reconsider_surgery", "no_relevant_growth"):
        assert any("5 mm" in text for text in found.unsourced)


@pytest.mark.parametrize(
    ("values", "code", "missing"),
    [
        ({"age": 39.9, "pregnancy": False}, "lower_threshold", ()),
        ({"age": 40, "pregnancy": False}, "usual_threshold", ()),
        ({"age": 45, "pregnancy": True}, "lower_threshold", ()),
        ({"age": 45}, "cannot_decide", ("pregnancy",)),
        ({"age": 45, "sex": "female"}, "cannot_decide", ("pregnancy",)),
        ({"age": 45, "sex": "male"}, "usual_threshold", ()),
        ({"age": 60}, "usual_threshold", ()),  # from 60 years on pregnancy is not asked for
        ({"age": 30}, "lower_threshold", ()),
        ({"pregnancy": True}, "lower_threshold", ()),
        ({"sex": "male"}, "cannot_decide", ("age",)),
        ({"age": Quantity(89.0, ">")}, "usual_threshold", ()),
    ],
)
def test_age_below_40_or_pregnancy_lowers_the_threshold_for_an_indeterminate_mass(values, code: str, missing) -> None:
    found = says("young_or_pregnant", GuidelineInputs(25, 30, True, patient=patient(**values)))
    assert (found.verdict, found.missing) == (code, missing)


def test_age_and_pregnancy_do_not_matter_for_a_mass_that_is_benign_by_imaging() -> None:
    assert says("young_or_pregnant", GuidelineInputs(25, 10, True)).verdict == "usual_threshold"
    found = says("young_or_pregnant", GuidelineInputs(25, None, True, patient=patient(age=30)))
    assert (found.verdict, found.missing) == ("cannot_decide", ("spontaneous_hu",))


def test_meeting_is_asked_for_by_imaging_hormones_or_growth_and_else_only_with_everything_known() -> None:
    benign = {**NO_EXCESS, "prior_imaging": "none"}

    def meeting(hu: float | None, homogeneous: bool | None = True, **values: object) -> Verdict:
        return says("multidisciplinary_meeting", GuidelineInputs(30, hu, homogeneous, patient=patient(**{**benign, **values})))

    assert meeting(10).verdict == "mdt_not_required"
    assert meeting(10.1).text == "Discuss in the multidisciplinary meeting: not benign by imaging."
    assert meeting(5, cortisol_dst=80).verdict == "mdt"
    assert "hormone excess" in meeting(5, cortisol_dst=80).text
    assert "growth" in meeting(5, prior_imaging="growing", growth_rate=10).text
    assert meeting(None).missing == ("spontaneous_hu",)
    assert meeting(5, None).missing == ("homogeneous",)
    assert meeting(5, prior_imaging=None).missing == ("prior_imaging", "growth_rate")
    assert meeting(5, cushing_signs=None).missing == ("cushing_signs",)
    # Metanephrines are not asked for in a homogeneous lesion of at most 10 HU; a raised value counts all the same.
    assert meeting(5, metanephrine=None, normetanephrine=None).verdict == "mdt_not_required"
    assert meeting(5, metanephrine=None, normetanephrine=5).verdict == "mdt"


# ESE/ENSAT 2023: above 50 nmol/L without overt signs is MACS.
@pytest.mark.parametrize(
    ("dst", "signs", "code", "missing"),
    [
        (Quantity(50.0), False, "no_autonomous_cortisol", ()),
        (Quantity(50.1), False, "macs", ()),
        (Quantity(50.0, "<"), False, "no_autonomous_cortisol", ()),
        (Quantity(49.0, "<"), False, "no_autonomous_cortisol", ()),
        (Quantity(55.0, "<"), False, "cannot_decide", ("cortisol_dst",)),
        (Quantity(50.0, ">"), False, "macs", ()),
        (Quantity(40.0, ">"), False, "cannot_decide", ("cortisol_dst",)),
        (Quantity(30.0), True, "overt_cortisol_excess", ()),
        (None, True, "overt_cortisol_excess", ()),
        (Quantity(30.0), None, "cannot_decide", ("cushing_signs",)),
        (Quantity(80.0), None, "at_least_macs", ("cushing_signs",)),
        (None, None, "cannot_decide", ("cushing_signs", "cortisol_dst")),
    ],
)
def test_cortisol(dst: Quantity | None, signs: bool | None, code: str, missing: tuple[str, ...]) -> None:
    found = says("cortisol", GuidelineInputs(patient=patient(cortisol_dst=dst, cushing_signs=signs)))
    assert (found.verdict, found.missing) == (code, missing)


def test_a_limit_of_1_8_ug_per_decilitre_is_the_same_as_50_nmol_per_litre() -> None:
    # The guideline prints both: 1.8 ug/dL * 27.59 = 49.7 nmol/L, 1.9 ug/dL = 52.4 nmol/L.
    from AdrenalClassifierLib.patient.parse import record_from_json

    for text, code in (("1.8", "no_autonomous_cortisol"), ("<1.8", "no_autonomous_cortisol"), ("1.9", "macs")):
        record, _ = record_from_json({"cortisol_dst_ug_dl": text, "cushing_signs": "no"})
        assert says("cortisol", GuidelineInputs(patient=record)).verdict == code


@pytest.mark.parametrize(
    ("hu", "homogeneous", "code", "missing"),
    [
        (10, True, "metanephrines_unnecessary", ()),
        (10.1, True, "metanephrines_needed", ()),
        (5, False, "metanephrines_needed", ()),
        (None, False, "metanephrines_needed", ()),
        (None, True, "cannot_decide", ("spontaneous_hu",)),
        (5, None, "cannot_decide", ("homogeneous",)),
    ],
)
def test_metanephrines_are_unnecessary_in_a_homogeneous_lesion_of_at_most_10_hu(hu, homogeneous, code: str, missing) -> None:
    found = says("metanephrines", GuidelineInputs(20, hu, homogeneous))
    assert (found.verdict, found.missing) == (code, missing)


def test_metanephrine_statement_tells_the_result_at_hand() -> None:
    for values, words in (
        ({"metanephrine": 0.3, "normetanephrine": 0.5}, "they are not raised"),
        ({"normetanephrine": 5}, "they are raised"),
        ({"metanephrine": 0.3}, "no complete result"),
    ):
        assert words in says("metanephrines", GuidelineInputs(30, 30, True, patient=patient(**values))).text


def test_unsourced_details_are_marked() -> None:
    assert any("12 months" in text for text in imaging(25, 15, True).unsourced)
    assert any("6 to 12 months" in text for text in imaging(25, 30, True).unsourced)
    assert any("4.0 cm" in text for text in imaging(50, 30, True).unsourced)
    assert imaging(25, 5, True).unsourced == ()

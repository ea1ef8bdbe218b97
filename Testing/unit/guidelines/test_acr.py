"""ACR white paper 2017 (Mayo-Smith, J Am Coll Radiol 2017;14:1038): every branch at and around its limits."""

from __future__ import annotations

import pytest

from AdrenalClassifierLib.guidelines.evaluate import GuidelineInputs, Verdict, evaluate
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity

KNOWN = {
    "age": Quantity(55.0),
    "discovery_mode": "incidental",
    "prior_imaging": "none",
    "prior_cancer": "none",
    "cushing_signs": False,
    "cortisol_dst": Quantity(30.0),
    "metanephrine": Quantity(0.2),
    "normetanephrine": Quantity(0.4),
    "hypertension": False,
    "hypokalaemia": False,
    "sex_steroid_signs": False,
}


def acr(axis: float | None, hu: float | None, fat: bool | None = False, apw=None, rpw=None, **values: object) -> Verdict:
    record = PatientRecord({k: v for k, v in {**KNOWN, **values}.items() if v is not None})
    (found,) = [v for v in evaluate(GuidelineInputs(axis, hu, True, fat, apw, rpw, record)) if v.guideline == "ACR 2017"]
    return found


@pytest.mark.parametrize(
    ("axis", "hu", "more", "code", "rule"),
    [
        (9.9, 40, {}, "no_work_up", "below_1_cm"),
        (10, 9.99, {}, "benign_no_follow_up", "1"),  # below 10 HU
        (80, 9.99, {}, "benign_no_follow_up", "1"),
        (80, 40, {"fat": True}, "benign_no_follow_up", "1"),
        (10, 10, {}, "probably_benign", "3_small"),  # exactly 10 HU is not below 10
        (19.9, 40, {}, "probably_benign", "3_small"),
        (20, 10, {}, "benign_by_adrenal_ct", "adrenal_ct_benign"),  # the adrenal CT's own limit: at most 10 HU
        (20, 10.1, {}, "adrenal_ct", "3_adrenal_ct"),
        (40, 40, {}, "adrenal_ct", "3_adrenal_ct"),  # 1-4 cm includes 4.0
        (40.1, 40, {}, "consider_resection", "5"),  # above 4 cm
        (40.1, 40, {"prior_cancer": "in_remission"}, "pet_ct_or_biopsy", "5"),
        (30, 40, {"apw": 60.0, "rpw": 10.0}, "benign_by_adrenal_ct", "adrenal_ct_benign"),
        (30, 40, {"apw": 10.0, "rpw": 40.0}, "benign_by_adrenal_ct", "adrenal_ct_benign"),
        (30, 40, {"apw": 59.9, "rpw": 39.9}, "indeterminate_after_adrenal_ct", "3_indeterminate"),
        (15, 40, {"prior_imaging": "stable"}, "no_follow_up", "2_stable"),
        (15, 40, {"prior_imaging": "stable", "cortisol_dst": Quantity(90.0)}, "functioning", "2_stable"),
        (15, 40, {"prior_imaging": "growing"}, "adrenal_ct_or_resection", "2_growing"),
        (15, 40, {"prior_imaging": "new"}, "adrenal_ct_or_resection", "2_growing"),
        (15, 40, {"prior_imaging": "new", "prior_cancer": "active"}, "biopsy_or_pet_ct", "2_growing"),
        (15, 40, {"prior_cancer": "active"}, "adrenal_ct_first", "4"),
        (15, 40, {"prior_cancer": "active", "apw": 30.0, "rpw": 30.0}, "pet_ct_or_biopsy", "4"),
        (15, 40, {"prior_cancer": "active", "apw": 70.0, "rpw": 50.0}, "benign_by_adrenal_ct", "adrenal_ct_benign"),
    ],
)
def test_every_branch(axis: float, hu: float, more: dict[str, object], code: str, rule: str) -> None:
    found = acr(axis, hu, **more)
    assert (found.verdict, found.rule) == (code, rule)
    assert "10.1016/j.jacr.2017.05.001" in found.citation


def test_ten_hu_is_benign_for_ese_ensat_but_not_below_ten_for_acr() -> None:
    record = PatientRecord(KNOWN)
    verdicts = {(v.guideline, v.question): v.verdict for v in evaluate(GuidelineInputs(15, 10.0, True, False, patient=record))}
    assert verdicts["ESE/ENSAT 2023", "imaging"] == "benign"
    assert verdicts["ACR 2017", "imaging"] == "probably_benign"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"discovery_mode": "cancer_staging"}, "not found incidentally"),
        ({"discovery_mode": "symptoms"}, "not found incidentally"),
        ({"cushing_signs": True}, "signs of hormone excess"),
        ({"sex_steroid_signs": True}, "signs of hormone excess"),
    ],
)
def test_outside_the_scope_the_verdict_says_why(values: dict[str, object], words: str) -> None:
    found = acr(15, 40, **values)
    assert (found.verdict, found.rule) == ("out_of_scope", "scope")
    assert words in found.text


def test_whether_it_is_in_scope_must_be_known() -> None:
    assert acr(15, 40, discovery_mode=None).missing == ("discovery_mode",)
    assert acr(15, 40, age=None).missing == ("age",)
    assert acr(15, 5, age=None).verdict == "cannot_decide"


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ({"axis": 15, "hu": None}, ("spontaneous_hu",)),
        ({"axis": 15, "hu": 40, "fat": None}, ("macroscopic_fat",)),
        ({"axis": None, "hu": 40}, ("long_axis_mm",)),
        ({"axis": None, "hu": 5}, ("long_axis_mm",)),
        ({"axis": 15, "hu": 40, "prior_cancer": None}, ("prior_cancer",)),
        ({"axis": 15, "hu": 40, "prior_imaging": None}, ("prior_imaging",)),
        ({"axis": 15, "hu": 40, "prior_imaging": "stable", "cortisol_dst": None}, ("cortisol_dst",)),
        ({"axis": 30, "hu": 40, "apw": None, "rpw": 30.0}, ("absolute_washout_percent",)),
    ],
)
def test_what_would_change_the_verdict_is_listed(arguments: dict[str, object], missing: tuple[str, ...]) -> None:
    found = acr(**arguments)
    assert (found.verdict, found.rule, found.missing) == ("cannot_decide", "", missing)
    assert len(found.possible) > 1


def test_what_cannot_change_the_verdict_is_not_asked_for() -> None:
    assert acr(15, 5, None, prior_imaging=None, prior_cancer=None, cortisol_dst=None).verdict == "benign_no_follow_up"
    assert acr(15, 40, prior_imaging="stable", prior_cancer=None).verdict == "no_follow_up"
    assert acr(5, None, None, prior_imaging=None, prior_cancer=None).verdict == "no_work_up"
    assert acr(60, 40, prior_imaging=None).verdict == "consider_resection"


def test_an_adrenal_ct_is_asked_for_with_its_washout_as_missing() -> None:
    found = acr(30, 40)
    assert (found.verdict, found.missing) == ("adrenal_ct", ("absolute_washout_percent", "relative_washout_percent"))


def test_branches_without_a_source_are_marked() -> None:
    assert any("2 cm" in text for text in acr(30, 40).unsourced)
    assert "details of this branch" in acr(60, 40).unsourced
    assert "details of this branch" in acr(15, 40, prior_cancer="active").unsourced
    assert all(any("pages" in text for text in acr(axis, 40).unsourced) for axis in (5, 15, 30, 60))

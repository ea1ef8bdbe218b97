"""EURINE-ACT (Bancos, Lancet Diabetes Endocrinol 2020;8:773): thresholds, and every published figure recomputed."""

from __future__ import annotations

import math

import pytest

from AdrenalClassifierLib.guidelines.evaluate import GuidelineInputs, Verdict, evaluate
from AdrenalClassifierLib.guidelines.verdict import Performance, load_guideline, load_performance
from AdrenalClassifierLib.patient.record import PatientRecord

MALIGNANT, BENIGN = 98 + 65, 1767 + 87  # Table 2: ACC and other malignant; ACA and other benign
# Table 2, positive results: ACC, other malignant, ACA, other benign.
COUNTS = {"size": (96, 46, 296, 50), "imaging": (97, 63, 289, 44), "both": (95, 45, 83, 24)}
Z = 1.959963984540054  # 97.5th percentile of the standard normal distribution


def verdict(axis: float | None, hu: float | None, metabolomics: str | None = None) -> Verdict:
    record = PatientRecord({"urine_steroid_metabolomics": metabolomics} if metabolomics else {})
    (found,) = [v for v in evaluate(GuidelineInputs(axis, hu, True, patient=record)) if v.guideline == "EURINE-ACT"]
    return found


@pytest.mark.parametrize(
    ("axis", "hu", "metabolomics", "code"),
    [
        (39.9, 20, None, "negative"),
        (40, 20, None, "size_only"),
        (39.9, 20.1, None, "imaging_only"),
        (40, 20.1, None, "positive"),
        (40, 20.1, "high", "positive_usm_high"),
        (40, 20.1, "moderate", "positive_usm_moderate"),
        (40, 20.1, "low", "positive_usm_low"),
        (39.9, 20.1, "high", "imaging_only"),
    ],
)
def test_thresholds_are_4_cm_and_20_hu_then_metabolomics(axis: float, hu: float, metabolomics: str | None, code: str) -> None:
    found = verdict(axis, hu, metabolomics)
    assert found.verdict == code
    assert found.rule == "triple_test"
    assert found.missing == (("urine_steroid_metabolomics",) if code == "positive" else ())
    assert "10.1016/S2213-8587(20)30218-7" in found.citation
    assert "surgical series" in found.text


def test_a_missing_value_leaves_it_open() -> None:
    assert (verdict(50, None).verdict, verdict(50, None).missing) == ("cannot_decide", ("spontaneous_hu",))
    assert verdict(None, 30).possible == ("imaging_only", "positive")
    assert verdict(None, 30, "high").possible == ("imaging_only", "positive_usm_high")


def wilson(count: int, of: int) -> tuple[float, float, float]:
    """Share in per cent with its 95 % interval: Wilson, J Am Stat Assoc 1927;22:209."""
    p = count / of
    middle = (p + Z**2 / (2 * of)) / (1 + Z**2 / of)
    half = Z / (1 + Z**2 / of) * math.sqrt(p * (1 - p) / of + Z**2 / (4 * of**2))
    return 100 * p, 100 * (middle - half), 100 * (middle + half)


def test_table_2_adds_up() -> None:
    assert (MALIGNANT, BENIGN, MALIGNANT + BENIGN) == (163, 1854, 2017)


@pytest.mark.parametrize("rule", COUNTS)
@pytest.mark.parametrize("metric", ["sensitivity", "specificity", "ppv", "npv"])
def test_proportions_and_wilson_intervals_follow_from_the_counts_of_table_2(rule: str, metric: str) -> None:
    acc, other_malignant, adenoma, other_benign = COUNTS[rule]
    tp, fp = acc + other_malignant, adenoma + other_benign
    tn, fn = BENIGN - fp, MALIGNANT - tp
    count, of = {
        "sensitivity": (tp, MALIGNANT), "specificity": (tn, BENIGN), "ppv": (tp, tp + fp), "npv": (tn, tn + fn),
    }[metric]  # fmt: skip
    found = load_performance()[f"{rule}_{metric}"]
    assert (found.count, found.of, found.metric) == (count, of, metric)
    assert (found.value, found.low, found.high) == pytest.approx(wilson(count, of), abs=0.0501)
    assert found.source.tag == "computed"


@pytest.mark.parametrize("rule", COUNTS)
@pytest.mark.parametrize("metric", ["lr_positive", "lr_negative"])
def test_likelihood_ratios_and_log_intervals_follow_from_the_counts(rule: str, metric: str) -> None:
    acc, other_malignant, adenoma, other_benign = COUNTS[rule]
    tp, fp = acc + other_malignant, adenoma + other_benign
    a, b = (tp, fp) if metric == "lr_positive" else (MALIGNANT - tp, BENIGN - fp)
    ratio = (a / MALIGNANT) / (b / BENIGN)
    # Simel, J Clin Epidemiol 1991;44:763.
    half = Z * math.sqrt(1 / a - 1 / MALIGNANT + 1 / b - 1 / BENIGN)
    found = load_performance()[f"{rule}_{metric}"]
    expected = (ratio, ratio * math.exp(-half), ratio * math.exp(half))
    assert (found.value, found.low, found.high) == pytest.approx(expected, rel=0.005)


def test_published_figures_for_adrenocortical_carcinoma_are_those_of_the_abstract() -> None:
    figures = {
        "acc_hu20_sensitivity": (99.0, 94.4, 100.0),
        "acc_hu20_specificity": (80.0, 77.9, 82.0),
        "acc_hu10_sensitivity": (100.0, 96.3, 100.0),
        "acc_hu10_specificity": (64.0, 61.4, 66.4),
        "acc_size_ppv": (19.7, 16.2, 23.5),
        "acc_usm_high_ppv": (34.6, 28.6, 41.0),
        "acc_size_usm_high_ppv": (64.1, 55.1, 72.3),
    }
    found = load_performance()
    assert {key: (found[key].value, found[key].low, found[key].high) for key in figures} == figures
    assert {found[key].source.tag for key in figures} == {"sourced"}
    assert wilson(96, 488)[0] == pytest.approx(19.7, abs=0.05)  # 96 carcinomas of 488 lesions of 4 cm or more


def test_figures_that_are_only_recalled_are_marked_and_have_no_interval() -> None:
    for key, value in (("acc_triple_ppv", 76.4), ("acc_triple_low_npv", 99.7)):
        found = load_performance()[key]
        assert (found.value, found.low, found.high, found.source.tag) == (value, None, None, "unsourced")
    assert "PPV of all three tests" in verdict(50, 30, "high").unsourced
    assert "NPV of a low-risk triple test" in verdict(50, 30, "low").unsourced


def test_predictive_values_at_the_surgical_prevalence_in_the_note_are_those_of_bayes() -> None:
    sensitivity, specificity, prevalence = 140 / 163, 1747 / 1854, 101 / 385
    ppv = sensitivity * prevalence / (sensitivity * prevalence + (1 - specificity) * (1 - prevalence))
    npv = specificity * (1 - prevalence) / (specificity * (1 - prevalence) + (1 - sensitivity) * prevalence)
    accuracy = sensitivity * prevalence + specificity * (1 - prevalence)
    note = load_performance()["both_ppv"].note
    for name, value in (("PPV", ppv), ("NPV", npv), ("accuracy", accuracy)):
        assert f"{name} {100 * value:.1f} %" in note


def test_every_verdict_carries_the_figures_of_both_rules_and_the_surgical_mix() -> None:
    for arguments in ((30, 10), (50, 10), (30, 30), (50, 30), (50, 30, "high")):
        metrics = {(p.rule, p.metric) for p in verdict(*arguments).performance}
        assert ("diameter >= 4 cm and unenhanced attenuation > 20 HU", "sensitivity") in metrics
        assert any("synthetic surgical series" in p.population for p in verdict(*arguments).performance)


# Counts behind the other computed figures: Canu (JCEM 2019;104), Buitenwerf (EJE 2018), Schloetelburg (EJE 2022;186).
@pytest.mark.parametrize(
    ("key", "count", "of"),
    [("pcc_canu", 374, 376), ("pcc_buitenwerf", 221, 222), ("washout_absolute", 51, 142), ("washout_relative", 50, 142)],
)
def test_other_computed_figures_follow_from_their_counts(key: str, count: int, of: int) -> None:
    found = load_performance()[key]
    assert (found.count, found.of) == (count, of)
    assert (found.value, found.low, found.high) == pytest.approx(wilson(count, of), abs=0.0501)


def test_washout_misclassifies_as_published() -> None:
    # Schloetelburg, EJE 2022;186: 35.9 % and 35.2 % of 142 lesions above 10 HU.
    found = load_performance()
    assert (found["washout_absolute"].value, found["washout_relative"].value) == (35.9, 35.2)


def test_metanephrine_figures_are_those_of_eisenhofer_2013() -> None:
    found = load_performance()
    for key, value, of in (("metanephrines_sensitivity", 93.6, 558), ("metanephrines_specificity", 96.0, 3888 - 558)):
        item = found[key]
        assert item.value == value
        assert (item.low, item.high) == pytest.approx(wilson(round(value * of / 100), of)[1:], abs=0.0501)


def test_every_performance_entry_is_complete_and_used() -> None:
    used: set[Performance] = set()
    for name in ("ese_ensat_2023", "acr_2017", "eurine_act"):
        for outcomes in load_guideline(name).questions.values():
            used.update(p for outcome in outcomes.values() for p in outcome.performance)
    assert used == set(load_performance().values())
    for item in used:
        assert item.population
        assert item.target
        assert item.source.text
        assert (item.low is None) == (item.high is None) == (not item.interval)
        if item.low is not None and item.high is not None:
            assert item.low <= item.value <= item.high

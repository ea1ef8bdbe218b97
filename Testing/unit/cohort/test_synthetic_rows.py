"""The tabular draw is what the clinical reference (section 1.4, 2.3) asks for, within sampling error.

Expected values are the reference's own numbers, entered here again, or follow from them by the formula given; tolerances are
multiples of the standard error at the size of the draw.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from AdrenalClassifierLib.cohort.synthetic.case import class_counts, draw_table
from AdrenalClassifierLib.cohort.synthetic.variables import Given, choices_of, classes, variables
from AdrenalClassifierLib.errors import CohortError
from AdrenalClassifierLib.patient.catalogue import load_catalogue

# Clinical reference, section 1.4: n, median cm, sigma_ln, HU mean, SD, clip, P(heterogeneous) < 4 / >= 4 cm, age, SD, % women.
REFERENCE = {
    "adenoma_lipid_rich": (70, 2.8, 0.45, 0, 9, -25, 0.03, 0.20, 54, 12, 62),
    "adenoma_lipid_poor": (72, 2.9, 0.45, 23, 9, 11, 0.08, 0.30, 52, 13, 68),
    "phaeochromocytoma": (88, 5.1, 0.475, 36, 10, 10, 0.40, 0.80, 52, 15, 52),
    "myelolipoma": (12, 7.5, 0.50, -40, 28, -110, 0.90, 0.95, 58, 12, 50),
    "cyst": (14, 5.2, 0.60, 15, 12, -5, 0.20, 0.40, 45, 14, 60),
    "ganglioneuroma": (12, 5.7, 0.45, 30, 9, 5, 0.20, 0.35, 38, 15, 50),
    "other_benign": (16, 4.0, 0.50, 28, 12, -10, 0.25, 0.45, 52, 14, 58),
    "acc": (52, 9.0, 0.45, 34, 9, 14, 0.60, 0.95, 49, 15, 62),
    "metastasis": (38, 4.3, 0.55, 34, 8, 14, 0.35, 0.75, 64, 11, 38),
    "lymphoma": (6, 8.5, 0.35, 40, 6, 28, 0.10, 0.25, 66, 10, 38),
    "sarcoma": (5, 8.0, 0.45, 38, 9, 20, 0.70, 0.95, 58, 14, 45),
}
SIZE_LIMITS_CM, AGE_LIMITS = (1.0, 24.0), (18.0, 95.0)
MEASURED_HU_SD, MEASURED_SIGMA_LN = 6.0, 0.065
NAMES = tuple(REFERENCE)


def of(draw, name: str):  # type: ignore[no-untyped-def]
    return draw.lesion_class == NAMES.index(name)


def within(share: float, expected: float, n: int, errors: float = 4.0) -> bool:
    """Whether an observed share fits a probability."""
    return abs(share - expected) <= errors * np.sqrt(expected * (1 - expected) / n) + 1e-12


def test_the_classes_are_those_of_the_reference_in_its_order() -> None:
    assert tuple(c.name for c in classes().classes) == NAMES
    assert tuple(c.count for c in classes().classes) == tuple(r[0] for r in REFERENCE.values())
    assert class_counts(385) == tuple(r[0] for r in REFERENCE.values())
    assert sum(c.count for c in classes().classes if c.malignant) == 101


@pytest.mark.parametrize("lesions", [1, 2, 3, 10, 100, 384, 386, 500, 770, 1000])
def test_other_numbers_are_scaled_by_largest_remainder(lesions) -> None:  # type: ignore[no-untyped-def]
    counts = np.array(class_counts(lesions))
    exact = np.array([r[0] for r in REFERENCE.values()]) * lesions / 385
    assert counts.sum() == lesions
    assert (np.abs(counts - exact) < 1).all()
    rounded_up = exact - np.floor(exact)
    assert rounded_up[counts > np.floor(exact)].min(initial=1) >= rounded_up[counts == np.floor(exact)].max(initial=0) - 1e-9


def test_no_lesion_at_all_is_refused() -> None:
    with pytest.raises(CohortError, match="at least one lesion"):
        draw_table(0)


@pytest.mark.parametrize("name", NAMES)
def test_median_size_of_a_class(draw, name) -> None:  # type: ignore[no-untyped-def]
    _, median, sigma, *_ = REFERENCE[name]
    found = np.log(draw.truth.cm[of(draw, name)])
    low, high = norm.cdf((np.log(SIZE_LIMITS_CM) - np.log(median)) / sigma)
    expected = np.log(median) + sigma * norm.ppf((low + high) / 2)
    # Standard error of a median: sqrt(pi / 2) sigma / sqrt(n).
    assert abs(np.median(found) - expected) < 4 * 1.2533 * sigma / np.sqrt(found.size)
    assert abs(np.exp(expected) / median - 1) < 0.02  # the limits move no median by more than 2 %
    assert np.exp(found.min()) >= SIZE_LIMITS_CM[0] - 1e-9
    assert np.exp(found.max()) <= SIZE_LIMITS_CM[1] + 1e-9


@pytest.mark.parametrize("name", NAMES)
def test_mean_and_sd_of_measured_attenuation_of_a_class(draw, name) -> None:  # type: ignore[no-untyped-def]
    mu, s, c = REFERENCE[name][3:6]
    member = of(draw, name)
    assert draw.truth.hu[member].min() >= c
    found = draw.truth.hu[member] + draw.truth.scan_error_hu[member] + draw.truth.lesion_error_hu[member]
    # max(X, c) of a normal X, plus an independent error.
    a = (c - mu) / s
    mean = c * norm.cdf(a) + mu * norm.sf(a) + s * norm.pdf(a)
    square = c**2 * norm.cdf(a) + (mu**2 + s**2) * norm.sf(a) + s * (mu + c) * norm.pdf(a)
    sd = np.sqrt(square - mean**2 + MEASURED_HU_SD**2)
    assert abs(found.mean() - mean) < 4 * sd / np.sqrt(found.size)
    assert abs(found.std() - sd) < 4 * sd / np.sqrt(2 * found.size)
    seen = ~np.isnan(draw.rows.columns["measured_hu"][member])
    np.testing.assert_allclose(draw.rows.columns["measured_hu"][member][seen], found[seen])


def test_the_measured_diameter_has_the_designed_error(draw) -> None:  # type: ignore[no-untyped-def]
    error = np.log(draw.rows.columns["measured_cm"] / draw.truth.cm)
    assert abs(error.mean()) < 4 * MEASURED_SIGMA_LN / np.sqrt(error.size)
    assert abs(error.std() / MEASURED_SIGMA_LN - 1) < 4 / np.sqrt(2 * error.size)
    assert abs(np.corrcoef(error, draw.truth.cm)[0, 1]) < 4 / np.sqrt(error.size)


@pytest.mark.parametrize("name", NAMES)
def test_heterogeneity_age_and_sex_of_a_class(draw, name) -> None:  # type: ignore[no-untyped-def]
    small, large, mean, sd, women = REFERENCE[name][6:]
    member = of(draw, name)
    big = draw.truth.cm[member] >= 4
    heterogeneous = draw.rows.columns["heterogeneous"][member]
    assert within(heterogeneous[~big].mean() if (~big).any() else small, small, max((~big).sum(), 1))
    assert within(heterogeneous[big].mean(), large, big.sum())
    ages = draw.rows.columns["age"][member]
    a, b = (np.array(AGE_LIMITS) - mean) / sd
    z = norm.cdf(b) - norm.cdf(a)
    expected = mean + sd * (norm.pdf(a) - norm.pdf(b)) / z
    assert abs(ages.mean() - expected) < 4 * sd / np.sqrt(ages.size)
    assert (ages == np.rint(ages)).all()
    assert ages.min() >= 18
    assert ages.max() <= 95
    assert within((draw.rows.columns["sex"][member] == choices_of("sex").index("female")).mean(), women / 100, member.sum())


def missing(draw, key: str, where):  # type: ignore[no-untyped-def]
    return np.isnan(draw.rows.columns[key][where]).mean(), where.sum()


def test_what_is_missing_follows_the_designed_rates(draw) -> None:  # type: ignore[no-untyped-def]
    """Clinical reference 2.3."""
    column = draw.rows.columns
    for name in NAMES:
        rate, _ = missing(draw, "measured_hu", of(draw, name))
        assert 0.10 <= rate <= 0.36
    assert within(*missing_as(draw, "measured_hu", of(draw, "phaeochromocytoma"), 0.31))
    calm = column["prior_cancer"] != choices_of("prior_cancer").index("active")
    for name, expected in (("adenoma_lipid_rich", 0.15), ("phaeochromocytoma", 0.15), ("cyst", 0.45), ("myelolipoma", 0.60)):
        assert within(*missing_as(draw, "cortisol_dst", of(draw, name) & calm, expected))
    with np.errstate(invalid="ignore"):
        pale = column["measured_hu"] <= 10
    assert within(*missing_as(draw, "metanephrine", pale, 0.50))
    dense = (column["measured_hu"] > 10) & ~of(draw, "ganglioneuroma")
    assert 0.06 <= missing(draw, "metanephrine", dense)[0] <= 0.15
    suspicious = column["suspicious"] == 1
    assert within(*missing_as(draw, "dheas", suspicious, 0.20))
    assert within(*missing_as(draw, "dheas", ~suspicious, 0.45))
    assert within(*missing_as(draw, "ldh", ~of(draw, "lymphoma"), 0.60))
    assert within(*missing_as(draw, "ldh", of(draw, "lymphoma"), 1 - 20 / 26), errors=4.5)


def missing_as(draw, key: str, where, expected: float):  # type: ignore[no-untyped-def]
    rate, n = missing(draw, key, where)
    return rate, expected, n


def test_tests_are_ordered_on_suspicion_so_that_missingness_carries_information(draw) -> None:  # type: ignore[no-untyped-def]
    malignant = np.array([c.malignant for c in classes().classes])[draw.lesion_class]
    ordered = ~np.isnan(draw.rows.columns["dheas"])
    assert ordered[malignant].mean() > ordered[~malignant].mean() + 0.1


def test_the_anchors_of_history_and_laboratory(draw) -> None:  # type: ignore[no-untyped-def]
    """Clinical reference 1.2b, 1.4, 2.1 and 2.2: published shares, each with the room that the reference's own sources leave."""
    column = draw.rows.columns

    def share(key: str, value: str, where) -> float:  # type: ignore[no-untyped-def]
        known = where & ~np.isnan(column[key])
        return float((column[key][known] == choices_of(key).index(value)).mean())

    malignant = np.array([c.malignant for c in classes().classes])[draw.lesion_class]
    pcc, acc, met = (of(draw, n) for n in ("phaeochromocytoma", "acc", "metastasis"))
    adenoma = of(draw, "adenoma_lipid_rich") | of(draw, "adenoma_lipid_poor")
    with np.errstate(invalid="ignore"):
        raised = (column["metanephrine"] > 0.45) | (column["normetanephrine"] > 1.05)
        tested = ~np.isnan(column["metanephrine"]) & ~np.isnan(column["normetanephrine"])
        high_dst = column["cortisol_dst"] > 50
        dst = ~np.isnan(column["cortisol_dst"])
    assert abs(raised[tested & pcc].mean() - 0.936) < 0.04  # sensitivity 93.6 %
    assert abs(raised[tested & ~pcc].mean() - 0.04) < 0.04  # specificity 96.0 %
    assert abs(high_dst[dst & adenoma].mean() - 0.55) < 0.12  # 55 % at Mayo, about 50 % elsewhere
    assert abs(share("weight_loss", "yes", malignant) - 0.39) < 0.12
    assert abs(share("weight_loss", "yes", ~malignant) - 0.07) < 0.04
    assert abs(share("abdominal_pain", "yes", acc) - 0.402) < 0.06
    assert abs(share("hypertension", "yes", pcc) - 0.72) < 0.09  # 63 % incidental, 80.7 % pooled
    assert abs(share("discovery_mode", "incidental", pcc) - 0.61) < 0.08
    assert abs(share("discovery_mode", "genetic_screening", pcc) - 0.12) < 0.04
    assert abs(share("discovery_mode", "cancer_staging", met) - 0.585) < 0.06
    assert abs(share("discovery_mode", "incidental", met) - 0.363) < 0.06
    assert 0.85 <= 1 - share("prior_cancer", "none", met) <= 0.95
    assert abs(1 - share("genetic_syndrome", "none", pcc) - 0.207) < 0.04
    lung = share("prior_cancer_site", "lung", met)
    assert abs(lung - 0.39) < 0.05
    states = np.array(classes().states)[draw.truth.state]
    assert abs(np.isin(states[acc], ["cushing", "cushing_androgen"]).mean() - 0.30) < 0.04
    assert abs((states[acc] != "silent").mean() - 0.66) < 0.04


def test_the_sanity_line_of_the_reference(draw) -> None:  # type: ignore[no-untyped-def]
    """Section 1.4, computed there on noise-free draws and printed to two decimals; tolerance 0.015 for sampling and rounding."""
    malignant = np.array([c.malignant for c in classes().classes])[draw.lesion_class]
    cm, hu, heterogeneous = draw.truth.cm, draw.truth.hu, draw.rows.columns["heterogeneous"] > 0
    rules = {
        "HU > 10": (hu > 10, 1.00, 0.28),
        "HU > 20": (hu > 20, 0.95, 0.45),
        "4 cm": (cm >= 4, 0.81, 0.54),
        "4 cm and (HU > 20 or heterogeneous)": ((cm >= 4) & ((hu > 20) | heterogeneous), 0.81, 0.62),
    }
    for name, (positive, sensitivity, specificity) in rules.items():
        assert abs(positive[malignant].mean() - sensitivity) < 0.015, name
        assert abs((~positive)[~malignant].mean() - specificity) < 0.015, name
    assert abs(roc_auc_score(malignant, cm) - 0.76) < 0.015
    assert abs(roc_auc_score(malignant, hu) - 0.75) < 0.015


def test_every_column_is_one_of_the_catalogue_and_every_choice_one_of_its_choices() -> None:
    catalogue = load_catalogue()
    for variable in variables():
        known = catalogue.variables[variable.key]
        assert variable.column == known.column(), variable.key
        if variable.kind == "choice" and not variable.number:
            assert set(variable.values) <= {choice.value for choice in known.choices}


def test_every_rule_has_a_source_tag_and_probabilities_that_make_sense() -> None:
    import json

    from AdrenalClassifierLib.cohort.synthetic.variables import TABLES

    for name in ("history.json", "laboratory.json"):
        for variable in json.loads((TABLES / name).read_text())["variables"]:
            for rule in (*variable["rules"], *variable["missing"]):
                assert rule["source"], variable["key"]
                p = rule.get("p")
                if isinstance(p, list):
                    assert len(p) == len(variable["values"])
                    assert abs(sum(p) - 1) < 1e-9
                elif p is not None:
                    assert 0 <= p <= 1
            assert not variable["rules"][-1]["when"]
            assert not variable["missing"][-1]["when"]
    for lesion_class in classes().classes:
        assert abs(sum(lesion_class.states.values()) - 1) < 1e-9


def test_a_comparison_with_a_missing_value_never_holds() -> None:
    given = Given(0, 0, False, {"measured_cm": np.array([3.0, 3.0]), "age": np.array([np.nan, 40.0])})
    assert given.holds({"age": "<50"}).tolist() == [False, True]
    assert given.holds({"age": ">=50"}).tolist() == [False, False]
    assert given.holds({"present": "age"}).tolist() == [False, True]

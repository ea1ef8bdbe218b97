"""Predictive values at another prevalence: published counts, the delta method by simulation, and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit

from AdrenalClassifierLib.evaluation.metrics import Counts, predictive_values


@pytest.mark.parametrize(
    ("tp", "fp", "at_own", "at_surgical"),
    [
        (142, 346, (29.1, 98.6), (62.4, 94.7)),  # EURINE-ACT, Table 2: diameter of at least 4 cm
        (160, 333, (32.5, 99.8), (66.0, 99.2)),  # positive imaging
        (140, 107, (56.7, 98.7), (84.1, 94.9)),  # both
    ],
)
def test_published_counts_of_eurine_act(tp: int, fp: int, at_own: tuple[float, float], at_surgical: tuple[float, float]) -> None:
    counts = Counts(tp, fp, 163 - tp, 1854 - fp)
    own = counts.metrics()
    assert (100 * own["ppv"].value, 100 * own["npv"].value) == pytest.approx(at_own, abs=0.05)
    found = predictive_values(counts, 101 / 385)  # the published surgical cohort, 26.2 %
    assert (100 * found["ppv"].value, 100 * found["npv"].value) == pytest.approx(at_surgical, abs=0.05)
    # At the prevalence of the table itself Bayes' rule gives back the plain proportions.
    same = predictive_values(counts, 163 / 2017)
    assert same["ppv"].value == pytest.approx(own["ppv"].value)
    assert same["npv"].value == pytest.approx(own["npv"].value)


def test_the_width_on_the_logit_scale_is_the_spread_of_the_estimate() -> None:
    rng = np.random.default_rng(0)
    m, n, sensitivity, specificity, prevalence = 400, 600, 0.8, 0.85, 0.08
    tp, tn = rng.binomial(m, sensitivity, 20000), rng.binomial(n, specificity, 20000)
    ppv = tp / m * prevalence / (tp / m * prevalence + (1 - tn / n) * (1 - prevalence))
    npv = tn / n * (1 - prevalence) / (tn / n * (1 - prevalence) + (1 - tp / m) * prevalence)
    found = predictive_values(Counts(320, 90, 80, 510), prevalence)
    for name, drawn in (("ppv", ppv), ("npv", npv)):
        half = (logit(found[name].high) - logit(found[name].low)) / 2
        assert half / stats.norm.ppf(0.975) == pytest.approx(logit(drawn).std(), rel=0.03)


@pytest.mark.parametrize("prevalence", [0.08, 0.26])
def test_the_interval_covers_the_truth_at_the_size_of_a_test_part(prevalence: float) -> None:
    rng = np.random.default_rng(1)
    sensitivity, specificity = 0.87, 0.83
    truth = {
        "ppv": sensitivity * prevalence / (sensitivity * prevalence + (1 - specificity) * (1 - prevalence)),
        "npv": specificity * (1 - prevalence) / (specificity * (1 - prevalence) + (1 - sensitivity) * prevalence),
    }
    hits = dict.fromkeys(truth, 0)
    for tp, tn in zip(rng.binomial(30, sensitivity, 2000), rng.binomial(84, specificity, 2000), strict=True):
        found = predictive_values(Counts(int(tp), 84 - int(tn), 30 - int(tp), int(tn)), prevalence)
        for name, value in truth.items():
            hits[name] += found[name].low <= value <= found[name].high
    for count in hits.values():
        assert 0.93 <= count / 2000 <= 0.985


def test_an_empty_cell_uses_the_adjusted_estimates_and_holds_the_value() -> None:
    found = predictive_values(Counts(30, 0, 0, 84), 0.08)
    for name in ("ppv", "npv"):
        assert found[name].value == 1
        assert found[name].high == 1
        assert "adjusted" in found[name].method
    # Mercaldo's Table II: half of z^2 joins each cell.
    z = stats.norm.ppf(0.975)
    sensitivity, specificity = (30 + z**2 / 2) / (30 + z**2), (84 + z**2 / 2) / (84 + z**2)
    variance = (1 - sensitivity) / sensitivity / (30 + z**2) + specificity / (1 - specificity) / (84 + z**2)
    low = logit(0.08) + np.log(sensitivity / (1 - specificity)) - z * np.sqrt(variance)
    assert logit(found["ppv"].low) == pytest.approx(low)
    never = predictive_values(Counts(0, 0, 30, 84), 0.08)
    assert never["ppv"].value is None
    assert never["ppv"].reason == "no lesion was called malignant"
    assert never["npv"].value == pytest.approx(0.92)  # nothing was learnt: one less the prevalence
    assert predictive_values(Counts(3, 0, 1, 0), 0.08)["ppv"].reason == "no benign lesion"

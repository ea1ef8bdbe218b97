"""The ceiling: the exact probability of malignancy of a synthetic row."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.stats import chi2
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.preprocessing import StandardScaler

from AdrenalClassifierLib.cohort.synthetic.posterior import log_joint, malignancy_probability
from AdrenalClassifierLib.cohort.synthetic.rows import TabularRows
from AdrenalClassifierLib.cohort.synthetic.variables import choices_of, classes, variables


@pytest.fixture(scope="module")
def target(draw):  # type: ignore[no-untyped-def]
    return np.array([c.malignant for c in classes().classes])[draw.lesion_class]


@pytest.fixture(scope="module")
def probability(draw):  # type: ignore[no-untyped-def]
    return malignancy_probability(draw.rows)


def test_it_is_calibrated(target, probability) -> None:  # type: ignore[no-untyped-def]
    """In ten bins of equal width the number of malignant lesions fits the sum of probabilities (chi squared at 0.1 %)."""
    bins = np.minimum((probability * 10).astype(int), 9)
    score = 0.0
    for n in range(10):
        p, y = probability[bins == n], target[bins == n]
        score += (y.sum() - p.sum()) ** 2 / (p * (1 - p)).sum()
    assert score < chi2.ppf(0.999, 10)
    # Reliability term of the Brier score (Murphy 1973), which is 0 for the true probability.
    reliability = sum((bins == n).sum() * (probability[bins == n].mean() - target[bins == n].mean()) ** 2 for n in range(10))
    assert reliability / target.size < 2e-4


def test_its_brier_score_is_the_one_it_promises(target, probability) -> None:  # type: ignore[no-untyped-def]
    promised = probability * (1 - probability)
    squares = (probability - target) ** 2
    assert abs((squares - promised).mean()) < 4 * (squares - promised).std() / np.sqrt(target.size)


def test_no_logistic_regression_on_the_same_rows_beats_it(draw, target, probability) -> None:  # type: ignore[no-untyped-def]
    columns = []
    for key, values in draw.rows.columns.items():
        gone = np.isnan(values)
        if gone.any():
            columns.append(gone)
        if len(choices_of(key)) > 2:
            columns += [values == n for n in range(1, len(choices_of(key)))]
        else:
            positive = np.nanmin(values) > 0
            shown = np.log(np.where(gone, 1.0, values)) if positive else np.where(gone, 0.0, values)
            columns.append(np.where(gone, shown[~gone].mean(), shown))
    x = StandardScaler().fit_transform(np.column_stack(columns).astype(float))
    fitted = LogisticRegression(C=1.0, max_iter=300).fit(x, target).predict_proba(x)[:, 1]
    best, ours = roc_auc_score(target, fitted), roc_auc_score(target, probability)
    assert ours > best
    assert np.mean((probability - target) ** 2) < np.mean((fitted - target) ** 2)


def test_more_knowledge_is_never_worse(draw, target, probability) -> None:  # type: ignore[no-untyped-def]
    imaging = ["measured_cm", "measured_hu", "heterogeneous"]
    metanephrines = ["metanephrine", "normetanephrine"]
    with_hormones = imaging + metanephrines
    steps = [["measured_cm"], imaging[:2], imaging, with_hormones, [*with_hormones, "prior_cancer", "demography"]]
    scores = [roc_auc_score(target, malignancy_probability(draw.rows, step)) for step in steps]
    scores.append(roc_auc_score(target, probability))
    assert all(b > a for a, b in pairwise(scores))


def rows_with(**columns: np.ndarray) -> TabularRows:
    """Rows in which everything that is not given is missing."""
    n = len(next(iter(columns.values())))
    base = {key: np.full(n, np.nan) for key in ("measured_hu", *(v.key for v in variables()))}
    base |= {"measured_cm": np.full(n, 3.0), "heterogeneous": np.zeros(n), "suspicious": np.zeros(n), "age": np.full(n, 50.0)}
    base |= {"sex": np.zeros(n)}
    below = {v.key: np.zeros(n, bool) for v in variables() if v.lod}
    return TabularRows({**base, **columns}, below)


def test_the_density_of_the_measured_diameter_integrates_to_the_share_of_each_class() -> None:
    cm = np.exp(np.linspace(np.log(0.5), np.log(40), 8001))
    joint = np.exp(log_joint(rows_with(measured_cm=cm), ["measured_cm"]))
    shares = np.array([c.count for c in classes().classes]) / 385
    np.testing.assert_allclose(trapezoid(joint, cm, axis=0), shares, rtol=1e-4)


def test_diameter_and_heterogeneity_together_integrate_too() -> None:
    cm = np.exp(np.linspace(np.log(0.5), np.log(40), 8001))
    total = sum(
        trapezoid(
            np.exp(log_joint(rows_with(measured_cm=cm, heterogeneous=np.full(cm.size, h)), ["measured_cm", "heterogeneous"])),
            cm,
            axis=0,
        )
        for h in (0.0, 1.0)
    )
    np.testing.assert_allclose(total, np.array([c.count for c in classes().classes]) / 385, rtol=1e-4)


def test_the_density_of_attenuation_and_its_absence_sum_to_the_share_of_each_class() -> None:
    hu = np.linspace(-250, 150, 20001)
    joint = np.exp(log_joint(rows_with(measured_hu=hu), ["measured_hu"]))
    absent = np.exp(log_joint(rows_with(measured_hu=np.array([np.nan])), ["measured_hu"]))[0]
    shares = np.array([c.count for c in classes().classes]) / 385
    np.testing.assert_allclose(trapezoid(joint, hu, axis=0) + absent, shares, rtol=1e-4)


def test_choices_flags_and_their_absence_sum_to_the_share_of_each_class() -> None:
    shares = np.array([c.count for c in classes().classes]) / 385
    for key in ("prior_cancer", "genetic_syndrome", "weight_loss", "sex_steroid_signs"):
        codes = np.array([*range(len(choices_of(key))), np.nan])
        joint = np.exp(log_joint(rows_with(**{key: codes}), [key]))
        np.testing.assert_allclose(joint.sum(axis=0), shares, rtol=1e-9)


def test_a_laboratory_value_its_detection_limit_and_its_absence_sum_to_the_share_of_each_class() -> None:
    variable = next(v for v in variables() if v.key == "cortisol_dst")
    values = np.exp(np.linspace(np.log(variable.lod), np.log(20000), 20001))
    seen = np.exp(log_joint(rows_with(cortisol_dst=values), ["cortisol_dst"]))
    low = rows_with(cortisol_dst=np.array([variable.lod]))
    low.below["cortisol_dst"][:] = True
    total = trapezoid(seen, values, axis=0) + np.exp(log_joint(low, ["cortisol_dst"]))[0]
    total = total + np.exp(log_joint(rows_with(cortisol_dst=np.array([np.nan])), ["cortisol_dst"]))[0]
    np.testing.assert_allclose(total, np.array([c.count for c in classes().classes]) / 385, rtol=1e-4)


def test_ages_sum_to_the_share_of_each_class() -> None:
    ages = np.repeat(np.arange(18.0, 96.0), 2)
    sexes = np.tile([0.0, 1.0], 78)
    joint = np.exp(log_joint(rows_with(age=ages, sex=sexes), ["demography"]))
    np.testing.assert_allclose(joint.sum(axis=0), np.array([c.count for c in classes().classes]) / 385, rtol=1e-9)


def test_medicine_moves_the_probability_the_right_way() -> None:
    base = {"measured_cm": np.full(2, 5.0), "measured_hu": np.full(2, 35.0), "metanephrine": np.full(2, 0.2)}
    p = malignancy_probability(rows_with(**base, normetanephrine=np.array([0.4, 12.0])))
    assert p[1] < 0.1 < p[0]  # a raised normetanephrine means phaeochromocytoma
    p = malignancy_probability(rows_with(**base, prior_cancer=np.array([0.0, 2.0]), normetanephrine=np.full(2, 0.4)))
    assert p[1] > p[0] + 0.2
    p = malignancy_probability(rows_with(measured_hu=np.array([-5.0, 35.0]), measured_cm=np.array([2.5, 10.0])))
    assert p[0] < 0.02 < p[1]

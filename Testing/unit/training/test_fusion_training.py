"""The fusion's fit against scikit-learn, its sign limits, its calibration, and that patients never part."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from AdrenalClassifierLib.cohort.splits import Fold
from AdrenalClassifierLib.model.features import Feature
from AdrenalClassifierLib.training.fusion_training import _fit, _resamples, fit_fusion

FEATURES = (
    Feature("size", "radiological", "long_axis_mm", ("long_axis_mm",), "linear", sign=1),
    Feature("hormone", "clinical", "acth", ("acth",), "linear"),
    Feature("flag", "clinical", "weight_loss", ("weight_loss",), "flag", sign=-1),
)


def _cohort(n: int, seed: int, missing: float = 0.3):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    image, size, hormone, flag = rng.normal(size=(4, n))
    logit = -1 + 1.2 * image + 0.8 * size - 1.0 * hormone + 0.7 * (flag > 0)
    malignant = rng.random(n) < expit(logit)
    rows = []
    for k in range(n):
        gone = rng.random() < missing
        rows.append({
            "image": image[k], "size": size[k], "hormone": math.nan if gone else hormone[k], "flag": float(flag[k] > 0),
            "long_axis_mm__missing": 0.0, "acth__missing": float(gone), "weight_loss__missing": 0.0,
        })  # fmt: skip
    patients = [f"p{k // 2}" for k in range(n)]
    order = np.arange(n)
    folds = [Fold(0, f, order[(order // 2) % 5 != f], order[(order // 2) % 5 == f]) for f in range(5)]
    return rows, malignant, patients, folds


@pytest.mark.parametrize("penalty", [0.5, 10.0])
def test_without_sign_limits_the_fit_is_scikit_learns(penalty: float) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(200, 5))
    y = (rng.random(200) < expit(z @ np.array([1, -1, 0.5, 0, 0]) - 1)).astype(float)
    ours = _fit(z, y, np.zeros(5, int), penalty)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=5000).fit(z, y)
    np.testing.assert_allclose(ours, np.concatenate([theirs.intercept_, theirs.coef_[0]]), atol=2e-4)


def test_a_column_whose_direction_medicine_fixes_never_gets_the_other_sign() -> None:
    rows, malignant, patients, folds = _cohort(400, 1)
    fusion = fit_fusion("combined", rows, malignant, patients, FEATURES, folds, 0).fusion
    weights = dict(zip(fusion.columns, fusion.coefficient, strict=True))
    assert weights["flag"] == 0.0  # the truth is positive, the declared sign negative
    assert weights["size"] > 0
    assert weights["hormone"] < 0
    assert (fusion.resampled[:, fusion.columns.index("flag")] <= 0).all()


def test_each_model_has_its_own_columns() -> None:
    rows, malignant, patients, folds = _cohort(200, 2)
    columns = {m: fit_fusion(m, rows, malignant, patients, FEATURES, folds, 0).fusion.columns
               for m in ("image", "image+radiological", "image+clinical", "combined")}  # fmt: skip
    assert columns["image"] == ("image",)
    assert columns["image+radiological"] == ("image", "size")
    assert columns["image+clinical"] == ("image", "hormone", "flag", "acth__missing")
    assert columns["combined"] == ("image", "size", "hormone", "flag", "acth__missing")
    bare = fit_fusion("combined", rows, malignant, patients, FEATURES, folds, 0, indicators=False).fusion.columns
    assert "acth__missing" not in bare


def test_out_of_fold_predictions_are_calibrated_and_new_cases_nearly_so() -> None:
    rows, malignant, patients, folds = _cohort(600, 3)
    fit = fit_fusion("combined", rows, malignant, patients, FEATURES[:2], folds, 0)
    refit = _fit(fit.out_of_fold[:, None], malignant.astype(float), np.zeros(1, int), 1e-6)
    np.testing.assert_allclose(refit, [0.0, 1.0], atol=1e-3)  # intercept 0, slope 1 by construction of Platt's fit
    new_rows, new_malignant, _, _ = _cohort(4000, 4)
    logit = np.array([fit.fusion.logit(row) for row in new_rows])
    slope = _fit(logit[:, None], new_malignant.astype(float), np.zeros(1, int), 1e-6)[1]
    assert 0.8 < slope < 1.25
    assert abs(expit(logit).mean() - new_malignant.mean()) < 0.03


def test_pure_noise_gives_no_signal() -> None:
    rows, malignant, patients, folds = _cohort(300, 5)
    shuffled = np.random.default_rng(0).permutation(malignant)
    fit = fit_fusion("combined", rows, shuffled, patients, FEATURES, folds, 0)
    # A flat prediction, or nearly so: its spread on the log-odds scale is small against the 1.9 of the true model.
    assert np.std(fit.out_of_fold) < 0.4


def test_the_bootstrap_draws_whole_patients_within_strata() -> None:
    patients = ["a", "a", "b", "c", "d", "d", "d"]
    y = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    for drawn in _resamples(patients, y, 0):
        counts = {p: [list(drawn).count(n) for n in range(7) if patients[n] == p] for p in "abcd"}
        assert all(len(set(c)) == 1 for c in counts.values())
        assert counts["a"][0] + counts["c"][0] == 2
        assert counts["b"][0] + counts["d"][0] == 2


def test_contributions_add_up_to_the_logit_and_members_spread_it() -> None:
    rows, malignant, patients, folds = _cohort(200, 6)
    fusion = fit_fusion("combined", rows, malignant, patients, FEATURES, folds, 0).fusion
    for row in rows[:20]:
        parts = fusion.contributions(row)
        assert set(parts) == {"image", "long_axis_mm", "acth", "weight_loss"}
        assert fusion.intercept + sum(parts.values()) == pytest.approx(fusion.logit(row), abs=1e-12)
    spread = fusion.spread(rows[0], np.array([rows[0]["image"]] * 3))
    assert spread.shape == (300,)
    by_hand = fusion.resampled_intercept + fusion.resampled @ fusion.standardised(rows[0])
    np.testing.assert_allclose(spread.reshape(-1, 3), np.repeat(by_hand[:, None], 3, axis=1), atol=1e-12)

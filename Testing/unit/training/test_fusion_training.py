"""Fitting a fusion: sign limits, columns, choices by cross-validation, calibration, and that patients never part."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from AdrenalClassifierLib.cohort.splits import Fold
from AdrenalClassifierLib.evaluation.metrics import auc
from AdrenalClassifierLib.model.encoder import NETWORK_COLUMN
from AdrenalClassifierLib.model.features import Feature
from AdrenalClassifierLib.training.fusion_training import Labelled, fit_baseline, fit_fusion, platt, resamples

FEATURES = (
    Feature("size", "radiological", "long_axis_mm", ("long_axis_mm",), "linear", sign=1),
    Feature("hormone", "clinical", "acth", ("acth",), "linear"),
    Feature("flag", "clinical", "weight_loss", ("weight_loss",), "flag", sign=-1),
)


def _cohort(n: int, seed: int, missing: float = 0.3, informative: bool = False):  # type: ignore[no-untyped-def]
    rng = np.random.default_rng(seed)
    image, size, hormone, flag = rng.normal(size=(4, n))
    malignant = rng.random(n) < expit(-1 + 1.2 * image + 0.8 * size - 1.0 * hormone + 0.7 * (flag > 0))
    rows = []
    for k in range(n):
        gone = rng.random() < ((0.75 if malignant[k] else 0.1) if informative else missing)
        rows.append({
            NETWORK_COLUMN: image[k], "size": size[k], "hormone": math.nan if gone else hormone[k], "flag": float(flag[k] > 0),
            "long_axis_mm__missing": 0.0, "acth__missing": float(gone), "weight_loss__missing": 0.0,
        })  # fmt: skip
    patients = tuple(f"p{k // 2}" for k in range(n))
    order = np.arange(n)
    folds = [Fold(0, f, order[(order // 2) % 5 != f], order[(order // 2) % 5 == f]) for f in range(5)]
    histologies = tuple("acc" if m else "adenoma" for m in malignant)
    return rows, Labelled(patients, histologies, malignant), folds


def test_a_column_whose_direction_medicine_fixes_never_gets_the_other_sign() -> None:
    rows, labelled, folds = _cohort(400, 1)
    fusion = fit_fusion("combined", rows, labelled, FEATURES, folds, 0).fusion
    step = dict(zip(fusion.columns, fusion.weights[1] - fusion.weights[0], strict=True))
    assert step["flag"] == 0.0  # the truth is positive, the declared sign negative
    assert step["size"] > 0
    assert step["hormone"] < 0
    flags = fusion.resampled[:, :, fusion.columns.index("flag")]
    assert (flags[:, 1] <= 0).all()
    assert (flags[:, 0] >= 0).all()


def test_each_model_has_its_own_columns() -> None:
    rows, labelled, folds = _cohort(200, 2)
    columns = {m: fit_fusion(m, rows, labelled, FEATURES, folds, 0, use_indicators=True).fusion.columns
               for m in ("image", "image+radiological", "image+clinical", "combined")}  # fmt: skip
    assert columns["image"] == (NETWORK_COLUMN,)
    assert columns["image+radiological"] == (NETWORK_COLUMN, "size")
    assert columns["image+clinical"] == (NETWORK_COLUMN, "hormone", "flag", "acth__missing")
    assert columns["combined"] == (NETWORK_COLUMN, "size", "hormone", "flag", "acth__missing")
    bare = fit_fusion("combined", rows, labelled, FEATURES, folds, 0, use_indicators=False).fusion.columns
    assert "acth__missing" not in bare


def test_cross_validation_takes_indicators_only_where_they_tell_something() -> None:
    rows, labelled, folds = _cohort(500, 8, informative=True)
    fit = fit_fusion("combined", rows, labelled, FEATURES, folds, 0)
    assert fit.indicators
    assert auc(fit.out_of_fold, labelled.malignant).value > auc(fit.other_out_of_fold, labelled.malignant).value + 0.02
    rows, labelled, folds = _cohort(500, 9)
    assert not fit_fusion("image", rows, labelled, FEATURES, folds, 0).indicators  # none to take: fewer columns win


def test_out_of_fold_predictions_are_calibrated_and_new_cases_nearly_so() -> None:
    rows, labelled, folds = _cohort(600, 3)
    fit = fit_fusion("combined", rows, labelled, FEATURES[:2], folds, 0)
    slope, shift = platt(fit.out_of_fold, labelled.malignant.astype(float))
    assert (slope, shift) == (pytest.approx(1.0, abs=2e-3), pytest.approx(0.0, abs=2e-3))  # by construction of Platt's fit
    new_rows, new, _ = _cohort(4000, 4)
    found = np.array([fit.fusion.logit(row) for row in new_rows])
    assert 0.8 < platt(found, new.malignant.astype(float))[0] < 1.25
    assert abs(expit(found).mean() - new.malignant.mean()) < 0.03


def test_platt_is_logistic_regression_on_one_column() -> None:
    rng = np.random.default_rng(0)
    raw = rng.normal(size=500)
    y = (rng.random(500) < expit(0.4 * raw - 1)).astype(float)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(raw[:, None], y)
    assert platt(raw, y) == (pytest.approx(theirs.coef_[0, 0], abs=1e-3), pytest.approx(theirs.intercept_[0], abs=1e-3))
    slope, shift = platt(-raw, y)  # the wrong way round: no signal that may be used
    assert slope == 0.0
    assert shift == pytest.approx(logit(y.mean()), abs=1e-3)


def test_pure_noise_gives_no_signal() -> None:
    rows, labelled, folds = _cohort(300, 5)
    shuffled = np.random.default_rng(0).permutation(labelled.malignant)
    dealt = Labelled(labelled.patients, tuple("acc" if m else "adenoma" for m in shuffled), shuffled)
    fit = fit_fusion("combined", rows, dealt, FEATURES, folds, 0)
    # A flat prediction, or nearly so: its spread on the log-odds scale is small against the 1.9 of the true model.
    assert np.std(fit.out_of_fold) < 0.4


def test_a_mixture_of_malignant_histologies_is_told_apart_better_than_by_one_line() -> None:
    """Carcinomas have the hormone high and metastases low, benign lesions lie between: no single line can follow that."""
    rng = np.random.default_rng(7)
    kind = rng.integers(0, 4, 600)  # 0 and 1 benign, 2 carcinoma, 3 metastasis
    hormone = rng.normal(np.array([0, 0, 2.5, -2.5])[kind], 1)
    rows = [{NETWORK_COLUMN: 0.0, "hormone": h, "acth__missing": 0.0} for h in hormone]
    names = tuple(np.array(["adenoma", "cyst", "acc", "metastasis"])[kind])
    order = np.arange(600)
    folds = [Fold(0, f, order[order % 5 != f], order[order % 5 == f]) for f in range(5)]
    labelled = Labelled(tuple(map(str, order)), names, kind >= 2)
    fit = fit_fusion("image+clinical", rows, labelled, FEATURES[1:2], folds, 0)
    assert auc(fit.out_of_fold, kind >= 2).low > 0.85
    line = fit_fusion("image+clinical", rows, Labelled(labelled.patients, ("",) * 600, kind >= 2), FEATURES[1:2], folds, 0)
    assert auc(line.out_of_fold, kind >= 2).value < 0.6


def test_the_baseline_knows_size_only() -> None:
    rows, labelled, folds = _cohort(300, 10)
    baseline = fit_baseline(rows, labelled, FEATURES, folds, 0)
    assert baseline.columns == ("size",)
    assert len(baseline.groups) == 2


def test_the_bootstrap_draws_whole_patients_within_strata() -> None:
    patients = ["a", "a", "b", "c", "d", "d", "d"]
    y = np.array([1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0])
    for drawn in resamples(patients, y, 100, 0):
        counts = {p: [list(drawn).count(n) for n in range(7) if patients[n] == p] for p in "abcd"}
        assert all(len(set(c)) == 1 for c in counts.values())
        assert counts["a"][0] + counts["c"][0] == 2
        assert counts["b"][0] + counts["d"][0] == 2


def test_contributions_add_up_and_the_order_of_the_lesions_does_not_matter() -> None:
    rows, labelled, folds = _cohort(200, 6)
    fusion = fit_fusion("combined", rows, labelled, FEATURES, folds, 0).fusion
    for row in rows[:20]:
        parts = fusion.contributions(row)
        assert set(parts) == {"image", "long_axis_mm", "acth", "weight_loss"}
        assert fusion.intercept + sum(parts.values()) == pytest.approx(fusion.logit(row), abs=1e-9)

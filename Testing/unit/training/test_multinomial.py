"""The multinomial fit against scikit-learn, its sign limits, grouping of histologies, and standardisation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from AdrenalClassifierLib.training.multinomial import REST, Limits, Standard, fit_multinomial, group_histologies

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(400, 5))
TRUTH = RNG.normal(size=(4, 5))
INDEX = np.array([RNG.choice(4, p=p) for p in softmax(Z @ TRUTH.T, axis=1)])
MALIGNANT = np.array([False, False, True, True])
FREE = Limits(np.full((4, 5), -np.inf), np.full((4, 5), np.inf))


@pytest.mark.parametrize("penalty", [0.5, 10.0])
def test_without_sign_limits_the_fit_is_scikit_learns(penalty: float) -> None:
    ours = fit_multinomial(Z, INDEX, FREE, penalty)
    theirs = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=5000).fit(Z, INDEX)
    # The weights of all groups may move together without changing a probability; probabilities are compared.
    np.testing.assert_allclose(softmax(ours.bias + Z @ ours.weights.T, axis=1), theirs.predict_proba(Z), atol=2e-4)
    warm = fit_multinomial(Z, INDEX, FREE, penalty, fit_multinomial(Z, INDEX, FREE, 3.0))
    np.testing.assert_allclose(warm.weights, ours.weights, atol=2e-3)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sign_makes_the_log_odds_monotone_wherever_one_looks(sign: int) -> None:
    limits = Limits.of_signs([sign, 0, 0, 0, -sign], MALIGNANT)
    fit = fit_multinomial(Z, INDEX, limits, 1.0)
    assert ((fit.weights >= limits.low) & (fit.weights <= limits.high)).all()
    points = np.random.default_rng(1).normal(0, 3, (500, 5))
    before = fit.raw(points, MALIGNANT)
    for column, direction in ((0, sign), (4, -sign)):
        moved = points.copy()
        moved[:, column] += np.random.default_rng(2).uniform(0, 4, 500)
        assert (direction * (fit.raw(moved, MALIGNANT) - before) >= -1e-12).all()
    # The free fit is not monotone in both: the limits do something.
    free = fit_multinomial(Z, INDEX, FREE, 1.0)
    assert not ((free.weights >= limits.low) & (free.weights <= limits.high)).all()


def test_rare_histologies_share_a_group_of_their_nature() -> None:
    histologies = ["adenoma"] * 30 + ["cyst"] * 3 + ["myelolipoma"] * 4 + ["acc"] * 12 + ["sarcoma"] * 2
    malignant = np.array([h in ("acc", "sarcoma") for h in histologies])
    found = group_histologies(histologies, malignant)
    assert found.names == ("adenoma", REST[False], "acc", REST[True])
    assert found.malignant.tolist() == [False, False, True, True]
    assert [found.names[n] for n in found.index[[0, 31, 36, 40, 50]]] == ["adenoma", REST[False], REST[False], "acc", REST[True]]
    shuffled = np.random.default_rng(0).permutation(len(histologies))
    again = group_histologies([histologies[n] for n in shuffled], malignant[shuffled])
    assert again.names == found.names
    np.testing.assert_array_equal(again.index, found.index[shuffled])


def test_standardisation_leaves_missing_values_out_and_outliers_at_the_edge() -> None:
    x = np.column_stack([np.append(np.arange(200.0), 1e6), np.append(np.arange(200) % 2, np.nan), np.full(201, np.nan)])
    found = Standard.of(x)
    z = found.apply(x)
    assert z[200, 0] < 2  # a million is taken as the 99th percentile
    assert found.high[0] == pytest.approx(np.percentile(x[:, 0], 99))
    assert z[200, 1] == 0  # missing
    assert (found.low[1], found.high[1]) == (0, 1)  # a flag is not clipped
    np.testing.assert_allclose([z[:200, 1].mean(), z[:200, 1].std()], [0, 1], atol=1e-12)
    assert (z[:, 2] == 0).all()
    assert (found.apply(np.ones((1, 3)))[0, 2]) == 0  # never seen in training: says nothing

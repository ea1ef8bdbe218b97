"""The fusion alone: its formula, exact shares, monotone inputs, and the equality with logistic regression in the plain case."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax

from AdrenalClassifierLib.model.fusion import Fusion
from support.bundles import random_fusion

FUSION = random_fusion("combined", np.random.default_rng(5))


def _row(seed: int, missing: float = 0.2) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2, len(FUSION.columns))
    values[rng.random(len(values)) < missing] = np.nan
    return dict(zip(FUSION.columns, values, strict=True))


def test_the_logit_is_that_of_the_summed_probabilities_of_the_malignant_groups() -> None:
    row = _row(0)
    share = softmax(FUSION.bias + FUSION.weights @ FUSION.standardised(row))
    malignant = share[FUSION.malignant].sum()
    assert FUSION.logit(row) == pytest.approx(FUSION.slope * np.log(malignant / (1 - malignant)) + FUSION.shift)


@pytest.mark.parametrize("seed", range(5))
def test_contributions_and_intercept_add_up_exactly(seed: int) -> None:
    row = _row(seed)
    parts = FUSION.contributions(row)
    assert FUSION.intercept + sum(parts.values()) == pytest.approx(FUSION.logit(row), abs=1e-9)
    missing = {name: float("nan") for name in FUSION.columns}
    assert FUSION.logit(missing) == pytest.approx(FUSION.intercept)
    assert all(part == 0 for part in FUSION.contributions(missing).values())


def test_with_one_group_of_each_nature_it_is_a_logistic_regression() -> None:
    two = replace(
        FUSION,
        groups=("benign", "malignant"),
        malignant=np.array([False, True]),
        weights=FUSION.weights[1:3],
        bias=FUSION.bias[1:3],
    )
    row = _row(1)
    z = two.standardised(row)
    step = two.weights[1] - two.weights[0]
    assert two.logit(row) == pytest.approx(two.slope * (two.bias[1] - two.bias[0] + step @ z) + two.shift)
    parts = {}
    for name, part in zip(two.explains, two.slope * step * z, strict=True):
        parts[name] = parts.get(name, 0.0) + part
    assert two.contributions(row) == pytest.approx(parts, abs=1e-9)


def test_gradient_agrees_with_differences() -> None:
    z = np.random.default_rng(2).normal(size=len(FUSION.columns))
    step = 1e-5
    numeric = [
        (FUSION._logit_at(z + step * e) - FUSION._logit_at(z - step * e)) / (2 * step) for e in np.eye(len(FUSION.columns))
    ]
    np.testing.assert_allclose(FUSION._gradient_at(z[None])[0], numeric, atol=1e-6)


def test_values_beyond_what_training_saw_change_nothing_more() -> None:
    fusion = replace(FUSION, low=np.full(len(FUSION.columns), -1.0), high=np.full(len(FUSION.columns), 1.0))
    row = dict.fromkeys(FUSION.columns, 0.3)
    name = FUSION.columns[3]
    assert fusion.logit({**row, name: 1.0}) == fusion.logit({**row, name: 50.0})
    assert fusion.logit({**row, name: 0.9}) != fusion.logit({**row, name: 1.0})


def test_the_spread_holds_every_member_under_every_resample() -> None:
    row, scores = _row(3), np.array([-1.0, 0.5])
    found = FUSION.spread(row, FUSION.columns[0], scores).reshape(len(FUSION.resampled), 2)
    for b, (weights, bias) in enumerate(zip(FUSION.resampled, FUSION.resampled_bias, strict=True)):
        for m, score in enumerate(scores):
            alone = replace(FUSION, weights=weights, bias=bias).logit({**row, FUSION.columns[0]: score})
            assert found[b, m] == pytest.approx(alone)


def test_arrays_go_and_come_back() -> None:
    back = Fusion.from_arrays(FUSION.columns, FUSION.explains, FUSION.groups, FUSION.arrays())
    row = _row(4)
    assert back.logit(row) == pytest.approx(FUSION.logit(row), abs=1e-12)
    for name in ("weights", "low", "malignant"):
        broken = {**FUSION.arrays(), name: FUSION.arrays()[name][..., :-1]}
        with pytest.raises(ValueError, match="shapes"):
            Fusion.from_arrays(FUSION.columns, FUSION.explains, FUSION.groups, broken)

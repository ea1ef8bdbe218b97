"""The four models' last step: a penalised multinomial regression over histology groups, exact to explain.

Malignancy is a mixture: a carcinoma is betrayed by its hormones, a metastasis by a known cancer, while raised metanephrines speak
for a benign phaeochromocytoma. One logistic line cannot follow that; a line for each histology group can. With ``f_g = bias_g +
weights_g . z`` on standardised columns ``z``, the log-odds of malignancy are

    logit = slope * (logsumexp(f_g, g malignant) - logsumexp(f_g, g benign)) + shift

with one calibration slope and shift. Where medicine knows the direction of an input, its weights are at least zero in every
malignant and at most zero in every benign group (or the reverse), which makes the logit monotone in it whatever the others are.
With one benign and one malignant group this is the usual logistic regression.

Fitted in ``training``; here it is only applied. A missing value takes the training mean, so that it contributes nothing by
itself, and switches the input's missing-indicator on where the model has one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

ModelName = Literal["image", "image+radiological", "image+clinical", "combined"]
MODELS: tuple[ModelName, ...] = ("image", "image+radiological", "image+clinical", "combined")
GROUPS: Mapping[ModelName, tuple[str, ...]] = {
    "image": ("image",),
    "image+radiological": ("image", "radiological"),
    "image+clinical": ("image", "clinical"),
    "combined": ("image", "radiological", "clinical"),
}
"""Feature groups of each model; the network's scores are in all four."""

Array = NDArray[np.float64]
_NODES = 96
"""Points of the path integral; the integrand is smooth, so the sum is exact to rounding."""


@dataclass(frozen=True)
class Fusion:
    """One fitted model.

    Attributes:
        columns: names of the columns: the network's score first, then features, then missing-indicators.
        explains: for each column the input it is reported under.
        groups: names of the histology groups.
        malignant: whether each group is malignant, shape (g,).
        low: values below are taken as this, the edge of what training saw, shape (p,).
        high: likewise above.
        mean: training mean of each column (of the values present, within these limits), shape (p,).
        scale: training standard deviation, shape (p,).
        weights: on standardised columns, shape (g, p).
        bias: of each group, shape (g,).
        slope: calibration slope.
        shift: calibration shift, log-odds.
        resampled: weights refitted on patient-clustered bootstrap samples, shape (B, g, p).
        resampled_bias: likewise, shape (B, g).
    """

    columns: tuple[str, ...]
    explains: tuple[str, ...]
    groups: tuple[str, ...]
    malignant: NDArray[np.bool_]
    low: Array
    high: Array
    mean: Array
    scale: Array
    weights: Array
    bias: Array
    slope: float
    shift: float
    resampled: Array
    resampled_bias: Array

    def standardised(self, row: Mapping[str, float]) -> Array:
        """Columns of one case, shape (p,). ``row`` maps column name to value, NaN where missing; indicators included."""
        values = np.array([row[name] for name in self.columns], float)
        return np.where(np.isnan(values), 0.0, (np.clip(values, self.low, self.high) - self.mean) / self.scale)

    def logit(self, row: Mapping[str, float]) -> float:
        """Calibrated log-odds of malignancy at the training prevalence."""
        return float(self._logit_at(self.standardised(row)))

    @property
    def intercept(self) -> float:
        """Calibrated log-odds of a case with every column at its training mean."""
        return float(self._logit_at(np.zeros(len(self.columns))))

    def contributions(self, row: Mapping[str, float]) -> dict[str, float]:
        """Log-odds that each input adds to the average case; with ``intercept`` they sum to ``logit``.

        Aumann-Shapley values: the gradient of the logit, averaged along the straight path from the average case to this one,
        times the step of each column (Aumann & Shapley 1974; as integrated gradients Sundararajan et al. 2017, arXiv 1703.01365).
        For a linear model they are coefficient times value.
        """
        z = self.standardised(row)
        nodes, weights = _gauss_legendre()
        parts = z * (weights @ self._gradient_at(nodes[:, None] * z))
        out: dict[str, float] = {}
        for name, part in zip(self.explains, parts, strict=True):
            out[name] = out.get(name, 0.0) + float(part)
        return out

    def spread(self, row: Mapping[str, float], column: str, scores: Array) -> Array:
        """Log-odds under every resampled fit with each of ``scores`` in ``column``, shape ``(B * len(scores),)``."""
        z = np.array([self.standardised({**row, column: float(score)}) for score in scores])
        f = np.einsum("mp,bgp->bmg", z, self.resampled) + self.resampled_bias[:, None, :]
        return np.asarray(self.slope * self._raw(f) + self.shift).ravel()

    def _raw(self, f: Array) -> Array:
        return np.asarray(logsumexp(f[..., self.malignant], axis=-1) - logsumexp(f[..., ~self.malignant], axis=-1))

    def _logit_at(self, z: Array) -> Array:
        return np.asarray(self.slope * self._raw(self.bias + z @ self.weights.T) + self.shift)

    def _gradient_at(self, z: Array) -> Array:
        """Gradient of the logit with respect to ``z`` at points of shape (n, p)."""
        f = self.bias + z @ self.weights.T
        up = softmax(f[:, self.malignant], axis=1) @ self.weights[self.malignant]
        down = softmax(f[:, ~self.malignant], axis=1) @ self.weights[~self.malignant]
        return np.asarray(self.slope * (up - down))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What goes into the weights file."""
        return {
            "malignant": self.malignant.astype(np.uint8),
            "low": self.low,
            "high": self.high,
            "mean": self.mean,
            "scale": self.scale,
            "weights": self.weights,
            "bias": self.bias,
            "calibration": np.array([self.slope, self.shift]),
            # Only the spread is drawn from these: single precision is plenty.
            "resampled": self.resampled.astype(np.float32),
            "resampled_bias": self.resampled_bias.astype(np.float32),
        }

    @staticmethod
    def from_arrays(
        columns: Sequence[str], explains: Sequence[str], groups: Sequence[str], arrays: Mapping[str, NDArray[Any]]
    ) -> Fusion:
        """Inverse of ``arrays``. Raises KeyError or ValueError when parts are missing or shapes disagree."""
        p, g = len(columns), len(groups)
        part = {name: np.asarray(value, float) for name, value in arrays.items()}
        malignant = part["malignant"].astype(bool)
        expected: dict[str, tuple[int, ...]] = dict.fromkeys(("low", "high", "mean", "scale"), (p,))
        expected |= {"malignant": (g,), "weights": (g, p), "bias": (g,), "calibration": (2,)}
        wrong = [name for name, shape in expected.items() if part[name].shape != shape]
        samples = len(part["resampled"])
        if part["resampled"].shape != (samples, g, p) or part["resampled_bias"].shape != (samples, g):
            wrong.append("resampled")
        if wrong or len(explains) != p or malignant.all() or not malignant.any():
            raise ValueError("shapes of the fusion's arrays disagree")
        slope, shift = part["calibration"]
        return Fusion(
            tuple(columns),
            tuple(explains),
            tuple(groups),
            malignant,
            part["low"],
            part["high"],
            part["mean"],
            part["scale"],
            part["weights"],
            part["bias"],
            float(slope),
            float(shift),
            part["resampled"],
            part["resampled_bias"],
        )


@cache
def _gauss_legendre() -> tuple[Array, Array]:
    """Nodes and weights on 0..1."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1) / 2, weights / 2

"""The four models' last step: a penalised logistic regression over image score and features, exact to explain.

Fitted in ``training``; here it is only applied. Every column is standardised on the training part; a missing value takes
the training mean (so it contributes nothing by itself) and switches the input's missing-indicator on. Calibration is
folded into coefficients and intercept, so the contributions add up to the logit that is shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.model.features import IMAGE

ModelName = Literal["image", "image+radiological", "image+clinical", "combined"]
MODELS: tuple[ModelName, ...] = ("image", "image+radiological", "image+clinical", "combined")
GROUPS: Mapping[ModelName, tuple[str, ...]] = {
    "image": (),
    "image+radiological": ("radiological",),
    "image+clinical": ("clinical",),
    "combined": ("radiological", "clinical"),
}
"""Feature groups that each model adds to the image score."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fusion:
    """One fitted model.

    Attributes:
        columns: names of the columns, ``image`` first, then features, then missing-indicators.
        explains: for each column the input it is reported under.
        mean: training mean of each column (of the values present), shape (p,).
        scale: training standard deviation, shape (p,).
        coefficient: on standardised columns, calibrated, shape (p,).
        intercept: calibrated log-odds of a case with every column at its mean.
        resampled: coefficients (B, p) and intercepts (B,) refitted on patient-clustered bootstrap samples.
        resampled_intercept: see resampled.
    """

    columns: tuple[str, ...]
    explains: tuple[str, ...]
    mean: Array
    scale: Array
    coefficient: Array
    intercept: float
    resampled: Array
    resampled_intercept: Array

    def standardised(self, row: Mapping[str, float]) -> Array:
        """Columns of one case, shape (p,). ``row`` maps column name to value, NaN where missing; indicators included."""
        values = np.array([row[name] for name in self.columns], float)
        return np.where(np.isnan(values), 0.0, (values - self.mean) / self.scale)

    def logit(self, row: Mapping[str, float]) -> float:
        """Calibrated log-odds of malignancy at the training prevalence."""
        return float(self.intercept + self.standardised(row) @ self.coefficient)

    def contributions(self, row: Mapping[str, float]) -> dict[str, float]:
        """Log-odds that each input adds to the average case; with ``intercept`` they sum to ``logit`` exactly."""
        parts = self.standardised(row) * self.coefficient
        out: dict[str, float] = {}
        for name, part in zip(self.explains, parts, strict=True):
            out[name] = out.get(name, 0.0) + float(part)
        return out

    def spread(self, row: Mapping[str, float], image_scores: Array) -> Array:
        """Log-odds under every resampled fit and every member's image score, shape ``(B * members,)``."""
        at_mean = self.standardised({**row, IMAGE: float(self.mean[0])})
        scores = (np.asarray(image_scores, float) - self.mean[0]) / self.scale[0]
        fixed = self.resampled_intercept + self.resampled @ at_mean
        spread: Array = fixed[:, None] + self.resampled[:, :1] * scores[None, :]
        return spread.ravel()

    def arrays(self) -> dict[str, Array]:
        """What goes into the weights file."""
        return {
            "mean": self.mean,
            "scale": self.scale,
            "coefficient": self.coefficient,
            "intercept": np.array([self.intercept]),
            "resampled": self.resampled,
            "resampled_intercept": self.resampled_intercept,
        }

    @staticmethod
    def from_arrays(columns: Sequence[str], explains: Sequence[str], arrays: Mapping[str, Any]) -> Fusion:
        """Inverse of ``arrays``. Raises KeyError or ValueError when parts are missing or shapes disagree."""
        p = len(columns)
        parts = {name: np.asarray(arrays[name], float) for name in Fusion.__dataclass_fields__ if name in arrays}
        shapes = [parts["mean"].shape, parts["scale"].shape, parts["coefficient"].shape, (len(explains),)]
        if any(shape != (p,) for shape in shapes) or parts["resampled"].shape[1:] != (p,):
            raise ValueError("shapes of the fusion's arrays disagree")
        return Fusion(
            tuple(columns),
            tuple(explains),
            parts["mean"],
            parts["scale"],
            parts["coefficient"],
            float(parts["intercept"][0]),
            parts["resampled"],
            parts["resampled_intercept"],
        )

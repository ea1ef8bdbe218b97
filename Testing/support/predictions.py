"""Made-up predictions for tests of the evaluation: binormal scores whose separation grows from model to model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from AdrenalClassifierLib.evaluation.predictions import Predictions, Rule, Subgroup
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT
from AdrenalClassifierLib.model.fusion import MODELS

SEPARATION = (1.3, 1.7, 2.1, 2.7)


def made_up(lesions: int = 114, seed: int = 0, bilateral: int = 1, **other: Any) -> Predictions:
    """Predictions whose log-odds are those of two normal distributions, so that every model is calibrated at its prevalence."""
    rng = np.random.default_rng(seed)
    malignant = rng.random(lesions) < 0.265
    shared = rng.normal(size=lesions)
    log_odds = {}
    for model, d in zip(MODELS, SEPARATION, strict=True):
        z = 0.7 * shared + np.sqrt(1 - 0.49) * rng.normal(size=lesions) + d * malignant
        log_odds[model] = d * z - d * d / 2 + np.log(0.265 / 0.735)
    size = np.exp(rng.normal(3.6, 0.4, lesions) + 0.4 * malignant)
    hu = np.where(rng.random(lesions) < 0.2, np.nan, rng.normal(25, 12, lesions) + 8 * malignant)
    histology = np.where(
        malignant, rng.choice(["acc", "metastasis"], lesions), rng.choice(["adenoma", "phaeochromocytoma"], lesions)
    )
    patients = [f"P{n:04d}" for n in range(lesions)]
    for n in range(bilateral):
        patients[2 * n + 1] = patients[2 * n]
    given: dict[str, Any] = {
        "lesion_id": tuple(f"L{n:04d}" for n in range(lesions)),
        "patient_id": tuple(patients),
        "histology": tuple(str(h) for h in histology),
        "malignant": malignant,
        "log_odds": log_odds,
        "thresholds": {m: {"balanced": 0.3, "high_sensitivity": 0.08} for m in MODELS},
        "training_prevalence": 0.265,
        "statement": SYNTHETIC_STATEMENT,
        "model": {"name": "made-up", "version": "1.0.0"},
        "rules": {
            "size_4cm": Rule("Long axis of at least 4 cm", "40 mm or more", (size >= 40).astype(float)),
            "hu_20": Rule("Attenuation above 20 HU", "above 20 HU", np.where(np.isnan(hu), np.nan, hu > 20)),
        },
        "baselines": {"size_attenuation": 0.05 * (size - 50)},
        "subgroups": {"sex": Subgroup("Sex", tuple(rng.choice(["female", "male"], lesions).tolist()), ("female", "male"))},
    }
    return Predictions(**{**given, **other})


def subset(given: Predictions, chosen: Sequence[int]) -> Predictions:
    """Some lesions, in the order given."""
    index = list(chosen)

    def of(values: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(values[n] for n in index)

    return replace(
        given,
        lesion_id=of(given.lesion_id),
        patient_id=of(given.patient_id),
        histology=of(given.histology),
        malignant=given.malignant[index],
        log_odds={m: v[index] for m, v in given.log_odds.items()},
        rules={k: Rule(r.label, r.about, r.called[index]) for k, r in given.rules.items()},
        baselines={k: v[index] for k, v in given.baselines.items()},
        subgroups={k: Subgroup(g.label, of(g.level), g.order) for k, g in given.subgroups.items()},
        conformal={m: of(sets) for m, sets in given.conformal.items()},
        ceiling=None if given.ceiling is None else given.ceiling[index],
    )

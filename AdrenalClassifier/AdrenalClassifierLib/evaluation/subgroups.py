"""The same figures in parts of the cohort, and with one lesion a patient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from AdrenalClassifierLib.evaluation.metrics import Flags, auc, count, undefined
from AdrenalClassifierLib.evaluation.performance import SHOWN_THRESHOLD
from AdrenalClassifierLib.evaluation.predictions import Predictions, Subgroup
from AdrenalClassifierLib.model.fusion import MODELS, ModelName

Array = NDArray[np.float64]
LEAST_OF_A_CLASS = 5
"""With fewer lesions of a class in a subgroup no AUC is given: DeLong's variance of so few ranks is no estimate."""
NOT_KNOWN = "not known"


def subgroups(given: Predictions, seed: int) -> dict[str, Any]:
    """For each division its levels with AUC, sensitivity and specificity of the four models, as plain JSON.

    Levels of one class, such as a histology, have either sensitivity or specificity. ``clustering`` compares all lesions with one
    lesion a patient, drawn with ``seed``.
    """
    divisions = {**given.subgroups, "histology": _histology(given)} if "histology" not in given.subgroups else given.subgroups
    out: dict[str, Any] = {key: _division(given, division) for key, division in divisions.items()}
    chosen = one_lesion_a_patient(given, seed)
    everything = np.ones(len(given), bool)
    levels = {"all lesions": everything, "one random lesion a patient": chosen}
    out["clustering"] = {
        "label": "Lesions of one patient",
        "levels": [_level(given, name, which) for name, which in levels.items()],
    }
    return out


def one_lesion_a_patient(given: Predictions, seed: int) -> Flags:
    """Which lesions are kept when each patient keeps one at random."""
    rng = np.random.default_rng([seed, 1])
    # By name first, so that the order of the rows changes nothing.
    order = np.argsort(np.asarray(given.lesion_id, dtype=str), kind="stable")[rng.permutation(len(given))]
    patients = np.asarray(given.patient_id, dtype=str)[order]
    kept = np.zeros(len(given), bool)
    kept[order[np.unique(patients, return_index=True)[1]]] = True
    return kept


def _histology(given: Predictions) -> Subgroup:
    ordered = sorted(set(given.histology), key=lambda h: (not _malignant(given, h), h))
    return Subgroup("Histology", given.histology, tuple(ordered))


def _malignant(given: Predictions, histology: str) -> bool:
    return any(m for h, m in zip(given.histology, given.malignant, strict=True) if h == histology)


def _division(given: Predictions, division: Subgroup) -> dict[str, Any]:
    level = np.array([NOT_KNOWN if name is None else name for name in division.level], dtype=str)
    others = sorted(set(level) - set(division.order) - {NOT_KNOWN})
    names = [name for name in (*division.order, *others, NOT_KNOWN) if (level == name).any()]
    return {"label": division.label, "levels": [_level(given, str(name), level == name) for name in names]}


def _level(given: Predictions, name: str, chosen: Flags) -> dict[str, Any]:
    return {
        "level": name,
        "lesions": int(chosen.sum()),
        "malignant": int(given.malignant[chosen].sum()),
        "models": {model: _model(given, model, chosen) for model in MODELS},
    }


def _model(given: Predictions, model: ModelName, chosen: Flags) -> dict[str, Any]:
    log_odds = given.log_odds[model]
    used = chosen & ~np.isnan(log_odds)
    score, malignant = log_odds[used], given.malignant[used]
    least = min(int(malignant.sum()), int((~malignant).sum()))
    if 0 < least < LEAST_OF_A_CLASS:
        area = undefined("DeLong, logit scale", f"fewer than {LEAST_OF_A_CLASS} lesions of one class", len(score))
    else:
        area = auc(score, malignant)
    found = {"auc": area.to_json()}
    limit = given.thresholds[model].get(SHOWN_THRESHOLD)
    if limit is not None:
        metrics = count(expit(score) >= limit, malignant).metrics()
        found |= {name: metrics[name].to_json() for name in ("sensitivity", "specificity")}
    return found

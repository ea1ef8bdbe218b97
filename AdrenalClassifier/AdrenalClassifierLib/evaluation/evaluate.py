"""Judge the four models as a study would: one call from predictions to every figure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import MissingDependencyError
from AdrenalClassifierLib.evaluation.calibration import curve as calibration_curve
from AdrenalClassifierLib.evaluation.comparisons import compare, positive
from AdrenalClassifierLib.evaluation.curves import DECISION_THRESHOLDS, calls_of, decision, net_benefit, precision_recall, roc
from AdrenalClassifierLib.evaluation.metrics import auc, class_missing, count, proportion, undefined
from AdrenalClassifierLib.evaluation.performance import call_metrics, model_metrics, probability_metrics
from AdrenalClassifierLib.evaluation.predictions import CONFORMAL_SETS, Predictions
from AdrenalClassifierLib.evaluation.published import published
from AdrenalClassifierLib.evaluation.resampling import BY_CLASS, Draws, Ranking, area, draws, interval, too_few
from AdrenalClassifierLib.evaluation.subgroups import subgroups
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.progress import Progress, silent

Array = NDArray[np.float64]
WHAT = "Statistics"
SCHEMA = 1
UNDECIDED = (
    "A rule that is undecided because a value is missing counts as positive: the rules exist to exclude malignancy, and a "
    "missing value excludes nothing."
)
CEILING = (
    "The exact posterior of the generator on the tabular part (size and attenuation as measured, heterogeneity, age, sex, "
    "history, laboratory, and what is missing). No model that sees the same table can be expected to rank better. The image is "
    "not part of it: a model that reads more from the voxels may come closer to it, or pass it."
)


@dataclass(frozen=True)
class Evaluation:
    """Everything that was found, as plain JSON parts (see ``metrics.json`` in the design).

    Attributes:
        cohort: numbers of lesions, patients, classes and histologies, and whether it is synthetic.
        model: what is known of the model, with its statement.
        models: every figure of each of the four models.
        baselines: figures of further scores, such as a regression on size and attenuation.
        comparisons: models against models, rules and baselines.
        rules: every figure of each rule.
        subgroups: figures in parts of the cohort.
        ceiling: AUC of the exact posterior and each model's share of it; None for lesions of patients.
        conformal: coverage and size of the conformal sets; None where the model gives none.
        published: the published figures.
        curves: ROC, precision-recall, calibration and decision curves.
        remarks: sentences that a reader needs.
        settings: seed and number of resamples.
    """

    cohort: dict[str, Any]
    model: dict[str, Any]
    models: dict[str, Any]
    baselines: dict[str, Any]
    comparisons: dict[str, Any]
    rules: dict[str, Any]
    subgroups: dict[str, Any]
    ceiling: dict[str, Any] | None
    conformal: dict[str, Any] | None
    published: dict[str, Any]
    curves: dict[str, Any]
    remarks: tuple[str, ...]
    settings: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {"schema_version": SCHEMA, **self.__dict__, "remarks": list(self.remarks)}

    def figures(self) -> dict[str, Any]:
        """Plain JSON object without the points of the curves."""
        return {key: value for key, value in self.to_json().items() if key != "curves"}


def evaluate(given: Predictions, seed: int = 0, bootstrap: int = 2000, progress: Progress = silent) -> Evaluation:
    """Every figure with its interval.

    Args:
        given: what is judged.
        seed: determines the resamples and the choice of one lesion a patient.
        bootstrap: resamples of patients.
        progress: told after each part.
    """
    steps = 7
    counts = draws(given.patient_id, given.malignant, bootstrap, seed)
    models: dict[str, Any] = {
        m: model_metrics(given.log_odds[m], given.malignant, given.patient_id, counts, given.thresholds[m]) for m in MODELS
    }
    progress(1, steps, WHAT)
    baselines = {key: _baseline(given, values, counts) for key, values in given.baselines.items()}
    rules = {key: _rule(given, key) for key in given.rules}
    progress(2, steps, WHAT)
    comparisons = compare(given, counts)
    progress(3, steps, WHAT)
    parts = subgroups(given, seed)
    progress(4, steps, WHAT)
    ceiling = _ceiling(given, counts)
    progress(5, steps, WHAT)
    curves = _curves(given, counts)
    progress(6, steps, WHAT)
    found = Evaluation(
        cohort=_cohort(given),
        model={**given.model, "statement": given.statement, "training_prevalence": given.training_prevalence},
        models=models,
        baselines=baselines,
        comparisons=comparisons,
        rules=rules,
        subgroups=parts,
        ceiling=ceiling,
        conformal=_conformal(given),
        published=published(given.synthetic),
        curves=curves,
        remarks=(*given.remarks, *_remarks(given, comparisons)),
        settings={"seed": seed, "bootstrap": bootstrap, "level": 0.95},
    )
    progress(7, steps, WHAT)
    return found


def _cohort(given: Predictions) -> dict[str, Any]:
    malignant = int(given.malignant.sum())
    return {
        "lesions": len(given),
        "patients": len(set(given.patient_id)),
        "malignant": malignant,
        "benign": len(given) - malignant,
        "prevalence": malignant / len(given),
        "histology": dict(sorted(Counter(given.histology).items(), key=lambda item: (-item[1], item[0]))),
        "synthetic": given.synthetic,
    }


def _baseline(given: Predictions, log_odds: Array, counts: Draws) -> dict[str, Any]:
    known = ~np.isnan(log_odds)
    patients = [p for p, yes in zip(given.patient_id, known, strict=True) if yes]
    found = probability_metrics(log_odds[known], given.malignant[known], patients, counts.of(known))
    missing = {"lesions": int((~known).sum()), "malignant": int(given.malignant[~known].sum())}
    return {"lesions": int(known.sum()), "missing": missing, **{name: m.to_json() for name, m in found.items()}}


def _rule(given: Predictions, key: str) -> dict[str, Any]:
    rule = given.rules[key]
    open_, decided = np.isnan(rule.called), ~np.isnan(rule.called)
    clear = count(rule.called[decided] == 1, given.malignant[decided]).metrics()
    return {
        "label": rule.label,
        "about": rule.about,
        "convention": UNDECIDED,
        "undecided": {"lesions": int(open_.sum()), "malignant": int(given.malignant[open_].sum())},
        **call_metrics(positive(rule), given.malignant),
        "decided_only": {name: m.to_json() for name, m in clear.items()},
    }


def _ceiling(given: Predictions, counts: Draws) -> dict[str, Any] | None:
    if given.ceiling is None:
        return None
    out: dict[str, Any] = {"about": CEILING, "lesions": int((~np.isnan(given.ceiling)).sum()), "models": {}}
    known = ~np.isnan(given.ceiling)
    out["auc"] = auc(given.ceiling[known], given.malignant[known]).to_json()
    for model in MODELS:
        chosen = known & ~np.isnan(given.log_odds[model])
        malignant, drawn = given.malignant[chosen], counts.by_class[:, chosen]
        reason = class_missing(malignant)
        if reason:
            out["models"][model] = {"auc_ratio": undefined(BY_CLASS, reason, len(malignant)).to_json()}
            continue
        areas, own = [], []
        for score in (given.log_odds[model][chosen], given.ceiling[chosen]):
            ranking = Ranking(score, malignant)
            areas.append(ranking.over(drawn, lambda s, f, _: area(s, f)))
            own.append(float(area(*ranking.points())[0]))
        patients = [p for p, yes in zip(given.patient_id, chosen, strict=True) if yes]
        ratio = interval(areas[0] / areas[1], own[0] / own[1], len(malignant), BY_CLASS, too_few(patients, malignant))
        out["models"][model] = {"auc_ratio": ratio.to_json()}
    return out


def _conformal(given: Predictions) -> dict[str, Any] | None:
    """Share of lesions whose set holds their class: "either" always does, "none" never."""
    if not given.conformal:
        return None
    out: dict[str, Any] = {"level": given.conformal_level, "models": {}}
    for model, sets in given.conformal.items():
        found = np.array([s or "" for s in sets], dtype=str)
        known = found != ""
        covered = (found == "either") | (found == np.where(given.malignant, "malignant", "benign"))
        coverage = {
            name: proportion(int(covered[known & of].sum()), int((known & of).sum())).to_json()
            for name, of in (("malignant", given.malignant), ("benign", ~given.malignant), ("all", np.ones(len(given), bool)))
        }
        share = {name: proportion(int((found == name).sum()), int(known.sum())).to_json() for name in CONFORMAL_SETS}
        out["models"][model] = {"missing": int((~known).sum()), "coverage": coverage, "share": share}
    return out


def _curves(given: Predictions, counts: Draws) -> dict[str, Any]:
    out: dict[str, Any] = {"roc": {}, "precision_recall": {}, "calibration": {}}
    decisions: dict[str, Any] = {}
    for model in MODELS:
        known = ~np.isnan(given.log_odds[model])
        score, malignant, drawn = given.log_odds[model][known], given.malignant[known], counts.of(known)
        out["roc"][model] = roc(score, malignant, drawn.by_class)
        out["precision_recall"][model] = precision_recall(score, malignant, drawn.by_class)
        out["calibration"][model] = calibration_curve(score, malignant, drawn.plain)
        if len(score):
            decisions[model] = decision(calls_of(score), malignant, drawn.plain)
    everybody = np.ones(len(given), bool)
    reason = class_missing(given.malignant)
    out["decision"] = {
        "threshold": DECISION_THRESHOLDS.tolist(),
        "models": {} if reason else decisions,
        "treat_all": [round(float(v), 6) for v in net_benefit(everybody, given.malignant)[0]],
        "treat_none": [0.0] * len(DECISION_THRESHOLDS),
        "rules": {} if reason else {k: decision(positive(r), given.malignant, counts.plain) for k, r in given.rules.items()},
        **({"reason": reason} if reason else {}),
    }
    return out


def _remarks(given: Predictions, comparisons: dict[str, Any]) -> list[str]:
    out = []
    malignant = int(given.malignant.sum())
    reason = class_missing(given.malignant)
    if reason:
        out.append(f"The cohort has {reason}: AUC, calibration and every figure that needs both classes do not exist.")
    for model in MODELS:
        missing = np.isnan(given.log_odds[model])
        if missing.any():
            of = int(given.malignant[missing].sum())
            out.append(
                f"The model '{model}' gave no probability for {int(missing.sum())} of {len(given)} lesions ({of} malignant), "
                "since its inputs are missing; its figures are of the others."
            )
    least = [
        item["auc"]["detectable"]
        for item in comparisons["models"]
        if item["auc"]["family"] == "auc_primary" and "detectable" in item["auc"]
    ]
    if least:
        few = f"With {len(given)} lesions an AUC difference under about 0.05 is not detectable, even if models mostly agree. "
        out.append(
            f"{few if len(given) <= 150 else ''}By the standard errors of the primary comparisons ({len(given)} lesions, "
            f"{malignant} "
            f"malignant), an AUC difference between two models below about {np.median(least):.2f} is unlikely to be detected "
            "(80 % power, two-sided 5 %)."
        )
    return out


def require_statistics() -> None:
    """Raise MissingDependencyError, with the way to get them, when the packages of the evaluation cannot be imported."""
    try:
        import matplotlib  # noqa: F401
        import statsmodels  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "The evaluation needs the packages statsmodels and matplotlib, which are not installed. "
            "Install them with: pip install 'adrenal-classifier[train]'."
        ) from error

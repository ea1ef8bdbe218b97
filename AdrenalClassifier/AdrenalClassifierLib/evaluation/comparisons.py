"""The four models against each other, against rules and against a simple regression, on the same lesions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit

from AdrenalClassifierLib.evaluation.curves import DECISION_THRESHOLDS, calls_of, net_benefit
from AdrenalClassifierLib.evaluation.delong import auc_difference
from AdrenalClassifierLib.evaluation.metrics import Flags, Metric, Z, class_missing, undefined
from AdrenalClassifierLib.evaluation.performance import SHOWN_THRESHOLD
from AdrenalClassifierLib.evaluation.predictions import Predictions, Rule
from AdrenalClassifierLib.evaluation.resampling import BY_CLASS, PLAIN, DrawCounts, Draws, Ranking, at_each, interval, too_few
from AdrenalClassifierLib.model.fusion import MODELS, ModelName

Array = NDArray[np.float64]
DELONG = "paired DeLong, Wald"
MCNEMAR = "exact McNemar; interval: " + PLAIN
POWER = float(stats.norm.ppf(0.8))
PRIMARY = "primary: AUC of the combined model against the other three"
FAMILIES = {
    "auc_primary": PRIMARY,
    "auc_other": "AUC of the other three models among themselves",
    "auc_baseline": "AUC of the models against the baselines",
    "accuracy_models": "accuracy of the four models among themselves",
    "accuracy_rules": "accuracy of the models against the rules",
}
"""Families within which p-values are adjusted (Holm); the first was chosen beforehand, the others support it."""
SHOWN_DECISIONS = (0.1, 0.2, 0.3)


def positive(rule: Rule) -> Flags:
    """What a rule calls positive. Undecided counts as positive: the rules exist to exclude malignancy, and a missing value
    excludes nothing."""
    called: Flags = ~(rule.called == 0)
    return called


def compare(given: Predictions, counts: Draws) -> dict[str, Any]:
    """All comparisons as plain JSON: ``models``, ``rules``, ``baselines``, and ``families`` of the adjusted p-values."""
    found: dict[str, Any] = {
        "models": [_models(given, counts, a, b) for b, a in combinations(MODELS, 2)],
        "rules": [_rule(given, counts, model, key) for key in given.rules for model in MODELS],
        "baselines": [_baseline(given, counts, model, key) for key in given.baselines for model in MODELS],
        "families": dict(FAMILIES),
        "threshold": SHOWN_THRESHOLD,
    }
    items = (*found["models"], *found["rules"], *found["baselines"])
    _holm([item[name] for item in items for name in ("auc", "accuracy") if name in item])
    return found


def _holm(tests: Sequence[dict[str, Any]]) -> None:
    """Add ``p_holm`` to each test that has a p-value."""
    from statsmodels.stats.multitest import multipletests

    for family in FAMILIES:
        members = [t for t in tests if t["family"] == family and t["p"] is not None]
        if members:
            adjusted = multipletests([t["p"] for t in members], method="holm")[1]
            for test, p in zip(members, adjusted, strict=True):
                test["p_holm"], test["tests_in_family"] = float(p), len(members)


class _Both:
    """The lesions for which both sides say something."""

    def __init__(self, given: Predictions, counts: Draws, *arrays: Array) -> None:
        self.chosen = ~np.any([np.isnan(a) for a in arrays], axis=0)
        self.malignant = given.malignant[self.chosen]
        self.patients = [p for p, yes in zip(given.patient_id, self.chosen, strict=True) if yes]
        self.counts = counts.of(self.chosen)
        self.arrays = [a[self.chosen] for a in arrays]
        self.n = len(self.malignant)


def _models(given: Predictions, counts: Draws, a: ModelName, b: ModelName) -> dict[str, Any]:
    both = _Both(given, counts, given.log_odds[a], given.log_odds[b])
    first, second = both.arrays
    family = "auc_primary" if "combined" in (a, b) else "auc_other"
    return {
        "a": a,
        "b": b,
        "lesions": both.n,
        "auc": _auc(first, second, both, family),
        "accuracy": _accuracy(_calls(given, a, first), _calls(given, b, second), both, "accuracy_models"),
        "brier": _brier(first, second, both),
    }


def _baseline(given: Predictions, counts: Draws, model: ModelName, key: str) -> dict[str, Any]:
    both = _Both(given, counts, given.log_odds[model], given.baselines[key])
    first, second = both.arrays
    auc, brier = _auc(first, second, both, "auc_baseline"), _brier(first, second, both)
    return {"model": model, "baseline": key, "lesions": both.n, "auc": auc, "brier": brier}


def _rule(given: Predictions, counts: Draws, model: ModelName, key: str) -> dict[str, Any]:
    both = _Both(given, counts, given.log_odds[model])
    score, called = both.arrays[0], positive(given.rules[key])[both.chosen]
    return {
        "model": model,
        "rule": key,
        "lesions": both.n,
        "accuracy": _accuracy(_calls(given, model, score), called, both, "accuracy_rules"),
        **_at_the_rule(score, called, both),
        "net_benefit": _net_benefit(score, called, both),
    }


def _calls(given: Predictions, model: ModelName, log_odds: Array) -> Flags | None:
    limit = given.thresholds[model].get(SHOWN_THRESHOLD)
    return None if limit is None else expit(log_odds) >= limit


def _auc(first: Array, second: Array, both: _Both, family: str) -> dict[str, Any]:
    reason = class_missing(both.malignant)
    if reason is None and min(both.malignant.sum(), (~both.malignant).sum()) < 2:
        reason = "fewer than two lesions of one class"
    if reason:
        return {**undefined(DELONG, reason, both.n).to_json(), "p": None, "family": family}
    found = auc_difference(first, second, both.malignant)
    if found.p is None:
        why = "both rank the lesions alike; there is nothing to test"
        return {**Metric(found.value, None, None, DELONG, both.n, why).to_json(), "p": None, "family": family}
    metric = Metric(found.value, found.value - Z * found.error, found.value + Z * found.error, DELONG, both.n)
    # The difference that a two-sided 5 % test finds in 80 % of such cohorts.
    return {**metric.to_json(), "p": found.p, "family": family, "detectable": (Z + POWER) * found.error}


def _accuracy(first: Flags | None, second: Flags | None, both: _Both, family: str) -> dict[str, Any]:
    if first is None or second is None or not both.n:
        why = "no lesion" if not both.n else f"a model has no threshold '{SHOWN_THRESHOLD}'"
        return {**undefined(MCNEMAR, why, both.n).to_json(), "p": None, "family": family}
    from statsmodels.stats.contingency_tables import mcnemar

    right, also = first == both.malignant, second == both.malignant
    table = [[int((right & also).sum()), int((right & ~also).sum())], [int((~right & also).sum()), int((~right & ~also).sum())]]
    gain = right.astype(float) - also
    p = float(mcnemar(table, exact=True).pvalue)
    reason = _single_patient(both)
    with np.errstate(invalid="ignore"):
        drawn = (both.counts.plain @ gain) / both.counts.plain.sum(axis=1)
    metric = interval(drawn, float(gain.mean()), both.n, MCNEMAR, reason)
    only = {"only_first_right": table[0][1], "only_second_right": table[1][0]}
    return {**metric.to_json(), "p": p, "family": family, **only}


def _single_patient(both: _Both) -> str | None:
    return "only one patient" if len(set(both.patients)) < 2 else None


def _brier(first: Array, second: Array, both: _Both) -> dict[str, Any]:
    if not both.n:
        return undefined(PLAIN, "no lesion", 0).to_json()
    gain = (expit(first) - both.malignant) ** 2 - (expit(second) - both.malignant) ** 2
    with np.errstate(invalid="ignore"):
        drawn = (both.counts.plain @ gain) / both.counts.plain.sum(axis=1)
    return interval(drawn, float(gain.mean()), both.n, PLAIN, _single_patient(both)).to_json()


def _at_the_rule(score: Array, called: Flags, both: _Both) -> dict[str, Any]:
    """The model's ROC curve at the rule's specificity and at its sensitivity, less the rule's own value.

    A rule is one point and has no AUC; this reads the curve above and beside that point. The cut-off is chosen on the very
    lesions, anew in each resample, so it compares curves with points and is no figure that a clinic would reach with a fixed
    threshold.
    """
    names = ("sensitivity_at_rule_specificity", "specificity_at_rule_sensitivity")
    reason = class_missing(both.malignant)
    if reason:
        nothing = undefined(BY_CLASS, reason, both.n).to_json()
        return {name: {**nothing, "difference": nothing} for name in names}
    reason = too_few(both.patients, both.malignant)
    ranking = Ranking(score, both.malignant)
    hits, false = (called & both.malignant).astype(float), (called & ~both.malignant).astype(float)
    positives, negatives = both.malignant.astype(float), (~both.malignant).astype(float)

    def read(sensitivity: Array, false_positive: Array, counts: DrawCounts) -> Array:
        with np.errstate(invalid="ignore"):
            tpr, fpr = (counts @ hits) / (counts @ positives), (counts @ false) / (counts @ negatives)
        above = at_each(fpr, false_positive, sensitivity)
        # The curve read from its upper right end, so that a level stretch gives its highest specificity.
        beside = at_each(1 - tpr, 1 - sensitivity[:, ::-1], 1 - false_positive[:, ::-1])
        return np.column_stack([above, above - tpr, beside, beside - (1 - fpr)])

    drawn = ranking.over(both.counts.by_class, lambda s, f, part: read(s, f, both.counts.by_class[part]))
    own = read(*ranking.points(), np.ones((1, both.n)))[0]
    out = {}
    for n, name in enumerate(names):
        value, difference = (interval(drawn[:, 2 * n + k], float(own[2 * n + k]), both.n, BY_CLASS, reason) for k in (0, 1))
        out[name] = {**value.to_json(), "difference": difference.to_json()}
    return out


def _net_benefit(score: Array, called: Flags, both: _Both) -> dict[str, Any]:
    """Net benefit of the model less that of the rule at a few decision thresholds."""
    missing = class_missing(both.malignant)
    if missing:
        return {f"{t:g}": undefined(PLAIN, missing, both.n).to_json() for t in SHOWN_DECISIONS}
    calls = calls_of(score)
    drawn = net_benefit(calls, both.malignant, both.counts.plain)
    drawn -= net_benefit(called, both.malignant, both.counts.plain)
    own = (net_benefit(calls, both.malignant) - net_benefit(called, both.malignant))[0]
    reason = _single_patient(both)
    out = {}
    for limit in SHOWN_DECISIONS:
        n = int(np.argmin(np.abs(DECISION_THRESHOLDS - limit)))
        out[f"{limit:g}"] = interval(drawn[:, n], float(own[n]), both.n, PLAIN, reason).to_json()
    return out

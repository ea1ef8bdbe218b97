"""The whole evaluation: every promised key, nothing dropped silently, order of rows without effect, files on disk."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import average_precision_score, brier_score_loss, confusion_matrix, roc_auc_score

from AdrenalClassifierLib.evaluation.evaluate import evaluate
from AdrenalClassifierLib.evaluation.files import metrics_csv, predictions_csv, write_results
from AdrenalClassifierLib.evaluation.predictions import Predictions, Rule, Subgroup
from AdrenalClassifierLib.evaluation.subgroups import one_lesion_a_patient
from AdrenalClassifierLib.model.fusion import MODELS
from support.predictions import made_up, subset

METRICS = (
    "auc", "accuracy", "sensitivity", "specificity", "ppv", "npv", "brier", "calibration_slope", "calibration_intercept",
    "average_precision", "auc_bootstrap", "scaled_brier", "calibration_in_the_large",
)  # fmt: skip


def _found(given: Predictions, bootstrap: int = 60) -> dict[str, Any]:
    return json.loads(json.dumps(evaluate(given, 0, bootstrap).to_json(), allow_nan=False))  # type: ignore[no-any-return]


def test_every_key_of_the_design_is_there_and_every_figure_has_an_interval_and_a_method() -> None:
    found = _found(made_up(synthetic=True))
    assert set(found) >= {"models", "comparisons", "rules", "subgroups", "ceiling", "conformal", "published", "curves"}
    for model in MODELS:
        for name in METRICS:
            metric = found["models"][model][name]
            assert metric["low"] <= metric["value"] <= metric["high"]
            assert metric["method"]
        assert set(found["models"][model]["thresholds"]) == {"balanced", "high_sensitivity"}
    assert found["ceiling"] is None
    assert found["conformal"] is None


def test_figures_are_those_of_scikit_learn() -> None:
    given = made_up()
    entry = _found(given)["models"]["combined"]
    probability, malignant = expit(given.log_odds["combined"]), given.malignant
    assert entry["auc"]["value"] == pytest.approx(roc_auc_score(malignant, probability))
    assert entry["auc_bootstrap"]["value"] == pytest.approx(entry["auc"]["value"])
    assert entry["average_precision"]["value"] == pytest.approx(average_precision_score(malignant, probability))
    brier = brier_score_loss(malignant, probability)
    assert entry["brier"]["value"] == pytest.approx(brier)
    reference = brier_score_loss(malignant, np.full(len(malignant), malignant.mean()))
    assert entry["scaled_brier"]["value"] == pytest.approx(1 - brier / reference)
    tn, fp, fn, tp = confusion_matrix(malignant, probability >= 0.08).ravel()
    at = entry["thresholds"]["high_sensitivity"]
    assert at["counts"] == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    assert at["sensitivity"]["value"] == pytest.approx(tp / (tp + fn))
    bayes = tp / (tp + fn) * 0.08 / (tp / (tp + fn) * 0.08 + fp / (tn + fp) * 0.92)
    assert at["ppv_at_8_percent"]["value"] == pytest.approx(bayes)
    assert entry["sensitivity"] == entry["thresholds"]["balanced"]["sensitivity"]


def test_the_order_of_the_rows_changes_nothing() -> None:
    given = made_up(bilateral=4)
    order = np.random.default_rng(1).permutation(len(given))
    first, second = _found(given), _found(subset(given, order.tolist()))

    def numbers(value: Any, path: str = "") -> dict[str, Any]:
        if isinstance(value, dict):
            return {k: v for key, item in value.items() for k, v in numbers(item, f"{path}/{key}").items()}
        if isinstance(value, list):
            return {k: v for n, item in enumerate(value) for k, v in numbers(item, f"{path}/{n}").items()}
        return {path: value}

    a, b = numbers(first), numbers(second)
    assert a.keys() == b.keys()
    for path, value in a.items():
        assert b[path] == (pytest.approx(value, abs=2e-6) if isinstance(value, float) else value), path


def test_a_model_that_gave_no_probability_is_judged_on_the_rest_and_says_so() -> None:
    given = made_up()
    gone = np.arange(114) < 15
    found = _found(replace(given, log_odds={**given.log_odds, "combined": np.where(gone, np.nan, given.log_odds["combined"])}))
    entry = found["models"]["combined"]
    assert entry["lesions"] == 99
    assert entry["missing"] == {"lesions": 15, "malignant": int(given.malignant[:15].sum())}
    assert entry["auc"]["value"] == pytest.approx(roc_auc_score(given.malignant[15:], given.log_odds["combined"][15:]))
    assert any("'combined' gave no probability for 15 of 114" in text for text in found["remarks"])
    nothing = _found(replace(given, log_odds={**given.log_odds, "combined": np.full(114, np.nan)}))["models"]["combined"]
    assert nothing["lesions"] == 0
    assert nothing["auc"]["reason"] == "no lesion"


@pytest.mark.parametrize("malignant", [True, False])
def test_a_cohort_of_one_class_gives_what_can_be_given(malignant: bool) -> None:
    given = made_up(40, malignant=np.full(40, malignant), ceiling=np.linspace(-1, 1, 40))
    found = _found(given)
    entry = found["models"]["combined"]
    there, gone = ("sensitivity", "specificity") if malignant else ("specificity", "sensitivity")
    assert entry[there]["value"] is not None
    assert entry[there]["low"] < entry[there]["high"]
    assert entry["brier"]["value"] is not None
    reason = "no benign lesion" if malignant else "no malignant lesion"
    assert (entry[gone]["value"], entry[gone]["reason"]) == (None, reason)
    for name in ("auc", "auc_bootstrap", "average_precision", "calibration_slope", "scaled_brier"):
        assert (entry[name]["value"], entry[name]["reason"]) == (None, reason)
    for name in ("ppv", "npv"):  # one less the other whatever the model says: no figure
        assert (entry[name]["value"], entry[name]["reason"]) == (None, reason)
    assert found["curves"]["roc"]["combined"]["curve"] is None
    assert found["curves"]["decision"]["models"] == {}
    assert any(reason in text for text in found["remarks"])


@pytest.mark.parametrize("lesions", [1, 2, 3, 6])
def test_a_tiny_cohort_never_fails_and_never_invents(lesions: int) -> None:
    malignant = np.arange(lesions) % 3 == 0
    found = _found(made_up(lesions, bilateral=0, malignant=malignant, ceiling=np.zeros(lesions)), 50)
    entry = found["models"]["combined"]
    assert "fewer than 5" in entry["calibration_slope"]["reason"] or lesions == 1
    if lesions < 4:
        assert entry["auc_bootstrap"]["low"] is None
        assert entry["auc_bootstrap"]["reason"]


def test_the_ceiling_is_one_for_the_ceiling_itself_and_less_for_a_worse_model() -> None:
    given = made_up()
    found = _found(replace(given, ceiling=given.log_odds["combined"], synthetic=True))["ceiling"]
    same = found["models"]["combined"]["auc_ratio"]
    assert (same["value"], same["low"], same["high"]) == pytest.approx((1, 1, 1))
    worse = found["models"]["image"]["auc_ratio"]
    expected = roc_auc_score(given.malignant, given.log_odds["image"]) / roc_auc_score(
        given.malignant, given.log_odds["combined"]
    )
    assert worse["value"] == pytest.approx(expected)
    assert worse["low"] < worse["value"] < worse["high"]


def test_conformal_coverage_counts_sets_that_hold_the_class() -> None:
    malignant = np.array([True] * 4 + [False] * 6)
    sets = ("malignant", "either", "benign", "none", "benign", "benign", "either", "malignant", "none", None)
    given = made_up(10, bilateral=0, malignant=malignant, conformal={"combined": sets})
    found = _found(given, 50)["conformal"]["models"]["combined"]
    assert (found["coverage"]["malignant"]["value"], found["coverage"]["malignant"]["n"]) == (0.5, 4)
    assert (found["coverage"]["benign"]["value"], found["coverage"]["benign"]["n"]) == (0.6, 5)
    assert found["missing"] == 1
    assert {name: round(9 * m["value"]) for name, m in found["share"].items()} == {
        "benign": 3,
        "malignant": 2,
        "either": 2,
        "none": 2,
    }


def test_a_rule_reports_its_undecided_lesions_both_ways() -> None:
    malignant = np.array([True, True, False, False, False, True])
    called = np.array([1, np.nan, np.nan, 0, 1, 0])
    entry = _found(made_up(6, bilateral=0, malignant=malignant, rules={"r": Rule("r", "", called)}), 50)["rules"]["r"]
    assert entry["undecided"] == {"lesions": 2, "malignant": 1}
    assert entry["counts"] == {"tp": 2, "fp": 2, "fn": 1, "tn": 1}
    assert entry["decided_only"]["sensitivity"]["value"] == 0.5
    assert entry["decided_only"]["specificity"]["value"] == 0.5
    assert "counts as positive" in entry["convention"]


def test_subgroups_add_up_and_one_class_levels_have_one_kind_of_error() -> None:
    given = made_up(bilateral=6)
    sex = Subgroup("Sex", (None, *given.subgroups["sex"].level[1:]), ("female", "male"))
    found = _found(replace(given, subgroups={"sex": sex}))["subgroups"]
    assert [level["level"] for level in found["sex"]["levels"]] == ["female", "male", "not known"]
    assert sum(level["lesions"] for level in found["sex"]["levels"]) == 114
    assert found["sex"]["levels"][2]["models"]["combined"]["auc"]["value"] is None
    for level in found["histology"]["levels"]:
        figures = level["models"]["combined"]
        assert (figures["sensitivity"]["value"] is None) != (figures["specificity"]["value"] is None)
    everything, single = found["clustering"]["levels"]
    assert (everything["lesions"], single["lesions"]) == (114, 108)
    kept = one_lesion_a_patient(given, 0)
    assert len({p for p, yes in zip(given.patient_id, kept, strict=True) if yes}) == kept.sum() == 108


def test_the_published_figures_come_with_our_exact_interval() -> None:
    found = _found(made_up(synthetic=True), 50)["published"]
    exact, wilson = found["accuracy"]["exact"], found["accuracy"]["wilson"]
    assert (100 * exact["low"], 100 * exact["high"]) == pytest.approx((76.2, 90.4), abs=0.05)
    assert (100 * wilson["low"], 100 * wilson["high"]) == pytest.approx((76.4, 89.8), abs=0.05)
    assert "cannot be compared with figures on patients" in found["comparison"]
    assert "cannot be compared with figures on patients" not in _found(made_up(), 50)["published"]["comparison"]


def test_a_small_cohort_says_what_it_cannot_detect() -> None:
    small, large = _found(made_up(), 50)["remarks"], _found(made_up(1000), 50)["remarks"]
    assert any("under about 0.05 is not detectable" in text for text in small)
    assert not any("under about 0.05 is not detectable" in text for text in large)
    assert any("80 % power" in text for text in large)


def test_files_are_complete_and_hold_no_patient(tmp_path: Path) -> None:
    given = made_up(30)
    given = replace(given, log_odds={**given.log_odds, "image": np.where(np.arange(30) == 3, np.nan, given.log_odds["image"])})
    found = evaluate(given, 0, 100)
    write_results(tmp_path, found, given)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["metrics.csv", "metrics.json", "predictions.csv"]
    assert not any("P00" in p.read_text(encoding="utf-8") for p in tmp_path.iterdir())
    written = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    rows = list(csv.DictReader(io.StringIO(metrics_csv(found))))
    chosen = [r for r in rows if (r["model"], r["metric"], r["threshold"]) == ("combined", "sensitivity", "high_sensitivity")]
    expected = written["models"]["combined"]["thresholds"]["high_sensitivity"]["sensitivity"]
    assert [float(chosen[0][k]) for k in ("value", "low", "high")] == [expected[k] for k in ("value", "low", "high")]
    assert len(chosen) == 1
    lesions = list(csv.DictReader(io.StringIO(predictions_csv(given))))
    assert [r["lesion_id"] for r in lesions] == list(given.lesion_id)
    assert lesions[3]["probability_image"] == ""
    assert float(lesions[4]["probability_combined"]) == pytest.approx(expit(given.log_odds["combined"][4]), abs=1e-6)


def test_predictions_that_do_not_fit_together_are_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        made_up(4, bilateral=0, lesion_id=("a", "a", "b", "c"))
    with pytest.raises(ValueError, match="not one value a lesion"):
        made_up(4, bilateral=0, ceiling=np.zeros(3))
    with pytest.raises(ValueError, match="infinite"):
        made_up(4, bilateral=0, ceiling=np.array([0, 0, 0, np.inf]))
    with pytest.raises(ValueError, match="conformal"):
        made_up(2, bilateral=0, conformal={"image": ("benign", "perhaps")})

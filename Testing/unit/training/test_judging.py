"""From bundle and cohort to predictions: the right rows, the models as an assessment gives them, rules, subgroups, ceiling."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk
from scipy.special import logit

from AdrenalClassifierLib.cohort.splits import split_patients
from AdrenalClassifierLib.cohort.table import Cohort, CohortRow
from AdrenalClassifierLib.errors import CohortError
from AdrenalClassifierLib.guidelines.evaluate import evaluate as guidelines
from AdrenalClassifierLib.guidelines.evaluate import guideline_inputs
from AdrenalClassifierLib.model.bundle import BASELINE
from AdrenalClassifierLib.model.conformal import ConformalScores
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.model.scoring import ImageScores, predict
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity
from AdrenalClassifierLib.training.divisions import divisions, slice_spacing
from AdrenalClassifierLib.training.encoder_training import score_examples
from AdrenalClassifierLib.training.examples import Example
from AdrenalClassifierLib.training.judging import choose_part, judge_examples, log_odds, predictions_of
from AdrenalClassifierLib.training.rules import rules
from AdrenalClassifierLib.training.train import short_fingerprints
from support.bundles import untrained_bundle
from support.dicom_files import body, write_series
from support.examples import planted

EXAMPLES = planted(30, 0)
BUNDLE = untrained_bundle()


def _row(example: Example, **more: Any) -> CohortRow:
    given: dict[str, Any] = {
        "row": 2, "patient_id": example.patient_id, "lesion_id": example.lesion_id, "side": "left",
        "ct": {"unenhanced": Path("ct.nii.gz")}, "mask": Path("mask.nii.gz"), "mask_label": None, "malignant": example.malignant,
        "histology": example.histology, "truth_source": "surgery", "split": None, "patient": example.patient,
    }  # fmt: skip
    return CohortRow(**{**given, **more})


def _cohort(folder: Path = Path("x"), **more: Any) -> Cohort:
    return Cohort(folder / "cohort.csv", tuple(_row(e, **more) for e in EXAMPLES), ())


def _trained_on(cohort: Cohort, test_patients: int = 9, seed: int = 3) -> dict[str, Any]:
    parts = split_patients(cohort.rows, test_patients, seed).of(cohort.rows)
    patients = len({row.patient_id for row in cohort.rows})
    return {
        "kind": "clinical", "seed": seed, "test_patients": test_patients, "training_patients": patients - test_patients,
        "test_lesions": parts.count("test"), "training_lesions": parts.count("train"),
    }  # fmt: skip


def test_the_test_rows_of_a_split_column_are_judged_by_default() -> None:
    cohort = _cohort()
    rows = [replace(row, split="test" if n % 3 == 0 else "train") for n, row in enumerate(cohort.rows)]
    cohort = replace(cohort, rows=tuple(rows))
    chosen, remarks = choose_part(cohort, BUNDLE)
    assert [row.lesion_id for row in chosen.rows] == [row.lesion_id for row in rows if row.split == "test"]
    assert "marks as 'test'" in remarks[0]
    training, remarks = choose_part(cohort, BUNDLE, "train")
    assert len(training.rows) + len(chosen.rows) == len(rows)
    assert "if the model was trained on this table" in remarks[-1]
    everything, remarks = choose_part(cohort, BUNDLE, "all")
    assert len(everything.rows) == len(rows)
    assert "marked 'train' in the table included" in remarks[0]


def test_without_a_split_column_all_rows_are_judged_and_what_is_not_known_is_said() -> None:
    chosen, remarks = choose_part(_cohort(), BUNDLE)
    assert len(chosen.rows) == len(EXAMPLES)
    assert "does not record which lesions it was trained on" in remarks[-1]
    with pytest.raises(CohortError, match="Use --part all"):
        choose_part(_cohort(), BUNDLE, "test")


def test_the_held_out_part_of_the_training_table_is_drawn_again() -> None:
    cohort = _cohort()
    bundle = replace(BUNDLE, training_data=_trained_on(cohort))
    expected = set(split_patients(cohort.rows, 9, 3).test)
    chosen, remarks = choose_part(cohort, bundle, "test")
    assert {row.patient_id for row in chosen.rows} == expected
    assert "drawn again with the model's seed" in remarks[0]
    _, remarks = choose_part(cohort, bundle)
    assert "judge the held-out ones with --part test" in remarks[0]
    other = replace(bundle, training_data={**bundle.training_data, "training_patients": 200})
    with pytest.raises(CohortError, match="no test part"):
        choose_part(cohort, other, "test")


def test_a_split_column_filled_in_here_and_there_is_refused() -> None:
    cohort = _cohort()
    cohort = replace(cohort, rows=(replace(cohort.rows[0], split="test"), *cohort.rows[1:]))
    with pytest.raises(CohortError, match="some rows only"):
        choose_part(cohort, BUNDLE)


def test_lesions_that_the_models_policy_leaves_out_are_left_out_and_counted() -> None:
    bundle = replace(BUNDLE, training_data={"label_policy": "phaeochromocytoma_excluded"})
    chosen, remarks = choose_part(_cohort(), bundle)
    left = sum(e.histology == "phaeochromocytoma" for e in EXAMPLES)
    assert len(chosen.rows) == len(EXAMPLES) - left > 0
    assert remarks[0].startswith(f"{left} of {len(EXAMPLES)} lesions are left out")


def test_log_odds_are_those_of_an_assessment_and_missing_where_it_gives_none() -> None:
    examples = [replace(EXAMPLES[0], patient=PatientRecord({})), *EXAMPLES[1:4]]
    found = log_odds(BUNDLE, examples, "cpu")
    scores = np.array([score_examples(w, examples, BUNDLE.encoder_settings, "cpu")[0] for w in BUNDLE.members])
    for n, example in enumerate(examples):
        results = predict(
            BUNDLE,
            ImageScores(scores[:, n], np.zeros((2, 1)), "cpu"),
            example.voxels.radiomics,
            example.measurements,
            example.patient,
        )
        for model in MODELS:
            expected = results[model].logit
            if expected is None:
                assert np.isnan(found[model][n])
            else:
                assert found[model][n] == pytest.approx(expected, abs=1e-6)
    assert np.isnan(found["combined"][0])
    assert not np.isnan(found["image"]).any()


def _with(axis: float, hu: float | None, homogeneous: bool | None = True, **values: Any) -> Example:
    record = PatientRecord({"age": Quantity(60.0, "=", None, None, ""), **values})
    measured = replace(EXAMPLES[0].measurements, long_axis_mm=axis, spontaneous_hu=hu, homogeneous=homogeneous)
    return replace(EXAMPLES[0], voxels=replace(EXAMPLES[0].voxels, measurements=measured), patient=record)


def test_rules_on_lesions_whose_answer_is_known() -> None:
    examples = [
        _with(40, 21),
        _with(39.9, 30),
        _with(60, 20),
        _with(60, 10),
        _with(60, None),
        _with(30, None),
        _with(60, 30, urine_steroid_metabolomics="low"),
        _with(60, 15, False),
        _with(60, None, False),
    ]
    found = {name: ["?" if np.isnan(c) else int(c) for c in rule.called] for name, rule in rules(examples).items()}
    assert found["size_4cm"] == [1, 0, 1, 1, 1, 0, 1, 1, 1]
    assert found["attenuation_10"] == [1, 1, 1, 0, "?", "?", 1, 1, "?"]
    assert found["attenuation_20"] == [1, 1, 0, 0, "?", "?", 1, 0, "?"]
    # Below 4 cm the attenuation no longer matters.
    assert found["size_and_attenuation"] == [1, 0, 0, 0, "?", 0, 1, 0, "?"]
    # Heterogeneous and large is enough whatever the attenuation; low metabolomics is no part of ESE/ENSAT.
    assert found["ese_ensat_2023"] == [1, 0, 0, 0, "?", 0, 1, 1, 1]
    assert found["eurine_act"] == [1, 0, 0, 0, "?", 0, 0, 0, "?"]


def test_guideline_rules_agree_with_the_verdicts_of_an_assessment() -> None:
    found = rules(EXAMPLES)
    for n, example in enumerate(EXAMPLES):
        verdicts = {v.question: v for v in guidelines(guideline_inputs(example.measurements, example.patient))}
        if verdicts["imaging"].decided:
            assert found["ese_ensat_2023"].called[n] == (verdicts["imaging"].verdict == "surgery_usual")
        if verdicts["triple_test"].decided:
            assert found["eurine_act"].called[n] == verdicts["triple_test"].verdict.startswith("positive")


def test_subgroups_hold_every_lesion_once() -> None:
    rows = [replace(row, ct={"portal": Path("a.nii.gz")}) if n % 4 == 0 else row for n, row in enumerate(_cohort().rows)]
    found = divisions(EXAMPLES, rows)
    assert set(found) == {"sex", "age", "size", "histology", "slices", "unenhanced", "side"}
    assert all(len(group.level) == len(EXAMPLES) for group in found.values())
    assert found["unenhanced"].level.count("missing") == len(rows[::4])
    counts = [found["size"].level.count(level) for level in found["size"].order]
    assert max(counts) - min(counts) <= 2
    ages = [e.patient.number("age") for e in EXAMPLES]
    assert [level is None for level in found["age"].level] == [age is None for age in ages]
    assert all((level == "below 40 years") == (age < 40) for level, age in zip(found["age"].level, ages, strict=True) if age)
    assert set(found["slices"].level) == {None}  # the files of this table do not exist


def test_slice_spacing_comes_from_the_header(tmp_path: Path) -> None:
    image = sitk.Image([6, 5, 4], sitk.sitkInt16)
    image.SetSpacing((0.7, 0.8, 3.0))
    sitk.WriteImage(image, str(tmp_path / "axial.nii.gz"))
    # The same volume stored with the body's axis first.
    turned = sitk.PermuteAxes(image, [2, 0, 1])
    sitk.WriteImage(turned, str(tmp_path / "turned.nrrd"))
    write_series(tmp_path / "dicom", body((5, 16, 16)), spacing=(2.5, 0.8, 0.8), step=(0, 0, 2.5))
    assert slice_spacing(tmp_path / "axial.nii.gz") == pytest.approx(3.0)
    assert slice_spacing(tmp_path / "turned.nrrd") == pytest.approx(3.0)
    assert slice_spacing(tmp_path / "dicom") == pytest.approx(2.5)
    (tmp_path / "broken.nrrd").write_bytes(b"no image")
    assert slice_spacing(tmp_path / "broken.nrrd") is None


def _scores() -> dict[Any, Any]:
    return {m: np.zeros(len(EXAMPLES)) for m in (*MODELS, BASELINE)}


def _truth(folder: Path, **change: Any) -> None:
    cases = [
        {"lesion_id": e.lesion_id, "malignant": e.malignant, "histology": e.histology, "tabular_posterior": n / 40}
        for n, e in enumerate(EXAMPLES)
    ]
    cases[3] |= change
    (folder / "truth.json").write_text(json.dumps({"cases": cases}), encoding="utf-8")


def test_the_ceiling_is_read_beside_the_table_it_belongs_to(tmp_path: Path) -> None:
    assert judge_examples(BUNDLE, EXAMPLES, _cohort(tmp_path), device="cpu").ceiling is None
    _truth(tmp_path)
    given = judge_examples(BUNDLE, EXAMPLES, _cohort(tmp_path, truth_source="synthetic"), ("remark",), "cpu")
    assert given.synthetic
    assert given.ceiling is not None
    np.testing.assert_allclose(given.ceiling[1:], logit(np.arange(1, len(EXAMPLES)) / 40))
    assert np.isfinite(given.ceiling[0])
    assert given.remarks == ("remark",)


@pytest.mark.parametrize(
    "change", [{"histology": "cyst"}, {"malignant": None}, {"tabular_posterior": 1.2}, {"lesion_id": "other"}]
)
def test_a_truth_of_another_table_gives_no_ceiling_and_says_so(tmp_path: Path, change: dict[str, Any]) -> None:
    _truth(tmp_path, **change)
    given = judge_examples(BUNDLE, EXAMPLES, _cohort(tmp_path), device="cpu")
    assert given.ceiling is None
    assert "does not belong to it" in given.remarks[-1]
    (tmp_path / "truth.json").write_text("{", encoding="utf-8")
    assert judge_examples(BUNDLE, EXAMPLES, _cohort(tmp_path), device="cpu").ceiling is None


def test_baseline_and_conformal_sets_stand_beside_the_models() -> None:
    scores = _scores()
    limits = ConformalScores(np.linspace(-3, -1, 50), np.linspace(1, 3, 50))
    bundle = replace(BUNDLE, conformal={"combined": limits})
    scores["combined"] = np.array([-2.0, 2.0, 0.0, np.nan] + [0.0] * (len(EXAMPLES) - 4))
    given = predictions_of(bundle, EXAMPLES, _cohort().rows, scores)
    assert given.conformal["combined"][:4] == ("benign", "malignant", "none", None)
    assert set(given.conformal) == {"combined"}
    assert set(given.baselines) == {"size_attenuation"}


def test_lesions_that_the_model_was_trained_on_are_recognised_under_any_name() -> None:
    bundle = replace(BUNDLE, trained_on=short_fingerprints(EXAMPLES[:5]))
    given = predictions_of(bundle, EXAMPLES, _cohort().rows, _scores())
    assert given.remarks[-1].startswith(f"5 of these {len(EXAMPLES)} lesions are among those that the model was trained on")
    _, remarks = choose_part(_cohort(), bundle)
    assert not any("does not record" in remark for remark in remarks)
    assert not predictions_of(bundle, EXAMPLES[5:], _cohort().rows, {m: s[5:] for m, s in _scores().items()}).remarks

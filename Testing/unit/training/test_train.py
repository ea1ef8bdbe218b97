"""A whole run on made-up lesions: signal found, noise not, test rows without influence, repeatable, patients together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from AdrenalClassifierLib.cohort.splits import grouped_folds
from AdrenalClassifierLib.evaluation.metrics import auc
from AdrenalClassifierLib.model.bundle import ModelBundle, load_bundle, save_bundle
from AdrenalClassifierLib.model.encoder import EncoderSettings
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.training.card import model_card
from AdrenalClassifierLib.training.comparison import CANDIDATES, compare_image_models
from AdrenalClassifierLib.training.encoder_training import TrainingSettings, score_examples, train_encoder
from AdrenalClassifierLib.training.examples import labels
from AdrenalClassifierLib.training.members import train_members
from AdrenalClassifierLib.training.train import Description, TrainSettings, ensemble_logits, short_fingerprints, train
from AdrenalClassifierLib.training.workspace import Workspace
from support.examples import SETTINGS, planted

QUICK = TrainSettings(
    folds=3,
    repeats=1,
    training=TrainingSettings(epochs=15, batch=8, learning_rate=0.01),
    encoder_repeats=1,
    input_settings=SETTINGS,
    encoder=EncoderSettings(width=4),
    device="cpu",
)
WHAT = Description("made-up", "1", "For research use only.", {"kind": "synthetic", "seed": 0}, {"acc": True, "adenoma": False})


@pytest.fixture(scope="module")
def bundle() -> ModelBundle:
    return train(planted(60, 0), planted(40, 1), QUICK, WHAT)


def test_a_planted_signal_is_found_in_new_lesions(bundle: ModelBundle) -> None:
    new = planted(200, 2)
    logits = ensemble_logits(bundle.members, bundle.fusions, bundle.features, bundle.encoder_settings, new, "cpu")
    for model in MODELS:
        assert auc(logits[model], labels(new)).low > 0.6
    assert bundle.prevalence == pytest.approx(np.mean(labels(planted(60, 0))))


def test_labels_without_signal_give_none() -> None:
    found = train(planted(60, 3, strength=0.0), (), QUICK, WHAT)
    new = planted(300, 5, strength=0.0)
    logits = ensemble_logits(found.members, found.fusions, found.features, found.encoder_settings, new, "cpu")
    for model in MODELS:
        result = auc(logits[model], labels(new))
        assert result.low <= 0.5 <= result.high


def test_the_test_part_changes_nothing_but_the_report(bundle: ModelBundle) -> None:
    other = train(planted(60, 0), planted(40, 9, strength=3.0), QUICK, WHAT)
    for a, b in zip(bundle.members, other.members, strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    for model in MODELS:
        for key, value in bundle.fusions[model].arrays().items():
            np.testing.assert_array_equal(other.fusions[model].arrays()[key], value)
    assert bundle.thresholds == other.thresholds
    assert bundle.performance["cross_validation"] == other.performance["cross_validation"]
    assert bundle.performance["test"] != other.performance["test"]


def test_one_seed_gives_one_result_whatever_the_number_of_workers() -> None:
    examples = planted(30, 6)
    folds = grouped_folds(examples, 2, 1, 0)
    encoder = EncoderSettings(width=4, subtypes=("acc",))
    settings = TrainingSettings(epochs=2, batch=8)
    told: list[tuple[int, int, str]] = []
    runs = [
        train_members(examples, folds, encoder, settings, seed, "cpu", workers, lambda *step: told.append(step))
        for seed, workers in ((1, 1), (1, 2), (2, 1))
    ]
    for a, b in zip(runs[0].members, runs[1].members, strict=True):
        for key in a:
            np.testing.assert_array_equal(a[key], b[key])
    np.testing.assert_array_equal(runs[0].scores, runs[1].scores)
    assert not np.array_equal(runs[0].scores, runs[2].scores)
    assert told[:4] == [(n, 4, "Training image encoders") for n in range(1, 5)]


def test_every_lesion_is_scored_by_encoders_that_have_not_seen_its_patient() -> None:
    examples = planted(24, 7)
    folds = grouped_folds(examples, 3, 2, 0)
    encoder = EncoderSettings(width=4, subtypes=("acc",))
    settings = TrainingSettings(epochs=1, batch=8)
    found = train_members(examples, folds, encoder, settings, 0, "cpu")
    scores = np.zeros((2, len(examples)))
    for n, (fold, member) in enumerate(zip(folds, found.members, strict=True)):
        inside = {examples[n].patient_id for n in fold.train}
        assert not inside & {examples[n].patient_id for n in fold.test}
        scores[fold.repeat, fold.test], embeddings = score_examples(member, [examples[i] for i in fold.test], encoder, "cpu")
        np.testing.assert_array_equal(found.embeddings[fold.repeat, fold.test], embeddings)
        assert (found.held_out_by[fold.repeat, fold.test] == n).all()
    np.testing.assert_array_equal(found.scores, scores.mean(axis=0))


def test_a_run_that_was_cut_off_goes_on_from_the_finished_encoders(tmp_path) -> None:  # type: ignore[no-untyped-def]
    examples = planted(24, 7)
    folds = grouped_folds(examples, 3, 1, 0)
    encoder = EncoderSettings(width=4, subtypes=("acc",))
    settings = TrainingSettings(epochs=2, batch=8)

    def stop(done: int, total: int, what: str) -> None:
        if done == 5:  # in the middle of the third encoder
            raise KeyboardInterrupt

    space = Workspace(tmp_path / "work")
    with pytest.raises(KeyboardInterrupt):
        train_members(examples, folds, encoder, settings, 0, "cpu", progress=stop, workspace=space)
    assert len(list((tmp_path / "work" / "encoders").iterdir())) == 2
    told: list[int] = []
    again = train_members(
        examples, folds, encoder, settings, 0, "cpu", progress=lambda done, *_: told.append(done), workspace=space
    )
    assert told == [1, 2]  # one encoder of two epochs was left to train
    whole = train_members(examples, folds, encoder, settings, 0, "cpu")
    np.testing.assert_array_equal(again.scores, whole.scores)
    # A damaged piece is trained anew; another label or setting makes another key.
    next((tmp_path / "work" / "encoders").iterdir()).write_bytes(b"no archive")
    told.clear()
    train_members(examples, folds, encoder, settings, 0, "cpu", progress=lambda done, *_: told.append(done), workspace=space)
    assert told == [1, 2]
    turned = [replace(examples[0], malignant=not examples[0].malignant), *examples[1:]]
    told.clear()
    train_members(turned, folds, encoder, settings, 0, "cpu", progress=lambda done, *_: told.append(done), workspace=space)
    assert told == [1, 2, 3, 4]  # the two encoders that learn from this lesion


def test_a_run_on_one_class_of_subtypes_and_odd_numbers_works() -> None:
    examples = tuple(replace(e, histology="acc" if e.malignant else "adenoma") for e in planted(17, 8, bilateral=0))
    weights = train_encoder(examples, EncoderSettings(width=4, subtypes=()), TrainingSettings(epochs=1, batch=16), 0, "cpu")
    assert np.isfinite(score_examples(weights, examples, EncoderSettings(width=4), "cpu")[0]).all()


def test_saving_in_half_precision_keeps_the_probabilities(bundle: ModelBundle, tmp_path) -> None:  # type: ignore[no-untyped-def]
    save_bundle(bundle, tmp_path / "made-up", model_card(bundle))
    back = load_bundle(tmp_path / "made-up")
    new = planted(30, 10)
    before, after = (ensemble_logits(b.members, b.fusions, b.features, b.encoder_settings, new, "cpu") for b in (bundle, back))
    for model in MODELS:
        np.testing.assert_allclose(expit(after[model]), expit(before[model]), atol=1e-6)


def test_the_card_says_what_the_run_found(bundle: ModelBundle) -> None:
    card = model_card(bundle)
    found = bundle.performance["cross_validation"]["combined"]["auc"]
    assert f"{found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})" in card
    assert bundle.statement in card
    assert "seed: 0" in card
    assert f"balanced {bundle.thresholds['image']['balanced']:.3f}" in card


def test_a_bundle_knows_its_lesions_and_what_stands_beside_a_probability(bundle: ModelBundle) -> None:
    learnt = planted(60, 0)
    assert bundle.trained_on == short_fingerprints(learnt)
    for model in MODELS:
        scores = bundle.conformal[model]
        assert len(scores.benign) + len(scores.malignant) <= len(learnt)
        assert len(scores.malignant) == len({e.patient_id for e in learnt if e.malignant})
    assert bundle.validity.ranges["age"][0] >= 25
    reference = bundle.validity.embedding
    assert reference is not None
    assert reference.mean.shape == (3, bundle.encoder_settings.embedding)
    assert "weight_loss" in {item.key for item in bundle.plausible}
    assert bundle.baseline.columns == ("log2_long_axis", "spontaneous_hu", "spontaneous_hu_below_20")


def test_other_image_models_are_compared_on_the_same_folds() -> None:
    candidates = compare_image_models(planted(30, 0), replace(QUICK, training=TrainingSettings(epochs=2, batch=8)))
    assert [(c["network"], c["handcrafted"]) for c in candidates] == list(CANDIDATES)
    for item in candidates:
        assert 0 <= item["image"]["low"] <= item["image"]["value"] <= item["image"]["high"] <= 1
        assert (item["parameters"] is None) == (item["network"] is None)
    parameters = {c["network"]: c["parameters"] for c in candidates}
    assert 0.5 < parameters["residual"] / parameters["monai_resnet"] < 2  # "of the same cost"

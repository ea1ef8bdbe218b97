"""The bundled model on lesions of a seed that training never saw, and a model trained on shuffled labels."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from AdrenalClassifierLib.cohort.synthetic.case import draw_cohort
from AdrenalClassifierLib.model.bundle import load_bundle
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource
from AdrenalClassifierLib.training.encoder_training import TrainingSettings
from AdrenalClassifierLib.training.examples import Example, labels
from AdrenalClassifierLib.training.metrics import auc
from AdrenalClassifierLib.training.preparation import prepare_synthetic
from AdrenalClassifierLib.training.train import Description, TrainSettings, ensemble_logits, train

SEED, LESIONS = 20_261, 240
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def unseen() -> tuple[Example, ...]:
    bundle = load_bundle(resource("Models", DEFAULT_MODEL))
    assert bundle.training_data["seed"] != SEED
    return prepare_synthetic(draw_cohort(LESIONS, SEED), bundle.input_settings, workers=os.cpu_count() or 1)


def test_the_four_models_stand_in_the_order_that_medicine_expects(unseen: Sequence[Example]) -> None:
    bundle = load_bundle(resource("Models", DEFAULT_MODEL))
    logits = ensemble_logits(bundle.members, bundle.fusions, bundle.features, bundle.encoder_settings, unseen, "cpu")
    found = {model: auc(logits[model], labels(unseen)) for model in MODELS}
    print({m: f"{r.value:.3f} ({r.low:.3f} to {r.high:.3f})" for m, r in found.items()})
    best = found["combined"].value
    assert best == max(r.value for r in found.values())
    assert best > found["image"].value + 0.03
    assert found["image+clinical"].value > found["image"].value
    assert found["image"].low > 0.7
    assert found["combined"].low > 0.8


def test_a_model_trained_on_shuffled_labels_knows_nothing(unseen: Sequence[Example]) -> None:
    # Whole patients are given another patient's label, so that nothing but the label is disturbed.
    learn, judge = unseen[:120], unseen[120:]
    learn = [e for e in learn if e.patient_id not in {j.patient_id for j in judge}]
    order = np.random.default_rng(0).permutation(len(learn))
    shuffled = [replace(e, malignant=learn[n].malignant, histology=learn[n].histology) for e, n in zip(learn, order, strict=True)]
    settings = TrainSettings(folds=3, repeats=2, training=TrainingSettings(epochs=6), width=8, device="cpu", workers=2)
    model = train(shuffled, (), settings, Description("shuffled", "1", "", {"kind": "synthetic"}, {}))
    logits = ensemble_logits(model.members, model.fusions, model.features, model.encoder_settings, judge, "cpu")
    for name in MODELS:
        found = auc(logits[name], labels(judge))
        print(name, found)
        assert found.low <= 0.5 <= found.high

"""Applying a bundle: four models, reasons, contributions, intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from AdrenalClassifierLib.imaging.measurements import measure
from AdrenalClassifierLib.imaging.network_input import network_input
from AdrenalClassifierLib.imaging.radiomics import radiomics
from AdrenalClassifierLib.model.encoder import EncoderSettings, build_encoder
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.model.scoring import Scorer, case_row, predict
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity
from support.bundles import untrained_bundle
from support.examples import small_lesion

BUNDLE = untrained_bundle()
LESION = small_lesion()
MEASURED = measure(LESION)
RADIOMICS = radiomics(LESION, MEASURED).values
FULL = PatientRecord({"age": Quantity(61.0, "=", None, None, ""), "sex": "male", "weight_loss": True})


@pytest.fixture(scope="module")
def scores():  # type: ignore[no-untyped-def]
    return Scorer(BUNDLE, "cpu").scores(network_input(LESION, BUNDLE.input_settings))


def test_each_member_gives_a_score_and_the_mean_is_the_image_score(scores) -> None:  # type: ignore[no-untyped-def]
    assert scores.members.shape == (2,)
    assert scores.mean == pytest.approx(scores.members.mean())
    given = network_input(LESION, BUNDLE.input_settings)
    for n, member in enumerate(BUNDLE.members):
        network = build_encoder(BUNDLE.encoder_settings)
        network.load_state_dict({k: torch.from_numpy(v) for k, v in member.items()})
        with torch.inference_mode():
            alone = network.eval()(torch.from_numpy(given.views[None]), torch.from_numpy(given.present[None]))
        assert scores.members[n] == pytest.approx(float(alone["logit"]), abs=1e-6)


def test_contributions_and_intercept_add_up_to_the_logit_of_the_shown_probability(scores) -> None:  # type: ignore[no-untyped-def]
    for result in predict(BUNDLE, scores, RADIOMICS, MEASURED, FULL).values():
        total = result.intercept + sum(result.contributions.values())
        assert total == pytest.approx(result.logit, abs=1e-12)
        assert result.probability == pytest.approx(1 / (1 + math.exp(-total)), abs=1e-12)
        assert result.interval[0] <= result.probability <= result.interval[1]


def test_without_clinical_values_the_models_that_need_them_say_so(scores) -> None:  # type: ignore[no-untyped-def]
    results = predict(BUNDLE, scores, RADIOMICS, MEASURED, PatientRecord({}))
    assert {m for m in MODELS if results[m].probability is None} == {"image+clinical", "combined"}
    assert results["combined"].reason == "no clinical value was given"
    assert results["combined"].interval is None


def test_a_missing_value_is_imputed_by_the_mean_and_flagged_never_zero(scores) -> None:  # type: ignore[no-untyped-def]
    row = case_row(BUNDLE.features, scores.mean, RADIOMICS, MEASURED, FULL)
    assert math.isnan(row["dheas"])
    assert row["dheas__missing"] == 1.0
    assert row["age__missing"] == 0.0
    fusion = BUNDLE.fusions["combined"]
    standard = dict(zip(fusion.columns, fusion.standardised(row), strict=True))
    assert standard["dheas"] == 0.0
    mean = fusion.mean[fusion.columns.index("dheas")]
    same = fusion.standardised({**row, "dheas": mean})
    assert dict(zip(fusion.columns, same, strict=True))["dheas"] == pytest.approx(0.0)
    assert fusion.standardised({**row, "dheas": 0.0})[fusion.columns.index("dheas")] == pytest.approx(
        -mean / fusion.scale[fusion.columns.index("dheas")]
    )


def test_an_absent_phase_is_not_mistaken_for_tissue() -> None:
    torch.manual_seed(0)
    network = build_encoder(EncoderSettings(width=4)).eval()
    views = torch.zeros(1, 2, 3, 16, 16, 16)
    with torch.inference_mode():
        absent = network(views, torch.tensor([[1.0, 0.0]]))["logit"]
        shown = network(views, torch.tensor([[1.0, 1.0]]))["logit"]
    assert absent != shown


def test_the_number_of_cubes_at_once_does_not_matter() -> None:
    torch.manual_seed(0)
    network = build_encoder(EncoderSettings(width=4)).eval()
    views, present = torch.randn(3, 2, 3, 16, 16, 16), torch.ones(3, 2)
    with torch.inference_mode():
        together = network(views, present)["logit"].numpy()
        alone = np.concatenate([network(views[n : n + 1], present[n : n + 1])["logit"].numpy() for n in range(3)])
    np.testing.assert_allclose(together, alone, atol=1e-5)

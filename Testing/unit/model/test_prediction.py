"""What is shown of the four models: prevalence, sets, the validated range, missing values; and the sum of all parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit

from AdrenalClassifierLib.assessment import Assessor
from AdrenalClassifierLib.imaging.measurements import measure
from AdrenalClassifierLib.model.bundle import load_bundle, save_bundle
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.model.prediction import Options, Predictor
from AdrenalClassifierLib.model.prevalence import Prevalence, parse_prevalence
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.patient.record import PatientRecord
from support.bundles import complete_bundle
from support.examples import small_lesion

LESION = small_lesion()
PATIENT, _ = record_from_json({"age": 61, "sex": "female", "cortisol_dst": "<50 nmol/L"})
NOTHING_KNOWN = PatientRecord({})


@pytest.fixture(scope="module")
def assessor(tmp_path_factory) -> Assessor:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("bundle") / "complete"
    save_bundle(complete_bundle(), folder, "# Card\n")
    return Assessor(folder, "cpu")


def test_all_that_stands_beside_a_probability_survives_saving(tmp_path) -> None:  # type: ignore[no-untyped-def]
    before = complete_bundle()
    save_bundle(before, tmp_path / "m", "# Card\n")
    after = load_bundle(tmp_path / "m")
    assert after.plausible == before.plausible
    assert after.validity.ranges == before.validity.ranges
    for model in MODELS:
        for name, values in before.conformal[model].arrays().items():
            np.testing.assert_array_equal(after.conformal[model].arrays()[name], values)
    for name, values in before.validity.embedding.arrays().items():
        np.testing.assert_array_equal(after.validity.embedding.arrays()[name], values)


def total(found: dict) -> float:  # type: ignore[type-arg]
    parts = sum(item["log_odds"] for item in found["contributions"])
    return float(found["baseline_log_odds"] + parts + found["prevalence"]["log_odds"])


@pytest.mark.parametrize("text", ["training", "incidentaloma", "surgical", "1%", "0.9"])
def test_baseline_contributions_and_prevalence_add_up_to_the_probability_shown(assessor: Assessor, text: str) -> None:
    found = assessor.assess(LESION, PATIENT, options=Options(prevalence=parse_prevalence(text))).to_json()
    assert expit(total(found)) == pytest.approx(found["probability"], abs=1e-9)
    assert found["interval"][0] <= found["probability"] <= found["interval"][1]


def test_the_prevalence_moves_every_probability_and_interval_by_the_same_log_odds(assessor: Assessor) -> None:
    trained = assessor.assess(LESION, PATIENT)
    moved = assessor.assess(LESION, PATIENT, options=Options(prevalence=Prevalence("incidentaloma", 0.08)))
    shift = logit(0.08) - logit(assessor.bundle.prevalence)
    for name in MODELS:
        before, after = trained.models[name], moved.models[name]
        assert logit(after.probability) - logit(before.probability) == pytest.approx(shift, abs=1e-6)
        for a, b in zip(before.interval, after.interval, strict=True):
            assert logit(b) - logit(a) == pytest.approx(shift, abs=1e-4)  # near 1 a probability has few digits left
        assert after.contributions == before.contributions
        assert moved.conformal[name] == trained.conformal[name]  # sets hold within a class, whatever the prevalence
    assert moved.to_json()["prevalence"]["setting"] == "incidentaloma"
    assert trained.to_json()["prevalence"] == {"setting": "training", "value": 0.26, "training": 0.26, "log_odds": 0.0}


def test_each_model_has_its_own_set_at_the_level_asked_for(assessor: Assessor) -> None:
    for level in (0.8, 0.9):
        found = assessor.assess(LESION, PATIENT, options=Options(level=level))
        for name in MODELS:
            expected = assessor.bundle.conformal[name].set_of(found.models[name].logit, level)
            assert found.conformal[name] == expected
        assert found.to_json()["conformal_set"] == found.conformal["combined"].to_json()
        assert found.to_json()["models"]["image"]["conformal_set"]["level"] == level


OUTSIDE = replace(LESION, phase="unknown")


def test_outside_the_validated_range_no_model_has_a_probability(assessor: Assessor) -> None:
    found = assessor.assess(OUTSIDE, PATIENT).to_json()
    assert found["probability"] is None
    assert found["model"] is None
    assert found["interval"] is None
    assert found["conformal_set"] is None
    assert found["contributions"] == []
    assert found["what_if"] == []
    assert found["validity"]["outside"] is True
    for model in found["models"].values():
        assert model["probability"] is None
        assert model["interval"] is None
        assert model["reason"].startswith("outside the validated range: The contrast phase of the CT is not known")
        assert "conformal_set" not in model
    assert found["measurements"]["long_axis_mm"] > 0
    assert found["guidelines"]


def test_it_is_shown_when_asked_for_with_the_reasons_beside_it(assessor: Assessor) -> None:
    for found in (
        assessor.assess(OUTSIDE, PATIENT, show_outside=True),
        assessor.assess(OUTSIDE, PATIENT, options=Options(show_outside=True)),
    ):
        assert found.result.probability is not None
        assert found.outside
        assert [f.code for f in found.validity] == ["phase_unknown"]
        assert found.to_json()["probability"] == found.result.probability


def test_a_model_without_its_inputs_keeps_its_own_reason(assessor: Assessor) -> None:
    found = assessor.assess(OUTSIDE, NOTHING_KNOWN).to_json()
    assert found["models"]["combined"]["reason"] == "no clinical value was given"
    assert found["models"]["image"]["reason"].startswith("outside")


def test_a_caution_hides_nothing(assessor: Assessor) -> None:
    found = assessor.assess(LESION, NOTHING_KNOWN)
    assert [f.code for f in found.validity] == ["age_missing"]
    assert not found.outside
    assert found.shown == "image+radiological"


def test_an_image_far_from_the_training_cohort_is_outside(tmp_path) -> None:  # type: ignore[no-untyped-def]
    bundle = complete_bundle()
    near = replace(bundle.validity.embedding, limit=0.0)
    save_bundle(replace(bundle, validity=replace(bundle.validity, embedding=near)), tmp_path / "m", "# Card\n")
    found = Assessor(tmp_path / "m", "cpu").assess(LESION, PATIENT)
    assert [f.code for f in found.validity] == ["unlike_training"]
    assert found.shown is None


def probability(assessor: Assessor, **values: object) -> float:
    patient, _ = record_from_json({"age": 61, "sex": "female", "cortisol_dst": "<50 nmol/L", **values})
    found = assessor.assess(LESION, patient, options=Options(prevalence=Prevalence("own", 0.1)))
    return float(found.result.probability)


def test_what_a_missing_value_would_change_is_what_the_software_says_when_it_is_given(assessor: Assessor) -> None:
    """Each supposed value, entered as a value, gives the very probability that was foretold, prevalence included."""
    found = assessor.assess(LESION, PATIENT, options=Options(prevalence=Prevalence("own", 0.1)))
    assert [w.input for w in found.what_if] == [w.input for w in sorted(found.what_if, key=lambda w: -w.span)]
    assert {w.input for w in found.what_if} == {"weight_loss", "genetic_syndrome", "normetanephrine"}
    for item in found.what_if:
        for point in (item.lowest, item.highest):
            given: object = point.value
            if item.input == "normetanephrine":
                given = {"value": point.value, "unit": "nmol/L", "upper_limit": point.value / point.ratio}
            assert probability(assessor, **{item.input: given}) == pytest.approx(point.probability, abs=1e-9)


def test_a_missing_spontaneous_attenuation_is_supposed_too(assessor: Assessor) -> None:
    portal = replace(LESION, phase="portal")
    found = Predictor(assessor.bundle, "cpu").predict(portal, measure(portal), NOTHING_KNOWN, Options())
    assert len(found.what_if) == len(assessor.bundle.plausible)
    assert found.what_if[:3] == assessor.assess(portal, NOTHING_KNOWN).what_if
    item = next(w for w in found.what_if if w.input == "spontaneous_hu")
    assert item.model == "image+radiological"
    assert {item.lowest.value, item.highest.value} <= {-4.0, 18.0, 38.0}
    # Without any value of the patient a supposed one would make the richer model available, and the item says so.
    assert {w.model for w in found.what_if if w.input != "spontaneous_hu"} == {"combined"}


def test_saliency_is_made_when_asked_for_and_explains_the_model_that_is_shown(assessor: Assessor) -> None:
    assert assessor.assess(LESION, PATIENT).saliency is None
    found = assessor.assess(LESION, PATIENT, options=Options(saliency=True))
    assert found.saliency.logit == pytest.approx(found.result.logit, abs=1e-5)
    assert found.saliency.values.shape == LESION.geometry.shape
    told = found.to_json()["saliency"]
    assert told["file"] is None
    assert told["whole_structure_log_odds"] == pytest.approx(found.saliency.logit - found.saliency.uniform_logit)
    hidden = assessor.assess(OUTSIDE, PATIENT, options=Options(saliency=True))
    assert hidden.saliency is None
    assert "no_saliency" in {n.code for n in hidden.warnings}

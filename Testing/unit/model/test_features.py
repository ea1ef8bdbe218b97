"""Every column by its formula, from the values a physician gives."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from AdrenalClassifierLib.errors import BundleError
from AdrenalClassifierLib.imaging.measurements import measure
from AdrenalClassifierLib.imaging.radiomics import NAMES
from AdrenalClassifierLib.model.features import Feature, default_features, feature_value
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.patient.record import PatientRecord
from support.examples import small_lesion

MEASURED = measure(small_lesion())
FEATURES = {f.name: f for f in default_features()}


def value(name: str, patient: dict[str, object] | None = None, **measured: object) -> float | None:
    record, _ = record_from_json(patient or {})
    return feature_value(FEATURES[name], {}, replace(MEASURED, **measured), record)  # type: ignore[arg-type]


def test_size_and_attenuation() -> None:
    assert value("log2_long_axis", long_axis_mm=80.0) == pytest.approx(1.0)  # 80 / 40 = 2^1
    assert value("log2_long_axis", long_axis_mm=20.0) == pytest.approx(-1.0)
    assert value("spontaneous_hu", spontaneous_hu=35.0) == pytest.approx(1.5)  # (35 - 20) / 10
    assert value("spontaneous_hu_below_20", spontaneous_hu=5.0) == pytest.approx(1.5)
    assert value("spontaneous_hu_below_20", spontaneous_hu=25.0) == 0.0
    assert value("spontaneous_hu", spontaneous_hu=None) is None
    assert value("spontaneous_hu", spontaneous_hu=-110.0) == pytest.approx((-40 - 20) / 10)  # clipped


def test_flags_and_choices() -> None:
    assert value("weight_loss", {"weight_loss": True}) == 1.0
    assert value("weight_loss", {"weight_loss": False}) == 0.0
    assert value("weight_loss") is None
    assert value("male", {"sex": "female"}) == 0.0
    assert value("prior_cancer_any", {"prior_cancer": "in_remission"}) == 1.0
    assert value("prior_cancer_active", {"prior_cancer": "in_remission"}) == 0.0
    assert value("male") is None


def test_laboratory_values_in_either_unit_give_the_same_column() -> None:
    si = value("cortisol_dst", {"cortisol_dst": {"value": 100, "unit": "nmol/L"}})
    assert si == pytest.approx(1.0)  # log2(100 / 50)
    conventional = value("cortisol_dst", {"cortisol_dst": {"value": 100 / 27.59, "unit": "\u00b5g/dL"}})
    assert conventional == pytest.approx(si, abs=1e-3)


def test_a_censored_value_enters_as_the_bound_over_root_two() -> None:
    assert value("cortisol_dst", {"cortisol_dst": "<50 nmol/L"}) == pytest.approx(-0.5)  # log2(1 / sqrt 2)
    assert value("cortisol_dst", {"cortisol_dst": ">200 nmol/L"}) == pytest.approx(2.0)


def test_ratios_use_the_laboratory_limit_first_and_the_largest_metanephrine() -> None:
    own = {"metanephrine": {"value": 1.0, "unit": "nmol/L", "upper_limit": 0.5}}
    assert value("metanephrines", own) == pytest.approx(1.0)
    both = {**own, "normetanephrine": {"value": 4.0, "unit": "nmol/L", "upper_limit": 1.0}}
    assert value("metanephrines", both) == pytest.approx(2.0)
    # Without the laboratory's own limit the catalogue's holds; normetanephrine's depends on age.
    assert value("metanephrines", {"metanephrine": {"value": 0.9, "unit": "nmol/L"}}) == pytest.approx(1.0)
    assert value("metanephrines", {"normetanephrine": {"value": 4.0, "unit": "nmol/L"}}) is None
    aged = {"age": 35, "normetanephrine": {"value": 1.2, "unit": "nmol/L"}}
    assert value("metanephrines", aged) == pytest.approx(math.log2(1.2 / 0.60))


def test_every_feature_reads_what_exists() -> None:
    variables = load_catalogue().variables
    for feature in default_features():
        for key in feature.inputs:
            if feature.group == "image":
                assert key in NAMES
                assert feature.sign == 0
            elif feature.group == "radiological":
                assert hasattr(MEASURED, key)
            else:
                kind = variables[key].kind
                expected = {"flag": "flag", "choice": "choice"}.get(feature.kind)
                assert kind == expected or (expected is None and kind in ("number", "count")), key
                if feature.kind == "choice":
                    assert set(feature.choices) <= {c.value for c in variables[key].choices}
        assert feature.sign in (-1, 0, 1)
    assert len(FEATURES) == len(default_features())
    # What a lesion has without contrast on average is radiological data, not a feature of the image.
    assert {f.inputs[0] for f in default_features() if f.group == "image"} == set(NAMES) - {"unenhanced_p90_hu"}


def test_an_image_feature_is_the_radiomic_number_itself() -> None:
    assert feature_value(FEATURES["sphericity"], {"sphericity": 0.8}, MEASURED, PatientRecord({})) == 0.8
    assert feature_value(FEATURES["sphericity"], {"sphericity": None}, MEASURED, PatientRecord({})) is None


def test_features_survive_json_and_unknown_fields_are_refused() -> None:
    for feature in default_features():
        assert Feature.from_json(feature.to_json()) == feature
    with pytest.raises(BundleError, match="Update the software"):
        Feature.from_json({**FEATURES["male"].to_json(), "colour": "red"})


def test_an_empty_record_gives_no_clinical_column() -> None:
    assert all(feature_value(f, {}, MEASURED, PatientRecord({})) is None for f in default_features() if f.group == "clinical")

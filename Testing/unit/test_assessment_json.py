"""An assessment goes through JSON: the same JSON again, and the same page."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from AdrenalClassifierLib.assessment import Assessment, Assessor
from AdrenalClassifierLib.errors import AdrenalError, MissingDependencyError
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.model.bundle import save_bundle
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.model.prevalence import parse_prevalence
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.patient.record import PatientRecord
from AdrenalClassifierLib.report.page import page
from support.bundles import complete_bundle
from support.examples import small_lesion

LESION = small_lesion()
OUTSIDE = replace(LESION, phase="unknown", notices=(Notice("odd", "Something <odd> — here."),))
PATIENT, _ = record_from_json({"age": 61, "sex": "female", "cortisol_dst": "<50 nmol/L", "normetanephrine": "1.2 nmol/L"})
NOTHING = PatientRecord({})
CASES: dict[str, tuple[Lesion, PatientRecord, Options]] = {
    "normal": (LESION, PATIENT, Options()),
    "nothing known": (LESION, NOTHING, Options()),
    "another prevalence and level": (LESION, PATIENT, Options(parse_prevalence("8%"), 0.8)),
    "too few for the level": (LESION, PATIENT, Options(level=0.99)),
    "outside": (OUTSIDE, PATIENT, Options()),
    "outside, shown": (OUTSIDE, PATIENT, Options(show_outside=True)),
    "saliency": (LESION, PATIENT, Options(saliency=True)),
}


@pytest.fixture(scope="module")
def assessor(tmp_path_factory) -> Assessor:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("bundle") / "complete"
    save_bundle(complete_bundle(), folder, "# Card\n")
    return Assessor(folder, "cpu")


def through_text(value: dict[str, Any]) -> dict[str, Any]:
    """As if it had been saved."""
    return json.loads(json.dumps(value, allow_nan=False))  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", CASES)
def test_the_same_json_and_page_again(assessor: Assessor, name: str) -> None:
    lesion, patient, options = CASES[name]
    before = assessor.assess(lesion, patient, (Notice("typed", "A value was odd."),), options)
    told = through_text(before.to_json())
    after = Assessment.from_json(told)
    assert after.to_json() == before.to_json() == told
    if options.saliency:
        assert before.saliency is not None
        after = after.with_saliency(before.saliency.values)
        assert after.to_json() == told
    assert page([(after, lesion)]) == page([(before, lesion)])
    assert after.result is None or after.result == before.result
    assert (after.conformal, after.what_if, after.prior) == (before.conformal, before.what_if, before.prior)
    assert (after.guidelines, after.validity, after.warnings) == (before.guidelines, before.validity, before.warnings)


def test_without_torch_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise MissingDependencyError("The probability needs the package torch. Install it.")

    monkeypatch.setattr("AdrenalClassifierLib.assessment.require_torch", absent)
    before = Assessor().assess(LESION, PATIENT)
    assert before.shown is None
    after = Assessment.from_json(through_text(before.to_json()))
    assert after == before or after.to_json() == before.to_json()
    assert page([(after, LESION)]) == page([(before, LESION)])


def test_the_sum_of_an_earlier_result_is_made_up_for(assessor: Assessor) -> None:
    before = assessor.assess(LESION, PATIENT, options=Options(parse_prevalence("8%")))
    earlier = through_text(before.to_json())
    del earlier["log_odds"]
    after = Assessment.from_json(earlier)
    assert after.result is not None
    assert before.result is not None
    assert after.result.logit == pytest.approx(before.result.logit, abs=1e-9)
    assert page([(after, LESION)]) == page([(before, LESION)])


def test_a_newer_result_is_said_and_a_damaged_one_too(assessor: Assessor) -> None:
    told = through_text(assessor.assess(LESION, PATIENT).to_json())
    with pytest.raises(AdrenalError, match="has the version 3, this software reads up to 2"):
        Assessment.from_json({**told, "schema_version": 3})
    for other in ({}, [], "text", None, 3):
        with pytest.raises(AdrenalError, match="damaged or incomplete"):
            Assessment.from_json(other)  # type: ignore[arg-type]
    with pytest.raises(AdrenalError, match="no saliency map"):
        Assessment.from_json(told).with_saliency(LESION.ct)
    refused = 0
    for path in _places(told):
        for wrong in (_Missing, [1], 7, {"a": 1}):
            broken = copy.deepcopy(told)
            _change(broken, path, wrong)
            try:
                Assessment.from_json(broken)
            except AdrenalError as error:
                refused += str(error).startswith("The saved result")
    assert refused > 100


class _Missing:
    """In place of a value: the key is left out."""


def _places(told: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Every key, to two levels, and the first item of each list."""
    places: list[tuple[Any, ...]] = []
    for key, value in told.items():
        places.append((key,))
        if isinstance(value, dict):
            places += [(key, inner) for inner in value]
        elif isinstance(value, list) and value:
            places.append((key, 0))
            if isinstance(value[0], dict):
                places += [(key, 0, inner) for inner in value[0]]
    return places


def _change(value: Any, path: tuple[Any, ...], wrong: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    if wrong is _Missing:
        del value[path[-1]]
    else:
        value[path[-1]] = wrong

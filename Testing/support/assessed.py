"""Real assessments of the sample case in every state that a result can have, for tests of panels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from AdrenalClassifierLib.assessment import Assessment, Assessor
from AdrenalClassifierLib.errors import MissingDependencyError
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from AdrenalClassifierLib.model import device
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.model.prevalence import NAMED, Prevalence
from AdrenalClassifierLib.patient.parse import record_from_json
from support import sample

VALUES = {"age": "54 years", "sex": "female", "cortisol_dst": "<35 nmol/L", "hypertension": True, "prior_cancer": "none"}


@cache
def lesion(phase: Phase = "unenhanced") -> Lesion:
    """The lesion of the sample case."""
    (found,) = extract_lesions(replace(read_ct(sample.CT), phase=phase), read_mask(sample.MASK).segments)
    return found


@cache
def assessments() -> Mapping[str, Assessment]:
    """By state: normal, empty (nothing given), incidentaloma, outside (shown), hidden, no model."""
    assessor = Assessor(device="cpu")
    patient, notices = record_from_json(VALUES)
    old, old_notices = record_from_json({"age": "99 years"})
    return {
        "normal": assessor.assess(lesion(), patient, notices),
        "empty": assessor.assess(lesion(), record_from_json({"age": "54 years"})[0]),
        "incidentaloma": assessor.assess(
            lesion(), patient, (), Options(Prevalence("incidentaloma", NAMED["incidentaloma"]), saliency=True)
        ),
        "outside": assessor.assess(lesion("unknown"), old, old_notices, Options(show_outside=True)),
        "hidden": assessor.assess(lesion("unknown"), old, old_notices),
        "no model": _without_torch().assess(lesion(), patient),
    }


def _without_torch() -> Assessor:
    kept = device.require_torch

    def missing() -> None:
        raise MissingDependencyError("The probability needs torch and safetensors, which are not installed. Install them first.")

    import AdrenalClassifierLib.assessment as room

    try:
        room.require_torch = missing  # type: ignore[assignment]
        return Assessor()
    finally:
        room.require_torch = kept

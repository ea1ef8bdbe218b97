"""The one door to the main job: ``assess(lesion, patient, model) -> Assessment``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from AdrenalClassifierLib.assessment_data import Assessment, Provenance
from AdrenalClassifierLib.errors import MissingDependencyError
from AdrenalClassifierLib.files import write_json
from AdrenalClassifierLib.guidelines.evaluate import evaluate, guideline_inputs
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.measurements import Measurements, measure
from AdrenalClassifierLib.imaging.radiomics import FEATURES
from AdrenalClassifierLib.model.bundle import ModelBundle, load_bundle
from AdrenalClassifierLib.model.device import DeviceName, require_torch
from AdrenalClassifierLib.model.features import NETWORK
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.model.prediction import Options, Prediction, Predictor
from AdrenalClassifierLib.model.scoring import ModelResult
from AdrenalClassifierLib.model.validity import validity
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.record import PatientRecord
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource
from AdrenalClassifierLib.version import __version__

__all__ = ["WHAT_IFS", "Assessment", "Assessor", "Provenance", "assess", "fingerprint", "write_assessments"]

WHAT_IFS = 3
"""How many missing values an assessment tells more of."""


class Assessor:
    """Applies one model to lesions, one after another; the network is built once.

    Args:
        model: folder of a bundle; None takes the bundled model.
        device: where the network runs.

    Without torch (or safetensors) everything but the probability is still assessed; ``unavailable`` then says how to get it.

    Raises:
        BundleError: the bundle is incomplete, changed or too new.
        AdrenalError: the device does not exist.
    """

    def __init__(self, model: Path | None = None, device: DeviceName = "auto") -> None:
        self.unavailable: str | None = None
        self.bundle: ModelBundle | None = None
        self._predictor: Predictor | None = None
        try:
            require_torch()
            self.bundle = load_bundle(model or resource("Models", DEFAULT_MODEL))
            self._predictor = Predictor(self.bundle, device)
        except MissingDependencyError as error:
            self.unavailable = str(error)

    def assess(
        self,
        lesion: Lesion,
        patient: PatientRecord,
        notices: tuple[Notice, ...] = (),
        options: Options | None = None,
        *,
        show_outside: bool = False,
    ) -> Assessment:
        """Measure, judge by the guidelines, check the validated range, and predict with the four models.

        Args:
            lesion: from ``imaging.lesion.extract_lesions``.
            patient: the patient's values; may be empty.
            notices: remarks from parsing the values, carried into the warnings.
            options: prevalence, level of the conformal sets, saliency; None takes the defaults.
            show_outside: show the probability also outside the validated range; the same as in ``options``.
        """
        options = options or Options()
        if show_outside:
            options = replace(options, show_outside=True)
        measured = measure(lesion)
        warnings = [*lesion.notices, *measured.notices, *notices]
        verdicts = evaluate(guideline_inputs(measured, patient))
        if self._predictor is None:
            found = Prediction({name: ModelResult(None, None, self.unavailable) for name in MODELS}, None)
            found = replace(found, findings=validity(lesion, measured, patient.quantity("age")))
        else:
            found = self._predictor.predict(lesion, measured, patient, options)
            warnings.extend(found.notices)
        return Assessment(
            lesion.lesion_id,
            lesion.side,
            self.bundle.statement if self.bundle else None,
            found.models,
            found.shown,
            measured,
            verdicts,
            tuple(dict.fromkeys(warnings)),
            _missing(self.bundle, patient) if self.bundle else (),
            Provenance(
                __version__,
                self.bundle.name if self.bundle else None,
                self.bundle.version if self.bundle else None,
                self.bundle.weights_sha256 if self.bundle else None,
                fingerprint(lesion, patient),
                found.device,
                datetime.now(timezone.utc).isoformat(timespec="seconds"),
            ),
            _inputs(self.bundle, found.image_score, found.radiomics, measured, patient) if self.bundle else {},
            found.findings,
            found.prior,
            found.conformal,
            found.what_if[:WHAT_IFS],
            found.saliency,
        )


def assess(
    lesion: Lesion,
    patient: PatientRecord | None = None,
    model: Path | None = None,
    device: DeviceName = "auto",
    options: Options | None = None,
) -> Assessment:
    """Assess one lesion. For several lesions keep an ``Assessor``, which loads the model once.

    Args:
        lesion: the lesion.
        patient: the patient's values; None when nothing is known.
        model: folder of a bundle; None takes the bundled model.
        device: ``auto``, ``cuda``, ``mps`` or ``cpu``.
        options: prevalence, level of the conformal sets, whether to show a probability outside the validated range, saliency.

    Raises:
        BundleError: the bundle is incomplete, changed or too new.
        AdrenalError: the device does not exist.
    """
    return Assessor(model, device).assess(lesion, patient or PatientRecord({}), options=options)


def fingerprint(lesion: Lesion, patient: PatientRecord) -> str:
    """SHA-256 over all that the result depends on: voxels, mask, grid, phases and patient values."""
    digest = hashlib.sha256()
    grid = lesion.geometry
    head = {
        "shape": grid.shape,
        "spacing": grid.spacing,
        "axes": grid.axes,
        "origin": grid.origin,
        "phases": lesion.phases,
        "side": lesion.side,
        "patient": patient.to_json(),
    }
    digest.update(json.dumps(head, sort_keys=True).encode())
    digest.update(np.packbits(lesion.mask).tobytes())
    for phase in lesion.phases:
        digest.update(np.ascontiguousarray(lesion.hu(phase)).tobytes())
    return digest.hexdigest()


def write_assessments(path: Path, assessments: tuple[Assessment, ...]) -> None:
    """Write assessment.json: one object, or a list when the case has several lesions. Raises OutputError."""
    objects = [assessment.to_json() for assessment in assessments]
    write_json(path, objects[0] if len(objects) == 1 else objects)


def _missing(bundle: ModelBundle, patient: PatientRecord) -> tuple[str, ...]:
    wanted = dict.fromkeys(key for f in bundle.features if f.group == "clinical" for key in f.inputs)
    return tuple(key for key in wanted if patient.get(key) is None)


def _inputs(
    bundle: ModelBundle,
    score: float | None,
    radiomic: Mapping[str, float | None],
    measurements: Measurements,
    patient: PatientRecord,
) -> dict[str, Any]:
    """What stands beside each contribution: the measured number or the text that was entered, None where missing."""
    values: dict[str, Any] = {NETWORK: score}
    texts: dict[str, list[str]] = {}
    for feature in bundle.features:
        if feature.group == "radiological":
            values[feature.explains] = getattr(measurements, feature.inputs[0])
            continue
        if feature.group == "image":
            number = radiomic.get(feature.inputs[0])
            entries = texts.setdefault(feature.explains, [])
            if number is not None:
                entries.append(_radiomic_text(feature.inputs[0], number))
            continue
        entries = texts.setdefault(feature.explains, [])
        for key in feature.inputs:
            text = patient.text(key)
            entry = None if text is None else text if key == feature.explains else f"{key} {text}"
            if entry is not None and entry not in entries:
                entries.append(entry)
    return values | {name: "; ".join(entries) or None for name, entries in texts.items()}


def _radiomic_text(name: str, value: float) -> str:
    """``portal_rim_level_hu`` 84.2 as "portal rim level 84.2 HU"."""
    unit = next(feature.unit for feature in FEATURES if feature.name == name)
    words = name.replace("_", " ").removesuffix(" hu").removesuffix(" mm").removesuffix(" percent")
    return f"{words} {value:.3g} {unit}".strip()

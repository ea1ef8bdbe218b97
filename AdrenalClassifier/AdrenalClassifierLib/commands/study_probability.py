"""How much the classifier's probability depends on who outlined the lesion: extra columns of ``study analyse``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from AdrenalClassifierLib.agreement.folders import Reading
from AdrenalClassifierLib.agreement.many import ComparedPair
from AdrenalClassifierLib.assessment import Assessor
from AdrenalClassifierLib.cohort.table import CohortRow, read_cohort
from AdrenalClassifierLib.errors import AdrenalError, StudyError
from AdrenalClassifierLib.files import sha256_of
from AdrenalClassifierLib.imaging.images import CtImage, Phase, Segment
from AdrenalClassifierLib.imaging.lesion import extract_lesions
from AdrenalClassifierLib.imaging.read import read_ct
from AdrenalClassifierLib.model.device import DeviceName
from AdrenalClassifierLib.model.fusion import MODELS, ModelName
from AdrenalClassifierLib.patient.record import PatientRecord
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.study.analysis import Analysis
from AdrenalClassifierLib.study.manifest import KeyCase, Study, read_key
from AdrenalClassifierLib.study.masks import mask_on_grid
from AdrenalClassifierLib.study.sources import input_sha256

Found = Mapping[tuple[str, str, int], Mapping[ModelName, float | None]]
"""Probability of each model by case, reader and session."""


@dataclass(frozen=True)
class Probabilities:
    """What was added to an analysis.

    Attributes:
        analysis: with the extra values in its pairs.
        definitions: of these values; empty when there are none.
        statement: of the model; must be shown wherever the values are.
        model: name, version and first characters of the checksum of the weights; None without a model.
        notes: why values are missing.
        thresholds: of each model, by name.
    """

    analysis: Analysis
    definitions: Mapping[str, str]
    statement: str | None
    model: str | None
    notes: tuple[str, ...]
    thresholds: Mapping[ModelName, Mapping[str, float]] = field(default_factory=dict)


def with_probabilities(
    analysis: Analysis, model: Path | None = None, device: DeviceName = "auto", progress: Progress = silent
) -> Probabilities:
    """Assess every lesion once with each reading's mask, on the original CTs and with the patient's values.

    Args:
        analysis: what was compared.
        model: a bundle; None takes the bundled model.
        device: where the network runs.
        progress: told after each case.

    Raises:
        BundleError: the bundle cannot be used.
        StudyError: the cohort table was changed after the study was created.
    """
    assessor = Assessor(model, device)
    if assessor.bundle is None:
        return Probabilities(analysis, {}, None, None, (f"No probabilities: {assessor.unavailable}",))
    study = analysis.study
    key, rows = read_key(study), _rows(study)
    found: dict[tuple[str, str, int], Mapping[ModelName, float | None]] = {}
    notes: list[str] = []
    for done, case in enumerate(study.cases, start=1):
        drawn = [reading for reading in analysis.readings if case.case in reading.files]
        try:
            cts = _cts(study, key.cases[case.case], case.inputs)
            for reading in drawn:
                mask = _segment(study, key.cases[case.case], case.case, reading, cts)
                found[case.case, reading.reader, reading.session] = _assess(assessor, cts, mask, key.cases[case.case], rows)
        except AdrenalError as error:
            notes.append(f"No probability for case {case.case}: {error}")
        progress(done, len(study.cases), "Assessing")
    thresholds = assessor.bundle.thresholds
    pairs = tuple(replace(pair, extra=_extra(pair, found, thresholds)) for pair in analysis.compared.pairs)
    bundle = assessor.bundle
    return Probabilities(
        replace(analysis, compared=replace(analysis.compared, pairs=pairs)),
        definitions_of(thresholds),
        bundle.statement,
        f"{bundle.name} {bundle.version} (weights {bundle.weights_sha256[:12]})",
        tuple(notes),
        thresholds,
    )


def model_key(model: ModelName) -> str:
    """A model's name in column names: ``image_radiological``."""
    return model.replace("+", "_")


def definitions_of(thresholds: Mapping[ModelName, Mapping[str, float]]) -> dict[str, str]:
    """What each of the extra values means."""
    out = {}
    for model in MODELS:
        name = model_key(model)
        out[f"probability_{name}_a"] = (
            f"Probability of malignancy by the model '{model}' with mask A, CT and patient values the same; "
            f"likewise probability_{name}_b."
        )
        out[f"probability_{name}_abs_difference"] = "|B - A|."
        for threshold, value in thresholds.get(model, {}).items():
            out[f"class_flip_{name}_{threshold}"] = f"1 when A and B lie on different sides of {value:.4f}, else 0."
    return out


def _rows(study: Study) -> dict[str, CohortRow]:
    """The cohort's rows by lesion; empty for a study of folders."""
    tables = {case.table for case in read_key(study).cases.values() if case.table}
    if not tables:
        return {}
    path = study.folder / tables.pop()
    if not path.is_file() or sha256_of(path) != study.sampling.get("cohort_sha256"):
        raise StudyError("The cohort table is missing or was changed after the study was created. Leave the probabilities out.")
    return {row.lesion_id: row for row in read_cohort(path).rows}


def _cts(study: Study, case: KeyCase, inputs: Mapping[str, str]) -> dict[Phase, CtImage]:
    """The original CT of each phase, the one that readers saw first."""
    order = sorted(case.cts, key=lambda phase: phase != case.shown)
    out: dict[Phase, CtImage] = {}
    for phase in order:
        path = study.folder / case.cts[phase]
        if not path.exists() or input_sha256(path) != inputs[f"ct_{phase}"]:
            raise StudyError(f"its {phase} CT is missing or was changed after the study was created.")
        out[phase] = replace(read_ct(path, None if phase == "unknown" else phase), phase=phase)
    return out


def _segment(study: Study, case: KeyCase, code: str, reading: Reading, cts: Mapping[Phase, CtImage]) -> Segment:
    """The mask, moved from the package's coordinates to the scan's."""
    mask = mask_on_grid(reading.files[code], study.case(code).grid)
    return Segment(1, reading.name, mask, cts[case.shown].geometry.crop(case.start, case.stop))


def _assess(
    assessor: Assessor, cts: Mapping[Phase, CtImage], segment: Segment, case: KeyCase, rows: Mapping[str, CohortRow]
) -> dict[ModelName, float | None]:
    row = rows.get(case.lesion)
    others = {phase: ct for phase, ct in cts.items() if phase != case.shown}
    (lesion,) = extract_lesions(cts[case.shown], [segment], others)
    assessed = assessor.assess(lesion, PatientRecord({}) if row is None else row.patient)
    return {model: assessed.models[model].probability for model in MODELS}


def _extra(pair: ComparedPair, found: Found, thresholds: Mapping[ModelName, Mapping[str, float]]) -> dict[str, float | None]:
    sides = [found.get((pair.case, *who)) for who in ((pair.reader_a, pair.session_a), (pair.reader_b, pair.session_b))]
    out: dict[str, float | None] = {}
    for model in MODELS:
        name = model_key(model)
        a, b = (None if side is None else side[model] for side in sides)
        out |= {f"probability_{name}_a": a, f"probability_{name}_b": b}
        both = a is not None and b is not None
        out[f"probability_{name}_abs_difference"] = abs(b - a) if a is not None and b is not None else None
        for threshold, value in thresholds.get(model, {}).items():
            flip = float((a >= value) != (b >= value)) if a is not None and b is not None else None
            out[f"class_flip_{name}_{threshold}"] = flip if both else None
    return out

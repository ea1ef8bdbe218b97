"""From a bundle and a cohort to what the evaluation judges."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from AdrenalClassifierLib.cohort.labels import LabelPolicy, label_policy, policy_names
from AdrenalClassifierLib.cohort.splits import split_patients
from AdrenalClassifierLib.cohort.synthetic.write import TRUTH
from AdrenalClassifierLib.cohort.table import Cohort, CohortRow
from AdrenalClassifierLib.errors import CohortError
from AdrenalClassifierLib.evaluation.predictions import Predictions
from AdrenalClassifierLib.model.bundle import BASELINE, ModelBundle
from AdrenalClassifierLib.model.conformal import DEFAULT_LEVEL, ConformalScores
from AdrenalClassifierLib.model.device import DeviceName
from AdrenalClassifierLib.model.features import Feature, feature_row
from AdrenalClassifierLib.model.fusion import GROUPS, MODELS, Fusion, ModelName
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.training.divisions import divisions
from AdrenalClassifierLib.training.examples import Example, labels
from AdrenalClassifierLib.training.preparation import prepare_cohort
from AdrenalClassifierLib.training.rules import rules
from AdrenalClassifierLib.training.train import ensemble_logits, short_fingerprints
from AdrenalClassifierLib.training.workspace import Workspace

Array = NDArray[np.float64]
Part = Literal["test", "train", "all"]
PARTS: tuple[Part, ...] = ("test", "train", "all")
ROUNDED = 5e-7
"""The table of the truth holds six decimals: a posterior of 0 or 1 stands for at most half of the last."""
UNKNOWN = (
    "The model does not record which lesions it was trained on, so it cannot be told here whether some of these were among them; "
    "if so, the figures are too good."
)
SEEN = (
    "These are lesions of a training part: if the model was trained on this table it has seen them, and its figures are too good."
)


def bundle_policy(bundle: ModelBundle) -> LabelPolicy:
    """The label policy that the model was trained with; the default one where the bundle names none that is known."""
    name = bundle.training_data.get("label_policy")
    return label_policy(name if name in policy_names() else None)


def choose_part(cohort: Cohort, bundle: ModelBundle, part: Part | None = None) -> tuple[Cohort, tuple[str, ...]]:
    """The rows to judge, and sentences on how they were chosen.

    Args:
        cohort: the whole table.
        bundle: the model; where the table has no ``split`` column, its seed repeats the draw that training made.
        part: None takes the test rows of the ``split`` column where there is one, else all rows.

    Raises:
        CohortError: the part does not exist or is empty, or ``split`` is filled in for some rows only.
    """
    policy = bundle_policy(bundle)
    rows = [row for row in cohort.rows if policy.is_malignant(row.histology) is not None]
    remarks = []
    if len(rows) < len(cohort.rows):
        left = len(cohort.rows) - len(rows)
        remarks.append(f"{left} of {len(cohort.rows)} lesions are left out by the label policy '{policy.name}' of the model.")
    given = [row.split is not None for row in rows]
    if any(given) and not all(given):
        raise CohortError("The column 'split' is filled in for some rows only. Fill it in everywhere or leave it out.")
    has_split = bool(rows) and all(given)
    part = part or ("test" if has_split else "all")
    drawn = None if has_split else _draw(rows, bundle)
    if part == "all":
        chosen = rows
        if drawn is not None:
            remarks.append(
                "The table has as many patients and lesions as the one that the model was trained on. If it is the same table, "
                "most of these lesions were trained on and the figures are too good: judge the held-out ones with --part test."
            )
        elif has_split and any(row.split == "train" for row in rows):
            remarks.append(
                "All rows are judged, those marked 'train' in the table included; for those the figures may be too good."
            )
    elif has_split:
        chosen = [row for row in rows if row.split == part]
        remarks.append(f"Judged are the {len(chosen)} of {len(rows)} lesions that the table marks as '{part}'.")
    elif drawn is not None:
        chosen = [row for row in rows if drawn[row.patient_id] == part]
        remarks.append(
            f"Judged are the {len(chosen)} of {len(rows)} lesions in the {part} part, drawn again with the model's seed; that "
            "holds if this is the table that the model was trained on."
        )
    else:
        raise CohortError(
            f"There is no {part} part: the table has no column 'split' and is not the one of the training. Use --part all."
        )
    if not chosen:
        raise CohortError(f"There is no lesion to judge in the part '{part}'. Choose another with --part.")
    if part == "train":
        remarks.append(SEEN)
    elif not bundle.trained_on:
        remarks.append(UNKNOWN)
    return replace(cohort, rows=tuple(chosen)), tuple(remarks)


def _draw(rows: Sequence[CohortRow], bundle: ModelBundle) -> Mapping[str, str] | None:
    """The split that training drew from this table, None where numbers show that it was another table."""
    data = bundle.training_data
    names = ("training_patients", "test_patients", "training_lesions", "test_lesions", "seed")
    if not all(isinstance(data.get(name), int) for name in names):
        return None
    patients = {row.patient_id for row in rows}
    if len(patients) != data["training_patients"] + data["test_patients"] or not 0 < data["test_patients"] < len(patients):
        return None
    split = dict(
        zip((r.patient_id for r in rows), split_patients(rows, data["test_patients"], data["seed"]).of(rows), strict=True)
    )
    test = sum(split[row.patient_id] == "test" for row in rows)
    return split if (len(rows) - test, test) == (data["training_lesions"], data["test_lesions"]) else None


def judge(
    bundle: ModelBundle,
    cohorts: Sequence[Cohort],
    remarks: Sequence[str] = (),
    workers: int = 1,
    device: DeviceName = "auto",
    progress: Progress = silent,
    workspace: Workspace | None = None,
) -> Predictions:
    """Read, measure and score every lesion of ``cohorts`` (see ``choose_part``).

    Several tables are judged as one; their lesions and patients are told apart by a number before the identifier.

    Raises:
        CohortError: a lesion cannot be read; ``problems`` names every such row.
        MissingDependencyError: torch is not installed.
    """
    examples: list[Example] = []
    rows: list[CohortRow] = []
    ceilings: list[Array | None] = []
    said = list(remarks)
    for number, cohort in enumerate(cohorts, start=1):
        found = prepare_cohort(cohort, bundle_policy(bundle), bundle.input_settings, workers, progress, workspace)
        ceiling, why = _ceiling(cohort, found)
        ceilings.append(ceiling)
        said += why
        before = f"{number}/" if len(cohorts) > 1 else ""
        examples += [replace(e, patient_id=before + e.patient_id, lesion_id=before + e.lesion_id) for e in found]
        rows += [replace(r, patient_id=before + r.patient_id, lesion_id=before + r.lesion_id) for r in cohort.rows]
    known = [c for c in ceilings if c is not None]
    ceiling = np.concatenate(known) if len(known) == len(cohorts) else None
    return predictions_of(bundle, examples, rows, log_odds(bundle, examples, device), ceiling, said)


def judge_examples(
    bundle: ModelBundle, examples: Sequence[Example], cohort: Cohort, remarks: Sequence[str] = (), device: DeviceName = "auto"
) -> Predictions:
    """As ``judge`` for lesions of one table that are prepared already."""
    ceiling, why = _ceiling(cohort, examples)
    return predictions_of(bundle, examples, cohort.rows, log_odds(bundle, examples, device), ceiling, (*remarks, *why))


def log_odds(bundle: ModelBundle, examples: Sequence[Example], device: DeviceName) -> dict[str, Array]:
    """Log-odds of the four models and of the baseline, NaN where no value of a feature group of the model is given, as in an
    assessment."""
    fusions: dict[str, Fusion] = {str(name): fusion for name, fusion in bundle.fusions.items()}
    fusions[BASELINE] = bundle.baseline
    found = ensemble_logits(bundle.members, fusions, bundle.features, bundle.encoder_settings, examples, device)
    values = [feature_row(bundle.features, e.voxels.radiomics, e.measurements, e.patient) for e in examples]
    known = {group: np.array([_given(bundle.features, row, group) for row in values]) for group in ("radiological", "clinical")}
    out = {}
    for model, scores in found.items():
        needed = [known[g] for g in GROUPS.get(cast(ModelName, model), ()) if g in known]
        out[model] = np.where(np.all(needed, axis=0), scores, np.nan) if needed else scores
    return out


def _given(features: Sequence[Feature], values: Array, group: str) -> bool:
    return any(not math.isnan(value) for feature, value in zip(features, values, strict=True) if feature.group == group)


def predictions_of(
    bundle: ModelBundle,
    examples: Sequence[Example],
    rows: Sequence[CohortRow],
    scores: Mapping[str, Array],
    ceiling: Array | None = None,
    remarks: Sequence[str] = (),
) -> Predictions:
    """Predictions with rules, subgroups, baseline and conformal sets.

    Args:
        bundle: the model.
        examples: the lesions.
        rows: rows of the table, those of the examples among them.
        scores: from ``log_odds``.
        ceiling: log-odds of the generator's exact posterior, shape (n,).
        remarks: sentences to show.
    """
    row_of = {row.lesion_id: row for row in rows}
    return Predictions(
        lesion_id=tuple(e.lesion_id for e in examples),
        patient_id=tuple(e.patient_id for e in examples),
        histology=tuple(e.histology for e in examples),
        malignant=labels(examples),
        log_odds={model: scores[model] for model in MODELS},
        thresholds=bundle.thresholds,
        training_prevalence=bundle.prevalence,
        statement=bundle.statement,
        model={
            "name": bundle.name,
            "version": bundle.version,
            "weights_sha256": bundle.weights_sha256,
            "training_data": dict(bundle.training_data),
            "label_policy": bundle_policy(bundle).name,
        },
        rules=rules(examples),
        baselines={BASELINE: scores[BASELINE]},
        subgroups=divisions(examples, [row_of[e.lesion_id] for e in examples]),
        conformal={m: _sets(bundle.conformal[m], scores[m]) for m in MODELS if m in bundle.conformal},
        conformal_level=DEFAULT_LEVEL,
        ceiling=ceiling,
        synthetic=any(row.truth_source == "synthetic" for row in rows),
        remarks=(*remarks, *_trained_on(bundle, examples)),
    )


def _trained_on(bundle: ModelBundle, examples: Sequence[Example]) -> tuple[str, ...]:
    """Says so when the model has seen some of these lesions."""
    seen = sum(bool(short_fingerprints([e]) & bundle.trained_on) for e in examples)
    if not seen:
        return ()
    return (f"{seen} of these {len(examples)} lesions are among those that the model was trained on; the figures are too good.",)


def _sets(scores: ConformalScores, values: Array) -> tuple[str | None, ...]:
    return tuple(None if math.isnan(v) else scores.set_of(float(v)).name for v in values)


def _ceiling(cohort: Cohort, examples: Sequence[Example]) -> tuple[Array | None, tuple[str, ...]]:
    """Log-odds of the generator's exact posterior, None where there is no such table or it does not belong to the cohort."""
    path = cohort.path.parent / TRUTH
    if not path.is_file():
        return None, ()
    try:
        cases = {case["lesion_id"]: case for case in json.loads(path.read_text(encoding="utf-8"))["cases"]}
        found = [cases[e.lesion_id] for e in examples]
        same = all((c["malignant"], c["histology"]) == (e.malignant, e.histology) for c, e in zip(found, examples, strict=True))
        posterior = np.array([float(c["tabular_posterior"]) for c in found])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        same, posterior = False, np.array([])
    if not same or not ((posterior >= 0) & (posterior <= 1)).all():
        return None, (f"'{TRUTH}' beside the table does not belong to it or is damaged; no ceiling is given.",)
    return logit(np.clip(posterior, ROUNDED, 1 - ROUNDED)), ()

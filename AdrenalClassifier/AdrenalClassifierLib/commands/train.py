"""``train``: fit the four models on a cohort and write a bundle."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

from AdrenalClassifierLib.cohort.labels import LabelPolicy, chosen_policy, histologies, policy_names
from AdrenalClassifierLib.cohort.splits import ABSTRACT_TEST_SHARE, split_patients
from AdrenalClassifierLib.cohort.table import Cohort, read_cohort
from AdrenalClassifierLib.commands.bar import progress_bar
from AdrenalClassifierLib.errors import CohortError, OutputError
from AdrenalClassifierLib.evaluation.evaluate import evaluate, require_statistics
from AdrenalClassifierLib.model.bundle import MANIFEST, SYNTHETIC_STATEMENT, save_bundle
from AdrenalClassifierLib.model.device import DEVICES, require_torch
from AdrenalClassifierLib.model.encoder import KINDS
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.training.card import model_card
from AdrenalClassifierLib.training.comparison import compare_image_models
from AdrenalClassifierLib.training.judging import judge, judge_examples
from AdrenalClassifierLib.training.launch import launched
from AdrenalClassifierLib.training.preparation import prepare_cohort
from AdrenalClassifierLib.training.train import Description, TrainSettings, train
from AdrenalClassifierLib.training.workspace import Workspace

CLINICAL_STATEMENT = "For research use only. Not a medical device. Trained on one cohort; not validated elsewhere."
DEFAULTS = TrainSettings()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the command."""
    parser.add_argument("--cohort", type=Path, required=True, metavar="cohort.csv", help="the cohort table")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the bundle")
    parser.add_argument("--model-version", default="1.0.0", help="version of the model (default: 1.0.0)")
    text = "which histologies count as malignant (default: what the table's column label_policy names)"
    parser.add_argument("--label-policy", choices=policy_names(), default=None, help=text)
    parser.add_argument("--seed", type=int, default=0, help="determines split, folds, weights and bootstrap (default: 0)")
    parser.add_argument("--epochs", type=int, default=DEFAULTS.training.epochs,
                        help=f"passes over the training part (default: {DEFAULTS.training.epochs})")  # fmt: skip
    parser.add_argument("--device", choices=DEVICES, default="auto", help="where encoders are trained (default: auto)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--encoder", choices=KINDS, default=DEFAULTS.encoder.kind,
                        help=f"kind of image network (default: {DEFAULTS.encoder.kind})")  # fmt: skip
    text = "also cross-validate other image models (MONAI's network, handcrafted features alone) for the model card"
    parser.add_argument("--compare", action="store_true", help=text)
    text = "cohorts that training must not touch (other centres, other seeds): judged together at the end, for the model card"
    parser.add_argument("--further", type=Path, nargs="+", default=[], metavar="cohort.csv", help=text)
    parser.add_argument("--work", type=Path, metavar="DIR",
                        help="folder for prepared lesions and finished encoders; a run that was cut off goes on from it "
                        "(default: beside --out, removed at the end)")  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Run the command. Raises AdrenalError before the long work starts where it can."""
    require_torch()
    require_statistics()
    if options.out.exists() and any(options.out.iterdir()) and not (options.out / MANIFEST).exists():
        raise OutputError(f"'{options.out.name}' is not empty and holds no bundle. Choose a new folder.")
    cohort = read_cohort(options.cohort, chosen_policy(options.label_policy))
    policy = cohort.policy
    further = [read_cohort(path, policy) for path in options.further]
    parts = _parts(cohort, policy, options.seed)
    settings = replace(
        DEFAULTS,
        seed=options.seed,
        device=options.device,
        workers=max(options.workers, 1),
        training=replace(DEFAULTS.training, epochs=options.epochs),
        encoder=replace(DEFAULTS.encoder, kind=options.encoder),
    )
    work = options.work or options.out.with_name(f"{options.out.name}-work")
    workspace = Workspace(work)
    with launched() as launch, progress_bar(shown=launch.rank == 0) as progress:
        examples = prepare_cohort(cohort, policy, settings.input_settings, settings.workers, progress, workspace, launch)
        chosen = {name: [e for e in examples if parts[e.patient_id] == name] for name in ("train", "test")}
        description = _describe(options, cohort, policy, parts, settings)
        bundle = train(chosen["train"], chosen["test"], settings, description, progress, workspace, launch)
        if options.compare:
            found = compare_image_models(chosen["train"], settings, progress, workspace, launch)
            bundle = replace(bundle, performance={**bundle.performance, "image_models": found})
        if launch.rank == 0:
            judged = {}
            if chosen["test"]:
                judged["test"] = judge_examples(bundle, chosen["test"], cohort, device=options.device)
            if further:
                judged["further"] = judge(bundle, further, (), settings.workers, options.device, progress, workspace)
            figures = {name: evaluate(given, options.seed, progress=progress).figures() for name, given in judged.items()}
            bundle = replace(bundle, performance={**bundle.performance, "evaluation": figures})
            save_bundle(bundle, options.out, model_card(bundle))
        launch.meet()
    if launch.rank > 0:
        return
    if options.work is None:
        shutil.rmtree(work, ignore_errors=True)
    for model in MODELS:
        found = (bundle.performance.get("test") or bundle.performance["cross_validation"])[model]["auc"]
        interval = "" if found["low"] is None else f" ({found['low']:.3f} to {found['high']:.3f})"
        print(f"{model:<20} AUC {found['value']:.3f}{interval}")
    print(bundle.statement)
    print(f"Written: {options.out}", file=sys.stderr)


def _parts(cohort: Cohort, policy: LabelPolicy, seed: int) -> dict[str, str]:
    """``train`` or ``test`` for each patient: the table's ``split`` column, else a stratified draw in the abstract's ratio."""
    rows = [row for row in cohort.rows if policy.is_malignant(row.histology) is not None]
    given = [row.split for row in rows]
    if all(given):
        return {row.patient_id: str(row.split) for row in rows}
    if any(given):
        raise CohortError("The column 'split' is filled in for some rows only. Fill it in everywhere or leave it out.")
    patients = len({row.patient_id for row in rows})
    return dict(
        zip(
            (row.patient_id for row in rows),
            split_patients(rows, max(round(patients * ABSTRACT_TEST_SHARE), 1), seed).of(rows),
            strict=True,
        )
    )


def _describe(
    options: argparse.Namespace, cohort: Cohort, policy: LabelPolicy, parts: dict[str, str], settings: TrainSettings
) -> Description:
    synthetic = all(path.name.startswith("SYNTHETIC") for row in cohort.rows for path in row.ct.values())
    numbers = Counter(parts.values())
    lesions = Counter(parts[row.patient_id] for row in cohort.rows if row.patient_id in parts)
    return Description(
        name=options.out.resolve().name,
        version=options.model_version,
        statement=SYNTHETIC_STATEMENT if synthetic else CLINICAL_STATEMENT,
        training_data={
            "kind": "synthetic" if synthetic else "clinical",
            "training_patients": numbers["train"],
            "training_lesions": lesions["train"],
            "test_patients": numbers["test"],
            "test_lesions": lesions["test"],
            "seed": settings.seed,
            "label_policy": policy.name,
        },
        label_policy={name: bool(yes) for name in histologies() if (yes := policy.is_malignant(name)) is not None},
    )

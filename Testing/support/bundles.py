"""A small untrained bundle, complete and valid, for tests that do not care what a model says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT, ModelBundle
from AdrenalClassifierLib.model.conformal import ConformalScores
from AdrenalClassifierLib.model.embedding import EmbeddingReference
from AdrenalClassifierLib.model.encoder import NETWORK_COLUMN, EncoderSettings, build_encoder
from AdrenalClassifierLib.model.features import NETWORK, default_features, indicator_name
from AdrenalClassifierLib.model.fusion import GROUPS, MODELS, Fusion, ModelName
from AdrenalClassifierLib.model.plausible import PlausibleRange
from AdrenalClassifierLib.model.validity import ValidityReference


def untrained_bundle(members: int = 2, seed: int = 0) -> ModelBundle:
    """Random encoders and fusions over all default features."""
    rng = np.random.default_rng(seed)
    encoder = EncoderSettings(width=4, embedding=8, subtypes=("acc", "adenoma"))
    weights = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for _ in range(members):
            state = build_encoder(encoder).state_dict()
            weights.append({k: v.numpy().astype(np.float16).astype(np.float32) if v.is_floating_point() else v.numpy()
                            for k, v in state.items()})  # fmt: skip
    fusions = {model: random_fusion(model, rng) for model in MODELS}
    return ModelBundle(
        name="untrained", version="0", statement=SYNTHETIC_STATEMENT, training_data={"kind": "synthetic"},
        label_policy={"acc": True, "adenoma": False}, prevalence=0.26, input_settings=InputSettings(size=16),
        encoder_settings=encoder, members=tuple(weights), features=default_features(), fusions=fusions,
        baseline=random_fusion("image+radiological", rng),
        thresholds={m: {"balanced": 0.3} for m in MODELS},
    )  # fmt: skip


def random_fusion(model: ModelName, rng: np.random.Generator) -> Fusion:
    """Random weights over every column that the model may have, two benign and two malignant groups."""
    used = [f for f in default_features() if f.group in GROUPS[model]]
    inputs = list(dict.fromkeys(f.explains for f in used))
    columns = (NETWORK_COLUMN, *(f.name for f in used), *(indicator_name(name) for name in inputs))
    explains = (NETWORK, *(f.explains for f in used), *inputs)
    p = len(columns)
    # Radiomic features run to hundreds of HU: kept small, so that no probability ends at 0 or 1.
    edge = np.where(np.isin(columns, [f.name for f in used if f.group == "image"]), 0.5, 1e3)
    return Fusion(
        columns, explains, ("adenoma", "phaeochromocytoma", "acc", "metastasis"), np.array([False, False, True, True]),
        -edge, edge, rng.normal(0, 0.1, p), rng.uniform(0.5, 2, p), rng.normal(0, 0.3, (4, p)),
        rng.normal(0, 1, 4), 0.9, -0.4, rng.normal(0, 0.3, (7, 4, p)), rng.normal(0, 1, (7, 4)),
    )  # fmt: skip


def complete_bundle(members: int = 2, seed: int = 0) -> ModelBundle:
    """The untrained bundle with everything that stands beside a probability, made up but of the right shape and size."""
    bundle = untrained_bundle(members, seed)
    rng = np.random.default_rng(seed)
    d = bundle.encoder_settings.embedding
    return replace(
        bundle,
        conformal={m: ConformalScores(np.sort(rng.normal(-2, 1, 60)), np.sort(rng.normal(0, 1, 30))) for m in MODELS},
        plausible=(
            PlausibleRange("spontaneous_hu", ("spontaneous_hu",), True, "number", (-4.0, 18.0, 38.0), 200),
            PlausibleRange("weight_loss", ("weight_loss",), False, "category", (False, True), 250),
            PlausibleRange("cortisol_dst", ("cortisol_dst",), False, "number", (28.0, 47.0, 160.0), 180),
            PlausibleRange("genetic_syndrome", ("genetic_syndrome",), False, "category", ("none", "vhl"), 150),
            PlausibleRange(
                "normetanephrine",
                ("metanephrine", "normetanephrine", "urine_metanephrine", "urine_normetanephrine"),
                False,
                "ratio",
                (0.3, 0.6, 4.0),
                160,
            ),
        ),
        validity=ValidityReference(
            {"long_axis_mm": (9.0, 180.0), "spontaneous_hu": (-90.0, 55.0), "age": (19.0, 88.0)},
            EmbeddingReference(np.zeros((members, d)), np.stack([np.eye(d)] * members), np.ones(members), 1e6),
        ),
    )

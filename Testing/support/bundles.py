"""A small untrained bundle, complete and valid, for tests that do not care what a model says."""

from __future__ import annotations

import numpy as np
import torch

from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT, ModelBundle
from AdrenalClassifierLib.model.encoder import EncoderSettings, build_encoder
from AdrenalClassifierLib.model.features import IMAGE, default_features, indicator_name
from AdrenalClassifierLib.model.fusion import GROUPS, MODELS, Fusion


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
    fusions = {}
    for model in MODELS:
        used = [f for f in default_features() if f.group in GROUPS[model]]
        inputs = list(dict.fromkeys(f.explains for f in used))
        columns = (IMAGE, *(f.name for f in used), *(indicator_name(name) for name in inputs))
        explains = (IMAGE, *(f.explains for f in used), *inputs)
        p = len(columns)
        fusions[model] = Fusion(
            columns, explains, rng.normal(0, 0.1, p), rng.uniform(0.5, 2, p), rng.normal(0, 0.3, p), -1.0,
            rng.normal(0, 0.3, (7, p)), rng.normal(-1, 0.2, 7),
        )  # fmt: skip
    return ModelBundle(
        name="untrained", version="0", statement=SYNTHETIC_STATEMENT, training_data={"kind": "synthetic"},
        label_policy={"acc": True, "adenoma": False}, prevalence=0.26, input_settings=InputSettings(size=16),
        encoder_settings=encoder, members=tuple(weights), features=default_features(), fusions=fusions,
        thresholds={m: {"balanced": 0.3} for m in MODELS},
    )  # fmt: skip

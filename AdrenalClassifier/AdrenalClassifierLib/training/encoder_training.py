"""Train one image encoder; score lesions with it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.model.bundle import Weights
from AdrenalClassifierLib.model.device import DeviceName, choose_device
from AdrenalClassifierLib.model.encoder import EncoderSettings, build_encoder
from AdrenalClassifierLib.training.examples import Example, labels, unpack

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TrainingSettings:
    """How an encoder is trained.

    Attributes:
        epochs: passes over the training lesions.
        batch: lesions a step.
        learning_rate: peak of the one-cycle schedule (AdamW).
        weight_decay: of AdamW.
        subtype_weight: weight of the histology loss.
        hu_jitter: SD of the random attenuation offset, in units of the scaled channel (1 = 200 HU).
        noise: mean SD of the added noise, likewise.
        one_phase: share of lesions shown in one of their phases only, so that the network can do without either.
    """

    epochs: int = 40
    batch: int = 16
    learning_rate: float = 2e-3
    weight_decay: float = 2e-2
    subtype_weight: float = 0.5
    hu_jitter: float = 0.025
    noise: float = 0.03
    one_phase: float = 0.5


def train_encoder(
    examples: Sequence[Example],
    encoder: EncoderSettings,
    settings: TrainingSettings,
    seed: int,
    device: DeviceName = "auto",
    tell: Callable[[int], object] | None = None,
) -> Weights:
    """Train one encoder on ``examples``.

    Determined by ``seed`` on one kind of processor: on the CPU one thread is used whatever the machine has. On a CUDA device the
    convolutions run in mixed precision. The number of epochs is fixed: nothing is held out to stop early. ``tell`` is called with
    the number of finished epochs.

    Returns:
        The weights by parameter name, rounded to half precision as the bundle stores them.
    """
    import torch
    from torch import nn

    target = choose_device(device)
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]), _one_thread():
        torch.manual_seed(seed)
        network = build_encoder(encoder).to(target).train()
        malignant = torch.from_numpy(labels(examples).astype(np.float32)).to(target)
        index = {name: n for n, name in enumerate(encoder.subtypes)}
        subtype = torch.tensor([index.get(e.histology, -1) for e in examples], device=target)
        steps = max(len(examples) // settings.batch, 1)
        optimiser = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, settings.learning_rate, total_steps=steps * settings.epochs, pct_start=0.2
        )
        mixed = torch.autocast(target.type, torch.bfloat16, enabled=target.type == "cuda" and torch.cuda.is_bf16_supported())
        for epoch in range(settings.epochs):
            order = rng.permutation(len(examples))
            for step in range(steps):
                chosen = order[step * settings.batch : (step + 1) * settings.batch]
                if len(chosen) < 2:  # batch normalisation needs two
                    continue
                views, present = _batch([examples[n] for n in chosen], rng, settings)
                rows = torch.from_numpy(chosen).to(target)
                with mixed:
                    out = network(torch.from_numpy(views).to(target), torch.from_numpy(present).to(target))
                loss = nn.functional.binary_cross_entropy_with_logits(out["logit"].float(), malignant[rows])
                known = subtype[rows] >= 0
                if known.any():
                    loss = loss + settings.subtype_weight * nn.functional.cross_entropy(
                        out["subtype"].float()[known], subtype[rows][known]
                    )
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)
                optimiser.step()
                schedule.step()
            if tell is not None:
                tell(epoch + 1)
    return {k: _rounded(v.detach().cpu().contiguous().numpy()) for k, v in network.state_dict().items()}


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Sums depend on how they are divided among threads; one thread makes a run repeatable on any number of cores."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def score_examples(
    weights: Weights, examples: Sequence[Example], encoder: EncoderSettings, device: DeviceName = "auto", batch: int = 32
) -> tuple[Array, Array]:
    """Logits of malignancy of one encoder, shape (n,), and embeddings, shape (n, encoder.embedding)."""
    import torch

    target = choose_device(device)
    network = build_encoder(encoder)
    network.load_state_dict({k: torch.from_numpy(np.array(v)) for k, v in weights.items()})
    network.to(target).eval()
    logits, embeddings = [], []
    with torch.inference_mode():
        for start in range(0, len(examples), batch):
            part = examples[start : start + batch]
            present = np.stack([e.voxels.present for e in part])
            views = unpack(np.stack([e.voxels.views for e in part]), present)
            found = network(torch.from_numpy(views).to(target), torch.from_numpy(present).to(target))
            logits.append(found["logit"].float().cpu().numpy())
            embeddings.append(found["embedding"].float().cpu().numpy())
    return np.concatenate(logits).astype(float), np.concatenate(embeddings).astype(float)


def _batch(
    examples: Sequence[Example], rng: np.random.Generator, settings: TrainingSettings
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Views disturbed as reading conditions differ, and flags of the phases shown."""
    present = np.stack([e.voxels.present for e in examples])
    for flags in present:
        if flags.sum() > 1 and rng.random() < settings.one_phase:
            flags[rng.integers(len(flags))] = 0
    views = unpack(np.stack([e.voxels.views for e in examples]), present)
    for axis in (3, 4, 5):  # mirror images are as possible as the originals
        chosen = rng.random(len(views)) < 0.5
        views[chosen] = np.flip(views[chosen], axis)
    chosen = rng.random(len(views)) < 0.5
    views[chosen] = views[chosen].swapaxes(4, 5)
    shift = rng.integers(-2, 3, 3)
    views = np.roll(views, (int(shift[0]), int(shift[1]), int(shift[2])), (3, 4, 5))
    shown = present[:, None, :, None, None, None]
    offset = rng.normal(0, settings.hu_jitter, shown.shape).astype(np.float32)
    level = rng.exponential(settings.noise, (len(views), 1, 1, 1, 1, 1)).astype(np.float32)
    grain = rng.standard_normal(views[:, :, :2].shape, dtype=np.float32)
    views[:, :, :2] += shown * (offset + level * grain)
    return np.ascontiguousarray(views), present


def _rounded(value: NDArray[Any]) -> NDArray[Any]:
    return value.astype(np.float16).astype(np.float32) if value.dtype == np.float32 else value

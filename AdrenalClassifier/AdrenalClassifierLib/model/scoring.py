"""Apply a bundle: the network's scores of each member, then the four models."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.imaging.network_input import NetworkInput
from AdrenalClassifierLib.model.bundle import ModelBundle
from AdrenalClassifierLib.model.device import DeviceName, choose_device, run_with_fallback
from AdrenalClassifierLib.model.encoder import NETWORK_COLUMN, build_encoder
from AdrenalClassifierLib.model.features import Feature, feature_row, indicator_name
from AdrenalClassifierLib.model.fusion import GROUPS, MODELS, ModelName
from AdrenalClassifierLib.model.saliency import Head, Member, SaliencyMap, saliency_map
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.record import PatientRecord

if TYPE_CHECKING:
    import torch

INTERVAL = (2.5, 97.5)
"""Percentiles of the reported interval."""


@dataclass(frozen=True)
class ImageScores:
    """What the network says of one lesion.

    Attributes:
        members: logit of malignancy by each ensemble member, shape (members,).
        embeddings: of each member, shape (members, EncoderSettings.embedding); members do not share an embedding space.
        device: where it was computed.
        notices: such as a fall-back to the CPU.
    """

    members: NDArray[np.float64]
    embeddings: NDArray[np.float64]
    device: str
    notices: tuple[Notice, ...] = ()

    @property
    def mean(self) -> float:
        """The network's score: mean logit over members."""
        return float(self.members.mean())


@dataclass(frozen=True)
class ModelResult:
    """What one of the four models says. ``probability`` is None, with a ``reason``, when its inputs are missing."""

    probability: float | None
    interval: tuple[float, float] | None
    reason: str | None
    logit: float | None = None
    intercept: float | None = None
    contributions: Mapping[str, float] | None = None


class Scorer:
    """A bundle's ensemble, ready to run. Building it costs some milliseconds; keep it for further lesions.

    Args:
        bundle: the model.
        device: where to run.

    Raises:
        MissingDependencyError: torch is not installed.
        AdrenalError: the device does not exist.
    """

    def __init__(self, bundle: ModelBundle, device: DeviceName = "auto") -> None:
        self.bundle = bundle
        self.device = choose_device(device)
        self._members = [_network(bundle, n) for n in range(len(bundle.members))]
        self._at = "cpu"

    def scores(self, given: NetworkInput) -> ImageScores:
        """Image scores of one lesion."""
        import torch

        views = torch.from_numpy(given.views[None])
        present = torch.from_numpy(given.present[None])

        def work(device: torch.device) -> tuple[Any, Any]:
            self._move(device)
            with torch.inference_mode():
                outs = [member(views.to(device), present.to(device)) for member in self._members]
                logits = torch.stack([o["logit"].float().cpu() for o in outs])
                embeddings = torch.stack([o["embedding"].float().cpu() for o in outs])
            return logits.numpy(), embeddings.numpy()

        (logits, embeddings), used, notices = run_with_fallback(self.device, work)
        return ImageScores(logits[:, 0].astype(float), embeddings[:, 0].astype(float), str(used), notices)

    def saliency(self, lesion: Lesion, head: Head) -> tuple[SaliencyMap, tuple[Notice, ...]]:
        """What the ensemble used of one lesion, when ``head`` makes log-odds of its mean scores; and remarks on the device."""

        def work(device: torch.device) -> SaliencyMap:
            self._move(device)
            return saliency_map(lesion, self.bundle.input_settings, [_member(m) for m in self._members], head, device)

        found, _, notices = run_with_fallback(self.device, work)
        return found, notices

    def _move(self, device: torch.device) -> None:
        if self._at != str(device):
            for member in self._members:
                member.to(device)
            self._at = str(device)


def _member(network: torch.nn.Module) -> Member:
    def scores(views: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = network(views, present)["logit"][:, None].float()
        return out

    return scores


def _network(bundle: ModelBundle, n: int) -> torch.nn.Module:
    import torch

    network = build_encoder(bundle.encoder_settings)
    network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in bundle.members[n].items()})
    return network.eval()


def case_row(
    features: Sequence[Feature],
    network_score: float,
    radiomics: Mapping[str, float | None],
    measurements: Measurements,
    patient: PatientRecord,
) -> dict[str, float]:
    """All columns of one case by name: the network's score, features (NaN where missing), missing-indicators.

    Args:
        features: the bundle's.
        network_score: mean logit of the ensemble.
        radiomics: radiomic features by name.
        measurements: of the lesion.
        patient: the patient's values.
    """
    values = feature_row(features, radiomics, measurements, patient)
    row = {NETWORK_COLUMN: network_score}
    missing: dict[str, bool] = {}
    for feature, value in zip(features, values, strict=True):
        row[feature.name] = float(value)
        missing[feature.explains] = missing.get(feature.explains, True) and math.isnan(value)
    return row | {indicator_name(name): float(absent) for name, absent in missing.items()}


def predict(
    bundle: ModelBundle,
    scores: ImageScores,
    radiomics: Mapping[str, float | None],
    measurements: Measurements,
    patient: PatientRecord,
) -> dict[ModelName, ModelResult]:
    """The four models for one lesion. A model whose feature group has no value at all gives no probability."""
    row = case_row(bundle.features, scores.mean, radiomics, measurements, patient)
    known = {
        group: any(not math.isnan(row[f.name]) for f in bundle.features if f.group == group)
        for group in ("radiological", "clinical")
    }
    results: dict[ModelName, ModelResult] = {}
    for model in MODELS:
        absent = [group for group in GROUPS[model] if not known.get(group, True)]
        if absent:
            results[model] = ModelResult(None, None, f"no {' and no '.join(absent)} value was given")
            continue
        fusion = bundle.fusions[model]
        logit = fusion.logit(row)
        low, high = np.percentile(fusion.spread(row, NETWORK_COLUMN, scores.members), INTERVAL)
        results[model] = ModelResult(
            _sigmoid(logit),
            (_sigmoid(min(float(low), logit)), _sigmoid(max(float(high), logit))),
            None,
            logit,
            fusion.intercept,
            fusion.contributions(row),
        )
    return results


def _sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))

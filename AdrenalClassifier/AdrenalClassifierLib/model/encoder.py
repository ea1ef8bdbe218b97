"""The image encoder: a small 3D network over the two views of a lesion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from AdrenalClassifierLib.errors import MissingDependencyError

if TYPE_CHECKING:
    import torch

Kind = Literal["residual", "monai_resnet"]
KINDS: tuple[Kind, ...] = get_args(Kind)
NETWORK_COLUMN = "network_malignant"
"""Name of the network's score among the columns of the fusion."""


@dataclass(frozen=True)
class EncoderSettings:
    """Shape of the network. Stored in the bundle.

    Attributes:
        kind: ``residual``, our own small residual network, or ``monai_resnet``, MONAI's ResNet at about the same cost (needs the
            package monai; it is there to be compared with).
        width: channels after the stem; doubled at each of the two further stages.
        embedding: length of the vector before the output.
        dropout: share of embedding values dropped in training.
        subtypes: histologies of the auxiliary head, which is used in training only.
    """

    kind: Kind = "residual"
    width: int = 16
    embedding: int = 32
    dropout: float = 0.3
    subtypes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return {**self.__dict__, "subtypes": list(self.subtypes)}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> EncoderSettings:
        """Inverse of ``to_json``."""
        return replace(EncoderSettings(**{**value, "subtypes": ()}), subtypes=tuple(value["subtypes"]))


def build_encoder(settings: EncoderSettings) -> torch.nn.Module:
    """A new encoder with random weights from torch's current random state.

    ``forward(views, present)`` takes float views ``(n, 2, 3, s, s, s)`` and flags ``(n, 2)`` (NetworkInput.views, .present; the
    flags become constant channels, since an absent phase must not be mistaken for 50 HU) and returns a dict: ``logit`` (n,) of
    malignancy, ``embedding`` (n, settings.embedding), ``subtype`` (n, len(subtypes)) logits. Residual units after He et al. 2016
    (arXiv 1512.03385) in three dimensions; batch normalisation rather than instance normalisation because absolute attenuation
    is information.

    Raises:
        MissingDependencyError: the settings ask for MONAI, which is not installed.
    """
    import torch
    from torch import nn

    class Unit(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv3d(before, after, 3, stride, 1, bias=False)
            self.first_norm = nn.BatchNorm3d(after)
            self.second = nn.Conv3d(after, after, 3, 1, 1, bias=False)
            self.second_norm = nn.BatchNorm3d(after)
            self.shortcut = nn.Conv3d(before, after, 1, stride, bias=False) if (before, stride) != (after, 1) else nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            inner = torch.relu(self.first_norm(self.first(x)))
            return torch.relu(self.second_norm(self.second(inner)) + self.shortcut(x))

    class Trunk(nn.Module):
        """One view -> features pooled over the whole cube and over the lesion alone."""

        def __init__(self, width: int) -> None:
            super().__init__()
            self.stem = nn.Conv3d(5, width, 5, 2, 2, bias=False)
            self.stem_norm = nn.BatchNorm3d(width)
            self.units = nn.Sequential(Unit(width, width, 2), Unit(width, 2 * width, 1), Unit(2 * width, 4 * width, 2))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            mask = nn.functional.adaptive_avg_pool3d(x[:, 2:3], x.shape[-1] // 8) + 1e-4
            x = self.units(torch.relu(self.stem_norm(self.stem(x))))
            inside = (x * mask).sum(dim=(2, 3, 4)) / mask.sum(dim=(2, 3, 4))
            return torch.cat([x.mean(dim=(2, 3, 4)), inside], dim=1)

    def trunk() -> nn.Module:
        return Trunk(settings.width) if settings.kind == "residual" else _monai_trunk(settings.width)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.physical, self.fitted = trunk(), trunk()
            self.project = nn.Linear(16 * settings.width, settings.embedding)
            self.drop = nn.Dropout(settings.dropout)
            self.malignant = nn.Linear(settings.embedding, 1)
            self.subtype = nn.Linear(settings.embedding, max(len(settings.subtypes), 1))

        def forward(self, views: torch.Tensor, present: torch.Tensor) -> dict[str, torch.Tensor]:
            n, s = views.shape[0], views.shape[-1]
            flags = present.to(views.dtype).reshape(n, 2, 1, 1, 1).expand(n, 2, s, s, s)
            pooled = [part(torch.cat([views[:, view], flags], dim=1)) for view, part in enumerate((self.physical, self.fitted))]
            embedding = torch.relu(self.project(torch.cat(pooled, dim=1)))
            kept = self.drop(embedding)
            return {"logit": self.malignant(kept)[:, 0], "embedding": embedding, "subtype": self.subtype(kept)}

    network = Encoder()
    for parameter in network.parameters():
        if parameter.dim() == 5:
            # The convolutions' fast path, on processors and graphics cards alike; values are the same to rounding.
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
    return network


def _monai_trunk(width: int) -> torch.nn.Module:
    """MONAI's 3D ResNet with basic blocks, as wide and deep as ours: (n, 5, s, s, s) -> (n, 8 * width)."""
    try:
        from monai.networks.nets.resnet import ResNet  # type: ignore[attr-defined, unused-ignore]
    except ImportError as error:
        raise MissingDependencyError(
            "The MONAI network needs the package monai, which is not installed. Install it with: "
            "pip install 'adrenal-classifier[compare]'."
        ) from error
    net: torch.nn.Module = ResNet(
        block="basic",
        layers=[1, 1, 1, 1],
        block_inplanes=[width, width, 2 * width, 4 * width],
        spatial_dims=3,
        n_input_channels=5,
        conv1_t_size=5,
        conv1_t_stride=2,
        no_max_pool=True,
        num_classes=8 * width,
    )
    return net

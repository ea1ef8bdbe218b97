"""What in a lesion the network used: integrated gradients, as a volume on the CT's grid.

Integrated gradients [Sundararajan, Taly & Yan, ICML 2017, arXiv 1703.01365] from the lesion with all of its structure replaced by
its mean attenuation (not by air, which no lesion holds), in every phase and in both views of the network, to the lesion as it
is. The parts add up to the difference of the model's log-odds between the two. Tissue outside the outline is left as it is.

Chosen by evidence over occlusion (160 blocks of 8 to 16 mm, replaced likewise), with the first bundled model on 16 synthetic
lesions of 1.6 to 412 mL, half of them malignant. When the tenth, then three tenths, of the lesion's voxels that a map ranks
highest (lowest) were replaced by the lesion's mean on the CT, the log-odds fell (rose) by 0.122 on average with this map, by
0.097 with occlusion and by 0.00 with a random map (standard errors 0.025, 0.020, 0.003); the unsmoothed gradients did better
than occlusion in all 16. Gradients take 8 passes (more where the parts do not add up) whatever the lesion's size, about 1 s on
one core; occlusion takes as many as it has blocks (0.4 to 23 s).

The map shows what the network used; it does not show where a tumour is malignant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.network_input import InputSettings, NetworkInput, network_input, network_phases

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float64]
Member = Callable[["torch.Tensor", "torch.Tensor"], "torch.Tensor"]
"""One encoder: views ``(n, 2, 3, s, s, s)`` and flags ``(n, 2)`` (NetworkInput.views, .present) -> image scores ``(n, c)``."""
Head = Callable[[Array], float]
"""Log-odds of malignancy from the members' mean image scores ``(c,)``, everything else held fixed."""

STEPS = 8
"""Points on the path, at first; doubled until the parts add up, at most to ``MOST_STEPS``."""
MOST_STEPS = 64
BATCH = 4
TOLERANCE = 0.02
"""Design: log-odds, or the share of the whole, by which the sum of the parts may miss it: below what any figure shows."""
GRAIN_MM = (3.0, 8.0)
"""Design: the map's resolution, a tenth of the lesion's extent within these limits: the physical view has voxels of 3 mm."""
LEAST_FILLED = 0.3
"""Design: see ``_density``."""
ML_MM3 = 1000.0


@dataclass(frozen=True, eq=False)
class SaliencyMap:
    """The map of one lesion.

    Attributes:
        values: float32 on the lesion's grid: log-odds per mL (that is, per block of 10 mm) which the lesion's own structure adds
            here, positive for malignancy; 0 outside the mask.
        grain_mm: resolution.
        logit: log-odds of the lesion as it is.
        uniform_logit: log-odds of the lesion with all of its structure replaced by its mean attenuation.
        attributed: sum of all parts; ``logit - uniform_logit`` up to the error of the integration.
    """

    values: NDArray[np.float32]
    grain_mm: float
    logit: float
    uniform_logit: float
    attributed: float

    @property
    def greatest(self) -> float:
        """Largest absolute value of the map."""
        return float(np.abs(self.values).max())

    def to_json(self) -> dict[str, Any]:
        """What the assessment says of the map, as plain JSON."""
        return {
            "unit": "log_odds_per_ml",
            "grain_mm": self.grain_mm,
            "lowest": float(self.values.min()),
            "highest": float(self.values.max()),
            "whole_structure_log_odds": self.logit - self.uniform_logit,
            "log_odds": self.logit,
            "uniform_log_odds": self.uniform_logit,
            "attributed_log_odds": self.attributed,
        }

    @staticmethod
    def from_json(value: Mapping[str, Any], values: NDArray[np.float32]) -> SaliencyMap:
        """The map of which ``to_json`` told, with its ``values``. Raises KeyError or TypeError for an object that is none."""
        return SaliencyMap(
            np.asarray(values, np.float32),
            value["grain_mm"],
            value["log_odds"],
            value["uniform_log_odds"],
            value["attributed_log_odds"],
        )


def saliency_map(
    lesion: Lesion, settings: InputSettings, members: Sequence[Member], head: Head, device: torch.device | None = None
) -> SaliencyMap:
    """Attribute the log-odds of ``lesion`` to places in it.

    The network's views lie along the patient's axes, so the same lesion stored with flipped or permuted axes gives the same map.

    Args:
        lesion: what to explain.
        settings: of the network's input.
        members: the ensemble, on ``device``.
        head: the rest of the model.
        device: where the members are; None for the CPU.
    """
    import torch

    target = device or torch.device("cpu")
    given = network_input(lesion, settings)
    plain = uniform(given, lesion, settings)
    ends = torch.from_numpy(np.stack([plain, given.views])).to(target)
    present = torch.from_numpy(given.present[None]).to(target)
    with torch.no_grad():
        low, high = (head(score) for score in _mean_scores(members, ends, present.expand(2, -1)))
    steps = STEPS
    while True:
        gradient = _path_gradient(members, head, ends, present, steps)
        parts = ((given.views - plain).astype(float) * gradient)[:, :2].sum(axis=1)
        missed = abs(float(parts.sum()) - (high - low))
        if missed <= TOLERANCE * max(1.0, abs(high - low)) or steps >= MOST_STEPS:
            break
        steps *= 2
    where = lesion.geometry.to_world(np.argwhere(lesion.mask))[:, ::-1]  # S, P, L
    extent = float((where.max(axis=0) - where.min(axis=0)).max())
    grain = min(max(extent / 10, GRAIN_MM[0]), GRAIN_MM[1])
    values = np.zeros(lesion.mask.shape, np.float32)
    values[lesion.mask] = _density(parts, given.grids, where, lesion.geometry.voxel_volume_mm3, grain) * ML_MM3
    return SaliencyMap(values, grain, high, low, float(parts.sum()))


def uniform(given: NetworkInput, lesion: Lesion, settings: InputSettings) -> NDArray[np.float32]:
    """The views with the lesion's tissue replaced by its mean attenuation, phase by phase; as much of a voxel as lies inside."""
    views: NDArray[np.float32] = given.views.copy()
    for channel, phase in enumerate(network_phases(lesion.phases)):
        if given.present[channel]:
            views[:, channel] += given.views[:, 2] * (np.float32(_mean(lesion, phase, settings)) - views[:, channel])
    return views


def _mean(lesion: Lesion, phase: Phase | None, settings: InputSettings) -> float:
    """Mean attenuation of the lesion in a phase as the network sees it: clipped to the window and scaled to -1..1."""
    hu = None if phase is None else lesion.hu(phase)
    if hu is None:
        return 0.0
    low, high = settings.window_hu
    values = hu[lesion.mask]
    mean = float(np.clip(values[np.isfinite(values)], low, high).mean())
    return (mean - (low + high) / 2) / ((high - low) / 2)


def _mean_scores(members: Sequence[Member], views: torch.Tensor, present: torch.Tensor) -> Array:
    """Image scores averaged over members, shape (n, c)."""
    total = sum(member(views, present).detach().double().cpu().numpy() for member in members)
    return np.asarray(total, float) / len(members)


def _path_gradient(members: Sequence[Member], head: Head, ends: torch.Tensor, present: torch.Tensor, steps: int) -> Array:
    """Mean gradient of the log-odds along the straight path between the two views, shape of one view (midpoint rule)."""
    import torch

    total = torch.zeros_like(ends[:1])
    places = (np.arange(steps) + 0.5) / steps
    for start in range(0, steps, BATCH):
        share = torch.from_numpy(places[start : start + BATCH].astype(np.float32)).to(ends.device)[
            :, None, None, None, None, None
        ]
        flags = present.expand(len(share), -1)
        path = (ends[:1] + share * (ends[1:] - ends[:1])).requires_grad_(True)
        outputs = [member(path, flags) for member in members]
        scores = np.mean([output.detach().double().cpu().numpy() for output in outputs], axis=0)
        slopes = np.stack([_slope(head, score) for score in scores]).astype(np.float32)
        weight = torch.from_numpy(slopes).to(ends.device) / len(members)
        # A member that ignores the image has no gradient at all.
        weighted = [(output * weight).sum() for output in outputs if output.requires_grad]
        if weighted:
            (gradient,) = torch.autograd.grad(torch.stack(weighted).sum(), path, allow_unused=True)
            if gradient is not None:
                total += gradient.sum(dim=0, keepdim=True)
    mean: Array = (total[0] / steps).double().cpu().numpy()
    return mean


def _slope(head: Head, score: Array, step: float = 1e-3) -> Array:
    """Gradient of ``head`` by central differences, shape (c,)."""
    moves = np.eye(len(score)) * step
    return np.array([(head(score + move) - head(score - move)) / (2 * step) for move in moves])


def _density(parts: Array, grids: Sequence[Geometry], where: Array, voxel_mm3: float, grain: float) -> Array:
    """Log-odds per mm3 of lesion at its voxels (n, 3) in S, P, L mm.

    The parts of both views and the lesion's volume are shared out among the nodes of one lattice by trilinear weights; their
    ratio is read off between the nodes by the same weights, so that the map sums up to the parts.
    """
    low = where.min(axis=0) - 2 * grain
    counts = np.ceil((where.max(axis=0) - low) / grain).astype(int) + 3
    amount, volume = np.zeros(counts), np.zeros(counts)
    for view, grid in zip(parts, grids, strict=True):
        used = np.argwhere(view != 0)
        centres = np.asarray(grid.origin)[::-1] + used * np.asarray(grid.spacing)
        _share_out(amount, (centres - low) / grain, view[tuple(used.T)])
    _share_out(volume, (where - low) / grain, np.full(len(where), voxel_mm3))
    # Nodes that hold little of the lesion, at its edge, join the nearest one that holds enough for a ratio to mean something.
    little = volume < LEAST_FILLED * volume.max()
    nearest = tuple(ndimage.distance_transform_edt(little, return_distances=False, return_indices=True))
    joined_amount, joined_volume = np.zeros(counts), np.zeros(counts)
    np.add.at(joined_amount, nearest, amount)
    np.add.at(joined_volume, nearest, volume)
    density = (joined_amount / np.where(little, 1.0, joined_volume))[nearest]
    values: Array = ndimage.map_coordinates(density, ((where - low) / grain).T, order=1)
    return values


def _share_out(lattice: Array, at: Array, amounts: Array) -> None:
    """Add ``amounts`` (n,) at fractional indices (n, 3) to the eight nodes around each by trilinear weights."""
    at = at.clip(0, np.array(lattice.shape) - 1 - 1e-6)
    floor = np.floor(at).astype(int)
    rest = at - floor
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner) == 1, rest, 1 - rest), axis=1)
        np.add.at(lattice, tuple((floor + corner).T), weight * amounts)

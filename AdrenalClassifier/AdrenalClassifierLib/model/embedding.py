"""How far a lesion lies from the training cohort in the space of the network's embeddings.

Mahalanobis distance [Lee et al., NeurIPS 2018, arXiv 1807.03888] with a shrunk covariance [Ledoit & Wolf, J Multivar Anal
2004;88:365], for each member of the ensemble in its own space. A member's distances are divided by the median of those of the
lesions that it did not see in training, since members differ in scale; then members are averaged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import MissingDependencyError

Array = NDArray[np.float64]
LIMIT_PERCENTILE = 99.0
"""Design: one training lesion in a hundred lies farther out."""


@dataclass(frozen=True, eq=False)
class EmbeddingReference:
    """The training cohort in embedding space.

    Attributes:
        mean: of each member's training embeddings, shape (members, d).
        precision: inverse of the shrunk covariance, shape (members, d, d).
        scale: median distance of the lesions that the member did not see, shape (members,).
        limit: 99th percentile of the scaled distances of unseen training lesions, averaged over repetitions.
    """

    mean: Array
    precision: Array
    scale: Array
    limit: float

    def distance(self, embeddings: Array) -> float:
        """Distance of one lesion, embeddings of shape (members, d): 1 for a typical lesion, averaged over members."""
        offset = np.asarray(embeddings, float) - self.mean
        return float((np.sqrt(np.einsum("mi,mij,mj->m", offset, self.precision, offset).clip(0)) / self.scale).mean())

    def arrays(self) -> dict[str, Array]:
        """What goes into the weights file."""
        return {"mean": self.mean, "precision": self.precision, "scale": self.scale, "limit": np.array([self.limit])}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Any]) -> EmbeddingReference:
        """Inverse of ``arrays``. Raises KeyError or ValueError when parts are missing or shapes disagree."""
        mean, precision, scale = (np.asarray(arrays[name], float) for name in ("mean", "precision", "scale"))
        members, d = mean.shape
        if precision.shape != (members, d, d) or scale.shape != (members,):
            raise ValueError("shapes of the embedding reference disagree")
        return EmbeddingReference(mean, precision, scale, float(np.asarray(arrays["limit"]).ravel()[0]))


def embedding_reference(seen: Sequence[Array], unseen: Array, held_out_by: NDArray[np.intp]) -> EmbeddingReference:
    """Fit the reference.

    Args:
        seen: for each member the embeddings, by that member, of the lesions it was trained on, shape (n_m, d).
        unseen: embeddings of every training lesion by the member of each repetition that did not see it, shape (repeats, n, d).
        held_out_by: which member that is, shape (repeats, n).

    Raises:
        MissingDependencyError: scikit-learn is not installed.
    """
    try:
        from sklearn.covariance import LedoitWolf
    except ImportError as error:
        raise MissingDependencyError(
            "Training needs the package scikit-learn, which is not installed. "
            "Install it with: pip install 'adrenal-classifier[train]'."
        ) from error
    means, precisions, scales = [], [], []
    scaled = np.full(held_out_by.shape, np.nan)
    for member, inside in enumerate(seen):
        fitted = LedoitWolf().fit(np.asarray(inside, float))
        mine = held_out_by == member
        offset = np.asarray(unseen, float)[mine] - fitted.location_
        distances = np.sqrt(np.einsum("ni,ij,nj->n", offset, fitted.precision_, offset).clip(0))
        # A member that held nothing out, or whose embedding is constant, has no usual distance.
        scale = float(np.median(distances)) if len(distances) else 0.0
        means.append(fitted.location_)
        precisions.append(fitted.precision_)
        scales.append(scale if scale > 0 else 1.0)
        scaled[mine] = distances / scales[-1]
    limit = float(np.percentile(np.nanmean(scaled, axis=0), LIMIT_PERCENTILE, method="higher"))
    return EmbeddingReference(np.array(means), np.array(precisions), np.array(scales), limit)

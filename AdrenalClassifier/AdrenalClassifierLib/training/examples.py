"""A cohort as the learner sees it: one Example a lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.duplicates import Fingerprint, fingerprint
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.measurements import Measurements, measure
from AdrenalClassifierLib.imaging.network_input import InputSettings, network_input
from AdrenalClassifierLib.imaging.radiomics import radiomics
from AdrenalClassifierLib.patient.record import PatientRecord

Views = NDArray[np.uint8]


@dataclass(frozen=True)
class Voxels:
    """All that training needs of a lesion's voxels.

    Attributes:
        views: NetworkInput.views stored as bytes (attenuation -1..1 and mask 0..1 over 0..255): a step of 1.6 HU, well below
            CT noise, for a quarter of the memory.
        present: NetworkInput.present.
        measurements: of this lesion.
        radiomics: radiomic features by name, None where one is not defined.
        fingerprint: of the content, the same for the same lesion under another name (``cohort.duplicates``).
    """

    views: Views
    present: NDArray[np.float32]
    measurements: Measurements
    radiomics: Mapping[str, float | None]
    fingerprint: Fingerprint


@dataclass(frozen=True)
class Example:
    """One lesion, prepared for training.

    Attributes:
        patient_id: pseudonym; lesions of one patient never part.
        lesion_id: unique in the cohort.
        malignant: the label under the cohort's label policy.
        histology: subtype, for stratification, the network's second head and the fusion's groups.
        patient: clinical values.
        voxels: what was computed from CT and mask.
    """

    patient_id: str
    lesion_id: str
    malignant: bool
    histology: str
    patient: PatientRecord
    voxels: Voxels

    @property
    def measurements(self) -> Measurements:
        """Of this lesion."""
        return self.voxels.measurements


def voxels_of(lesion: Lesion, settings: InputSettings) -> Voxels:
    """Measure a lesion and compute its network input and radiomic features."""
    given, measured = network_input(lesion, settings), measure(lesion)
    return Voxels(pack(given.views), given.present, measured, radiomics(lesion, measured).values, fingerprint(lesion))


def pack(views: NDArray[np.float32]) -> Views:
    """Views ``(..., 3, s, s, s)`` as bytes."""
    out = np.empty(views.shape, np.uint8)
    out[..., :2, :, :, :] = np.rint((views[..., :2, :, :, :] + 1) * 127.5)
    out[..., 2, :, :, :] = np.rint(views[..., 2, :, :, :] * 255)
    return out


def unpack(views: Views, present: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inverse of ``pack`` for a batch ``(n, 2, 3, s, s, s)`` with flags ``(n, 2)``; absent phases are exactly zero."""
    out: NDArray[np.float32] = views.astype(np.float32) / np.float32(255)
    out[:, :, :2] = (out[:, :, :2] * 2 - 1) * present[:, None, :, None, None, None]
    return out


def labels(examples: Sequence[Example]) -> NDArray[np.bool_]:
    """Whether each lesion is malignant, shape (n,)."""
    return np.array([e.malignant for e in examples], bool)

"""The validity gate: is this lesion one of the kind for which the model's probability was validated?

Limits are those of the clinical reference, section 6.8, unless marked ``design``. A finding of severity ``outside`` means that no
probability is shown unless the user asks for it; a ``caution`` stands beside the probability.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.model.embedding import EmbeddingReference
from AdrenalClassifierLib.patient.quantity import Quantity

Severity = Literal["outside", "caution"]

FAT_HU = (-120.0, -60.0)
"""Median attenuation of fat around the lesion on a CT in Hounsfield units."""
FAT_SOUGHT_HU = (-250.0, -15.0)
"""Design: what is taken for fat, wide enough to hold it when the scale is off by 60 HU; without its edges, which mix."""
FAT_LEAST_ML = 2.0
"""Design: with less fat in the crop nothing is said of its attenuation."""
LESION_HU = (-150.0, 250.0)
"""Mean attenuation of a lesion: from pure fat to blood at its brightest; also the network's window [design]."""
SLICE_MM = 5.0
VOLUME_ML = (0.3, 4000.0)
LEAST_AGE = 18.0
RANGE_STEP = 5.0
"""Design: mm, HU and years."""

_RANGED: Mapping[str, tuple[str, str]] = {
    "long_axis_mm": ("long axis", "mm"),
    "spontaneous_hu": ("spontaneous attenuation", "HU"),
    "age": ("age", "years"),
}
"""What is compared with the training cohort's range: key -> (name, unit)."""


@dataclass(frozen=True)
class Finding:
    """One reason for caution.

    Attributes:
        code: for machines, lower_snake_case.
        text: one sentence with the value and the limit.
        severity: ``outside`` or ``caution``.
    """

    code: str
    text: str
    severity: Severity

    def to_json(self) -> dict[str, Any]:
        """Plain JSON object."""
        return dict(self.__dict__)

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Finding:
        """Inverse of ``to_json``. Raises KeyError or TypeError for an object that is none."""
        return Finding(value["code"], value["text"], value["severity"])


@dataclass(frozen=True)
class ValidityReference:
    """What the gate knows of the training cohort.

    Attributes:
        ranges: least and greatest value in training by key (``long_axis_mm``, ``spontaneous_hu``, ``age``), rounded outward.
        embedding: where the embeddings of training lesions lie; None when that is not known.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    embedding: EmbeddingReference | None = None


def training_ranges(measurements: Sequence[Measurements], ages: Sequence[Quantity | None]) -> dict[str, tuple[float, float]]:
    """Least and greatest value of size, spontaneous attenuation and age in training; without what no lesion has.

    Rounded outward to multiples of ``RANGE_STEP``: a bundle must not hold the very age of the oldest patient.
    """
    values: dict[str, list[float]] = {
        "long_axis_mm": [m.long_axis_mm for m in measurements],
        "spontaneous_hu": [m.spontaneous_hu for m in measurements if m.spontaneous_hu is not None],
        "age": [a.value for a in ages if a is not None],
    }
    return {
        key: (RANGE_STEP * math.floor(min(found) / RANGE_STEP), RANGE_STEP * math.ceil(max(found) / RANGE_STEP))
        for key, found in values.items()
        if found
    }


def validity(
    lesion: Lesion,
    measurements: Measurements,
    age: Quantity | None,
    reference: ValidityReference | None = None,
    embeddings: NDArray[np.float64] | None = None,
) -> tuple[Finding, ...]:
    """All findings, those that put the lesion outside first.

    Args:
        lesion: the lesion.
        measurements: of the lesion.
        age: the patient's age, None when not given.
        reference: of the model's training cohort; None leaves these checks out.
        embeddings: of the lesion by each member of the ensemble, shape (members, d); None leaves this check out.
    """
    findings = [*_image(lesion), *_lesion(lesion, measurements), *_age(age)]
    if reference is not None:
        findings += _range(reference.ranges, measurements, age)
        if reference.embedding is not None and embeddings is not None:
            findings += _embedding(reference.embedding, embeddings)
    return tuple(sorted(findings, key=lambda f: f.severity != "outside"))


def is_outside(findings: Sequence[Finding]) -> bool:
    """Whether any finding puts the lesion outside the validated range."""
    return any(f.severity == "outside" for f in findings)


def _image(lesion: Lesion) -> Iterator[Finding]:
    for phase in lesion.phases:
        hu = lesion.hu(phase)
        fat = None if hu is None else fat_median(hu, lesion)
        if fat is None and phase == lesion.phase:
            yield Finding(
                "fat_not_found",
                "Too little fat was found around the lesion to check that the image is in Hounsfield units.",
                "caution",
            )
        if fat is not None and not FAT_HU[0] <= fat <= FAT_HU[1]:
            yield Finding(
                "fat_attenuation",
                f"The fat around the lesion has {_number(fat)} HU ({_phase(phase)}), not {_span(FAT_HU)} HU as on a calibrated "
                "CT: the image may not be in Hounsfield units.",
                "outside",
            )
    up = lesion.geometry.aligned_to_axes()[2]
    slice_mm = lesion.geometry.spacing[up]
    if slice_mm > SLICE_MM * (1 + 1e-6):
        yield Finding(
            "thick_slices", f"The slices are {slice_mm:.3g} mm apart, more than the {SLICE_MM:g} mm the model allows.", "outside"
        )
    if lesion.phase == "unknown":
        yield Finding(
            "phase_unknown",
            "The contrast phase of the CT is not known, and the network reads unenhanced and enhanced CT differently; "
            "give the phase.",
            "outside",
        )
    if lesion.touches_border:
        yield Finding(
            "mask_at_border", "The outline reaches the border of the scan, so part of the lesion may be missing.", "outside"
        )


def _lesion(lesion: Lesion, measurements: Measurements) -> Iterator[Finding]:
    for phase in lesion.phases:
        hu = lesion.hu(phase)
        values = np.empty(0) if hu is None else hu[lesion.mask]
        mean = float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else None
        if mean is not None and not LESION_HU[0] <= mean <= LESION_HU[1]:
            yield Finding(
                "lesion_attenuation",
                f"The lesion's mean attenuation is {_number(mean)} HU ({_phase(phase)}), outside {_span(LESION_HU)} HU.",
                "outside",
            )
    volume = measurements.volume_ml
    if not VOLUME_ML[0] <= volume <= VOLUME_ML[1]:
        yield Finding(
            "volume",
            f"The lesion's volume is {volume:.3g} mL, outside the {VOLUME_ML[0]:g} to {VOLUME_ML[1]:g} mL the model allows.",
            "outside",
        )


def _age(age: Quantity | None) -> Iterator[Finding]:
    if age is None:
        yield Finding(
            "age_missing", f"The age was not given; the model holds for adults ({LEAST_AGE:g} years or more).", "caution"
        )
    elif age.value < LEAST_AGE:
        text = f"The patient is {age.value:g} years old; the model holds for adults ({LEAST_AGE:g} years or more)."
        yield Finding("age_below_18", text, "outside")


def _range(ranges: Mapping[str, tuple[float, float]], measurements: Measurements, age: Quantity | None) -> Iterator[Finding]:
    values = {
        "long_axis_mm": measurements.long_axis_mm,
        "spontaneous_hu": measurements.spontaneous_hu,
        "age": None if age is None else age.value,
    }
    for key, (name, unit) in _RANGED.items():
        value = values[key]
        if value is None or key not in ranges or ranges[key][0] <= value <= ranges[key][1]:
            continue
        low, high = ranges[key]
        yield Finding(
            f"{key}_beyond_training",
            f"The {name} of {_number(value)} {unit} lies beyond the training cohort ({_number(low)} to {_number(high)} {unit}).",
            "caution",
        )


def _embedding(reference: EmbeddingReference, embeddings: NDArray[np.float64]) -> Iterator[Finding]:
    distance = reference.distance(embeddings)
    if distance > reference.limit:
        yield Finding(
            "unlike_training",
            f"To the network the image is unlike the training cohort: distance {distance:.2f}, more than the "
            f"{reference.limit:.2f} that 99 % of its lesions stay within.",
            "outside",
        )


def fat_median(hu: NDArray[np.float32], lesion: Lesion) -> float | None:
    """Median attenuation of the fat around the lesion in HU; None when the crop holds too little of it.

    Fat is what lies in ``FAT_SOUGHT_HU`` together with all of its neighbours, outside the mask and the voxels next to it.
    """
    with np.errstate(invalid="ignore"):
        fat = (hu > FAT_SOUGHT_HU[0]) & (hu < FAT_SOUGHT_HU[1])
    fat = ndimage.binary_erosion(fat) & ~ndimage.binary_dilation(lesion.mask)
    if np.count_nonzero(fat) * lesion.geometry.voxel_volume_mm3 / 1000 < FAT_LEAST_ML:
        return None
    return float(np.median(hu[fat]))


def _number(value: float) -> str:
    return f"{value:.0f}".replace("-", "\u2212") if abs(value) >= 0.5 else "0"


def _span(limits: tuple[float, float]) -> str:
    return f"{_number(limits[0])} to {_number(limits[1])}"


def _phase(phase: str) -> str:
    return "phase unknown" if phase == "unknown" else f"{phase} phase"

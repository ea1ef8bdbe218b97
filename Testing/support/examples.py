"""Small made-up lesions for tests of training: a signal is planted in the image, the size and one flag."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.measurements import Measurements, measure
from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.imaging.radiomics import NAMES
from AdrenalClassifierLib.patient.record import PatientRecord, Quantity
from AdrenalClassifierLib.training.examples import Example, Voxels, pack
from support.grids import ellipsoid, phantom, segment

SIZE = 16
SETTINGS = InputSettings(size=SIZE, physical_spacing_mm=6.0)
GRID = identity((40, 90, 90), (3.0, 1.5, 1.5), (-66.0, -66.0, -60.0))


def small_lesion(radius: float = 15.0, hu: float = 35.0) -> Lesion:
    """One ball on an unenhanced CT."""
    mask = ellipsoid(GRID, (0.0, 0.0, 0.0), (radius, radius, radius))
    return extract_lesions(phantom(GRID, mask, inside=hu), [segment(mask, GRID)])[0]


@cache
def _measured() -> Measurements:
    return measure(small_lesion())


def planted(patients: int, seed: int, bilateral: int = 2, strength: float = 1.0) -> tuple[Example, ...]:
    """Lesions whose malignant third is brighter, larger and has weight loss more often; the first patients have two."""
    rng = np.random.default_rng(seed)
    out = []
    for n in range(patients):
        for side in ("L", "R") if n < bilateral else ("L",):
            malignant = n % 3 == 0
            brightness = rng.normal(0.5 * strength * malignant, 0.35)
            views = np.clip(rng.normal(brightness, 0.2, (2, 3, SIZE, SIZE, SIZE)), -1, 1).astype(np.float32)
            views[:, 2] = 0
            views[:, 2, 4:12, 4:12, 4:12] = 1
            present = np.array([1, n % 2], np.float32)
            size = float(np.exp(rng.normal(np.log(35) + 0.4 * strength * malignant, 0.4)))
            values: dict[str, bool | Quantity] = {"weight_loss": bool(rng.random() < 0.15 + 0.4 * strength * malignant)}
            if rng.random() < 0.7:
                values["age"] = Quantity(float(rng.integers(25, 80)), "=", None, None, "")
            hu = None if rng.random() < 0.2 else float(rng.normal(25 + 8 * strength * malignant, 10))
            out.append(
                Example(
                    f"p{n}",
                    f"p{n}-{side}",
                    malignant,
                    ("acc" if n % 2 else "metastasis") if malignant else ("adenoma" if n % 2 else "phaeochromocytoma"),
                    PatientRecord(values),
                    Voxels(
                        pack(views),
                        present,
                        replace(_measured(), long_axis_mm=size, spontaneous_hu=hu),
                        _radiomics(rng, strength * malignant, present),
                        (f"{seed}-{n}-{side}",),
                    ),
                )
            )
    return tuple(out)


def _radiomics(rng: np.random.Generator, shift: float, present: np.ndarray) -> dict[str, float | None]:
    """Noise, but for a weak planted signal in the sphericity; none of a phase that is not there."""
    values: dict[str, float | None] = {name: float(v) for name, v in zip(NAMES, rng.normal(size=len(NAMES)), strict=True)}
    values["sphericity"] = float(rng.normal(-0.5 * shift, 1))
    if not present[1]:
        values |= {name: None for name in NAMES if name.startswith(("portal", "enhance", "unenhancing"))}
    return values

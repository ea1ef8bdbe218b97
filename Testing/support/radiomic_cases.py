"""Small volumes on which radiomic features are compared with independent software: HU and mask, voxels of 1 mm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

DATA = Path(__file__).resolve().parents[1] / "data"
Case = tuple[str, NDArray[np.float64], NDArray[np.bool_]]


def radiomic_cases() -> Iterator[Case]:
    """(name, whole HU within -150..250 in the mask, mask); axes (k, j, i)."""
    k, j, i = np.mgrid[-15:16, -15:16, -15:16].astype(float)
    waves = 30 * np.sin(k / 2.3) * np.cos(j / 3.1 + i / 4.7) + 12 * np.sin(3 * i) + k**2 / 4 + 30
    yield "ellipsoid", np.rint(waves), (k / 12) ** 2 + (j / 9) ** 2 + (i / 7) ** 2 <= 1
    yield "dumb-bell", np.rint(waves + 2 * i), np.minimum((i - 6) ** 2, (i + 6) ** 2) + j**2 + k**2 <= 49
    yield "shell", np.rint(waves - 3 * k), np.abs(np.sqrt(k**2 + j**2 + i**2) - 9) <= 2.2
    yield "branched", np.rint(waves), (np.abs(np.sin(k / 4) + np.sin(j / 4) + np.sin(i / 4)) < 0.5) & (k**2 + j**2 + i**2 < 180)
    for file, label, name in (("adrenal_portal", 8, "portal gland"), ("adrenals_unenhanced", 9, "unenhanced gland")):
        hu = sitk.GetArrayFromImage(sitk.ReadImage(str(DATA / f"{file}_ct.nii.gz"))).astype(float)
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(DATA / f"{file}_labels.nii.gz"))) == label
        box = tuple(slice(a.min(), a.max() + 1) for a in np.nonzero(mask))
        yield name, hu[box], mask[box]

"""A cohort on disk that is quick to read: noisy balls in small NIfTI volumes, with a few clinical values."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import SimpleITK as sitk

COLUMNS = ("patient_id", "lesion_id", "side", "ct_unenhanced", "ct_portal", "mask", "malignant", "histology", "truth_source",
           "age_years", "sex", "cortisol_dst_nmol_l")  # fmt: skip
SIZE = (24, 40, 40)
SPACING = (4.0, 2.5, 2.5)

Row = dict[str, str]


def write_cohort(folder: Path, lesions: int, seed: int = 0) -> list[Row]:
    """Write the images and ``cohort.csv``; gives its rows. Every lesion differs in size, HU, noise and values."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows = []
    for n in range(lesions):
        name = f"L{n:03d}"
        radius, hu = 10 + 1.5 * (n % 9), 5 + 4 * n
        mask = ball(radius)
        save(folder / f"{name}_mask.nii.gz", mask.astype(np.uint8))
        row = {"patient_id": f"P{n:03d}", "lesion_id": name, "side": ("left", "right")[n % 2], "mask": f"{name}_mask.nii.gz"}
        row |= {"malignant": str(n % 2), "histology": ("adenoma", "acc")[n % 2], "truth_source": "surgery"}
        row |= {
            "age_years": str(30 + n),
            "sex": ("female", "male")[n % 2],
            "cortisol_dst_nmol_l": "" if n % 3 else str(20 + 10 * n),
        }
        for phase, gain in (("unenhanced", 0), ("portal", 50))[: 1 + n % 2]:
            ct = np.where(mask, hu + gain, -90) + rng.normal(0, 12, SIZE)
            save(folder / f"{name}_{phase}.nii.gz", ct.round().astype(np.int16))
            row[f"ct_{phase}"] = f"{name}_{phase}.nii.gz"
        rows.append(row)
    write_table(folder / "cohort.csv", rows)
    return rows


def ball(radius: float) -> np.ndarray:  # type: ignore[type-arg]
    """A ball of ``radius`` mm around the middle of the volume."""
    k, j, i = (np.arange(n) - (n - 1) / 2 for n in SIZE)
    return (k[:, None, None] * SPACING[0]) ** 2 + (j[:, None] * SPACING[1]) ** 2 + (i * SPACING[2]) ** 2 <= radius**2  # type: ignore[no-any-return]


def save(path: Path, voxels: np.ndarray) -> None:  # type: ignore[type-arg]
    """Write a volume of the cohort's grid."""
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing(SPACING[::-1])
    sitk.WriteImage(image, str(path))


def write_table(path: Path, rows: list[Row], columns: tuple[str, ...] = COLUMNS) -> Path:
    """Write rows as a cohort table."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def same_results(one: Path, other: Path) -> bool:
    """Whether two folders hold the same ``results.csv``, order included; probabilities to a millionth.

    Sums in another number of threads differ by about 1e-10, which can change the last of six digits.
    """
    rows = [list(read_results(folder).values()) for folder in (one, other)]
    return len(rows[0]) == len(rows[1]) and all(_same(a, b) for a, b in zip(*rows, strict=True))


def _same(one: Row, other: Row) -> bool:
    return one.keys() == other.keys() and all(one[c] == other[c] or abs(float(one[c]) - float(other[c])) < 2e-6 for c in one)


def read_results(folder: Path) -> dict[str, Row]:
    """``results.csv`` by lesion_id; fails when one stands there twice."""
    with open(folder / "results.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [row["lesion_id"] for row in rows]
    assert len(set(names)) == len(names)
    return dict(zip(names, rows, strict=True))

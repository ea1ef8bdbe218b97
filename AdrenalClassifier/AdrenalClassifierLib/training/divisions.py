"""Subgroups in which an evaluation is repeated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from AdrenalClassifierLib.cohort.labels import histologies
from AdrenalClassifierLib.cohort.table import CohortRow
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.evaluation.predictions import Subgroup
from AdrenalClassifierLib.imaging.read import list_series
from AdrenalClassifierLib.training.examples import Example

AGES = ("below 40 years", "40 to 59 years", "60 years or more")
SLICES = ("up to 2 mm", "above 2 to 5 mm", "above 5 mm")
DICOM_SUFFIXES = frozenset({"", ".dcm", ".dicom", ".ima"})


def divisions(examples: Sequence[Example], rows: Sequence[CohortRow]) -> dict[str, Subgroup]:
    """Sex, age, size tercile, histology, slice spacing, missing unenhanced phase and side; one example and one row a lesion."""
    sizes = [e.measurements.long_axis_mm for e in examples]
    first, second = (float(x) for x in np.quantile(sizes, (1 / 3, 2 / 3)))
    terciles = (f"up to {first:.0f} mm", f"{first:.0f} to {second:.0f} mm", f"above {second:.0f} mm")
    size_levels = [terciles[(size > first) + (size > second)] for size in sizes]
    labels = histologies()
    kinds = sorted({e.histology for e in examples}, key=list(labels).index)
    malignant = {e.histology for e in examples if e.malignant}
    return {
        "sex": Subgroup("Sex", tuple(e.patient.choice("sex") for e in examples), ("female", "male")),
        "age": Subgroup("Age", tuple(_age(e) for e in examples), AGES),
        "size": Subgroup("Long axis, terciles of this cohort", tuple(size_levels), terciles),
        "histology": Subgroup(
            "Histology",
            tuple(labels[e.histology] for e in examples),
            tuple(labels[k] for k in sorted(kinds, key=lambda k: k not in malignant)),
        ),
        "slices": Subgroup(
            "Distance between slices", tuple(_slices(e, row) for e, row in zip(examples, rows, strict=True)), SLICES
        ),
        "unenhanced": Subgroup(
            "Unenhanced phase",
            tuple("given" if "unenhanced" in row.ct else "missing" for row in rows),
            ("given", "missing"),
        ),
        "side": Subgroup("Side", tuple(None if row.side == "unknown" else row.side for row in rows), ("left", "right")),
    }


def _age(example: Example) -> str | None:
    age = example.patient.number("age")
    return None if age is None else AGES[(age >= 40) + (age >= 60)]


def _slices(example: Example, row: CohortRow) -> str | None:
    """Of the phase that was measured, from the file's header alone."""
    path = next((p for phase, p in row.ct.items() if phase == example.measurements.phase), None)
    spacing = None if path is None else slice_spacing(path)
    return None if spacing is None else SLICES[(spacing > 2) + (spacing > 5)]


def slice_spacing(path: Path) -> float | None:
    """Distance in mm between the slices of a CT, None where its header does not tell."""
    if path.is_dir() or path.suffix.casefold() in DICOM_SUFFIXES:
        try:
            spacings = {s.spacing[0] for s in list_series(path if path.is_dir() else path.parent) if s.spacing and s.slices > 1}
        except AdrenalError:
            return None
        return spacings.pop() if len(spacings) == 1 else None
    import SimpleITK as sitk

    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return None
    if reader.GetDimension() != 3:
        return None
    upward = np.abs(np.reshape(reader.GetDirection(), (3, 3))[2])
    return float(reader.GetSpacing()[int(np.argmax(upward))])

"""Fixtures of the cohort room: a small table with files, and draws of the synthetic cohort that several tests share."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.synthetic.case import SyntheticCase, draw_cohort, draw_table
from AdrenalClassifierLib.cohort.synthetic.render import RenderedCase, Scene, build_scene, reader_mask, scanned
from AdrenalClassifierLib.cohort.synthetic.rows import TabularRows, TrueRows

COLUMNS = ("patient_id", "lesion_id", "side", "ct_unenhanced", "ct_portal", "ct_delayed", "mask", "mask_label", "malignant",
           "histology", "truth_source", "split", "age_years", "sex", "cortisol_dst_nmol_l")  # fmt: skip
SIZE = (12, 60, 60)


@dataclass
class Table:
    """A cohort table to be spoilt: rows of cells by column, and the folder with its files."""

    folder: Path
    columns: list[str]
    rows: list[dict[str, str]]

    @property
    def path(self) -> Path:
        """The CSV file."""
        return self.folder / "cohort.csv"

    def write(self, delimiter: str = ",", encoding: str = "utf-8", newline: str = "\n") -> Path:
        """Write the table as it stands."""
        with open(self.path, "w", encoding=encoding, newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator=newline)
            writer.writerow(self.columns)
            writer.writerows([[row.get(c, "") for c in self.columns] for row in self.rows])
        return self.path


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Four lesions in three patients; the last patient has both sides in one mask file. Every file can be read."""
    z, y, x = np.ogrid[: SIZE[0], : SIZE[1], : SIZE[2]]
    left = ((z - 6) * 3) ** 2 + (y - 30) ** 2 + (x - 18) ** 2 < 100
    right = ((z - 6) * 3) ** 2 + (y - 30) ** 2 + (x - 42) ** 2 < 100
    noise = np.random.default_rng(0)
    for name in ("ct", "ct2", "ct3"):
        _save(tmp_path / f"{name}.nii.gz", np.where(left | right, noise.normal(30, 10, SIZE), -100).round().astype(np.int16))
    _save(tmp_path / "portal.nii.gz", np.where(left | right, 80, -100).astype(np.int16))
    _save(tmp_path / "one.nii.gz", left.astype(np.uint8))
    _save(tmp_path / "other.nii.gz", left.astype(np.uint8))
    _save(tmp_path / "both.nii.gz", (left + 2 * right).astype(np.uint8))
    rows = [
        _row("P1", "P1-L", "left", "one.nii.gz", "0", "adenoma", ct_portal="portal.nii.gz", cortisol_dst_nmol_l="<28"),
        _row("P2", "P2-L", "left", "other.nii.gz", "1", "acc", sex="male", cortisol_dst_nmol_l="310", ct_unenhanced="ct2.nii.gz"),
        _row("P3", "P3-L", "left", "both.nii.gz", "1", "metastasis", mask_label="1", ct_unenhanced="ct3.nii.gz"),
        _row("P3", "P3-R", "right", "both.nii.gz", "1", "metastasis", mask_label="2", ct_unenhanced="ct3.nii.gz"),
    ]
    return Table(tmp_path, list(COLUMNS), rows)


def _row(patient: str, lesion: str, side: str, mask: str, malignant: str, histology: str, **more: str) -> dict[str, str]:
    row = {"patient_id": patient, "lesion_id": lesion, "side": side, "ct_unenhanced": "ct.nii.gz", "mask": mask}
    row |= {"malignant": malignant, "histology": histology, "truth_source": "surgery", "age_years": "54", "sex": "female"}
    return row | more


def _save(path: Path, voxels: NDArray[np.generic]) -> None:
    image = sitk.GetImageFromArray(voxels)
    image.SetSpacing([1.0, 1.0, 3.0])
    sitk.WriteImage(image, str(path))


@pytest.fixture(scope="session")
def cases() -> tuple[SyntheticCase, ...]:
    """The design: 385 lesions of seed 0."""
    return draw_cohort(385, 0)


@dataclass(frozen=True)
class Draw:
    """Many tabular rows: class index, what is observed, the truth."""

    lesion_class: NDArray[np.intp]
    rows: TabularRows
    truth: TrueRows


@pytest.fixture(scope="session")
def draw() -> Draw:
    """20,020 rows, 52 times the design, of a seed that nothing else uses."""
    return Draw(*draw_table(52 * 385, 20261))


@dataclass(frozen=True)
class Rendered:
    """A case with its noise-free truth and its images."""

    case: SyntheticCase
    scene: Scene
    images: RenderedCase


@pytest.fixture(scope="session")
def render(cases: tuple[SyntheticCase, ...]) -> Callable[[int], Rendered]:
    """Render a case of the design once, however many tests look at it."""
    done: dict[int, Rendered] = {}

    def get(number: int) -> Rendered:
        if number not in done:
            case = cases[number]
            scene = build_scene(case)
            images = RenderedCase({p: scanned(case, scene, p) for p in case.phases}, reader_mask(case, scene))
            done[number] = Rendered(case, scene, images)
        return done[number]

    return get

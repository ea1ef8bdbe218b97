"""A small download of Adrenal-ACC-Ki67-Seg: the layout, headers and faults of the collection around small volumes."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import nibabel
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from support.dicom_files import write_series

ROOT = "Adrenal-ACC-Ki67-Seg"
DATA = Path(__file__).resolve().parents[1] / "data"
HEAD = ["Patient_ID", "Age", "SEX", "Race", "PreContrast", "Venous", "Delayed", "Laterality", "CLINIC PRESENT", "PathTumorSize",
        "TNM_Stage", "Ki67", "ResectionMargin", "DaysToDiagnosis"]  # fmt: skip
SHAPE = (16, 24, 24)


def patient(number: int) -> str:
    """A PatientID of the collection."""
    return f"Adrenal_Ki67_Seg_{number:03d}"


@dataclass
class Study:
    """One study to be written: where, whose, when."""

    root: Path
    patient: str
    date: str = "20000822"
    flat: bool = False

    def __post_init__(self) -> None:
        self.uid, self.frame = generate_uid(), generate_uid()

    def folder(self, number: int, description: str, uid: str) -> Path:
        """As the NBIA Data Retriever names it (patient, date-study, number-description), or as IDC does (the series UID)."""
        if self.flat:
            return self.root / uid
        return self.root / ROOT / self.patient / f"{self.date}-NA-CT ABDOMEN-56266" / f"{number}.000000-{description}-18492"

    def ct(
        self,
        number: int,
        description: str,
        hu: NDArray[np.integer],
        spacing: tuple[float, float, float] = (2.5, 2.0, 2.0),
        kernel: str = "B40f",
        agent: str = "",
        **more: object,
    ) -> list[Path]:
        """Write a CT series; gives its files by slice. ``more``: attributes of every slice, or arguments of ``write_series``."""
        uid = generate_uid()
        given = {k: more.pop(k) for k in ("orientation", "origin", "step") if k in more}

        def edit(ds: pydicom.Dataset, _: int) -> None:
            self._identify(ds)
            ds.ConvolutionKernel = kernel
            if agent:
                ds.ContrastBolusAgent = agent
            for keyword, value in more.items():
                setattr(ds, keyword, value)

        return write_series(
            self.folder(number, description, uid), hu, spacing=spacing, number=number, uid=uid, description=description,
            edit=edit, name=lambda k: f"1-{k + 1:03d}.dcm", **given,  # type: ignore[arg-type]
        )  # fmt: skip

    def _identify(self, ds: pydicom.Dataset) -> None:
        ds.PatientID, ds.PatientName = self.patient, f"{self.patient}^"
        ds.StudyInstanceUID, ds.FrameOfReferenceUID, ds.StudyDate = self.uid, self.frame, self.date
        ds.StudyTime, ds.StudyID, ds.AccessionNumber, ds.PatientSex = "101500", "1", "", ""

    def seg(
        self,
        slices: Sequence[Path],
        masks: Sequence[NDArray[np.bool_]],
        number: int = 300,
        date: str = "20200101",
        refer: bool = True,
    ) -> Path:
        """Write a SEG with one segment a mask on a series; without references when ``refer`` is False."""
        segments = [
            hd.seg.SegmentDescription(
                segment_number=n,
                segment_label=f"Mass {n}",
                segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
                segmented_property_type=codes.SCT.Mass,
                algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
            )
            for n in range(1, len(masks) + 1)
        ]
        uid = generate_uid()
        seg = hd.seg.Segmentation(
            source_images=[pydicom.dcmread(path) for path in slices],
            pixel_array=np.stack(masks, -1).astype(np.uint8),
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            series_instance_uid=uid,
            series_number=number,
            sop_instance_uid=generate_uid(),
            instance_number=1,
            manufacturer="test",
            manufacturer_model_name="test",
            software_versions="1",
            device_serial_number="1",
        )
        seg.ContentDate, seg.ContentTime, seg.SeriesDescription = date, "120000", "Segmentation"
        if not refer:
            del seg.ReferencedSeriesSequence
            for frame in seg.PerFrameFunctionalGroupsSequence:
                frame.DerivationImageSequence = []
        path = self.folder(number, "Segmentation", uid) / "1-1.dcm"
        path.parent.mkdir(parents=True, exist_ok=True)
        seg.save_as(path)
        return path


def ball(radius: float = 12.0, shift: float = 0.0) -> NDArray[np.bool_]:
    """A ball of ``radius`` mm around the middle of a volume of ``SHAPE`` and 2.5 x 2 x 2 mm, moved along i."""
    k, j, i = (np.arange(n) - (n - 1) / 2 for n in SHAPE)
    return (k[:, None, None] * 2.5) ** 2 + (j[:, None] * 2) ** 2 + (i * 2 - shift) ** 2 <= radius**2  # type: ignore[no-any-return]


def tissue(seed: int, hu: float = 40) -> NDArray[np.int16]:
    """A noisy volume with a ball in it."""
    noise = np.random.default_rng(seed).normal(0, 10, SHAPE)
    return (np.where(ball(), hu, -90) + noise).round().astype(np.int16)


def real_portal() -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
    """Voxels of the shared portal scan around a right adrenal gland, and its label, as (k, j, i)."""
    ct = np.asarray(nibabel.load(DATA / "adrenal_portal_ct.nii.gz").dataobj)  # type: ignore[attr-defined]
    labels = np.asarray(nibabel.load(DATA / "adrenal_portal_labels.nii.gz").dataobj)  # type: ignore[attr-defined]
    return ct.transpose(2, 1, 0).astype(np.int16), labels.transpose(2, 1, 0) == 8


def write_clinical(path: Path, rows: Sequence[Sequence[object]]) -> Path:
    """The clinical table as CSV or, by its name, as an Excel workbook."""
    if path.suffix == ".xlsx":
        import openpyxl

        book = openpyxl.Workbook()
        for row in (HEAD, *rows):
            book.active.append(list(row))
        book.save(path)
        return path
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([HEAD, *rows])
    return path


def clinical_row(number: int, pre: str, venous: str, delayed: str, side: str = "Left", age: object = 50) -> list[object]:
    """One patient."""
    return [patient(number), age, "F", "White", pre, venous, delayed, side, "Incidental finding", 12.5, 2, 40, "R0", 12]


def as_flat(folder: Path, flat: Path) -> Path:
    """The same series in a flat layout: one folder a series, named by its UID."""
    for path in sorted(folder.rglob("*.dcm")):
        uid = str(pydicom.dcmread(path, stop_before_pixels=True, specific_tags=["SeriesInstanceUID"]).SeriesInstanceUID)
        (flat / uid).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, flat / uid / path.name)
    return flat

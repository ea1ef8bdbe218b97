"""The sample case, and copies of it in other formats and orientations."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from AdrenalClassifierLib.commands import main
from AdrenalClassifierLib.commands.demo import SAMPLE
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from AdrenalClassifierLib.imaging.resample import to_sitk
from AdrenalClassifierLib.resources import resource
from support.dicom_files import write_series
from support.grids import rearranged

FOLDER = resource("SampleData", SAMPLE)
CT, MASK, PATIENT = FOLDER / "ct.nii.gz", FOLDER / "mask.nii.gz", FOLDER / "patient.json"


@dataclass(frozen=True)
class Answer:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout as JSON."""
        return json.loads(self.out)


def run(capsys: Any, *words: object) -> Answer:
    """Run a command in this process."""
    capsys.readouterr()
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:  # argparse
        code = int(stop.code or 0)
    text = capsys.readouterr()
    return Answer(code, text.out, text.err)


@cache
def voxels() -> tuple[NDArray[np.int16], NDArray[np.bool_], Geometry]:
    """HU, mask and grid of the sample case."""
    ct, mask = read_ct(CT), read_mask(MASK)
    return np.asarray(ct.hu, np.int16), mask.segments[0].mask, ct.geometry


def _save(path: Path, array: NDArray[Any], grid: Geometry) -> Path:
    sitk.WriteImage(to_sitk(array, grid), str(path))
    return path


def as_nrrd(folder: Path) -> tuple[Path, Path]:
    """CT as NRRD, mask as MetaImage."""
    hu, mask, grid = voxels()
    return _save(folder / "ct.nrrd", hu, grid), _save(folder / "mask.mha", mask, grid)


def as_dicom(folder: Path) -> tuple[Path, Path]:
    """CT as a DICOM series, mask as a DICOM SEG on it."""
    hu, mask, grid = voxels()
    orientation = (grid.axes[2], grid.axes[1])
    step = np.asarray(grid.axes[0]) * grid.spacing[0]
    study = {"StudyInstanceUID": generate_uid(), "StudyTime": "", "StudyID": "1", "AccessionNumber": "", "PatientSex": ""}

    def edit(ds: pydicom.Dataset, _: int) -> None:
        for keyword, value in study.items():
            setattr(ds, keyword, value)

    paths = write_series(
        folder / "ct", hu, spacing=grid.spacing, orientation=orientation, origin=grid.origin, step=step, edit=edit
    )
    return folder / "ct", write_seg(folder / "seg.dcm", paths, mask)


def write_seg(path: Path, slices: list[Path], mask: NDArray[np.bool_]) -> Path:
    """A binary DICOM SEG of one mass on a series, by highdicom."""
    segment = hd.seg.SegmentDescription(
        segment_number=1,
        segment_label="Mass",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Mass,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )
    seg = hd.seg.Segmentation(
        source_images=[pydicom.dcmread(p) for p in slices],
        pixel_array=mask.astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment],
        series_instance_uid=generate_uid(),
        series_number=9,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="test",
        manufacturer_model_name="test",
        software_versions="1",
        device_serial_number="1",
    )
    seg.save_as(path)
    return path


def _rearranged(order: tuple[int, int, int], flips: tuple[bool, bool, bool]) -> Callable[[Path], tuple[Path, Path]]:
    def write(folder: Path) -> tuple[Path, Path]:
        hu, mask, grid = voxels()
        moved, stored = rearranged(hu, grid, order, flips)
        moved_mask, _ = rearranged(mask, grid, order, flips)
        return _save(folder / "ct.nii.gz", moved, stored), _save(folder / "mask.nrrd", moved_mask.astype(bool), stored)

    return write


WAYS: dict[str, Callable[[Path], tuple[Path, Path]]] = {
    "NRRD": as_nrrd,
    "DICOM": as_dicom,
    "axes flipped": _rearranged((0, 1, 2), (True, False, True)),
    "axes permuted": _rearranged((2, 0, 1), (False, True, False)),
}

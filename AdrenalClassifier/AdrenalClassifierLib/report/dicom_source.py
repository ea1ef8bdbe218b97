"""The CT slices that a DICOM object refers to: which they are, where they lie, and whether a lesion was outlined on them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, ImageReadError
from AdrenalClassifierLib.imaging.dicom_ct import decode_hu
from AdrenalClassifierLib.imaging.dicom_headers import Header, headers_of, is_dicom, read_dataset
from AdrenalClassifierLib.imaging.dicom_series import volumes_of
from AdrenalClassifierLib.imaging.dicom_stack import Stack, stack_of
from AdrenalClassifierLib.imaging.geometry import DIRECTION_TOLERANCE, Geometry
from AdrenalClassifierLib.imaging.hounsfield import LEAST_HU
from AdrenalClassifierLib.imaging.itk_files import quiet_itk
from AdrenalClassifierLib.imaging.lesion import Lesion

SAME_HU = 1.0
"""Reading may round to whole HU; another phase or another reconstruction differs by more somewhere in a lesion."""
OFF_VOXELS = 0.1
"""Largest distance of the crop's voxels from those of the files, in voxels: hosts find the slice distance from other slices than
we do, and rounded positions add up over a long scan. Attenuation is compared as well."""
_NAME = "the CT files"


@dataclass(frozen=True)
class Source:
    """The slices of one CT volume in order along their normal.

    Attributes:
        stack: their headers and grid.
        datasets: attributes of each slice's file without pixels, in the same order; made fit for what a new object of the study
            copies. In an enhanced CT all are the one file.
    """

    stack: Stack
    datasets: tuple[Any, ...]

    @property
    def geometry(self) -> Geometry:
        """The grid of the whole volume."""
        return self.stack.geometry

    @property
    def frame_of_reference(self) -> str:
        """Frame of Reference UID."""
        return self.stack.headers[0].frame_of_reference

    @property
    def enhanced(self) -> bool:
        """Whether all slices are frames of one file."""
        return self.stack.headers[0].frame is not None

    def frame(self, k: int) -> int:
        """0-based frame of slice k in its file."""
        return self.stack.headers[k].frame or 0


def read_source(ct_files: Sequence[Path]) -> Source:
    """Order the CT slices in ``ct_files``, given in any order.

    Raises:
        ImageReadError: a file is damaged or no CT slice; the files are not one volume, or lack study or frame of reference.
        GeometryError: slices are missing or irregular, or the gantry was tilted.
    """
    if not ct_files:
        raise ImageReadError("The CT did not come from DICOM files, so there is no study that DICOM objects could belong to.")
    datasets: dict[Path, Any] = {}
    headers: list[Header] = []
    paths = list(dict.fromkeys(Path(p) for p in ct_files))
    for number, path in enumerate(paths, start=1):
        try:
            if not is_dicom(path):
                raise ImageReadError("no DICOM file")
            datasets[path] = read_dataset(path)
            headers += headers_of(path, datasets[path])
        except ImageReadError as error:
            # Not by its name: nobody chose these files one by one, and an archive may name them after the patient.
            raise ImageReadError(
                f"File {number} of the CT's {len(paths)} files is gone, damaged or no DICOM file; load the CT from DICOM again."
            ) from error
    volumes = [v for v in volumes_of(headers) if v.headers[0].is_ct]
    if len(volumes) != 1 or len(volumes[0].headers) < 2:
        found = "no CT volume" if not volumes else "a single slice" if len(volumes) == 1 else f"{len(volumes)} CT volumes"
        raise ImageReadError(f"The CT files hold {found}; give all slices of the one series on which the lesion was outlined.")
    stack = stack_of(volumes[0].headers, _NAME)
    first = datasets[stack.headers[0].path]
    if not stack.headers[0].frame_of_reference or not first.get("StudyInstanceUID") or not first.get("SOPInstanceUID"):
        raise ImageReadError(
            "The CT files lack the identifiers of study, image or frame of reference that other DICOM objects must refer to; "
            "load the CT from the archive again."
        )
    if len({str(datasets[h.path].get("StudyInstanceUID")) for h in stack.headers}) > 1:
        raise ImageReadError("The CT files belong to several studies; give the slices of one series.")
    if stack.drift is not None:
        raise GeometryError(
            f"The gantry was tilted by {stack.tilt_degrees:.1f} degrees and the slices were straightened, so the outline is "
            "not on the pixels of the DICOM files; export it as NRRD instead."
        )
    return Source(stack, tuple(_complete(datasets[h.path], stack.geometry.spacing[0]) for h in stack.headers))


def place(source: Source, lesion: Lesion) -> NDArray[np.intp]:
    """Where the voxels of a lesion's mask lie in the CT: indices (k, j, i) into ``source``, shape (n, 3), in no special order.

    Raises:
        GeometryError: the lesion lies on another grid, beyond the CT, or its attenuation is not that of these files.
    """
    if not _same_voxels(lesion.geometry, source.geometry):
        differing = "; ".join(lesion.geometry.differences(_like(source, lesion)))
        raise GeometryError(
            f"The outline of '{lesion.lesion_id}' is not on the grid of the CT files"
            f"{f' ({differing})' if differing else ''}; give the files of the series on which it was outlined."
        )
    index = np.rint(source.geometry.to_index(lesion.geometry.to_world(np.argwhere(lesion.mask)))).astype(np.intp)
    if not len(index) or (index < 0).any() or (index >= source.geometry.shape).any():
        raise GeometryError(
            f"The outline of '{lesion.lesion_id}' reaches beyond the CT files; give all slices of the series on which it "
            "was outlined."
        )
    _check_attenuation(source, lesion, index)
    return index


def _same_voxels(own: Geometry, grid: Geometry) -> bool:
    """Whether every voxel of ``own`` is one of ``grid``, with the axes in any order and direction."""
    step = np.linalg.inv(grid.matrix) @ own.matrix
    whole = np.rint(step)
    index = grid.to_index(own.corners())
    near = np.abs(step - whole).max() <= DIRECTION_TOLERANCE and np.abs(index - np.rint(index)).max() <= OFF_VOXELS
    return bool(near and (np.abs(whole).sum(axis=0) == 1).all() and (np.abs(whole).sum(axis=1) == 1).all())


def _like(source: Source, lesion: Lesion) -> Geometry:
    """The part of the CT's grid that is nearest to the lesion's, so that neither size nor distance count as differences."""
    grid = source.geometry
    shift = np.rint(grid.to_index(np.asarray(lesion.geometry.origin)))
    x, y, z = grid.to_world(shift)
    return Geometry(lesion.geometry.shape, grid.spacing, grid.axes, (float(x), float(y), float(z)))


def _check_attenuation(source: Source, lesion: Lesion, index: NDArray[np.intp]) -> None:
    """Compare the lesion with the files on its largest slice: two phases of one examination often share their grid."""
    k = int(np.bincount(index[:, 0]).argmax())
    own = lesion.ct[lesion.mask]
    there = index[:, 0] == k
    with quiet_itk():
        plane = decode_hu(source.stack.headers[k])[source.frame(k)]
    stored = plane[index[there, 1], index[there, 2]]
    values = own[there]
    counts = values > LEAST_HU  # padding, which readers replace, is at or below it
    if (np.abs(stored[counts] - values[counts]) > SAME_HU).any():
        raise GeometryError(
            f"The attenuation in the outline of '{lesion.lesion_id}' is not that of the CT files; give the files of the series "
            "on which it was outlined."
        )


# -- what a new object of the study copies from its slices ---------------------------------------------------------

_MAY_BE_EMPTY = (
    *("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID", "StudyDate", "StudyTime"),
    "ReferringPhysicianName",
)


def _complete(dataset: Any, between: float) -> Any:
    """Add absent attributes that may be empty, and empty those whose value is malformed (DICOM type 2)."""
    for keyword in _MAY_BE_EMPTY:
        if dataset.get(keyword) is None or not _sound(keyword, dataset.get(keyword)):
            setattr(dataset, keyword, "")
    if "PerFrameFunctionalGroupsSequence" not in dataset and not dataset.get("SliceThickness"):
        dataset.SliceThickness = f"{between:.6g}"
    return dataset


def _sound(keyword: str, value: Any) -> bool:
    text = str(value).strip()
    if not text:
        return True
    if keyword == "PatientSex":
        return text in ("M", "F", "O")
    if keyword.endswith("Date"):
        return _parses(text, "%Y%m%d")
    if keyword.endswith("Time"):
        return _parses(text, "%H%M%S.%f", "%H%M%S", "%H%M", "%H")
    return True


def _parses(text: str, *formats: str) -> bool:
    for form in formats:
        try:
            datetime.datetime.strptime(text, form)
        except ValueError:
            continue
        return True
    return False

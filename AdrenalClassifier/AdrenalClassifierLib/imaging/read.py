"""Read a CT or a mask from any of the supported files.

CT: NIfTI (.nii, .nii.gz), NRRD (.nrrd, .nhdr), MetaImage (.mha, .mhd), a folder of DICOM slices, or one DICOM file of a series.
Masks: a label map in the same formats, a 3D Slicer segmentation (.seg.nrrd), a DICOM SEG or an RTSTRUCT.
"""

from __future__ import annotations

from pathlib import Path

from pydicom.tag import Tag

from AdrenalClassifierLib.errors import AdrenalError, ImageReadError, MaskError
from AdrenalClassifierLib.imaging.dicom_ct import read_dicom_ct
from AdrenalClassifierLib.imaging.dicom_headers import RTSTRUCT_CLASS, SEG_CLASSES, dicom_files, is_dicom, read_dataset
from AdrenalClassifierLib.imaging.dicom_seg import read_dicom_seg
from AdrenalClassifierLib.imaging.dicom_series import SeriesInfo, scan
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.hounsfield import to_hounsfield
from AdrenalClassifierLib.imaging.images import CtImage, MaskImage, Phase
from AdrenalClassifierLib.imaging.label_images import segments_of_label_map
from AdrenalClassifierLib.imaging.metaimage import read_metaimage
from AdrenalClassifierLib.imaging.nifti import read_nifti
from AdrenalClassifierLib.imaging.nrrd import read_nrrd
from AdrenalClassifierLib.imaging.rtstruct import read_rtstruct
from AdrenalClassifierLib.imaging.slicer_segments import is_slicer_segmentation, segments_of_slicer
from AdrenalClassifierLib.imaging.volume_file import VolumeFile

_SOP_CLASS = Tag("SOPClassUID")
READERS = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
}


def read_ct(path: Path, phase: Phase | None = None, series: str | None = None) -> CtImage:
    """Read a CT.

    Args:
        path: a file, or a folder of DICOM slices (searched with its subfolders; files that are not DICOM are ignored).
        phase: contrast phase as the user knows it; None takes what the DICOM header states, else ``"unknown"``.
        series: number, UID or listed choice of the DICOM series, needed where a folder holds several.

    Returns:
        HU as int16 when every value is whole and fits, else float32, none below -1024; shape (k, j, i). A DICOM series runs along
        its normal (row x column); the other formats keep the file's axes.

    Raises:
        ImageReadError: missing, damaged, of an unknown kind, not a 3D CT, or not in HU.
        SeriesChoiceError: several DICOM series, none chosen.
        GeometryError: missing, repeated or irregular slices; sheared axes.
    """
    path = Path(path)
    suffix = _suffix(path)
    if suffix is None:
        return read_dicom_ct(path, phase, series)
    if series is not None:
        raise ImageReadError(f"'{path.name}' is one volume, not a DICOM folder; leave out --series.")
    volume = READERS[suffix](path)
    if volume.voxels.ndim != 3:
        raise ImageReadError(f"'{path.name}' holds several values a voxel; a CT has one.")
    if volume.geometry.shape[0] < 2 or min(volume.geometry.shape) < 2:
        raise ImageReadError(f"'{path.name}' is a single slice (2D); a volume of at least two slices is needed.")
    hu, notices = to_hounsfield(volume.voxels, path.name)
    return CtImage(hu, volume.geometry, phase or "unknown", None, (*volume.notices, *notices))


def read_mask(path: Path, label: str | None = None, reference: Geometry | None = None, empty: bool = False) -> MaskImage:
    """Read the segments of a mask.

    Args:
        path: a label map, ``.seg.nrrd``, DICOM SEG or RTSTRUCT; or a folder with one DICOM SEG or RTSTRUCT in it.
        label: which segment: its number or its name in any case; None takes all of them, up to four in a label map and sixteen in
            a file that names its segments.
        reference: grid of the CT on which the mask was drawn; used for contours only (RTSTRUCT).
        empty: accept a label map that holds no label, as one segment without voxels.

    Returns:
        one bool mask a segment, each with its own grid, which need not be the CT's.

    Raises:
        ImageReadError: missing, damaged or of an unknown kind.
        MaskError: no segment, unknown label, several segments and none chosen, or not a mask.
        GeometryError: slices that do not make up a volume; sheared axes.
        MissingDependencyError: a DICOM SEG without highdicom.
    """
    path = Path(path)
    suffix = _suffix(path)
    if suffix is not None:
        volume: VolumeFile = READERS[suffix](path)
        if is_slicer_segmentation(volume.metadata):
            return segments_of_slicer(volume, label, path.name)
        return segments_of_label_map(volume, label, path.name, empty)
    path, kind = _dicom_mask(path)
    return read_dicom_seg(path, label) if kind in SEG_CLASSES else read_rtstruct(path, label, reference)


def list_series(folder: Path) -> tuple[SeriesInfo, ...]:
    """The image volumes in a DICOM folder and its subfolders, by series number; localizers, screenshots, SEG, SR
    and the like are left out.

    Raises:
        ImageReadError: no such folder, or a DICOM file in it is damaged.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImageReadError(f"'{folder.name}' is not a folder. Give the folder of a DICOM examination.")
    volumes, _ = scan(folder)
    return tuple(v.info for v in volumes if v.headers[0].position is not None)


def _suffix(path: Path) -> str | None:
    """The suffix of a format that is not DICOM; None for a DICOM file or a folder. Raises ImageReadError for anything else."""
    if not path.exists():
        raise ImageReadError(f"There is no file or folder '{path.name}'. Check the path.")
    if path.is_dir():
        return None
    name = path.name.lower()
    for suffix in READERS:
        if name.endswith(suffix):
            return suffix
    if is_dicom(path):
        return None
    raise ImageReadError(
        f"'{path.name}' is of an unknown kind. Give NIfTI (.nii, .nii.gz), NRRD (.nrrd), MetaImage (.mha) or a DICOM folder."
    )


def _dicom_mask(path: Path) -> tuple[Path, str]:
    """The one DICOM SEG or RTSTRUCT that ``path`` is or holds, and its SOP class."""
    files = dicom_files(path)[0] if path.is_dir() else [path]
    masks = []
    for file in files:
        try:
            kind = str(read_dataset(file, [_SOP_CLASS]).get("SOPClassUID", ""))
        except AdrenalError:
            if not path.is_dir():
                raise
            continue
        if kind in (*SEG_CLASSES, RTSTRUCT_CLASS):
            masks.append((file, kind))
    if len(masks) == 1:
        return masks[0]
    if masks:
        names = ", ".join(f"'{file.name}'" for file, _ in masks[:10])
        raise MaskError(f"The folder '{path.name}' holds {len(masks)} masks; give one of them: {names}.")
    raise ImageReadError(f"'{path.name}' is no mask: neither a label map nor a DICOM segmentation or structure set.")

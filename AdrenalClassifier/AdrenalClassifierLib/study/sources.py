"""Where the cases of a study come from: a cohort table, or folders of CT and masks."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from AdrenalClassifierLib.agreement.folders import masks_in
from AdrenalClassifierLib.cohort.lesions import MASK_PHASES
from AdrenalClassifierLib.cohort.table import CohortRow, read_cohort
from AdrenalClassifierLib.errors import AdrenalError, GeometryError, ImageReadError, MaskError, StudyError
from AdrenalClassifierLib.files import sha256_of
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import CtImage, Phase, Segment
from AdrenalClassifierLib.imaging.read import read_ct, read_mask


@dataclass(frozen=True)
class Source:
    """One lesion that a study may show.

    Attributes:
        name: lesion identifier (cohort table) or file name without suffix (folders); unique.
        patient: patient identifier; at most one lesion of a patient is drawn.
        cts: the CT of each phase, in the order in which they are taken to be the one the mask was drawn on.
        mask: the existing outline, where there is one.
        mask_label: segment of ``mask``.
        group: class for the stratification, such as the malignancy; "" when unknown.
    """

    name: str
    patient: str
    cts: tuple[tuple[Phase, Path], ...]
    mask: Path | None = None
    mask_label: str | None = None
    group: str = ""


@dataclass(frozen=True)
class Opened:
    """A source's images: the CT that readers see, and the existing outline on its grid or another one."""

    ct: CtImage
    path: Path
    segment: Segment | None


def sources_of_cohort(table: Path) -> tuple[Source, ...]:
    """The lesions of a cohort table, class by ``malignant``. Raises CohortError."""
    return tuple(_of_row(row) for row in read_cohort(table).rows)


def _of_row(row: CohortRow) -> Source:
    cts = tuple((phase, row.ct[phase]) for phase in MASK_PHASES if phase in row.ct)
    group = "malignant" if row.malignant else "benign"
    return Source(row.lesion_id, row.patient_id, cts, row.mask, row.mask_label, group)


def sources_of_folders(cts: Path, masks: Path | None = None) -> tuple[Source, ...]:
    """The CT files (or folders of DICOM slices) in a folder, with the masks of the same name in another.

    Raises:
        ImageReadError: a folder does not exist or holds no images.
        StudyError: a CT has no mask, or a mask no CT.
    """
    cts = Path(cts)
    if not cts.is_dir():
        raise ImageReadError(f"'{cts.name}' is not a folder. Give the folder of the CT files.")
    series = {path.name: path for path in sorted(cts.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    try:
        files = masks_in(cts)  # any image file; its name without suffix is the name of the case
    except ImageReadError:
        files = {}
    found = {**series, **files}
    if not found:
        raise ImageReadError(f"'{cts.name}' holds no CT (NIfTI, NRRD, MetaImage files, or folders of DICOM slices).")
    drawn: dict[str, Path] = {} if masks is None else masks_in(Path(masks))
    if masks is not None and set(drawn) != set(found):
        lone = sorted(set(drawn) ^ set(found))[0]
        raise StudyError(f"'{lone}' has a CT or a mask but not both; give each CT a mask of the same name.")
    return tuple(Source(name, name, (("unknown", path),), drawn.get(name)) for name, path in sorted(found.items()))


def open_source(source: Source) -> Opened:
    """Read the images of a source. The CT is the one on whose grid the mask was drawn, else the first.

    Raises:
        AdrenalError: a file cannot be read, the mask is empty or holds several segments.
    """
    first: tuple[CtImage, Path] | None = None
    segment: Segment | None = None
    for phase, path in source.cts:
        ct = replace(read_ct(path, None if phase == "unknown" else phase), phase=phase)
        if source.mask is None:
            return Opened(ct, path, None)
        if segment is None:
            segment, frame = _segment(source, ct.geometry)
            if frame and ct.frame_of_reference and frame != ct.frame_of_reference:
                raise GeometryError(
                    "The mask was drawn in another frame of reference than the CT. Correct the table or the files."
                )
        if segment.geometry.same_grid(ct.geometry):
            return Opened(ct, path, segment)
        first = first or (ct, path)
    if first is None:
        raise ImageReadError("The lesion has no CT. Add one to the table.")
    return Opened(*first, segment)


def volume_ml(source: Source) -> float | None:
    """Volume of the existing outline; None without one. Raises AdrenalError."""
    if source.mask is None:
        return None
    try:
        segment, _ = _segment(source, None)
    except AdrenalError:
        segment, _ = _segment(source, read_ct(source.cts[0][1]).geometry)  # contours need the grid they were drawn on
    return float(segment.mask.sum()) * segment.geometry.voxel_volume_mm3 / 1000


def _segment(source: Source, reference: Geometry | None) -> tuple[Segment, str | None]:
    """The existing outline and its frame of reference."""
    if source.mask is None:
        raise MaskError("The lesion has no mask.")
    image = read_mask(source.mask, source.mask_label, reference)
    if len(image.segments) != 1:
        raise MaskError(f"'{source.mask.name}' holds {len(image.segments)} segments; choose one in the table's mask_label.")
    if not image.segments[0].mask.any():
        raise MaskError(f"'{source.mask.name}' is empty. Outline the lesion and save it again.")
    return image.segments[0], image.frame_of_reference


def input_sha256(path: Path) -> str:
    """SHA-256 of a file, or of the sorted list of a folder's files and their SHA-256."""
    if path.is_file():
        return sha256_of(path)
    files = sorted(p for p in path.rglob("*") if p.is_file())
    lines = "".join(f"{sha256_of(p)}  {p.relative_to(path).as_posix()}\n" for p in files)
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()


def relative(path: Path, folder: Path) -> str:
    """``path`` as seen from ``folder``, so that both can move together; absolute where they share no drive."""
    try:
        return Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
    except ValueError:
        return path.absolute().as_posix()


def unique_names(sources: Sequence[Source]) -> None:
    """Raises StudyError when two sources have one name."""
    seen: set[str] = set()
    for source in sources:
        if source.name in seen:
            raise StudyError("Two lesions have one identifier; each needs its own.")
        seen.add(source.name)

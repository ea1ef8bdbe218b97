"""A DICOM CT series as a volume in Hounsfield units.

Headers are read by pydicom, pixels decoded by GDCM (through SimpleITK), which knows every common compression and applies each
slice's own rescale slope and intercept. Slices are decoded in a few threads.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging.dicom_headers import Header, read_headers
from AdrenalClassifierLib.imaging.dicom_series import Volume, choose_ct, scan, stated_phase, volumes_of
from AdrenalClassifierLib.imaging.dicom_stack import stack_of, straighten
from AdrenalClassifierLib.imaging.hounsfield import HuStack
from AdrenalClassifierLib.imaging.images import CtImage, Phase
from AdrenalClassifierLib.imaging.itk_files import array_of, quiet_itk, read_itk
from AdrenalClassifierLib.notices import Notice

Plane = tuple[NDArray[Any], NDArray[np.bool_] | None]
"""HU of one slice and where it is padding."""
MOST_THREADS = 4
BODY_HU = (-200.0, 3000.0)
"""A padding value within this range could also be tissue: only what hangs together with the border then counts as padding."""
HU_TYPES = ("", "HU", "US")
"""Rescale Types taken as HU: absent means HU by the standard; ``US`` (unspecified) stands in real CT, whose values are tested."""


def read_dicom_ct(path: Path, phase: Phase | None, series: str | None) -> CtImage:
    """Read the CT series of a folder (with its subfolders), or the one that a DICOM file belongs to.

    Raises:
        ImageReadError: no CT, not in HU, damaged, or compressed in an unknown way.
        SeriesChoiceError: several CT series and none chosen.
        GeometryError: slices are missing, repeated, irregular or shifted.
    """
    if path.is_dir():
        volumes, notices = scan(path)
        name = path.resolve().name
        return _read(choose_ct(volumes, series, name), phase, notices, name)
    own = read_headers(path)
    if not own:
        raise ImageReadError(f"The DICOM file '{path.name}' is no CT slice. Give the folder of the CT series.")
    if own[0].frame is not None:
        return _read(choose_ct(volumes_of(own), series, path.name), phase, (), path.name)
    if not own[0].is_ct:
        raise ImageReadError(f"'{path.name}' is not a CT slice (modality {own[0].modality or 'unknown'}). Give a CT.")
    # One slice names its series: the other slices lie beside it.
    volumes, notices = scan(path.parent)
    mates = [v for v in volumes if any(h.path.name == path.name and h.path.parent == path.parent for h in v.headers)]
    return _read(choose_ct(mates, series, path.name), phase, notices, path.name)


def _read(volume: Volume, phase: Phase | None, notices: Sequence[Notice], name: str) -> CtImage:
    headers = volume.headers
    _check_units(headers, name)
    stack = stack_of(headers, name)
    shape = stack.geometry.shape
    collected = HuStack((shape[0], shape[1], shape[2]), name)
    for k, (plane, padding) in enumerate(_planes(stack.headers)):
        collected.put(k, plane, padding)
    hu, more = collected.finish()
    notices = [*notices, *more]
    if volume.left_out:
        text = f"{volume.left_out} images of the series have another size, orientation or kind and were left out."
        notices.append(Notice("images_left_out", text))
    hu, geometry = straighten(hu, stack)
    if stack.drift is not None:
        text = (
            f"The gantry was tilted by {stack.tilt_degrees:.1f} degrees; the slices were shifted to a rectangular grid by linear "
            "interpolation."
        )
        notices.append(Notice("gantry_tilt", text))
    frame_of_reference = headers[0].frame_of_reference or None
    return CtImage(hu, geometry, _phase(headers, phase, notices), frame_of_reference, tuple(notices))


def _phase(headers: Sequence[Header], given: Phase | None, notices: list[Notice]) -> Phase:
    stated = stated_phase(headers)
    if given is None:
        return stated
    if stated not in ("unknown", given):
        text = f"The phase was given as {given}, but the DICOM header says {stated}; the given one was used."
        notices.append(Notice("phase_contradicts_header", text))
    elif given == "unenhanced" and headers[0].contrast:
        text = "The phase was given as unenhanced, but the DICOM header names a contrast agent."
        notices.append(Notice("phase_contradicts_header", text))
    return given


def _check_units(headers: Sequence[Header], name: str) -> None:
    """Rescale slope and intercept are compulsory in a CT image (DICOM PS3.3 C.8.2.1); without them its numbers mean nothing."""
    missing = sum(h.rescale is None or h.rescale[0] == 0 for h in headers)
    if missing:
        raise ImageReadError(
            f"{missing} of {len(headers)} slices of '{name}' lack rescale slope or intercept, so they are not in Hounsfield "
            "units. Give the original CT series."
        )
    other = sorted({h.rescale_type for h in headers} - set(HU_TYPES))
    if other:
        raise ImageReadError(f"'{name}' is not in Hounsfield units (rescale type {other[0]}). Give the original CT series.")
    if headers[0].frame is not None and len({h.rescale for h in headers}) > 1:
        raise ImageReadError(
            f"'{name}' is an enhanced CT whose frames differ in rescale slope or intercept, which is not supported; "
            "export it as single slices."
        )


def _planes(headers: Sequence[Header]) -> Iterable[Plane]:
    """HU and padding of every slice, in the order of ``headers``, decoded a few at a time."""
    if headers[0].frame is not None:
        with quiet_itk():
            frames = decode_hu(headers[0])
        if frames.shape != (len(headers), *headers[0].size):
            raise ImageReadError(f"The DICOM file '{headers[0].path.name}' holds other frames than its header says.")
        return ((frames[h.frame], _padding(frames[h.frame], h)) for h in headers if h.frame is not None)
    return _single_frames(headers)


def _single_frames(headers: Sequence[Header]) -> Iterator[Plane]:
    def one(header: Header) -> Plane:
        plane = decode_hu(header)
        if plane.shape != (1, *header.size):
            raise _unreadable(header)
        return plane[0], _padding(plane[0], header)

    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool, quiet_itk():
        yield from pool.map(one, headers)


def decode_hu(header: Header) -> NDArray[Any]:
    """Pixels of one file in HU, shape (frames, rows, columns). Raises ImageReadError."""
    try:
        image = read_itk(header.path, "GDCMImageIO")
    except RuntimeError as error:
        raise _unreadable(header) from error
    if image.GetNumberOfComponentsPerPixel() != 1 or image.GetDimension() > 3:
        raise ImageReadError("The CT slices are colour pictures, not attenuation values. Give the original CT series.")
    pixels: NDArray[Any] = array_of(image)
    return pixels if pixels.ndim == 3 else pixels[None]


def _unreadable(header: Header) -> ImageReadError:
    place = "" if header.instance is None else f" (instance {header.instance})"
    return ImageReadError(
        f"The pixels of a CT slice{place} cannot be decoded: the file is damaged or incomplete, or compressed in a way that is "
        f"not supported (transfer syntax {header.transfer_syntax or 'unknown'}). Export it again, uncompressed."
    )


def _padding(plane: NDArray[Any], header: Header) -> NDArray[np.bool_] | None:
    """Voxels whose stored value is Pixel Padding Value (0028,0120) or lies between it and its limit (0028,0121)."""
    if header.padding is None or header.rescale is None:
        return None
    slope, intercept = header.rescale
    low, high = sorted(v * slope + intercept for v in header.padding)
    slack = abs(slope) * 1e-3
    found: NDArray[np.bool_] = (plane >= low - slack) & (plane <= high + slack)
    if found.any() and high > BODY_HU[0] and low < BODY_HU[1]:
        pieces, _ = ndimage.label(found)
        border = np.unique(np.concatenate([pieces[0], pieces[-1], pieces[:, 0], pieces[:, -1]]))
        found = np.isin(pieces, border[border > 0])
    return found

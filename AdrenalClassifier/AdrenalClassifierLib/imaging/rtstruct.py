"""Contours of a DICOM RT Structure Set (RTSTRUCT) as masks.

A voxel belongs to a structure when its centre lies on a contour or inside an odd number of its contours on that plane (even-odd
rule), which keeps holes drawn as inner contours or as keyholes (DICOM PS3.3 C.8.8.6).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import AdrenalError, GeometryError, ImageReadError, MaskError
from AdrenalClassifierLib.imaging.dicom_headers import read_dataset
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import MaskImage, Segment
from AdrenalClassifierLib.imaging.segment_choice import Candidate, choose, dicom_modifiers, side_of
from AdrenalClassifierLib.imaging.volume_file import grid
from AdrenalClassifierLib.notices import Notice

FLATNESS_MM = 0.05
"""Largest distance of a contour's points from their common plane; also below which two contours share a plane."""
ON_SLICE = 0.1
"""A contour plane this near to a slice of the CT, in slice distances, is that slice."""
FINE_MM = 0.5
"""In-plane voxel size where no CT is given: a third to a half of the pixel of an abdominal CT."""
GAP_SHARE = 0.01
"""Tolerance of the distance between contour planes, as for CT slices."""
ON_EDGE = 0.02
"""A pixel centre this near to a contour, in pixels, lies on it: files store coordinates to about 0.01 mm."""
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")


@dataclass(frozen=True)
class Plane:
    """The closed contours of a structure on one plane: LPS points (n, 3) each."""

    place: float
    contours: tuple[NDArray[np.float64], ...]


def read_rtstruct(path: Path, label: str | None, reference: Geometry | None) -> MaskImage:
    """The structures of an RTSTRUCT that hold closed contours, numbered by ROI number.

    With ``reference`` (the grid of the CT they were drawn on) contours on its slices are filled on its own voxels. Otherwise, and
    where the contours lie between its slices, the mask gets a grid of its own: the contours' planes, voxels of 0.5 mm within
    them. Planes between two contours that have none stay empty, with a notice.

    Raises:
        ImageReadError: damaged, or without usable contours.
        MaskError: unknown label, or none chosen from more than sixteen.
        GeometryError: contours that are not planar, not parallel or unevenly spaced, or a single plane whose thickness neither
            ``reference`` nor the file gives.
    """
    dataset = read_dataset(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            rois = _rois(dataset)
            offered = [Candidate(number, name) for number, name, *_ in rois]
            chosen = [rois[n] for n in choose(offered, label, path.name)]
            contours = [_contours(items, name, path) for _, name, items, *_ in chosen]
        except AdrenalError:
            raise
        except Exception as error:  # a damaged file makes pydicom raise almost anything
            raise ImageReadError(f"The structure set '{path.name}' is damaged or incomplete; export it again.") from error
    segments = []
    frames = set()
    for (number, name, items, frame, codes), points in zip(chosen, contours, strict=True):
        if not points:
            raise MaskError(f"The structure '{name}' encloses nothing: its contours have fewer than three points. Draw it again.")
        mask, geometry, notices = _fill(points, name, reference, _slab(items))
        side, more = side_of(codes, name)
        segments.append(Segment(number, name, mask, geometry, side, None, (*more, *notices)))
        frames.add(frame)
    if len(frames) > 1:
        raise GeometryError(f"The structures of '{path.name}' were drawn on different examinations; choose one with --label.")
    return MaskImage(tuple(segments), (frames.pop() or None) if frames else None)


# -- what the file says --------------------------------------------------------------------------------------------


def _rois(dataset: Any) -> list[tuple[int, str, list[Any], str, list[tuple[str, str]]]]:
    """Number, name, contour items, frame of reference and side codes of every structure with contours."""
    contours = {int(c.ReferencedROINumber): list(c.get("ContourSequence") or []) for c in dataset.get("ROIContourSequence") or []}
    observations = {int(o.ReferencedROINumber): o for o in dataset.get("RTROIObservationsSequence") or []}
    frame = ""
    for item in dataset.get("ReferencedFrameOfReferenceSequence") or []:
        frame = str(item.get("FrameOfReferenceUID", ""))
    rois = []
    for roi in dataset.get("StructureSetROISequence") or []:
        number = int(roi.ROINumber)
        if not any(_closed(item) for item in contours.get(number, [])):
            continue  # points, lines and structures not drawn yet enclose nothing
        own = str(roi.get("ReferencedFrameOfReferenceUID") or frame)
        codes = dicom_modifiers(observations[number]) if number in observations else []
        rois.append((number, str(roi.get("ROIName") or f"structure {number}").strip(), contours[number], own, codes))
    return rois


def _closed(item: Any) -> bool:
    return str(item.get("ContourGeometricType", "")).upper() in CLOSED


def _contours(items: Sequence[Any], name: str, path: Path) -> list[NDArray[np.float64]]:
    found: dict[bytes, NDArray[np.float64]] = {}
    for item in items:
        if not _closed(item):
            continue
        numbers = np.asarray([float(v) for v in item.get("ContourData") or []], float)
        if numbers.size % 3 or not np.isfinite(numbers).all():
            raise ImageReadError(f"A contour of '{name}' in '{path.name}' is damaged: its coordinates are incomplete.")
        points = numbers.reshape(-1, 3)
        if len(points) >= 3:
            found[points.tobytes()] = points  # a contour stored twice counts once
    return list(found.values())


def _slab(items: Sequence[Any]) -> float | None:
    """Contour Slab Thickness (3006,0044) in mm where the file gives one."""
    values = {float(v) for item in items if (v := item.get("ContourSlabThickness")) not in (None, "")}
    return values.pop() if len(values) == 1 and min(values) > 0 else None


# -- from contours to voxels ---------------------------------------------------------------------------------------


def _fill(
    contours: Sequence[NDArray[np.float64]], name: str, reference: Geometry | None, slab: float | None
) -> tuple[NDArray[np.bool_], Geometry, tuple[Notice, ...]]:
    normal = _normal(contours, name)
    if reference is not None:
        axis = int(np.abs(np.asarray(reference.axes) @ normal).argmax())
        if abs(float(np.dot(reference.axes[axis], normal))) > 1 - 1e-5:
            normal = np.asarray(reference.axes[axis])
            planes = _planes(contours, normal, name)
            at = (np.array([p.place for p in planes]) - np.dot(reference.origin, normal)) / reference.spacing[axis]
            if np.abs(at - np.rint(at)).max() <= ON_SLICE:
                return _on_reference(planes, np.rint(at).astype(int), reference, axis, name)
            slab = slab or reference.spacing[axis]
    # The usual axial contour: planes ascend with S, rows with P, columns with L.
    normal = normal * (np.sign(normal[np.abs(normal).argmax()]) or 1.0)
    planes = _planes(contours, normal, name)
    return _on_own_grid(planes, normal, name, slab)


def _normal(contours: Sequence[NDArray[np.float64]], name: str) -> NDArray[np.float64]:
    """Unit normal of the common plane direction, from the contour that encloses most (Newell's method)."""
    areas = [0.5 * np.cross(c - c[0], np.roll(c, -1, axis=0) - c[0]).sum(axis=0) for c in contours]
    largest = max(areas, key=lambda a: float(np.linalg.norm(a)))
    length = float(np.linalg.norm(largest))
    if length < 1e-6:
        raise MaskError(f"The structure '{name}' encloses no area. Draw it again.")
    return np.asarray(largest / length)


def _planes(contours: Sequence[NDArray[np.float64]], normal: NDArray[np.float64], name: str) -> list[Plane]:
    places = []
    for points in contours:
        along = points @ normal
        if np.ptp(along) > 2 * FLATNESS_MM:
            raise GeometryError(f"The contours of '{name}' do not lie in parallel planes; export the structure slice by slice.")
        places.append(float(along.mean()))
    planes: list[Plane] = []
    for n in np.argsort(places, kind="stable"):
        if planes and places[n] - planes[-1].place < FLATNESS_MM:
            planes[-1] = Plane(planes[-1].place, (*planes[-1].contours, contours[n]))
        else:
            planes.append(Plane(places[n], (contours[n],)))
    return planes


def _on_reference(
    planes: Sequence[Plane], slices: NDArray[np.intp], reference: Geometry, axis: int, name: str
) -> tuple[NDArray[np.bool_], Geometry, tuple[Notice, ...]]:
    """Fill on the voxels of the CT, in the box of its grid that holds the structure (which may reach beyond the CT)."""
    order = (axis, *(a for a in range(3) if a != axis))
    index = [reference.to_index(np.concatenate(p.contours)) for p in planes]
    low = np.floor(np.min([i.min(axis=0) for i in index], axis=0)).astype(int)
    high = np.ceil(np.max([i.max(axis=0) for i in index], axis=0)).astype(int) + 1
    low[axis], high[axis] = slices.min(), slices.max() + 1
    _check_size(high - low, name)
    box = reference.crop((int(low[0]), int(low[1]), int(low[2])), (int(high[0]), int(high[1]), int(high[2])))
    mask = np.zeros([box.shape[a] for a in order], bool)
    for plane, k in zip(planes, slices, strict=True):
        loops = [box.to_index(c)[:, order[1:]] for c in plane.contours]
        mask[k - low[axis]] ^= inside(loops, (mask.shape[1], mask.shape[2]))
    back = np.argsort(order)
    return np.ascontiguousarray(mask.transpose(back)), box, _gaps(mask)


def _on_own_grid(
    planes: Sequence[Plane], normal: NDArray[np.float64], name: str, slab: float | None
) -> tuple[NDArray[np.bool_], Geometry, tuple[Notice, ...]]:
    place = np.array([p.place for p in planes])
    if len(planes) == 1:
        if slab is None:
            raise GeometryError(
                f"The structure '{name}' is drawn on a single plane; give the CT too, whose slice distance is needed."
            )
        between, slices = slab, np.zeros(1, int)
    else:
        between = float(np.diff(place).min())
        slices = np.rint((place - place[0]) / between).astype(int)
        # The least squares distance evens out the rounding of the stored coordinates.
        between = float(np.dot(slices, place - place[0]) / np.dot(slices, slices))
        if np.abs(place - place[0] - slices * between).max() > max(GAP_SHARE * between, FLATNESS_MM):
            raise GeometryError(
                f"The planes of the structure '{name}' are unevenly spaced ({np.diff(place).min():.4g} to "
                f"{np.diff(place).max():.4g} mm); give the CT on which it was drawn."
            )
    first = np.eye(3)[int(np.abs(normal).argmin())] if abs(normal[0]) > 0.9 else np.eye(3)[0]
    row = first - normal * np.dot(first, normal)
    row /= np.linalg.norm(row)
    column = np.cross(normal, row)
    points = np.concatenate([c for p in planes for c in p.contours])
    u, v = points @ row, points @ column
    low_u, low_v = float(u.min()) - FINE_MM / 2, float(v.min()) - FINE_MM / 2
    columns, rows = int(np.ptp(u) / FINE_MM) + 3, int(np.ptp(v) / FINE_MM) + 3
    shape = (int(slices[-1]) + 1, rows, columns)
    _check_size(np.array(shape), name)
    mask = np.zeros(shape, bool)
    for plane, k in zip(planes, slices, strict=True):
        loops = [np.column_stack([(c @ column - low_v) / FINE_MM, (c @ row - low_u) / FINE_MM]) for c in plane.contours]
        mask[k] ^= inside(loops, (rows, columns))
    origin = row * low_u + column * low_v + normal * place[0]
    steps = np.column_stack([row * FINE_MM, column * FINE_MM, normal * between])
    return mask, grid(Path(name), shape, steps, origin), _gaps(mask)


def _check_size(shape: NDArray[np.int_], name: str) -> None:
    if np.prod(shape.astype(float)) > 1e9:
        raise GeometryError(f"The contours of '{name}' spread over an implausibly large region; export the structure again.")


def _gaps(mask: NDArray[np.bool_]) -> tuple[Notice, ...]:
    filled = np.flatnonzero(mask.any(axis=(1, 2)))
    if filled.size == 0 or filled.size == filled[-1] - filled[0] + 1:
        return ()
    missing = filled[-1] - filled[0] + 1 - filled.size
    return (Notice("contour_gaps", f"{missing} slices between the structure's contours have none; they were left empty."),)


def inside(loops: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which pixel centres lie inside an odd number of closed polygons, or on the edge of one (within ``ON_EDGE`` pixels).

    Programs that turn masks into contours, rt-utils among them, run them through the centres of the outermost pixels; counting
    these gives the mask back.

    Args:
        loops: points (n, 2) of each polygon as (row, column) in pixels, a pixel's centre at whole numbers.
        shape: rows, columns.

    Returns:
        bool, ``shape``.
    """
    crossings = np.zeros((shape[0], shape[1] + 1), np.int32)
    edge = np.zeros(shape, bool)
    for loop in loops:
        r0, c0 = loop.T
        r1, c1 = np.roll(loop, -1, axis=0).T
        top, bottom = np.minimum(r0, r1), np.maximum(r0, r1)
        # Rows whose centre lies in [top, bottom) cross an edge.
        n, rows, columns = _at_rows(loop, np.ceil(top), np.ceil(bottom), shape[0])
        np.add.at(crossings, (rows, np.ceil(columns).astype(int).clip(0, shape[1])), 1)
        n, rows, columns = _at_rows(loop, np.ceil(top - ON_EDGE), np.floor(bottom + ON_EDGE) + 1, shape[0])
        nearest = np.rint(columns).astype(int)
        left, right = np.minimum(c0, c1)[n] - ON_EDGE, np.maximum(c0, c1)[n] + ON_EDGE
        hit = (
            (np.abs(columns - nearest) <= ON_EDGE)
            & (nearest >= left)
            & (nearest <= right)
            & (nearest >= 0)
            & (nearest < shape[1])
        )
        edge[rows[hit], nearest[hit]] = True
        for m in np.flatnonzero((bottom - top <= ON_EDGE) & (np.abs(top - np.rint(top)) <= ON_EDGE)):
            row, ends = int(np.rint(top[m])), sorted((c0[m], c1[m]))
            if 0 <= row < shape[0]:
                edge[row, max(int(np.ceil(ends[0] - ON_EDGE)), 0) : max(int(np.floor(ends[1] + ON_EDGE)) + 1, 0)] = True
    odd: NDArray[np.bool_] = np.cumsum(crossings[:, :-1], axis=1) % 2 == 1
    return odd | edge


def _at_rows(
    loop: NDArray[np.float64], start: NDArray[np.float64], stop: NDArray[np.float64], height: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """Every edge of a polygon at every row from ``start`` up to (not including) ``stop``: edge, row, column there."""
    first = start.clip(0, height).astype(np.intp)
    count = (stop.clip(0, height).astype(np.intp) - first).clip(0)
    n = np.repeat(np.arange(len(loop)), count)
    rows = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[n]
    r0, c0 = loop[n].T
    r1, c1 = np.roll(loop, -1, axis=0)[n].T
    rise = np.where(r1 == r0, 1.0, r1 - r0)
    return n, rows, c0 + ((rows - r0) / rise).clip(0, 1) * (c1 - c0)

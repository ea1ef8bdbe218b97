"""Bring masks that may lie on different grids onto one, cut to what they fill and turned to the patient's axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, MaskError
from AdrenalClassifierLib.imaging.geometry import Geometry, Vector
from AdrenalClassifierLib.imaging.images import MaskImage, Segment
from AdrenalClassifierLib.imaging.resample import bounding_box, boxed, resample_mask
from AdrenalClassifierLib.notices import Notice

Mask = NDArray[np.bool_]
Index = tuple[int, int, int]

LARGEST_BOX = 1 << 28
"""Voxels of the joint box beyond which masks are taken to be misplaced (a scan of 512 x 512 x 1024)."""


@dataclass(frozen=True)
class Outline:
    """What one reader drew, cut to the voxels it fills, so that a whole scan need not be kept.

    Attributes:
        grid: the grid of the whole image.
        start: voxel of ``grid`` at which ``mask`` begins.
        mask: bool (k, j, i); None when nothing was drawn.
        frame_of_reference: DICOM UID where the format has one.
        notices: remarks of the reader of the file.
    """

    grid: Geometry
    start: Index
    mask: Mask | None
    frame_of_reference: str | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def stop(self) -> Index:
        """Voxel of ``grid`` after the last of ``mask``."""
        shape = (0, 0, 0) if self.mask is None else self.mask.shape
        return (self.start[0] + shape[0], self.start[1] + shape[1], self.start[2] + shape[2])


def outline_of(segment: Segment, frame_of_reference: str | None = None) -> Outline:
    """Cut a segment to what it fills (a copy, independent of the segment's array)."""
    box = bounding_box(segment.mask)
    if box is None:
        return Outline(segment.geometry, (0, 0, 0), None, frame_of_reference, segment.notices)
    mask = np.array(boxed(segment.mask, *box), order="C")
    return Outline(segment.geometry, box[0], mask, frame_of_reference, segment.notices)


def only_segment(image: MaskImage, file: str) -> Outline:
    """The outline in a mask file that holds one segment. Raises MaskError when there are several."""
    if len(image.segments) > 1:
        numbers = ", ".join(str(segment.number) for segment in image.segments)
        raise MaskError(f"'{file}' holds {len(image.segments)} segments; choose the one to compare with --label: {numbers}.")
    outline = outline_of(image.segments[0], image.frame_of_reference)
    return replace(outline, notices=tuple(dict.fromkeys((*image.notices, *outline.notices))))


@dataclass(frozen=True)
class Joint:
    """Masks on one grid.

    Attributes:
        masks: bool (k, j, i) each, of one shape, the outermost layer on every side False.
        geometry: their grid, its axes k, j, i nearest to the patient's S, P and L.
        notices: remarks, such as that a mask was resampled.
    """

    masks: tuple[Mask, ...]
    geometry: Geometry
    notices: tuple[Notice, ...] = ()


def place(outlines: Sequence[Outline]) -> Joint | None:
    """Put masks on one grid; None when all of them are empty.

    Grids that share a lattice (one cut out of the other, stored with other axes) are exact. Otherwise the masks are resampled by
    nearest neighbour to the grid with the smallest voxels, with a notice. How a grid is stored, how much empty space lies around
    a mask and the order of its axes change nothing.

    Raises:
        GeometryError: different frames of reference; grids of no common lattice whose extents do not overlap, so that they hardly
            show one patient; masks metres apart.
    """
    if len({o.frame_of_reference for o in outlines if o.frame_of_reference}) > 1:
        raise GeometryError(
            "The masks were drawn in different frames of reference (another examination or a moved patient). "
            "Give masks drawn on one scan."
        )
    if all(o.mask is None for o in outlines):
        return None
    target = min((o.grid for o in outlines), key=lambda g: (round(g.voxel_volume_mm3, 6), g.origin, g.axes))
    same = [o.grid.same_grid(target) for o in outlines]
    notices = [
        _moved(o.grid, target, number)
        for number, (o, on_target) in enumerate(zip(outlines, same, strict=True), start=1)
        if not on_target and not o.grid.same_lattice(target)
    ]
    spans = [_span(o, target, on_target) for o, on_target in zip(outlines, same, strict=True) if o.mask is not None]
    low = np.min([span[0] for span in spans], axis=0) - 1
    high = np.max([span[1] for span in spans], axis=0) + 1
    if np.prod((high - low).astype(float)) > LARGEST_BOX:
        raise GeometryError("The masks are metres apart; their positions cannot be right. Export them again.")
    grid = target.crop(_index(low), _index(high))
    masks = []
    for o, on_target in zip(outlines, same, strict=True):
        mask = np.zeros(grid.shape, bool)
        if o.mask is not None:
            if on_target:
                boxed(mask, _index(np.asarray(o.start) - low), _index(np.asarray(o.stop) - low))[:] = o.mask
            else:
                mask = resample_mask(o.mask, o.grid.crop(o.start, o.stop), grid)
        masks.append(mask)
    return _turned(masks, grid, tuple(notices))


def _span(outline: Outline, target: Geometry, on_target: bool) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First voxel of ``target``, and the one after the last, that the outline can fill."""
    if on_target:
        return np.asarray(outline.start), np.asarray(outline.stop)
    index = target.to_index(_edges(outline.grid.crop(outline.start, outline.stop)))
    return np.floor(index.min(axis=0) + 0.5 - 1e-3).astype(int), np.ceil(index.max(axis=0) + 0.5 + 1e-3).astype(int)


def _turned(masks: Sequence[Mask], grid: Geometry, notices: tuple[Notice, ...]) -> Joint:
    """With the array's axes in the order S, P, L and none of them running backwards."""
    left, posterior, superior = grid.aligned_to_axes()
    order = (superior, posterior, left)
    axes = np.asarray(grid.axes)[list(order)]
    back = [bool(axes[n, 2 - n] < 0) for n in range(3)]
    corner = np.zeros(3)
    for axis, flipped in zip(order, back, strict=True):
        corner[axis] = grid.shape[axis] - 1 if flipped else 0
    flips = tuple(slice(None, None, -1 if flipped else 1) for flipped in back)
    turned = [np.ascontiguousarray(mask.transpose(order)[flips]) for mask in masks]
    signs = np.where(back, -1.0, 1.0)[:, None]
    k, j, i = (_vector(row) for row in axes * signs)
    spacing = (grid.spacing[order[0]], grid.spacing[order[1]], grid.spacing[order[2]])
    shape = (grid.shape[order[0]], grid.shape[order[1]], grid.shape[order[2]])
    return Joint(tuple(turned), Geometry(shape, spacing, (k, j, i), _vector(grid.to_world(corner))), notices)


def _moved(own: Geometry, target: Geometry, number: int) -> Notice:
    """The notice that a mask is resampled. Raises GeometryError when it lies outside the target's image."""
    a, b = (np.sort(_edges(g), axis=0)[[0, -1]] for g in (own, target))
    if (a[0] > b[1]).any() or (b[0] > a[1]).any():
        raise GeometryError(
            "The masks lie on grids that do not overlap and share no lattice; they belong to different scans. "
            "Give masks drawn on one scan, or register the scans first."
        )
    return Notice(
        "mask_resampled",
        f"Mask {number} lies on another grid than the finest one ({'; '.join(own.differences(target))}); "
        "it was resampled by nearest neighbour.",
    )


def _edges(geometry: Geometry) -> NDArray[np.float64]:
    """LPS mm of the eight outer corners of a grid, half a voxel beyond its corner voxels' centres."""
    last = np.asarray(geometry.shape) - 0.5
    unit = np.array([[k, j, i] for k in (0, 1) for j in (0, 1) for i in (0, 1)])
    return geometry.to_world(np.where(unit == 1, last, -0.5))


def _index(values: NDArray[np.intp]) -> Index:
    return (int(values[0]), int(values[1]), int(values[2]))


def _vector(values: NDArray[np.float64]) -> Vector:
    return (float(values[0]), float(values[1]), float(values[2]))

"""A volume as one file holds it, before anything is known of what its numbers mean."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, ImageReadError
from AdrenalClassifierLib.imaging.geometry import Geometry, Vector
from AdrenalClassifierLib.notices import Notice


def _fastest() -> Any:
    """zlib-ng, many times faster than Python's zlib and the same to use; the latter where it is not installed (3D Slicer)."""
    try:
        from zlib_ng import zlib_ng
    except ImportError:
        return zlib
    return zlib_ng


DEFLATE = _fastest()
CHUNK = 1 << 18
"""Bytes unpacked at a time: they stay in the processor's cache."""
MOST_TO_ONE = 1032
"""DEFLATE shortens by at most this factor (zlib, Technical Details)."""
LARGEST_VOLUME_BYTES = 1 << 36
"""64 GiB: a header that announces more is taken to be damaged."""

NO_ORIENTATION = Notice(
    "no_orientation",
    "The file does not say how the image lies in the patient; the usual axes were assumed, so left and right are not certain.",
)


@dataclass(frozen=True)
class VolumeFile:
    """Voxels and place of one image file.

    Attributes:
        voxels: any real type, shape ``geometry.shape``, or ``(k, j, i, component)`` where a voxel holds several values.
        geometry: its grid.
        notices: remarks of the reader.
        metadata: the file's free key-value pairs (NRRD only).
    """

    voxels: NDArray[Any]
    geometry: Geometry
    notices: tuple[Notice, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


def damaged(path: Path, what: str) -> ImageReadError:
    """The error for a file whose contents contradict themselves."""
    return ImageReadError(f"'{path.name}' is damaged or incomplete: {what}. Copy or export it again.")


def read_bytes(path: Path) -> bytes:
    """All bytes of a file that must not be empty. Raises ImageReadError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageReadError(f"'{path.name}' cannot be opened: {error.strerror}.") from error
    if not data:
        raise ImageReadError(f"'{path.name}' is empty (0 bytes). Copy or export it again.")
    return data


def inflate(path: Path, data: bytes, wanted: int) -> NDArray[np.uint8]:
    """The first ``wanted`` bytes that gzip or zlib data unpack to, after the checksum of all data was found right.

    Several gzip members in a row count as one; fewer bytes come back where the data hold fewer. Unpacked piece by piece, and
    pieces of zeros are not written: most of a mask then never takes up memory, which is where the time goes otherwise.

    Raises:
        ImageReadError: data or checksum are wrong, or end too early.
    """
    # A damaged header may announce more than the data can hold.
    out = np.zeros(min(wanted, MOST_TO_ONE * len(data)), np.uint8)
    filled, at = 0, 0
    try:
        while at == 0 or data[at : at + 2] == b"\x1f\x8b":
            stream = DEFLATE.decompressobj(wbits=47)
            rest = b""
            while not stream.eof:
                if not rest:
                    rest = data[at : at + CHUNK]
                    at += len(rest)
                    if not rest:
                        raise damaged(path, "the compressed data end too early")
                # Once all voxels are out, what follows is unpacked only for the checksum at its end.
                piece = np.frombuffer(stream.decompress(rest, CHUNK), np.uint8)[: out.size - filled]
                if piece.any():
                    out[filled : filled + piece.size] = piece
                filled += piece.size
                rest = stream.unconsumed_tail
            at -= len(stream.unused_data)
    except DEFLATE.error as error:
        raise damaged(path, "the compressed data cannot be unpacked") from error
    return out[:filled]


def spatial_sizes(path: Path, sizes: list[int]) -> tuple[int, int, int]:
    """The three sizes (i, j, k) of a file with any number of dimensions; trailing dimensions of one element are dropped.

    Raises:
        ImageReadError: fewer than three dimensions, more than one image along a fourth, or sizes no file can have.
    """
    while len(sizes) > 3 and sizes[-1] == 1:
        sizes = sizes[:-1]
    if any(s < 1 for s in sizes) or not sizes:
        raise damaged(path, "its header gives a size below one")
    if len(sizes) < 3:
        raise ImageReadError(f"'{path.name}' is a {len(sizes)}D image; a 3D volume of several slices is needed.")
    if len(sizes) > 3:
        raise ImageReadError(
            f"'{path.name}' holds {sizes[3]} images in one file ({len(sizes)}D); save the one that is meant as a 3D volume."
        )
    return sizes[0], sizes[1], sizes[2]


def check_bytes(path: Path, voxels: int, item: int) -> int:
    """The number of bytes the voxels take. Raises ImageReadError when no real volume is that large."""
    size = voxels * item
    if size > LARGEST_VOLUME_BYTES:
        raise damaged(path, f"its header announces {size / 2**30:.0f} GiB of voxels")
    return size


def grid(path: Path, shape: tuple[int, int, int], columns: NDArray[np.float64], origin: NDArray[np.float64]) -> Geometry:
    """A Geometry from the LPS steps of one voxel along i, j, k (the columns of a 3 x 3 matrix, mm).

    Raises:
        GeometryError: the steps are not perpendicular, vanish, or are not numbers.
    """
    with np.errstate(all="ignore"):
        spacing = np.linalg.norm(columns, axis=0)
    if not np.isfinite(spacing).all() or not np.isfinite(columns).all() or not np.isfinite(origin).all() or (spacing <= 0).any():
        raise GeometryError(f"'{path.name}' gives a position, direction or spacing that is no number; export it again.")
    i, j, k = (columns / spacing).T
    try:
        return Geometry(
            shape,
            (float(spacing[2]), float(spacing[1]), float(spacing[0])),
            (_vector(k), _vector(j), _vector(i)),
            _vector(origin),
        )
    except GeometryError as error:
        raise GeometryError(
            f"The axes of '{path.name}' are not perpendicular to each other (sheared, as after a gantry tilt); resample it to a "
            "rectangular grid first."
        ) from error


def _vector(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(v) + 0.0 for v in values)  # -0.0 becomes 0.0
    return (x, y, z)

"""MetaImage files (.mha, .mhd with its data file).

Read here, not by ITK, since ITK 5.4 returns arbitrary values for damaged compressed data without an error and writes to the
error stream. Format: https://itk.org/Wiki/ITK/MetaIO/Documentation.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging.volume_file import (
    NO_ORIENTATION,
    VolumeFile,
    check_bytes,
    damaged,
    grid,
    inflate,
    read_bytes,
    spatial_sizes,
)

TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
LONGEST_HEADER = 1 << 16
"""Bytes within which ``ElementDataFile``, the last key of the header, must stand."""


def read_metaimage(path: Path) -> VolumeFile:
    """Read a MetaImage volume with its voxels in the same file or in one other file beside it.

    Raises:
        ImageReadError: not MetaImage, damaged, not 3D, not one real number a voxel, or one file a slice.
        GeometryError: sheared axes, or no usable numbers for position and spacing.
    """
    data = read_bytes(path)
    keys, first = _header(path, data)
    try:
        sizes = [int(v) for v in keys["dimsize"].split()]
        order = ">" if _true(keys.get("binarydatabyteordermsb", keys.get("elementbyteordermsb", "false"))) else "<"
        kind = TYPES.get(keys["elementtype"].upper())
        channels = int(keys.get("elementnumberofchannels", "1"))
        skip = int(keys.get("headersize", "0"))
    except (KeyError, ValueError) as error:
        raise damaged(path, "its header lacks or misstates size, type or data file") from error
    if kind is None or channels != 1:
        raise ImageReadError(f"'{path.name}' does not hold one real number a voxel; save it as a scalar volume.")
    if not _true(keys.get("binarydata", "true")):
        raise ImageReadError(f"'{path.name}' stores its voxels as text; save it as a binary MetaImage.")
    i, j, k = spatial_sizes(path, sizes)
    dtype = np.dtype(order + kind)
    size = check_bytes(path, i * j * k, dtype.itemsize)
    stored, first = _data(path, keys["elementdatafile"], data, first)
    buffer: bytes | NDArray[np.uint8] = stored
    if _true(keys.get("compresseddata", "false")):
        buffer, first = inflate(path, stored[first:], size), 0
    elif skip == -1:
        first = max(len(buffer) - size, 0)
    else:
        first += skip
    if len(buffer) - first < size:
        raise damaged(path, f"the header announces {size} bytes of voxels, the file holds {max(len(buffer) - first, 0)}")
    voxels: NDArray[Any] = np.frombuffer(buffer, dtype, i * j * k, first).reshape(k, j, i)

    spacing = _numbers(path, keys, ("elementspacing", "elementsize"), 3, [1, 1, 1])
    origin = _numbers(path, keys, ("offset", "position", "origin"), 3, [0, 0, 0])
    # The file's rows are the unit vectors of the axes i, j, k.
    names = ("transformmatrix", "rotation", "orientation")
    n = len(sizes)
    axes = np.reshape(_numbers(path, keys, names, n * n, np.eye(n).ravel().tolist()), (n, n))[:3, :3]
    notices = () if any(name in keys for name in names) else (NO_ORIENTATION,)
    geometry = grid(path, (k, j, i), axes.T * np.asarray(spacing), np.asarray(origin, float))
    return VolumeFile(voxels.astype(dtype.newbyteorder("="), copy=False), geometry, notices)


def _header(path: Path, data: bytes) -> tuple[dict[str, str], int]:
    """The keys in lower case, and where the bytes after the header begin."""
    keys: dict[str, str] = {}
    at = 0
    while at < min(len(data), LONGEST_HEADER):
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        line = data[at:end].decode("latin-1")
        at = end + 1
        if "=" not in line:
            break
        key, value = (part.strip() for part in line.split("=", 1))
        keys[key.lower()] = value
        if key.lower() == "elementdatafile":
            return keys, at
    raise ImageReadError(f"'{path.name}' is not a MetaImage file. Give a NIfTI, NRRD, MetaImage or DICOM image.")


def _data(path: Path, named: str, data: bytes, first: int) -> tuple[bytes, int]:
    if named.upper() == "LOCAL":
        return data, first
    if named.upper().startswith("LIST") or "%" in named:
        raise ImageReadError(f"'{path.name}' keeps every slice in a file of its own; save it as one .mha file.")
    other = path.parent / named
    if not other.is_file():
        raise ImageReadError(f"'{path.name}' keeps its voxels in '{other.name}', which is missing. Put both in one folder.")
    return read_bytes(other), 0


def _true(text: str) -> bool:
    return text.strip().lower() in ("true", "1")


def _numbers(path: Path, keys: dict[str, str], names: tuple[str, ...], count: int, otherwise: list[float]) -> list[float]:
    """The numbers under the first of ``names`` that is there; for a 4D file the first three of a position or spacing."""
    for name in names:
        if name in keys:
            try:
                values = [float(v) for v in keys[name].split()]
            except ValueError:
                values = []
            if len(values) < count:
                raise damaged(path, f"the header's {name} is not {count} numbers")
            return values[:count]
    return otherwise

"""NRRD files (.nrrd, .nhdr with its data file).

Read here, not by ITK, since ITK 5.4 skips the checksum of gzip data and so returns wrong voxels for some damaged files without an
error. Format: https://teem.sourceforge.net/nrrd/format.html.
"""

from __future__ import annotations

import bz2
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging.geometry import Geometry
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
from AdrenalClassifierLib.notices import Notice

TYPES = {
    "i1": "signed char, int8, int8_t",
    "u1": "uchar, unsigned char, uint8, uint8_t",
    "i2": "short, short int, signed short, signed short int, int16, int16_t",
    "u2": "ushort, unsigned short, unsigned short int, uint16, uint16_t",
    "i4": "int, signed int, int32, int32_t",
    "u4": "uint, unsigned int, uint32, uint32_t",
    "i8": "longlong, long long, long long int, signed long long, signed long long int, int64, int64_t",
    "u8": "ulonglong, unsigned long long, unsigned long long int, uint64, uint64_t",
    "f4": "float",
    "f8": "double",
}
KINDS = {name: kind for kind, names in TYPES.items() for name in names.split(", ")}
TO_LPS = {
    "right-anterior-superior": (-1.0, -1.0, 1.0),
    "left-posterior-superior": (1.0, 1.0, 1.0),
    "ras": (-1.0, -1.0, 1.0),
    "lps": (1.0, 1.0, 1.0),
}
"""Signs that turn positions of a named space into LPS; the variants with ``-time`` behind have a fourth coordinate."""
AMBIGUOUS = ("left-anterior-superior", "las")
"""ITK 5.4, and with it 3D Slicer, reads this space as if it were right-anterior-superior."""
DOMAIN = ("domain", "space", "time", "none", "???", "")
"""Kinds of an axis along which voxels lie; along any other (list, vector, 3-color) lie the components of a voxel."""
LONGEST_HEADER = 1 << 22


@dataclass(frozen=True)
class Header:
    """Field names in lower case without blanks, free key-value pairs, and where the bytes after the header begin."""

    fields: dict[str, str]
    pairs: dict[str, str]
    first: int


def read_nrrd(path: Path) -> VolumeFile:
    """Read an NRRD volume. One axis of components (``list``, ``vector``), wherever it stands, becomes the last of ``voxels``.

    Raises:
        ImageReadError: not NRRD, damaged, a data file is missing, text encoding, or not 3D.
        GeometryError: sheared axes, or no usable numbers for position and spacing.
    """
    data = read_bytes(path)
    header = _header(path, data)
    fields = header.fields
    try:
        sizes = [int(v) for v in fields["sizes"].split()]
        dimension = int(fields["dimension"])
        kind = KINDS.get(fields["type"].lower())
        encoding = fields["encoding"].lower()
        skip, lines = int(fields.get("byteskip", "0")), int(fields.get("lineskip", "0"))
    except (KeyError, ValueError) as error:
        raise damaged(path, "its header lacks or misstates size, type or encoding") from error
    if dimension != len(sizes) or min(sizes, default=0) < 1:
        raise damaged(path, "its header gives contradicting sizes")
    if kind is None:
        raise ImageReadError(f"'{path.name}' does not hold real numbers; save it as a scalar volume.")
    dtype = np.dtype((">" if fields.get("endian", "little").lower() == "big" else "<") + kind)
    size = check_bytes(path, int(np.prod(sizes, dtype=float)), dtype.itemsize)
    raw, first = _voxels(path, data, header, encoding, (skip, lines), size)
    voxels: NDArray[Any] = np.frombuffer(raw, dtype, size // dtype.itemsize, first).reshape(sizes[::-1])
    voxels = voxels.astype(dtype.newbyteorder("="), copy=False)
    return _placed(path, voxels, sizes, header)


# -- bytes ---------------------------------------------------------------------------------------------------------


def _header(path: Path, data: bytes) -> Header:
    if not re.match(rb"NRRD000\d", data):
        raise ImageReadError(f"'{path.name}' is not an NRRD file. Give a NIfTI, NRRD, MetaImage or DICOM image.")
    end = re.compile(rb"\r?\n\r?\n").search(data, 0, LONGEST_HEADER)
    # A detached header may end with the file instead of an empty line.
    stop, first = end.span() if end else (min(len(data), LONGEST_HEADER), len(data))
    fields, pairs = {}, {}
    for line in data[:stop].decode("utf-8", "replace").splitlines()[1:]:
        if line.startswith("#"):
            continue
        at = re.search(r":=|: ", line)
        if at is None:
            continue
        key, value = line[: at.start()], line[at.end() :]
        if at[0] == ":=":
            pairs[key] = value.replace("\\n", "\n").replace("\\\\", "\\")
        else:
            fields[key.replace(" ", "").lower()] = value.strip()
    return Header(fields, pairs, first)


def _voxels(
    path: Path, data: bytes, header: Header, encoding: str, skip: tuple[int, int], size: int
) -> tuple[bytes | NDArray[np.uint8], int]:
    """Bytes that hold the voxels, and where they begin."""
    named = header.fields.get("datafile")
    if named is not None:
        if named.upper().startswith("LIST") or "%" in named:
            raise ImageReadError(f"'{path.name}' keeps its voxels in several files; save it as one .nrrd file.")
        other = path.parent / named
        if not other.is_file():
            raise ImageReadError(f"'{path.name}' keeps its voxels in '{other.name}', which is missing. Put both in one folder.")
        data, first = read_bytes(other), 0
    else:
        first = header.first
    count, lines = skip
    for _ in range(lines):
        first = data.find(b"\n", first) + 1
    if encoding in ("gzip", "gz"):
        unpacked = inflate(path, data[first:], size + max(count, 0))
        return _part(path, unpacked, 0, count, size)
    if encoding in ("bzip2", "bz2"):
        try:
            data, first = bz2.decompress(data[first:]), 0
        except (OSError, ValueError, EOFError) as error:
            raise damaged(path, "the compressed data cannot be unpacked") from error
    elif encoding != "raw":
        raise ImageReadError(f"'{path.name}' stores its voxels as text; save it with raw or gzip encoding.")
    return _part(path, data, first, count, size)


def _part(
    path: Path, data: bytes | NDArray[np.uint8], first: int, count: int, size: int
) -> tuple[bytes | NDArray[np.uint8], int]:
    """``data`` and where in it the voxels begin: ``count`` bytes after ``first``, or at its end when ``count`` is negative."""
    first = len(data) - size if count < 0 else first + count
    if first < 0 or len(data) - first < size:
        raise damaged(path, f"the header announces {size} bytes of voxels, the file holds {max(len(data) - max(first, 0), 0)}")
    return data, first


# -- place ---------------------------------------------------------------------------------------------------------


def _placed(path: Path, voxels: NDArray[Any], sizes: list[int], header: Header) -> VolumeFile:
    """The volume with its spatial axes as (k, j, i), components last."""
    n = len(sizes)
    fields = header.fields
    directions = _directions(path, fields, n)
    kinds = fields.get("kinds", "").lower().split() or ["domain"] * n
    if len(kinds) != n:
        raise damaged(path, "its header describes another number of axes")
    spatial = [a for a in range(n) if kinds[a] in DOMAIN and (directions is None or directions[a] or kinds[a] == "time")]
    others = [a for a in range(n) if a not in spatial]
    if len(others) > 1:
        raise ImageReadError(f"'{path.name}' has {n} dimensions; a 3D volume is needed.")
    i, j, k = spatial_sizes(path, [sizes[a] for a in spatial])
    # The array's axes run slowest first, the header's fastest first.
    order = [n - 1 - a for a in reversed(spatial)] + [n - 1 - a for a in others]
    shape = (k, j, i, *(sizes[a] for a in others if sizes[a] > 1))
    voxels = voxels.transpose(order).reshape(shape)
    geometry, notices = _grid(path, fields, directions, spatial[:3], (k, j, i))
    return VolumeFile(voxels, geometry, notices, header.pairs)


def _grid(
    path: Path, fields: dict[str, str], directions: list[list[float] | None] | None, axes: list[int], shape: tuple[int, int, int]
) -> tuple[Geometry, tuple[Notice, ...]]:
    space = fields.get("space", "").lower().removesuffix("-time")
    signs = TO_LPS.get(space) or TO_LPS.get(space.removesuffix("t"))
    if space in AMBIGUOUS:
        raise ImageReadError(
            f"'{path.name}' is stored in left-anterior-superior space, whose left and right programs confuse; save it as LPS."
        )
    notices = () if signs else (NO_ORIENTATION,)
    turn = np.array(signs or (1.0, 1.0, 1.0))
    if directions is None:
        spacings = fields.get("spacings", "").split() or ["1"] * (max(axes) + 1)
        columns = np.diag([_number(spacings[a]) if a < len(spacings) else np.nan for a in axes])
        return grid(path, shape, columns, np.zeros(3)), (NO_ORIENTATION,)
    vectors = [directions[a] or [] for a in axes] + [_vector(fields.get("spaceorigin", "(0,0,0)"))]
    if min(len(vector) for vector in vectors) < 3:
        raise damaged(path, "its header gives a position that is not three-dimensional")
    *steps, origin = np.array([vector[:3] for vector in vectors])
    columns = np.column_stack(steps)
    return grid(path, shape, columns * turn[:, None], origin * turn), notices


def _directions(path: Path, fields: dict[str, str], n: int) -> list[list[float] | None] | None:
    text = fields.get("spacedirections")
    if text is None:
        return None
    found = [None if t == "none" else _vector(t) for t in re.findall(r"none|\([^)]*\)", text.lower())]
    if len(found) != n:
        raise damaged(path, "its header describes another number of axes")
    return found


def _vector(text: str) -> list[float]:
    return [_number(v) for v in text.strip().strip("()").split(",")]


def _number(text: str) -> float:
    """NaN for what is no number, which the grid then refuses."""
    try:
        return float(text)
    except ValueError:
        return float("nan")

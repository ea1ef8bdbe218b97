"""NIfTI-1 and NIfTI-2 files (.nii, .nii.gz).

Read here, not by ITK, since ITK 5.4 fills a truncated file with arbitrary values without an error, skips the checksum of
the compressed data, and does not tell a file without position from one with it. Format: https://nifti.nimh.nih.gov/nifti-1
(nifti1.h, nifti2.h).
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, ImageReadError
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
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
"""NIfTI datatype codes of real scalar voxels."""
LENGTHS = {348: 1, 540: 2}
"""sizeof_hdr and the version of the format it stands for."""
TO_LPS = np.array([-1.0, -1.0, 1.0])
"""NIfTI's world is RAS+."""
TO_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Spatial unit code (unknown, metre, millimetre, micrometre) to millimetres."""


def read_nifti(path: Path) -> VolumeFile:
    """Read a NIfTI volume; scl_slope and scl_inter are applied.

    The place in the patient is the sform's where it has a code above zero, else the qform's, as the standard's method 3
    and nibabel do. A sheared sform gives way to a qform. Without either the voxels are taken to run right to left,
    posterior to anterior, inferior to superior (method 1 with the standard's default axes), with a notice.

    Raises:
        ImageReadError: not NIfTI, damaged, not 3D, or voxels that are not real scalars.
        GeometryError: sheared, or no usable numbers for position and spacing.
    """
    content = read_bytes(path)
    compressed = content[:2] == b"\x1f\x8b"
    head = _start(path, content) if compressed else content[:544]
    fields = _header(path, head)
    i, j, k = spatial_sizes(path, fields["sizes"])
    dtype = np.dtype(fields["order"] + TYPES[fields["datatype"]])
    first, size = fields["offset"], check_bytes(path, i * j * k, dtype.itemsize)
    data = inflate(path, content, first + size) if compressed else content
    if len(data) < first + size:
        raise damaged(path, f"the header announces {size} bytes of voxels, the file holds {max(len(data) - first, 0)}")
    voxels: NDArray[Any] = np.frombuffer(data, dtype, i * j * k, first).reshape(k, j, i)
    voxels = voxels.astype(dtype.newbyteorder("="), copy=False)
    slope, intercept = fields["scale"]
    if np.isfinite([slope, intercept]).all() and slope != 0 and (slope, intercept) != (1, 0):
        voxels = _scaled(voxels, slope, intercept)
    with np.errstate(all="ignore"):  # a damaged header holds numbers of any size; grid() judges the result
        geometry, notices = _place(path, fields, (k, j, i))
    return VolumeFile(voxels, geometry, notices)


def _start(path: Path, data: bytes) -> bytes:
    """The header in compressed data."""
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(data)).read(544)
    except (EOFError, OSError, zlib.error) as error:
        raise damaged(path, "the compressed data cannot be unpacked") from error


def _scaled(voxels: NDArray[Any], slope: float, intercept: float) -> NDArray[np.float32]:
    """slope * voxels + intercept, computed in double precision slice by slice to spare memory."""
    out = np.empty(voxels.shape, np.float32)
    for k, plane in enumerate(voxels):
        out[k] = plane * np.float64(slope) + np.float64(intercept)
    return out


def _header(path: Path, head: bytes) -> dict[str, Any]:
    unknown = ImageReadError(f"'{path.name}' is not a NIfTI file. Give a NIfTI, NRRD, MetaImage or DICOM image.")
    if len(head) < 348:
        raise unknown
    for order in "<>":
        version = LENGTHS.get(int(np.frombuffer(head, order + "i4", 1)[0]))
        if version:
            break
    else:
        raise unknown

    def get(kind: str, at: int, count: int = 1) -> list[Any]:
        values: list[Any] = np.frombuffer(head, order + kind, count, at).tolist()
        return values

    if version == 2 and len(head) < 540:
        raise unknown
    if version == 1:
        magic, dim, datatype = head[344:348], get("i2", 40, 8), get("i2", 70)[0]
        pixdim, offset, scale = get("f4", 76, 8), int(get("f4", 108)[0]), get("f4", 112, 2)
        units, codes, q, s = head[123], get("i2", 252, 2), get("f4", 256, 6), get("f4", 280, 12)
    else:
        magic, dim, datatype = head[4:8], get("i8", 16, 8), get("i2", 12)[0]
        pixdim, offset, scale = get("f8", 104, 8), get("i8", 168)[0], get("f8", 176, 2)
        units, codes, q, s = get("i4", 500)[0] & 0xFF, get("i4", 344, 2), get("f8", 352, 6), get("f8", 400, 12)
    if magic[:2] == b"ni":
        raise ImageReadError(f"'{path.name}' keeps its voxels in another file (.img); save it as one .nii file.")
    if magic[:3] not in (b"n+1", b"n+2"):
        raise unknown
    if not 1 <= dim[0] <= 7 or offset < len(head[: 348 if version == 1 else 540]):
        raise damaged(path, "its header contradicts itself")
    if datatype not in TYPES:
        raise ImageReadError(f"'{path.name}' does not hold one real number a voxel; save it as a scalar volume.")
    return {
        "order": order,
        "sizes": [int(d) for d in dim[1 : dim[0] + 1]],
        "datatype": datatype,
        "pixdim": pixdim,
        "offset": offset,
        "scale": scale,
        "to_mm": TO_MM.get(units & 7, 1.0),
        "codes": codes,
        "qform": q,
        "sform": np.reshape(s, (3, 4)),
    }


def _place(path: Path, fields: dict[str, Any], shape: tuple[int, int, int]) -> tuple[Geometry, tuple[Notice, ...]]:
    scale, (has_q, has_s) = fields["to_mm"], (code > 0 for code in fields["codes"])
    q = _qform(fields) if has_q else None
    s = np.asarray(fields["sform"], float) if has_s else None

    def place(affine: NDArray[np.float64]) -> Geometry:
        lps = affine * (TO_LPS * scale)[:, None]
        return grid(path, shape, lps[:, :3], lps[:, 3])

    if s is not None:
        try:
            chosen = place(s)
        except GeometryError:
            if q is None:
                raise
            text = "The file's sform is sheared or unusable; its position in the patient was taken from the qform."
            return place(q), (Notice("sform_unusable", text),)
        if q is not None and np.isfinite(q).all() and not _agree(chosen, q, scale):
            text = "The file states two different positions in the patient (sform and qform); the sform was used."
            return chosen, (Notice("sform_qform_differ", text),)
        return chosen, ()
    if q is not None:
        return place(q), ()
    pixdim = np.abs(np.asarray(fields["pixdim"][1:4], float))
    return place(np.column_stack([np.diag(pixdim), np.zeros(3)])), (NO_ORIENTATION,)


def _agree(chosen: Geometry, qform: NDArray[np.float64], scale: float) -> bool:
    """Whether the qform puts every corner within half a voxel of where the sform does."""
    last = np.asarray(chosen.shape)[::-1] - 1
    unit = np.array([[i, j, k] for k in (0, 1) for j in (0, 1) for i in (0, 1)]) * last
    corners = (unit @ qform[:, :3].T + qform[:, 3]) * TO_LPS * scale
    return bool(np.linalg.norm(corners - chosen.corners(), axis=1).max() <= 0.5 * min(chosen.spacing))


def _qform(fields: dict[str, Any]) -> NDArray[np.float64]:
    """The 3 x 4 matrix of the quaternion form (nifti1.h, method 2)."""
    b, c, d, *offset = (float(v) for v in fields["qform"])
    square = b * b + c * c + d * d
    a = max(1.0 - square, 0.0) ** 0.5
    if 1.0 - square < 1e-7:
        # A half turn: rounding to single precision leaves the three components a little longer or shorter than one.
        norm = square**0.5
        a, b, c, d = 0.0, b / norm, c / norm, d / norm
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
        ]
    )
    pixdim = fields["pixdim"]
    hand = -1.0 if pixdim[0] < 0 else 1.0
    steps = np.array([pixdim[1], pixdim[2], pixdim[3] * hand], float)
    return np.column_stack([rotation * steps, offset])

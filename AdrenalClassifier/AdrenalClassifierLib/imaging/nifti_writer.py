"""Volumes as NIfTI files that are the same bytes every time, with a text in their header."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path
from typing import Any

import SimpleITK as sitk
from numpy.typing import NDArray

from AdrenalClassifierLib.files import write_bytes
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.resample import to_sitk

FAST = 1
"""Compression level: noise hardly shrinks at any, and the lowest takes a third of the time."""


def write_nifti(path: Path, voxels: NDArray[Any], geometry: Geometry, description: str) -> None:
    """Write a volume as ``.nii.gz``, whole or not at all.

    Args:
        path: where, ending in ``.nii.gz``.
        voxels: (k, j, i); bool becomes uint8.
        geometry: grid.
        description: ASCII text for the header's ``descrip`` field, at most 79 characters.

    Raises:
        OutputError: the file cannot be written.
    """
    image = to_sitk(voxels, geometry)
    image.SetMetaData("ITK_FileNotes", description[:79])
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "volume.nii"
        sitk.WriteImage(image, str(plain))
        data = plain.read_bytes()
    # No time stamp: the same volume is the same file.
    write_bytes(path, gzip.compress(data, FAST, mtime=0))

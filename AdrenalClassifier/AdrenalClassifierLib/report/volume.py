"""A volume on a lesion's grid as a file that every viewer lays over the CT."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import OutputError
from AdrenalClassifierLib.files import atomic_path
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.resample import to_sitk


def write_volume(path: Path, values: NDArray[np.float32], geometry: Geometry) -> None:
    """Write float32 ``values`` (k, j, i) with their place in the patient, compressed, whole or not at all.

    Args:
        path: ends in ``.nii.gz``, ``.nrrd`` or ``.mha``.
        values: shape ``geometry.shape``.
        geometry: their grid.

    Raises:
        OutputError: the file cannot be written.
    """
    image = to_sitk(np.asarray(values, np.float32), geometry)
    with atomic_path(path) as temporary:
        try:
            sitk.WriteImage(image, str(temporary), True)
        except RuntimeError as error:
            raise OutputError(
                f"Cannot write '{path.name}': the image writer failed. Check the space left on the disk."
            ) from error

"""From stored numbers to Hounsfield units, and the test whether they can be Hounsfield units at all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import ImageReadError
from AdrenalClassifierLib.imaging.images import HuArray
from AdrenalClassifierLib.notices import Notice

LEAST_HU = -1024
PADDING = "padding_replaced"
"""What lies below cannot be tissue or air (air is -1000 HU); it marks voxels outside the reconstructed circle."""
LIGHT_HU = -70
"""Fat (about -90 to -110 HU), lung and air lie below; water, blood, soft tissue and everything denser above."""
DENSE_HU = 300
"""Upper end of the soft-tissue range that every CT of a body reaches into."""
LEAST_SHARE = 1e-3
"""Share of the voxels that must lie in either range."""
SAMPLE = 1 << 22
"""About how many voxels are looked at for that."""


class HuStack:
    """Collects slices of attenuation: int16 as long as every value is a whole number that fits, else float32.

    Args:
        shape: (k, j, i) of the volume.
        name: the file's or folder's name, for messages.
    """

    def __init__(self, shape: tuple[int, int, int], name: str) -> None:
        self._hu: HuArray = np.empty(shape, np.int16)
        self._name = name
        self._replaced = 0

    def put(self, k: int, values: NDArray[Any], padding: NDArray[np.bool_] | None = None) -> None:
        """Set slice ``k`` from values in HU of any real type; ``padding`` marks voxels that hold no measurement.

        Padding and everything below -1024 HU becomes -1024. Raises ImageReadError for values that are not finite.
        """
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise ImageReadError(f"'{self._name}' contains values that are not numbers (NaN or infinite); export it again.")
        outside = values < LEAST_HU if values.dtype.kind != "u" else np.zeros(values.shape, bool)
        if padding is not None:
            outside |= padding
        count = int(np.count_nonzero(outside))
        if count:
            self._replaced += count
            values = np.where(outside, np.asarray(LEAST_HU, np.result_type(values, np.int16)), values)
        if self._hu.dtype == np.int16 and not _fits(values):
            self._hu = self._hu.astype(np.float32)
        self._hu[k] = values

    def finish(self) -> tuple[HuArray, tuple[Notice, ...]]:
        """The volume, after the test that it can be in HU, and a notice when values were replaced."""
        check_hounsfield(self._hu, self._replaced, self._name)
        if not self._replaced:
            return self._hu, ()
        share = 100 * self._replaced / self._hu.size
        text = f"{share:.2g} % of the voxels are padding or lie below {LEAST_HU} HU; they were set to {LEAST_HU} HU."
        return self._hu, (Notice(PADDING, text),)


def _fits(values: NDArray[Any]) -> bool:
    """Whether every value is a whole number of int16."""
    if values.size == 0 or values.dtype in (np.int16, np.int8, np.uint8):
        return True
    if values.max() > np.iinfo(np.int16).max:
        return False
    return values.dtype.kind in "iu" or bool((values == np.rint(values)).all())


def to_hounsfield(values: NDArray[Any], name: str) -> tuple[HuArray, tuple[Notice, ...]]:
    """Attenuation from a volume (k, j, i) of any real type that holds HU already.

    Returns:
        int16 when every value is a whole number that fits, else float32; every value at least -1024; and a notice when
        lower values were raised to -1024.

    Raises:
        ImageReadError: NaN or infinite values, or numbers that cannot be HU (:func:`check_hounsfield`).
    """
    shape = (values.shape[0], values.shape[1], values.shape[2])
    stack = HuStack(shape, name)
    for k, plane in enumerate(values):
        stack.put(k, plane)
    return stack.finish()


def check_hounsfield(hu: HuArray, replaced: int, name: str) -> None:
    """Refuse numbers that cannot be a CT of a body in HU.

    By definition water is 0 HU and air -1000 HU, and every part of a body on CT shows fat, lung or air beside soft tissue:
    at least 0.1 % of the voxels must lie from -1024 to -70 HU and 0.1 % from -70 to 300 HU. This refuses MR images, maps from
    0 to 1, 8-bit pictures and CT stored from 0 to 4095 without its intercept. Replaced voxels do not count.

    Args:
        hu: the volume, padding already at -1024.
        replaced: how many voxels were set to -1024.
        name: of the file, for the message.

    Raises:
        ImageReadError: the numbers are not HU.
    """
    step = max(int((hu.size / SAMPLE) ** (1 / 3)), 1)
    sample = hu[::step, ::step, ::step] if step > 1 and min(hu.shape) > step else hu
    light = sample <= LIGHT_HU
    if replaced:
        light &= sample > LEAST_HU
    dense = (sample > LIGHT_HU) & (sample <= DENSE_HU)
    least = LEAST_SHARE * sample.size
    if np.count_nonzero(light) < least or np.count_nonzero(dense) < least:
        raise ImageReadError(
            f"'{name}' is not a CT in Hounsfield units: its values from {hu.min():.6g} to {hu.max():.6g} lack "
            "fat or air (below -70) beside soft tissue (-70 to 300). Give the original CT with its intensity offset."
        )

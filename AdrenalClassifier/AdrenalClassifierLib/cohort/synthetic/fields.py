"""Smooth random fields and separable resampling: the two numerical tools of the phantom.

Everything runs in float32 on one thread, and sums are taken in a fixed order (sparse products, not BLAS), so that a volume does
not depend on the number of threads or processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Volume = NDArray[np.float32]
Axis = NDArray[np.float32]

SLICES_AT_ONCE = 4
# Mean over positions of the variance that cubic B-spline weights leave of unit white noise, along one axis.
_SPLINE_VARIANCE = 151 / 315


def separable(volume: Volume, matrices: Sequence[Any]) -> Volume:
    """Apply one (out, in) matrix along each axis of a (k, j, i) volume.

    Args:
        volume: float32.
        matrices: scipy CSR arrays, float32, one for each axis.
    """
    first, second, third = matrices
    flat = np.ascontiguousarray(volume).reshape(volume.shape[0], -1)
    stack = (first @ flat).reshape(first.shape[0], *volume.shape[1:])
    out = np.empty((first.shape[0], second.shape[0], third.shape[0]), np.float32)
    rows, columns = stack.shape[1:]
    # A few slices at a time: the transposed copies stay in the cache.
    for start in range(0, len(stack), SLICES_AT_ONCE):
        part = stack[start : start + SLICES_AT_ONCE]
        n = len(part)
        flat = np.ascontiguousarray(part.transpose(1, 0, 2)).reshape(rows, n * columns)
        part = (second @ flat).reshape(second.shape[0], n, columns)
        flat = np.ascontiguousarray(part.transpose(2, 1, 0)).reshape(columns, n * second.shape[0])
        out[start : start + n] = (third @ flat).reshape(third.shape[0], n, second.shape[0]).transpose(1, 2, 0)
    return out


def spline_matrix(positions: NDArray[np.floating], first: float, step: float, count: int) -> Any:
    """Weights of cubic B-splines at knots ``first + step * n`` for positions of one axis; positions are kept within the knots."""
    t = np.clip((np.asarray(positions, float) - first) / step, 1.0, count - 2.0 - 1e-6)
    base = np.floor(t).astype(int)
    f = t - base
    weights = np.stack([(1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3], axis=1) / 6
    rows = np.repeat(np.arange(len(t)), 4)
    columns = (base[:, None] + np.arange(-1, 3)).ravel()
    return sp.csr_array((weights.astype(np.float32).ravel(), (rows, columns)), shape=(len(t), count))


class SmoothField:
    """A random field with mean 0 and variance 1 in space.

    White noise on knots ``length`` apart, joined by cubic B-splines: twice continuously differentiable, with a correlation length
    of about ``length``. Beyond the box it repeats its border.
    """

    def __init__(self, rng: np.random.Generator, low: Sequence[float], high: Sequence[float], length: float) -> None:
        """Draw the knots for the box from ``low`` to ``high`` (z, y, x), in the unit of ``length``."""
        counts = [int(np.ceil((b - a) / length)) + 4 for a, b in zip(low, high, strict=True)]
        self._knots = rng.standard_normal(counts, dtype=np.float32) * np.float32(_SPLINE_VARIANCE**-1.5)
        self._first = [a - 1.5 * length for a in low]
        self._length = length

    def on(self, axes: Sequence[NDArray[np.floating]]) -> Volume:
        """The field at the grid points of three axes (z, y, x)."""
        matrices = [
            spline_matrix(axis, first, self._length, count)
            for axis, first, count in zip(axes, self._first, self._knots.shape, strict=True)
        ]
        return separable(self._knots, matrices)


def smooth_field(rng: np.random.Generator, axes: Sequence[NDArray[np.floating]], length: float) -> Volume:
    """A new ``SmoothField`` on the grid of three increasing axes (z, y, x)."""
    return SmoothField(rng, [float(a[0]) for a in axes], [float(a[-1]) for a in axes], length).on(axes)


def blend_tubes(first: Volume, second: Volume, width: float) -> Volume:
    """Weight 0..1 of a network of tubes: where two independent fields of variance 1 are both near zero.

    ``width`` is in the fields' own unit; the share of the volume within is about ``width**2 / 2``.
    """
    return np.asarray(np.clip(1.5 - (first * first + second * second) / np.float32(width * width), 0, 1))

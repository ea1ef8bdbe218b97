"""From attenuation to a CT: point spread, slice profile, sampling, correlated noise, HU scale, 16-bit numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.fft
import scipy.sparse as sp
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.synthetic.fields import Volume, separable
from AdrenalClassifierLib.cohort.synthetic.look import Scan, scanner

FWHM = 2 * np.sqrt(2 * np.log(2))
PROFILE_BLUR_MM = 0.3
"""SD of the blur of the slice profile's edges."""
ENHANCED_WIDTH = 2.0
"""An edge-enhancing kernel subtracts a point spread this much wider."""
OFFSET_FREQUENCY = 0.03
"""Noise power at low frequencies (1/mm), where the ramp filter of an ideal scanner would leave none."""
LOWEST_HU, HIGHEST_HU = -1024, 3071
SLABS_AT_ONCE = 32


def kernel_of(name: str) -> tuple[float, float]:
    """SD in mm of a kernel's in-plane point spread, and its edge enhancement."""
    entry = scanner()["kernels"][name]
    return float(entry["fwhm_mm"] / FWHM), float(entry["enhancement"])


def in_plane_power(kernel: str, pixel_mm: float, rows: int, columns: int) -> NDArray[np.float64]:
    """Noise power of a slice on the half spectrum of ``rfft2``, shape (rows, columns // 2 + 1), in arbitrary units.

    That of filtered back projection: ramp times the squared modulation transfer of the kernel.
    """
    fy = scipy.fft.fftfreq(rows, pixel_mm)[:, None]
    fx = scipy.fft.rfftfreq(columns, pixel_mm)[None, :]
    f2 = fy**2 + fx**2
    sd, e = kernel_of(kernel)
    transfer = (1 + e) * np.exp(-2 * (np.pi * sd) ** 2 * f2) - e * np.exp(-2 * (np.pi * ENHANCED_WIDTH * sd) ** 2 * f2)
    return np.asarray(np.sqrt(f2 + OFFSET_FREQUENCY**2) * transfer**2)


def in_plane_matrix(scan: Scan, source: NDArray[np.floating], target: NDArray[np.floating]) -> Any:
    """(target, source) weights along x or y: point spread over a truth that is linear between grid points.

    The spread of an enhancing kernel is (1 + e) G(s) - e G(2 s), G a Gaussian of SD s. The blur that linear interpolation adds
    (variance step**2 / 6) is taken off s, as far as there is something to take.
    """
    sd, enhancement = kernel_of(scan.kernel)
    step = float(source[1] - source[0])
    narrow = np.sqrt(max(sd**2 - step**2 / 6, (0.25 * step) ** 2))
    nodes = np.linspace(-4, 4, 65)
    density = np.exp(-0.5 * nodes**2)
    parts = [(narrow * nodes, (1 + enhancement) * density / density.sum())]
    if enhancement:
        wide = np.sqrt((ENHANCED_WIDTH * sd) ** 2 - step**2 / 6)
        parts.append((wide * nodes, -enhancement * density / density.sum()))
    offsets = np.concatenate([p[0] for p in parts])
    weights = np.concatenate([p[1] for p in parts])
    return _interpolating(source, target, offsets, weights)


def slice_matrix(scan: Scan, source: NDArray[np.floating], target: NDArray[np.floating]) -> Any:
    """(target, source) weights along z: a box of the slice's thickness with edges blurred by 0.3 mm.

    The blur that linear interpolation adds (variance step**2 / 6, that of a box sqrt(2) steps wide) is taken off the box, as
    far as there is something to take: slices thinner than that resolve no more than about two steps.
    """
    step = float(source[1] - source[0])
    width = float(np.sqrt(max(scan.thickness_mm**2 - 2 * step**2, (0.25 * step) ** 2)))
    count = max(int(np.ceil(width / step * 8)), 16)
    box = ((np.arange(count) + 0.5) / count - 0.5) * width
    nodes = np.linspace(-3, 3, 13)
    density = np.exp(-0.5 * nodes**2)
    offsets = (box[:, None] + PROFILE_BLUR_MM * nodes[None, :]).ravel()
    weights = np.tile(density / density.sum() / count, count)
    return _interpolating(source, target, offsets, weights)


def _interpolating(
    source: NDArray[np.floating], target: NDArray[np.floating], offsets: NDArray[np.float64], weights: NDArray[np.float64]
) -> Any:
    """Weighted sum over ``offsets`` of the source interpolated linearly; beyond its ends the source is constant."""
    step = float(source[1] - source[0])
    t = (np.asarray(target, float)[:, None] + offsets[None, :] - float(source[0])) / step
    t = np.clip(t, 0, len(source) - 1.000001)
    base = np.floor(t).astype(np.intp)
    f = t - base
    rows = np.repeat(np.arange(len(target)), offsets.size)
    flat = np.zeros((len(target), len(source)))
    np.add.at(flat, (rows, base.ravel()), ((1 - f) * weights).ravel())
    np.add.at(flat, (rows, base.ravel() + 1), (f * weights).ravel())
    flat[np.abs(flat) < 1e-6] = 0
    flat /= flat.sum(axis=1, keepdims=True)
    return sp.csr_array(flat.astype(np.float32))


def sampled(scan: Scan, volume: Volume, source: Sequence[NDArray[np.floating]], target: Sequence[NDArray[np.floating]]) -> Volume:
    """The noise-free scan.

    Args:
        scan: how it is acquired.
        volume: attenuation in HU on the grid of ``source``, float32 (z, y, x).
        source: evenly spaced grid points (z, y, x) in mm.
        target: voxel centres (z, y, x) in mm.
    """
    matrices = [slice_matrix(scan, source[0], target[0])]
    matrices += [in_plane_matrix(scan, s, t) for s, t in zip(source[1:], target[1:], strict=True)]
    return separable(volume, matrices)


def noise(rng: np.random.Generator, scan: Scan, shape: tuple[int, int, int]) -> Volume:
    """Correlated noise with mean 0 and SD ``scan.noise_hu``, float32.

    In plane its power is ``in_plane_power``. Along z, overlapping slices share data: their correlation falls linearly to 0 at one
    slice thickness.
    """
    # Sizes with small prime factors transform several times faster.
    rows, columns = (scipy.fft.next_fast_len(n + 8, real=True) for n in shape[1:])
    power = in_plane_power(scan.kernel, scan.pixel_mm, rows, columns)
    # A real image's spectrum is Hermitian: columns other than the first (and the last of an even size) stand for two.
    both = np.full((1, power.shape[1]), 2.0)
    both[0, 0] = 1.0
    if columns % 2 == 0:
        both[0, -1] = 1.0
    amplitude = np.sqrt(power / (power * both).sum())
    # irfft2 keeps the Hermitian part of those single columns only, which halves their variance.
    amplitude = np.where(both == 1.0, amplitude * np.sqrt(2), amplitude) * (rows * columns / np.sqrt(2))

    amplitude = amplitude.astype(np.float32)
    taps = _slice_taps(scan)
    count = shape[0] + len(taps) - 1
    out = np.zeros(shape, np.float32)
    for start in range(0, count, SLABS_AT_ONCE):
        slabs = min(SLABS_AT_ONCE, count - start)
        white = rng.standard_normal((slabs, rows, 2 * power.shape[1]), dtype=np.float32).view(np.complex64)
        white *= amplitude
        image = scipy.fft.irfft2(white, s=(rows, columns), axes=(1, 2), workers=1)[:, : shape[1], : shape[2]]
        # Slab n is part of slices n, n - 1, ... with the taps 0, 1, ...
        for n, tap in enumerate(taps):
            first, last = max(start - n, 0), min(start - n + slabs, shape[0])
            if first < last:
                out[first:last] += np.float32(tap * scan.noise_hu) * image[first + n - start : last + n - start]
    return out


def _slice_taps(scan: Scan) -> NDArray[np.float64]:
    """Weights of independent slabs, one slice increment high, in each slice; their squares sum to 1."""
    ratio = scan.thickness_mm / scan.increment_mm
    taps = np.ones(int(np.ceil(ratio - 1e-9)))
    taps[-1] = ratio - len(taps) + 1
    return np.asarray(taps / np.linalg.norm(taps))


def digitised(volume: Volume, offset_hu: float) -> NDArray[np.int16]:
    """HU as a scanner stores them: with the scan's offset, rounded, from -1024 to 3071. Overwrites ``volume``."""
    volume += np.float32(offset_hu)
    np.clip(volume, LOWEST_HU, HIGHEST_HU, out=volume)
    np.rint(volume, out=volume)
    return volume.astype(np.int16)

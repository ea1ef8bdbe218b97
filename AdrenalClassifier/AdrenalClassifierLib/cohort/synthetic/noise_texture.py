"""How noisy a real scan is beside a lesion, and which of our kernels has the most similar texture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.cohort.synthetic.acquisition import in_plane_power
from AdrenalClassifierLib.cohort.synthetic.fields import Volume
from AdrenalClassifierLib.cohort.synthetic.look import scanner

SOFT_HU = (-160.0, 220.0)
FARTHEST_MM = 60.0
NEAREST_MM = 3.0
QUIET_SHARE = 0.4
"""Share of the soft voxels with the smallest smoothed gradient: organs' insides, not their edges."""
USUAL = (12.0, "standard")
LEAST_VOXELS = 500
MAD_TO_SD = 1.4826
LIMITS_HU = (2.0, 60.0)


@dataclass(frozen=True)
class NoiseEstimate:
    """SD in HU, and the kernel of ``scanner.json`` whose texture is most similar."""

    sd_hu: float
    kernel: str


def estimate_noise(hu: Volume, distance: Volume, spacing: NDArray[np.float64]) -> NoiseEstimate:
    """Noise of a scan near a lesion's future place.

    From the spread of in-plane differences between voxels one and two apart, in quiet soft tissue. Their ratio tells the texture
    (the kernel), their size the SD: Var(difference) = 2 SD**2 (1 - autocorrelation).

    Args:
        hu: (z, y, x), z superior.
        distance: signed distance in mm to the lesion's surface on the same grid.
        spacing: in mm.
    """
    soft = (hu > SOFT_HU[0]) & (hu < SOFT_HU[1]) & (distance < FARTHEST_MM) & (distance > NEAREST_MM)
    smooth = ndimage.gaussian_filter(hu, [0, 2, 2])
    slope = np.hypot(*np.gradient(smooth, axis=(1, 2)))
    if soft.sum() < LEAST_VOXELS:
        return NoiseEstimate(*USUAL)
    quiet = soft & (slope <= np.quantile(slope[soft], QUIET_SHARE))
    spread = []
    for lag in (1, 2):
        pairs = [(quiet[:, :, :-lag] & quiet[:, :, lag:], hu[:, :, lag:] - hu[:, :, :-lag])]
        pairs.append((quiet[:, :-lag] & quiet[:, lag:], hu[:, lag:] - hu[:, :-lag]))
        differences = np.concatenate([d[q] for q, d in pairs])
        if differences.size < LEAST_VOXELS:
            return NoiseEstimate(*USUAL)
        spread.append(MAD_TO_SD * float(np.median(np.abs(differences - np.median(differences)))))
    pixel = round(float(np.sqrt(spacing[1] * spacing[2])), 3)
    ratio = spread[1] ** 2 / max(spread[0] ** 2, 1e-6)
    best = min(scanner()["kernels"], key=lambda name: abs(_lags(name, pixel)[1] / _lags(name, pixel)[0] - ratio))
    sd = spread[0] / np.sqrt(_lags(best, pixel)[0])
    return NoiseEstimate(float(np.clip(sd, *LIMITS_HU)), best)


@cache
def _lags(kernel: str, pixel_mm: float) -> tuple[float, float]:
    """Variance of the difference between voxels one and two apart, for noise of variance 1."""
    power = in_plane_power(kernel, pixel_mm, 64, 64)
    correlation = np.fft.irfft2(power, s=(64, 64))
    correlation /= correlation[0, 0]
    return 2 * float(1 - correlation[0, 1]), 2 * float(1 - correlation[0, 2])

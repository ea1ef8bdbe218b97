"""The scanner: point spread, slice profile, noise, numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from AdrenalClassifierLib.cohort.synthetic.acquisition import (
    PROFILE_BLUR_MM,
    digitised,
    in_plane_matrix,
    in_plane_power,
    kernel_of,
    noise,
    sampled,
    slice_matrix,
)
from AdrenalClassifierLib.cohort.synthetic.look import Scan, scanner

SCAN = Scan(2.0, 2.0, 0.75, "standard", 10.0, 0.0, (0.0, 0.0, 0.0))
SOURCE = np.arange(-40.0, 41.0)


def edge_moments(matrix_of, shifts: int = 8) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Mean position and variance of the line spread, from edges between grid points at ``shifts`` places within a voxel."""
    target = np.arange(-15, 15, 0.05)
    means, variances = [], []
    for n in range(shifts):
        place = (n + 0.5) / shifts - 0.5
        # The truth's own antialiasing: a voxel that the edge cuts holds the share that lies beyond it.
        step = np.clip(0.5 + SOURCE - place, 0, 1)
        response = matrix_of(target) @ step.astype(np.float32)
        line = np.diff(response) / np.diff(response).sum()
        at = (target[1:] + target[:-1]) / 2 - place
        means.append((line * at).sum())
        variances.append((line * at**2).sum() - (line * at).sum() ** 2)
    return float(np.mean(means)), float(np.mean(variances) + np.var(means))


@pytest.mark.parametrize("thickness", [0.625, 1.25, 2.5, 5.0])
def test_an_edge_along_z_is_blurred_by_the_slice_thickness(thickness) -> None:  # type: ignore[no-untyped-def]
    scan = replace(SCAN, thickness_mm=thickness)
    mean, variance = edge_moments(lambda target: slice_matrix(scan, SOURCE, target))
    # A box of the thickness less what linear interpolation adds (1/6 for a grid of 1 mm), its blurred edges, that interpolation,
    # and the antialiasing of the truth (1/12): from 1.5 mm on the slice is as thick as set, but for the antialiasing.
    expected = max(thickness**2 - 2, 0.0625) / 12 + PROFILE_BLUR_MM**2 + 1 / 6 + 1 / 12
    assert abs(mean) < 0.03
    assert abs(np.sqrt(variance * 12) - np.sqrt(expected * 12)) < 0.03
    if thickness >= 1.5:
        assert abs(variance - thickness**2 / 12 - PROFILE_BLUR_MM**2 - 1 / 12) < 0.02


@pytest.mark.parametrize("kernel", list(scanner()["kernels"]))
def test_an_edge_in_plane_is_blurred_by_the_kernel(kernel) -> None:  # type: ignore[no-untyped-def]
    scan = replace(SCAN, kernel=kernel)
    mean, variance = edge_moments(lambda target: in_plane_matrix(scan, SOURCE, target))
    sd, e = kernel_of(kernel)
    # (1 + e) G(s) - e G(2 s) has the variance (1 + e) s^2 - 4 e s^2; the truth's antialiasing adds 1/12, the floor on s a little.
    narrow = max(sd**2 - 1 / 6, 0.0625)
    expected = (1 + e) * (narrow + 1 / 6) - e * 4 * sd**2 + 1 / 12
    assert abs(mean) < 0.03
    assert abs(variance - expected) < 0.06


def test_an_enhancing_kernel_overshoots_at_edges_and_a_soft_one_does_not() -> None:
    step = (SOURCE > 0).astype(np.float32)
    target = np.arange(-15, 15, 0.25)
    peak = {k: float((in_plane_matrix(replace(SCAN, kernel=k), SOURCE, target) @ step).max()) for k in ("soft", "sharp")}
    assert peak["soft"] < 1.001
    assert 1.02 < peak["sharp"] < 1.3


def test_even_tissue_stays_as_it_is() -> None:
    volume = np.full((81, 81, 81), 37.0, np.float32)
    axes = [np.arange(-30, 30, s) for s in (2.0, 0.75, 0.75)]
    for kernel in scanner()["kernels"]:
        found = sampled(replace(SCAN, kernel=kernel), volume, [SOURCE] * 3, axes)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, 37, atol=1e-3)


@pytest.mark.parametrize("kernel", list(scanner()["kernels"]))
@pytest.mark.parametrize(("pixel", "thickness", "increment"), [(0.62, 0.625, 0.625), (0.97, 5.0, 2.5), (0.75, 1.25, 1.0)])
def test_noise_has_the_set_sd_and_no_offset(kernel, pixel, thickness, increment) -> None:  # type: ignore[no-untyped-def]
    scan = Scan(thickness, increment, pixel, kernel, 13.0, 0.0, (0.0, 0.0, 0.0))
    found = noise(np.random.default_rng(3), scan, (40, 150, 161))
    assert found.shape == (40, 150, 161)
    assert found.dtype == np.float32
    assert abs(found.std() / 13 - 1) < 0.02
    assert abs(found.mean()) < 0.3
    # Even over the image: no border differs.
    for part in (found[:, :8], found[:, -8:], found[:, :, :8], found[:, :, -8:]):
        assert abs(part.std() / 13 - 1) < 0.06


def test_the_noise_spectrum_is_that_of_filtered_back_projection() -> None:
    """Periodogram in rings against ramp times squared transfer of the kernel."""
    for kernel in scanner()["kernels"]:
        scan = replace(SCAN, kernel=kernel)
        size = 192
        found = noise(np.random.default_rng(4), scan, (40, size, size)).astype(float)
        window = np.hanning(size)[:, None] * np.hanning(size)[None, :]
        spectrum = (np.abs(np.fft.rfft2(found * window)) ** 2).mean(axis=0)
        expected = in_plane_power(kernel, scan.pixel_mm, size, size)
        fy, fx = np.fft.fftfreq(size, scan.pixel_mm)[:, None], np.fft.rfftfreq(size, scan.pixel_mm)[None, :]
        radius = np.hypot(fy, fx)
        for low, high in ((0.05, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.45)):
            ring = (radius >= low) & (radius < high)
            ratio = spectrum[ring].mean() / spectrum[radius < 0.6].mean()
            ideal = expected[ring].mean() / expected[radius < 0.6].mean()
            assert abs(ratio / ideal - 1) < 0.08, (kernel, low)


def test_slices_that_overlap_share_noise_and_others_do_not() -> None:
    def correlation(increment: float) -> float:
        found = noise(np.random.default_rng(5), replace(SCAN, increment_mm=increment), (60, 100, 100))
        return float((found[1:] * found[:-1]).mean() / found.var())

    assert abs(correlation(2.0)) < 0.02
    assert abs(correlation(1.0) - 0.5) < 0.03  # 1 - increment / thickness


def test_numbers_are_whole_and_within_what_scanners_store() -> None:
    found = digitised(np.array([[[-2000.0, -0.4, 12.6, 9000.0]]], np.float32), 3.0)
    assert found.dtype == np.int16
    assert found.ravel().tolist() == [-1024, 3, 16, 3071]

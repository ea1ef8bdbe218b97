"""Smooth random fields and separable resampling."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.interpolate import BSpline

from AdrenalClassifierLib.cohort.synthetic.canvas import finer
from AdrenalClassifierLib.cohort.synthetic.fields import SmoothField, blend_tubes, separable, smooth_field, spline_matrix

AXES = [np.arange(0, n, 1.0) for n in (70, 80, 90)]


def test_separable_application_equals_the_tensor_product() -> None:
    rng = np.random.default_rng(0)
    volume = rng.standard_normal((7, 5, 6)).astype(np.float32)
    dense = [rng.standard_normal((n, m)).astype(np.float32) for n, m in ((4, 7), (9, 5), (3, 6))]
    found = separable(volume, [sp.csr_array(d) for d in dense])
    expected = np.einsum("zk,yj,xi,kji->zyx", *[d.astype(float) for d in dense], volume.astype(float))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_spline_weights_are_those_of_the_cubic_b_spline() -> None:
    positions = np.linspace(1.1, 6.9, 50)
    weights = spline_matrix(positions, 0.0, 1.0, 9).toarray()
    knot = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    expected = np.nan_to_num(knot(positions[:, None] - np.arange(9)[None, :]))
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_a_field_has_mean_0_variance_1_and_a_correlation_that_fades_with_its_length() -> None:
    length = 4.0
    fields = np.stack([smooth_field(np.random.default_rng(n), AXES, length) for n in range(4)])
    count = fields[0].size / length**3 * 4
    assert abs(fields.mean()) < 5 / np.sqrt(count)
    assert abs(fields.var() - 1) < 5 * np.sqrt(2 / count) + 0.02

    def correlation(lag: int) -> float:
        return float((fields[:, :, :, lag:] * fields[:, :, :, :-lag]).mean())

    # Autocorrelation of cubic B-splines: close to 1 within a fraction of the knot distance, 0 beyond four of them.
    assert correlation(1) > 0.9
    assert 0.2 < correlation(4) < 0.7
    assert abs(correlation(17)) < 0.05


def test_a_field_is_the_same_function_on_every_grid() -> None:
    field = SmoothField(np.random.default_rng(1), [0, 0, 0], [30, 30, 30], 5.0)
    fine = [np.arange(0, 30.1, 0.5)] * 3
    coarse = [np.arange(0, 30.1, 1.5)] * 3
    np.testing.assert_allclose(field.on(fine)[::3, ::3, ::3], field.on(coarse), atol=1e-5)


def test_beyond_its_box_a_field_repeats_its_border() -> None:
    field = SmoothField(np.random.default_rng(1), [0, 0, 0], [10, 10, 10], 5.0)
    found = field.on([np.array([5.0]), np.array([5.0]), np.array([10.0, 40.0, 90.0])])
    assert found[0, 0, 1] == found[0, 0, 2]


def test_interpolation_between_every_second_point_is_linear() -> None:
    z, y, x = np.ogrid[:5, :6, :7]
    plane = (2 * z - 3 * y + 0.5 * x + 1).astype(np.float32)
    z, y, x = (a / 2 for a in np.ogrid[:9, :11, :13])
    np.testing.assert_allclose(finer(plane), 2 * z - 3 * y + 0.5 * x + 1, atol=1e-5)


def test_tubes_fill_the_share_that_is_stated() -> None:
    """Two normal fields: P(f^2 + g^2 < r^2) = 1 - exp(-r^2 / 2); the weight is 1/2 at r = width."""
    rng = np.random.default_rng(0)
    f, g = rng.standard_normal((2, 100, 100, 100)).astype(np.float32)
    share = (blend_tubes(f, g, 0.3) > 0.5).mean()
    assert abs(share - (1 - np.exp(-(0.3**2) / 2))) < 0.001

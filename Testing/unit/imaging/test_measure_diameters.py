"""Diameters: against analytic bodies, against brute force, and the same for every way of storing a mask."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.errors import MaskError
from AdrenalClassifierLib.imaging import diameters
from AdrenalClassifierLib.imaging.axial_planes import axial_planes
from AdrenalClassifierLib.imaging.diameters import AxialAxes, Diameter, axial_axes, max_3d_diameter
from AdrenalClassifierLib.imaging.geometry import Geometry, Vector, identity
from support.grids import arrangements, ellipsoid, oblique_grid, rearranged, rotated

Array = NDArray[np.float64]


def blob(seed: int, shape: tuple[int, int, int] = (9, 14, 12), share: float = 0.12) -> NDArray[np.bool_]:
    """A ragged mask with notches, holes and separate pieces."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), 1.2)
    return noise > np.quantile(noise, 1 - share)


def mesh_vertices(mask: NDArray[np.bool_], axes: tuple[int, ...]) -> Array:
    """Fractional indices half way between every inside voxel and each outside neighbour along ``axes``."""
    found = []
    for index in np.argwhere(mask):
        for axis in axes:
            for step in (-1, 1):
                other = index.copy()
                other[axis] += step
                outside = not (0 <= other[axis] < mask.shape[axis]) or not mask[tuple(other)]
                if outside:
                    found.append((index + other) / 2)
    return np.array(found)


def direction(diameter: Diameter) -> Array:
    a, b = np.asarray(diameter.ends)
    return (b - a) / np.linalg.norm(b - a)


def section(radii: Vector, turn: Rotation) -> tuple[float, float]:
    """Long and short diameter of the central axial section of a turned ellipsoid x' A x = 1: the 2 x 2 block of A."""
    turned = turn.as_matrix()
    quadric = turned @ np.diag(1 / np.square(radii)) @ turned.T
    small, large = np.linalg.eigvalsh(quadric[:2, :2])
    return 2 / np.sqrt(small), 2 / np.sqrt(large)


def centred(grid: Geometry, shift: Vector = (0.31, -0.17, 0.23)) -> Vector:
    """A point near the grid's middle that is no voxel's centre."""
    x, y, z = grid.to_world((np.asarray(grid.shape) - 1) / 2 + np.asarray(shift))
    return (float(x), float(y), float(z))


GRIDS = {
    "isotropic": identity((80, 80, 80), (1.0, 1.0, 1.0)),
    "thin slices": identity((75, 100, 100), (1.0, 0.8, 0.8)),
    "thick slices": identity((16, 110, 110), (5.0, 0.7, 0.7)),
    "turned about S": rotated(identity((75, 100, 100), (1.0, 0.8, 0.8)), 27.0),
    "oblique": oblique_grid((80, 80, 80), (1.0, 0.9, 0.9), (3.0, -8.0, 40.0), False),
    "oblique, left-handed": oblique_grid((80, 80, 80), (0.9, 1.0, 1.1), (3.0, -8.0, 40.0), True),
    "gantry-like tilt, thick": oblique_grid((18, 110, 110), (4.0, 0.7, 0.7), (0.0, 0.0, 0.0), False, (12.0, 0.0, 0.0)),
}
BODIES: dict[str, tuple[Vector, Rotation]] = {
    "sphere": ((25.0, 25.0, 25.0), Rotation.identity()),
    "small sphere": ((7.0, 7.0, 7.0), Rotation.identity()),
    "ellipsoid turned in its plane": ((28.0, 16.0, 20.0), Rotation.from_euler("z", 38, degrees=True)),
    "ellipsoid turned in space": ((28.0, 15.0, 19.0), Rotation.from_euler("xyz", (33, -48, 21), degrees=True)),
    "upright cigar": ((9.0, 7.0, 26.0), Rotation.from_euler("x", 15, degrees=True)),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
@pytest.mark.parametrize(("radii", "turn"), BODIES.values(), ids=BODIES.keys())
def test_diameters_of_ellipsoids_are_right_within_a_voxel(grid: Geometry, radii: Vector, turn: Rotation) -> None:
    mask = ellipsoid(grid, centred(grid), radii, turn)
    axes, longest = axial_axes(mask, grid), max_3d_diameter(mask, grid)
    long_mm, short_mm = section(radii, turn)

    def voxel(along: Array) -> float:
        """How long a voxel is in a direction: the surface of a mask is known to half of it at either end."""
        return float((np.abs(np.asarray(grid.axes) @ along) * grid.spacing).sum())

    # The slice nearest the middle is off it by up to half the slice distance, which shortens a section; the long axis of a
    # near-round section may point elsewhere, so the voxel counts in its own direction.
    off = max(abs(np.asarray(grid.axes)[:, 2]) * grid.spacing) / 2 / np.sqrt((turn.as_matrix()[2] ** 2 * np.square(radii)).sum())
    shrink = 1 - np.sqrt(1 - off**2)
    assert -voxel(direction(axes.long)) - shrink * long_mm <= axes.long.length_mm - long_mm <= voxel(direction(axes.long))
    assert -voxel(direction(axes.short)) - shrink * short_mm <= axes.short.length_mm - short_mm <= voxel(direction(axes.short))
    assert abs(longest.length_mm - 2 * max(radii)) <= voxel(direction(longest))


def test_errors_over_many_positions_stay_below_a_voxel_and_have_little_bias() -> None:
    # A shape that is neither round nor a box, as lesions are: positive and negative biases of the definition balance.
    grid = identity((3, 90, 90), (2.0, 0.8, 0.8))
    random = np.random.default_rng(5)
    errors = []
    for _ in range(40):
        shift = tuple(random.uniform(-0.5, 0.5, 3))
        turn = Rotation.from_euler("z", random.uniform(0, 180), degrees=True)
        axes = axial_axes(ellipsoid(grid, centred(grid, (0.0, shift[1], shift[2])), (25.0, 12.5, 900.0), turn), grid)
        errors.append((axes.long.length_mm - 50, axes.short.length_mm - 25))
    assert np.abs(errors).max() < 0.8
    assert np.abs(np.mean(errors, axis=0)).max() < 0.4


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (5.0, 0.7, 0.7), (0.6, 0.9, 1.3)])
def test_diameters_equal_brute_force_over_all_mesh_vertices(seed: int, spacing: Vector) -> None:
    mask = blob(seed)
    assert max_3d_diameter(mask, identity(mask.shape, spacing)).length_mm == pytest.approx(
        pdist(mesh_vertices(mask, (0, 1, 2)) * spacing).max(), abs=1e-9
    )
    per_slice = [pdist(mesh_vertices(part[None], (1, 2)) * spacing).max() for part in mask if part.any()]
    assert axial_axes(mask, identity(mask.shape, spacing)).long.length_mm == pytest.approx(max(per_slice), abs=1e-9)


@pytest.mark.parametrize("spacing", [(5.0, 0.7, 0.7), (1.0, 1.6, 0.5), (0.8, 0.8, 0.8)])
def test_the_farthest_vertices_need_not_belong_to_the_farthest_voxels(spacing: Vector) -> None:
    random = np.random.default_rng(11)
    for _ in range(60):
        mask = random.random((2, 9, 9)) < 0.05
        mask[1, 4, 4] = True
        expected = pdist(mesh_vertices(mask, (0, 1, 2)) * spacing).max()
        assert max_3d_diameter(mask, identity(mask.shape, spacing)).length_mm == pytest.approx(expected, abs=1e-9)


def test_a_step_across_thick_slices_outweighs_a_longer_distance_in_plane() -> None:
    # Centres 14 mm apart in one slice, 12.3 mm between slices; edge to edge 14.7 mm and hypot(10, 11.2) mm.
    mask = np.zeros((2, 1, 21), bool)
    mask[0, 0, [0, 20]] = True
    mask[1, 0, 16] = True
    assert max_3d_diameter(mask, identity(mask.shape, (5.0, 0.7, 0.7))).length_mm == pytest.approx(np.hypot(10, 11.2))


@pytest.mark.parametrize("seed", range(5))
def test_pairing_points_in_batches_changes_nothing(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    mask = blob(seed)
    grid = identity(mask.shape, (3.0, 0.8, 0.8))
    expected = max_3d_diameter(mask, grid)
    monkeypatch.setattr(diameters, "PAIRED_AT_ONCE", 5)
    assert max_3d_diameter(mask, grid) == expected


def test_the_outline_of_diagonal_voxels_is_two_closed_rhombi() -> None:
    for mask in (np.eye(2, dtype=bool), np.eye(2, dtype=bool)[::-1]):
        planes = axial_planes(mask[None], identity((1, 2, 2), (1.0, 1.0, 1.0)))
        segments = planes.outline(1)  # plane 0 is the empty rim
        assert len(segments) == 8
        np.testing.assert_allclose(np.linalg.norm(segments[:, 1] - segments[:, 0], axis=1), 0.5**0.5)


def test_of_slices_with_equal_long_axes_the_fullest_is_measured() -> None:
    grid = identity((6, 30, 30), (2.0, 1.0, 1.0))
    for thick, thin in ((1, 4), (4, 1)):
        mask = np.zeros(grid.shape, bool)
        mask[[1, 4], 14, 5:25] = True
        mask[thin, 14, 5:25] = True
        mask[thick, 10:19, 13:17] = True
        axes = axial_axes(mask, grid)
        assert axes.long.length_mm == pytest.approx(20)
        assert axes.short.length_mm == pytest.approx(9)
        assert axes.long.ends[0][2] == pytest.approx(2.0 * thick)


@pytest.mark.parametrize("seed", range(8))
def test_the_short_axis_is_the_longest_line_across_that_a_fine_search_finds(seed: int) -> None:
    spacing = (2.0, 0.8, 0.8)
    mask = blob(seed, (5, 16, 16))
    grid = identity(mask.shape, spacing)
    axes = axial_axes(mask, grid)
    ends = grid.to_index(np.asarray(axes.long.ends))
    plane = np.pad(mask[round(ends[0, 0])], 2).astype(float)
    middle, along = ends[:, 1:].mean(axis=0), np.diff(ends[:, 1:], axis=0)[0]
    along = along / np.linalg.norm(along)
    across = np.array([-along[1], along[0]])
    step = 0.02
    t, h = np.meshgrid(np.arange(-14, 14, step), np.arange(-14, 14, step), indexing="ij")
    spots = middle[:, None, None] + along[:, None, None] * t + across[:, None, None] * h + 2
    inside = ndimage.map_coordinates(plane, spots, order=1) >= 0.5
    hit = inside.any(axis=1)
    first, last = inside.argmax(axis=1), inside.shape[1] - 1 - inside[:, ::-1].argmax(axis=1)
    widest = float((last - first)[hit].max()) * step * 0.8
    # The bilinear level bulges past the straight segments of marching squares by (1 - sqrt(1/2) - 1/4) sqrt(2) voxels at most.
    bulge = (1 - 0.5**0.5 - 0.25) * 2**0.5 * 0.8
    assert axes.short.length_mm == pytest.approx(widest, abs=2 * bulge + 2 * step * 0.8)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("mirror", [False, True])
def test_axes_are_perpendicular_in_one_axial_plane_and_no_longer_than_the_3d_mesh_allows(seed: int, mirror: bool) -> None:
    mask = blob(seed, (10, 16, 14))
    for grid in (
        identity(mask.shape, (3.0, 0.8, 0.9), (-50.0, 20.0, 900.0)),
        oblique_grid(mask.shape, (3.0, 0.8, 0.9), (-50.0, 20.0, 900.0), mirror),
    ):
        axes = axial_axes(mask, grid)
        heights = [end[2] for end in (*axes.long.ends, *axes.short.ends)]
        assert np.ptp(heights) < 1e-9
        assert abs(direction(axes.long) @ direction(axes.short)) < 1e-9
        assert 0 < axes.short.length_mm <= axes.long.length_mm + 1e-9
        # On oblique grids the outline bulges out of the mesh by less than a tenth of a voxel.
        assert axes.long.length_mm <= max_3d_diameter(mask, grid).length_mm + 0.1 * max(grid.spacing)
        for line in (axes.long, axes.short, max_3d_diameter(mask, grid)):
            assert np.linalg.norm(np.subtract(*line.ends)) == pytest.approx(line.length_mm, abs=1e-9)


def both(mask: NDArray[np.bool_], grid: Geometry) -> Array:
    axes: AxialAxes = axial_axes(mask, grid)
    lines = (axes.long, axes.short, max_3d_diameter(mask, grid))
    return np.array([[line.length_mm, *line.ends[0], *line.ends[1]] for line in lines])


@pytest.mark.parametrize("grid_name", ["usual", "oblique", "left-handed"])
@pytest.mark.parametrize("shape", ["blob", "cuboid", "ball"])
def test_every_way_of_storing_a_mask_gives_the_same_lines(grid_name: str, shape: str) -> None:
    # Cuboid and ball have many equally long diameters: the choice must not follow the array's order.
    size = (8, 13, 13)
    grid = {
        "usual": identity(size, (2.5, 0.7, 0.7), (-31.3, 11.7, 812.9)),
        "oblique": oblique_grid(size, (2.5, 0.7, 0.7), (-31.3, 11.7, 812.9), False),
        "left-handed": oblique_grid(size, (1.0, 1.0, 1.0), (-31.3, 11.7, 812.9), True),
    }[grid_name]
    mask = blob(3, size)
    if shape == "cuboid":
        mask = np.zeros(size, bool)
        mask[1:7, 3:11, 2:10] = True
    if shape == "ball":
        mask = ellipsoid(grid, tuple(grid.to_world(np.array((3.0, 6.0, 6.0)))), (4.0, 4.0, 4.0))
    expected = both(mask, grid)
    for order, flips in arrangements()[:: 1 if grid_name == "usual" else 5]:
        stored, place = rearranged(mask, grid, order, flips)
        np.testing.assert_allclose(both(stored.astype(bool), place), expected, rtol=0, atol=1e-6)


def test_the_plane_of_measurement_is_the_patients_not_the_arrays() -> None:
    # Stored sagittally (k along L): a bar along S is 40 mm tall and 6 x 4 mm in the axial plane.
    grid = Geometry((12, 60, 20), (1.0, 1.0, 1.0), ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, 1.0, 0.0)), (0.0, 0.0, 0.0))
    mask = np.zeros(grid.shape, bool)
    mask[3:9, 10:50, 8:12] = True
    axes = axial_axes(mask, grid)
    # Mesh vertices of a 6 x 4 mm box: (+-3, +-1.5) and (+-2.5, +-2); the farthest two are hypot(6, 3) apart.
    assert axes.long.length_mm == pytest.approx(np.hypot(6, 3), abs=1e-9)
    assert axes.short.length_mm < 6
    # In space the farthest are those on the ends' faces or edges: max of hypot(40, 5, 3), hypot(39, 6, 3), hypot(39, 5, 4).
    assert max_3d_diameter(mask, grid).length_mm == pytest.approx((40**2 + 5**2 + 3**2) ** 0.5, abs=1e-9)


def test_a_hair_of_tilt_changes_nothing_visible() -> None:
    # Below the tolerance slices are taken as they are, above it they are sampled: the two must meet.
    values = []
    for degrees in (0.0, 0.05, 0.06, 0.2):
        grid = oblique_grid((30, 60, 60), (2.0, 0.8, 0.8), (0.0, 0.0, 0.0), False, (degrees, 0.0, 0.0))
        axes = axial_axes(ellipsoid(grid, centred(grid), (20.0, 14.0, 22.0), Rotation.from_euler("z", 30, degrees=True)), grid)
        values.append((axes.long.length_mm, axes.short.length_mm))
    assert np.ptp(values, axis=0).max() < 0.05


def test_one_voxel_is_as_long_as_its_edges() -> None:
    grid = identity((3, 3, 3), (2.5, 0.7, 0.9))
    mask = np.zeros(grid.shape, bool)
    mask[1, 1, 1] = True
    axes = axial_axes(mask, grid)
    assert (axes.long.length_mm, axes.short.length_mm) == pytest.approx((0.9, 0.7))
    assert max_3d_diameter(mask, grid).length_mm == pytest.approx(2.5)
    slanted = oblique_grid((3, 3, 3), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), True)
    axes = axial_axes(mask, slanted)
    # Between the inscribed sphere of the mesh's octahedron and its longest diagonal.
    assert 3**-0.5 <= axes.short.length_mm <= axes.long.length_mm <= 1 + 1e-9


@pytest.mark.parametrize(
    "keep",
    [
        pytest.param(lambda k, j, i: (k == 2) & (j == 3), id="a row"),
        pytest.param(lambda k, j, i: (k == j) & (j == i), id="a diagonal"),
        pytest.param(lambda k, j, i: k == 4, id="a slice"),
        pytest.param(lambda k, j, i: i == 4, id="a sagittal sheet"),
        pytest.param(lambda k, j, i: k + j + i == 12, id="a diagonal sheet"),
        pytest.param(lambda k, j, i: (i + j + k) % 5 == 0, id="scattered voxels"),
    ],
)
def test_flat_and_thin_masks_are_measured_like_any_other(keep) -> None:  # type: ignore[no-untyped-def]
    mask = keep(*np.meshgrid(np.arange(9), np.arange(9), np.arange(9), indexing="ij"))
    spacing = (1.5, 0.8, 0.8)
    grid = identity((9, 9, 9), spacing)
    expected = pdist(mesh_vertices(mask, (0, 1, 2)) * spacing).max()
    assert max_3d_diameter(mask, grid).length_mm == pytest.approx(expected, abs=1e-9)
    assert 0.8 <= axial_axes(mask, grid).long.length_mm <= expected + 1e-9
    assert axial_axes(mask, oblique_grid((9, 9, 9), spacing, (0.0, 0.0, 0.0), True)).long.length_mm <= expected + 0.15


def test_lines_may_cross_a_notch_but_end_on_the_lesion() -> None:
    # A U of 20 x 20 mm, open upwards, limbs 5 mm wide: the ruler goes from limb to limb.
    grid = identity((3, 40, 40), (3.0, 1.0, 1.0))
    mask = np.zeros(grid.shape, bool)
    mask[1, 10:30, 10:30] = True
    mask[1, 10:25, 15:25] = False
    axes = axial_axes(mask, grid)
    assert axes.long.length_mm == pytest.approx(np.hypot(20, 19), abs=1e-9)
    vertices = mesh_vertices(mask, (1, 2))
    for end in (*axes.long.ends, *axes.short.ends):
        assert np.abs(vertices - grid.to_index(np.asarray(end))).max(axis=1).min() <= 0.5


def test_an_empty_mask_is_refused_in_one_sentence() -> None:
    grid = identity((4, 4, 4))
    for measure in (axial_axes, max_3d_diameter):
        with pytest.raises(MaskError, match="empty"):
            measure(np.zeros(grid.shape, bool), grid)

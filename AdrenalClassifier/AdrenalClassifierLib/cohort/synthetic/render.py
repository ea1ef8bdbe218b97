"""A synthetic case as CT images with the reader's mask, and as a Lesion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.synthetic.acquisition import digitised, noise, sampled
from AdrenalClassifierLib.cohort.synthetic.anatomy import paint_body
from AdrenalClassifierLib.cohort.synthetic.body import Patient
from AdrenalClassifierLib.cohort.synthetic.canvas import Canvas
from AdrenalClassifierLib.cohort.synthetic.case import SyntheticCase
from AdrenalClassifierLib.cohort.synthetic.fields import SmoothField, Volume
from AdrenalClassifierLib.cohort.synthetic.look import SYNTHETIC_PHASES, Scan
from AdrenalClassifierLib.cohort.synthetic.shape import Shape, draw_shape, outlined
from AdrenalClassifierLib.cohort.synthetic.tissue import attenuation, draw_parts
from AdrenalClassifierLib.imaging.geometry import Geometry, identity
from AdrenalClassifierLib.imaging.images import CtImage, Phase, Segment
from AdrenalClassifierLib.imaging.lesion import LEAST_EXTENT_MM, MARGIN_MM, Lesion, extract_lesions

# Purposes of the random streams within a case: spawn keys, never to be renumbered.
FORM, OUTLINE, CONTENT, BODY, GRID, NOISE = 1, 2, 3, 4, 5, 10

TRUTH_STEP_MM = 1.0
MOST_POINTS = 5_000_000
"""A truth grid with more points than this gets a wider step."""
FIELD_MARGIN_MM = 6.0
"""The scan reaches this much further than the crop of a Lesion."""
TRUTH_MARGIN_MM = 6.0
FAT_PLANE_MM = (-0.1, 0.8)
"""Fat between a lesion and its neighbours: mean and SD in mm, between patients and again around one lesion; none below 0."""
FAT_PLANE_LENGTH_MM = 22.0
SEGMENT_NAME = "adrenal lesion (SYNTHETIC)"

Axes = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Scene:
    """The noise-free truth of a case.

    Attributes:
        axes: grid points (z, y, x) in mm from the lesion's centre.
        volumes: HU by phase, float32 (z, y, x).
        lesion: signed distance in mm to the lesion's surface, negative inside.
        shape: the lesion's form.
        outline: the form as the reader outlines it.
        centre: body coordinates (x, y, z) of the lesion's centre.
        half_field_mm: half extent (z, y, x) of the scans.
    """

    axes: Axes
    volumes: Mapping[Phase, Volume]
    lesion: Volume
    shape: Shape
    outline: Shape
    centre: tuple[float, float, float]
    half_field_mm: tuple[float, float, float]


@dataclass(frozen=True)
class RenderedCase:
    """CT images of a case by phase (int16, LPS, with air outside the body) and the reader's mask on one of their grids."""

    phases: Mapping[Phase, CtImage]
    mask: Segment


def build_scene(case: SyntheticCase, phases: Sequence[Phase] | None = None) -> Scene:
    """The attenuation of a case's surroundings and lesion in the given phases (all that exist when None)."""
    shape = draw_shape(case.stream(FORM), case.look, case.truth.diameter_mm)
    outline = outlined(case.stream(OUTLINE), shape, case.truth.measured_diameter_mm)
    reach = np.maximum(shape.reach_mm, outline.reach_mm)
    half_field = np.maximum(reach + MARGIN_MM, LEAST_EXTENT_MM / 2) + FIELD_MARGIN_MM
    axes = _truth_axes(half_field + TRUTH_MARGIN_MM)
    wanted = tuple(p for p in SYNTHETIC_PHASES if p in (case.phases if phases is None else phases))
    body = case.stream(BODY)
    patient = Patient(body, case.side)
    bed = patient.bed()
    centre = patient.lesion_centre(bed, shape.mean_radius_mm, case.truth.diameter_mm / 2)
    mean, spread = FAT_PLANE_MM
    unevenness = SmoothField(body, [float(a[0]) for a in axes], [float(a[-1]) for a in axes], FAT_PLANE_LENGTH_MM)
    usual = mean + spread * float(body.standard_normal())
    canvas = Canvas(axes, wanted, centre, bed, shape, unevenness, (usual, spread))
    paint_body(canvas, patient, case.look.strands)
    _paint_lesion(case, canvas, shape)
    return Scene(axes, canvas.volumes, canvas.lesion, shape, outline, centre, (half_field[0], half_field[1], half_field[2]))


def _truth_axes(half: NDArray[np.float64]) -> Axes:
    step = max(TRUTH_STEP_MM, float((np.prod(2 * half) / MOST_POINTS) ** (1 / 3)))
    counts = np.ceil(half / step).astype(int)
    z, y, x = (step * np.arange(-n, n + 1) for n in counts)
    return z, y, x


def _paint_lesion(case: SyntheticCase, canvas: Canvas, shape: Shape) -> None:
    box = canvas.around(np.asarray(shape.reach_mm) + case.look.margin_mm + 2 * canvas.step)
    axes = [a[s] for a, s in zip(canvas.axes, box, strict=True)]
    level = canvas.lesion[box]
    parts = draw_parts(case.stream(CONTENT), case.look, level, axes, shape.mean_radius_mm)
    mean = case.truth.hu + case.truth.lesion_error_hu
    tissue = attenuation(parts, case.look, level < 0, mean, tuple(canvas.volumes))
    canvas.paint_full(parts.inside, box, tissue)


def render_case(case: SyntheticCase, phases: Sequence[Phase] | None = None) -> RenderedCase:
    """The CT images and the mask of a case.

    A phase's voxels do not depend on which other phases are rendered.

    Args:
        case: from ``draw_cohort``.
        phases: which of the case's phases; all when None. The mask lies on the grid of ``case.mask_phase`` in any case.
    """
    wanted = tuple(p for p in case.phases if phases is None or p in phases)
    scene = build_scene(case, wanted)
    images = {phase: scanned(case, scene, phase) for phase in wanted}
    return RenderedCase(images, reader_mask(case, scene))


def voxel_grid(case: SyntheticCase, scene: Scene, phase: Phase) -> tuple[Geometry, Axes]:
    """A phase's grid in the patient, and its voxel centres (z, y, x) in mm from the lesion's centre."""
    scan = case.scans[phase]
    rng = case.stream(GRID)
    table = rng.normal([0, -165, -330], [8, 12, 60])
    starts = rng.random((len(SYNTHETIC_PHASES), 3))
    spacing = np.array([scan.increment_mm, scan.pixel_mm, scan.pixel_mm])
    counts = np.floor(2 * np.asarray(scene.half_field_mm) / spacing).astype(int)
    first = -spacing * (counts - 1) / 2 + spacing * (starts[SYNTHETIC_PHASES.index(phase)] - 0.5)
    z, y, x = (f + s * np.arange(n) for f, s, n in zip(first, spacing, counts, strict=True))
    # One table position for all phases: they share the patient's frame of reference.
    origin = [round(float(t + c + a[0]), 3) for t, c, a in zip(table, scene.centre, (x, y, z), strict=True)]
    shape = (int(counts[0]), int(counts[1]), int(counts[2]))
    grid = identity(shape, (scan.increment_mm, scan.pixel_mm, scan.pixel_mm), (origin[0], origin[1], origin[2]))
    return grid, (z, y, x)


def scanned(case: SyntheticCase, scene: Scene, phase: Phase) -> CtImage:
    """One phase as the scanner gives it."""
    scan: Scan = case.scans[phase]
    geometry, axes = voxel_grid(case, scene, phase)
    dx, dy, dz = scan.shift_mm
    moved = (axes[0] - dz, axes[1] - dy, axes[2] - dx)
    volume = sampled(scan, scene.volumes[phase], scene.axes, moved)
    volume += noise(case.stream(NOISE + SYNTHETIC_PHASES.index(phase)), scan, geometry.shape)
    return CtImage(digitised(volume, scan.offset_hu), geometry, phase)


def reader_mask(case: SyntheticCase, scene: Scene) -> Segment:
    """The lesion as a reader outlined it on ``case.mask_phase``."""
    geometry, axes = voxel_grid(case, scene, case.mask_phase)
    mask = np.zeros(geometry.shape, bool)
    box = tuple(
        slice(int(np.searchsorted(a, -r)), int(np.searchsorted(a, r))) for a, r in zip(axes, scene.outline.reach_mm, strict=True)
    )
    mask[box] = scene.outline.distance([a[s] for a, s in zip(axes, box, strict=True)]) < 0
    return Segment(1, SEGMENT_NAME, mask, geometry, case.side)


def lesion_of(case: SyntheticCase) -> Lesion:
    """The case as the unit of work of everything downstream, with the voxel values that ``write_synthetic`` puts on disk."""
    rendered = render_case(case)
    main = rendered.phases[case.mask_phase]
    others = {phase: image for phase, image in rendered.phases.items() if phase != case.mask_phase}
    (lesion,) = extract_lesions(main, [rendered.mask], others)
    return lesion

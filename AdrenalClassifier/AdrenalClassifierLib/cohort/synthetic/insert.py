"""Put a synthetic lesion into a real CT: soft tissue gives way, the edge is blurred and the noise continued as in the scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from AdrenalClassifierLib.cohort.synthetic.acquisition import LOWEST_HU, noise, sampled
from AdrenalClassifierLib.cohort.synthetic.body import outward_direction
from AdrenalClassifierLib.cohort.synthetic.case import SyntheticCase
from AdrenalClassifierLib.cohort.synthetic.fields import Volume
from AdrenalClassifierLib.cohort.synthetic.look import SYNTHETIC_PHASES, Scan
from AdrenalClassifierLib.cohort.synthetic.noise_texture import NoiseEstimate, estimate_noise
from AdrenalClassifierLib.cohort.synthetic.render import CONTENT, FORM, NOISE, OUTLINE, SEGMENT_NAME
from AdrenalClassifierLib.cohort.synthetic.shape import Shape, draw_shape, outlined
from AdrenalClassifierLib.cohort.synthetic.tissue import attenuation, draw_parts
from AdrenalClassifierLib.errors import CohortError, GeometryError
from AdrenalClassifierLib.imaging.images import CtImage, HuArray, Phase, Segment

BONE_HU = 250.0
BONE_REACH_MM = 5.0
"""Bone does not give way, nor does what lies this near to it."""
STEP_MM = 0.8
"""Grid on which the lesion is computed before it is sampled onto the scan."""
PUSH_RADII = 2.0
"""The push has faded out at this distance from the surface, in mean radii of the lesion."""
INTERPOLATION_LOSS = 0.35
"""Share of the noise variance that cubic interpolation takes from moved tissue, on average over shifts."""


@dataclass(frozen=True)
class LesionPlan:
    """A case's lesion placed in a patient.

    Attributes:
        shape: its form.
        outline: the form as the reader outlines it.
        centre_lps: position in mm of its centre.
    """

    shape: Shape
    outline: Shape
    centre_lps: tuple[float, float, float]


def plan_lesion(
    case: SyntheticCase, bed_lps: tuple[float, float, float], centre_lps: tuple[float, float, float] | None = None
) -> LesionPlan:
    """Where a case's lesion comes to lie in a real patient; arguments as ``insert_lesion``."""
    shape = draw_shape(case.stream(FORM), case.look, case.truth.diameter_mm)
    outline = outlined(case.stream(OUTLINE), shape, case.truth.measured_diameter_mm)
    if centre_lps is None:
        outward = outward_direction(case.side)
        x, y, z = np.asarray(bed_lps, float) + outward * max(0.0, 0.75 * shape.mean_radius_mm - 9.0)
        centre_lps = (float(x), float(y), float(z))
    return LesionPlan(shape, outline, centre_lps)


def insert_lesion(
    background: CtImage,
    bed_lps: tuple[float, float, float],
    case: SyntheticCase,
    phase: Phase | None = None,
    centre_lps: tuple[float, float, float] | None = None,
) -> tuple[CtImage, Segment]:
    """A real CT with the case's lesion in it, and the reader's mask on the same grid.

    Soft tissue around the lesion is pushed aside (as in ``canvas``, fading out two radii from its surface), bone stays. The
    lesion is blurred by the scan's own slice thickness and point spread, and carries noise of the SD and texture that the scan
    has beside it. Voxels further away keep their values.

    Args:
        background: the scan, in any orientation; its axis nearest to the patient's superior one counts as axial.
        bed_lps: LPS position in mm of the normal gland. A large lesion grows from there forwards and outwards.
        case: whose lesion; its side should be that of the bed.
        phase: contrast phase of the scan; None takes ``background.phase``.
        centre_lps: where the lesion's centre comes to lie, instead of the place that follows from the bed.

    Returns:
        The CT (type of the background's voxels) and the mask as segment 1, named SYNTHETIC.

    Raises:
        CohortError: the phase is unknown or one that the generator does not have.
        GeometryError: the lesion does not lie within the scan.
    """
    phase = phase or background.phase
    return insert_planned(background, plan_lesion(case, bed_lps, centre_lps), case, phase)


def insert_planned(background: CtImage, plan: LesionPlan, case: SyntheticCase, phase: Phase) -> tuple[CtImage, Segment]:
    """As ``insert_lesion`` for a lesion whose place is decided."""
    if phase not in SYNTHETIC_PHASES:
        raise CohortError(f"Say which contrast phase the background is: {', '.join(SYNTHETIC_PHASES)}.")
    grid = background.geometry
    order, flips = _patient_order(background)
    hu = background.hu.transpose(order)[flips]
    spacing = np.array([grid.spacing[a] for a in order])
    middle = grid.to_index(np.asarray(plan.centre_lps, float))[list(order)]
    size = np.array(hu.shape)
    middle = np.where([f.step == -1 for f in flips], size - 1 - middle, middle)
    axes = [(np.arange(n) - m) * s for n, m, s in zip(size, middle, spacing, strict=True)]
    reach = np.maximum(plan.shape.reach_mm, plan.outline.reach_mm)
    for axis, half in zip(axes, reach, strict=True):
        if axis[0] > -half or axis[-1] < half:
            raise GeometryError("The lesion does not lie within the scan; choose another position or a smaller lesion.")
    # Work where anything changes.
    far = reach + PUSH_RADII * plan.shape.mean_radius_mm + 2 * spacing
    box = tuple(slice(int(np.searchsorted(a, -f)), int(np.searchsorted(a, f)) + 1) for a, f in zip(axes, far, strict=True))
    near = [a[s] for a, s in zip(axes, box, strict=True)]
    changed = _composed(np.asarray(hu[box], np.float32), near, plan, case, phase, spacing)
    out = hu.astype(np.float32)
    out[box] = np.rint(changed) if hu.dtype == np.int16 else changed
    mask = np.zeros(hu.shape, bool)
    mask[box] = plan.outline.distance(near) < 0
    back = np.argsort(order)
    whole = np.ascontiguousarray(out[flips].transpose(back))
    restored: HuArray = whole.astype(np.int16) if background.hu.dtype == np.int16 else whole
    image = CtImage(restored, grid, phase, background.frame_of_reference, background.notices)
    segment = Segment(1, SEGMENT_NAME, np.ascontiguousarray(mask[flips].transpose(back)), grid, case.side)
    return image, segment


def _patient_order(image: CtImage) -> tuple[tuple[int, int, int], tuple[slice, slice, slice]]:
    """Array axes in the order superior, posterior, left, and the flips that make them run that way."""
    left, posterior, superior = image.geometry.aligned_to_axes()
    order = (superior, posterior, left)
    directions = [image.geometry.axes[a][2 - n] for n, a in enumerate(order)]
    z, y, x = (slice(None, None, -1) if d < 0 else slice(None, None, 1) for d in directions)
    return order, (z, y, x)


def _composed(
    hu: Volume, axes: list[NDArray[np.float64]], plan: LesionPlan, case: SyntheticCase, phase: Phase, spacing: NDArray[np.float64]
) -> Volume:
    """The scan's box (z, y, x) with the lesion in it, in HU."""
    distance = plan.shape.distance(axes)
    estimate = estimate_noise(hu, distance, spacing)
    pushed, moved = _pushed(hu, axes, distance, plan.shape, spacing)
    scan = _scan(estimate, spacing)
    cover, content = _lesion_on(axes, plan, case, phase, scan)
    grain = noise(case.stream(NOISE + SYNTHETIC_PHASES.index(phase)), scan, (hu.shape[0], hu.shape[1], hu.shape[2]))
    # Mixing keeps (1 - cover)**2 of the noise variance, interpolation a part of that; what was lost is put back.
    kept = (1 - np.clip(cover, 0, 1)) ** 2 * (1 - np.float32(INTERPOLATION_LOSS) * moved)
    out = (1 - cover) * pushed + content + np.sqrt(1 - kept) * grain
    return np.asarray(np.maximum(out, LOWEST_HU), np.float32)


def _pushed(
    hu: Volume, axes: list[NDArray[np.float64]], distance: Volume, shape: Shape, spacing: NDArray[np.float64]
) -> tuple[Volume, Volume]:
    """Tissue pushed aside by the lesion, and 0..1 where it was interpolated."""
    local = (axes[0][:, None, None], axes[1][None, :, None], axes[2][None, None, :])
    ratio = np.maximum(distance, 0) / np.float32(shape.mean_radius_mm) + 1
    give = 1 - np.cbrt(1 - 1 / ratio**3)
    bone = ndimage.binary_opening(hu > BONE_HU, np.ones((1, 3, 3)))
    stiff = np.clip(1 - ndimage.distance_transform_edt(~bone, sampling=spacing) / BONE_REACH_MM, 0, 1) if bone.any() else 0.0
    away = 1 - np.clip(np.maximum(distance, 0) / np.float32(PUSH_RADII * shape.mean_radius_mm), 0, 1)
    # Where the scan ends early the push fades out before its border.
    edge = [np.clip((len(a) / 2 - np.abs(np.arange(len(a)) - (len(a) - 1) / 2)) / 6, 0, 1) for a in axes]
    fade = edge[0][:, None, None] * edge[1][None, :, None] * edge[2][None, None, :]
    give = (give * (1 - stiff) * fade * away * away).astype(np.float32)
    index = [
        np.arange(n).reshape([-1 if a == b else 1 for b in range(3)]) - give * (x / s)
        for a, (n, x, s) in enumerate(zip(hu.shape, local, spacing, strict=True))
    ]
    shift = np.sqrt(sum(((give * x / s) ** 2 for x, s in zip(local, spacing, strict=True)), start=np.float32(0)))
    # Below a twentieth of a voxel nothing is moved.
    moved = np.clip((shift - 0.05) / 0.25, 0, 1).astype(np.float32)
    warped = ndimage.map_coordinates(hu, index, order=3, mode="nearest", output=np.float32)
    return np.where(moved > 0, warped, hu), moved


def _scan(estimate: NoiseEstimate, spacing: NDArray[np.float64]) -> Scan:
    """The scan's acquisition as far as it shows: slices as thick as they are apart, kernel and noise as estimated."""
    thickness, pixel = float(spacing[0]), float(np.sqrt(spacing[1] * spacing[2]))
    return Scan(thickness, thickness, pixel, estimate.kernel, estimate.sd_hu, 0.0, (0.0, 0.0, 0.0))


def _lesion_on(
    axes: list[NDArray[np.float64]], plan: LesionPlan, case: SyntheticCase, phase: Phase, scan: Scan
) -> tuple[Volume, Volume]:
    """Share of each voxel that the lesion takes (above 1 where a kernel enhances edges), and its attenuation times that share."""
    reach = np.asarray(plan.shape.reach_mm) + case.look.margin_mm + scan.thickness_mm + 4.0
    step = max(STEP_MM, float((np.prod(2 * reach) / 4e6) ** (1 / 3)))
    fine = [step * np.arange(-int(np.ceil(r / step)), int(np.ceil(r / step)) + 1) for r in reach]
    level = plan.shape.distance(fine)
    singles = [a.astype(np.float32) for a in fine]
    parts = draw_parts(case.stream(CONTENT), case.look, level, singles, plan.shape.mean_radius_mm)
    mean = case.truth.hu + case.truth.lesion_error_hu
    tissue = attenuation(parts, case.look, level < 0, mean, (phase,))[phase]
    # Outside the fine grid there is no lesion; its border is zero already.
    return sampled(scan, parts.inside, fine, axes), sampled(scan, parts.inside * tissue, fine, axes)

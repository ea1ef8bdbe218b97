"""Everything that is measured on a lesion, by one call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, ImageReadError
from AdrenalClassifierLib.imaging.attenuation import CALCIUM_ENHANCED_ABOVE_HU, core_of, statistics, tissue
from AdrenalClassifierLib.imaging.axial_planes import filled_box
from AdrenalClassifierLib.imaging.diameters import axial_axes, max_3d_diameter
from AdrenalClassifierLib.imaging.geometry import Vector
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.imaging.washout import washout
from AdrenalClassifierLib.notices import Notice

LEAST_COVERAGE = 0.5
"""Design: a further phase that covers less of the lesion than this says nothing about it."""
FEW_VOXELS = 100
"""Design: below this one voxel more or less changes the volume by over 1 % and the diameters by a tenth."""
FEW_SLICES = 3
"""Design: on fewer slices the extent across them is known to no better than half."""
THICK_SLICE_MM = 5.0
"""RECIST 1.1: CT slices should not be thicker than 5 mm [Eisenhauer, Eur J Cancer 2009;45:228]."""

Ends = tuple[Vector, Vector]


@dataclass(frozen=True)
class Measurements:
    """The measurements of one lesion. A value that does not exist is None.

    Attributes:
        volume_ml: number of voxels times the voxel's volume (IBSI YEKZ), mL.
        long_axis_mm: longest diameter in an axial plane of the patient (RECIST 1.1), see ``diameters.axial_axes``.
        short_axis_mm: longest diameter perpendicular to it in the same plane (WHO, RECIST).
        max_3d_diameter_mm: largest distance between two mesh vertices (IBSI L0JK), never less than the long axis.
        mean_hu: mean of the whole mask on ``phase`` (IBSI Q4LE).
        core_mean_hu: mean of the core on ``phase``, the usual region of interest (``attenuation.core_of``); of the whole mask,
            with a notice, when the lesion is too small for a core.
        sd_hu: population standard deviation of the whole mask (root of IBSI ECT3).
        median_hu: IBSI Y12H.
        p10_hu: IBSI QG58.
        p90_hu: IBSI 8DWT.
        fat_fraction: share of the core below -30 HU on ``tissue_phase``, after averaging over 5 mm (``attenuation.tissue``).
        fluid_fraction: share of the core at 0-20 HU, likewise. On an enhanced phase: tissue that did not enhance.
        calcium_fraction: share of the mask in groups of voxels above 130 HU (unenhanced); above 300 HU on any other phase.
        homogeneous: whether noise explains what varies in the core on ``tissue_phase``; None when too small to tell.
        absolute_washout_percent: see ``washout.washout``; on the voxels of the core that all phases cover.
        relative_washout_percent: likewise.
        phase: of the CT that was measured.
        voxel_count: voxels of the mask.
        spontaneous_hu: mean of the core on the unenhanced phase, whether main or further; None without one. The core, since the
            10 HU rule stands on regions of interest that leave the edges out.
        portal_hu: mean of the core on the portal phase, where there is one.
        delayed_hu: mean of the core on the delayed phase, where there is one.
        tissue_phase: the phase on which fractions and homogeneity were found: the unenhanced where there is one, else ``phase``.
        long_axis_ends_mm: end points of the long axis, LPS mm.
        short_axis_ends_mm: end points of the short axis, LPS mm.
        max_3d_diameter_ends_mm: end points of the maximum 3D diameter, LPS mm.
        notices: what limits these numbers; not part of the JSON.
    """

    volume_ml: float
    long_axis_mm: float
    short_axis_mm: float
    max_3d_diameter_mm: float
    mean_hu: float
    core_mean_hu: float
    sd_hu: float
    median_hu: float
    p10_hu: float
    p90_hu: float
    fat_fraction: float
    fluid_fraction: float
    calcium_fraction: float
    homogeneous: bool | None
    absolute_washout_percent: float | None
    relative_washout_percent: float | None
    phase: Phase
    voxel_count: int
    spontaneous_hu: float | None
    portal_hu: float | None
    delayed_hu: float | None
    tissue_phase: Phase
    long_axis_ends_mm: Ends
    short_axis_ends_mm: Ends
    max_3d_diameter_ends_mm: Ends
    notices: tuple[Notice, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON in full precision: None becomes null, points become lists; no NaN. Without ``notices``."""
        return {f.name: _plain(getattr(self, f.name)) for f in fields(self) if f.name != "notices"}

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Measurements:
        """Inverse of ``to_json``, without ``notices``. Raises KeyError, TypeError or ValueError for an object that is none."""
        ends = {name: _ends(value[name]) for name in value if name.endswith("_ends_mm")}
        return Measurements(**{**value, **ends})


def measure(lesion: Lesion) -> Measurements:
    """Measure a lesion. Only the mask's bounding box is looked at, so cost follows the size of the lesion.

    Returns:
        the measurements; what limits them stands in ``notices``.

    Raises:
        MaskError: the mask is empty.
        GeometryError: CT, mask and grid do not have the same shape.
        ImageReadError: the CT has a value that is not a number inside the mask.
    """
    if not lesion.ct.shape == lesion.mask.shape == lesion.geometry.shape:
        raise GeometryError("The CT, the mask and the grid of the lesion differ in size; cut the lesion out of the CT again.")
    mask = np.asarray(lesion.mask, bool)
    box = filled_box(mask)
    part = tuple(slice(a, b) for a, b in zip(*box, strict=True))
    mask, geometry = mask[part], lesion.geometry.crop(*box)
    phases: dict[Phase, NDArray[np.floating]] = {role: volume[part] for role, volume in lesion.others.items()}
    phases[lesion.phase] = lesion.ct[part]
    values = phases[lesion.phase][mask]
    if not np.isfinite(values).all():
        raise ImageReadError("The CT contains values that are not numbers inside the lesion; export the series again.")

    axes, longest = axial_axes(mask, geometry), max_3d_diameter(mask, geometry)
    if axes.long.length_mm > longest.length_mm:
        # On an oblique grid the plane cuts the interpolated mask, which bulges a few hundredths of a voxel out of the mesh.
        longest = axes.long
    core = core_of(mask, geometry)
    region = mask if core is None else core
    whole = statistics(values)
    notices = [*_size_notices(lesion, mask, axes.short.length_mm)]
    if core is None:
        text = "The lesion is too small to leave its edge out; attenuation is that of the whole mask, edge included."
        notices.append(Notice("core_too_small", text))

    usable = {}
    for role, hu in phases.items():
        covered = float(np.isfinite(hu[mask]).mean())
        if covered < 1:
            notices.append(Notice("phase_partly_outside", f"The {role} CT covers only {100 * covered:.0f} % of the lesion."))
        if covered >= LEAST_COVERAGE and np.isfinite(hu[region]).any():
            usable[role] = hu[region].astype(np.float64)
        else:
            notices.append(Notice("phase_left_out", f"The {role} CT covers too little of the lesion; it is left out."))
    means = {role: float(hu[np.isfinite(hu)].mean()) for role, hu in usable.items()}

    ratio = washout(*_means_of_common(usable))
    notices.extend(ratio.notices)
    tissue_phase: Phase = "unenhanced" if "unenhanced" in usable else lesion.phase
    made_of = tissue(phases[tissue_phase], mask, core, geometry, tissue_phase)
    notices.extend(_phase_notices(lesion.phase, tissue_phase))
    return Measurements(
        volume_ml=float(values.size * geometry.voxel_volume_mm3 / 1000),
        long_axis_mm=axes.long.length_mm,
        short_axis_mm=axes.short.length_mm,
        max_3d_diameter_mm=longest.length_mm,
        mean_hu=whole.mean,
        core_mean_hu=means[lesion.phase],
        sd_hu=whole.sd,
        median_hu=whole.median,
        p10_hu=whole.p10,
        p90_hu=whole.p90,
        fat_fraction=made_of.fat,
        fluid_fraction=made_of.fluid,
        calcium_fraction=made_of.calcium,
        homogeneous=made_of.homogeneous,
        absolute_washout_percent=ratio.absolute_percent,
        relative_washout_percent=ratio.relative_percent,
        phase=lesion.phase,
        voxel_count=int(values.size),
        spontaneous_hu=means.get("unenhanced"),
        portal_hu=means.get("portal"),
        delayed_hu=means.get("delayed"),
        tissue_phase=tissue_phase,
        long_axis_ends_mm=axes.long.ends,
        short_axis_ends_mm=axes.short.ends,
        max_3d_diameter_ends_mm=longest.ends,
        notices=tuple(notices),
    )


def _means_of_common(usable: dict[Phase, NDArray[np.float64]]) -> list[float | None]:
    """Means of the unenhanced, portal and delayed phase over the voxels that all of those at hand cover."""
    wanted: tuple[Phase, ...] = ("unenhanced", "portal", "delayed")
    at_hand = [usable[role] for role in wanted if role in usable]
    if not at_hand:
        return [None, None, None]
    common = np.isfinite(np.stack(at_hand)).all(axis=0)
    if not common.any():
        return [None, None, None]
    return [float(usable[role][common].mean()) if role in usable else None for role in wanted]


def _size_notices(lesion: Lesion, mask: NDArray[np.bool_], short_axis_mm: float) -> Iterable[Notice]:
    up = lesion.geometry.aligned_to_axes()[2]
    slice_mm = lesion.geometry.spacing[up]
    in_plane = max(s for axis, s in enumerate(lesion.geometry.spacing) if axis != up)
    voxels = int(np.count_nonzero(mask))
    if voxels < FEW_VOXELS:
        count = "1 voxel" if voxels == 1 else f"{voxels} voxels"
        yield Notice("few_voxels", f"The mask has only {count}; size and attenuation are rough.")
    if short_axis_mm <= in_plane * (1 + 1e-6):
        yield Notice("one_voxel_wide", "The lesion is one voxel wide in its axial plane; its axes are no better than the voxel.")
    if mask.shape[up] < FEW_SLICES:
        count = "1 slice" if mask.shape[up] == 1 else f"{mask.shape[up]} slices"
        yield Notice("few_slices", f"The lesion lies on only {count}; its volume and maximum 3D diameter are rough.")
    if slice_mm > THICK_SLICE_MM:
        text = f"The slices are {slice_mm:.3g} mm apart, more than the {THICK_SLICE_MM:.0f} mm that RECIST 1.1 allows for CT."
        yield Notice("thick_slices", text)


def _phase_notices(phase: Phase, tissue_phase: Phase) -> Iterable[Notice]:
    if phase == "unknown":
        text = "The contrast phase of the CT is not known, so it gives no spontaneous attenuation and no washout; give the phase."
        yield Notice("phase_unknown", text)
    if tissue_phase != "unenhanced":
        text = (
            f"Calcium was sought above {CALCIUM_ENHANCED_ABOVE_HU:.0f} HU because contrast material may be present; fainter "
            "calcifications are missed."
        )
        yield Notice("calcium_threshold_raised", text)


def _plain(value: Any) -> Any:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _ends(value: Any) -> Ends:
    (a, b, c), (d, e, f) = value
    return (a, b, c), (d, e, f)

"""The upper abdomen around an adrenal bed: smooth organs at random positions and sizes, with attenuation by phase."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from AdrenalClassifierLib.cohort.synthetic.body import Patient, soft
from AdrenalClassifierLib.cohort.synthetic.canvas import (
    Canvas,
    Distance,
    both,
    column,
    either,
    ellipsoid,
    finer,
    tube,
    without,
)
from AdrenalClassifierLib.cohort.synthetic.fields import Volume, blend_tubes, smooth_field
from AdrenalClassifierLib.cohort.synthetic.midline import paint_gland, paint_midline, paint_spine
from AdrenalClassifierLib.imaging.images import Phase


def paint_body(canvas: Canvas, patient: Patient, strands: float) -> None:
    """Paint everything but the lesion: fat and its strands, wall and lung, organs of the side, vessels, spine.

    Args:
        canvas: where.
        patient: whose.
        strands: extra strands in the fat near the lesion, 0 to 1.
    """
    _paint_fat(canvas, patient, strands)
    _paint_wall(canvas, patient)
    if patient.sign > 0:
        _paint_left(canvas, patient)
    else:
        _paint_right(canvas, patient)
    _paint_kidney(canvas, patient)
    paint_midline(canvas, patient)
    paint_gland(canvas, patient)
    paint_spine(canvas, patient)


def _paint_fat(canvas: Canvas, patient: Patient, strands: float) -> None:
    base = finer(smooth_field(patient.rng, [a[::2] for a in canvas.axes], 25.0))
    fine = blend_tubes(smooth_field(patient.rng, canvas.axes, 11.0), smooth_field(patient.rng, canvas.axes, 13.0), 0.13)
    for phase, volume in canvas.volumes.items():
        fat, vessel = patient.hu["fat"][phase], 0.7 * patient.hu["blood"][phase]
        np.multiply(base, 5, out=volume)
        volume += np.float32(fat)
        volume += fine * (vessel - volume)
    inflamed = blend_tubes(smooth_field(patient.rng, canvas.axes, 6.0), smooth_field(patient.rng, canvas.axes, 6.0), 0.3)
    inflamed *= finer(np.exp(-((canvas.near / np.float32(18)) ** 2))) * np.float32(strands * 70)
    for volume in canvas.volumes.values():
        volume += inflamed


def _paint_wall(canvas: Canvas, patient: Patient) -> None:
    """Skin, subcutaneous fat, muscle of the wall with ribs, lung recess above the diaphragm."""
    near, hu = patient.near, patient.hu
    middle = near(-32, 3)
    skin = column((0, middle), (near(162, 6), near(112, 5)))
    muscle = column((0, middle), (near(144, 4), near(96, 4)))
    cavity = column((0, middle), (near(135, 3), near(87, 3)))
    dome = ellipsoid((0, middle, near(-50, 6)), (near(140, 3), near(93, 3), near(118, 6)))
    lung = without(cavity, dome)
    box = canvas.box_of(lung)
    if box is not None:
        weight = canvas.weight(finer(canvas.level(lung, box)), box, 1.0)
        texture = smooth_field(patient.rng, canvas.points(box), 5.0)
        canvas.paint(weight, box, {p: hu["lung"][p] + 28 * texture for p in canvas.volumes})
    diaphragm = both(cavity, without(dome, ellipsoid((0, middle, near(-50, 0)), (near(137, 0), near(90, 0), near(115, 0)))))
    canvas.organ(diaphragm, hu["muscle"])
    canvas.organ(without(muscle, cavity), hu["muscle"], half_width=1.0)
    phase = float(patient.rng.random())

    def rib(x: Volume, y: Volume, z: Volume) -> Volume:
        ring = (cavity(x, y, z) - np.float32(4)) / 5
        angle = np.arctan2(x * np.float32(patient.sign), -(y - np.float32(middle)) + np.float32(1e-6))
        turn = (z / 26 - angle * np.float32(1.3) + np.float32(phase)) % 1
        height = (turn - np.float32(0.5)) * np.float32(26 / 6.5)
        out: Volume = (np.sqrt(ring * ring + height * height) - 1) * 5
        return out

    box = canvas.box_of(rib)
    if box is not None:
        level = finer(canvas.level(rib, box))
        canvas.paint(canvas.weight(level, box), box, hu["bone"])
        canvas.paint(canvas.weight(level + np.float32(1.8), box), box, hu["marrow"])
    outside: Distance = lambda x, y, z: -skin(x, y, z)  # noqa: E731
    canvas.organ(outside, hu["air"])


def _paint_left(canvas: Canvas, patient: Patient) -> None:
    rng, hu, place = patient.rng, patient.hu, patient.place
    spleen = ellipsoid(place(104, 10, 18, 4), (patient.near(30, 3), patient.near(50, 4), patient.near(52, 5)), -25, (0.1, 0))
    _textured(canvas, patient, soft(canvas, spleen), "spleen", 3.0)
    _hollow(canvas, patient, place(62, -84, 22, 5), (44, 30, 48), wall=5.0, gas=0.35)
    pancreas = ellipsoid(place(52, -58, -6, 4), (patient.near(46, 4), patient.near(9, 1), patient.near(13, 2)), -20, (0, 0.1))
    _textured(canvas, patient, soft(canvas, pancreas), "pancreas", 9.0, lobes=5.0)
    x, y, z = place(20, -48, -2, 2)
    canvas.organ(soft(canvas, tube((x, y, z), place(88, -34, 6, 3), patient.near(4, 0.7))), hu["blood"])
    canvas.organ(soft(canvas, tube(place(8, -34, -34, 2), place(50, -6, -38, 3), patient.near(4.2, 0.6))), hu["blood"])
    for _ in range(3):
        centre = place(70 + 45 * rng.random(), -70 - 35 * rng.random(), -50 + 30 * rng.random(), 4)
        _hollow(canvas, patient, centre, (18, 17, 21), wall=3.0, gas=0.55)


def _paint_right(canvas: Canvas, patient: Patient) -> None:
    rng, hu, place = patient.rng, patient.hu, patient.place
    bulk = ellipsoid(place(98, -42, 22, 4), (patient.near(66, 4), patient.near(70, 4), patient.near(92, 6)), 12)
    bx, by, _ = canvas.bed
    # The gland lies behind the liver's bare area: nothing of the liver medial and posterior of it.
    plane: Distance = lambda x, y, z: 0.8 * (x - np.float32(bx)) + 0.6 * (y - np.float32(by)) + 4 + 0 * z  # noqa: E731
    liver = both(bulk, plane, rounding=30.0)
    left_lobe = ellipsoid(place(15, -96, 34, 5), (patient.near(80, 6), patient.near(26, 3), patient.near(48, 5)), 5)
    vena_cava = column((-patient.near(21, 1), -patient.near(29, 1)), (patient.near(13, 1), patient.near(10, 1)))
    _textured(canvas, patient, soft(canvas, without(either(liver, left_lobe), vena_cava)), "liver", 4.0, vessels=True)
    portal = tube(place(8, -52, -14, 2), place(52, -58, 22, 3), patient.near(6.5, 0.8))
    canvas.organ(soft(canvas, portal), hu["blood"])
    _hollow(canvas, patient, place(38, -58, -42, 4), (17, 15, 24), wall=3.0, gas=0.2)
    canvas.organ(soft(canvas, tube(place(16, -32, -36, 2), place(48, -6, -40, 3), patient.near(4.2, 0.6))), hu["blood"])
    for _ in range(2):
        centre = place(60 + 35 * rng.random(), -66 - 20 * rng.random(), -82 + 20 * rng.random(), 4)
        _hollow(canvas, patient, centre, (19, 18, 22), wall=3.0, gas=0.55)


def _textured(
    canvas: Canvas,
    patient: Patient,
    distance: Distance,
    tissue: str,
    texture_hu: float,
    lobes: float = 0.0,
    vessels: bool = False,
) -> None:
    """A parenchyma with texture, optionally lobulated (fat between lobes) or with vessels inside."""
    box = canvas.box_of(distance)
    if box is None:
        return
    axes = canvas.points(box)
    level = finer(canvas.level(distance, box))
    texture = smooth_field(patient.rng, axes, 6.0)
    if lobes:
        level = level + np.float32(0.45 * lobes) * smooth_field(patient.rng, axes, lobes)
    hu = patient.hu[tissue]
    values: Mapping[Phase, Volume] = {p: hu[p] + texture_hu * texture for p in canvas.volumes}
    if vessels:
        network = blend_tubes(smooth_field(patient.rng, axes, 19.0), smooth_field(patient.rng, axes, 23.0), 0.28)
        values = {p: v + network * (patient.hu["blood"][p] - v) for p, v in values.items()}
    canvas.paint(canvas.weight(level, box, 0.8), box, values)


def _hollow(
    canvas: Canvas,
    patient: Patient,
    centre: tuple[float, float, float],
    half: tuple[float, float, float],
    wall: float,
    gas: float,
) -> None:
    """Stomach or bowel: wall, content, gas above a level (the patient lies on the back)."""
    rng, hu = patient.rng, patient.hu
    size = [patient.near(h, 0.1 * h) for h in half]
    outer = ellipsoid(centre, (size[0], size[1], size[2]), 30 * rng.standard_normal())
    ripple = 0.0 if wall > 4 else 1.5
    box = canvas.box_of(soft(canvas, outer))
    share = float(rng.random()) * 2 * gas
    if box is None:
        rng.standard_normal(2)
        return
    axes = canvas.points(box)
    level = finer(canvas.level(soft(canvas, outer), box))
    if ripple:
        level += np.float32(ripple) * smooth_field(rng, axes, 8.0)
    canvas.paint(canvas.weight(level, box, 0.6), box, hu["bowel_wall"])
    inner = level + np.float32(wall * 0.8)
    stir = smooth_field(rng, axes, 9.0)
    canvas.paint(canvas.weight(inner, box, 0.6), box, {p: hu["bowel_content"][p] + 8 * stir for p in canvas.volumes})
    surface = finer(canvas.coordinates(box)[1] - np.float32(centre[1] + size[1] * (2 * share - 1)))
    canvas.paint(canvas.weight(np.maximum(inner, surface), box), box, hu["gas"])


def _paint_kidney(canvas: Canvas, patient: Patient) -> None:
    """Cortex, medullary pyramids, sinus fat and collecting system."""
    near, hu = patient.near, patient.hu
    lower = -48.0 if patient.sign > 0 else -58.0
    centre = patient.place(58, 10, lower, 3.5)
    half = (near(27, 2), near(25, 2), near(55, 3))
    lean = (-0.18 * patient.sign, -0.12)
    turn = -28.0 * patient.sign
    whole = soft(canvas, ellipsoid(centre, half, turn, lean))
    box = canvas.box_of(whole)
    if box is None:
        return
    axes = canvas.points(box)
    level = finer(canvas.level(whole, box))
    canvas.paint(canvas.weight(level, box, 0.7), box, hu["cortex"])
    pyramids = np.clip(smooth_field(patient.rng, axes, 9.0) * 2 + 1.2, 0, 1)
    deep = canvas.weight(level + np.float32(near(7, 0.7)), box, 1.2) * pyramids
    canvas.paint(deep, box, hu["medulla"])
    sx = centre[0] - 9 * patient.sign
    sinus = ellipsoid((sx, centre[1] - 5, centre[2]), (half[0] * 0.62, half[1] * 0.5, half[2] * 0.6), turn, lean)
    inside = canvas.weight(np.maximum(finer(canvas.level(sinus, box)), level + 8), box, 1.5)
    canvas.paint(inside, box, hu["fat"])
    calyces = blend_tubes(smooth_field(patient.rng, axes, 12.0), smooth_field(patient.rng, axes, 14.0), 0.5)
    canvas.paint(inside * calyces, box, hu["urine"])

"""The middle of the upper abdomen: great vessels, crura, psoas, the gland, and the rigid spine."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from AdrenalClassifierLib.cohort.synthetic.body import Patient, soft
from AdrenalClassifierLib.cohort.synthetic.canvas import Canvas, Distance, both, column, either, ellipsoid, finer, tube, without
from AdrenalClassifierLib.cohort.synthetic.fields import Volume, smooth_field
from AdrenalClassifierLib.cohort.synthetic.look import SYNTHETIC_PHASES
from AdrenalClassifierLib.imaging.images import Phase

BONE_TEXTURE_MM = 2.0
AORTIC_CALCIUM_HU = 450.0


def paint_midline(canvas: Canvas, patient: Patient) -> None:
    """Aorta with its wall, inferior vena cava, crura of the diaphragm, psoas."""
    near, hu, rng = patient.near, patient.hu, patient.rng
    ax, ay, radius = near(7, 2), near(-29, 1.5), near(10.5, 1)
    crura = column((near(2, 1), near(-8, 1)), (near(27, 1), near(33, 1)))
    hole = column((near(2, 0), near(-8, 0)), (near(27, 0) - near(4, 0.6), near(33, 0) - near(4, 0.6)))
    above = ellipsoid((0.0, -8.0, near(55, 5)), (60.0, 60.0, near(100, 5)))
    front: Distance = lambda x, y, z: y - np.float32(10) + 0 * x + 0 * z  # noqa: E731
    canvas.organ(soft(canvas, both(both(without(crura, hole), above), front)), hu["muscle"], half_width=0.8)
    canvas.organ(soft(canvas, column((ax, ay), (radius, radius), lean=(0.03, -0.08))), hu["aorta"])
    cava = column((-near(21, 1.5), near(-29, 1.5)), (near(11.5, 1.5), near(8.5, 1.2)), turn_deg=15 * rng.standard_normal())
    canvas.organ(soft(canvas, cava), hu["blood"])
    calcium = int(rng.integers(0, 4))
    for _ in range(calcium):
        angle, level = 2 * np.pi * rng.random(), 60 * (rng.random() - 0.5)
        spot = (ax + 0.03 * level + radius * np.cos(angle), ay - 0.08 * level + radius * np.sin(angle), level)
        canvas.organ(ellipsoid(spot, (1.6, 1.6, 2.5)), dict.fromkeys(SYNTHETIC_PHASES, AORTIC_CALCIUM_HU))
    psoas = ellipsoid((patient.sign * near(31, 1), near(4, 1), near(-95, 4)), (near(15, 1), near(13, 1), near(88, 4)), 0)
    canvas.organ(soft(canvas, psoas), hu["muscle"], half_width=0.8)


def paint_gland(canvas: Canvas, patient: Patient) -> None:
    """The two limbs of what is left of the gland, behind the lesion."""
    x, y, z = canvas.bed
    rng, near = patient.rng, patient.near
    thickness = near(2.4, 0.4)
    for sideways in (-1.0, 1.0):
        length = near(15, 2.5)
        lean = 7 * rng.standard_normal()
        start = (x + 1.5 * sideways, y + 2.0, z)
        end = (x + sideways * length * 0.42, y + length, z)

        limb = _limb(start, end, thickness, lean)
        canvas.organ(limb, patient.hu["adrenal"])


def _limb(start: tuple[float, float, float], end: tuple[float, float, float], thickness: float, lean: float) -> Distance:
    """A sheet that stands upright on the line from start to end, 26 mm high, leaning sideways by ``lean`` / 40."""
    middle = np.float32(start[2])
    flat = tube((start[0], start[1], 0.0), (end[0], end[1], 0.0), thickness)

    def distance(x: Volume, y: Volume, z: Volume) -> Volume:
        height = (np.abs(z - middle) - np.float32(13)) * np.float32(0.6)
        out: Volume = np.maximum(flat(x + np.float32(lean / 40) * (z - middle), y, 0 * z), height)
        return out

    return distance


def paint_spine(canvas: Canvas, patient: Patient) -> None:
    """Vertebral bodies and discs, canal, arch with processes, paraspinal muscle. Rigid."""
    near, hu, rng = patient.near, patient.hu, patient.rng
    erector = either(
        ellipsoid((near(30, 1), near(46, 1), 0), (near(23, 1), near(17, 1), 400)),
        ellipsoid((-near(30, 1), near(46, 1), 0), (near(23, 1), near(17, 1), 400)),
    )
    canvas.organ(erector, hu["muscle"], rigid=True, half_width=1.5)
    a, b = near(21, 1), near(16, 0.8)
    height, disc = near(27, 1.5), near(7, 1)
    period = height + disc
    start = float(rng.random()) * period

    def level(z: Volume) -> Volume:
        return np.asarray(np.abs((z + np.float32(start)) % np.float32(period) - np.float32(period / 2)), np.float32)

    def body(x: Volume, y: Volume, z: Volume) -> Volume:
        waist = np.float32(2.2) * (1 - np.clip(level(z) / np.float32(height / 2), 0, 1) ** 2)
        out: Volume = column((0, 0), (a, b))(x, y, 0 * z) + waist
        return out

    def vertebra(x: Volume, y: Volume, z: Volume) -> Volume:
        out: Volume = np.maximum(body(x, y, z), level(z) - np.float32(height / 2))
        return out

    canvas.organ(body, hu["disc"], rigid=True)
    arch = either(
        without(ellipsoid((0, near(24, 0.5), 0), (15, 13, 400)), ellipsoid((0, near(24, 0), 0), (9.5, 8.5, 400))),
        ellipsoid((0, near(46, 1), 0), (3.5, 15, 400)),
        tube((near(10, 0), near(22, 0), 0), (near(34, 1), near(29, 1), 0), 4),
        tube((-near(10, 0), near(22, 0), 0), (-near(34, 1), near(29, 1), 0), 4),
    )

    def processes(x: Volume, y: Volume, z: Volume) -> Volume:
        taper = 4 * (level(z) / np.float32(height * 0.4)) ** 4
        out: Volume = np.maximum(arch(x, y, 0 * z) + taper, np.float32(10) - y)
        return out

    bone = either(vertebra, processes)
    box = canvas.box_of(bone, rigid=True)
    if box is None:
        return
    distance = finer(canvas.level(bone, box, rigid=True))
    canvas.paint(canvas.weight(distance, box, 0.7, rigid=True), box, hu["bone"])
    trabecular = smooth_field(rng, canvas.points(box), BONE_TEXTURE_MM)
    marrow: Mapping[Phase, Volume] = {p: hu["marrow"][p] + 30 * trabecular for p in canvas.volumes}
    canvas.paint(canvas.weight(distance + np.float32(1.6), box, 0.8, rigid=True), box, marrow)
    canvas.organ(ellipsoid((0, near(24, 0), 0), (9, 8, 400)), hu["cord"], rigid=True)

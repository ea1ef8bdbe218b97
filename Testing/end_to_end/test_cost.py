"""After the crop the cost follows the lesion, not the scan."""

from __future__ import annotations

import time

import numpy as np

from AdrenalClassifierLib.assessment import Assessor
from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.imaging.images import CtImage
from AdrenalClassifierLib.imaging.lesion import extract_lesions
from AdrenalClassifierLib.patient.record import PatientRecord
from support.grids import ellipsoid, segment


def test_measuring_and_assessing_takes_the_same_time_for_200_and_800_slices() -> None:
    assessor, lesions = Assessor(device="cpu"), {}
    for slices in (200, 800):
        grid = identity((slices, 256, 256), (1.0, 1.4, 1.4), (-180.0, -180.0, -100.0))
        mask = np.zeros(grid.shape, bool)
        mask[:200] = ellipsoid(grid.crop((0, 0, 0), (200, 256, 256)), (30.0, 20.0, 0.0), (25.0, 22.0, 27.0))
        hu = np.full(grid.shape, -100, np.int16)
        hu[mask] = 35
        (lesions[slices],) = extract_lesions(CtImage(hu, grid, "unenhanced"), [segment(mask, grid)])
    times: dict[int, list[float]] = {200: [], 800: []}
    for repeat in range(22):  # interleaved, so that both see the same machine
        for slices, lesion in lesions.items():
            started = time.perf_counter()
            assessor.assess(lesion, PatientRecord({}))
            if repeat > 1:
                times[slices].append(time.perf_counter() - started)
    # The least of many repeats is what the work costs; the rest is what else the machine did.
    ratio = min(times[800]) / min(times[200])
    assert 1 / 1.2 < ratio < 1.2, times

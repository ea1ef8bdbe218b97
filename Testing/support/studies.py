"""A small cohort of round lesions on disk, and readers who outline them as a test wants."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from AdrenalClassifierLib.imaging.geometry import Geometry, identity
from AdrenalClassifierLib.imaging.resample import to_sitk
from AdrenalClassifierLib.study import work
from AdrenalClassifierLib.study.collect import Returned, collect
from AdrenalClassifierLib.study.create import Design, create_study
from AdrenalClassifierLib.study.manifest import Key, Study, read_key
from AdrenalClassifierLib.study.sources import sources_of_cohort

SECRET = bytes(range(32))
START = datetime(2026, 3, 2, 9, 0, tzinfo=timezone.utc)
TOOL = ("Test Editor", "1.2")
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Ball:
    """A lesion: centre (LPS mm) and radius (mm) of a ball on a scan of the size ``GRID``."""

    name: str
    centre: tuple[float, float, float]
    radius: float
    malignant: bool


GRID = identity((44, 60, 60), (1.5, 1.0, 1.0), (-29.5, -29.5, -32.25))


def balls(count: int, least: float = 8.0, most: float = 20.0) -> tuple[Ball, ...]:
    """Lesions of radii spread evenly on a log scale, every third malignant; two lesions in the last patient."""
    radii = least * (most / least) ** (np.arange(count) / max(count - 1, 1))
    rng = np.random.default_rng(5)
    places = [tuple(float(v) for v in rng.uniform(-4, 4, 3)) for _ in range(count)]
    return tuple(Ball(f"LESION-{n:03d}", places[n], float(radii[n]), n % 3 == 0) for n in range(count))  # type: ignore[arg-type]


def ball_on(grid: Geometry, centre: Sequence[float], radius: float) -> Mask:
    """Voxels whose centre lies in a ball."""
    k, j, i = np.ogrid[: grid.shape[0], : grid.shape[1], : grid.shape[2]]
    x, y, z = (grid.origin[a] + sum(grid.matrix[a, n] * index for n, index in enumerate((k, j, i))) - centre[a] for a in range(3))
    return np.asarray(x**2 + y**2 + z**2 <= radius**2)


def write_cohort(folder: Path, lesions: Sequence[Ball]) -> Path:
    """CT, masks and cohort.csv; the names of patients, lesions and files would give everything away."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 8, GRID.shape)
    rows = []
    for ball in lesions:
        mask = ball_on(GRID, ball.centre, ball.radius)
        hu = np.rint(np.where(mask, 35 + 20 * ball.malignant, -95) + noise).astype(np.int16)
        ct, outline = f"scan_of_{ball.name}.nii.gz", f"outline_of_{ball.name}.nii.gz"
        image = to_sitk(hu, GRID)
        image.SetMetaData("ITK_FileNotes", f"MUELLER^ANNA {ball.name}")
        sitk.WriteImage(image, str(folder / ct))
        sitk.WriteImage(to_sitk(mask, GRID), str(folder / outline))
        histology = "acc" if ball.malignant else "adenoma"
        rows.append((f"PATIENT-{ball.name[-3:]}", ball.name, "left", ct, outline, int(ball.malignant), histology, "surgery", 61))
    header = ("patient_id", "lesion_id", "side", "ct_portal", "mask", "malignant", "histology", "truth_source", "age_years")
    with open(folder / "cohort.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    return folder / "cohort.csv"


def make_study(folder: Path, lesions: Sequence[Ball], design: Design, secret: bytes = SECRET, now: datetime = START) -> Study:
    """A cohort in ``folder/cohort`` and a study of it in ``folder/study``."""
    table = write_cohort(folder / "cohort", lesions)
    return create_study(folder / "study", sources_of_cohort(table), design, secret, table, now)


@dataclass(frozen=True)
class Scene:
    """What a simulated reader needs: the lesion, the grid of the case, and where the ball lies on it."""

    ball: Ball
    grid: Geometry
    centre: tuple[float, float, float]


def scene_of(study: Study, key: Key, case: str, lesions: Sequence[Ball]) -> Scene:
    """The truth behind a case, in the coordinates of its package."""
    found = key.cases[case]
    ball = next(b for b in lesions if b.name == found.lesion)
    shift = GRID.to_world(np.asarray(found.start))
    x, y, z = (float(a - b) for a, b in zip(ball.centre, shift, strict=True))
    return Scene(ball, study.case(case).grid, (x, y, z))


def read_all(
    study: Study,
    reading: str,
    lesions: Sequence[Ball],
    draw: Callable[[Scene, int], Mask],
    start: datetime = START + timedelta(hours=1),
    minutes: float = 4.0,
) -> Returned:
    """Outline all cases of a reading by ``draw(scene, number of the lesion)`` in the reader's order, and collect the package."""
    key = read_key(study)
    folder = study.folder / "packages" / reading
    now = start
    for state in work.open_package(folder).cases:
        case = key.codes[reading][state.code]
        scene = scene_of(study, key, case, lesions)
        work.open_case(folder, state.code, *TOOL, now)
        now += timedelta(minutes=minutes)
        work.submit(folder, state.code, draw(scene, lesions.index(scene.ball)), now)
    return collect(study, folder, now)

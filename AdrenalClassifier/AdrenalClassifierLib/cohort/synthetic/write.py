"""The synthetic cohort on disk: ordinary CT files and a cohort table, stamped SYNTHETIC."""

from __future__ import annotations

import csv
import io
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from AdrenalClassifierLib.cohort.columns import USERS_OWN, own_columns, phase_columns
from AdrenalClassifierLib.cohort.synthetic.backgrounds import Background, choose_background, list_backgrounds, render_on
from AdrenalClassifierLib.cohort.synthetic.case import SyntheticCase, draw_cohort, rows_of
from AdrenalClassifierLib.cohort.synthetic.dicom import write_series
from AdrenalClassifierLib.cohort.synthetic.posterior import malignancy_probability
from AdrenalClassifierLib.cohort.synthetic.render import render_case
from AdrenalClassifierLib.errors import CohortError, OutputError
from AdrenalClassifierLib.files import write_json, write_text
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.imaging.nifti_writer import write_nifti
from AdrenalClassifierLib.lifeline import end_with_parent
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.progress import Progress, silent

STATEMENT = "For research use only. Not a medical device. This model was trained on synthetic data."
TABLE, TRUTH, README = "cohort.csv", "truth.json", "README.txt"
PHASE_COLUMN: Mapping[Phase, str] = {phase: column for column, phase in phase_columns().items()}


@dataclass(frozen=True)
class _Job:
    """One lesion to write; travels to a worker process."""

    case: SyntheticCase
    folder: Path
    seed: int
    dicom: bool
    background: Background | None


def write_synthetic(
    folder: Path,
    lesions: int = 385,
    seed: int = 0,
    progress: Progress = silent,
    workers: int = 1,
    backgrounds: Path | None = None,
    dicom: bool = False,
) -> Path:
    """Write a synthetic cohort.

    The same arguments give the same bytes, with any number of workers. ``cohort.csv`` is written last: a folder without it is not
    complete. ``truth.json`` beside it holds what only the generator knows; training does not read it.

    Args:
        folder: new or empty folder.
        lesions: how many; 385 is the design.
        seed: of everything.
        progress: told after every lesion.
        workers: processes.
        backgrounds: folder of real CTs with a ``backgrounds.json`` (see ``backgrounds``); the lesions are put into them. The
            phases of a lesion are then those of its background.
        dicom: CT as DICOM series (one folder each) instead of NIfTI; masks stay NIfTI.

    Returns:
        Path of ``cohort.csv``.

    Raises:
        CohortError: fewer than one lesion or worker, or backgrounds that cannot be used.
        OutputError: the folder is not empty or cannot be written.
        ImageReadError, GeometryError: a background cannot be read or is too small.
    """
    if workers < 1:
        raise CohortError("At least one worker process is needed.")
    if dicom and backgrounds is not None:
        raise CohortError("Lesions on real backgrounds are written as NIfTI only; leave out one of the two options.")
    folder = Path(folder)
    _check_empty(folder)
    cases = draw_cohort(lesions, seed)
    choices = list_backgrounds(Path(backgrounds)) if backgrounds is not None else ()
    jobs = [_Job(c, folder, seed, dicom, choose_background(choices, c) if choices else None) for c in cases]
    written: dict[int, SyntheticCase] = {}
    for done, case in enumerate(_run(jobs, workers), start=1):
        written[case.number] = case
        progress(done, len(jobs), "lesions")
    final = [written[n] for n in sorted(written)]
    write_json(folder / TRUTH, _truth(final, lesions, seed))
    write_text(folder / README, _readme(final, lesions, seed, backgrounds is not None))
    write_text(folder / TABLE, table_text(final, dicom))
    return folder / TABLE


def _check_empty(folder: Path) -> None:
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(f"'{folder.name}' exists and is not an empty folder. Choose a new folder.")
    except OSError as error:
        raise OutputError(f"'{folder.name}' cannot be read: {error.strerror}.") from error


def _run(jobs: Sequence[_Job], workers: int) -> Iterator[SyntheticCase]:
    if workers == 1 or len(jobs) == 1:
        yield from map(_write_case, jobs)
        return
    # Spawn: a forked child would inherit threads and locks of whatever program calls this.
    with ProcessPoolExecutor(min(workers, len(jobs)), multiprocessing.get_context("spawn"), end_with_parent) as pool:
        try:
            yield from (done.result() for done in as_completed([pool.submit(_write_case, job) for job in jobs]))
        finally:
            pool.shutdown(cancel_futures=True)


def _write_case(job: _Job) -> SyntheticCase:
    """Write the images of one lesion; gives the case with the phases that were written."""
    case = job.case
    if job.background is None:
        rendered = render_case(case)
    else:
        rendered = render_on(job.background, case)
        phases = tuple(rendered.phases)
        case = replace(case, phases=phases, mask_phase="portal" if "portal" in phases else phases[0])
    for phase, image in rendered.phases.items():
        path = job.folder / image_path(case, phase, job.dicom)
        if job.dicom:
            age, sex = int(case.observed["age"]), case.row["sex"]
            write_series(path, image, phase, case.scans[phase], case.patient_id, case.lesion_id, sex, age, job.seed)
        else:
            write_nifti(path, image.hu, image.geometry, f"SYNTHETIC {case.lesion_id} {phase}, not a patient")
    description = f"SYNTHETIC {case.lesion_id} mask, not a patient"
    write_nifti(job.folder / mask_path(case), rendered.mask.mask, rendered.mask.geometry, description)
    return case


def image_path(case: SyntheticCase, phase: Phase, dicom: bool) -> Path:
    """A phase's file (or DICOM folder) relative to the table."""
    return Path("ct") / f"SYNTHETIC_{case.lesion_id}_{phase}{'' if dicom else '.nii.gz'}"


def mask_path(case: SyntheticCase) -> Path:
    """The mask's file relative to the table."""
    return Path("masks") / f"SYNTHETIC_{case.lesion_id}_mask.nii.gz"


def table_text(cases: Sequence[SyntheticCase], dicom: bool = False) -> str:
    """``cohort.csv`` of some cases: own columns but the user's, then every clinical column that any patient has."""
    used = {column for case in cases for column in case.row}
    clinical = [column for column in load_catalogue().canonical_columns() if column in used]
    names = [name for name in own_columns() if name not in USERS_OWN]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*names, *clinical])
    for case in cases:
        own = {
            "patient_id": case.patient_id,
            "lesion_id": case.lesion_id,
            "side": case.side,
            "mask": mask_path(case).as_posix(),
            "malignant": str(int(case.malignant)),
            "histology": case.histology,
            "truth_source": "synthetic",
            **{PHASE_COLUMN[phase]: image_path(case, phase, dicom).as_posix() for phase in case.phases},
        }
        writer.writerow([*(own.get(name, "") for name in names), *(case.row.get(column, "") for column in clinical)])
    return out.getvalue()


def _truth(cases: Sequence[SyntheticCase], lesions: int, seed: int) -> dict[str, object]:
    ceiling = malignancy_probability(rows_of(cases))
    return {
        "schema_version": 1,
        "data": "SYNTHETIC",
        "statement": STATEMENT,
        "lesions": lesions,
        "seed": seed,
        "cases": [
            {
                "lesion_id": case.lesion_id,
                "patient_id": case.patient_id,
                "histology": case.histology,
                "malignant": case.malignant,
                "tabular_posterior": float(np.round(p, 6)),
                "truth": asdict(case.truth),
                "look": asdict(case.look),
                "scans": {phase: asdict(case.scans[phase]) for phase in case.phases if phase in case.scans},
            }
            for case, p in zip(cases, ceiling, strict=True)
        ],
    }


def _readme(cases: Sequence[SyntheticCase], lesions: int, seed: int, real: bool) -> str:
    patients = len({case.patient_id for case in cases})
    malignant = sum(case.malignant for case in cases)
    scene = (
        "Lesions are computed and put into CT scans of real people." if real else "Every voxel is computed; no patient exists."
    )
    return (
        "SYNTHETIC DATA\n\n"
        f"{len(cases)} synthetic adrenal lesions in {patients} synthetic patients, {malignant} malignant.\n"
        f"Made by the Adrenal Classifier's generator (lesions {lesions}, seed {seed}). {scene}\n"
        "Patients, histories and laboratory values are drawn from tables; they say nothing about a real person.\n\n"
        f"{TABLE}    the cohort table: one row a lesion\n"
        f"{TRUTH}    what only the generator knows; not to be used for training\n"
        "ct/, masks/   images, SYNTHETIC in every name\n\n"
        "For research use only. Not a medical device.\n"
    )

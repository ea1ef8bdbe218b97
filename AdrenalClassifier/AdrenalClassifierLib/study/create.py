"""Set up a study: draw the lesions, make what readers will see, write the key and the frozen manifest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import AdrenalError, OutputError, StudyError
from AdrenalClassifierLib.files import TEMPORARY, sha256_of, write_text
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import Segment
from AdrenalClassifierLib.imaging.nifti_writer import write_nifti
from AdrenalClassifierLib.imaging.resample import boxed, resample_mask
from AdrenalClassifierLib.progress import Progress, silent
from AdrenalClassifierLib.study import codes, manifest
from AdrenalClassifierLib.study.hints import Content, HintKind, crop_box
from AdrenalClassifierLib.study.manifest import CASES, KEY, Key, KeyCase, Study, StudyCase
from AdrenalClassifierLib.study.masks import SUFFIX, write_mask
from AdrenalClassifierLib.study.release import release
from AdrenalClassifierLib.study.sampling import DEFAULT_LESIONS, draw
from AdrenalClassifierLib.study.signed import write_signed
from AdrenalClassifierLib.study.sources import Source, input_sha256, open_source, relative, unique_names, volume_ml
from AdrenalClassifierLib.version import __version__

WHAT = "Preparing cases"
ORIGIN = (0.0, 0.0, 0.0)
"""Where every CT of a package begins: the scanner's coordinates would let a reader find the scan again."""


@dataclass(frozen=True)
class Design:
    """How a study is run.

    Attributes:
        readers: their names (pseudonyms): letters, digits, hyphen, underscore.
        sessions: readings by each reader.
        washout_days: least time between two of them.
        lesions: how many to draw.
        seed: decides sample and orders.
        content: crops or whole scans.
        hint: how much readers are told of the place of the lesion.
    """

    readers: tuple[str, ...]
    seed: int
    sessions: int = 1
    washout_days: int = manifest.DEFAULT_WASHOUT_DAYS
    lesions: int = DEFAULT_LESIONS
    content: Content = "crop"
    hint: HintKind = "point"

    def __post_init__(self) -> None:
        if not self.readers or any(manifest.READER_NAME.fullmatch(name) is None for name in self.readers):
            raise StudyError("Name each reader by up to 32 letters, digits, hyphens or underscores; use pseudonyms.")
        if len({name.casefold() for name in self.readers}) < len(self.readers):
            raise StudyError("Two readers have the same name. Give each reader a name of its own.")
        if self.sessions < 1 or self.washout_days < 0 or self.lesions < 1:
            raise StudyError("Sessions and lesions must be 1 or more, the wash-out 0 days or more.")


def create_study(
    folder: Path,
    sources: Sequence[Source],
    design: Design,
    secret: bytes,
    table: Path | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
) -> Study:
    """Create a study and the packages of every reader's first session.

    Args:
        folder: a new folder; it appears when everything in it is complete.
        sources: lesions to draw from.
        design: readers, sessions, seed, what they see.
        secret: 32 random bytes (``secrets.token_bytes(32)``).
        table: the cohort table that the sources came from, if they did.
        now: time of creation; None takes the clock's.
        progress: told after each lesion.

    Raises:
        StudyError: the design does not fit the sources.
        AdrenalError: an image cannot be read; the message names the lesion's file.
        OutputError: the folder exists or cannot be written.
    """
    folder = Path(folder)
    unique_names(sources)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OutputError(f"'{folder.name}' exists already. Choose a new folder; a study is never overwritten.")
    if any(source.mask is None for source in sources) and (design.content == "crop" or design.hint != "none"):
        raise StudyError("Crops and hints need an existing outline of every lesion. Give masks, or whole scans without a hint.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder.parent))
    except OSError as error:
        raise OutputError(f"Cannot write beside '{folder.name}': {error.strerror}. Choose another folder.") from error
    try:
        setup = _Setup(staging, folder, design, secret, table, now or datetime.now(timezone.utc))
        study = _fill(setup, sources, progress)
        if folder.exists():
            folder.rmdir()
        staging.chmod(0o700)
        staging.rename(folder)
    except OSError as error:
        raise OutputError(f"Cannot write '{folder.name}': {error.strerror}. Choose another folder.") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return replace(study, folder=folder)


@dataclass(frozen=True)
class _Setup:
    """What every step of the creation needs; ``staging`` becomes ``folder`` when all is done."""

    staging: Path
    folder: Path
    design: Design
    secret: bytes
    table: Path | None
    now: datetime


def _fill(setup: _Setup, sources: Sequence[Source], progress: Progress) -> Study:
    staging, design, secret, now = setup.staging, setup.design, setup.secret, setup.now
    by_name = {source.name: source for source in sources}
    volumes = {}
    for done, source in enumerate(sources, start=1):
        volumes[source.name] = _named(source, volume_ml)
        progress(done, len(sources), "Measuring lesions")
    sample = draw(sources, volumes, design.lesions, design.seed)
    case_of = codes.codes_of(secret, sample.chosen, "case")
    readings = [reading.name for reading in manifest.readings_of(design.readers, design.sessions)]
    code_of = {name: codes.codes_of(secret, list(case_of.values()), "reading", name) for name in readings}
    orders = codes.reading_orders(sample.chosen, readings, design.seed)
    shown: dict[str, KeyCase] = {}
    cases: list[StudyCase] = []
    for done, name in enumerate(sample.chosen, start=1):
        source, case = by_name[name], case_of[name]
        shown[case], study_case = _named(
            source, partial(_case, setup, case, tercile=sample.strata[name].tercile, volume=volumes[name])
        )
        cases.append(study_case)
        progress(done, len(sample.chosen), WHAT)
    cases.sort(key=lambda c: c.case)
    key = Key(
        secret,
        dict(sorted(shown.items())),
        {name: dict(sorted((code, case) for case, code in code_of[name].items())) for name in readings},
    )
    key_sha256 = write_signed(staging / KEY, key.to_json())
    (staging / KEY).chmod(0o600)
    write_text(staging / "coordinator" / "NEVER-GIVE-THIS-FOLDER-TO-A-READER.txt", WARNING)
    sampling = sample.to_json()
    if setup.table is not None:
        sampling["cohort_sha256"] = sha256_of(setup.table)
    study = Study(
        staging,
        codes.code_of(secret, "study"),
        now.astimezone(timezone.utc).isoformat(timespec="seconds"),
        __version__,
        design.seed,
        design.readers,
        design.sessions,
        design.washout_days,
        design.hint,
        design.content,
        sampling,
        tuple(cases),
        {name: tuple(code_of[name][case_of[lesion]] for lesion in orders[name]) for name in readings},
        key_sha256,
    )
    study = replace(study, sha256=write_signed(staging / manifest.MANIFEST, study.to_json()))
    study.log().append("created", now, detail=f"{len(cases)} cases, seed {design.seed}", software_version=__version__)
    for reader in design.readers:
        release(study, reader, 1, now=now)
    return study


WARNING = (
    "key.json tells which lesion is behind each code; cases/ holds the existing outlines.\n"
    "A reader who sees this folder is no longer blinded.\n"
)


def _case(setup: _Setup, case: str, source: Source, tercile: str, volume: float | None) -> tuple[KeyCase, StudyCase]:
    """Write what readers will see of a lesion, and the existing outline beside it."""
    design, folder = setup.design, setup.folder
    opened = open_source(source)
    grid = opened.ct.geometry
    start, stop = (0, 0, 0), grid.shape
    mask: NDArray[np.bool_] | None = None
    if opened.segment is not None:
        mask = _on_grid(opened.segment, grid)
        if not mask.any():
            raise StudyError(f"The mask of '{opened.path.name}' does not overlap the CT. Correct the table or the files.")
        if design.content == "crop":
            start, stop = crop_box(mask, grid, codes.chance(setup.secret, "crop", case))
    part = replace(grid.crop(start, stop), origin=ORIGIN)
    path = setup.staging / CASES / f"{case}.nii.gz"
    write_nifti(path, boxed(opened.ct.hu, start, stop), part, "")
    outline_sha256 = None
    inputs = {f"ct_{phase}": input_sha256(ct) for phase, ct in source.cts}
    if mask is not None and source.mask is not None:
        outline = setup.staging / CASES / f"{case}{SUFFIX}"
        write_mask(outline, np.ascontiguousarray(boxed(mask, start, stop)), part)
        outline_sha256 = sha256_of(outline)
        inputs["mask"] = input_sha256(source.mask)
    key_case = KeyCase(
        source.name,
        source.patient,
        source.group,
        tercile,
        volume,
        None if setup.table is None else relative(setup.table, folder),
        {phase: relative(ct, folder) for phase, ct in source.cts},
        opened.ct.phase,
        None if source.mask is None else relative(source.mask, folder),
        source.mask_label,
        start,
        stop,
    )
    return key_case, StudyCase(case, inputs, sha256_of(path), outline_sha256, part)


def _on_grid(segment: Segment, grid: Geometry) -> NDArray[np.bool_]:
    if segment.geometry.same_grid(grid):
        return segment.mask
    return resample_mask(segment.mask, segment.geometry, grid)


Result = TypeVar("Result")


def _named(source: Source, work: Callable[[Source], Result]) -> Result:
    """``work(source)``, with the lesion's name in front of what goes wrong."""
    try:
        return work(source)
    except AdrenalError as error:
        raise type(error)(f"Lesion '{source.name}': {error}") from error

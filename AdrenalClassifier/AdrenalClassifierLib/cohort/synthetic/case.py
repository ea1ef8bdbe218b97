"""Synthetic patients and lesions: who they are, what is known about them, how they look and how they were scanned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from AdrenalClassifierLib.cohort.synthetic.look import SYNTHETIC_PHASES, Look, Scan, draw_look, draw_scans
from AdrenalClassifierLib.cohort.synthetic.rows import TabularRows, TrueRows, draw_rows, first_of_patient, slots, suspicious
from AdrenalClassifierLib.cohort.synthetic.variables import Bools, Codes, Floats, LesionClass, choices_of, classes, variables
from AdrenalClassifierLib.errors import CohortError
from AdrenalClassifierLib.imaging.images import Phase, Side
from AdrenalClassifierLib.patient.parse import record_from_row
from AdrenalClassifierLib.patient.record import PatientRecord

# Purposes of the random streams of a case: spawn keys, never to be renumbered.
TABULAR, APPEARANCE, SCANNER, VOLUME = 0, 1, 2, 3
ORDER = 4


@dataclass(frozen=True)
class Truth:
    """What only the generator knows.

    Attributes:
        diameter_mm: largest axial diameter of the lesion.
        hu: mean unenhanced attenuation of the lesion as drawn.
        scan_error_hu: error of the HU scale of the unenhanced scan.
        lesion_error_hu: error of the lesion's attenuation alone (beam hardening, scatter).
        heterogeneous: whether a reader calls it heterogeneous.
        measured_diameter_mm: what the reader measures: his outline has this long axis.
        state: latent functional state.
        ill: latent systemic illness.
    """

    diameter_mm: float
    hu: float
    scan_error_hu: float
    lesion_error_hu: float
    heterogeneous: bool
    measured_diameter_mm: float
    state: str
    ill: bool

    @property
    def measured_hu(self) -> float:
        """Mean unenhanced attenuation as the scan shows it."""
        return self.hu + self.scan_error_hu + self.lesion_error_hu


@dataclass(frozen=True)
class SyntheticCase:
    """One lesion of a synthetic patient. Fully determined by (lesions, seed, number).

    Attributes:
        number: position in the cohort, from 0.
        patient_id: ``SYN-0001``.
        lesion_id: ``SYN-0001-L``.
        lesion_class: class name, the cohort table's ``histology``.
        malignant: truth under the default label policy.
        side: left or right.
        truth: what only the generator knows.
        row: clinical columns of the cohort table as text, missing values left out.
        observed: the tabular row as numbers (posterior.py), missing values left out.
        below: keys of ``observed`` of which only "below the detection limit" is known.
        phases: CT phases that exist.
        mask_phase: the phase on which the reader outlined the lesion.
        look: form and content.
        scans: acquisition, by phase.
        seed: entropy of the case's volume; the cohort's seed and the case's number are in it.
    """

    number: int
    patient_id: str
    lesion_id: str
    lesion_class: str
    malignant: bool
    side: Side
    truth: Truth
    row: Mapping[str, str]
    observed: Mapping[str, float]
    below: frozenset[str]
    phases: tuple[Phase, ...]
    mask_phase: Phase
    look: Look
    scans: Mapping[Phase, Scan]
    seed: int

    @property
    def histology(self) -> str:
        """The class under the name that the cohort table uses."""
        return self.lesion_class

    @cached_property
    def patient(self) -> PatientRecord:
        """The clinical values as the rest of the software sees them."""
        record, _ = record_from_row(self.row)
        return record

    def stream(self, purpose: int) -> np.random.Generator:
        """A generator of random numbers of this case alone."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(purpose,))))


def class_counts(lesions: int) -> tuple[int, ...]:
    """Lesions of each class by largest remainder: exactly those of the design for 385. Raises CohortError below 1."""
    if lesions < 1:
        raise CohortError("A synthetic cohort needs at least one lesion.")
    table = classes()
    quotas = [c.count * lesions / table.design_lesions for c in table.classes]
    counts = [int(q) for q in quotas]
    by_remainder = sorted(range(len(quotas)), key=lambda n: (counts[n] - quotas[n], n))
    for n in by_remainder[: lesions - sum(counts)]:
        counts[n] += 1
    return tuple(counts)


def _plan(lesions: int, seed: int) -> tuple[Codes, dict[int, int]]:
    """Class of each case in a shuffled order, and the second lesion of each bilateral pair with the first.

    Cohorts are built of blocks of 385: the cases of a full block do not change when more lesions are asked for.
    """
    table = classes()
    total = np.array(class_counts(lesions))
    block = table.design_lesions
    whole = np.array(class_counts(block))
    order: list[int] = []
    pairs: dict[int, int] = {}
    for start in range(0, lesions, block):
        count = min(block, lesions - start)
        mix = whole if count == block else total - whole * (lesions // block)
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(ORDER, start // block))))
        shuffled = rng.permutation(np.repeat(np.arange(len(mix)), mix))
        wanted = table.bilateral_pairs[: round(len(table.bilateral_pairs) * count / block)]
        used: set[int] = set()
        for name in wanted:
            free = [n for n in np.flatnonzero(shuffled == table.index(name)).tolist() if n not in used]
            if len(free) > 1:
                pairs[start + free[1]] = start + free[0]
                used.update(free[:2])
        order += shuffled.tolist()
    return np.array(order, np.intp), pairs


def draw_table(lesions: int = 385, seed: int = 0) -> tuple[Codes, TabularRows, TrueRows]:
    """The tabular part alone: class index, observed rows and truth, in the order of ``draw_cohort``. Raises CohortError."""
    lesion_class, pairs = _plan(lesions, seed)
    uniforms = np.empty((lesions, len(slots())))
    for n in range(lesions):
        sequence = np.random.SeedSequence(seed, spawn_key=(TABULAR, n))
        uniforms[n] = np.random.Generator(np.random.PCG64(sequence)).random(uniforms.shape[1])
    # An inverse distribution function is infinite at 0.
    uniforms = uniforms.clip(2.0**-54, 1 - 2.0**-53)
    for second, first in pairs.items():
        uniforms[second, first_of_patient() :] = uniforms[first, first_of_patient() :]
    rows, truth = draw_rows(lesion_class, uniforms)
    for second, first in pairs.items():
        # One patient has one history, one blood sample and one examination.
        for key, column in rows.columns.items():
            if key not in ("measured_cm", "measured_hu", "heterogeneous", "suspicious"):
                column[second] = column[first]
        for limited in rows.below.values():
            limited[second] = limited[first]
        for gone in truth.missing_phase.values():
            gone[second] = gone[first]
        truth.scan_error_hu[second] = truth.scan_error_hu[first]
        truth.left[second] = ~truth.left[first]
        measured = truth.hu[second] + truth.scan_error_hu[second] + truth.lesion_error_hu[second]
        rows.columns["measured_hu"][second] = np.nan if truth.missing_phase["unenhanced"][first] else measured
    rows.columns["suspicious"][:] = suspicious(rows.columns)
    return lesion_class, rows, truth


def draw_cohort(lesions: int = 385, seed: int = 0) -> tuple[SyntheticCase, ...]:
    """The synthetic cohort, without any voxel.

    385 lesions have exactly the class mix of the design (101 malignant) in 380 patients, five of them with both sides; other
    numbers are scaled by largest remainder. Case ``n`` depends on ``seed``, ``n`` and its class only (the second lesion of a
    patient also on the first); cases of a full block of 385 stay the same when more lesions are asked for.

    Raises:
        CohortError: fewer than one lesion.
    """
    lesion_class, rows, truth = draw_table(lesions, seed)
    _, pairs = _plan(lesions, seed)
    table = classes()
    patients = _patient_numbers(lesions, pairs)
    texts = _texts(rows)
    return tuple(
        _case(n, table.classes[lesion_class[n]], patients[n], pairs.get(n, n), rows, truth, texts[n], seed)
        for n in range(lesions)
    )


def rows_of(cases: Sequence[SyntheticCase]) -> TabularRows:
    """The tabular rows of some cases, for ``posterior.malignancy_probability``."""
    keys = ("measured_cm", "measured_hu", "heterogeneous", "suspicious", "age", "sex", *(v.key for v in variables()))
    limited = [v.key for v in variables() if v.lod]
    return TabularRows(
        {key: np.array([case.observed.get(key, np.nan) for case in cases]) for key in keys},
        {key: np.array([key in case.below for case in cases]) for key in limited},
    )


def _patient_numbers(lesions: int, pairs: Mapping[int, int]) -> list[int]:
    """Number of each lesion's patient, from 1, in the order of first appearance."""
    numbers: list[int] = []
    patients = 0
    for n in range(lesions):
        if n not in pairs:
            patients += 1
        numbers.append(numbers[pairs[n]] if n in pairs else patients)
    return numbers


def _case(
    n: int,
    kind: LesionClass,
    patient: int,
    first: int,
    rows: TabularRows,
    truth: TrueRows,
    row: Mapping[str, str],
    seed: int,
) -> SyntheticCase:
    table = classes()
    side: Side = "left" if truth.left[n] else "right"
    phases = tuple(p for p in SYNTHETIC_PHASES if not truth.missing_phase[p][n])
    mask_phase: Phase = "portal" if "portal" in phases else "unenhanced"
    diameter = 10 * float(truth.cm[n])
    heterogeneous = bool(rows.columns["heterogeneous"][n])
    own = int(np.random.SeedSequence(seed, spawn_key=(VOLUME, n)).generate_state(1, np.uint64)[0])
    shared = np.random.SeedSequence(seed, spawn_key=(SCANNER, first))
    appearance = np.random.SeedSequence(seed, spawn_key=(APPEARANCE, n))
    observed = {key: float(column[n]) for key, column in rows.columns.items() if not np.isnan(column[n])}
    return SyntheticCase(
        number=n,
        patient_id=f"SYN-{patient:04d}",
        lesion_id=f"SYN-{patient:04d}-{side[0].upper()}",
        lesion_class=kind.name,
        malignant=kind.malignant,
        side=side,
        truth=Truth(
            diameter_mm=diameter,
            hu=float(truth.hu[n]),
            scan_error_hu=float(truth.scan_error_hu[n]),
            lesion_error_hu=float(truth.lesion_error_hu[n]),
            heterogeneous=heterogeneous,
            measured_diameter_mm=10 * float(rows.columns["measured_cm"][n]),
            state=table.states[truth.state[n]],
            ill=bool(truth.ill[n]),
        ),
        row=row,
        observed=observed,
        below=frozenset(key for key, column in rows.below.items() if column[n]),
        phases=phases,
        mask_phase=mask_phase,
        look=draw_look(
            np.random.Generator(np.random.PCG64(appearance)),
            kind.name,
            diameter,
            heterogeneous,
            row.get("prior_cancer_site", ""),
        ),
        scans=draw_scans(np.random.Generator(np.random.PCG64(shared)), phases, float(truth.scan_error_hu[n]), mask_phase),
        seed=own,
    )


def _texts(rows: TabularRows) -> list[dict[str, str]]:
    """The clinical columns of every row as the cohort table writes them."""
    out: list[dict[str, str]] = [{} for _ in range(len(rows))]

    def put(column: str, values: Floats, text: Sequence[str] | None, below: Bools | None = None) -> None:
        for n in np.flatnonzero(~np.isnan(values)).tolist():
            plain = text[int(values[n])] if text else _number(float(values[n]))
            out[n][column] = f"<{plain}" if below is not None and below[n] else plain

    put("age_years", rows.columns["age"], None)
    put("sex", rows.columns["sex"], choices_of("sex"))
    for variable in variables():
        put(variable.column, rows.columns[variable.key], choices_of(variable.key) or None, rows.below.get(variable.key))
    return out


def _number(value: float) -> str:
    return f"{value:.10g}"

"""Splits by patient: stratified by malignancy and histology, decided by a seed and nothing else.

A patient's lesions never part. Where a patient goes does not depend on the order of the rows, nor on the machine: within a
stratum patients are ordered by SHA-256 of the seed and their identifier.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import CohortError

ABSTRACT_TEST_SHARE = 113 / 380
"""Test patients of the published design (Huang et al. 2026, abstract): 267 for training, 113 for testing."""


class LabelledLesion(Protocol):
    """What a split needs of a lesion; ``CohortRow`` and ``SyntheticCase`` have it."""

    @property
    def patient_id(self) -> str:
        """Pseudonym of the patient."""

    @property
    def malignant(self) -> bool:
        """Target."""

    @property
    def histology(self) -> str:
        """Diagnosis."""


@dataclass(frozen=True)
class Split:
    """Patients for training and for testing, each in alphabetical order."""

    train: tuple[str, ...]
    test: tuple[str, ...]

    def of(self, rows: Sequence[LabelledLesion]) -> tuple[str, ...]:
        """``train`` or ``test`` for every row. Raises CohortError for a patient who is in neither."""
        where = {**dict.fromkeys(self.train, "train"), **dict.fromkeys(self.test, "test")}
        missing = sum(row.patient_id not in where for row in rows)
        if missing:
            raise CohortError(f"{missing} rows belong to patients whom the split does not know. Make the split from this table.")
        return tuple(where[row.patient_id] for row in rows)


@dataclass(frozen=True)
class Fold:
    """One fold of a repeated cross-validation: row indices, increasing.

    Attributes:
        repeat: from 0.
        number: fold within the repeat, from 0.
        train: rows to fit on.
        test: rows held out.
    """

    repeat: int
    number: int
    train: NDArray[np.intp]
    test: NDArray[np.intp]


Stratum = tuple[bool, tuple[str, ...]]


def strata_of(rows: Sequence[LabelledLesion]) -> Mapping[str, Stratum]:
    """Stratum of every patient: whether any lesion is malignant, and the histologies."""
    malignant: dict[str, bool] = {}
    kinds: dict[str, set[str]] = {}
    for row in rows:
        malignant[row.patient_id] = malignant.get(row.patient_id, False) or bool(row.malignant)
        kinds.setdefault(row.patient_id, set()).add(row.histology)
    return {patient: (malignant[patient], tuple(sorted(kinds[patient]))) for patient in malignant}


def split_patients(rows: Sequence[LabelledLesion], test_patients: int, seed: int) -> Split:
    """Divide patients into training and test.

    Every stratum gives its share of test patients by largest remainder, first for malignant and benign patients, then for the
    histologies within: proportions differ from the whole by less than one patient a stratum.

    Args:
        rows: lesions in any order.
        test_patients: patients to hold out.
        seed: any integer.

    Raises:
        CohortError: not between 1 and the number of patients less 1.
    """
    strata = strata_of(rows)
    if not 1 <= test_patients < len(strata):
        raise CohortError(f"{test_patients} test patients cannot be taken from {len(strata)}; choose 1 to {len(strata) - 1}.")
    classes = {target: sorted({s for s in strata.values() if s[0] == target}) for target in (False, True)}
    members = {s: _shuffled([p for p in strata if strata[p] == s], f"split {seed}") for s in set(strata.values())}
    totals = [sum(len(members[s]) for s in classes[target]) for target in (False, True)]
    shares = dict(zip((False, True), _shares(totals, test_patients, f"{seed} class"), strict=True))
    test: list[str] = []
    for target in (False, True):
        sizes = [len(members[s]) for s in classes[target]]
        for stratum, take in zip(classes[target], _shares(sizes, shares[target], f"{seed} {target}"), strict=True):
            test += members[stratum][:take]
    chosen = set(test)
    return Split(tuple(sorted(p for p in strata if p not in chosen)), tuple(sorted(test)))


def grouped_folds(rows: Sequence[LabelledLesion], folds: int, repeats: int = 1, seed: int = 0) -> tuple[Fold, ...]:
    """Repeated stratified k-fold cross-validation over patients.

    Patients of a stratum are dealt one by one to the fold that has fewest lesions of the stratum, then of its class, then at all;
    the largest strata come first. In each repeat every row is held out once.

    Args:
        rows: lesions.
        folds: at least 2.
        repeats: how often, each time with another order of patients.
        seed: any integer.

    Raises:
        CohortError: fewer than 2 folds or 1 repeat, or fewer malignant or benign patients than folds.
    """
    strata = strata_of(rows)
    if folds < 2 or repeats < 1:
        raise CohortError("Cross-validation needs at least 2 folds and 1 repeat.")
    for target, name in ((True, "malignant"), (False, "benign")):
        count = sum(s[0] == target for s in strata.values())
        if count < folds:
            raise CohortError(f"{folds} folds need at least {folds} patients with {name} lesions; there are {count}.")
    patients = np.array([row.patient_id for row in rows])
    lesions: dict[str, int] = {}
    for row in rows:
        lesions[row.patient_id] = lesions.get(row.patient_id, 0) + 1
    out = []
    for repeat in range(repeats):
        fold_of = _deal(strata, lesions, folds, f"folds {seed} {repeat}")
        number = np.array([fold_of[p] for p in patients])
        out += [Fold(repeat, n, np.flatnonzero(number != n), np.flatnonzero(number == n)) for n in range(folds)]
    return tuple(out)


def _deal(strata: Mapping[str, Stratum], lesions: Mapping[str, int], folds: int, salt: str) -> dict[str, int]:
    members: dict[Stratum, list[str]] = {}
    for patient in _shuffled(list(strata), salt):
        members.setdefault(strata[patient], []).append(patient)
    of_class = {False: [0] * folds, True: [0] * folds}
    everything = [0] * folds
    fold_of: dict[str, int] = {}
    for stratum in sorted(members, key=lambda s: (-len(members[s]), s)):
        own = [0] * folds
        # Patients with several lesions first: they are the hardest to balance.
        for patient in sorted(members[stratum], key=lambda p: -lesions[p]):
            best = min(range(folds), key=lambda n: (own[n], of_class[stratum[0]][n], everything[n], n))
            fold_of[patient] = best
            for counts in (own, of_class[stratum[0]], everything):
                counts[best] += lesions[patient]
    return fold_of


def _shuffled(patients: list[str], salt: str) -> list[str]:
    return sorted(patients, key=lambda p: (hashlib.sha256(f"{salt}\x1f{p}".encode()).digest(), p))


def _shares(sizes: Sequence[int], wanted: int, salt: str) -> list[int]:
    """Whole shares of ``wanted`` in proportion to sizes by largest remainder; ties by a hash of the position."""
    total = sum(sizes)
    if total == 0:
        return [0] * len(sizes)
    out = [wanted * size // total for size in sizes]
    rest = [(-(wanted * size % total), hashlib.sha256(f"{salt}\x1f{n}".encode()).digest(), n) for n, size in enumerate(sizes)]
    for _, _, n in sorted(rest)[: wanted - sum(out)]:
        out[n] += 1
    return out

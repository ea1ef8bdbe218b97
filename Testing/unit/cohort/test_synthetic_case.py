"""The synthetic cohort as cases: identity, patients, determinism."""

from __future__ import annotations

import pickle
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest

from AdrenalClassifierLib.cohort.synthetic.case import draw_cohort, draw_table, rows_of
from AdrenalClassifierLib.cohort.synthetic.look import scanner
from AdrenalClassifierLib.cohort.synthetic.posterior import malignancy_probability
from AdrenalClassifierLib.errors import CohortError
from AdrenalClassifierLib.patient.parse import record_from_row


def test_the_design_is_385_lesions_in_380_patients_101_of_them_malignant(cases) -> None:  # type: ignore[no-untyped-def]
    assert len(cases) == 385
    assert len({c.patient_id for c in cases}) == 380
    assert sum(c.malignant for c in cases) == 101
    assert len({c.lesion_id for c in cases}) == 385
    assert cases[0].patient_id == "SYN-0001"
    assert all(c.lesion_id == f"{c.patient_id}-{c.side[0].upper()}" for c in cases)


def test_bilateral_patients_have_one_lesion_a_side_one_history_and_one_scanner(cases) -> None:  # type: ignore[no-untyped-def]
    patients = Counter(c.patient_id for c in cases)
    pairs = [[c for c in cases if c.patient_id == p] for p, n in patients.items() if n > 1]
    assert len(pairs) == 5
    for a, b in pairs:
        assert {a.side, b.side} == {"left", "right"}
        assert a.lesion_class == b.lesion_class
        assert a.lesion_class in ("metastasis", "phaeochromocytoma", "other_benign", "lymphoma")
        assert a.row == b.row
        assert a.patient == b.patient
        assert (a.phases, a.scans) == (b.phases, b.scans)
        assert a.truth.diameter_mm != b.truth.diameter_mm
        assert a.seed != b.seed


def test_the_same_seed_is_the_same_cohort_and_another_seed_another(cases) -> None:  # type: ignore[no-untyped-def]
    assert draw_cohort(385, 0) == cases
    other = draw_cohort(385, 1)
    assert Counter(c.lesion_class for c in other) == Counter(c.lesion_class for c in cases)
    assert not {c.seed for c in other} & {c.seed for c in cases}
    assert not {c.truth.diameter_mm for c in other} & {c.truth.diameter_mm for c in cases}


def test_the_cases_of_a_full_block_do_not_change_when_more_lesions_are_asked_for(cases) -> None:  # type: ignore[no-untyped-def]
    assert draw_cohort(500, 0)[:385] == cases
    assert draw_cohort(770, 0)[:385] == cases


def test_a_cohort_does_not_depend_on_the_hash_seed_of_python() -> None:
    code = (
        "from AdrenalClassifierLib.cohort.synthetic.case import draw_cohort; import hashlib;"
        "what = [(c.lesion_id, c.truth, sorted(c.row.items()), c.look, c.scans, c.seed) for c in draw_cohort(40, 3)];"
        "print(hashlib.sha256(repr(what).encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PATH": ""}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_global_random_numbers_are_neither_used_nor_changed() -> None:
    np.random.seed(5)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    first = draw_cohort(20, 9)
    assert (np.random.get_state()[1] == before).all()  # noqa: NPY002
    np.random.seed(6)  # noqa: NPY002
    assert draw_cohort(20, 9) == first


def test_two_thousand_cases_are_drawn_in_two_seconds() -> None:
    start = time.process_time()
    draw_cohort(2000, 4)
    assert time.process_time() - start < 2


def test_every_patient_is_accepted_by_the_catalogue_without_contradiction(cases) -> None:  # type: ignore[no-untyped-def]
    for case in cases:
        record, notices = record_from_row(case.row)
        assert not [n for n in notices if n.code != "unusual_value"]
        assert record == case.patient
        assert record.get("age") is not None
        assert record.get("sex") is not None


def test_values_below_a_detection_limit_are_censored(cases) -> None:  # type: ignore[no-untyped-def]
    censored = [c for c in cases if "metanephrine" in c.below or "cortisol_dst" in c.below]
    assert censored
    for case in censored:
        for key in case.below & {"cortisol_dst"}:
            assert case.row["cortisol_dst_nmol_l"] == "<20"
            quantity = case.patient.quantity(key)
            assert quantity is not None
            assert quantity.comparator == "<"


def test_phases_agree_with_what_is_known_and_carry_their_scans(cases) -> None:  # type: ignore[no-untyped-def]
    for case in cases:
        assert "unenhanced" in case.phases or "portal" in case.phases
        assert ("unenhanced" in case.phases) == ("measured_hu" in case.observed)
        assert "delayed" not in case.phases or {"unenhanced", "portal"} <= set(case.phases)
        assert case.mask_phase == ("portal" if "portal" in case.phases else "unenhanced")
        assert set(case.scans) == set(case.phases)
        assert case.scans[case.mask_phase].shift_mm == (0.0, 0.0, 0.0)
    share = np.mean(["delayed" in c.phases for c in cases])
    assert 0.1 < share < 0.3  # washout at hand in 20 % (Canu)


def test_scans_lie_in_the_designed_ranges_and_some_slices_overlap(cases) -> None:  # type: ignore[no-untyped-def]
    scans = [scan for case in cases for scan in case.scans.values()]
    assert {s.kernel for s in scans} == set(scanner()["kernels"])
    assert min(s.thickness_mm for s in scans) == 0.625
    assert max(s.thickness_mm for s in scans) == 5.0
    assert all(5 <= s.noise_hu <= 20 and 0.6 <= s.pixel_mm <= 0.98 for s in scans)
    assert 0.1 < np.mean([s.increment_mm < s.thickness_mm for s in scans]) < 0.4
    assert all(abs(v) <= 3 for s in scans for v in s.shift_mm)


def test_the_scanner_says_nothing_about_malignancy() -> None:
    cases = draw_cohort(1540, 11)
    malignant = np.array([c.malignant for c in cases])
    for feature in ("thickness_mm", "pixel_mm", "noise_hu"):
        values = np.array([getattr(c.scans[c.mask_phase], feature) for c in cases])
        difference = values[malignant].mean() - values[~malignant].mean()
        error = values.std() * np.sqrt(1 / malignant.sum() + 1 / (~malignant).sum())
        assert abs(difference) < 4 * error, feature


def test_cases_can_travel_to_another_process(cases) -> None:  # type: ignore[no-untyped-def]
    assert pickle.loads(pickle.dumps(cases[:20])) == cases[:20]  # noqa: S301


def test_the_rows_of_cases_are_those_of_the_table(cases) -> None:  # type: ignore[no-untyped-def]
    _, rows, _ = draw_table(385, 0)
    again = rows_of(cases)
    for key, column in rows.columns.items():
        np.testing.assert_array_equal(again.columns[key], column)
    np.testing.assert_allclose(malignancy_probability(again.take(np.arange(5))), malignancy_probability(rows)[:5])


def test_a_cohort_of_none_is_refused() -> None:
    with pytest.raises(CohortError, match="at least one lesion"):
        draw_cohort(0)

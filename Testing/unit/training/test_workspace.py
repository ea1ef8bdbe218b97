"""Prepared lesions kept on disk: the same when taken back, made anew when anything they depend on changes."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from AdrenalClassifierLib.cohort.labels import label_policy
from AdrenalClassifierLib.cohort.synthetic.write import write_synthetic
from AdrenalClassifierLib.cohort.table import Cohort, read_cohort
from AdrenalClassifierLib.errors import CohortError
from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.training import preparation
from AdrenalClassifierLib.training.examples import Example
from AdrenalClassifierLib.training.preparation import prepare_cohort
from AdrenalClassifierLib.training.workspace import Workspace, row_key

SETTINGS = InputSettings(size=16, physical_spacing_mm=6.0)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    return read_cohort(write_synthetic(tmp_path_factory.mktemp("cohort") / "c", lesions=4, seed=2))


def _prepare(cohort: Cohort, space: Workspace) -> tuple[Example, ...]:
    return prepare_cohort(cohort, label_policy(), SETTINGS, workspace=space)


def test_a_lesion_is_the_same_when_taken_back_and_is_not_read_again(cohort: Cohort, tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    space = Workspace(tmp_path / "work")
    first = _prepare(cohort, space)
    monkeypatch.setattr(preparation, "lesion_of_row", lambda row: pytest.fail("read again"))
    second = _prepare(cohort, space)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.voxels.views, b.voxels.views)
        np.testing.assert_array_equal(a.voxels.present, b.voxels.present)
        assert replace(a.measurements, notices=()) == b.measurements
        assert dict(a.voxels.radiomics) == b.voxels.radiomics
        assert a.voxels.fingerprint == b.voxels.fingerprint
        assert (a.lesion_id, a.malignant, a.patient) == (b.lesion_id, b.malignant, b.patient)


def test_a_changed_file_setting_or_segment_makes_another_key(cohort: Cohort) -> None:
    row = cohort.rows[0]
    key = row_key(row, SETTINGS)
    assert key == row_key(row, SETTINGS)
    assert key != row_key(row, replace(SETTINGS, rim_mm=9.0))
    assert key != row_key(replace(row, mask_label="2"), SETTINGS)
    assert key == row_key(replace(row, patient_id="other", malignant=not row.malignant, row=99), SETTINGS)
    before = row.mask.stat()
    os.utime(row.mask, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert key != row_key(row, SETTINGS)


def test_damaged_pieces_are_made_anew(cohort: Cohort, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    whole = _prepare(cohort, space)
    for n, path in enumerate(sorted((tmp_path / "work" / "lesions").iterdir())):
        path.write_bytes((b"", b"PK\x03\x04 torn", path.read_bytes()[:-200], path.read_bytes())[n % 4])
    again = _prepare(cohort, space)
    for a, b in zip(whole, again, strict=True):
        np.testing.assert_array_equal(a.voxels.views, b.voxels.views)


def test_the_order_of_the_rows_changes_nothing(cohort: Cohort, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "work")
    turned = replace(cohort, rows=cohort.rows[::-1])
    assert [e.lesion_id for e in _prepare(cohort, space)] == [e.lesion_id for e in _prepare(turned, space)]


def test_a_lesion_that_stands_twice_is_refused(cohort: Cohort, tmp_path: Path) -> None:
    row = replace(cohort.rows[0], split="train")
    again = replace(row, lesion_id="renamed", patient_id="another", row=9, split="test")
    with pytest.raises(CohortError, match="twice") as caught:
        _prepare(replace(cohort, rows=(row, again)), Workspace(tmp_path / "work"))
    assert "both train and test" in caught.value.problems[0]
    assert str(row.row) in caught.value.problems[0]

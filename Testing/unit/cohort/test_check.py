"""The checker opens what the table names."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from AdrenalClassifierLib.cohort.check import check_cohort
from AdrenalClassifierLib.cohort.lesions import lesion_of_row
from AdrenalClassifierLib.cohort.table import read_cohort


def codes(notices) -> set[str]:  # type: ignore[no-untyped-def]
    return {notice.code for notice in notices}


def test_a_sound_table_has_no_problem_and_says_that_it_is_small(table) -> None:  # type: ignore[no-untyped-def]
    steps: list[tuple[int, int]] = []
    problems, notices = check_cohort(table.write(), progress=lambda done, total, what: steps.append((done, total)))
    assert problems == ()
    assert "few_lesions" in codes(notices)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_files_are_opened_only_when_asked(table) -> None:  # type: ignore[no-untyped-def]
    (table.folder / "portal.nii.gz").write_bytes(b"not an image")
    assert check_cohort(table.write(), open_files=False)[0] == ()
    (problem,) = check_cohort(table.path)[0]
    assert problem.startswith("Row 2: column 'ct_portal': ")
    assert "portal.nii.gz" in problem


def test_a_wrong_label_an_empty_mask_and_a_mask_of_another_scan_are_found_in_one_run(table) -> None:  # type: ignore[no-untyped-def]
    empty = sitk.GetImageFromArray(np.zeros((12, 60, 60), np.uint8))
    empty.SetSpacing([1.0, 1.0, 3.0])
    sitk.WriteImage(empty, str(table.folder / "one.nii.gz"))
    far = sitk.ReadImage(str(table.folder / "other.nii.gz"))
    far.SetOrigin([500.0, 0.0, 0.0])
    sitk.WriteImage(far, str(table.folder / "other.nii.gz"))
    table.rows[3]["mask_label"] = "7"
    problems, _ = check_cohort(table.write())
    assert [p.split(":")[0] for p in problems] == ["Row 2", "Row 3", "Row 5"]
    assert "does not overlap" in problems[1]


def test_a_mask_with_two_segments_needs_a_label(table) -> None:  # type: ignore[no-untyped-def]
    table.rows = table.rows[:3]
    table.rows[2]["mask_label"] = ""
    (problem,) = check_cohort(table.write())[0]
    assert problem.startswith("Row 4: column 'mask': the file holds 2 segments (label 1, label 2); choose one in mask_label.")


def test_a_row_becomes_a_lesion_with_its_phases_label_and_side(table) -> None:  # type: ignore[no-untyped-def]
    rows = read_cohort(table.write()).rows
    first, last = lesion_of_row(rows[0]), lesion_of_row(rows[3])
    assert first.lesion_id == "P1-L"
    assert set(first.phases) == {"unenhanced", "portal"}
    portal = first.hu("portal")
    assert portal is not None
    assert portal[first.mask].mean() == 80
    assert last.phases == ("unenhanced",)
    assert last.side == "right"
    centre = last.geometry.to_world(np.argwhere(last.mask)).mean(axis=0)
    np.testing.assert_allclose(centre, [42, 30, 18], atol=0.01)


def test_lesions_that_the_policy_leaves_out_are_counted(table) -> None:  # type: ignore[no-untyped-def]
    from AdrenalClassifierLib.cohort.labels import label_policy

    table.rows[0]["histology"] = "phaeochromocytoma"
    policy = label_policy("phaeochromocytoma_excluded")
    _, notices = check_cohort(table.write(), open_files=False, policy=policy)
    (notice,) = [n for n in notices if n.code == "excluded_by_policy"]
    assert "leaves out 1 of 4 lesions" in notice.text

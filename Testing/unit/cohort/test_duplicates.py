"""A lesion is recognised by its content however it is stored, and nothing else is taken for it."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from AdrenalClassifierLib.cohort.check import check_cohort
from AdrenalClassifierLib.cohort.duplicates import find_duplicates, fingerprint
from AdrenalClassifierLib.cohort.splits import grouped_folds, split_patients
from AdrenalClassifierLib.cohort.synthetic.case import draw_cohort
from AdrenalClassifierLib.cohort.synthetic.write import image_path, mask_path, table_text, write_synthetic
from AdrenalClassifierLib.cohort.table import read_rows
from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.imaging.images import CtImage
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from support.grids import arrangements, ellipsoid, oblique_grid, phantom, rearranged, segment
from support.sample import CT, MASK, WAYS

GRID = identity((40, 60, 60), (2.5, 0.9, 0.8), (-20.0, -30.0, -50.0))


def noisy(seed: int, radius: float = 11.0, hu: float = 35.0) -> Lesion:
    """A ball with noise of 10 HU."""
    mask = ellipsoid(GRID, (4.0, -4.0, 0.0), (radius, radius - 2, radius - 1))
    values = np.random.default_rng(seed).normal(hu, 10, GRID.shape).round().astype(np.int16)
    return extract_lesions(CtImage(values, GRID, "portal"), [segment(mask, GRID)])[0]


def flat(hu: float, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Lesion:
    """A ball of one HU, as in a phantom."""
    mask = ellipsoid(GRID, centre, (9.0, 9.0, 9.0))
    return extract_lesions(phantom(GRID, mask, inside=hu), [segment(mask, GRID)])[0]


def of_files(ct: Path, mask: Path) -> Lesion:
    image = read_ct(ct, "unenhanced")
    return extract_lesions(image, read_mask(mask).segments)[0]


@pytest.mark.parametrize("way", WAYS)
def test_the_sample_case_has_one_fingerprint_in_every_format(way: str, tmp_path: Path) -> None:
    assert fingerprint(of_files(*WAYS[way](tmp_path))) == fingerprint(of_files(CT, MASK))


@pytest.mark.parametrize("make", [noisy, flat])
def test_all_48_ways_to_store_one_image_have_one_fingerprint(make) -> None:  # type: ignore[no-untyped-def]
    lesion = make(3)
    found = set()
    for order, flips in arrangements():
        ct, grid = rearranged(lesion.ct, lesion.geometry, order, flips)
        mask, _ = rearranged(lesion.mask, lesion.geometry, order, flips)
        found.add(fingerprint(replace(lesion, ct=ct, mask=mask.astype(bool), geometry=grid)))
    assert len(found) == 1


def test_rounding_of_a_stored_slope_the_name_and_the_phase_do_not_matter_one_voxel_does() -> None:
    lesion = noisy(1)
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, lesion.ct.shape).astype(np.float32)
    assert fingerprint(replace(lesion, ct=lesion.ct + noise, lesion_id="other", side="left")) == fingerprint(lesion)
    assert fingerprint(replace(lesion, phase="delayed")) == fingerprint(lesion)
    ct = lesion.ct.copy()
    ct[tuple(np.argwhere(lesion.mask)[5])] += 1
    assert fingerprint(replace(lesion, ct=ct)) != fingerprint(lesion)
    mask = lesion.mask.copy()
    mask[tuple(np.argwhere(lesion.mask)[5])] = False
    assert fingerprint(replace(lesion, mask=mask)) != fingerprint(lesion)


def test_the_crop_around_the_mask_does_not_matter() -> None:
    lesion = noisy(1)
    start, stop = (10, 15, 10), (32, 50, 55)
    box = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    assert lesion.mask[box].sum() == lesion.mask.sum()
    cut = replace(lesion, ct=lesion.ct[box], mask=lesion.mask[box], geometry=lesion.geometry.crop(start, stop))
    assert fingerprint(cut) == fingerprint(lesion)


def test_lesions_that_differ_in_noise_only_are_two_lesions() -> None:
    assert len({fingerprint(noisy(seed)) for seed in range(60)}) == 60


def test_phantoms_without_noise_are_told_apart_by_their_place() -> None:
    assert fingerprint(flat(30)) == fingerprint(flat(30))
    assert fingerprint(flat(30)) != fingerprint(flat(30, (8.0, 0.0, 0.0)))
    assert fingerprint(flat(30)) != fingerprint(flat(31))


def test_a_row_with_one_of_two_phases_is_recognised_and_a_cut_off_phase_is_not_used() -> None:
    one, two = noisy(1), noisy(2)
    both = replace(one, others={"unenhanced": two.ct})
    assert len(fingerprint(both)) == 2
    assert set(fingerprint(both)) >= set(fingerprint(replace(two, phase="unenhanced")))
    cut = two.ct.copy()
    cut[:20] = np.nan
    assert fingerprint(replace(one, others={"unenhanced": cut})) == fingerprint(one)


def test_a_turned_grid_is_no_obstacle() -> None:
    lesion = noisy(4)
    turned = oblique_grid(lesion.geometry.shape, lesion.geometry.spacing, (1.0, 2.0, 3.0), mirror=True)
    assert fingerprint(replace(lesion, geometry=turned)) == fingerprint(lesion)


def test_a_fingerprint_takes_less_than_ten_milliseconds_for_a_large_lesion() -> None:
    grid = identity((160, 160, 160), (0.7, 0.7, 0.7))
    mask = ellipsoid(grid, (56.0, 56.0, 56.0), (29.0, 29.0, 29.0))  # 102 mL
    values = np.random.default_rng(0).normal(35, 15, grid.shape).round().astype(np.int16)
    lesion = extract_lesions(CtImage(values, grid, "portal"), [segment(mask, grid)])[0]
    fingerprint(lesion)
    best = min(_seconds(lesion) for _ in range(7))
    assert best < 0.010, best


def _seconds(lesion: Lesion) -> float:
    started = time.process_time()
    fingerprint(lesion)
    return time.process_time() - started


def test_the_worst_duplicates_come_first_and_lesions_hang_together_through_a_third() -> None:
    prints = {"a": ("1",), "b": ("1", "2"), "c": ("2",), "d": ("3",), "e": ("4",), "f": ("4",), "g": ("5",), "h": ("5",), "i": ()}
    patients = dict.fromkeys("abc", "P1") | {"d": "P2", "e": "P3", "f": "P3", "g": "P4", "h": "P5", "i": "P6"}
    split = dict.fromkeys("abdefghi", "train") | {"c": "test"}
    found = find_duplicates(prints, patients, split)
    named = [sentence.split(":")[0] for sentence in found]
    assert named == [
        "Lesions 'a', 'b' and 'c'",
        "Lesions 'g' and 'h'",
        "Lesions 'e' and 'f'",
    ]
    assert "in both train and test" in found[0]
    assert "under several patients" in found[1]
    assert "more than once" in found[2]
    assert "train and test" not in " ".join(find_duplicates(prints, patients))
    assert find_duplicates({"a": ("1",), "b": ("2",)}, {"a": "P", "b": "P"}) == ()


@given(st.lists(st.integers(0, 6), min_size=2, max_size=25), st.randoms())
@settings(max_examples=50, deadline=None)
def test_groups_are_those_of_equal_content_in_any_order(contents, shuffler) -> None:  # type: ignore[no-untyped-def]
    names = [f"L{n}" for n in range(len(contents))]
    items = list(zip(names, contents, strict=True))
    shuffler.shuffle(items)
    found = find_duplicates({n: (str(c),) for n, c in items}, {n: n for n in names})
    assert len(found) == sum(contents.count(c) > 1 for c in set(contents))
    assert sorted(found) == sorted(find_duplicates({n: (str(c),) for n, c in sorted(items)}, {n: n for n in names}))


def test_the_checker_finds_a_copied_lesion_in_another_format_and_says_when_it_parts_the_split(table) -> None:  # type: ignore[no-untyped-def]
    for old, new in (("ct.nii.gz", "copy.nrrd"), ("one.nii.gz", "copy_mask.mha")):
        image = sitk.Flip(sitk.ReadImage(str(table.folder / old)), [True, False, True])
        sitk.WriteImage(image, str(table.folder / new))
    copy = table.rows[0] | {"patient_id": "P9", "lesion_id": "P9-X", "ct_unenhanced": "copy.nrrd", "mask": "copy_mask.mha"}
    table.rows.append(copy | {"ct_portal": ""})
    (problem,) = check_cohort(table.write())[0]
    assert problem.startswith("Rows 2 and 6: the same lesion stands under several patients")
    assert check_cohort(table.path, open_files=False)[0] == ()
    for row in table.rows:
        row["split"] = "train"
    table.rows[-1]["split"] = "test"
    (problem,) = check_cohort(table.write())[0]
    assert problem.startswith("Rows 2 and 6: the same lesion stands in both train and test")


def test_a_repeated_row_is_named_once_whatever_else_it_breaks(table) -> None:  # type: ignore[no-untyped-def]
    table.rows.insert(1, dict(table.rows[0]))
    problems, _ = check_cohort(table.write(), open_files=False)
    assert problems == ("Rows 2 and 3: the same row more than once. Keep one.",)


def test_one_file_under_two_patients_is_a_problem_and_worse_across_the_split(table) -> None:  # type: ignore[no-untyped-def]
    table.rows[1]["ct_unenhanced"] = "./ct.nii.gz"
    (problem,) = check_cohort(table.write(), open_files=False)[0]
    assert (
        problem == "Rows 2 and 3, column 'ct_unenhanced': the same file under several patients. Correct patient_id or the file."
    )
    for row, part in zip(table.rows, ("train", "test", "train", "train"), strict=True):
        row["split"] = part
    (problem,) = check_cohort(table.write(), open_files=False)[0]
    assert "in both train and test" in problem


def test_the_order_of_rows_and_columns_changes_neither_findings_nor_splits(tmp_path: Path) -> None:
    path = write_synthetic(tmp_path / "cohort", 5, 5)
    lines = path.read_text(encoding="utf-8").splitlines()
    head, body = lines[0].split(","), [line.split(",") for line in lines[1:]]
    body.append([*body[0][:1], "copy", *body[0][2:]])  # the same lesion twice
    body[3][head.index("side")] = "rigth"
    rng = random.Random(1)

    def findings(rows: list[list[str]], columns: list[int]) -> set[str]:
        path.write_text("\n".join(",".join(row[c] for c in columns) for row in (head, *rows)) + "\n", encoding="utf-8")
        names = {number: row[head.index("lesion_id")] for number, row in enumerate(rows, start=2)}
        problems, notices = check_cohort(path)
        texts = [*problems, *(notice.text for notice in notices)]
        return {_with_names(text, names) for text in texts}

    plain = list(range(len(head)))
    first = findings(body, plain)
    assert any("the same lesion stands more than once" in text for text in first)
    for _ in range(2):
        shuffled, columns = list(body), list(plain)
        rng.shuffle(shuffled)
        rng.shuffle(columns)
        assert findings(shuffled, columns) == first


def _with_names(text: str, names: dict[int, str]) -> str:
    """Row numbers replaced by what they name, in alphabetical order."""
    head, mark, rest = text.partition(":")
    if not head.startswith("Row"):
        return text
    place, comma, column = head.partition(", column")
    numbers = [int(word) for word in place.replace(",", " ").split() if word.isdigit()]
    return f"{sorted(names.get(n, str(n)) for n in numbers)}{comma}{column}{mark}{rest}"


def test_splits_and_folds_of_a_table_do_not_depend_on_the_order_of_its_rows(tmp_path: Path) -> None:
    cases = draw_cohort(60, 6)
    for case in cases:
        for file in (*(image_path(case, phase, False) for phase in case.phases), mask_path(case)):
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).touch()
    path = tmp_path / "cohort.csv"
    path.write_text(table_text(cases, False), encoding="utf-8")
    head, *body = path.read_text(encoding="utf-8").splitlines()
    found = []
    for seed in (None, 1, 2):
        if seed is not None:
            random.Random(seed).shuffle(body)
        path.write_text("\n".join([head, *body]) + "\n", encoding="utf-8")
        rows = read_rows(path).rows
        folds = [frozenset(rows[n].lesion_id for n in fold.test) for fold in grouped_folds(rows, 3, 2, 0)]
        found.append((split_patients(rows, 18, 0), folds))
    assert found[0] == found[1] == found[2]


def test_a_synthetic_cohort_has_no_duplicates() -> None:
    from AdrenalClassifierLib.cohort.synthetic.render import lesion_of

    cases = draw_cohort(30, 8)[:4]
    prints = {case.lesion_id: fingerprint(lesion_of(case)) for case in cases}
    assert find_duplicates(prints, {case.lesion_id: case.patient_id for case in cases}) == ()

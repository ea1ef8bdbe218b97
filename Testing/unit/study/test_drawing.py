"""Chance that can be repeated: sample, codes, orders, hints, and the crop around a lesion."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.study.codes import CODE_LENGTH, chance, codes_of, reading_orders
from AdrenalClassifierLib.study.hints import crop_box, hint_of
from AdrenalClassifierLib.study.sampling import draw
from AdrenalClassifierLib.study.sources import Source
from support.grids import ellipsoid

SECRET = b"s" * 32


def cohort(count: int, malignant: int) -> tuple[list[Source], dict[str, float | None]]:
    """Lesions L000, ...; sizes in no relation to class or name."""
    sizes = np.random.default_rng(1).permutation(count)
    sources = [
        Source(f"L{n:03d}", f"P{n:03d}", (("portal", Path("ct")),), Path("m"), None, "malignant" if n < malignant else "benign")
        for n in range(count)
    ]
    return sources, {s.name: float(sizes[n]) for n, s in enumerate(sources)}


@pytest.mark.parametrize(("count", "malignant", "wanted"), [(385, 101, 40), (120, 60, 40), (97, 5, 41), (43, 20, 40)])
def test_every_stratum_gives_its_share_to_within_one(count: int, malignant: int, wanted: int) -> None:
    sources, volumes = cohort(count, malignant)
    for seed in range(5):
        sample = draw(sources, volumes, wanted, seed)
        assert len(sample.chosen) == len(set(sample.chosen)) == wanted
        for stratum, whole in Counter(sample.strata.values()).items():
            drawn = sum(sample.strata[name] == stratum for name in sample.chosen)
            assert abs(drawn - wanted * whole / count) < 1
        drawn = sum(name < f"L{malignant:03d}" for name in sample.chosen)
        assert abs(drawn - wanted * malignant / count) < 1


def test_terciles_are_by_rank_of_volume() -> None:
    sources, volumes = cohort(30, 10)
    strata = draw(sources, volumes, 9, 0).strata
    by_size = sorted(volumes, key=lambda name: volumes[name] or 0)
    assert [strata[name].tercile for name in by_size] == ["small"] * 10 + ["medium"] * 10 + ["large"] * 10


def test_the_sample_depends_on_the_seed_and_not_on_the_order_of_the_table() -> None:
    sources, volumes = cohort(120, 40)
    first = draw(sources, volumes, 40, 4)
    assert draw(sources[::-1], volumes, 40, 4) == first
    others = {draw(sources, volumes, 40, seed).chosen for seed in range(10)}
    assert len(others) > 8


def test_every_lesion_has_the_same_chance() -> None:
    sources, volumes = cohort(30, 10)
    counts = Counter(name for seed in range(600) for name in draw(sources, volumes, 10, seed).chosen)
    # Binomial(600, 1/3): SD 11.5; 30 counts within 4 SD.
    assert set(counts) == set(volumes)
    assert max(abs(count - 200) for count in counts.values()) < 46


def test_one_lesion_a_patient_and_all_of_a_small_cohort() -> None:
    sources, volumes = cohort(12, 4)
    twins = [Source(s.name, f"P{n // 2}", s.cts, s.mask, None, s.group) for n, s in enumerate(sources)]
    sample = draw(twins, volumes, 40, 0)
    assert len(sample.chosen) == 6
    assert sample.left_out == 6
    assert len({int(name[1:]) // 2 for name in sample.chosen}) == 6
    with pytest.raises(StudyError):
        draw([], {}, 40, 0)


def test_without_volumes_the_strata_are_the_classes() -> None:
    sources, _ = cohort(40, 20)
    sample = draw(sources, {}, 20, 0)
    assert {s.name for s in sample.strata.values()} == {"benign", "malignant"}
    assert Counter(sample.strata[name].group for name in sample.chosen) == {"benign": 10, "malignant": 10}


@pytest.mark.parametrize(("names", "readings"), [(40, 2), (40, 10), (40, 20), (8, 4), (5, 5)])
def test_no_case_has_the_same_place_in_two_orders(names: int, readings: int) -> None:
    cases = [f"L{n}" for n in range(names)]
    for seed in range(3):
        orders = reading_orders(cases, [f"R{n}-1" for n in range(readings)], seed)
        assert all(sorted(order) == sorted(cases) for order in orders.values())
        for place in range(names):
            assert len({order[place] for order in orders.values()}) == readings
        assert orders == reading_orders(cases[::-1], [f"R{n}-1" for n in range(readings)], seed)


def test_orders_differ_with_the_seed_and_exist_where_places_are_too_few() -> None:
    cases = [f"L{n}" for n in range(40)]
    assert reading_orders(cases, ["R1-1"], 0) != reading_orders(cases, ["R1-1"], 1)
    assert reading_orders(["one"], ["R1-1", "R2-1"], 0) == {"R1-1": ["one"], "R2-1": ["one"]}


def test_an_order_is_no_order_of_the_names() -> None:
    cases = [f"L{n:02d}" for n in range(40)]
    ranks = np.array([np.argsort(np.argsort(reading_orders(cases, ["R1-1"], seed)["R1-1"])) for seed in range(200)])
    correlations = [np.corrcoef(rank, np.arange(40))[0, 1] for rank in ranks]
    # Under chance the correlation has mean 0 and variance 1/39.
    assert abs(np.mean(correlations)) < 4 / np.sqrt(39 * 200)
    assert np.std(correlations) == pytest.approx(1 / np.sqrt(39), rel=0.25)


def test_codes_tell_nothing() -> None:
    names = [f"L{n:03d}" for n in range(400)]
    codes = codes_of(SECRET, names, "case")
    assert len(set(codes.values())) == 400
    assert all(re.fullmatch(rf"[A-Z3-9]{{{CODE_LENGTH}}}", code) for code in codes.values())
    assert codes_of(b"t" * 32, names, "case") != codes
    assert not set(codes_of(SECRET, names, "reading", "R1-1").items()) & set(codes.items())
    order = np.argsort(np.argsort(list(codes.values())))
    assert abs(np.corrcoef(order, np.arange(400))[0, 1]) < 4 / np.sqrt(399)


def test_a_point_lies_well_inside_and_is_not_the_centroid() -> None:
    grid = identity((40, 60, 60), (1.5, 1.0, 1.0))
    centre = (29.0, 31.0, 28.5)
    mask = ellipsoid(grid, centre, (18.0, 18.0, 18.0))
    away = []
    for n in range(200):
        index = np.array(hint_of("point", mask, grid, chance(SECRET, n))["index_kji"])
        assert mask[tuple(index)]
        away.append(float(np.linalg.norm(grid.to_world(index) - np.array(centre))))
    # Half of the depth of a ball of 18 mm is a ball of 9 mm: uniform in it, the mean distance is 3/4 of 9 mm.
    assert max(away) < 9 + 1.5
    assert np.mean(away) == pytest.approx(6.75, abs=0.6)


def test_a_box_holds_the_lesion_and_gives_neither_its_centre_nor_its_size() -> None:
    grid = identity((80, 100, 100), (1.0, 1.0, 1.0))
    mask = ellipsoid(grid, (50.0, 48.0, 40.0), (12.0, 10.0, 14.0))
    low, high = np.argwhere(mask).min(axis=0), np.argwhere(mask).max(axis=0) + 1
    margins = []
    for n in range(200):
        hint = hint_of("box", mask, grid, chance(SECRET, n))
        margins.append(np.concatenate([low - hint["start_kji"], hint["stop_kji"] - high]))
    assert np.min(margins) >= 10
    assert np.max(margins) <= 20
    assert np.std(margins, axis=0).min() > 2.5  # uniform over 10 mm: 2.9
    assert abs(np.corrcoef(np.array(margins).T) - np.eye(6)).max() < 0.35


def test_a_crop_is_not_centred_and_ends_at_the_scan() -> None:
    grid = identity((60, 200, 200), (3.0, 1.0, 1.0))
    mask = ellipsoid(grid, (40.0, 100.0, 90.0), (12.0, 12.0, 12.0))
    off = []
    for n in range(100):
        start, stop = crop_box(mask, grid, chance(SECRET, n))
        assert min(start) >= 0
        assert all(b <= s for b, s in zip(stop, grid.shape, strict=True))
        assert mask[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]].sum() == mask.sum()
        off.append((start[1] + stop[1]) / 2 - 100)
    assert np.std(off) > 6  # half the difference of two uniforms over 40 mm: 8.2


def test_hints_need_an_outline() -> None:
    grid = identity((4, 4, 4))
    assert hint_of("none", None, grid, chance(SECRET)) == {"kind": "none"}
    for kind in ("point", "box"):
        with pytest.raises(StudyError, match="outline"):
            hint_of(kind, None, grid, chance(SECRET))  # type: ignore[arg-type]

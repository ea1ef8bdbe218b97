"""A whole study, simulated so that the truth is known by formulas: what was planted is found, and nothing else."""

from __future__ import annotations

import csv
import json
import math
import shutil
import statistics
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from AdrenalClassifierLib.agreement.definitions import metric_keys
from AdrenalClassifierLib.agreement.many import ComparedPair
from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.report.study_figures import shell_dice
from AdrenalClassifierLib.study.analysis import analyse, find_outliers
from AdrenalClassifierLib.study.collected import mask_of
from AdrenalClassifierLib.study.create import Design
from AdrenalClassifierLib.study.manifest import Study, read_key, read_study
from AdrenalClassifierLib.study.release import release
from AdrenalClassifierLib.study.results import definition_of, summary_of, write_analysis
from support.studies import START, Ball, Scene, ball_on, balls, make_study, read_all

LESIONS = balls(48, least=9.0, most=20.0)
LOG_BIAS, LOG_SD = math.log(1.10), 0.12
"""Reader 2's volumes are 1.10 times reader 1's, with a spread of 12 % on the log scale."""
OUTLIER, OFF = 30, 1.2
"""This lesion reader 2 outlines beside its place, shifted by so many radii."""


@dataclass(frozen=True)
class Planted:
    """A simulated study and what was planted in it, by lesion."""

    study: Study
    volume_1: dict[str, float]
    volume_2: dict[str, float]
    dice: dict[str, float]
    outlier: str


def spread(count: int) -> np.ndarray:  # type: ignore[type-arg]
    """Evenly spread numbers (no outlier among them) of mean 0 and SD 1 exactly, in an order that is not that of size."""
    z = np.arange(count) - (count - 1) / 2
    return (z / z.std(ddof=1))[np.random.default_rng(8).permutation(count)]


def ball_ml(radius: float) -> float:
    return 4 / 3 * math.pi * radius**3 / 1000


def concentric_dice(a: float, b: float) -> float:
    """2 min^3 / (a^3 + b^3); for b = a + d this is 2 / (1 + (1 + d/a)^3)."""
    return 2 * min(a, b) ** 3 / (a**3 + b**3)


def shifted_dice(a: float, b: float, d: float) -> float:
    """Two balls whose centres lie d apart (Wolfram MathWorld, Sphere-Sphere Intersection)."""
    lens = math.pi * (a + b - d) ** 2 * (d**2 + 2 * d * (a + b) - 3 * (a - b) ** 2) / (12 * d)
    return 2 * lens / (4 / 3 * math.pi * (a**3 + b**3))


@pytest.fixture(scope="module")
def planted(tmp_path_factory) -> Planted:  # type: ignore[no-untyped-def]
    study = make_study(tmp_path_factory.mktemp("planted"), LESIONS, Design(("R1", "R2"), 20260302))
    names = sorted(found.lesion for found in read_key(study).cases.values())
    z = dict(zip(names, spread(len(names)), strict=True))
    factor = {name: math.exp((LOG_BIAS + LOG_SD * z[name]) / 3) for name in names}
    far = min(names, key=lambda name: abs(int(name[-3:]) - OUTLIER))

    def second(scene: Scene, _: int) -> np.ndarray:  # type: ignore[type-arg]
        x, y, w = scene.centre
        off = OFF * scene.ball.radius if scene.ball.name == far else 0.0
        return ball_on(scene.grid, (x + off, y, w), scene.ball.radius * factor[scene.ball.name])

    read_all(study, "R1-1", LESIONS, lambda scene, _: ball_on(scene.grid, scene.centre, scene.ball.radius), minutes=3)
    read_all(study, "R2-1", LESIONS, second, minutes=5)
    radius = {ball.name: ball.radius for ball in LESIONS}
    dice = {name: concentric_dice(radius[name], radius[name] * factor[name]) for name in names}
    dice[far] = shifted_dice(radius[far], radius[far] * factor[far], OFF * radius[far])
    return Planted(
        study,
        {name: ball_ml(radius[name]) for name in names},
        {name: ball_ml(radius[name] * factor[name]) for name in names},
        dice,
        far,
    )


@pytest.fixture(scope="module")
def result(planted: Planted):  # type: ignore[no-untyped-def]
    analysis = analyse(planted.study, workers=2)
    return analysis, summary_of(analysis)


def icc_a1(x: np.ndarray, y: np.ndarray) -> float:  # type: ignore[type-arg]
    """ICC(A,1) of two raters from variances: 2 cov / (var x + var y + mean(d)^2 - var(d) / n), McGraw & Wong 1996 for k = 2."""
    d = y - x
    return float(2 * np.cov(x, y)[0, 1] / (x.var(ddof=1) + y.var(ddof=1) + d.mean() ** 2 - d.var(ddof=1) / len(x)))


def test_the_planted_dice_is_found_lesion_by_lesion_and_on_average(planted: Planted, result) -> None:  # type: ignore[no-untyped-def]
    analysis, summary = result
    key = read_key(planted.study)
    # Counting voxels of 1 x 1 x 1.5 mm blurs a border; a ball of 9 mm has about 2000 of them.
    for pair in analysis.compared.pairs:
        assert pair.values["dice"] == pytest.approx(planted.dice[key.cases[pair.case].lesion], abs=0.02)
    found = summary["per_lesion"]["inter"]["dice"]
    expected = list(planted.dice.values())
    assert found["n"] == 40
    assert found["mean"] == pytest.approx(statistics.fmean(expected), abs=0.004)
    assert found["sd"] == pytest.approx(statistics.stdev(expected), abs=0.006)
    assert found["mean_low"] < statistics.fmean(expected) < found["mean_high"]
    assert found["median"] == pytest.approx(statistics.median(expected), abs=0.006)


def test_the_planted_bias_and_limits_of_volume_are_found(planted: Planted, result) -> None:  # type: ignore[no-untyped-def]
    (entry,) = result[1]["inter"]["comparisons"]
    assert (entry["reader_a"], entry["reader_b"]) == ("R1", "R2")
    found = entry["bland_altman"]["volume_ml"]
    assert found["ratio"] is True
    assert found["bias"]["value"] == pytest.approx(math.exp(LOG_BIAS), rel=0.005)
    assert found["bias"]["low"] < math.exp(LOG_BIAS) < found["bias"]["high"]
    for name, sign in (("lower_limit", -1), ("upper_limit", 1)):
        expected = math.exp(LOG_BIAS + sign * 1.96 * LOG_SD)
        assert found[name]["value"] == pytest.approx(expected, rel=0.015)
        assert found[name]["low"] < expected < found[name]["high"]


def test_the_planted_icc_of_volume_is_found(planted: Planted, result) -> None:  # type: ignore[no-untyped-def]
    (together,) = result[1]["inter"]["together"]
    names = sorted(planted.volume_1)
    expected = icc_a1(*(np.log([v[name] for name in names]) for v in (planted.volume_1, planted.volume_2)))
    found = together["icc"]["volume_ml_log"]["a1"]
    assert 0.9 < expected < 0.99  # the bias and spread can be seen in it
    assert found["value"] == pytest.approx(expected, abs=0.004)
    assert found["low"] < expected < found["high"]


def test_the_one_gross_outlier_is_found_and_no_other(planted: Planted, result) -> None:  # type: ignore[no-untyped-def]
    analysis, summary = result
    key = read_key(planted.study)
    assert [key.cases[o.pair.case].lesion for o in analysis.outliers] == [planted.outlier]
    assert planted.dice[planted.outlier] < 0.5
    assert len(analysis.outliers[0].reasons) == 2
    (entry,) = summary["inter"]["comparisons"]
    assert entry["dice_below_0_80"] == sum(dice < 0.8 for dice in planted.dice.values()) == 1


def test_terciles_are_by_size_and_each_finds_its_own_dice(planted: Planted, result) -> None:  # type: ignore[no-untyped-def]
    (entry,) = result[1]["inter"]["comparisons"]
    mean = {name: (planted.volume_1[name] + planted.volume_2[name]) / 2 for name in planted.volume_1}
    ordered = sorted(mean, key=lambda name: mean[name])
    for name, members in zip(("small", "medium", "large"), np.array_split(np.array(ordered), 3), strict=True):
        found = entry["by_size"][name]["metrics"]["dice"]
        assert found["n"] == len(members)
        assert found["mean"] == pytest.approx(statistics.fmean(planted.dice[str(m)] for m in members), abs=0.006)


def test_a_shell_of_1_mm_costs_what_the_formula_says() -> None:
    # Values of the closed form 2 / (1 + (1 + d/r)^3) at r = 10, 25, 45 mm.
    for radius, expected in ((10, 0.858), (25, 0.941), (45, 0.967)):
        assert shell_dice(ball_ml(radius)) == pytest.approx(expected, abs=5e-4)
        assert shell_dice(ball_ml(radius)) == pytest.approx(concentric_dice(radius, radius + 1))


def test_the_long_table_has_every_pair_and_metric_with_definition_and_versions(planted: Planted, result, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    analysis, summary = result
    write_analysis(tmp_path, analysis, summary)
    with open(tmp_path / "pairs.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    keys = metric_keys((1.0, 2.0))
    assert len(rows) == 40 * len(keys)
    assert {row["metric"] for row in rows} == set(keys)
    assert all(row["definition"] and row["software_version"] for row in rows)
    assert {(row["tool_a"], row["tool_version_b"]) for row in rows} == {("Test Editor", "1.2")}
    assert {row["case"] for row in rows} == {c.case for c in planted.study.cases}
    assert all((row["value"] == "") == (row["undefined"] != "") for row in rows)
    text = (tmp_path / "pairs.csv").read_text(encoding="utf-8") + (tmp_path / "summary.json").read_text(encoding="utf-8")
    assert "LESION-" not in text
    assert "PATIENT-" not in text
    with open(tmp_path / "times.csv", encoding="utf-8", newline="") as file:
        times = list(csv.DictReader(file))
    assert len(times) == 80
    assert {(row["reader"], float(row["active_s"])) for row in times} == {("R1", 180.0), ("R2", 300.0)}
    read_back = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert read_back["study"]["sampling"]["drawn"] == 40
    assert read_back["minutes"]["R2-1"]["median"] == 5
    assert [o["case"] for o in read_back["outliers"]["pairs"]] == [analysis.outliers[0].pair.case]


def test_every_metric_has_a_definition() -> None:
    assert all(definition_of(key) for key in metric_keys((0.5, 3.0)))
    assert definition_of("unknown_thing") == ""


def copy_of(planted: Planted, folder: Path) -> Study:
    shutil.copytree(planted.study.folder, folder / "study")
    return read_study(folder / "study")


def truth(scene: Scene, _: int) -> np.ndarray:  # type: ignore[type-arg]
    return ball_on(scene.grid, scene.centre, scene.ball.radius)


FEW: tuple[Ball, ...] = balls(5)


@pytest.fixture
def few(tmp_path: Path) -> Study:
    study = make_study(tmp_path, FEW, Design(("R1", "R2"), 1, sessions=2, lesions=4))
    read_all(study, "R1-1", FEW, truth)
    read_all(study, "R2-1", FEW, truth)
    return study


def test_results_stay_closed_until_all_have_finished_or_a_reason_is_logged(few: Study) -> None:
    before = (few.folder / "log.csv").read_bytes()
    for reason in ("", "  \t"):
        with pytest.raises(StudyError, match="R1-2, R2-2"):
            analyse(few, reason)
    assert (few.folder / "log.csv").read_bytes() == before
    analysis = analyse(few, "interim look for the ethics board")
    assert [r.name for r in analysis.unfinished] == ["R1-2", "R2-2"]
    assert (few.entries()[-1].event, few.entries()[-1].values["reason"]) == (
        "analysed_early",
        "interim look for the ethics board",
    )
    later = START + timedelta(days=60)
    for reader in ("R1", "R2"):
        release(few, reader, 2, now=later)
        read_all(few, f"{reader}-2", FEW, truth, later)
    analysis = analyse(few)
    assert few.entries()[-1].event == "analysed"
    # An early look stays visible for ever.
    assert [e.values["reason"] for e in analysis.remarks] == ["interim look for the ethics board"]
    summary = summary_of(analysis)
    assert len(summary["inter"]["comparisons"]) == len(summary["intra"]["comparisons"]) == 2
    assert summary["study"]["remarks"][0]["event"] == "analysed_early"


def test_existing_outlines_are_compared_apart_from_readers(few: Study) -> None:
    analysis = analyse(few, "test", original=True)
    summary = summary_of(analysis)
    who = [(c["reader_a"], c["reader_b"]) for c in summary["inter"]["comparisons"]]
    assert who == [("original", "R1"), ("original", "R2"), ("R1", "R2")]
    assert [r["reader"] for r in summary["inter"]["together"][0]["raters"]] == ["R1", "R2"]
    assert summary["per_lesion"]["original"]["dice"]["min"] == 1  # the readers drew the truth, and so did the first one
    assert summary["per_lesion"]["inter"]["dice"]["n"] == 4
    assert summary["per_lesion"]["intra"] == {}


def test_a_mask_or_ct_that_was_changed_after_collection_is_not_compared(planted: Planted, tmp_path: Path) -> None:
    study = copy_of(planted, tmp_path)
    code = study.orders["R1-1"][0]
    mask = mask_of(study, study.readings[0], code)
    mask.write_bytes(mask.read_bytes() + b"\0")
    with pytest.raises(StudyError, match=f"{code}.*was changed"):
        analyse(study)
    shutil.copy(mask_of(planted.study, study.readings[0], code), mask)
    ct = next((study.folder / "coordinator" / "cases").glob("*.nii.gz"))
    ct.write_bytes(b"other")
    with pytest.raises(StudyError, match="CT of case"):
        analyse(study)


def test_the_outlier_rule() -> None:
    @dataclass(frozen=True)
    class Agreement:
        values: dict[str, float | None]

    def pairs(dices: list[float | None]) -> list[ComparedPair]:
        return [
            ComparedPair(f"C{n}", "inter", "R1", 1, "R2", 1, Agreement({"dice": dice}))  # type: ignore[arg-type]
            for n, dice in enumerate(dices)
        ]

    even: list[float | None] = [0.90, 0.91, 0.92, 0.93, 0.94]

    def find(dices: list[float | None]) -> list[str]:
        return [o.pair.case for o in find_outliers(pairs(dices))]

    assert find(even) == []
    # Of x, .90, .91, .92, .93, .94 with x the least, the quartiles are .9025 and .9275, the fence is .9025 - 1.5 * .025 = .865.
    assert find([*even, 0.84]) == ["C5"]
    assert find([*even, 0.87]) == []
    assert find([0.5, 0.6, 0.7, 0.79, 0.80]) == ["C0", "C1", "C2", "C3"]  # below .80 whatever the others are
    assert find([*even, None]) == ["C5"]

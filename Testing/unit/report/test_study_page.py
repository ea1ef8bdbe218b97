"""The page of a study: complete, self-contained, escaped, honest about early looks; outlines in the right place and colour."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.report.pictures import OUTLINE, PIXELS, SECOND_OUTLINE, SHARED, outline_pictures
from AdrenalClassifierLib.report.study_figures import log_ticks, time_figure
from AdrenalClassifierLib.report.study_page import study_page, write_study_page
from AdrenalClassifierLib.report.study_text import comparison_title, findings, interval, mean_interval, methods, reading_labels
from AdrenalClassifierLib.study.analysis import Analysis, analyse
from AdrenalClassifierLib.study.create import Design
from AdrenalClassifierLib.study.manifest import read_key
from AdrenalClassifierLib.study.results import summary_of
from support.grids import arrangements, ellipsoid, rearranged
from support.studies import Scene, ball_on, balls, make_study, read_all

LESIONS = balls(8)
FAR = "LESION-005"


def first(scene: Scene, _: int) -> np.ndarray:  # type: ignore[type-arg]
    return ball_on(scene.grid, scene.centre, scene.ball.radius)


def second(scene: Scene, _: int) -> np.ndarray:  # type: ignore[type-arg]
    x, y, z = scene.centre
    return ball_on(scene.grid, (x + (9.0 if scene.ball.name == FAR else 0.0), y, z), scene.ball.radius * 1.04)


@pytest.fixture(scope="module")
def analysis(tmp_path_factory) -> Analysis:  # type: ignore[no-untyped-def]
    study = make_study(tmp_path_factory.mktemp("page"), LESIONS, Design(("R1", "R2"), 1, sessions=2, lesions=8))
    read_all(study, "R1-1", LESIONS, first)
    read_all(study, "R2-1", LESIONS, second)
    return analyse(study, "interim <b>look</b> & more")


def text_of(html: str) -> str:
    body = re.sub(r"<(style|svg).*?</\1>", "", html, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def test_the_page_holds_every_part_and_the_numbers_of_the_summary(analysis: Analysis) -> None:
    summary = summary_of(analysis)
    html = study_page(analysis, summary)
    text = text_of(html)
    for title in (
        "What was found",
        "Volume: Bland-Altman",
        "Dice by size",
        "Every case",
        "Outliers",
        "Time for a case",
        "Methods",
    ):
        assert title in text
    dice = summary["per_lesion"]["inter"]["dice"]
    assert f"{dice['mean']:.2f} ± {dice['sd']:.2f}" in text
    assert f"{dice['median']:.3f} [{dice['q1']:.3f} to {dice['q3']:.3f}]" in text
    (entry,) = summary["inter"]["comparisons"]
    assert f"{entry['bland_altman']['volume_ml']['bias']['value']:.3f}" in text
    assert html.count("<svg") == 4
    assert "For research use only. Not a medical device." in text
    assert "8 eligible lesions" in text
    for case in analysis.study.cases:
        assert case.case in html  # every case stands in the strip


def test_every_point_lies_inside_its_panel(analysis: Analysis) -> None:
    """Panels share their axes: each must hold the data of all."""
    svg = time_figure(
        [replace(r, active_s=60.0 * (1 + 9 * (r.reading.reader == "R2"))) for r in analysis.records], reading_labels(analysis)
    )
    height = float(re.search(r'viewBox="0 0 [\d.]+ ([\d.]+)"', svg).group(1))  # type: ignore[union-attr]
    points = [float(y) for y in re.findall(r'<use [^>]*y="([-\d.]+)" style="fill: #(?:1f6fb2|c2570c)', svg)]
    assert len(points) == 16
    assert all(15 < y < height - 15 for y in points)
    assert len({round(y) for y in points}) == 2  # one minute and ten


def test_the_methods_name_what_was_done(analysis: Analysis) -> None:
    text = " ".join(methods(analysis, summary_of(analysis)))
    assert "2 readers" in text or "2 readers".capitalize() in text
    assert "wash-out of at least 28 days" in text
    assert "Test Editor 1.2" in text
    assert "surface Dice at 1 and 2 mm" in text
    assert "blinded" in text


def test_an_early_look_is_printed_with_its_reason_escaped(analysis: Analysis) -> None:
    html = study_page(analysis, summary_of(analysis))
    assert "before all readers had finished" in html
    assert "R1-2, R2-2" in html
    assert "interim &lt;b&gt;look&lt;/b&gt; &amp; more" in html
    assert "<b>look" not in html


def test_every_outlier_is_shown_with_both_outlines_in_three_planes(analysis: Analysis) -> None:
    assert [read_key(analysis.study).cases[o.pair.case].lesion for o in analysis.outliers] == [FAR]
    html = study_page(analysis, summary_of(analysis))
    assert html.count("<img") == 3 * len(analysis.outliers)
    assert f"Case {analysis.outliers[0].pair.case}: Dice {analysis.outliers[0].pair.values['dice']:.3f}" in html
    none = study_page(replace(analysis, outliers=()), summary_of(replace(analysis, outliers=())))
    assert "No pair is an outlier" in none
    assert "<img" not in none


def test_the_page_loads_nothing_runs_nothing_and_names_nobody(analysis: Analysis) -> None:
    html = study_page(analysis, summary_of(analysis))
    assert "<script" not in html
    assert re.findall(r"(?:src|href)=[\"'](?!data:|#)", html) == []
    assert "@import" not in html
    assert re.findall(r"url\((?!#)", html) == []
    assert "LESION-" not in html
    assert "PATIENT-" not in html
    assert str(analysis.study.folder) not in html
    assert "matplotlib.org" not in html


def test_the_page_is_the_same_every_time(analysis: Analysis) -> None:
    summary = summary_of(analysis)
    assert study_page(analysis, summary) == study_page(analysis, summary)


def test_without_matplotlib_the_rest_stands_and_the_page_says_how_to_get_it(
    analysis: Analysis, monkeypatch, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    for name in [n for n in sys.modules if n.split(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_study_page(tmp_path / "study.html", analysis, summary_of(analysis))
    html = (tmp_path / "study.html").read_text(encoding="utf-8")
    assert "pip install matplotlib" in html
    assert "<svg" not in html
    assert html.count("<img") == 3
    assert "ICC(A,1)" in html


def test_probabilities_stand_with_the_statement_and_flips_with_their_interval(analysis: Analysis) -> None:
    statement = "For research use only. <Model> of a test."
    pairs = tuple(
        replace(
            pair,
            extra={
                "probability_image_a": 0.2,
                "probability_image_b": 0.2 + 0.02 * n,
                "probability_image_abs_difference": 0.02 * n,
                "class_flip_image_balanced": float(n > 5),
            },
        )
        for n, pair in enumerate(analysis.compared.pairs)
    )
    found = replace(analysis, compared=replace(analysis.compared, pairs=pairs))
    summary = summary_of(found, {"probability_image_a": "..."}, (), statement, "tiny 1.0", {"image": {"balanced": 0.31}})
    text = text_of(study_page(found, summary))
    assert statement in text
    assert "tiny 1.0" in text
    assert text.index(statement) < text.index("Class flips by threshold")
    # Wilson's interval of 2 of 8: (7.1 %, 59.1 %) (Newcombe, Stat Med 1998;17:857, formula of method 3).
    z, n, k = 1.959964, 8, 2
    centre, half = (2 * k + z**2) / (2 * (n + z**2)), z * (z**2 + 4 * k * (1 - k / n)) ** 0.5 / (2 * (n + z**2))
    assert f"balanced 2 of 8 ({100 * (centre - half):.0f} to {100 * (centre + half):.0f} %)" in text
    assert "0.070" in text  # mean of 0, .02 ... .14


def test_words_for_comparisons_and_missing_intervals() -> None:
    def entry(a: str, sa: int, b: str, sb: int) -> str:
        return comparison_title({"reader_a": a, "session_a": sa, "reader_b": b, "session_b": sb})

    assert entry("R1", 1, "R2", 1) == "R2 against R1"
    assert entry("R1", 2, "R2", 2) == "R2 against R1, session 2"
    assert entry("R1", 1, "R1", 2) == "R1: session 2 against 1"
    assert entry("original", 1, "R2", 1) == "R2 against existing outlines"
    assert interval({"value": None, "low": None, "high": None}, 2) == "not available"
    assert interval({"value": 0.5, "low": None, "high": None}, 2) == "0.50 (no interval)"
    assert mean_interval({"mean_low": 0.97, "mean_high": 1.02}, 2, 1.0) == "0.97 to 1.00"
    assert mean_interval({"mean_low": None, "mean_high": None}, 2) == "no interval"


def test_findings_of_a_study_with_one_lesion_do_without_intervals(analysis: Analysis) -> None:
    one = replace(analysis, compared=replace(analysis.compared, pairs=analysis.compared.pairs[:1]), outliers=())
    text = " ".join(findings(one, summary_of(one)))
    assert "no interval" in text
    assert "1 lesion;" in text
    assert study_page(one, summary_of(one)).endswith("</html>\n")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.45, 2.3, {0.5, 1, 2}), (0.68, 1.5, {0.7, 1, 1.5}), (0.97, 1.03, {1}), (1, 1000, {1, 10, 100, 1000})],
)
def test_ticks_of_a_log_axis_are_round_and_apart(low: float, high: float, expected: set[float]) -> None:
    ticks = log_ticks(low, high)
    assert expected <= {round(t, 6) for t in ticks}
    assert 3 <= len(ticks) <= 8
    assert np.diff(np.log(ticks)).min() >= np.log(high / low) / 7 - 1e-9


GRID = identity((60, 80, 80), (2.0, 1.5, 1.5), (-60.0, -60.0, -60.0))


def where(png: bytes, colour: tuple[int, int, int]) -> np.ndarray:  # type: ignore[type-arg]
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)
    inner = pixels[30 : PIXELS - 40, 30 : PIXELS - 30]  # without letters and scale bar
    return np.argwhere((inner == colour).all(axis=2)) + 30


@pytest.mark.parametrize(("order", "flips"), arrangements()[::11])
def test_two_outlines_lie_where_the_masks_are_in_their_own_colours(order, flips) -> None:  # type: ignore[no-untyped-def]
    a = ellipsoid(GRID, (0.0, 0.0, 0.0), (12.0, 12.0, 12.0))
    b = ellipsoid(GRID, (0.0, 0.0, 0.0), (20.0, 20.0, 20.0))
    hu = np.where(a, 40, -100).astype(np.int16)
    (stored_hu, grid), (stored_a, _), (stored_b, _) = (rearranged(v, GRID, order, flips) for v in (hu, a, b))
    pictures = outline_pictures(stored_hu, stored_a.astype(bool), stored_b.astype(bool), grid)  # type: ignore[arg-type]
    assert [p.plane for p in pictures] == ["axial", "coronal", "sagittal"]
    step = 70.0 / PIXELS  # 40 mm and 15 mm around, to within a voxel
    for picture in pictures:
        for colour, radius in ((OUTLINE, 12), (SECOND_OUTLINE, 20)):
            at = where(picture.png, colour)
            assert len(at) > 100
            assert np.median(np.hypot(*(at - (PIXELS - 1) / 2).T)) * step == pytest.approx(radius, abs=2.0)
        assert len(where(picture.png, SHARED)) == 0


def test_equal_outlines_are_drawn_once_as_shared_and_a_missing_one_is_left_out() -> None:
    a = ellipsoid(GRID, (3.0, -4.0, 5.0), (12.0, 15.0, 10.0))
    hu = np.where(a, 40, -100).astype(np.int16)
    for picture in outline_pictures(hu, a, a, GRID):
        assert len(where(picture.png, SHARED)) > 100
        assert len(where(picture.png, OUTLINE)) == len(where(picture.png, SECOND_OUTLINE)) == 0
    for picture in outline_pictures(hu, np.zeros_like(a), a, GRID):
        assert len(where(picture.png, SECOND_OUTLINE)) > 100
        assert len(where(picture.png, OUTLINE)) == 0


def test_slices_that_hold_both_outlines_are_preferred() -> None:
    a = ellipsoid(GRID, (-8.0, 0.0, 0.0), (12.0, 12.0, 12.0))
    b = ellipsoid(GRID, (8.0, 0.0, 0.0), (12.0, 12.0, 12.0))
    for picture in outline_pictures(np.zeros(GRID.shape, np.int16), a, b, GRID):
        found = [len(where(picture.png, colour)) for colour in (OUTLINE, SECOND_OUTLINE, SHARED)]
        assert found[1] > 50
        assert found[0] + found[2] > 50

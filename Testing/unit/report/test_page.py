"""The page: complete, self-contained, escaped, honest; the pictures in the right orientation."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from PIL import Image

from AdrenalClassifierLib.assessment import Assessment, Assessor
from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.imaging.images import CtImage
from AdrenalClassifierLib.imaging.lesion import extract_lesions
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT, save_bundle
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.report.page import page, write_page
from AdrenalClassifierLib.report.pictures import OUTLINE, PIXELS, lesion_pictures
from AdrenalClassifierLib.report.wording import number, percent
from support.bundles import untrained_bundle
from support.examples import small_lesion
from support.grids import arrangements, ellipsoid, rearranged, segment

PATIENT, _ = record_from_json({"age": 61, "sex": "female", "cortisol_dst": "<50 nmol/L", "weight_loss": True})
LESION = small_lesion()


@pytest.fixture(scope="module")
def assessment(tmp_path_factory) -> Assessment:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("bundle") / "untrained"
    save_bundle(untrained_bundle(), folder, "# Card\n")
    return Assessor(folder, "cpu").assess(LESION, PATIENT)


def text_of(html: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def test_the_page_shows_the_probability_with_its_interval_and_the_statement_beside_it(assessment: Assessment) -> None:
    text = text_of(page([(assessment, LESION)]))
    result = assessment.result
    assert percent(result.probability) in text
    assert f"{percent(result.interval[0])} to {percent(result.interval[1])}" in text
    after = text[text.index("Probability of malignancy") :]
    assert after.index(SYNTHETIC_STATEMENT) < after.index("plane, field of view")


def test_the_page_loads_nothing_from_elsewhere_and_runs_no_script(assessment: Assessment) -> None:
    html = page([(assessment, LESION)])
    assert "<script" not in html
    assert re.findall(r"(?:src|href)=[\"'](?!data:)", html) == []
    assert "@import" not in html
    assert "url(" not in html


def test_text_from_outside_is_escaped(assessment: Assessment) -> None:
    nasty = replace(assessment, lesion_id="<img src=x>", warnings=(Notice("x", "a <b>bold</b> & claim"),))
    html = page([(nasty, LESION), (nasty, LESION)])
    assert "<img src=x>" not in html
    assert "a &lt;b&gt;bold&lt;/b&gt; &amp; claim" in html


def test_two_lesions_have_two_sections_with_their_names(assessment: Assessment) -> None:
    other = replace(assessment, lesion_id="lesion-2", side="left")
    html = page([(assessment, LESION), (other, LESION)])
    assert html.count("<article>") == 2
    assert "lesion-2" in text_of(html)
    assert html.count(SYNTHETIC_STATEMENT) == 2


def test_without_a_probability_the_page_says_why_and_keeps_the_rest(assessment: Assessment) -> None:
    models = {name: replace(r, probability=None, interval=None, contributions=None, reason="torch is not installed")
              for name, r in assessment.models.items()}  # fmt: skip
    text = text_of(page([(replace(assessment, models=models, shown=None), LESION)]))
    assert "No probability" in text
    assert "torch is not installed" in text
    assert "For research use only. Not a medical device." in text
    assert "Long axis (axial)" in text
    assert "ESE/ENSAT 2023" in text


def test_every_missing_measurement_says_so(assessment: Assessment) -> None:
    text = text_of(page([(assessment, LESION)]))
    assert "Absolute washout not available" in text


def test_the_file_is_written_whole(assessment: Assessment, tmp_path) -> None:  # type: ignore[no-untyped-def]
    write_page(tmp_path / "new" / "report.html", [(assessment, LESION)])
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["report.html"]
    assert (tmp_path / "new" / "report.html").read_text(encoding="utf-8").endswith("</html>\n")


@pytest.mark.parametrize(("value", "text"), [(0.0, "<1 %"), (0.004, "<1 %"), (0.32, "32 %"), (0.996, ">99 %"), (1.0, ">99 %")])
def test_percentages_never_claim_certainty(value: float, text: str) -> None:
    assert percent(value) == text


def test_numbers_have_a_true_minus_and_no_negative_zero() -> None:
    assert number(-34.2, 0) == "\u221234"
    assert number(-0.2, 0) == "0"
    assert number(2.345, 1) == "2.3"


def corner_marked(order: tuple[int, int, int], flips: tuple[bool, bool, bool]):  # type: ignore[no-untyped-def]
    """A lesion with bright blocks to the patient's left, anterior and above it, stored in any axis order."""
    grid = identity((60, 80, 80), (2.0, 1.5, 1.5), (-60.0, -60.0, -60.0))
    hu = np.full(grid.shape, -100, np.int16)
    mask = ellipsoid(grid, (0.0, 0.0, 0.0), (15.0, 15.0, 15.0))
    hu[mask] = 40
    for centre in ((35.0, 0.0, 0.0), (0.0, -35.0, 0.0), (0.0, 0.0, 35.0)):
        hu[ellipsoid(grid, centre, (6.0, 6.0, 6.0))] = 240
    stored_hu, stored = rearranged(hu, grid, order, flips)
    stored_mask, _ = rearranged(mask, grid, order, flips)
    return extract_lesions(CtImage(stored_hu.astype(np.int16), stored), [segment(stored_mask.astype(bool), stored)])[0]


@pytest.mark.parametrize(("order", "flips"), arrangements()[::7])
def test_pictures_are_oriented_as_radiologists_read_them(order, flips) -> None:  # type: ignore[no-untyped-def]
    pictures = {p.plane: np.asarray(Image.open(io.BytesIO(p.png)).convert("RGB")).astype(int)
                for p in lesion_pictures(corner_marked(order, flips), 100.0)}  # fmt: skip
    middle, reach = PIXELS // 2, int(35 / 100 * PIXELS)

    def bright(plane: str, row: int, column: int) -> bool:
        return bool(pictures[plane][row, column].min() > 200)

    assert bright("axial", middle, middle + reach)  # patient's left is on the right
    assert bright("axial", middle - reach, middle)  # anterior is on top
    assert not bright("axial", middle, middle - reach)
    assert bright("coronal", middle, middle + reach)
    assert bright("coronal", middle - reach, middle)  # superior is on top
    assert bright("sagittal", middle, middle - reach)  # anterior is on the left
    assert bright("sagittal", middle - reach, middle)


def test_the_outline_follows_the_mask() -> None:
    lesion = corner_marked((0, 1, 2), (False, False, False))
    (axial, *_) = lesion_pictures(lesion, 100.0)
    pixels = np.asarray(Image.open(io.BytesIO(axial.png)).convert("RGB")).astype(int)
    rows, columns = np.nonzero(np.abs(pixels - np.array(OUTLINE)).sum(axis=2) == 0)
    radius = np.hypot(rows - (PIXELS - 1) / 2, columns - (PIXELS - 1) / 2) * 100 / PIXELS
    # The ball of 15 mm in voxels of 1.5 mm, drawn by linear interpolation: within about one voxel.
    assert len(radius) > 200
    assert abs(np.median(radius) - 15) < 0.8
    assert radius.max() < 15 + 1.5

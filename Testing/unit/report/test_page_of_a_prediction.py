"""What stands beside a probability on the page and in the terminal: range, prevalence, set, missing values, saliency."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
import SimpleITK as sitk
from PIL import Image

from AdrenalClassifierLib.assessment import Assessment, Assessor
from AdrenalClassifierLib.commands.summary import assessment_text
from AdrenalClassifierLib.errors import OutputError
from AdrenalClassifierLib.imaging.resample import geometry_of
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT, save_bundle
from AdrenalClassifierLib.model.conformal import SETS, ConformalSet
from AdrenalClassifierLib.model.plausible import Point, WhatIf
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.model.prevalence import parse_prevalence
from AdrenalClassifierLib.model.saliency import SaliencyMap
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.report.page import page
from AdrenalClassifierLib.report.pictures import PIXELS, lesion_pictures
from AdrenalClassifierLib.report.sentences import SET_LABELS, conformal_sentence, what_if_sentence
from AdrenalClassifierLib.report.volume import write_volume
from AdrenalClassifierLib.report.wording import number, percent
from support.bundles import complete_bundle
from support.examples import small_lesion
from support.grids import ellipsoid, oblique_grid

LESION = small_lesion()
OUTSIDE = replace(LESION, phase="unknown")
PATIENT, _ = record_from_json({"age": 61, "sex": "female", "cortisol_dst": "<50 nmol/L"})


@pytest.fixture(scope="module")
def assessor(tmp_path_factory) -> Assessor:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("bundle") / "complete"
    save_bundle(complete_bundle(), folder, "# Card\n")
    return Assessor(folder, "cpu")


def text_of(html: str) -> str:
    body = re.sub(r"<style>.*?</style>", "", html, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def shown(assessment: Assessment, lesion=LESION) -> tuple[str, str]:  # type: ignore[no-untyped-def]
    """Words of the page and of the terminal, each on one line."""
    return text_of(page([(assessment, lesion)])), re.sub(r"\s+", " ", assessment_text(assessment))


def test_prevalence_and_set_stand_beside_the_probability_before_the_statement(assessor: Assessor) -> None:
    found = assessor.assess(LESION, PATIENT, options=Options(prevalence=parse_prevalence("8%")))
    for text in shown(found):
        start = text.index("Probability of malignancy")
        part = text[start : text.index(SYNTHETIC_STATEMENT)]
        assert percent(found.result.probability) in part
        assert "prevalence of malignancy of 8 %, as among incidentalomas (training cohort: 26 %)" in part
        assert conformal_sentence(found.conformal_set) in part


def test_the_shift_of_prevalence_is_a_line_of_its_own_and_the_lines_add_up(assessor: Assessor) -> None:
    found = assessor.assess(LESION, PATIENT, options=Options(prevalence=parse_prevalence("8%")))
    html = page([(found, LESION)])
    table = html[html.index("<table class=bars>") : html.index("</table>", html.index("<table class=bars>"))]
    figures = [float(f.replace("\u2212", "-")) for f in re.findall(r"class=figure>([^<]*)<", table)]
    assert "8 % instead of 26 %" in text_of(table)
    assert sum(figures) + found.result.intercept == pytest.approx(found.result.logit, abs=0.005 * len(figures) + 0.01)
    assert f"together they give {number(found.result.logit, 2)}" in text_of(html)
    assert "Prevalence" not in text_of(page([(assessor.assess(LESION, PATIENT), LESION)]))


def test_outside_the_range_page_and_terminal_give_reasons_and_no_figure(assessor: Assessor) -> None:
    found = assessor.assess(OUTSIDE, PATIENT)
    secret = assessor.assess(OUTSIDE, PATIENT, show_outside=True)
    for text in shown(found, OUTSIDE):
        assert "No probability" in text
        assert "utside the validated range" in text
        assert "The contrast phase of the CT is not known" in text
        assert "--outside-range show" in text
        assert SYNTHETIC_STATEMENT in text
        assert "Long axis (axial)" in text
        assert text.count("The contrast phase of the CT is not known, ") == 1  # said once, not again as a remark
        for result in secret.models.values():
            assert f"{percent(result.interval[0])} to {percent(result.interval[1])}" not in text
        assert "Why this probability" not in text


def test_outside_the_range_on_request_the_warning_stands_in_the_same_box(assessor: Assessor) -> None:
    found = assessor.assess(OUTSIDE, PATIENT, show_outside=True)
    for text in shown(found, OUTSIDE):
        warned = text.index("utside the validated range")
        assert warned < text.index("Probability of malignancy")
        assert percent(found.result.probability) in text
        assert warned < text.index(SYNTHETIC_STATEMENT)
    assert '<div class="result outside">' in page([(found, OUTSIDE)])


def test_cautions_are_among_the_remarks(assessor: Assessor) -> None:
    found = assessor.assess(LESION, record_from_json({"sex": "female"})[0])
    for text in shown(found):
        assert "The age was not given; the model holds for adults (18 years or more)." in text
        assert "Outside the validated range" not in text


@pytest.mark.parametrize("name", SETS)
def test_every_set_has_its_words(name, assessor: Assessor) -> None:  # type: ignore[no-untyped-def]
    words = {
        "benign": "benign only",
        "malignant": "malignant only",
        "either": "cannot tell them apart",
        "none": "unlike either class",
    }
    sentence = conformal_sentence(ConformalSet(name, 0.9))
    assert words[name] in sentence
    assert sentence.startswith("90 % conformal set: ")
    few = conformal_sentence(ConformalSet("either", 0.95, "only 8 malignant lesions to compare with"))
    assert "(only 8 malignant lesions to compare with)" in few
    found = assessor.assess(LESION, PATIENT)
    found = replace(found, conformal={m: ConformalSet(name, 0.9) for m in found.models})
    for text in shown(found):
        assert text.count(SET_LABELS[name]) >= 4


def test_sentences_about_a_missing_value() -> None:
    ratio = WhatIf("normetanephrine", "nmol/L", "combined", Point(2.4, 4.0, 0.004), Point(0.3, 0.5, 0.21))
    assert what_if_sentence(ratio, 0.12, "combined") == (
        "Normetanephrine, plasma free: one of 4 times the upper limit would lower it to <1 %, a value within limits "
        "(0.5 times the upper limit) would raise it to 21 %."
    )
    flag = WhatIf("weight_loss", None, "combined", Point(False, None, 0.118), Point(True, None, 0.3))
    assert what_if_sentence(flag, 0.12, "combined") == "Weight loss: no would leave it at 12 %, yes would raise it to 30 %."
    hu = WhatIf("spontaneous_hu", "HU", "combined", Point(-4.0, None, 0.05), Point(38.0, None, 0.2))
    text = what_if_sentence(hu, 0.12, "image+radiological")
    assert "\u22124 HU would lower it to 5 %, 38 HU would raise it to 20 %" in text
    assert text.endswith("(then from the model: image + radiological data + history and laboratory).")
    choice = WhatIf("genetic_syndrome", None, "combined", Point("vhl", None, 0.05), Point("none", None, 0.12))
    assert "\u201cvon Hippel-Lindau\u201d would lower it to 5 %" in what_if_sentence(choice, 0.12, "combined")


def test_missing_values_that_matter_are_told_most_informative_first(assessor: Assessor) -> None:
    found = assessor.assess(LESION, PATIENT)
    assert len(found.what_if) == 3
    for text in shown(found):
        places = [text.index(what_if_sentence(item, found.result.probability, found.shown)) for item in found.what_if]
        assert places == sorted(places)
        assert text.index("What a missing value could change") < places[0]
    same = Point(0.0, None, found.result.probability)
    unmoved = tuple(replace(item, lowest=same, highest=same) for item in found.what_if)
    for text in shown(replace(found, what_if=unmoved)):
        assert "No missing value alone would change it" in text
        assert "would leave it at" in text
        assert "lower it to" not in text
    for text in shown(replace(found, what_if=(*unmoved[:1], *found.what_if[1:]))):
        assert text.count("would leave it at") < 2
    everything = replace(found, what_if=())
    for text in shown(everything):
        assert "What a missing value could change" not in text


def half_and_half() -> SaliencyMap:
    """For malignancy in the patient's left half of the lesion, against it in the right."""
    k, j, i = np.indices(LESION.geometry.shape)
    left = LESION.geometry.to_world(np.stack([k, j, i], axis=-1))[..., 0]
    values = np.where(LESION.mask, np.sign(left) * 0.5, 0).astype(np.float32)
    return SaliencyMap(values, 3.0, 0.4, 0.1, 0.3)


def test_the_overlay_is_orange_where_it_speaks_for_and_blue_where_against() -> None:
    plain = np.asarray(Image.open(io.BytesIO(lesion_pictures(LESION, 60.0)[0].png)).convert("RGB")).astype(int)
    over = np.asarray(Image.open(io.BytesIO(lesion_pictures(LESION, 60.0, half_and_half())[0].png)).convert("RGB")).astype(int)
    middle, reach = PIXELS // 2, int(8 / 60 * PIXELS)
    on_left, on_right = over[middle, middle + reach], over[middle, middle - reach]  # patient's left is on the right
    assert on_left[0] > on_left[2] + 60
    assert on_right[2] > on_right[0] + 60
    np.testing.assert_array_equal(over[40, 40], plain[40, 40])  # outside the outline nothing is painted
    grey = over[middle + reach // 2, middle + reach]
    assert grey[0] - grey[2] > 60


def test_the_page_shows_the_map_with_legend_and_what_it_is_not(assessor: Assessor) -> None:
    found = assessor.assess(LESION, PATIENT)
    without = page([(found, LESION)])
    with_map = page([(replace(found, saliency=half_and_half()), LESION)])
    assert with_map.count("<img") == without.count("<img") + 3
    text = text_of(with_map)
    assert "not where a tumour is malignant" in text
    assert "\u22120.5, against malignancy" in text
    assert "+0.5, for malignancy" in text
    assert "log-odds per mL" in text
    assert "over the whole lesion +0.30" in text
    assert "What the network used" not in text_of(without)


def test_a_map_of_nothing_stays_pale() -> None:
    faint = replace(half_and_half(), values=half_and_half().values * 1e-6)
    plain, over = (
        np.asarray(Image.open(io.BytesIO(lesion_pictures(LESION, 60.0, m)[0].png)).convert("RGB")).astype(int)
        for m in (None, faint)
    )
    assert np.abs(plain - over).max() <= 1


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd"])
def test_a_volume_is_read_back_where_it_was_in_the_patient(suffix: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    grid = oblique_grid((20, 24, 28), (3.0, 1.2, 0.9), (12.0, -30.0, 44.0), mirror=False)
    values = ellipsoid(grid, grid.to_world(np.array([9.0, 12.0, 15.0])), (9.0, 9.0, 9.0)).astype(np.float32) * np.float32(-0.37)
    write_volume(tmp_path / "new" / f"map{suffix}", values, grid)
    image = sitk.ReadImage(str(tmp_path / "new" / f"map{suffix}"))
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), values)
    assert geometry_of(image).same_grid(grid)
    assert [p.name for p in (tmp_path / "new").iterdir()] == [f"map{suffix}"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="Choose another folder"):
        write_volume(tmp_path / "file" / f"map{suffix}", values, grid)

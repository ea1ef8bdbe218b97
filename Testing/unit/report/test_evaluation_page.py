"""The page of an evaluation: complete, self-contained, escaped, honest, and whole for cohorts of every kind."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from html import unescape
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from AdrenalClassifierLib.evaluation.evaluate import Evaluation, evaluate
from AdrenalClassifierLib.evaluation.predictions import Predictions
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.report.evaluation_figures import COLOURS, RULE_COLOURS, RULE_STYLES, SHORT, STYLES, letters
from AdrenalClassifierLib.report.evaluation_page import evaluation_page
from AdrenalClassifierLib.report.evaluation_tables import cell, p_value
from support.predictions import made_up


@cache
def _full() -> Evaluation:
    given = made_up()
    rng = np.random.default_rng(0)
    sets = {m: tuple(rng.choice(["benign", "malignant", "either"], 114).tolist()) for m in MODELS}
    return evaluate(replace(given, conformal=sets, ceiling=given.log_odds["combined"] + 0.1, synthetic=True), 0, 60)


def _text(html: str) -> str:
    body = re.sub(r"<(style|svg)\b.*?</\1>", "", html, flags=re.S)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)).replace("\xa0", " "))


def _page(given: Predictions) -> str:
    return evaluation_page(evaluate(given, 0, 40))


def test_the_page_is_one_file_without_script_or_outside_links_and_valid_pictures() -> None:
    html = evaluation_page(_full())
    assert "<script" not in html
    assert not re.search(r'(?:src|href)="(?!#)', html)
    assert not re.search(r"url\((?!#)", html)
    pictures = re.findall(r"<svg.*?</svg>", html, flags=re.S)
    assert len(pictures) == 8  # ROC, precision-recall, two decision curves, four calibration curves
    for picture in pictures:
        ElementTree.fromstring(picture)
        assert 'role="img"' in picture
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(|href=")#([^)"]+)', html)) <= set(ids)


def test_every_model_stands_with_its_figures_and_intervals_and_the_statement_at_both_ends() -> None:
    found = _full()
    html = evaluation_page(found)
    text = _text(html)
    for model in MODELS:
        area = found.models[model]["auc"]
        assert f"{SHORT[model]} {area['value']:.3f} {area['low']:.3f} to {area['high']:.3f}" in text
        slope = found.models[model]["calibration_slope"]
        assert f"{slope['value']:.2f} {slope['low']:.2f} to {slope['high']:.2f}" in text
    assert html.count(SYNTHETIC_STATEMENT) == 2
    assert html.index(SYNTHETIC_STATEMENT) < html.index("<h3>Summary")
    assert html.rindex(SYNTHETIC_STATEMENT) > html.index("<h3>The published abstract")
    assert "114 lesions of 113 patients, 26 malignant and 88 benign" in text
    for words in (
        "cannot be compared with figures on patients", "exact 76.2 to 90.4", "counts as positive", "Exact posterior (ceiling)",
        "Coverage, malignant", "Regression on size and attenuation", "one random lesion a patient", "0.05 is not detectable",
    ):  # fmt: skip
        assert words in text
    for rule, letter in letters(list(found.rules)).items():
        assert f"{letter}: {found.rules[rule]['label']}" in text


def test_no_patient_and_no_lesion_is_named() -> None:
    html = evaluation_page(_full())
    assert not re.search(r"\b[PL]\d{4}\b", html)


def test_the_forest_draws_what_it_writes() -> None:
    found = _full()
    html = evaluation_page(found)
    for level in found.subgroups["clustering"]["levels"]:
        area = level["models"]["combined"]["auc"]
        bar = f'<i class=bar style="left:{100 * area["low"]:.1f}%;width:{100 * (area["high"] - area["low"]):.1f}%"></i>'
        assert f'{bar}<i class=dot style="left:{100 * area["value"]:.1f}%"></i>' in html


def test_names_are_escaped() -> None:
    given = made_up(30, model={"name": "<b>&", "version": "1"}, remarks=("<script>x</script>",))
    html = _page(given)
    assert "<script>" not in html
    assert "&lt;b&gt;&amp; 1" in html
    assert "&lt;script&gt;" in html


def test_the_same_evaluation_gives_the_same_bytes_and_leaves_matplotlib_as_it_was() -> None:
    before = dict(matplotlib.rcParams)
    assert evaluation_page(_full()) == evaluation_page(_full())
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    ("given", "words", "absent"),
    [
        (
            made_up(30, rules={}, baselines={}, subgroups={}),
            ["No rule was applied"],
            ["ceiling", "Conformal", "simple regression"],
        ),
        (made_up(30, synthetic=True), ["No ceiling: the table of the truth does not stand beside the cohort"], []),
        (made_up(1, bilateral=0, malignant=np.array([True])), ["AUC not defined", "no benign lesion"], []),
        (made_up(6, bilateral=0, malignant=np.arange(6) < 2), ["2 malignant and 4 benign"], []),
        (
            made_up(25, malignant=np.ones(25, bool), histology=("acc",) * 25),
            ["ROC curves: none (no benign lesion)", "Decision curves of the models: none (no benign lesion)", "AUC not defined"],
            [],
        ),
        (
            made_up(30, log_odds={**made_up(30).log_odds, "combined": np.full(30, np.nan)}),
            ["Combined: 30 lesions without a probability are left out", "AUC not defined"],
            [],
        ),
        (
            made_up(20, bilateral=0, malignant=np.arange(20) < 8, log_odds={m: 9.0 * (np.arange(20) < 8) for m in MODELS}),
            ["AUC 1.000", "separated completely"],
            [],
        ),
    ],
    ids=["bare", "no truth", "one lesion", "six lesions", "one class", "model without values", "separated"],
)
def test_a_page_is_whole_whatever_is_missing(given: Predictions, words: list[str], absent: list[str]) -> None:
    html = _page(given)
    text = _text(html)
    for expected in words:
        assert expected in text
    for unexpected in absent:
        assert unexpected not in text
    assert html.rstrip().endswith("</html>")
    assert SYNTHETIC_STATEMENT in html
    assert not re.search(r"\b(nan|None|inf)\b", text)


@pytest.mark.parametrize(
    ("metric", "more", "expected"),
    [
        ({"value": 0.5, "low": 0.25, "high": 0.75}, {}, "0.500<small>0.250 to 0.750</small>"),
        ({"value": 0.5, "low": 0.25, "high": 0.75}, {"percent": True}, "50.0&nbsp;%<small>25.0 to 75.0</small>"),
        ({"value": 0.05, "low": -0.01, "high": 0.1}, {"percent": True, "sign": True}, "+5.0<small>−1.0 to 10.0</small>"),
        ({"value": -0.0001, "low": -0.1, "high": 0.1}, {"sign": True, "decimals": 2}, "0.00<small>−0.10 to 0.10</small>"),
        (
            {"value": 1, "low": None, "high": None, "reason": "a < b"},
            {},
            "1.000<small class=absent>no interval: a &lt; b</small>",
        ),
        ({"value": None, "low": None, "high": None, "reason": "x"}, {}, "<span class=absent>none<small>x</small></span>"),
    ],
)
def test_a_cell_shows_value_interval_or_reason(metric: dict[str, Any], more: dict[str, Any], expected: str) -> None:
    assert cell(metric, **more) == expected


def test_p_values_never_claim_zero() -> None:
    assert (p_value(1e-9), p_value(0.0412), p_value(1.0), p_value(None)) == ("&lt;0.001", "0.041", "1.000", "&ndash;")


def _luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_lines_stand_out_from_the_paper_and_differ_in_more_than_colour() -> None:
    for colour in (*COLOURS.values(), *RULE_COLOURS):
        assert 1.05 / (_luminance(colour) + 0.05) >= 4.5  # WCAG 2.2, 1.4.3, the stricter limit for text
    assert len({str(style) for style in STYLES.values()}) == len(MODELS)
    assert len({str(style) for style in RULE_STYLES}) == len(RULE_STYLES)

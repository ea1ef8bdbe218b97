"""``evaluate`` as its users run it: a small synthetic cohort, the bundled model."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from AdrenalClassifierLib.cohort.synthetic.write import write_synthetic
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT
from AdrenalClassifierLib.model.fusion import MODELS
from support.sample import run

LESIONS, SEED = 14, 77


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    return write_synthetic(tmp_path_factory.mktemp("cohort") / "synthetic", LESIONS, SEED)


def test_one_command_gives_every_figure_a_table_and_a_page(table: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "result"
    answer = run(capsys, "evaluate", "--cohort", table, "--out", out, "--bootstrap", 200, "--workers", 1, "--device", "cpu")
    assert answer.code == 0, answer.err
    assert sorted(p.name for p in out.iterdir()) == ["evaluation.html", "metrics.csv", "metrics.json", "predictions.csv"]
    found = json.loads((out / "metrics.json").read_text(encoding="utf-8"))
    assert found["cohort"]["lesions"] == LESIONS
    assert found["cohort"]["synthetic"] is True
    assert list(found["models"]) == list(MODELS)
    assert found["ceiling"]["auc"]["value"] is not None
    assert set(found["rules"]) >= {"size_4cm", "attenuation_10", "attenuation_20", "ese_ensat_2023", "eurine_act"}
    for model in MODELS:
        area = found["models"][model]["auc"]
        assert area["value"] is not None
        assert f"{model:<20} AUC {area['value']:.3f}" in answer.out
    with open(out / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == LESIONS
    assert all(0 < float(row[f"probability_{model}"]) < 1 for row in rows for model in MODELS)
    page = (out / "evaluation.html").read_text(encoding="utf-8")
    assert page.count(SYNTHETIC_STATEMENT) == 2
    assert SYNTHETIC_STATEMENT in answer.out
    assert "cannot be compared with figures on patients" in answer.out
    assert not any(str(table.parent) in p.read_text(encoding="utf-8") for p in out.iterdir())


def test_a_cohort_of_one_class_and_a_split_column_gives_what_can_be_given(table: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    benign = [row for row in rows if row["malignant"] == "0"]
    other = table.parent / "benign.csv"
    with open(other, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], "split"])
        writer.writeheader()
        writer.writerows({**row, "split": "test" if n < 3 else "train"} for n, row in enumerate(benign))
    answer = run(capsys, "evaluate", "--cohort", other, "--out", tmp_path, "--bootstrap", 100, "--workers", 1, "--device", "cpu")
    assert answer.code == 0, answer.err
    assert "not defined (no malignant lesion)" in answer.out
    assert "marks as 'test'" in answer.out
    found = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert found["cohort"]["lesions"] == 3
    assert found["models"]["combined"]["specificity"]["value"] is not None


def test_bad_input_gives_one_sentence_and_writes_nothing(table: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for words, sentence in (
        (("--cohort", tmp_path / "no.csv", "--out", tmp_path / "o"), "no.csv"),
        (("--cohort", table, "--out", tmp_path / "o", "--part", "test"), "There is no test part"),
        (("--cohort", table, "--out", tmp_path / "file"), "is a file"),
        (("--cohort", table, "--out", tmp_path / "o", "--model", tmp_path), "is not a model bundle"),
        (("--cohort", table, "--out", tmp_path / "o", "--bootstrap", 5), "--bootstrap must be 100 or more"),
    ):
        answer = run(capsys, "evaluate", *words)
        assert answer.code == 2
        assert sentence in answer.err
        assert "Traceback" not in answer.err
        assert answer.out == ""
    assert [p.name for p in tmp_path.iterdir()] == ["file"]

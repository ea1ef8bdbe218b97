"""``assess --cohort`` as its users run it: whatever the order of rows, the number of workers, and the state of single cases."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from AdrenalClassifierLib.batch.results import LINES, TABLE
from AdrenalClassifierLib.files import sha256_of
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT, save_bundle
from support.bundles import untrained_bundle
from support.phantom_cohort import Row, read_results, same_results, save, write_cohort, write_table
from support.sample import run


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("bundle") / "untrained"
    save_bundle(untrained_bundle(), folder, "card\n")
    return folder  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, list[Row]]:  # type: ignore[no-untyped-def]
    folder = tmp_path_factory.mktemp("made")
    return folder, write_cohort(folder, 6)


@pytest.fixture
def cohort(made: tuple[Path, list[Row]], tmp_path: Path) -> tuple[Path, list[Row]]:
    """A cohort of six that a test may spoil."""
    shutil.copytree(made[0], tmp_path / "cohort")
    return tmp_path / "cohort" / "cohort.csv", [dict(row) for row in made[1]]


def test_one_process_several_and_another_order_give_the_same_file(cohort, model, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    table, rows = cohort
    one = run(capsys, "assess", "--cohort", table, "--model", model, "--out", tmp_path / "one")
    assert (one.code, one.out.splitlines()) == (0, ["6 lesions: 6 assessed, 0 with an error.", SYNTHETIC_STATEMENT])
    random.Random(1).shuffle(rows)
    write_table(table, rows)
    assert run(capsys, "assess", "--cohort", table, "--model", model, "--out", tmp_path / "two", "--workers", 2).code == 0
    assert same_results(tmp_path / "one", tmp_path / "two")
    found = read_results(tmp_path / "one")
    assert list(found) == [f"L{n:03d}" for n in range(6)]
    assert {row["statement"] for row in found.values()} == {SYNTHETIC_STATEMENT}
    assert {row["weights_sha256"] for row in found.values()} == {sha256_of(model / "weights.safetensors")}
    assert {row["device"] for row in found.values()} <= {"cpu", "cuda", "mps"}
    assert len({row["probability"] for row in found.values()}) == 6
    for text in (path.read_text(encoding="utf-8") for path in (tmp_path / "one").iterdir()):
        assert str(tmp_path) not in text


def test_every_lesion_is_assessed_as_by_itself_with_its_own_patient(cohort, model, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    table, rows = cohort
    write_table(table, rows[:2])
    assert run(capsys, "assess", "--cohort", table, "--model", model, "--out", tmp_path / "out").code == 0
    found = read_results(tmp_path / "out")
    lines = {r["lesion_id"]: r for r in map(json.loads, (tmp_path / "out" / LINES).read_text(encoding="utf-8").splitlines())}
    for row in rows[:2]:
        values = {"age": int(row["age_years"]), "sex": row["sex"]}
        if row["cortisol_dst_nmol_l"]:
            values["cortisol_dst_nmol_l"] = float(row["cortisol_dst_nmol_l"])
        (tmp_path / "patient.json").write_text(json.dumps(values))
        words = ["--ct", table.parent / row["ct_unenhanced"], "--phase", "unenhanced", "--mask", table.parent / row["mask"]]
        if "ct_portal" in row:  # the table's main phase is the first of portal, unenhanced, ... on whose grid the mask lies
            words = ["--ct", table.parent / row["ct_portal"], "--phase", "portal", "--mask", table.parent / row["mask"]]
            words += ["--unenhanced", table.parent / row["ct_unenhanced"]]
        alone = run(capsys, "assess", *words, "--patient", tmp_path / "patient.json", "--model", model, "--json").json
        line = lines[row["lesion_id"]]
        assert float(found[row["lesion_id"]]["probability"]) == pytest.approx(line["probability"], rel=1e-5)
        for name, item in line["models"].items():
            assert item["probability"] == pytest.approx(alone["models"][name]["probability"], abs=1e-7)
            assert item["interval"] == pytest.approx(alone["models"][name]["interval"], abs=1e-7)
        assert line["measurements"] == alone["measurements"]
        assert [float(found[row["lesion_id"]][c]) for c in ("low", "high")] == pytest.approx(alone["interval"], rel=1e-5)


def test_lesions_without_a_diagnosis_are_assessed_all_the_same(cohort, model, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    table, rows = cohort
    write_table(table, rows[:2])
    words = ("assess", "--cohort", table, "--model", model, "--out")
    assert run(capsys, *words, tmp_path / "known").code == 0
    bare = [{k: v for k, v in row.items() if k not in ("malignant", "histology", "truth_source")} for row in rows[:2]]
    write_table(table, bare, tuple(bare[1]))
    assert run(capsys, *words, tmp_path / "bare").code == 0
    write_table(table, [row | {"malignant": "?", "histology": "acc", "truth_source": "hearsay"} for row in bare])
    assert run(capsys, *words, tmp_path / "odd").out.startswith("2 lesions: 2 assessed, 0 with an error.")
    for name in ("bare", "odd"):
        assert same_results(tmp_path / "known", tmp_path / name)
    assert run(capsys, "cohort", "check", table, "--quick").code == 2  # what training needs is still asked for


def test_bad_cases_become_rows_with_a_sentence_and_the_rest_is_assessed(cohort, model, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    table, rows = cohort
    folder = table.parent
    (folder / rows[0]["ct_unenhanced"]).write_bytes(b"not an image")
    save(folder / rows[1]["mask"], np.zeros((24, 40, 40), np.uint8))
    rows[2]["mask"] = "gone.nii.gz"
    rows[3]["age_years"] = "540"
    rows[4] |= {"side": "up", "malignant": "?"}
    write_table(table, rows)
    answer = run(capsys, "assess", "--cohort", table, "--model", model, "--out", tmp_path / "out")
    assert answer.code == 0
    assert answer.out.startswith("6 lesions: 1 assessed, 5 with an error.")
    found = read_results(tmp_path / "out")
    errors = {name: row["error"] for name, row in found.items()}
    assert "L000_unenhanced.nii.gz" in errors["L000"]
    assert "holds no segment" in errors["L001"]
    assert errors["L002"] == "Column 'mask': the file 'gone.nii.gz' does not exist. Paths are relative to the table's folder."
    assert "age_years" in errors["L003"]
    assert "must be left, right or unknown" in errors["L004"]
    assert "malignant" not in errors["L004"]
    assert errors["L005"] == ""
    assert all((row["probability"] == "") == (row["error"] != "") for row in found.values())
    assert "Row " not in "".join(errors.values())
    # What was repaired is tried again; what was assessed stays.
    rows[2]["mask"], rows[3]["age_years"] = "L002_mask.nii.gz", "54"
    write_table(table, rows)
    answer = run(capsys, "assess", "--cohort", table, "--model", model, "--out", tmp_path / "out")
    assert answer.out.startswith("6 lesions: 3 assessed, 3 with an error.\n1 of them were there from an earlier run.")


def test_a_second_run_goes_on_and_refuses_what_changed(cohort, model, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    table, rows = cohort
    out = tmp_path / "out"
    words = ("assess", "--cohort", table, "--model", model, "--out", out)
    write_table(table, rows[:2])
    assert run(capsys, *words).code == 0
    write_table(table, rows[:3])
    assert "2 of them were there from an earlier run." in run(capsys, *words).out
    before = (out / TABLE).read_bytes()
    assert run(capsys, *words).code == 0
    assert (out / TABLE).read_bytes() == before

    def refused(sentence: str) -> None:
        answer = run(capsys, *words)
        assert answer.code == 2
        assert sentence in answer.err
        assert len(answer.err.strip().splitlines()) == 1
        assert (out / TABLE).read_bytes() == before

    # Touched or copied files with the same content are no change, nor is a label.
    mask = table.parent / rows[0]["mask"]
    mask.write_bytes(mask.read_bytes())
    rows[0] |= {"malignant": "1", "histology": "acc"}
    write_table(table, rows[:3])
    assert run(capsys, *words).code == 0
    rows[1]["age_years"] = "77"
    write_table(table, rows[:3])
    refused("The row or the files of lesion 'L001' changed since it was assessed.")
    rows[1]["age_years"] = "31"
    write_table(table, rows[1:3])
    refused("holds results of 1 lesions that the table no longer has, the first 'L000'")
    write_table(table, rows[:3])
    save(table.parent / rows[2]["mask"], np.pad(np.ones((6, 10, 10), np.uint8), ((9, 9), (15, 15), (15, 15))))
    refused("The row or the files of lesion 'L002' changed since it was assessed.")
    assert run(capsys, *words, "--restart").code == 0
    assert (out / TABLE).read_bytes() != before
    before = (out / TABLE).read_bytes()
    other = tmp_path / "other"
    save_bundle(untrained_bundle(seed=1), other, "card\n")
    words = ("assess", "--cohort", table, "--model", other, "--out", out)
    refused("holds results of another model")


@pytest.mark.parametrize(("words", "sentence"), [
    (["--json"], "--json prints one case. A cohort writes assessments.jsonl"),
    (["--workers", "0"], "At least one worker process"),
    (["--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "Give --workers or --scheduler, not both"),
    (["--ct", "ct.nii.gz"], "--ct belongs to a single case"),
    (["--model", "no-such-folder"], "no-such-folder"),
])  # fmt: skip
def test_wrong_words_get_one_sentence_and_write_nothing(cohort, tmp_path, capsys, words, sentence) -> None:  # type: ignore[no-untyped-def]
    answer = run(capsys, "assess", "--cohort", cohort[0], "--out", tmp_path / "out", *words)
    assert answer.code == 2
    assert sentence in answer.err
    assert "Traceback" not in answer.err
    assert not (tmp_path / "out").exists()


def test_tables_that_cannot_be_scored_and_words_without_a_cohort_are_refused(cohort, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    table, rows = cohort
    out = tmp_path / "out"
    assert "Say where the results go: --out DIR." in run(capsys, "assess", "--cohort", table).err
    assert "Give a case (--ct CT --mask MASK) or a cohort" in run(capsys, "assess", "--out", out).err
    ct, mask = (table.parent / rows[0][column] for column in ("ct_unenhanced", "mask"))
    assert "belong to --cohort" in run(capsys, "assess", "--ct", ct, "--mask", mask, "--workers", 2, "--out", out).err
    rows[1]["lesion_id"], rows[2]["lesion_id"] = "l000", ""
    answer = run(capsys, "assess", "--cohort", write_table(table, rows), "--out", out)
    assert answer.code == 2
    assert "Rows 2 and 3, column 'lesion_id': the same lesion_id." in answer.err
    assert "Row 4, column 'lesion_id': is empty" in answer.err
    table.write_text("patient_id,Ki67\n", encoding="utf-8")
    assert "Ki67" in run(capsys, "assess", "--cohort", table, "--out", out).err
    assert not out.exists()


def test_a_cluster_without_its_package_or_scheduler_gets_one_sentence(cohort, model, tmp_path, capsys, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    words = ("assess", "--cohort", cohort[0], "--model", model, "--out", tmp_path / "out", "--scheduler")
    monkeypatch.setattr("AdrenalClassifierLib.batch.cluster.CONNECT_S", 0.5)
    answer = run(capsys, *words, "tcp://127.0.0.1:9")
    assert answer.code == 2
    assert "There is no Dask scheduler at 'tcp://127.0.0.1:9'" in answer.err
    assert "Traceback" not in answer.err
    monkeypatch.setitem(sys.modules, "distributed", None)
    answer = run(capsys, *words, "tcp://127.0.0.1:8786")
    assert answer.code == 2
    assert "pip install 'adrenal-classifier[cluster]'" in answer.err

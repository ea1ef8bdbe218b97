"""A study from the command line: created, worked on, collected, analysed; with and without torch."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from test_without_torch import run as run_without

from AdrenalClassifierLib.imaging.resample import to_sitk
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT, save_bundle
from AdrenalClassifierLib.study.manifest import read_key, read_study
from AdrenalClassifierLib.study.package import read_package
from support.bundles import untrained_bundle
from support.sample import run
from support.studies import ball_on, balls, read_all, scene_of, write_cohort

LESIONS = balls(6)
TOOL = ("--tool", "Segment Editor", "--tool-version", "5.12")


def size(factor: float):  # type: ignore[no-untyped-def]
    return lambda scene, _: ball_on(scene.grid, scene.centre, scene.ball.radius * factor)


@pytest.fixture
def study(tmp_path: Path, capsys) -> Path:  # type: ignore[no-untyped-def]
    table = write_cohort(tmp_path / "cohort", LESIONS)
    words = ("--lesions", 3, "--seed", 5, "--readers", "R1", "R2", "--hint", "point")
    answer = run(capsys, "study", "create", "--cohort", table, "--out", tmp_path / "study", *words)
    assert answer.code == 0, answer.err
    assert "3 of 6 lesions, seed 5" in answer.out
    return tmp_path / "study"


def test_a_reader_works_from_the_command_line(study: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    package = study / "packages" / "R1-1"
    listed = run(capsys, "study", "work", "list", package, "--json").json
    assert [c["state"] for c in listed["cases"]] == ["open"] * 3
    code = listed["next"]
    opened = run(capsys, "study", "work", "open", package, code, *TOOL, "--json").json
    assert opened["mask"] is None
    assert (package / opened["ct"]).is_file()
    assert opened["hint"]["kind"] == "point"
    found = read_study(study)
    scene = scene_of(found, read_key(found), read_key(found).codes["R1-1"][code], LESIONS)
    mask = ball_on(scene.grid, scene.centre, scene.ball.radius)
    sitk.WriteImage(to_sitk(mask, read_package(package).case(code).grid), str(tmp_path / "m.nii.gz"))
    assert "started" in run(capsys, "study", "work", "autosave", package, code, tmp_path / "m.nii.gz").out
    assert "timer stands" in run(capsys, "study", "work", "pause", package, code).out
    assert "timer runs" in run(capsys, "study", "work", "resume", package, code).out
    again = run(capsys, "study", "work", "open", package, code, *TOOL)
    assert "go on from autosave/" in again.out
    assert "mm LPS" in again.out
    assert run(capsys, "study", "work", "close", package, code).code == 0
    assert run(capsys, "study", "work", "submit", package, code, "--json").json["state"] == "submitted"
    assert run(capsys, "study", "work", "submit", package, code).code == 2
    assert run(capsys, "study", "work", "reopen", package, code, "--reason", "wrong lesion").code == 0
    assert run(capsys, "study", "work", "submit", package, code, tmp_path / "m.nii.gz", "--json").json["submissions"] == 2
    assert "1 of 3 submitted" in run(capsys, "study", "work", "list", package).out
    assert "1 of 3 submitted; 0 collected" in run(capsys, "study", "status", study).out
    assert "R1-1: 1 of 3 cases, 2 new submissions" in run(capsys, "study", "collect", study).out
    status = run(capsys, "study", "status", study, "--json").json
    assert [r["collected"] for r in status["readings"]] == [1, 0]


def test_results_are_opened_when_all_have_finished(study: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    found = read_study(study)
    read_all(found, "R1-1", LESIONS, size(1.0))
    locked = run(capsys, "study", "analyse", study, "--no-probability")
    assert locked.code == 2
    assert "R2-1" in locked.err
    assert not (study / "analysis").exists()
    read_all(found, "R2-1", LESIONS, size(1.1))
    model = tmp_path / "untrained"
    save_bundle(untrained_bundle(), model, "# Card\n")
    answer = run(capsys, "study", "analyse", study, "--model", model, "--device", "cpu", "--original", "--json")
    assert answer.code == 0, answer.err
    summary = answer.json
    assert summary["statement"] == SYNTHETIC_STATEMENT
    # Reader 1 drew what the existing outline holds, so that no probability moves; reader 2 drew a tenth more on the radius.
    by = {(c["reader_a"], c["reader_b"]): c["metrics"] for c in summary["inter"]["comparisons"]}
    for name in ("image", "image_radiological", "image_clinical", "combined"):
        key = f"probability_{name}_abs_difference"
        assert by["original", "R1"][key]["max"] == 0
        assert by["original", "R1"][f"class_flip_{name}_balanced"]["max"] == 0
        assert by["R1", "R2"][key]["min"] > 0
        assert by["R1", "R2"][key]["n"] == 3
    with open(study / "analysis" / "pairs.csv", encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["metric"] == "probability_combined_b"]
    assert len(rows) == 9
    assert all(0 < float(r["value"]) < 1 and "mask A" in r["definition"] for r in rows)
    html = (study / "analysis" / "study.html").read_text(encoding="utf-8")
    assert SYNTHETIC_STATEMENT in html
    assert "Effect on the probability of malignancy" in html


def test_probabilities_agree_with_the_main_job_on_the_same_files(study: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    found = read_study(study)
    for reader in ("R1", "R2"):
        read_all(found, f"{reader}-1", LESIONS, size(1.0))
    model = tmp_path / "untrained"
    save_bundle(untrained_bundle(), model, "# Card\n")
    run(capsys, "study", "analyse", study, "--model", model, "--device", "cpu")
    (tmp_path / "p.json").write_text('{"age": "61 years"}')
    key = read_key(found)
    with open(study / "analysis" / "pairs.csv", encoding="utf-8", newline="") as file:
        rows = {(r["case"], r["metric"]): r["value"] for r in csv.DictReader(file)}
    for case, behind in key.cases.items():
        files = ("--ct", study / behind.cts["portal"], "--phase", "portal", "--mask", study / str(behind.mask))
        patient = ("--patient", tmp_path / "p.json", "--model", model, "--device", "cpu")
        direct = run(capsys, "assess", *files, *patient, "--json").json
        for name in ("image", "combined"):
            value = float(rows[case, f"probability_{name}_a"])
            assert value == pytest.approx(direct["models"][name]["probability"], abs=1e-9)


def test_without_torch_everything_but_the_probability_works(study: Path) -> None:
    found = read_study(study)
    read_all(found, "R1-1", LESIONS, size(1.0))
    read_all(found, "R2-1", LESIONS, size(1.1))
    done = run_without(("torch", "safetensors", "sklearn"), "study", "analyse", study)
    assert done.returncode == 0, done.stderr
    assert "No probabilities" in done.stderr
    assert "pip install" in done.stderr
    html = (study / "analysis" / "study.html").read_text(encoding="utf-8")
    assert "No probabilities" in html
    assert "ICC(A,1)" in html
    summary = json.loads((study / "analysis" / "summary.json").read_text(encoding="utf-8"))
    assert summary["statement"] is None
    assert summary["per_lesion"]["inter"]["dice"]["n"] == 3


def test_inputs_that_changed_since_creation_are_not_assessed(study: Path, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    found = read_study(study)
    read_all(found, "R1-1", LESIONS, size(1.0))
    read_all(found, "R2-1", LESIONS, size(1.1))
    model = tmp_path / "untrained"
    save_bundle(untrained_bundle(), model, "# Card\n")
    case, behind = next(iter(read_key(found).cases.items()))
    (study / behind.cts["portal"]).write_bytes(b"changed")
    answer = run(capsys, "study", "analyse", study, "--model", model, "--device", "cpu")
    assert answer.code == 0
    assert f"No probability for case {case}" in answer.err
    assert "LESION" not in answer.err
    table = tmp_path / "cohort" / "cohort.csv"
    table.write_text(table.read_text().replace(",61", ",62"))
    answer = run(capsys, "study", "analyse", study, "--model", model)
    assert answer.code == 2
    assert "cohort table" in answer.err


def test_folders_of_ct_and_masks_make_a_study(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    write_cohort(tmp_path / "cohort", LESIONS[:3])
    for n, ball in enumerate(LESIONS[:3]):
        for kind, name in (("cts", "scan"), ("masks", "outline")):
            (tmp_path / kind).mkdir(exist_ok=True)
            (tmp_path / "cohort" / f"{name}_of_{ball.name}.nii.gz").rename(tmp_path / kind / f"case_{n}.nii.gz")
    folders = ("--cts", tmp_path / "cts", "--masks", tmp_path / "masks")
    answer = run(capsys, "study", "create", *folders, "--out", tmp_path / "a", "--readers", "R1", "--content", "full")
    assert answer.code == 0, answer.err
    assert "all of them are read" in answer.err
    blind = ("--hint", "none", "--content", "full")
    assert run(capsys, "study", "create", "--cts", tmp_path / "cts", "--out", tmp_path / "b", "--readers", "R1", *blind).code == 0
    seeds = {read_study(tmp_path / name).seed for name in "ab"}
    assert len(seeds) == 2  # drawn at random, and recorded


BAD = {
    "no readers' names": (("--readers", "Dr. Anna Müller"), "pseudonyms"),
    "one name twice": (("--readers", "R1", "r1"), "same name"),
    "no session": (("--readers", "R1", "--sessions", "0"), "1 or more"),
    "no lesions": (("--readers", "R1", "--lesions", "0"), "1 or more"),
    "masks without CT": (("--readers", "R1", "--masks", "x"), "--masks goes with --cts"),
    "an existing folder": (("--readers", "R1", "--out", "TAKEN"), "exists already"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_designs_are_refused_in_one_sentence(name: str, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    words, expected = BAD[name]
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("x")
    table = write_cohort(tmp_path / "cohort", LESIONS[:2])
    given = [tmp_path / "taken" if word == "TAKEN" else word for word in words]
    out = () if "--out" in words else ("--out", tmp_path / "new")
    answer = run(capsys, "study", "create", "--cohort", table, *given, *out)
    assert answer.code == 2, answer.err
    assert expected in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert "Müller" not in answer.err
    assert not (tmp_path / "new").exists()
    assert not list(tmp_path.glob(".writing-*"))


def test_bad_inputs_are_refused_in_one_sentence(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    table = write_cohort(tmp_path / "cohort", LESIONS[:3])
    create = ("study", "create", "--cohort", table, "--out", tmp_path / "new", "--readers", "R1")
    mask = tmp_path / "cohort" / f"outline_of_{LESIONS[1].name}.nii.gz"
    kept = mask.read_bytes()
    mask.write_bytes(kept[:-200])
    answer = run(capsys, *create)
    assert answer.code == 2
    assert "is damaged" in answer.err
    sitk.WriteImage(to_sitk(np.zeros((4, 4, 4), np.uint8), read_nothing()), str(mask))
    assert "holds no segment" in run(capsys, *create).err
    assert not (tmp_path / "new").exists()
    for words in (
        ("status", tmp_path),
        ("analyse", tmp_path / "nothing"),
        ("collect", tmp_path, tmp_path),
        ("work", "list", tmp_path),
    ):
        answer = run(capsys, "study", *words)
        assert answer.code == 2
        assert len(answer.err.strip().splitlines()) == 1
        assert str(tmp_path) not in answer.err


def read_nothing():  # type: ignore[no-untyped-def]
    from AdrenalClassifierLib.imaging.geometry import identity

    return identity((4, 4, 4))

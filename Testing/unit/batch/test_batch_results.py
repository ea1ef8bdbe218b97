"""Results on disk are whole after a cut at any byte, and only results that belong together stand in one folder."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from AdrenalClassifierLib.batch.jobs import Record, failure
from AdrenalClassifierLib.batch.results import COLUMNS, LINES, RUN, STATEMENT, TABLE, Results
from AdrenalClassifierLib.errors import OutputError
from AdrenalClassifierLib.model.fusion import MODELS

STATES = 'For research use only, "quoted".'
RUN_OF = {"schema_version": 1, "software_version": "1", "weights_sha256": "ab", "statement": STATES}


def record(name: str, probability: float | None = 0.25, chosen: Any = None) -> Record:
    """As an assessment gives it."""
    interval = None if probability is None else [probability / 2, probability * 2]
    model = {"probability": probability, "interval": interval, "reason": None if probability else "no clinical value, was given"}
    return {
        "lesion_id": name, "error": None, "cohort": {"row_sha256": "r", "files_sha256": "f"}, "probability": probability,
        "interval": interval, "model": None if probability is None else "combined", "models": dict.fromkeys(MODELS, model),
        "conformal_set": None if chosen is None else {"set": chosen, "level": 0.9, "reason": None},
        "prevalence": {"setting": "own", "value": 0.08, "training": 0.26, "log_odds": -1.4},
        "validity": {"outside": probability is None, "findings": [
            {"code": "phase_unknown", "text": "t", "severity": "outside" if probability is None else "caution"},
            {"code": "volume", "text": "t", "severity": "outside" if probability is None else "caution"},
            {"code": "age_missing", "text": "t", "severity": "caution"},
        ]},
        "warnings": [{"code": "a", "text": "é"}, {"code": "b", "text": "2"}, {"code": "a", "text": "3"}],
        "provenance": {"device": "cpu", "weights_sha256": "ab", "input_sha256": "i", "software_version": "1"},
    }  # fmt: skip


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / TABLE, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_record_becomes_a_line_and_a_row_with_the_statement(tmp_path: Path) -> None:
    with Results(tmp_path / "out", RUN_OF) as results:
        results.add(record("b", 0.25, "either"))
        results.add(record("a", None))
        results.add(failure("c", "The file is damaged; copy it, again."))
        assert [row["lesion_id"] for row in rows(results.folder)] == ["b", "a", "c"]
        assert json.loads((results.folder / RUN).read_text())["complete"] is False
        results.finish()
    a, b, c = rows(tmp_path / "out")
    assert tuple(a) == COLUMNS
    assert b["probability"] == "0.25"
    assert (b["low"], b["high"], b["model"], b["probability_image_clinical"]) == ("0.125", "0.5", "combined", "0.25")
    assert (b["conformal_set"], b["warnings"], b["error"], b["reason"]) == ("either", "a;b", "", "")
    assert (b["prevalence"], b["outside"], a["outside"]) == ("0.08", "", "phase_unknown;volume")
    assert (a["probability"], a["low"], a["model"], a["reason"]) == ("", "", "", "no clinical value, was given")
    assert (c["probability"], c["error"]) == ("", "The file is damaged; copy it, again.")
    assert {row["statement"] for row in (a, b, c)} == {STATES}
    assert (tmp_path / "out" / STATEMENT).read_text().strip() == STATES
    lines = [json.loads(line) for line in (tmp_path / "out" / LINES).read_text(encoding="utf-8").splitlines()]
    assert [line["lesion_id"] for line in lines] == ["a", "b", "c"]
    assert lines[1] == record("b", 0.25, "either")
    run = json.loads((tmp_path / "out" / RUN).read_text())
    assert (run["complete"], run["lesions"], run["errors"]) == (True, 3, 1)


def test_after_a_cut_at_any_byte_of_either_file_no_line_is_lost_or_doubled(tmp_path: Path) -> None:
    names = ["a", "b", "c"]
    with Results(tmp_path, RUN_OF) as results:
        for name in names:
            results.add(record(name))
    whole, table = (tmp_path / LINES).read_bytes(), (tmp_path / TABLE).read_bytes()
    ends = [n for n, byte in enumerate(whole) if byte == ord("\n")]
    for cut in sorted({*range(0, len(whole) + 1, 61), *(end + n for end in ends for n in (-1, 0, 1))}):
        (tmp_path / LINES).write_bytes(whole[:cut])
        (tmp_path / TABLE).write_bytes(table[: cut * len(table) // len(whole)])
        kept = sum(end < cut for end in ends)
        with Results(tmp_path, RUN_OF) as results:
            assert list(results.records) == names[:kept]
            for name in names[kept:]:
                results.add(record(name))
        assert (tmp_path / LINES).read_bytes() == whole
        assert (tmp_path / TABLE).read_bytes() == table


@pytest.mark.parametrize("tail", [b"\x00" * 300, b'{"lesion_id": "d", "err', b'{"lesion_id": 4}\n', b"\xff\xfe\n\n"])
def test_rubbish_behind_the_last_line_is_dropped(tmp_path: Path, tail: bytes) -> None:
    with Results(tmp_path, RUN_OF) as results:
        results.add(record("a"))
    with open(tmp_path / LINES, "ab") as file:
        file.write(tail)
    with Results(tmp_path, RUN_OF) as results:
        results.add(record("b"))
    assert [row["lesion_id"] for row in rows(tmp_path)] == ["a", "b"]


def test_a_damaged_line_before_sound_ones_is_refused(tmp_path: Path) -> None:
    with Results(tmp_path, RUN_OF) as results:
        results.add(record("a"))
        results.add(record("b"))
    text = (tmp_path / LINES).read_text(encoding="utf-8")
    (tmp_path / LINES).write_text("x" + text, encoding="utf-8")
    with pytest.raises(OutputError, match=r"damaged in line 1\. Use --restart"):
        Results(tmp_path, RUN_OF)
    with Results(tmp_path, RUN_OF, restart=True) as results:
        assert results.records == {}


def test_results_of_another_model_or_version_are_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    with Results(tmp_path, RUN_OF) as results:
        results.add(record("a"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(OutputError, match=r"results of another model\. Choose another folder, or --restart"):
        Results(tmp_path, RUN_OF | {"weights_sha256": "cd"})
    with pytest.raises(OutputError, match="another version of the software"):
        Results(tmp_path, RUN_OF | {"software_version": "2"})
    with pytest.raises(OutputError, match="results of another --prevalence, --level or --outside-range"):
        Results(tmp_path, RUN_OF | {"options": {"prevalence": 0.08}})
    (tmp_path / RUN).rename(tmp_path / "away")
    (tmp_path / "away").unlink()
    with pytest.raises(OutputError, match="does not say how its results were made"):
        Results(tmp_path, RUN_OF)
    del before[RUN]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.docx").write_text("years of work")
    for restart in (False, True):
        with pytest.raises(OutputError, match="is not empty and holds no results of a cohort"):
            Results(tmp_path, RUN_OF, restart)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]
    with pytest.raises(OutputError, match="cannot be used as a folder"):
        Results(tmp_path / "thesis.docx", RUN_OF)


def test_two_runs_cannot_write_to_one_folder(tmp_path: Path) -> None:
    with Results(tmp_path, RUN_OF), pytest.raises(OutputError, match="Another run is writing"):
        Results(tmp_path, RUN_OF)
    with Results(tmp_path, RUN_OF):
        pass


def test_forgotten_records_are_gone_from_both_files(tmp_path: Path) -> None:
    with Results(tmp_path, RUN_OF) as results:
        results.add(failure("a", "No."))
        results.add(record("b"))
        results.forget(["a", "never there"])
        results.add(record("a"))
    assert [row["lesion_id"] for row in rows(tmp_path)] == ["b", "a"]
    assert len((tmp_path / LINES).read_text(encoding="utf-8").splitlines()) == 2


def test_nothing_heavy_is_loaded_before_it_is_needed() -> None:
    names = ("batch.run", "commands.assess", "commands.cohort", "cohort.importers.tcia")
    code = f"import sys\nfor n in {names!r}: __import__('AdrenalClassifierLib.' + n)\n"
    code += "print([n for n in ('torch', 'distributed', 'dask', 'openpyxl', 'highdicom', 'sklearn') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_records_stay_on_the_disk_and_move_with_every_rewriting(tmp_path: Path) -> None:
    with Results(tmp_path, RUN_OF) as results:
        for name in ("c", "a", "d", "b"):
            results.add(record(name, 0.125 if name == "d" else None))
        results.forget(["a"])
        results.add(record("e"))
        results.finish()
        results.add(record("a2"))
        results.finish()
    assert [row["lesion_id"] for row in rows(tmp_path)] == ["a2", "b", "c", "d", "e"]
    lines = [json.loads(line) for line in (tmp_path / LINES).read_text(encoding="utf-8").splitlines()]
    assert lines == [record("a2"), record("b", None), record("c", None), record("d", 0.125), record("e")]

"""What leaves the case: only what is true, in the words and columns of the library."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.patient.parse import FormEntry, record_from_json
from AdrenalClassifierLib.scene.masks import GROWN
from AdrenalClassifierLib.scene.ports import Failure
from AdrenalClassifierLib.scene.table import COLUMNS
from support.session_case import Work


@pytest.fixture
def work(scene: Any) -> Work:
    return Work(scene)


def test_json_and_csv(work: Work, tmp_path: Path) -> None:
    ids = work.ready(2)
    line = work.scene.GetFirstNodeByName("Lesion 2 short axis")
    line.SetNthControlPointPositionWorld(0, 10.0, 20.0, 5.0)
    work.session.set_current(ids[0])
    work.session.classify()
    work.settle()
    work.session.write_json(tmp_path / "assessment.json")
    told = json.loads((tmp_path / "assessment.json").read_text(encoding="utf-8"))
    result = work.session.result(ids[0]).assessment
    assert result is not None
    assert told == result.to_json()
    assert Assessment.from_json(told).to_json() == told
    work.session.write_csv(tmp_path / "lesions.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "lesions.csv").read_text(encoding="utf-8"))))
    assert [row["lesion_id"] for row in rows] == ["lesion-1", "lesion-2"]
    assert [row["side"] for row in rows] == ["left", "right"]
    assert [row["status"] for row in rows] == ["assessed", "outlined"]
    assert float(rows[0]["probability"]) == pytest.approx(told["probability"], rel=1e-5)
    assert (float(rows[0]["low"]), float(rows[0]["high"])) == pytest.approx(tuple(told["interval"]), rel=1e-5)
    assert rows[0]["statement"] == told["statement"]
    assert rows[1]["probability"] == rows[1]["statement"] == ""  # not 0
    for name, row in zip(ids, rows, strict=True):
        values = work.session.measured(name).values
        assert values is not None
        assert float(row["volume_ml"]) == pytest.approx(values.volume_ml, rel=1e-5)
        assert row["spontaneous_hu"] == ""
    assert rows[0]["short_axis_by_hand_mm"] == ""
    assert float(rows[1]["short_axis_by_hand_mm"]) == pytest.approx(line.GetLineLengthWorld(), rel=1e-5)
    # stale: its figures do not leave
    work.session.set_entry("age", FormEntry("54", "years"))
    with pytest.raises(AdrenalError, match="out of date"):
        work.session.write_json(tmp_path / "again.json")
    work.session.write_csv(tmp_path / "lesions.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "lesions.csv").read_text(encoding="utf-8"))))
    assert rows[0]["status"] == "stale"
    assert rows[0]["probability"] == rows[0]["low"] == ""
    assert not (tmp_path / "again.json").exists()
    work.session.write_patient(tmp_path / "patient.json")
    assert record_from_json(tmp_path / "patient.json")[0] == work.session.patient()[0]


def test_the_table_node_has_the_rows_of_the_csv(work: Work, tmp_path: Path) -> None:
    work.classified(2)
    node = work.session.write_table()
    table = node.GetTable()
    assert [table.GetColumnName(n) for n in range(table.GetNumberOfColumns())] == list(COLUMNS)
    work.session.write_csv(tmp_path / "lesions.csv")
    rows = list(csv.DictReader(io.StringIO((tmp_path / "lesions.csv").read_text(encoding="utf-8"))))
    assert table.GetNumberOfRows() == len(rows) == 2
    for n, row in enumerate(rows):
        assert [table.GetValueByName(n, column).ToString() for column in COLUMNS] == [row[column] for column in COLUMNS]
    assert work.session.write_table() is node


def test_the_report_is_written_by_the_worker(work: Work, tmp_path: Path) -> None:
    files: list[tuple[Path, ...]] = []
    failures: list[Failure] = []
    work.ready(2)
    with pytest.raises(AdrenalError, match="Press Classify"):
        work.session.write_report(tmp_path / "report.html", files.append, failures.append)
    work.session.classify(all_lesions=True)
    work.settle()
    work.session.write_report(tmp_path / "report.html", files.append, failures.append)
    work.settle()
    assert files == [(tmp_path / "report.html",)]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "For research use only" in page
    work.session.write_report(tmp_path / "report.html", files.append, failures.append)
    work.timers.run()
    work.worker.fail(Failure("OutputError", "The disk is full."))
    assert [failure.text for failure in failures] == ["The disk is full."]


def test_dicom_takes_every_outlined_lesion_and_only_true_results(work: Work, tmp_path: Path) -> None:
    ids = work.ready(2)
    work.session.set_current(ids[0])
    work.session.classify()
    work.settle()
    with pytest.raises(AdrenalError, match="did not come from DICOM"):
        work.session.write_dicom(tmp_path, [], lambda _: None, lambda _: None)
    work.session.segmentation.GetSegmentation().GetSegment(ids[1]).SetTag(GROWN, "1")
    work.session.write_dicom(tmp_path, [tmp_path / "1.dcm"], lambda _: None, lambda _: None)
    work.timers.run()
    asked = work.worker.open[-1].arguments
    assert len(asked["lesions"]) == 2
    assert asked["assessments"][0]["lesion_id"] == "lesion-1"
    assert asked["assessments"][1] is None
    assert asked["semiautomatic"] == ["lesion-2"]
    work.worker.fail(Failure("OutputError", "No."))
    work.session.set_entry("age", FormEntry("54", "years"))
    work.session.write_dicom(tmp_path, [tmp_path / "1.dcm"], lambda _: None, lambda _: None)
    work.timers.run()
    assert work.worker.open[-1].arguments["assessments"] == [None, None]


def test_lesions_are_handed_over_one_in_a_turn(work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = work.classified(2)
    cut: list[str] = []
    whole = work.session._case.lesion
    monkeypatch.setattr(work.session._case, "lesion", lambda segment_id: (cut.append(segment_id), whole(segment_id))[1])
    files: list[tuple[Path, ...]] = []
    work.session.write_report(tmp_path / "report.html", files.append, lambda _: None)
    assert cut == []
    work.timers.planned.pop(0)[1]()
    assert cut == ids[:1]
    work.timers.planned.pop(0)[1]()
    assert cut == ids
    assert not work.worker.open
    work.settle()
    assert files == [(tmp_path / "report.html",)]


ENDS: dict[str, tuple[Callable[[Work], None], str]] = {
    "next case": (lambda work: work.session.start_new_case(), "its case was closed"),
    "scene closed": (lambda work: work.scene.Clear(0), "its case was closed"),
    "module left": (lambda work: work.session.leave(), "Cancelled"),
    "value edited": (lambda work: work.session.set_entry("age", FormEntry("54", "years")), "changed while"),
    "lesion removed": (lambda work: work.session.remove_lesion(work.session.lesions[1].segment_id), "changed while"),
    "CT removed": (lambda work: work.scene.RemoveNode(work.session.ct), "changed while"),
}


@pytest.mark.parametrize("what", ENDS)
@pytest.mark.parametrize("turns", [0, 1])
def test_a_report_ends_with_its_case_and_its_asker_hears_of_it(work: Work, tmp_path: Path, what: str, turns: int) -> None:
    work.classified(2)
    failures: list[Failure] = []
    done: list[Any] = []
    work.session.write_report(tmp_path / "report.html", done.append, failures.append)
    for _ in range(turns):
        work.timers.planned.pop(0)[1]()
    deed, words = ENDS[what]
    deed(work)
    work.settle()
    assert "report" not in work.worker.asked
    assert done == []
    assert len(failures) == 1
    assert words in failures[0].text


def test_a_report_that_the_worker_writes_ends_with_its_case(work: Work, tmp_path: Path) -> None:
    work.classified(1)
    failures: list[Failure] = []
    work.session.write_report(tmp_path / "report.html", lambda _: None, failures.append)
    work.timers.run()
    assert [request.do for request in work.worker.open] == ["report"]
    work.scene.Clear(0)
    assert not work.worker.open
    assert ["its case was closed" in failure.text for failure in failures] == [True]

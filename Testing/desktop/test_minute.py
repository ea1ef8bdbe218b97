"""The radiologist's minute by mouse and keyboard alone: from a loaded CT to a probability and a report, with the real worker."""

from __future__ import annotations

import contextlib
import csv
import gc
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from AdrenalClassifierLib.commands.demo import SAMPLE
from AdrenalClassifierLib.imaging.read import read_mask
from AdrenalClassifierLib.resources import resource
from AdrenalClassifierLib.scene.volumes import OWN, nodes_of
from standin import doors
from standin.plugin import Host

import slicer  # isort: skip

STATEMENT = "For research use only. Not a medical device. This model was trained on synthetic data."
FOLDER = resource("SampleData", SAMPLE)


def centre_of_the_sample_ras() -> tuple[float, float, float]:
    (segment,) = read_mask(FOLDER / "mask.nii.gz").segments
    x, y, z = segment.geometry.to_world(np.argwhere(segment.mask).mean(axis=0))
    return (-float(x), -float(y), float(z))


class Minute:
    """Each step by what a person presses."""

    def __init__(self, host: Host, module: Any, folder: Path) -> None:
        self.host, self.module, self.folder = host, module, folder
        self.slowest = 0.0

    @property
    def session(self) -> Any:
        return self.module.shell.session

    def child(self, name: str) -> Any:
        return self.host.child(self.module.shell.widget, name)

    def choose(self, name: str, text: str) -> None:
        """Pick a line of a combo box as a person does."""
        box = self.child(name)
        at = [box.itemText(n) for n in range(box.count)].index(text)
        box.setCurrentIndex(at)
        box.activated.emit(at)
        self.host.process()

    def wait(self, ready: Callable[[], bool], seconds: float = 60.0) -> None:
        self.host.wait(ready, seconds)

    # -- the minute ----------------------------------------------------------------------------------------------

    def load(self) -> None:
        node = slicer.util.loadVolume(str(FOLDER / "ct.nii.gz"), {"singleFile": True})
        slicer.util.setSliceViewerLayers(background=node)
        self.module.parent.exit()
        self.module.parent.enter()
        self.host.process()
        assert self.session.ct is node
        self.choose("phaseSelector", "Unenhanced")

    def segment(self) -> None:
        self.host.click(self.child("newRightButton"))
        self.host.click(self.child("growButton"))
        started = time.monotonic()
        doors.click(self.child("placeWidget"), centre_of_the_sample_ras())
        self.wait(lambda: not self.session.lesions[0].empty)
        self.outlined_after = time.monotonic() - started

    def measure(self) -> None:
        self.wait(lambda: self.session.measured(self.session.current).values is not None)

    def patient(self) -> None:
        self.host.type(self.child("patientSearch"), "dexa")
        self.child("patientSearch").text = ""
        self.host.process()
        self.host.type(self.child("value_age"), "61")
        self.choose("value_sex", "Female")
        self.host.click(self.child("patientPaste"))
        self.child("pasteText").setPlainText("Potassium 3,2 mmol/L (3,5 - 5,1)\nDHEAS <0,5 µmol/L")
        self.host.click(self.child("pasteRead"))
        self.host.process(0.5)

    def classify(self) -> None:
        assert self.child("runButton").text == "Classify"
        self.host.click(self.child("runButton"))
        self.wait(lambda: self.session.run.state in ("idle", "failed"), 120)

    def report(self) -> None:
        self.host.shown.files.extend(str(self.folder / name) for name in ("report.html", "lesions.csv", "assessment.json"))
        for name in ("export_html", "export_csv", "export_json"):
            self.host.click(self.child(name))
            self.wait(lambda: self.child("exportSaid").text.startswith("Written"))

    STEPS = ("load", "segment", "measure", "patient", "classify", "report")

    def up_to(self, step: str) -> None:
        for name in self.STEPS[: self.STEPS.index(step) + 1]:
            getattr(self, name)()


@pytest.fixture
def minute(host: Host, module: Any, tmp_path: Path) -> Minute:
    return Minute(host, module, tmp_path)


def workers() -> list[psutil.Process]:
    """Worker processes of ours that run; those that have ended and wait to be noticed do not count."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it has just ended
            if child.status() != psutil.STATUS_ZOMBIE and "AdrenalClassifierLib.worker" in child.cmdline():
                found.append(child)
    return found


def ours() -> list[str]:
    kinds = ("vtkMRMLMarkupsNode", "vtkMRMLColorTableNode")
    return [node.GetAttribute(OWN) for kind in kinds for node in nodes_of(slicer.mrmlScene, kind) if node.GetAttribute(OWN)]


def test_from_a_loaded_ct_to_a_probability_and_a_report(minute: Minute) -> None:
    minute.up_to("report")
    session = minute.session
    measured = session.measured(session.current).values
    voxels = slicer.util.arrayFromSegmentBinaryLabelmap(session.segmentation, session.current, session.ct)  # Slicer's own export
    assert measured.volume_ml == pytest.approx(voxels.sum() * np.prod(session.ct.GetSpacing()) / 1000)
    assert 20 < measured.volume_ml < 100  # one click gives a first outline of 48 mL
    assert f"{measured.volume_ml:.1f} mL" in minute.child("volumeValue").text
    result = session.result(session.current)
    assert result.assessment is not None
    assert not result.stale
    assert result.assessment.result is not None
    low, high = result.assessment.result.interval
    assert low <= result.assessment.result.probability <= high
    assert minute.child("resultStatement").text == STATEMENT
    assert "label" in ours()
    assert session.entries["potassium"].text == "3,2"
    assert session.entries["dheas"].text == "<0,5"
    page = (minute.folder / "report.html").read_text(encoding="utf-8")
    assert STATEMENT in page
    (row,) = csv.DictReader((minute.folder / "lesions.csv").read_text(encoding="utf-8").splitlines())
    written = json.loads((minute.folder / "assessment.json").read_text(encoding="utf-8"))
    assert float(row["probability"]) == pytest.approx(result.assessment.result.probability, abs=5e-4)
    assert STATEMENT in row.values()
    objects = written if isinstance(written, list) else written.get("lesions", [written])
    assert STATEMENT in json.dumps(objects)
    # an edit makes it stale at once, taking it back makes it true again
    minute.host.type(minute.child("value_bmi"), "24")
    minute.host.process(0.5)
    assert session.result(session.current).stale
    assert "label" not in ours()
    assert minute.child("runButton").text == "Update"
    assert len(workers()) == 1


@pytest.mark.parametrize("step", ["segment", "classify"])
def test_cancelling_while_it_works_takes_under_a_second(minute: Minute, step: str) -> None:
    minute.up_to("patient")
    minute.child("runButton").click()
    minute.host.process(0.2)
    started = time.monotonic()
    if step == "classify":
        minute.host.click(minute.child("cancelButton"))
    else:
        minute.module.parent.exit()  # leaving the module
    minute.wait(lambda: not workers(), 5)
    assert time.monotonic() - started < 1
    assert minute.session.run.state == "idle"
    assert minute.session.result(minute.session.current).assessment is None


@pytest.mark.parametrize("step", Minute.STEPS)
@pytest.mark.parametrize("deed", ["ct", "segmentation", "segment", "close the scene", "leave", "reload"])
def test_at_each_step_nothing_is_left(host: Host, fake_worker: Any, module: Any, tmp_path: Path, step: str, deed: str) -> None:
    minute = Minute(host, module, tmp_path)

    def wait(ready: Callable[[], bool], _seconds: float = 0) -> None:
        for _ in range(20):
            fake_worker.settle()
            host.process()
            if ready():
                return
        raise AssertionError("it did not happen")

    minute.wait = wait  # type: ignore[method-assign]
    minute.up_to(step)
    session, scene = minute.session, slicer.mrmlScene
    if deed == "ct":
        scene.RemoveNode(session.ct)
    elif deed == "segmentation" and session.segmentation is not None:
        scene.RemoveNode(session.segmentation)
    elif deed == "segment" and session.current is not None:
        session.segmentation.RemoveSegment(session.current)
    elif deed == "close the scene":
        scene.Clear(0)
    elif deed == "leave":
        module.parent.exit()
    elif deed == "reload":
        module.parent.exit()
        module.cleanup()
        assert not fake_worker.timers.planned
    host.process()
    fake_worker.settle()
    host.process()
    gone = [kind for kind in ours() if kind != "line"] if deed == "ct" else ours()
    if deed == "leave":
        shown = [n for n in nodes_of(scene, "vtkMRMLMarkupsNode") if n.GetDisplayNode() and n.GetDisplayNode().GetVisibility()]
        assert not [n.GetName() for n in shown if n.GetAttribute(OWN)]
    elif deed not in ("reload",) and step not in ("load",):
        assert not gone
    assert not workers()
    assert host.shown.texts("error") == []
    gc.collect()


@pytest.mark.parametrize("deed", ["close the scene", "leave"])
def test_a_report_that_ends_with_its_case_leaves_the_panel_ready(minute: Minute, deed: str) -> None:
    minute.up_to("classify")
    minute.host.shown.files.append(str(minute.folder / "report.html"))
    minute.child("export_html").click()
    assert not minute.child("nextCase").enabled
    if deed == "leave":
        minute.module.parent.exit()
        minute.module.parent.enter()
    else:
        slicer.mrmlScene.Clear(0)
    minute.host.process(0.2)
    assert minute.child("nextCase").enabled
    assert "computed or written" not in minute.child("exportReasons").text
    assert list(minute.folder.iterdir()) == []
    if deed == "leave":
        minute.report()

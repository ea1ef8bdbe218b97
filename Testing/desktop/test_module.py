"""The whole module in the stand-in host: what it costs, what it looks like in every state, what it leaves behind."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtTest import QTest

from AdrenalClassifierLib.commands.demo import SAMPLE
from AdrenalClassifierLib.desktop import sample_case
from AdrenalClassifierLib.patient.parse import FormEntry
from standin import LIBRARY, load_module, pythonqt
from standin.plugin import Host

import qt  # isort: skip
import slicer  # isort: skip

STATEMENT = "For research use only. Not a medical device. This model was trained on synthetic data."


def in_a_process(code: str) -> str:
    """What a fresh process prints that runs ``code`` in the stand-in."""
    testing = Path(__file__).resolve().parents[1]
    paths = os.pathsep.join((str(testing), str(LIBRARY)))
    environment = {**os.environ, "PYTHONPATH": paths, "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", "from standin import *\nfrom standin import boot\nboot()\n" + code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def ui(module: Any) -> Any:
    return slicer.util.childWidgetVariables(module.shell.widget)


def test_loading_the_module_costs_under_50_ms_and_imports_nothing_of_the_library(tmp_path: Path) -> None:
    (tmp_path / "Empty.py").write_text(
        "from slicer.ScriptedLoadableModule import *\n"
        "class Empty(ScriptedLoadableModule):\n"
        "    def __init__(self, parent):\n"
        "        ScriptedLoadableModule.__init__(self, parent)\n",
        encoding="utf-8",
    )
    out = in_a_process(f"""
import sys, time
from pathlib import Path
from standin import load_module
load_module("Empty", Path({str(tmp_path)!r}))
start = time.thread_time(); load_module("Empty", Path({str(tmp_path)!r})); empty = time.thread_time() - start
before = set(sys.modules)
start = time.thread_time(); load_module(); ours = time.thread_time() - start
heavy = ("AdrenalClassifierLib", "numpy", "scipy", "torch")
new = sorted(name for name in set(sys.modules) - before if name.split(".")[0] in heavy)
print(round(1000 * (ours - empty), 1), new)
""")
    milliseconds, new = out.split(" ", 1)
    assert new == "[]"
    assert float(milliseconds) < 50


def test_the_module_says_what_it_is(host: Host) -> None:
    parent = load_module().parent
    assert parent.title == "Adrenal Classifier"
    assert parent.categories == ["Quantification"]
    assert "research use only" in parent.helpText.lower()
    assert "10" not in parent.title
    assert not parent.icon.isNull()


def test_sample_data_loads_offline_with_everything(host: Host, fake_worker: Any, module: Any) -> None:
    import SampleData

    (source,) = slicer.modules.sampleDataSources["Adrenal"][:1]
    assert slicer.modules.sampleDataSourceCategories["Adrenal"]["title"] == "Adrenal"
    for address in source.uris:
        assert address.startswith("file://")
        assert Path(address.removeprefix("file://")).is_file()
    assert {Path(address).parent.name for address in source.uris} == {SAMPLE} == {sample_case.SAMPLE}
    assert Path(source.thumbnailFileName).is_file()
    loaded = SampleData.downloadSamples("AdrenalRightSynthetic")  # as a script does
    assert [node.GetClassName() for node in loaded] == ["vtkMRMLScalarVolumeNode", "vtkMRMLSegmentationNode"]
    assert [node.GetName() for node in loaded] == ["Adrenal sample CT", "Adrenal sample lesions"]
    slicer.mrmlScene.Clear(0)
    node = source.customDownloader(source)[0]  # as a click on the picture does
    session = module.shell.session
    assert session.ct is node
    assert session.phase == "unenhanced"
    assert [(lesion.name, lesion.side, lesion.empty) for lesion in session.lesions] == [
        ("Lesion 1, right adrenal", "right", False)
    ]
    assert len(session.entries) > 20
    assert session.not_yet == ()
    reference = session.segmentation.GetNodeReference(session.segmentation.GetReferenceImageGeometryReferenceRole())
    assert reference is node
    fake_worker.settle()
    assert session.measured(session.current).problem is None


def test_the_statement_and_the_reason_are_always_to_be_seen(host: Host, fake_worker: Any, module: Any) -> None:
    parts = ui(module)

    def seen() -> tuple[str, str]:
        assert parts.statementLabel.isVisible()
        assert parts.statusLabel.isVisible()
        area = parts.sectionsArea.geometry
        assert parts.statementFrame.geometry.bottom() < area.top()
        assert parts.statusLabel.geometry.top() > area.bottom()
        return parts.statementLabel.text, parts.statusLabel.text

    assert seen() == (STATEMENT, "Not yet ready: No CT is chosen. (and 1 more)")
    module.shell.open_sample()
    fake_worker.settle()
    host.process()
    assert seen() == (STATEMENT, "Ready: press Classify in section 5.")
    session = module.shell.session
    session.classify()
    assert seen()[1].startswith("Classifying")
    fake_worker.settle()
    assert seen() == (STATEMENT, "Classified. The report can be written in section 6.")
    session.set_phase("portal")
    assert "out of date" in seen()[1]


def test_go_brings_the_section_of_the_next_step_into_view(host: Host, fake_worker: Any, module: Any) -> None:
    parts, shell = ui(module), module.shell
    sections = [parts.ctSection, parts.segmentSection, parts.measureSection, parts.patientSection, parts.resultSection]
    sections.append(parts.exportSection)

    def go(number: int) -> None:
        assert shell.next_section() == number
        section = sections[number - 1]
        section.collapsed = True
        host.click(parts.statusButton)
        host.process(0.2)
        assert not section.collapsed
        top = section.mapTo(parts.sectionsArea.viewport(), qt.QPoint(0, 0)).y()
        assert 0 <= top < parts.sectionsArea.viewport().height

    go(1)
    shell.open_sample()
    fake_worker.settle()
    go(5)
    shell.session.set_entry("age", FormEntry("abc", "years"))
    go(4)
    shell.session.set_entry("age", FormEntry("62", "years"))
    shell.session.add_lesion("left")
    go(2)
    shell.session.remove_lesion(shell.session.current)
    shell.session.set_current(shell.session.lesions[0].segment_id)
    shell.session.classify()
    fake_worker.settle()
    go(6)


def test_every_visible_grey_button_says_why(host: Host, fake_worker: Any, module: Any) -> None:
    def check() -> None:
        host.process()
        editor = host.child(module.shell.segment.widget, "editor")
        for button in module.shell.widget.findChildren(qt.QAbstractButton):
            inside_slicers_own = editor.isAncestorOf(button) or button.parent().className() in ("QLineEdit", "ctkSearchBox")
            if button.isVisible() and not button.isEnabled() and not inside_slicers_own:
                assert button.toolTip, f"{button.name} ({button.text}) says not why it is grey"

    check()
    module.shell.open_sample()
    check()
    fake_worker.settle()
    check()
    module.shell.session.classify()
    check()
    fake_worker.settle()
    check()
    module.shell.session.add_lesion("left")
    check()


def test_the_editors_keys_rest_while_a_person_types_elsewhere(host: Host, fake_worker: Any, module: Any) -> None:
    """The editor's digits, letters, Space and Escape are shortcuts of the main window: they would be taken from check boxes,
    lists and buttons of the other sections."""
    module.shell.open_sample()
    fake_worker.settle()
    host.process()
    editor = host.child(module.shell.segment.widget, "editor")
    kept = editor.__dict__["_kept"]
    module.shell.widget.window().activateWindow()
    assert kept["shortcuts"]
    host.child(module.shell.patient.widget, "value_sex").setFocus()
    host.process()
    assert not kept["shortcuts"]
    host.child(module.shell.segment.widget, "newLeftButton").setFocus()
    host.process()
    assert kept["shortcuts"]
    host.child(module.shell.result.widget, "runButton").setFocus()
    host.process()
    assert not kept["shortcuts"]
    module.parent.exit()
    module.parent.enter()
    assert kept["shortcuts"]


def test_tab_goes_from_top_to_bottom(host: Host, fake_worker: Any, module: Any) -> None:
    module.shell.open_sample()
    fake_worker.settle()
    host.process()
    editor = host.child(module.shell.segment.widget, "editor")  # its inside is Slicer's
    top = module.shell.widget
    top.window().activateWindow()
    host.child(module.shell.ct.widget, "ctSelector").setFocus()
    sections_widget = host.child(top, "sectionsArea").widget()  # what scrolls, so that scrolling changes no position
    order: list[tuple[int, Any]] = []
    for _ in range(300):
        here = qt.QApplication.focusWidget()
        if order and here is order[0][1]:
            break
        if not editor.isAncestorOf(here):
            order.append((here.mapTo(sections_widget, qt.QPoint(0, 0)).y() if sections_widget.isAncestorOf(here) else 0, here))
        QTest.keyClick(here, qt.Qt.Key_Tab)
    sections = [module.shell.ct, module.shell.segment, module.shell.measure, module.shell.patient]
    numbers = [n for _, here in order for n, panel in enumerate(sections) if panel.widget.isAncestorOf(here)]
    assert set(numbers) == {0, 1, 2, 3}
    assert numbers == sorted(numbers)
    for number in (0, 1, 2):
        heights = [y for y, here in order if sections[number].widget.isAncestorOf(here)]
        assert all(below >= above - 12 for above, below in itertools.pairwise(heights)), heights


@pytest.mark.parametrize(("share", "dark"), [(0.0, False), (0.4, False), (0.0, True)])
def test_the_panel_fits_400_px_in_every_state(
    host: Host, fake_worker: Any, request: pytest.FixtureRequest, share: float, dark: bool
) -> None:
    host.longer(share)
    host.dark(dark)
    module = request.getfixturevalue("module")
    name = f"module_{'dark' if dark else 'light'}_{round(100 * share)}"
    area = ui(module).sectionsArea

    def picture(state: str) -> None:
        host.picture(module.parent, f"{name}_{state}")
        inside = area.widget()
        assert inside.minimumSizeHint().width() <= area.viewport().width, host.widest(inside)

    picture("empty")
    module.shell.open_sample()
    fake_worker.settle()
    picture("sample")
    module.shell.session.classify()
    fake_worker.settle()
    picture("classified")
    module.shell.session.set_entry("age", None)
    picture("stale")


@pytest.mark.parametrize("step", ["empty", "sample", "running", "classified", "painting", "clicking"])
def test_leaving_the_module_at_any_step_leaves_nothing(
    host: Host, fake_worker: Any, request: pytest.FixtureRequest, step: str
) -> None:
    before = pythonqt.connections()
    module = request.getfixturevalue("module")
    session, editor = module.shell.session, host.child(module.shell.segment.widget, "editor")
    if step != "empty":
        module.shell.open_sample()
        fake_worker.settle()
    if step in ("running", "classified"):
        session.classify()
    if step == "classified":
        fake_worker.settle()
    if step == "painting":
        editor.setActiveEffectByName("Paint")
    if step == "clicking":
        host.click(host.child(module.shell.segment.widget, "growButton"))
    module.parent.exit()
    host.process()
    assert editor.activeEffect() is None
    assert fake_worker.worker.open == []
    assert shown_markups() == []
    module.parent.enter()
    module.parent.exit()
    module.cleanup()
    host.process()
    assert len(session.changed) == 0
    assert pythonqt.connections() == before + 1  # the registration of sample data, which is the application's
    assert fake_worker.worker.stopped == 1
    assert shown_markups() == []


@pytest.mark.parametrize("what", ["ct", "segmentation", "segment", "scene", "editor node"])
@pytest.mark.parametrize("step", ["outlined", "running", "classified"])
def test_a_node_that_is_taken_away_leaves_a_reason_and_no_overlay(
    host: Host, fake_worker: Any, module: Any, what: str, step: str
) -> None:
    session = module.shell.session
    module.shell.open_sample()
    fake_worker.settle()
    if step != "outlined":
        session.classify()
    if step == "classified":
        fake_worker.settle()
    if what == "ct":
        host.scene.RemoveNode(session.ct)
    elif what == "segmentation":
        host.scene.RemoveNode(session.segmentation)
    elif what == "segment":
        session.segmentation.GetSegmentation().RemoveSegment(session.current)
    elif what == "editor node":
        host.scene.RemoveNode(session.editor_node)
    else:
        host.scene.Clear(0)
    host.process()
    fake_worker.settle()
    if what != "editor node":
        assert session.not_yet
        assert ui(module).statusLabel.text.startswith("Not yet ready")
        assert session.run.state == "idle"
        assert shown_markups() == [] or what == "ct"
    assert host.shown.texts("error") == []
    module.shell.open_sample()  # and the work can begin anew
    fake_worker.settle()
    assert session.not_yet == ()


def nodes(kind: str) -> list[Any]:
    scene = slicer.mrmlScene
    return [scene.GetNthNodeByClass(n, kind) for n in range(scene.GetNumberOfNodesByClass(kind))]


def shown_markups() -> list[str]:
    """Names of points and lines that the views show."""
    return [n.GetName() for n in nodes("vtkMRMLMarkupsNode") if n.GetDisplayNode() is None or n.GetDisplayNode().GetVisibility()]


def test_reloading_brings_a_new_panel_and_a_new_library() -> None:
    out = in_a_process("""
import slicer, sys
from standin import load_module, open_module
load_module()
widget = open_module(); widget.parent.enter()
old, shell, library = widget, widget.shell, sys.modules["AdrenalClassifierLib"]
widget.onReload()
new = slicer.modules.AdrenalClassifierWidget
print(old.shell is None, new is not old, new.shell is not shell, sys.modules["AdrenalClassifierLib"] is not library,
      len(shell.session.changed) == 0, new.shell.segment._entered)
new.parent.exit(); new.cleanup()
""")
    assert out == "True True True True True True"


def test_a_fault_of_the_software_names_places_but_neither_folders_nor_values(host: Host) -> None:
    from AdrenalClassifierLib.desktop.slots import guarded

    def faulty() -> None:
        raise ValueError("/data/DOE^JANE/ct.dcm")

    with pytest.raises(ValueError, match="DOE"):
        guarded(faulty)()
    ((kind, text, details),) = host.shown.messages
    assert kind == "error"
    assert "fault in the software" in text
    assert "in faulty" in details
    assert "DOE" not in text + details
    assert str(Path(__file__).parent) not in details

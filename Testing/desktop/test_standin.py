"""The stand-in host refuses what 3D Slicer refuses; else the other tests of this folder prove nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import vtk

from standin import doors, i18n, pythonqt
from standin.plugin import Host, hosts, import_scene

import ctk  # isort: skip
import qt  # isort: skip
import slicer  # isort: skip

PALETTE = ["Paint", "Erase"]


def test_a_property_is_an_attribute_with_a_setter_and_cannot_be_called(host: Host) -> None:
    button = qt.QPushButton("a")
    button.text = "b"
    assert button.text == "b"
    button.setText("c")
    assert button.text == "c"
    with pytest.raises(TypeError):
        button.text()
    timer = qt.QTimer()
    timer.setSingleShot(True)
    assert timer.isSingleShot()


@pytest.mark.parametrize(
    "make",
    [
        lambda: qt.QLabel("a"),
        lambda: ctk.ctkCollapsibleButton(),
        lambda: slicer.qMRMLNodeComboBox(),
        lambda: slicer.qMRMLSegmentEditorWidget(),
        lambda: slicer.qSlicerMarkupsPlaceWidget(),
    ],
)
def test_a_misspelt_attribute_can_be_neither_read_nor_set(host: Host, make: Any) -> None:
    widget = make()
    with pytest.raises(AttributeError):
        widget.tooltip  # noqa: B018
    with pytest.raises(AttributeError, match="does not exist"):
        widget.tooltip = "a"
    widget.toolTip = "a"
    assert widget.toolTip == "a"


def test_a_class_of_ones_own_may_keep_attributes(host: Host) -> None:
    class Mine(qt.QWidget):
        pass

    mine = Mine()
    mine.anything = 3
    assert mine.anything == 3


def test_both_ways_of_connecting(host: Host) -> None:
    seen: list[object] = []
    button = qt.QPushButton()
    note = seen.append
    button.connect("clicked(bool)", note)
    button.click()
    assert seen == [False]
    button.disconnect("clicked(bool)", note)
    button.click()
    assert seen == [False]
    button.connect("clicked()", lambda: seen.append("plain"))
    button.clicked.connect(lambda: seen.append("bound"))
    button.click()
    assert seen == [False, "plain", "bound"]
    with pytest.raises(RuntimeError, match="was not connected"):
        button.disconnect("clicked(bool)", note)


@pytest.mark.parametrize("signature", ["clicked", "clickd()", "clicked(int)", "currentNodeChanged()"])
def test_a_signature_that_no_signal_has_is_refused(host: Host, signature: str) -> None:
    for widget in (qt.QPushButton(), slicer.qMRMLNodeComboBox()):
        with pytest.raises(AttributeError, match="no signal"):
            widget.connect(signature, print)


def test_connections_are_forgotten_with_their_widget(host: Host) -> None:
    before = pythonqt.connections()
    button = qt.QPushButton()
    button.connect("clicked()", lambda: None)
    assert pythonqt.connections() == before + 1
    button.deleteLater()
    host.process()
    assert pythonqt.connections() == before


def test_a_single_shot_timer_and_a_process(host: Host) -> None:
    seen: list[str] = []
    qt.QTimer.singleShot(1, lambda: seen.append("shot"))
    process = qt.QProcess()
    process.connect("finished(int,QProcess::ExitStatus)", lambda code, status: seen.append(f"ended {code}"))
    process.start(sys.executable, ["-c", "print('a')"])
    host.wait(lambda: len(seen) == 2)
    assert set(seen) == {"shot", "ended 0"}


def test_a_slot_that_raises_fails_the_test(capfd: Any) -> None:
    runs = hosts()
    next(runs)
    button = qt.QPushButton()
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        next(runs)


def test_the_node_combo_box_follows_the_scene(host: Host) -> None:
    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.noneEnabled = True
    combo.setMRMLScene(slicer.mrmlScene)
    seen: list[Any] = []
    combo.connect("currentNodeChanged(vtkMRMLNode*)", seen.append)
    assert combo.currentNode() is None
    assert combo.nodeCount() == 0
    ct = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "CT")
    labels = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLabelMapVolumeNode", "labels")
    assert combo.nodeCount() == 2  # a label map is a scalar volume too
    combo.showChildNodeTypes = False
    assert combo.nodeCount() == 1
    combo.setCurrentNode(ct)
    assert combo.currentNodeID == ct.GetID()
    slicer.mrmlScene.RemoveNode(ct)
    assert combo.currentNode() is None
    assert seen == [ct, None]
    assert labels is not None
    combo.setMRMLScene(None)


def test_the_node_combo_box_says_what_a_person_did_not_do_as_slicer_does(host: Host, tmp_path: Path) -> None:
    combo = slicer.qMRMLNodeComboBox()
    combo.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    combo.noneEnabled = True
    combo.setMRMLScene(slicer.mrmlScene)
    changed: list[Any] = []
    picked: list[Any] = []
    combo.connect("currentNodeChanged(vtkMRMLNode*)", changed.append)
    combo.connect("nodeActivated(vtkMRMLNode*)", picked.append)
    first, second = (slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name) for name in ("first", "second"))
    doors.pick(combo, first)
    assert (changed, picked) == ([first], [first])
    import_scene(tmp_path)
    assert (changed, picked) == ([first, None], [first])
    doors.pick(combo, first)
    slicer.mrmlScene.RemoveNode(first)  # on to the next one
    assert combo.currentNode() is second
    assert changed[-1] is second
    assert picked == [first, first]
    doors.pick(combo, None)
    assert picked[-1] is None
    combo.setMRMLScene(None)


def test_the_segment_editor_wants_its_node_before_the_scene_and_known_effects(host: Host) -> None:
    editor = slicer.qMRMLSegmentEditorWidget()
    with pytest.raises(AssertionError, match="must come before"):
        editor.setMRMLScene(slicer.mrmlScene)
    with pytest.raises(AssertionError, match="no effect"):
        editor.setEffectNameOrder(["Paint", "Islnds"])
    editor.setEffectNameOrder(PALETTE)
    assert editor.effectNameOrder() == PALETTE


def test_painting_obeys_the_brush_range_and_can_be_undone(host: Host) -> None:
    array = np.zeros((20, 20, 20), np.int16)
    array[:, :, 10:] = 50
    ct = slicer.util.addVolumeFromArray(array)
    seg = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode")
    seg.CreateDefaultDisplayNodes()
    seg.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentEditorNode")
    editor = slicer.qMRMLSegmentEditorWidget()
    editor.setMRMLSegmentEditorNode(node)
    editor.setMRMLScene(slicer.mrmlScene)
    identity = seg.GetSegmentation().AddEmptySegment("a", "a")
    editor.setSegmentationNode(seg)
    editor.setSourceVolumeNode(ct)
    assert editor.currentSegmentID() == identity

    def voxels() -> Any:
        return slicer.util.arrayFromSegmentBinaryLabelmap(seg, identity, ct)

    to_ras = vtk.vtkMatrix4x4()
    ct.GetIJKToRASMatrix(to_ras)
    centre = to_ras.MultiplyPoint([10, 10, 10, 1])[:3]
    doors.ball(editor, centre, 4)
    k, j, i = np.indices(array.shape) - 10
    ball = k**2 + j**2 + i**2 <= 16
    assert (voxels() == ball).all()
    editor.undo()
    assert voxels().sum() == 0
    node.SetSourceVolumeIntensityMask(True)
    node.SetSourceVolumeIntensityMaskRange(20, 100)
    doors.ball(editor, centre, 4)
    assert (voxels() == (ball & (array > 20))).all()
    editor.setMRMLSegmentEditorNode(None)


def test_a_file_dialog_without_an_answer_fails(host: Host) -> None:
    host.shown.files = ["/a/b.json"]
    assert qt.QFileDialog.getSaveFileName(None, "Save", "", "*.json") == "/a/b.json"
    with pytest.raises(AssertionError, match="no answer"):
        qt.QFileDialog.getSaveFileName(None, "Save", "", "*.json")


def test_dialogs_are_noted_and_questions_answered(host: Host) -> None:
    slicer.util.errorDisplay("It failed.", detailedText="line 3")
    assert host.shown.messages == [("error", "It failed.", "line 3")]
    host.shown.agrees = False
    assert slicer.util.confirmYesNoDisplay("Sure?") is False


def test_texts_can_be_made_longer_and_keep_their_placeholders(host: Host) -> None:
    from slicer.i18n import tr as _

    plain = _("{count} lesions are outlined")
    host.longer(0.4)
    longer = _("{count} lesions are outlined")
    assert longer.startswith(plain)
    assert longer.count("{count}") == 1
    assert len(longer) >= 1.25 * len(plain)
    assert i18n.tr("") == ""


def test_a_ui_file_brings_stub_widgets_and_their_properties(host: Host, tmp_path: Any) -> None:
    own = "".join(
        f"<customwidget><class>{name}</class><extends>QWidget</extends><container>1</container></customwidget>"
        for name in ("qMRMLWidget", "ctkCollapsibleButton", "qMRMLNodeComboBox")
    )
    combo = """<widget class="qMRMLNodeComboBox" name="combo"><property name="nodeTypes"><stringlist>
        <string>vtkMRMLScalarVolumeNode</string></stringlist></property></widget>"""
    part = f"""<widget class="ctkCollapsibleButton" name="part"><property name="text"><string>Part</string></property>
        <property name="collapsed"><bool>true</bool></property>
        <layout class="QVBoxLayout"><item>{combo}</item></layout></widget>"""
    (tmp_path / "a.ui").write_text(
        f"""<ui version="4.0"><class>A</class><widget class="qMRMLWidget" name="A"><layout class="QVBoxLayout"><item>{part}</item>
        </layout></widget><customwidgets>{own}</customwidgets></ui>""",
        encoding="utf-8",
    )
    widget = slicer.util.loadUI(str(tmp_path / "a.ui"))
    ui = slicer.util.childWidgetVariables(widget)
    assert ui.part.collapsed is True
    assert list(ui.combo.nodeTypes) == ["vtkMRMLScalarVolumeNode"]
    widget.setMRMLScene(slicer.mrmlScene)
    assert ui.combo.mrmlScene() is None  # nobody connected it
    ui.combo.setMRMLScene(slicer.mrmlScene)
    assert ui.combo.mrmlScene() is slicer.mrmlScene
    host.show(widget)
    assert not ui.combo.visible
    ui.part.collapsed = False
    assert ui.combo.visible
    ui.combo.setMRMLScene(None)

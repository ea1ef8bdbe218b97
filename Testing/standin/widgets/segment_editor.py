"""The Segment Editor's widget over Slicer's own segment editor logic: real masking, real undo, plain looks."""

from __future__ import annotations

import weakref
from typing import Any, ClassVar

import slicer
from PySide6 import QtCore, QtWidgets

from standin.widgets.declared import declared, finished, kept
from standin.widgets.mrml_widgets import qMRMLWidget

EFFECTS = (
    "Threshold", "Paint", "Draw", "Erase", "Level tracing", "Grow from seeds", "Fill between slices", "Margin", "Hollow",
    "Smoothing", "Scissors", "Islands", "Logical operators", "Mask volume",
)  # fmt: skip
"""What Slicer 5.12 registers."""


class Effect:
    """The little that a module may ask an effect."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._parameters: dict[str, str] = {}

    def setParameter(self, name: str, value: Any) -> None:
        self._parameters[name] = str(value)

    def setCommonParameter(self, name: str, value: Any) -> None:
        self._parameters[name] = str(value)

    def parameter(self, name: str) -> str:
        return self._parameters.get(name, "")


class _NodeObserver:
    """Calls ``updateWidgetFromMRML`` when a node or a segmentation changes; gone with its widget."""

    def __init__(self, widget: Any, *events: Any) -> None:
        self.node: Any = None
        self._events = events
        self._tags: list[int] = []
        self._update = weakref.WeakMethod(widget.updateWidgetFromMRML)
        widget.destroyed.connect(lambda *_, s=self: s.observe(None))

    def observe(self, node: Any) -> None:
        """Watch another node, or none."""
        for tag in self._tags:
            self.node.RemoveObserver(tag)
        self.node = node
        self._tags = [] if node is None else [node.AddObserver(event, self._call) for event in self._events]

    def _call(self, *_: Any) -> None:
        update = self._update()
        if update is not None:
            update()


@finished
class qSlicerSegmentEditorEffectFactory(QtCore.QObject):
    """Says when an effect is registered."""

    SIGNALS: ClassVar[dict[str, str]] = {"effectRegistered(QString)": "effectRegistered"}
    effectRegistered = QtCore.Signal(str)
    _one: Any = None

    @classmethod
    def instance(cls) -> Any:
        if cls._one is None:
            cls._one = cls()
        return cls._one


@finished
class qMRMLSegmentEditorWidget(qMRMLWidget):
    """See Modules/Loadable/Segmentations/Widgets/qMRMLSegmentEditorWidget.h."""

    SIGNALS: ClassVar[dict[str, str]] = {
        **qMRMLWidget.SIGNALS,
        "currentSegmentIDChanged(QString)": "currentSegmentIDChanged",
        "sourceVolumeNodeChanged(vtkMRMLVolumeNode*)": "sourceVolumeNodeChanged",
        "segmentationNodeChanged(vtkMRMLSegmentationNode*)": "segmentationNodeChanged",
    }
    currentSegmentIDChanged = QtCore.Signal(str)
    sourceVolumeNodeChanged = QtCore.Signal(object)
    segmentationNodeChanged = QtCore.Signal(object)
    segmentationNodeSelectorVisible = declared("bool", "segmentationNodeSelectorVisible", True)
    sourceVolumeNodeSelectorVisible = declared("bool", "sourceVolumeNodeSelectorVisible", True)
    maskingSectionVisible = declared("bool", "maskingSectionVisible", True)
    specifyGeometryButtonVisible = declared("bool", "specifyGeometryButtonVisible", True)
    show3DButtonVisible = declared("bool", "show3DButtonVisible", True)
    addRemoveSegmentButtonsVisible = declared("bool", "addRemoveSegmentButtonsVisible", True)
    autoShowSourceVolumeNode = declared("bool", "autoShowSourceVolumeNode", True)
    switchToSegmentationsButtonVisible = declared("bool", "switchToSegmentationsButtonVisible", True)
    undoEnabled = declared("bool", "undoEnabled", True)
    maximumNumberOfUndoStates = declared("int", "maximumNumberOfUndoStates", 10)
    readOnly = declared("bool", "readOnly", False)
    effectColumnCount = declared("int", "effectColumnCount", 2)
    unorderedEffectsVisible = declared("bool", "unorderedEffectsVisible", True)
    defaultTerminologyEntry = declared("QString", "defaultTerminologyEntry", "")
    defaultTerminologyEntrySettingsKey = declared("QString", "defaultTerminologyEntrySettingsKey", "")
    jumpToSelectedSegmentEnabled = declared("bool", "jumpToSelectedSegmentEnabled", False)

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self._logic = slicer.vtkSlicerSegmentEditorLogic()
        self._watch = _NodeObserver(self, "ModifiedEvent")
        self._over = _NodeObserver(self, slicer.vtkMRMLScene.EndBatchProcessEvent, slicer.vtkMRMLScene.EndCloseEvent)
        events = slicer.vtkSegmentation
        self._list = _NodeObserver(self, events.SegmentAdded, events.SegmentRemoved, events.SegmentModified)
        self._shown: tuple[Any, ...] = (None, None, "")
        self._order: list[str] = []
        self._effects = {name: Effect(name) for name in EFFECTS}
        self._active = ""
        self._build()

    def _build(self) -> None:
        box = QtWidgets.QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        self._segments = QtWidgets.QListWidget()
        self._segments.setMaximumHeight(70)
        self._buttons = QtWidgets.QGridLayout()
        row = QtWidgets.QHBoxLayout()
        for text, call in (("Undo", self.undo), ("Redo", self.redo)):
            button = QtWidgets.QToolButton()
            button.setText(text)
            button.clicked.connect(call)
            row.addWidget(button)
        row.addStretch(1)
        box.addWidget(self._segments)
        box.addLayout(self._buttons)
        box.addLayout(row)
        self._segments.currentRowChanged.connect(self._row_picked)

    # --- the node and the scene

    def mrmlSegmentEditorNode(self) -> Any:
        return self._node

    def setMRMLSegmentEditorNode(self, node: Any) -> None:
        self._watch.observe(node)
        self._logic.SetSegmentEditorNode(node)
        self.updateWidgetFromMRML()

    @property
    def _node(self) -> Any:
        return self._watch.node

    def setMRMLScene(self, scene: Any) -> None:
        if scene is not None and self._node is None:
            # Slicer allows it, and then forgets the automatic choices; a mistake that has been made (MONAI Label).
            raise AssertionError("setMRMLSegmentEditorNode() must come before setMRMLScene()")
        self._logic.SetMRMLScene(scene)
        super().setMRMLScene(scene)
        self._over.observe(scene)
        self.updateWidgetFromMRML()

    def segmentationNode(self) -> Any:
        return self._node.GetSegmentationNode() if self._node else None

    def segmentationNodeID(self) -> str:
        node = self.segmentationNode()
        return node.GetID() if node else ""

    def sourceVolumeNode(self) -> Any:
        return self._node.GetSourceVolumeNode() if self._node else None

    def sourceVolumeNodeID(self) -> str:
        node = self.sourceVolumeNode()
        return node.GetID() if node else ""

    def setSegmentationNode(self, node: Any) -> None:
        if self._node is None:
            return
        if node is not self.segmentationNode():
            self._node.SetAndObserveSegmentationNode(node)
            self._logic.ClearUndoState()
        if node is not None and not self.currentSegmentID() and node.GetSegmentation().GetNumberOfSegments():
            self._node.SetSelectedSegmentID(node.GetSegmentation().GetNthSegmentID(0))
        self.updateWidgetFromMRML()

    def setSegmentationNodeID(self, identity: str) -> None:
        self.setSegmentationNode(self.mrmlScene().GetNodeByID(identity))

    def setSourceVolumeNode(self, node: Any) -> None:
        if self._node is None:
            return
        if node is not None and self.segmentationNode() is None:
            raise AssertionError("setSegmentationNode() must come before setSourceVolumeNode()")
        self._node.SetAndObserveSourceVolumeNode(node)
        self.updateWidgetFromMRML()

    def setSourceVolumeNodeID(self, identity: str) -> None:
        self.setSourceVolumeNode(self.mrmlScene().GetNodeByID(identity))

    def currentSegmentID(self) -> str:
        return (self._node.GetSelectedSegmentID() or "") if self._node else ""

    def setCurrentSegmentID(self, identity: str) -> None:
        if self._node is not None:
            self._node.SetSelectedSegmentID(identity)
        self.updateWidgetFromMRML()

    def selectNextSegment(self) -> None:
        self._step(1)

    def selectPreviousSegment(self) -> None:
        self._step(-1)

    def _step(self, by: int) -> None:
        self._segments.setCurrentRow((self._segments.currentRow + by) % max(self._segments.count, 1))

    def updateWidgetFromMRML(self) -> None:
        scene = self.mrmlScene()
        if scene is None or scene.IsClosing() or scene.IsBatchProcessing():
            return  # as in Slicer: when the batch is over
        node = self.segmentationNode()
        if (
            self._node is not None
            and node is not None
            and node is not self._shown[0]
            and node.GetSegmentation().GetNumberOfSegments()
        ):
            # As in Slicer: with another segmentation the first segment is chosen, whatever the editor's node said.
            self._node.SetSelectedSegmentID(node.GetSegmentation().GetNthSegmentID(0))
        now = (self.segmentationNode(), self.sourceVolumeNode(), self.currentSegmentID())
        before, self._shown = self._shown, now
        self._fill_segments()
        for old, new, signal in zip(
            before, now, (self.segmentationNodeChanged, self.sourceVolumeNodeChanged, self.currentSegmentIDChanged), strict=True
        ):
            if old != new:
                signal.emit(new)

    def _fill_segments(self) -> None:
        node = self.segmentationNode()
        segments = node.GetSegmentation() if node else None
        if segments is not self._list.node:
            self._list.observe(segments)
        ids = list(segments.GetSegmentIDs()) if segments else []
        self._segments.blockSignals(True)
        self._segments.clear()
        for identity in ids:
            item = QtWidgets.QListWidgetItem(segments.GetSegment(identity).GetName())
            item.setData(QtCore.Qt.UserRole, identity)
            self._segments.addItem(item)
        if self.currentSegmentID() in ids:
            self._segments.setCurrentRow(ids.index(self.currentSegmentID()))
        self._segments.blockSignals(False)

    def _row_picked(self, row: int) -> None:
        if row >= 0:
            self.setCurrentSegmentID(self._segments.item(row).data(QtCore.Qt.UserRole))

    # --- effects

    def availableEffectNames(self) -> list[str]:
        return list(EFFECTS)

    def effectByName(self, name: str) -> Any:
        return self._effects.get(name)

    def activeEffect(self) -> Any:
        return self._effects.get(self._active)

    def setActiveEffect(self, effect: Any) -> None:
        self._active = effect.name if effect else ""
        self.updateEffectList()

    def setActiveEffectByName(self, name: str) -> None:
        self.setActiveEffect(self._effects.get(name))

    def setEffectNameOrder(self, names: Any) -> None:
        unknown = [name for name in names if name not in EFFECTS]
        if unknown:
            raise AssertionError(f"Slicer has no effect called {unknown}")
        self._order = list(names)
        self.updateEffectList()

    def effectNameOrder(self) -> list[str]:
        return list(self._order)

    def updateEffectList(self) -> None:
        while self._buttons.count():
            self._buttons.takeAt(0).widget().deleteLater()
        rest = [name for name in EFFECTS if name not in self._order] if self.unorderedEffectsVisible else []
        for index, name in enumerate(self._order + rest):
            button = QtWidgets.QToolButton()
            button.setText(name)
            button.setCheckable(True)
            button.setChecked(name == self._active)
            button.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
            button.clicked.connect(lambda on, name=name: self.setActiveEffectByName(name if on else ""))
            self._buttons.addWidget(button, index // self.effectColumnCount, index % self.effectColumnCount)

    def _changed(self, name: str) -> None:
        if name == "maximumNumberOfUndoStates":
            self._logic.SetMaximumNumberOfUndoStates(self.maximumNumberOfUndoStates)
        if name in ("unorderedEffectsVisible", "effectColumnCount"):
            self.updateEffectList()
        if name == "effectColumnCount" and self.effectColumnCount < 1:
            raise AssertionError("at least one column")

    # --- undo, shortcuts, views

    def saveStateForUndo(self) -> None:
        if self.segmentationNode() is not None:
            self._logic.SaveStateForUndo()

    def undo(self) -> None:
        self._logic.Undo()
        self.updateWidgetFromMRML()

    def redo(self) -> None:
        self._logic.Redo()
        self.updateWidgetFromMRML()

    def installKeyboardShortcuts(self, parent: Any = None) -> None:
        if parent is None and slicer.util.mainWindow() is None:
            raise AssertionError("shortcuts without a main window need a parent")
        kept(self)["shortcuts"] = True

    def uninstallKeyboardShortcuts(self) -> None:
        kept(self)["shortcuts"] = False

    def setupViewObservations(self) -> None:
        kept(self)["views"] = True

    def removeViewObservations(self) -> None:
        kept(self)["views"] = False

    def rotateSliceViewsToSegmentation(self) -> None:
        pass

    def jumpSlices(self) -> None:
        pass


SEGMENT_WIDGETS = (qMRMLSegmentEditorWidget, qSlicerSegmentEditorEffectFactory)

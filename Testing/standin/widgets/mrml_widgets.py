"""Slicer's widgets over MRML nodes (Libs/MRML/Widgets and the modules' Widgets folders), on a real scene."""

from __future__ import annotations

import weakref
from typing import Any, ClassVar

from PySide6 import QtCore, QtWidgets

from standin.widgets.declared import declared, finished, kept


class SceneObserver:
    """Calls functions when nodes come and go, and when a scene was closed or read; gone with its widget."""

    def __init__(self, widget: Any, changed: Any, renewed: Any) -> None:
        self.scene: Any = None
        self.tags: list[int] = []
        self.changed, self.renewed = weakref.WeakMethod(changed), weakref.WeakMethod(renewed)
        widget.destroyed.connect(lambda *_, s=self: s.observe(None))

    def observe(self, scene: Any) -> None:
        """Watch another scene, or none."""
        for tag in self.tags:
            self.scene.RemoveObserver(tag)
        self.scene, self.tags = scene, []
        if scene is not None:
            # The order is Slicer's: before other observers for single nodes, in turn with them for whole scenes.
            self.tags = [scene.AddObserver(event, self._call, 10.0) for event in (scene.NodeAddedEvent, scene.NodeRemovedEvent)]
            self.tags += [scene.AddObserver(event, self._renew) for event in (scene.EndCloseEvent, scene.EndImportEvent)]

    def _call(self, *_: Any) -> None:
        changed = self.changed()
        # Nodes of a scene that is being read are not listed before all are there.
        if changed is not None and not self.scene.IsImporting() and not self.scene.IsClosing():
            changed()

    def _renew(self, *_: Any) -> None:
        renewed = self.renewed()
        if renewed is not None:
            renewed()


@finished
class qMRMLWidget(QtWidgets.QWidget):
    """Base of Slicer's widgets. Its children get no scene from it: a panel gives it to them."""

    SIGNALS: ClassVar[dict[str, str]] = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}
    mrmlSceneChanged = QtCore.Signal(object)

    def mrmlScene(self) -> Any:
        return kept(self).get("scene")

    def setMRMLScene(self, scene: Any) -> None:
        kept(self)["scene"] = scene
        self.mrmlSceneChanged.emit(scene)


@finished
class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of some classes."""

    SIGNALS: ClassVar[dict[str, str]] = {
        "currentNodeChanged(vtkMRMLNode*)": "_nodeChanged",
        "currentNodeChanged(bool)": "_validChanged",
        "currentNodeIDChanged(QString)": "currentNodeIDChanged",
        "nodeActivated(vtkMRMLNode*)": "nodeActivated",
        "nodeAdded(vtkMRMLNode*)": "nodeAdded",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
        "nodeAboutToBeRemoved(vtkMRMLNode*)": "nodeAboutToBeRemoved",
    }
    _nodeChanged = QtCore.Signal(object)
    _validChanged = QtCore.Signal(bool)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeActivated = QtCore.Signal(object)
    nodeAdded = QtCore.Signal(object)
    nodeAddedByUser = QtCore.Signal(object)
    nodeAboutToBeRemoved = QtCore.Signal(object)
    nodeTypes = declared("QStringList", "nodeTypes", [])
    showHidden = declared("bool", "showHidden", False)
    showChildNodeTypes = declared("bool", "showChildNodeTypes", True)
    noneEnabled = declared("bool", "noneEnabled", False)
    noneDisplay = declared("QString", "noneDisplay", "None")
    addEnabled = declared("bool", "addEnabled", True)
    removeEnabled = declared("bool", "removeEnabled", True)
    editEnabled = declared("bool", "editEnabled", False)
    renameEnabled = declared("bool", "renameEnabled", False)
    selectNodeUponCreation = declared("bool", "selectNodeUponCreation", True)
    baseName = declared("QString", "baseName", "")
    currentNodeID = QtCore.Property("QString", lambda s: s._id(), lambda s, v: s.setCurrentNodeID(v))

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self._combo = QtWidgets.QComboBox()
        # As in Slicer: long names of nodes do not widen the panel.
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._combo)
        self.setFocusProxy(self._combo)
        self._attributes: list[tuple[Any, ...]] = []
        self._nodes: list[Any] = []
        self._watch = SceneObserver(self, self._fill, self._renew)
        self._combo.currentIndexChanged.connect(lambda _index: self._picked())
        self._combo.activated.connect(lambda index: self.nodeActivated.emit(self._combo.itemData(index)))

    def mrmlScene(self) -> Any:
        return self._watch.scene

    def setMRMLScene(self, scene: Any) -> None:
        self._watch.observe(scene)
        self._fill()

    def addAttribute(self, node_type: str, name: str, value: Any = None) -> None:
        self._attributes.append((node_type, name, value))
        self._fill()

    def removeAttribute(self, node_type: str, name: str) -> None:
        self._attributes = [a for a in self._attributes if a[:2] != (node_type, name)]
        self._fill()

    def nodeCount(self) -> int:
        return len(self._nodes)

    def nodeFromIndex(self, index: int) -> Any:
        return self._nodes[index]

    def currentNode(self) -> Any:
        return self._combo.currentData

    def setCurrentNode(self, node: Any) -> None:
        before = self._combo.currentIndex
        self._select(node)
        if node is not None and self.currentNode() is node and self._combo.currentIndex != before:
            self.nodeActivated.emit(node)  # as in Slicer, which presses Enter in the list, but not for "none"

    def _select(self, node: Any) -> None:
        nodes = [self._combo.itemData(i) for i in range(self._combo.count)]
        self._combo.setCurrentIndex(nodes.index(node) if node in nodes else -1)

    def setCurrentNodeID(self, identity: str) -> None:
        self.setCurrentNode(self._watch.scene.GetNodeByID(identity) if identity and self._watch.scene else None)

    def setCurrentNodeIndex(self, index: int) -> None:
        self.setCurrentNode(self._nodes[index])

    def _id(self) -> str:
        node = self.currentNode()
        return node.GetID() if node is not None and node.GetID() else ""

    def _changed(self, _name: str) -> None:
        if hasattr(self, "_watch"):
            self._fill()

    def _suits(self, node: Any) -> bool:
        if node.GetHideFromEditors() and not self.showHidden:
            return False
        for kind, name, value in self._attributes:
            if node.IsA(kind) and (
                node.GetAttribute(name) is None or (value is not None and node.GetAttribute(name) != str(value))
            ):
                return False
        if self.showChildNodeTypes:
            return any(node.IsA(kind) for kind in self.nodeTypes)
        return node.GetClassName() in self.nodeTypes

    def _renew(self) -> None:
        """A scene was closed or read: as in Slicer all nodes leave the list, which says that none is chosen, and come again."""
        self._nodes = []
        self._combo.blockSignals(True)
        self._combo.clear()
        self._combo.blockSignals(False)
        self._picked()
        self._fill()

    def _fill(self) -> None:
        scene = self._watch.scene
        before, known, place = kept(self).get("chosen"), self._nodes, self._combo.currentIndex
        self._nodes = []
        if scene is not None:
            every = [scene.GetNthNode(i) for i in range(scene.GetNumberOfNodes())]
            self._nodes = [node for node in every if self._suits(node)]
        self._combo.blockSignals(True)
        self._combo.clear()
        if self.noneEnabled:
            self._combo.addItem(self.noneDisplay, None)
        for node in self._nodes:
            self._combo.addItem(node.GetName() or "", node)
        # As in Slicer: without a "none" entry the first node is chosen by itself.
        self._combo.setCurrentIndex(0 if self._combo.count and (self.noneEnabled or before is None) else -1)
        if before in self._nodes:
            self._select(before)
        elif before is not None and self._combo.count:
            self._combo.setCurrentIndex(min(max(place, 0), self._combo.count - 1))  # as in Slicer: on to the next one
        self._combo.blockSignals(False)
        self._picked()
        for node in [node for node in self._nodes if node not in known]:
            self.nodeAdded.emit(node)

    def _picked(self) -> None:
        node = self.currentNode()
        if node is kept(self).get("chosen"):
            return
        kept(self)["chosen"] = node
        self._nodeChanged.emit(node)
        self._validChanged.emit(node is not None)
        self.currentNodeIDChanged.emit(self._id())


@finished
class qSlicerMarkupsPlaceWidget(QtWidgets.QWidget):
    """Lets points be placed in the views."""

    SIGNALS: ClassVar[dict[str, str]] = {"activeMarkupsPlaceModeChanged(bool)": "activeMarkupsPlaceModeChanged"}
    activeMarkupsPlaceModeChanged = QtCore.Signal(bool)
    buttonsVisible = declared("bool", "buttonsVisible", True)
    placeModeEnabled = declared("bool", "placeModeEnabled", False)
    placeModePersistency = declared("bool", "placeModePersistency", False)

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self._node: Any = None
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._buttons = QtWidgets.QToolButton()
        row.addWidget(self._buttons)

    def setMRMLScene(self, scene: Any) -> None:
        kept(self)["scene"] = scene

    def mrmlScene(self) -> Any:
        return kept(self).get("scene")

    def currentNode(self) -> Any:
        return self._node

    def setCurrentNode(self, node: Any) -> None:
        self._node = node
        if node is None:
            self.placeModeEnabled = False

    def _changed(self, name: str) -> None:
        if name == "buttonsVisible":
            self._buttons.setVisible(self.buttonsVisible)
        if name == "placeModeEnabled":
            if self.placeModeEnabled and self._node is None:
                kept(self)["placeModeEnabled"] = False
                return
            self.activeMarkupsPlaceModeChanged.emit(self.placeModeEnabled)


MRML_WIDGETS = (qMRMLWidget, qMRMLNodeComboBox, qSlicerMarkupsPlaceWidget)

"""``slicer.app``, ``slicer.util`` and what else the application adds to slicer-core."""

from __future__ import annotations

import tempfile
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import slicer
import slicer.util
from PySide6 import QtCore, QtWidgets

from standin import i18n


class Shown:
    """What was shown to the person instead of a dialog, and what the person answers.

    Attributes:
        messages: (kind, text, detailed text), kind one of error, warning, info, confirm, status, delay.
        agrees: the answer to every question.
        files: what the next file dialogs give back, in order; "" is Cancel. A dialog without an answer here fails the test.
    """

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, str]] = []
        self.agrees = True
        self.files: list[str | list[str]] = []

    def clear(self) -> None:
        """Forget."""
        self.__init__()  # type: ignore[misc]

    def texts(self, *kinds: str) -> list[str]:
        """The texts shown, of these kinds or all."""
        return [text for kind, text, _ in self.messages if not kinds or kind in kinds]


SHOWN = Shown()


class Application(QtCore.QObject):
    """qSlicerApplication: signals, settings, paths."""

    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()
    paletteChanged = QtCore.Signal()
    _focusChanged = QtCore.Signal(object, object)
    SIGNALS: ClassVar[dict[str, str]] = {
        "startupCompleted()": "startupCompleted",
        "aboutToQuit()": "aboutToQuit",
        "focusChanged(QWidget*,QWidget*)": "_focusChanged",
    }
    _KEEPS = True

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._settings = QtCore.QSettings(str(folder / "Slicer.ini"), QtCore.QSettings.IniFormat)
        self._manager = ModuleManager()
        self._testing = False
        QtWidgets.QApplication.instance().focusChanged.connect(lambda before, now: self._focusChanged.emit(before, now))

    applicationName = "Slicer"
    applicationVersion = "5.12.3-2026-07-22"
    majorVersion, minorVersion = 5, 12
    isInstalled = True
    documentationBaseUrl = "https://slicer.readthedocs.io/en/latest/"

    @property
    def temporaryPath(self) -> str:
        return str(self._folder)

    @property
    def cachePath(self) -> str:
        return str(self._folder)

    def testingEnabled(self) -> bool:
        return self._testing

    def commandOptions(self) -> Any:
        return types.SimpleNamespace(noMainWindow=True, testingEnabled=self._testing)

    def userSettings(self) -> Any:
        return self._settings

    def settings(self) -> Any:
        return self._settings

    def layoutManager(self) -> Any:
        return None  # as without a main window

    def moduleManager(self) -> Any:
        return self._manager

    def mrmlScene(self) -> Any:
        return slicer.mrmlScene

    def dicomDatabase(self) -> Any:
        return slicer.dicomDatabase

    def extensionsManagerModel(self) -> Any:
        return types.SimpleNamespace(isExtensionInstalled=lambda name: False)

    def processEvents(self, *words: Any) -> None:
        QtWidgets.QApplication.processEvents(*words)

    def translate(self, context: str, text: str) -> str:
        return i18n.translate(context, text)

    def palette(self) -> Any:
        return QtWidgets.QApplication.palette()

    def clipboard(self) -> Any:
        return QtWidgets.QApplication.clipboard()

    def setOverrideCursor(self, cursor: Any) -> None:
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()


class ModuleManager(QtCore.QObject):
    """qSlicerModuleManager."""

    def module(self, name: str) -> Any:
        return getattr(slicer.modules, name.lower(), None)

    SIGNALS: ClassVar[dict[str, str]] = {"moduleAboutToBeUnloaded(QString)": "moduleAboutToBeUnloaded"}
    moduleAboutToBeUnloaded = QtCore.Signal(str)
    _KEEPS = True


class DicomDatabase:
    """ctkDICOMDatabase: tests put (instance UID, tag "gggg,eeee") -> value and instance -> file into it.

    Only the members below exist, as in CTK; ``values`` and ``paths`` are the tests' side.
    """

    __slots__ = ("isOpen", "paths", "values")

    def __init__(self) -> None:
        self.isOpen = True
        self.values: dict[tuple[str, str], str] = {}
        self.paths: dict[str, str] = {}

    def instanceValue(self, instance: str, tag: str) -> str:
        return self.values.get((instance, tag), "")

    def fileForInstance(self, instance: str) -> str:
        return self.paths.get(instance, "")

    def instanceForFile(self, path: str) -> str:
        return next((uid for uid, known in self.paths.items() if known == path), "")


def add(folder: Path) -> None:
    """Put the application's parts into ``slicer`` and ``slicer.util``."""
    slicer.app = Application(folder)
    slicer.selfTests = {}
    slicer.dicomDatabase = DicomDatabase()
    slicer.modules.sampleDataSources = {}
    for name, kind in (("errorDisplay", "error"), ("warningDisplay", "warning"), ("infoDisplay", "info"), ("messageBox", "info")):
        setattr(slicer.util, name, _display(kind))
    for name in ("confirmOkCancelDisplay", "confirmYesNoDisplay", "confirmRetryCloseDisplay"):
        setattr(slicer.util, name, _question)
    slicer.util.showStatusMessage = lambda message, duration=0: SHOWN.messages.append(("status", message, ""))
    slicer.util.delayDisplay = lambda message, *_, **__: SHOWN.messages.append(("delay", message, ""))
    slicer.util.mainWindow = lambda: None
    slicer.util.selectModule = select_module
    slicer.util.getModuleWidget = lambda name: (
        getattr(slicer.modules, name.lower()) if isinstance(name, str) else name
    ).widget.self()
    slicer.util.saveScene = save_scene
    slicer.util.loadScene = load_scene
    slicer.util.loadVolume = load_volume
    slicer.util.loadSegmentation = load_segmentation
    for name in ("getSaveFileName", "getOpenFileName", "getExistingDirectory", "getOpenFileNames"):
        setattr(QtWidgets.QFileDialog, name, staticmethod(_chosen(name)))


def _display(kind: str) -> Callable[..., None]:
    def show(text: str, *_: Any, **more: Any) -> None:
        SHOWN.messages.append((kind, text, str(more.get("detailedText", ""))))

    return show


def _question(text: str, *_: Any, **more: Any) -> bool:
    SHOWN.messages.append(("confirm", text, str(more.get("detailedText", ""))))
    return SHOWN.agrees


def _chosen(name: str) -> Callable[..., Any]:
    """PythonQt's file dialogs give the path alone, not a pair with the filter."""

    def choose(*_: Any, **__: Any) -> Any:
        if not SHOWN.files:
            raise AssertionError(f"QFileDialog.{name} was opened and the test has no answer (SHOWN.files)")
        return SHOWN.files.pop(0)

    return choose


def select_module(module: Any) -> None:
    """``slicer.util.selectModule``: leave the module that is shown and enter another one; only ours exists."""
    name = module if isinstance(module, str) else Path(module.path).stem
    SHOWN.messages.append(("module", name, ""))
    for other in vars(slicer.modules).values():
        parent = getattr(other, "widget", None)
        if parent is not None and hasattr(parent, "isEntered"):
            chosen = Path(other.path).stem == name
            if parent.isEntered and not chosen:
                parent.exit()
            elif chosen and not parent.isEntered:
                parent.enter()


def save_scene(filename: str) -> bool:
    """``slicer.util.saveScene`` of a bundle."""
    return bool(slicer.mrmlScene.WriteToMRB(filename, None))


def load_scene(filename: str, properties: Any = None) -> bool:
    """``slicer.util.loadScene``: as in Slicer, what is there already stays unless the property "clear" says otherwise."""
    clear = bool((properties or {}).get("clear", False))
    if filename.endswith(".mrb"):
        return bool(slicer.mrmlScene.ReadFromMRB(filename, clear))
    slicer.mrmlScene.SetURL(filename)
    return bool(slicer.mrmlScene.Connect() if clear else slicer.mrmlScene.Import())


def load_volume(filename: str, properties: dict[str, Any] | None = None, returnNode: bool = False) -> Any:
    """``slicer.util.loadVolume`` by the storage node that Slicer's reader uses."""
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLScalarVolumeNode", (properties or {}).get("name") or Path(filename).name.split(".")[0]
    )
    _read("vtkMRMLVolumeArchetypeStorageNode", filename, node)
    node.CreateDefaultDisplayNodes()
    return node


def load_segmentation(filename: str, properties: dict[str, Any] | None = None, returnNode: bool = False) -> Any:
    """``slicer.util.loadSegmentation`` likewise."""
    node = slicer.mrmlScene.AddNewNodeByClass(
        "vtkMRMLSegmentationNode", (properties or {}).get("name") or Path(filename).name.split(".")[0]
    )
    _read("vtkMRMLSegmentationStorageNode", filename, node)
    node.CreateDefaultDisplayNodes()
    return node


def _name(filename: str, properties: dict[str, Any] | None) -> str:
    return str((properties or {}).get("name") or Path(filename).name.split(".")[0])


def _read(kind: str, filename: str, node: Any) -> None:
    storage = slicer.mrmlScene.AddNewNodeByClass(kind)
    storage.SetFileName(filename)
    if not storage.ReadData(node):
        slicer.mrmlScene.RemoveNode(node)
        slicer.mrmlScene.RemoveNode(storage)
        raise RuntimeError(f"Failed to load node from file: {filename}")
    node.SetAndObserveStorageNodeID(storage.GetID())


def new_folder() -> Path:
    """A folder for settings and temporary files, gone with the process."""
    folder = tempfile.TemporaryDirectory(prefix="standin-")
    _KEPT.append(folder)
    return Path(folder.name)


_KEPT: list[Any] = []

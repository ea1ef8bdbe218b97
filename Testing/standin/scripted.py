"""``slicer.ScriptedLoadableModule``: what a module's classes derive from."""

from __future__ import annotations

import importlib
import unittest
from pathlib import Path
from typing import Any

import qt
import slicer

__all__ = ["ScriptedLoadableModule", "ScriptedLoadableModuleLogic", "ScriptedLoadableModuleTest", "ScriptedLoadableModuleWidget"]


class ModuleParent:
    """qSlicerScriptedLoadableModule: what a module may tell about itself; anything else is refused."""

    __slots__ = (
        "acknowledgementText", "associatedNodeTypes", "categories", "contributors", "dependencies", "helpText", "hidden", "icon",
        "index", "path", "title", "widget",
    )  # fmt: skip

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.title = self.helpText = self.acknowledgementText = ""
        self.categories: list[str] = []
        self.contributors: list[str] = []
        self.dependencies: list[str] = []
        self.associatedNodeTypes: list[str] = []
        self.hidden, self.index, self.icon, self.widget = False, -1, None, None

    def widgetRepresentation(self) -> Any:
        return self.widget


class ScriptedLoadableModule:
    """Base of the class that describes the module."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        folder = Path(parent.path).parent / "Resources" / "Icons"
        for ending in (".svg", ".png"):
            if (folder / (self.moduleName + ending)).is_file():
                parent.icon = qt.QIcon(str(folder / (self.moduleName + ending)))
                break
        slicer.selfTests[self.moduleName] = self.runTest

    def resourcePath(self, name: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / name)

    def getDefaultModuleDocumentationLink(self, docPage: str | None = None) -> str:
        return ""

    def runTest(self, msec: int = 100, **more: Any) -> None:
        case = getattr(importlib.import_module(type(self).__module__), self.moduleName + "Test")()
        case.messageDelay = msec
        case.runTest(**more)


class ScriptedLoadableModuleWidget:
    """Base of the module's panel."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.developerMode = False
        if parent is None:
            self.parent = slicer.qMRMLWidget()
            self.parent.setLayout(qt.QVBoxLayout())
            self.parent.setMRMLScene(slicer.mrmlScene)
        else:
            self.parent = parent
        self.layout = self.parent.layout()
        if parent is None:
            self.setup()
            self.parent.show()

    def resourcePath(self, name: str) -> str:
        return str(Path(slicer.util.modulePath(self.moduleName)).parent / "Resources" / name)

    def setup(self) -> None:
        pass

    def cleanup(self) -> None:
        pass

    def onReload(self) -> None:
        slicer.util.reloadScriptedModule(self.moduleName)


class ScriptedLoadableModuleLogic:
    """Base of a module's logic."""

    def __init__(self, parent: Any = None) -> None:
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True


class ScriptedLoadableModuleTest(unittest.TestCase):
    """Base of a module's self test: every method with "test" in its name."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        self.messageDelay = 1000

    def runTest(self) -> None:
        for name in [n for n in dir(self) if n.startswith("test")]:
            self.setUp()
            getattr(self, name)()
            self.tearDown()

    def delayDisplay(self, message: str, requestedDelay: Any = None, msec: Any = None) -> None:
        pass


def container(module: ModuleParent, make: Any) -> Any:
    """A module's widget in its parent, as the module panel would make it, with setup() called.

    The parent's ``enter()`` and ``exit()`` do what the module panel does when the module is chosen and left.
    """

    class qSlicerScriptedLoadableModuleWidget(slicer.qMRMLWidget):
        _entered = False

        @property
        def isEntered(self) -> bool:
            return self._entered

        def enter(self) -> None:
            self._entered = True
            self._python.enter()

        def exit(self) -> None:
            self._entered = False
            self._python.exit()

        def reload(self) -> None:
            name = Path(module.path).stem
            widget = getattr(importlib.import_module(name), name + "Widget")(self)
            self._python = widget
            setattr(slicer.modules, name + "Widget", widget)
            widget.setup()

        def self(self) -> Any:
            return self._python

    slicer.qSlicerScriptedLoadableModuleWidget = qSlicerScriptedLoadableModuleWidget
    parent = qSlicerScriptedLoadableModuleWidget()
    parent.setLayout(qt.QVBoxLayout())
    parent.setMRMLScene(slicer.mrmlScene)
    module.widget = parent
    name = Path(module.path).stem
    widget = make(parent)
    parent._python = widget
    setattr(slicer.modules, name + "Widget", widget)
    widget.setup()
    return widget

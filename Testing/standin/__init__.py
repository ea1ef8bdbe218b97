"""A small stand-in for desktop 3D Slicer: PySide6 with PythonQt's manners, the real MRML of slicer-core, stub widgets.

A test of a panel or of the module needs ten lines::

    from standin import boot

    boot()                                    # before anything imports qt, ctk, slicer.ScriptedLoadableModule ...
    import qt, slicer                         # PythonQt's way: label.text = "a", button.connect("clicked(bool)", f)

    def test_a_panel(host):                   # fixture of standin.plugin: empty scene, nothing shown, slots must not raise
        panel = MyPanel(session)
        host.show(panel.widget)               # 400 px wide
        host.click(host.child(panel.widget, "classifyButton"))
        host.wait(lambda: session.run.state == "idle")
        host.picture(panel.widget, "classified")
        assert host.shown.texts("error") == []

What a panel must not do fails here: reading or setting an attribute that Slicer's widget has not, calling a property, a
signature that no signal has, opening a dialog that the test has not answered. ``host.longer(0.4)`` makes texts 40 % longer,
``host.dark()`` gives a dark palette. What a person does in the views is in ``standin.doors`` (paint a ball, click a point).
Tests use it by ``pytest_plugins = ["standin.plugin"]`` in the suite's conftest or by importing the fixtures.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

LIBRARY = Path(__file__).resolve().parents[2] / "AdrenalClassifier"
_booted = False


def boot() -> Any:
    """Make the modules qt, ctk, slicer (with its scene and application); returns the scene. Once a process."""
    global _booted
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    import slicer

    from support import slicer_core

    scene = slicer_core.boot()
    if _booted:
        return scene
    _booted = True
    from PySide6 import QtWidgets

    from standin import pythonqt

    QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
    pythonqt.install()
    sys.modules["qt"] = _qt()
    from standin import application, i18n, sample_data, widgets

    sys.modules["ctk"] = _module("ctk", {kind.__name__: kind for kind in widgets.CTK_WIDGETS})
    for kind in (*widgets.MRML_WIDGETS, *widgets.SEGMENT_WIDGETS):
        setattr(slicer, kind.__name__, kind)
    sys.modules["slicer.i18n"] = slicer.i18n = _module("slicer.i18n", {"tr": i18n.tr, "translate": i18n.translate})
    application.add(application.new_folder())
    from standin import scripted

    sys.modules["slicer.ScriptedLoadableModule"] = slicer.ScriptedLoadableModule = scripted
    sys.modules["SampleData"] = sample_data
    return scene


def load_module(name: str = "AdrenalClassifier", folder: Path = LIBRARY) -> Any:
    """Discover a scripted module as Slicer does: run its file, make the class that describes it. Returns the description.

    ``slicer.modules.<name in lower case>`` stands afterwards; ``startupCompleted`` is not emitted yet.
    """
    import slicer

    from standin import scripted

    path = folder / f"{name}.py"
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    parent = scripted.ModuleParent(path)
    setattr(slicer.modules, name.lower(), parent)
    return getattr(module, name)(parent)


def open_module(name: str = "AdrenalClassifier") -> Any:
    """The module's widget, made and set up in its parent as the module panel does; ``enter()`` is not called yet."""
    import slicer

    from standin import scripted

    return scripted.container(getattr(slicer.modules, name.lower()), getattr(sys.modules[name], name + "Widget"))


def _module(name: str, contents: dict[str, Any]) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(contents)
    return module


def _qt() -> types.ModuleType:
    """PythonQt's module: the classes of QtCore, QtGui, QtWidgets, QtUiTools in one, without what only PySide has."""
    from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

    module = types.ModuleType("qt")
    for source in (QtCore, QtGui, QtWidgets, QtUiTools):
        for name in dir(source):
            if name.startswith(("Q", "Qt")) and name not in ("QtMsgType",):
                setattr(module, name, getattr(source, name))
    module.QUiLoader = _Loader  # type: ignore[attr-defined]
    return module


class _Loader:
    """``qt.QUiLoader`` that knows the stub widgets."""

    def __init__(self, *words: Any) -> None:
        from PySide6 import QtUiTools

        from standin import widgets

        self._loader = QtUiTools.QUiLoader(*words)
        for kind in (*widgets.CTK_WIDGETS, *widgets.MRML_WIDGETS, widgets.SEGMENT_WIDGETS[0]):
            self._loader.registerCustomWidget(kind)

    def load(self, device: Any, parent: Any = None) -> Any:
        """The widget of an open .ui file."""
        from standin import pythonqt

        pythonqt.loading += 1
        try:
            return self._loader.load(device, parent)
        finally:
            pythonqt.loading -= 1

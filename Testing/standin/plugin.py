"""Fixtures over the stand-in host."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from standin import boot, load_module, open_module
from support.slicer_core import VtkMessages, clear

boot()

import qt  # noqa: E402
import slicer  # noqa: E402

from standin import application, i18n, pythonqt  # noqa: E402

PICTURES = os.environ.get("STANDIN_PICTURES")
"""Folder in which pictures are kept; without it they are drawn, judged for their width and thrown away."""
WIDTH = 400


class Host:
    """The application around a panel, for a test."""

    def __init__(self) -> None:
        self.shown = application.SHOWN
        self.scene = slicer.mrmlScene
        self._open: list[Any] = []

    def process(self, seconds: float = 0.0) -> None:
        """Let the event loop turn."""
        end = time.monotonic() + seconds
        while True:
            qt.QApplication.processEvents()
            qt.QApplication.sendPostedEvents(None, qt.QEvent.DeferredDelete)
            if time.monotonic() >= end:
                return
            time.sleep(0.005)

    def wait(self, ready: Callable[[], bool], seconds: float = 30.0) -> None:
        """Let the event loop turn until something holds; fails the test after ``seconds``."""
        end = time.monotonic() + seconds
        while not ready():
            assert time.monotonic() < end, "it did not happen in time"
            self.process(0.01)

    def show(self, widget: Any, width: int = WIDTH, height: int = 900) -> Any:
        """Show a widget in a scroll area of the module panel's width; returns the scroll area."""
        area = qt.QScrollArea()
        area.setWidgetResizable(True)
        area.setWidget(widget)
        area.resize(width, height)
        area.show()
        self._open.append(area)
        self.process()
        return area

    def child(self, widget: Any, name: str) -> Any:
        """The child of that object name."""
        found = widget.findChild(qt.QWidget, name)
        assert found is not None, f"no widget called {name}"
        return found

    def click(self, button: Any) -> None:
        """Press a button as the mouse does; fails when it is disabled or not to be seen."""
        assert button.isEnabled(), f"{button.name} is disabled"
        assert button.isVisible(), f"{button.name} is hidden"
        button.click()
        self.process()

    def type(self, widget: Any, text: str, finish: bool = True) -> None:
        """Type into a widget, with Enter at the end."""
        from PySide6.QtTest import QTest

        widget.setFocus()
        QTest.keyClicks(widget, text)
        if finish:
            QTest.keyClick(widget, qt.Qt.Key_Return)
        self.process()

    def picture(self, widget: Any, name: str, width: int = WIDTH) -> Path | None:
        """Draw a widget at the panel's width and its full height; fails when it needs more width. Kept in STANDIN_PICTURES."""
        self.process()
        least = widget.minimumSizeHint().width()
        assert least <= width, f"{name}: needs {least} px, {width} are there: {self.widest(widget)}"
        area = next((one for one in self._open if one.widget() is widget), None)
        for _ in range(3):  # wrapped texts settle when the width is known
            height = _full_height(widget, width)
            if area is not None:
                area.resize(width + 2 * area.frameWidth, height + 2 * area.frameWidth)
            widget.resize(width, height)
            self.process()
        grabbed = widget.grab()
        if not PICTURES:
            return None
        path = Path(PICTURES, f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        grabbed.save(str(path))
        return path

    def widest(self, widget: Any) -> list[tuple[int, str]]:
        """The children that need most width, for messages."""
        kids = [(c.minimumSizeHint().width(), c.name or c.className()) for c in widget.findChildren(qt.QWidget) if c.isVisible()]
        return sorted(kids, reverse=True)[:8]

    def longer(self, share: float) -> None:
        """Make every text of the module longer by this share from now on."""
        i18n.lengthen(share)

    def dark(self, on: bool = True) -> None:
        """Slicer's dark (or light) palette."""
        qt.QApplication.setPalette(dark_palette() if on else qt.QApplication.style().standardPalette())
        self.process()

    def close(self) -> None:
        """Take everything down."""
        for area in self._open:
            area.hide()
            area.deleteLater()
        self._open.clear()
        i18n.lengthen(0)
        self.shown.clear()
        self.process()


def _full_height(widget: Any, width: int) -> int:
    """The height at which nothing of a widget is scrolled away."""
    layout = widget.layout()
    height = int(
        layout.totalHeightForWidth(width) if layout is not None and layout.hasHeightForWidth() else widget.sizeHint().height()
    )
    for area in widget.findChildren(qt.QScrollArea):
        inside = area.widget()
        if area.widgetResizable and inside is not None and area.isVisible():
            hidden = _full_height(inside, area.viewport().width) - max(area.minimumHeight, area.minimumSizeHint().height())
            height += max(hidden, 0)
    return height


def dark_palette() -> Any:
    """About what Slicer's dark style sets."""
    palette = qt.QPalette()
    for role, colour in (
        (qt.QPalette.Window, "#353535"), (qt.QPalette.WindowText, "#ffffff"), (qt.QPalette.Base, "#2a2a2a"),
        (qt.QPalette.AlternateBase, "#424242"), (qt.QPalette.Text, "#ffffff"), (qt.QPalette.Button, "#353535"),
        (qt.QPalette.ButtonText, "#ffffff"), (qt.QPalette.BrightText, "#ff0000"), (qt.QPalette.Highlight, "#2a82da"),
        (qt.QPalette.HighlightedText, "#000000"), (qt.QPalette.ToolTipBase, "#353535"), (qt.QPalette.ToolTipText, "#ffffff"),
        (qt.QPalette.Link, "#2a82da"), (qt.QPalette.Mid, "#555555"), (qt.QPalette.PlaceholderText, "#999999"),
    ):  # fmt: skip
        palette.setColor(role, qt.QColor(colour))
    for role in (qt.QPalette.Text, qt.QPalette.ButtonText, qt.QPalette.WindowText):
        palette.setColor(qt.QPalette.Disabled, role, qt.QColor("#7f7f7f"))
    return palette


def hosts() -> Iterator[Host]:
    """An empty scene and nothing on show; fails when a slot raised or VTK reported an error meanwhile."""
    qt.QApplication.setStyle("Fusion")
    clear(slicer.mrmlScene)
    gc.freeze()  # what is there now is no garbage: the collections below need not look at it again
    raised: list[str] = []
    before = sys.excepthook
    sys.excepthook = lambda kind, error, trace: (raised.append(f"{kind.__name__}: {error}"), before(kind, error, trace))
    one = Host()
    one.shown.clear()
    try:
        with VtkMessages() as messages:
            yield one
            one.close()
            clear(slicer.mrmlScene)
            gc.collect()
            one.process()
    finally:
        sys.excepthook = before
        one.dark(False)
    assert not raised, "a slot raised: " + "; ".join(raised)
    assert not messages.texts, "VTK reported:\n" + "\n".join(messages.texts)


@pytest.fixture
def host() -> Iterator[Host]:
    """See ``hosts``."""
    yield from hosts()


@pytest.fixture
def fake_worker(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Asked for before ``module``: a worker that answers by the library's own functions when the test says so.

    ``fake_worker.settle()`` lets time pass and answers everything; ``.worker`` and ``.timers`` are the parts.
    """
    from AdrenalClassifierLib.desktop import shell
    from support import session_case

    made = Fake()
    made.worker.answers.update(
        assess=session_case.assess_answer,
        grow=session_case.grow_answer,
        **{do: session_case.by_worker(do) for do in ("measure", "report", "dicom")},
    )
    monkeypatch.setattr(shell, "WorkerProcess", lambda *_: made.worker)
    monkeypatch.setattr(shell, "QtTimers", lambda *_: made.timers)
    return made


@pytest.fixture
def module(host: Host, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The module's widget as Slicer opens it: discovered, set up, entered; taken down afterwards. Its worker is the real process
    unless the test asks for ``fake_worker`` too."""
    if "fake_worker" in request.fixturenames:
        request.getfixturevalue("fake_worker")
    load_module()
    slicer.app.startupCompleted.emit()
    widget = open_module()
    host.show(widget.parent)
    widget.parent.enter()
    host.process()
    yield widget
    if widget.parent.isEntered:
        widget.parent.exit()
    widget.cleanup()
    slicer.app.disconnect("startupCompleted()", sys.modules["AdrenalClassifier"].register_sample_data)
    host.process()


class Fake:
    """A worker and a clock in a test's hand."""

    def __init__(self) -> None:
        from support.stand_in_ports import ManualTimers, ManualWorker

        self.worker, self.timers = ManualWorker(), ManualTimers()

    def settle(self) -> None:
        """Let time pass and the worker answer until nothing is left to do."""
        for _ in range(100):
            self.timers.run()
            if not self.worker.open:
                return
            self.worker.answer()
        raise AssertionError("the session never comes to rest")


def import_scene(folder: Path) -> None:
    """Read a scene of one text in addition to what is there, as a file that is dropped on the application."""
    other = slicer.vtkMRMLScene()
    other.AddNewNodeByClass("vtkMRMLTextNode", "Something else")
    path = str(folder / "other.mrml")
    other.SetURL(path)
    assert other.Commit()
    slicer.mrmlScene.SetURL(path)
    assert slicer.mrmlScene.Import()


__all__ = ["Host", "fake_worker", "host", "hosts", "import_scene", "module", "pythonqt"]

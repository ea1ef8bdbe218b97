"""The session's clock in the application: Qt's timers."""

from __future__ import annotations

from collections.abc import Callable

import qt
import slicer


class QtTimers:
    """Calls later, from the event loop (``scene.ports.Timers``)."""

    def __init__(self) -> None:
        self._running: set[qt.QTimer] = set()

    def later(self, milliseconds: int, call: Callable[[], None]) -> Callable[[], None]:
        """Call ``call`` once after that time; the function returned prevents it, also when it comes too late."""
        # The module manager ends before Python does, and a timer that still runs with it.
        timer = qt.QTimer(slicer.app.moduleManager())
        timer.setSingleShot(True)
        self._running.add(timer)

        def end() -> None:
            if timer in self._running:
                timer.stop()
                self._running.discard(timer)
                timer.deleteLater()  # else its connection would keep it

        def ring() -> None:
            if timer in self._running:
                end()
                call()

        timer.connect("timeout()", ring)
        timer.start(milliseconds)
        return end


_TIMERS = QtTimers()


def after(milliseconds: int, call: Callable[[], None]) -> Callable[[], None]:
    """Call ``call`` once, from the event loop, after that time; 0: when the slot at work is done. What it returns prevents it.

    Instead of ``QTimer.singleShot``: that of 3D Slicer keeps what it has called until the application ends.
    """
    return _TIMERS.later(milliseconds, call)

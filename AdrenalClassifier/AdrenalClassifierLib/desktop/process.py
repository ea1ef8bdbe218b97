"""The worker as a process of the application: requests go to ``AdrenalClassifierLib.worker``, answers come from the event loop.

The process is started with the first request and kept. In 3D Slicer the program is a launcher whose child computes; both end
together: the launcher is killed, and the child ends as its stdin is closed and by the process number it gave.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import qt

from AdrenalClassifierLib.desktop import dependencies
from AdrenalClassifierLib.desktop.output import Lines, Tail, as_bytes
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.desktop.timers import after
from AdrenalClassifierLib.scene.ports import CANCELLED, DIED, INTERNAL, Failure

FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds AdrenalClassifierLib."""
SLOT_MS = 30
"""What one slot may spend on answers; the rest follows in the next turn of the event loop."""
LAST_WAIT_MS = 1000
"""How long the end of the application waits for the end of the process."""

Done = Callable[[dict[str, Any]], None]
Failed = Callable[[Failure], None]
Progressed = Callable[[int, int, str], None]


@dataclass(frozen=True)
class _Open:
    """A request without an answer."""

    done: Done
    failed: Failed
    progress: Progressed | None


class WorkerProcess:
    """See ``scene.ports.Worker``.

    Args:
        program: what runs Python; None takes ``python_program()``.
        arguments: its arguments; None takes ``-m AdrenalClassifierLib.worker``.
    """

    def __init__(self, program: str | None = None, arguments: Sequence[str] | None = None) -> None:
        self._program = program or python_program()
        self._arguments = list(arguments if arguments is not None else ("-m", "AdrenalClassifierLib.worker"))
        self._run: _Run | None = None
        self._number = 0
        self._ending: list[_Run] = []
        dependencies.installed.connect(self._renew)

    @property
    def pid(self) -> int | None:
        """Number of the process that computes, as soon as it has said it."""
        return None if self._run is None else self._run.pid

    def request(
        self, do: str, arguments: Mapping[str, Any], done: Done, failed: Failed, progress: Progressed | None = None
    ) -> int:
        """Queue a request; its number. The process works on one after another."""
        self._number += 1
        if self._run is None:
            self._run = _Run(self._lost, self._ended)
            self._run.open[self._number] = _Open(done, failed, progress)
            self._run.start(self._program, self._arguments)
        else:
            self._run.open[self._number] = _Open(done, failed, progress)
        self._run.send({"id": self._number, "do": do, **arguments})
        return self._number

    def cancel(self) -> None:
        """End the process; every open request fails with ``cancelled``. The next request starts a new one."""
        run, self._run = self._run, None
        if run is None:
            return
        self._ending.append(run)
        run.end()
        run.fail(Failure(CANCELLED, _("Cancelled.")))

    def stop(self) -> None:
        """End the process and wait for it; nobody is called back."""
        dependencies.installed.disconnect(self._renew)
        if self._run is not None:
            self._ending.append(self._run)
            self._run.end()
        self._run = None
        for run in tuple(self._ending):
            run.open.clear()
            run.wait(LAST_WAIT_MS)
            run.release()
        self._ending.clear()

    def _renew(self, _topic: str) -> None:
        """New packages: the process that runs does not know them."""
        self.cancel()

    def _lost(self, run: _Run, failure: Failure) -> None:
        """A process ended by itself or did not start."""
        if run is self._run:
            self._run = None
            self._ending.append(run)
        run.fail(failure)

    def _ended(self, run: _Run) -> None:
        if run in self._ending:
            self._ending.remove(run)
        run.release()


def python_program() -> str:
    """What runs Python with the application's packages: 3D Slicer's PythonSlicer where there is one, else this interpreter."""
    found = shutil.which("PythonSlicer")
    beside = Path(sys.executable).parent / ("PythonSlicer.exe" if os.name == "nt" else "PythonSlicer")
    return found or (str(beside) if beside.is_file() else sys.executable)


class _Run:
    """One process from its start to its end."""

    def __init__(self, lost: Callable[[_Run, Failure], None], ended: Callable[[_Run], None]) -> None:
        self.open: dict[int, _Open] = {}
        self.pid: int | None = None
        self._lost, self._ended = lost, ended
        self._lines, self._tail = Lines(), Tail()
        self._over = self._reading = False
        self._process: Any = qt.QProcess()
        process = self._process
        process.connect("readyReadStandardOutput()", self._read)
        process.connect("readyReadStandardError()", self._read_errors)
        process.connect("finished(int,QProcess::ExitStatus)", self._finished)
        process.connect("errorOccurred(QProcess::ProcessError)", self._problem)

    def start(self, program: str, arguments: Sequence[str]) -> None:
        """Start it; the environment is passed on as it is, which in 3D Slicer sets everything that its Python needs."""
        self._process.setWorkingDirectory(str(FOLDER))
        self._process.start(program, list(arguments))

    def send(self, asked: Mapping[str, Any]) -> None:
        """Write a request; it waits in the pipe until the process reads it."""
        if not self._over:
            self._process.write(json.dumps(asked, allow_nan=False).encode("ascii") + b"\n")

    def end(self) -> None:
        """Kill the process and its child; does not wait."""
        self._over = True
        if self._is_running():
            self._process.closeWriteChannel()
            if self.pid is not None and self.pid > 1 and self.pid != os.getpid():
                with contextlib.suppress(OSError):
                    os.kill(self.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
            self._process.kill()

    def wait(self, milliseconds: int) -> None:
        """Wait for the end, at the end of the application."""
        if self._is_running():
            self._process.waitForFinished(milliseconds)

    def release(self) -> None:
        """Give up the process object when it has ended: its connections would keep it, and this, for ever."""
        if self._process is not None and not self._is_running():
            self._process.deleteLater()
            self._process = None

    def fail(self, failure: Failure) -> None:
        """Tell every open request."""
        requests, self.open = self.open, {}
        for request in requests.values():
            _call(request.failed, failure)

    def _is_running(self) -> bool:
        return self._process is not None and bool(self._process.state() != qt.QProcess.NotRunning)

    def _read(self) -> None:
        self._lines.add(as_bytes(self._process.readAllStandardOutput()))
        self._work_off()

    def _work_off(self) -> None:
        """Answer for as long as a slot may take, then go on in the next turn of the event loop."""
        if self._reading or self._over:
            return  # a callback let the event loop turn: the outer call goes on
        self._reading = True
        end = time.monotonic() + SLOT_MS / 1000
        try:
            while not self._over and (line := self._lines.next()) is not None:
                self._heard(line)
                if time.monotonic() > end:
                    after(0, self._work_off)
                    return
        finally:
            self._reading = False

    def _read_errors(self) -> None:
        self._tail.add(as_bytes(self._process.readAllStandardError()))

    def _heard(self, line: bytes) -> None:
        """One line of the process: part of the protocol, or something a library printed."""
        try:
            told = json.loads(line) if line.startswith(b"{") else None
        except (ValueError, RecursionError):  # a library may print anything
            told = None
        if not isinstance(told, dict) or "event" not in told:
            self._tail.add(line[:1000] + b"\n")
            return
        number, event = told.get("id"), told["event"]
        if event == "ready" and isinstance(told.get("pid"), int):
            self.pid = told["pid"]
        if not isinstance(number, int) or number not in self.open:
            return
        request = self.open[number]
        if event == "progress" and request.progress is not None:
            _call(request.progress, int(told["done"]), int(told["total"]), str(told["what"]))
        elif event == "result":
            del self.open[number]
            _call(request.done, {key: value for key, value in told.items() if key not in ("id", "event")})
        elif event == "error":
            del self.open[number]
            details = str(told.get("details") or "")
            if told.get("code") == INTERNAL:
                details = "\n".join(part for part in (details, self._tail.text()) if part)
            _call(request.failed, Failure(str(told.get("code")), str(told.get("text")), details))

    def _problem(self, kind: Any) -> None:
        if kind == qt.QProcess.FailedToStart and not self._over:
            self._over = True
            text = _("The calculation could not be started: Python was not found. Install the application again.")
            # From within start() on some systems: the asker must not be called before request() is done.
            after(0, lambda: self._gone(Failure(DIED, text)))

    def _finished(self, *_values: Any) -> None:
        if not self._over:
            self._read_errors()
            self._lines.add(as_bytes(self._process.readAllStandardOutput()))
            # What it had said before it ended still counts.
            while not self._over and (line := self._lines.next()) is not None:
                self._heard(line)
        if self._over:  # ended on request, now or in a callback
            after(0, lambda: self._ended(self))
            return
        self._over = True
        text = _("The calculation stopped because its process ended unexpectedly. Try again.")
        self._gone(Failure(DIED, text, self._tail.text()))

    def _gone(self, failure: Failure) -> None:
        self._lost(self, failure)
        # Not at once: this may be a slot of the very process.
        after(0, lambda: self._ended(self))


def _call(listener: Callable[..., None], *values: Any) -> None:
    """Call someone; a mistake in there is logged and does not keep others from being called."""
    try:
        listener(*values)
    except Exception:
        sys.excepthook(*sys.exc_info())

"""The session's dealings with the worker: every request with its private files, which are gone when it has ended."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import AdrenalError, OutputError
from AdrenalClassifierLib.scene.ports import CANCELLED, Failure, Timers, Worker

Done = Callable[[dict[str, Any]], None]
Failed = Callable[[Failure], None]
Progress = Callable[[int, int, str], None]
Steps = Generator[None, None, Mapping[str, Any]]
"""Writes a request's files, one between two yields, and returns the arguments."""


class Desk:
    """Gives requests to the worker and cleans up after them.

    Files lie in one folder that only this user can read; it is made with the first request and removed with the last.

    Args:
        worker: computes.
        timers: the clock, for what is prepared step by step.
    """

    def __init__(self, worker: Worker, timers: Timers) -> None:
        self._worker, self._timers = worker, timers
        self._preparing: dict[int, Callable[[Failure], None]] = {}
        """What ends each preparation that is under way."""
        self._folder: Path | None = None
        self._open: set[int] = set()
        self._next = 0
        self._age = 0

    @property
    def busy(self) -> bool:
        """Whether a request is open."""
        return bool(self._open)

    def ask(
        self,
        do: str,
        prepare: Callable[[Path], Mapping[str, Any]],
        done: Done,
        failed: Failed,
        progress: Progress | None = None,
    ) -> None:
        """Send one request.

        Args:
            do: what to do.
            prepare: writes the request's files into an empty folder and returns its arguments. What it raises, ``ask`` raises.
            done: called with the answer while the request's files still exist.
            failed: called otherwise.
            progress: called while the worker works.

        Nobody is called back after ``forget`` or ``close``.

        Raises:
            OutputError: the files cannot be written: the disk is full, or the folder for temporary files is gone.
        """
        number, folder = self._begin()
        try:
            with _in_words():
                arguments = prepare(folder)
        except BaseException:
            self._end(number)
            raise
        self._send(number, do, arguments, done, failed, progress)

    def ask_in_steps(self, do: str, prepare: Callable[[Path], Steps], done: Done, failed: Failed) -> None:
        """Send one request whose files take long to write: one step in a turn of the host's event loop.

        Args:
            do: what to do.
            prepare: see ``Steps``; an AdrenalError that it raises goes to ``failed``. It goes no step further after ``cancel``,
                ``forget`` or ``close``.
            done, failed: as with ``ask``.

        Raises:
            OutputError: the folder for the files cannot be made.
        """
        number, folder = self._begin()
        steps, age = prepare(folder), self._age
        stop: Callable[[], None] = lambda: None  # noqa: E731

        def end(failure: Failure) -> None:
            stop()
            self._preparing.pop(number, None)
            steps.close()
            self._end(number)
            if age == self._age:
                failed(failure)

        def step() -> None:
            nonlocal stop
            try:
                with _in_words():
                    next(steps)
            except StopIteration as ready:
                del self._preparing[number]
                self._send(number, do, ready.value, done, failed)
            except AdrenalError as error:
                end(Failure(type(error).__name__, str(error)))
            except BaseException:
                self._preparing.pop(number, None)
                self._end(number)
                raise
            else:
                stop = self._timers.later(0, step)

        self._preparing[number] = end
        stop = self._timers.later(0, step)

    def _begin(self) -> tuple[int, Path]:
        with _in_words():
            self._next += 1
            folder = self._root() / str(self._next)
            folder.mkdir()
        self._open.add(self._next)
        return self._next, folder

    def _send(
        self, number: int, do: str, arguments: Mapping[str, Any], done: Done, failed: Failed, progress: Progress | None = None
    ) -> None:
        age = self._age

        def answered(answer: dict[str, Any]) -> None:
            try:
                if age == self._age:
                    done(answer)
            finally:
                self._end(number)

        def refused(failure: Failure) -> None:
            self._end(number)
            if age == self._age:
                failed(failure)

        def moved(count: int, total: int, what: str) -> None:
            if progress is not None and age == self._age:
                progress(count, total, what)

        self._worker.request(do, arguments, answered, refused, moved)

    def cancel(self) -> None:
        """End what the worker does; open requests, prepared or not, fail with the code ``cancelled``."""
        self._stop_preparing()
        self._worker.cancel()

    def forget(self) -> None:
        """Call nobody back for what is open now, for the case it belongs to is gone; the worker is stopped if it is at work."""
        self._age += 1
        self._stop_preparing()
        if self._open:
            self._worker.cancel()

    def close(self) -> None:
        """Stop the worker and remove all files."""
        self._age += 1
        self._stop_preparing()
        self._open.clear()
        self._worker.stop()
        self._remove_root()

    def _stop_preparing(self) -> None:
        for end in tuple(self._preparing.values()):
            end(Failure(CANCELLED, "Cancelled."))

    def _root(self) -> Path:
        if self._folder is None or not self._folder.is_dir():
            self._folder = Path(tempfile.mkdtemp(prefix="adrenal-classifier-"))
        return self._folder

    def _end(self, number: int) -> None:
        self._open.discard(number)
        if self._folder is not None:
            shutil.rmtree(self._folder / str(number), ignore_errors=True)
        if not self._open:
            self._remove_root()

    def _remove_root(self) -> None:
        if self._folder is not None:
            with contextlib.suppress(OSError):
                shutil.rmtree(self._folder)
            self._folder = None


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """An OSError as a sentence: whoever asks expects an AdrenalError only."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The files for the calculation cannot be written: {error.strerror or 'the disk refused'}. Free some space on the "
            "disk that holds temporary files and try again."
        ) from error

"""Work spread over processes of this machine.

Not ``concurrent.futures``: its workers live on when their parent is killed, since each of them holds the queue open, and one
that dies takes the whole pool with it. Here every worker has a pipe of its own: it ends when the parent does, the parent knows
which item a worker held when it died, and a new worker takes the place.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, Generic, TypeVar

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.lifeline import end_with_parent

Item = TypeVar("Item")
Result = TypeVar("Result")

READY, REFUSED, DONE = "ready", "refused", "done"
MOST_FAILED_STARTS = 3
"""So many workers may die before they are ready for work; then something is wrong with all of them."""
GRACE_S = 5.0


@dataclass
class _Worker(Generic[Item]):
    process: SpawnProcess
    pipe: Connection[Any, Any]
    item: Item | None = None
    was_ready: bool = False


def each(
    items: Sequence[Item],
    workers: int,
    make: Callable[[], Callable[[Item], Result]],
    died: Callable[[Item], Result],
) -> Iterator[Result]:
    """Apply a function to items in several processes.

    Args:
        items: what to work on; can be pickled.
        workers: how many processes.
        make: called once in every process; gives the function. Can be pickled; may raise AdrenalError.
        died: gives the result of an item whose process ended without one.

    Yields:
        Results in the order of completion.

    Raises:
        AdrenalError: raised by ``make``, or workers die before they are ready.

    No process outlives this generator, whether it ends, is closed or raises.
    """
    waiting = deque(items)
    crew: list[_Worker[Item]] = []
    failed_starts = 0
    try:
        while waiting or any(worker.item is not None for worker in crew):
            busy = sum(worker.item is not None for worker in crew)
            while len(crew) < min(workers, len(waiting) + busy):
                crew.append(_start(make))
            for pipe in wait([worker.pipe for worker in crew]):
                worker = next(w for w in crew if w.pipe is pipe)
                try:
                    kind, content = worker.pipe.recv()
                except (EOFError, OSError):
                    crew.remove(worker)
                    _stop([worker])
                    failed_starts += not worker.was_ready
                    if failed_starts >= MOST_FAILED_STARTS:
                        text = "The worker processes end before they start to work, often for lack of memory. Use fewer workers."
                        raise AdrenalError(text) from None
                    if worker.item is not None:
                        yield died(worker.item)
                    continue
                if kind == REFUSED:
                    raise content
                worker.was_ready, worker.item = True, None
                if waiting:
                    item = waiting.popleft()
                    try:
                        worker.pipe.send(item)
                        worker.item = item
                    except OSError:  # it died meanwhile, as the next recv says; the item is for another
                        waiting.appendleft(item)
                if kind == DONE:
                    yield content
    finally:
        _stop(crew)


def _start(make: Callable[[], Callable[[Any], Any]]) -> _Worker[Any]:
    # Spawn: a forked child would inherit threads and locks of whatever program calls this.
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_work, args=(there, make), daemon=True)
    with _interrupts_ignored():
        process.start()
    there.close()  # so that the end of the process is the end of the pipe
    return _Worker(process, here)


@contextlib.contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A process started within ignores Ctrl-C, which a terminal sends to all: its parent decides what happens."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _stop(crew: Sequence[_Worker[Any]]) -> None:
    for worker in crew:
        worker.pipe.close()
        worker.process.terminate()
    for worker in crew:
        worker.process.join(GRACE_S)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.process.close()


def _work(pipe: Connection[Any, Any], make: Callable[[], Callable[[Any], Any]]) -> None:
    """What a worker process does until its parent has no more for it or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    with contextlib.suppress(EOFError, OSError):
        try:
            function = make()
        except AdrenalError as error:
            pipe.send((REFUSED, AdrenalError(str(error))))
            return
        pipe.send((READY, None))
        while True:
            pipe.send((DONE, function(pipe.recv())))

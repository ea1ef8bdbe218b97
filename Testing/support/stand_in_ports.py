"""A worker and a clock for tests of the session: nothing runs until the test says so; answers are the library's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from AdrenalClassifierLib.scene.ports import CANCELLED, Failure

Answer = Callable[[Mapping[str, Any]], dict[str, Any]]


@dataclass
class Request:
    """One open request."""

    number: int
    do: str
    arguments: Mapping[str, Any]
    done: Callable[[dict[str, Any]], None]
    failed: Callable[[Failure], None]
    progress: Callable[[int, int, str], None] | None


@dataclass
class ManualWorker:
    """Keeps requests until ``answer`` or ``fail``; ``answers`` holds a function for everything that can be asked."""

    answers: dict[str, Answer] = field(default_factory=dict)
    open: list[Request] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    cancelled: int = 0
    stopped: int = 0

    def request(
        self,
        do: str,
        arguments: Mapping[str, Any],
        done: Callable[[dict[str, Any]], None],
        failed: Callable[[Failure], None],
        progress: Callable[[int, int, str], None] | None = None,
    ) -> int:
        self.asked.append(do)
        self.open.append(Request(len(self.asked), do, arguments, done, failed, progress))
        return len(self.asked)

    def cancel(self) -> None:
        self.cancelled += 1
        requests, self.open = self.open, []
        for request in requests:
            request.failed(Failure(CANCELLED, "Cancelled."))

    def stop(self) -> None:
        self.stopped += 1
        self.open = []

    def answer(self, do: str | None = None) -> str:
        """Do the oldest open request (of that kind) and tell its asker; returns what it was."""
        request = next(item for item in self.open if do in (None, item.do))
        self.open.remove(request)
        request.done(self.answers[request.do](request.arguments))
        return request.do

    def fail(self, failure: Failure) -> None:
        """Let the oldest open request fail."""
        self.open.pop(0).failed(failure)


@dataclass
class ManualTimers:
    """A clock that stands still until ``run``."""

    planned: list[tuple[int, Callable[[], None]]] = field(default_factory=list)

    def later(self, milliseconds: int, call: Callable[[], None]) -> Callable[[], None]:
        entry = (milliseconds, call)
        self.planned.append(entry)

        def prevent() -> None:
            self.planned[:] = [item for item in self.planned if item is not entry]

        return prevent

    def run(self) -> None:
        """Let every planned call happen, also those that come to be planned by them."""
        for _ in range(1000):
            if not self.planned:
                return
            self.planned.sort(key=lambda item: item[0])
            self.planned.pop(0)[1]()
        raise AssertionError("the timers never come to rest")

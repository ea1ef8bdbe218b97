"""What the session needs from its host: somebody who computes in another process, and a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

CANCELLED = "cancelled"
DIED = "died"
INTERNAL = "internal"


@dataclass(frozen=True)
class Failure:
    """Why a request brought no result.

    Attributes:
        code: ``cancelled``, ``died``, ``internal``, or the name of an AdrenalError class.
        text: one sentence for people.
        details: last lines of the worker's own output, for a details box; may be empty.
    """

    code: str
    text: str
    details: str = ""


class Worker(Protocol):
    """Computes in another process. No callback comes from within ``request``; all come from the host's event loop."""

    def request(
        self,
        do: str,
        arguments: Mapping[str, Any],
        done: Callable[[dict[str, Any]], None],
        failed: Callable[[Failure], None],
        progress: Callable[[int, int, str], None] | None = None,
    ) -> int:
        """Queue a request; exactly one of ``done`` and ``failed`` is called later, unless ``stop`` comes first."""
        ...

    def cancel(self) -> None:
        """End the process with its children; every open request fails with the code ``cancelled``."""
        ...

    def stop(self) -> None:
        """The same at the end of the session; nobody is called back."""
        ...


class Timers(Protocol):
    """The host's clock."""

    def later(self, milliseconds: int, call: Callable[[], None]) -> Callable[[], None]:
        """Call ``call`` once, from the event loop, after that time; the function returned prevents it."""
        ...

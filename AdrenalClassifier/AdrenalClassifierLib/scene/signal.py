"""A signal without Qt: hosts connect functions, the session calls them with a topic."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[str], None]


class Signal:
    """Functions that are called, in the order in which they were connected, with what has changed.

    A listener may connect or disconnect others while it is called; one that was disconnected is not called any more.
    """

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def connect(self, listener: Listener) -> None:
        """Call ``listener`` from now on; connecting it twice calls it once."""
        if listener not in self._listeners:
            self._listeners.append(listener)

    def disconnect(self, listener: Listener) -> None:
        """Stop calling ``listener``; nothing happens when it was not connected."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def disconnect_all(self) -> None:
        """Stop calling anyone."""
        self._listeners.clear()

    def __call__(self, topic: str) -> None:
        """Tell every listener that ``topic`` has changed."""
        for listener in tuple(self._listeners):
            if listener in self._listeners:
                listener(topic)

    def __len__(self) -> int:
        return len(self._listeners)

"""How long work reports how far it is: a callable that hosts turn into a bar, a JSON line or nothing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called by long work after each step. Raise inside it to stop the work (that is how hosts cancel)."""

    def __call__(self, done: int, total: int, what: str) -> None:
        """Report that ``done`` of ``total`` steps of ``what`` (a short English noun phrase) are finished."""


def silent(done: int, total: int, what: str) -> None:
    """Report nothing."""

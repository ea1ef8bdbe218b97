"""Functions that tests of worker processes run there; light, so that a process starts quickly."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from AdrenalClassifierLib.errors import AdrenalError


def squaring() -> Callable[[int], tuple[int, int]]:
    """Squares a number; ends the process at once for 13, with a delay for 26."""

    def work(number: int) -> tuple[int, int]:
        if number == 13:
            os._exit(9)
        if number == 26:
            time.sleep(0.2)
            os.abort()
        return number, number * number

    return work


def refusing() -> Callable[[int], int]:
    """A worker that finds out that it cannot work."""
    raise AdrenalError("The model is not there.")


def dying() -> Callable[[int], int]:
    """A worker that does not even start."""
    os._exit(3)


def sleeping() -> Callable[[float], float]:
    """Takes its time."""

    def work(seconds: float) -> float:
        time.sleep(seconds)
        return seconds

    return work


def lost(number: int) -> tuple[int, int]:
    """Result of a number whose process died."""
    return number, -1

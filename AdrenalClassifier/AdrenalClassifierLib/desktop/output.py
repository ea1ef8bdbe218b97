"""What a process writes: its lines as they come in pieces, and the last of them for a details box, without folders."""

from __future__ import annotations

import re
from collections import deque
from typing import Any

MOST_LINE = 4_000_000
"""Bytes: answers are some 30 kB; a longer line is no answer and is dropped as it comes, lest it fill the memory."""
TAIL_LINES, TAIL_WIDTH = 30, 300

_QUOTED = re.compile(r"""(["'])[^"'\n]*[\\/]([^"'\\/\n]*)\1""")
_FOLDERS = re.compile(r"(?:[A-Za-z]:)?[\\/](?:[^\s\"'<>|\\/]+[\\/])+")


class Lines:
    """Bytes in, whole lines out, at any pace."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._searched = 0
        self._dropping = False

    def add(self, data: bytes) -> None:
        """More bytes."""
        self._data += data

    def next(self) -> bytes | None:
        """The next whole line without its end, None when there is none yet. A line above ``MOST_LINE`` comes cut off."""
        while True:
            end = self._data.find(b"\n", self._searched)
            if end < 0:
                self._searched = len(self._data)
                if self._dropping:
                    self._clear(self._searched)
                elif self._searched > MOST_LINE:
                    head = bytes(self._data[:TAIL_WIDTH])
                    self._clear(self._searched)
                    self._dropping = True
                    return head
                return None
            if self._dropping:
                self._clear(end + 1)
                self._dropping = False
                continue
            line = bytes(self._data[: min(end, MOST_LINE)]).rstrip(b"\r")
            self._clear(end + 1)
            return line if end <= MOST_LINE else line[:TAIL_WIDTH]

    def _clear(self, count: int) -> None:
        del self._data[:count]
        self._searched = 0


class Tail:
    """The last lines of what a process said beside the protocol."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=TAIL_LINES)
        self._rest = ""

    def add(self, data: bytes) -> None:
        """More bytes, in pieces of any size."""
        # Only the end can matter, however much comes.
        text = self._rest + data[-4 * TAIL_LINES * TAIL_WIDTH :].decode("utf-8", "replace")
        *whole, rest = text.split("\n")
        self._lines.extend(line.rstrip() for line in whole if line.strip())
        self._rest = rest[-TAIL_WIDTH:]

    def text(self) -> str:
        """The last lines, each cut to a width, with file names but no folders."""
        lines = [*self._lines, self._rest] if self._rest.strip() else list(self._lines)
        return "\n".join(without_folders(line)[:TAIL_WIDTH] for line in lines[-TAIL_LINES:])


def without_folders(text: str) -> str:
    """``File "/home/name/x.py"`` as ``File "x.py"``."""
    return _FOLDERS.sub("", _QUOTED.sub(r"\1\2\1", text))


def as_bytes(given: Any) -> bytes:
    """What QProcess read, a QByteArray."""
    return given if isinstance(given, bytes) else bytes(given.data())

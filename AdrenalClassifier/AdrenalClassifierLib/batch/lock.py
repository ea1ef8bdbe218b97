"""One run a folder: a lock that the operating system lets go when its process ends, however it ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from AdrenalClassifierLib.errors import OutputError


@contextlib.contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock on ``path``, which is made if needed and stays.

    Raises:
        OutputError: another process holds it, or the file cannot be made.
    """
    try:
        file = open(path, "ab")  # noqa: SIM115 (closed by the next statement)
    except OSError as error:
        raise OutputError(f"Cannot write in '{path.parent.name}': {error.strerror}. Choose another folder.") from error
    with file:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(f"Another run is writing to '{path.parent.name}'. Wait for it or choose another folder.") from error
        yield

"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import OutputError

TEMPORARY = ".writing-"
"""How the names of files that are being written begin; a process that was killed leaves such a file behind."""


@contextlib.contextmanager
def atomic_path(path: Path, durable: bool = False) -> Iterator[Path]:
    """Give a temporary path in the folder of ``path`` that replaces ``path`` when the block ends without an error.

    The temporary name keeps every suffix of ``path`` (``.nii.gz``, ``.seg.nrrd``), since writers choose the format by it.
    The folder is made if it does not exist. Nothing is left behind when the block raises.

    Args:
        path: where the file goes.
        durable: the file outlives a loss of power from the end of the block on (file and folder are flushed to the disk).

    Raises:
        OutputError: the folder cannot be made or the file cannot be put in place.
    """
    path = Path(path)
    suffix = "".join(path.suffixes[-2:])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, suffix=suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise OutputError(f"Cannot write in the folder of '{path.name}': {error.strerror}. Choose another folder.") from error
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes the file private to its owner; a result should have the permissions any new file has.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        if durable:
            flush(temporary)
        temporary.replace(path)
        if durable:
            flush_folder(path.parent)
    except OSError as error:
        raise OutputError(f"Cannot write '{path.name}': {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Put a file's contents on the disk. Raises OSError."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(folder: Path) -> None:
    """Put a folder's list of names on the disk, where the system has a way to ask for it (Windows has none)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def write_bytes(path: Path, data: bytes, durable: bool = False) -> None:
    """Write ``data`` to ``path``, whole or not at all. Raises OutputError."""
    with atomic_path(path, durable) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8 with Unix line ends, whole or not at all. Raises OutputError."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON (no NaN: a number that does not exist is null). Raises OutputError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256_of(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()

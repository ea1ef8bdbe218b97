"""JSON files that hold their own checksum, so that a change made after they were written is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.files import write_bytes

SCHEMA_VERSION = 1
_UNSIGNED = "0" * 64


def signed_bytes(value: Mapping[str, Any]) -> bytes:
    """``value`` as indented JSON with a last key ``sha256``: that of the text with 64 zeros in its place."""
    text = json.dumps({**value, "sha256": _UNSIGNED}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    digest = hashlib.sha256(text.encode("utf-8")).hexdigest()
    return text.replace(f'"sha256": "{_UNSIGNED}"\n}}', f'"sha256": "{digest}"\n}}').encode("utf-8")


def write_signed(path: Path, value: Mapping[str, Any]) -> str:
    """Write signed JSON, whole or not at all, and return its checksum. Raises OutputError."""
    data = signed_bytes(value)
    write_bytes(path, data, durable=True)
    return str(json.loads(data)["sha256"])


def read_signed(path: Path, kind: str) -> dict[str, Any]:
    """Read signed JSON whose key ``kind`` is ``kind``.

    Raises:
        StudyError: missing, damaged, changed, of another kind, or written by newer software.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StudyError(f"The folder '{path.parent.name}' holds no readable {path.name}. Choose another folder.") from error
    return parse_signed(data, path.name, kind)


def parse_signed(data: bytes, name: str, kind: str) -> dict[str, Any]:
    """As ``read_signed``, from bytes of a file called ``name``."""
    try:
        value = json.loads(data.decode("utf-8"))
        signature, found, schema = str(value["sha256"]), value["kind"], int(value["schema_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise StudyError(f"{name} is damaged. Copy the original again.") from error
    if found != kind:
        raise StudyError(f"{name} is not the file of a {kind}. Choose another folder.")
    if schema > SCHEMA_VERSION:
        raise StudyError(f"{name} was written by newer software (schema {schema}). Update this software.")
    unsigned = data.replace(f'"sha256": "{signature}"\n}}'.encode(), f'"sha256": "{_UNSIGNED}"\n}}'.encode())
    if hashlib.sha256(unsigned).hexdigest() != signature:
        raise StudyError(f"{name} was changed after it was written (checksum differs). Copy the original again.")
    return dict(value)

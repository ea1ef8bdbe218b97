"""What a reader's package says of itself (``package.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.study.manifest import grid_from_json
from AdrenalClassifierLib.study.signed import parse_signed, read_signed

PACKAGE = "package.json"
KIND = "reader package"


@dataclass(frozen=True)
class PackageCase:
    """One case as a reader sees it.

    Attributes:
        code: its name in this reading.
        file: the CT, relative to the package.
        sha256: of that file.
        grid: of the CT; masks lie on it.
        hint: see ``hints``.
    """

    code: str
    file: str
    sha256: str
    grid: Geometry
    hint: Mapping[str, Any]


@dataclass(frozen=True)
class Package:
    """What a package says of itself. ``cases`` are in the reader's order; ``sha256`` is the checksum of package.json."""

    study: str
    reader: str
    session: int
    cases: tuple[PackageCase, ...]
    sha256: str

    def case(self, code: str) -> PackageCase:
        """A case by its code. Raises StudyError when there is none."""
        for case in self.cases:
            if case.code == code:
                return case
        raise StudyError(f"This package has no case '{code[:16]}'. Use a code from the worklist.")


def read_package(folder: Path) -> Package:
    """Read the package.json of a folder. Raises StudyError when it is missing, damaged or was changed."""
    return _package(read_signed(Path(folder) / PACKAGE, KIND))


def parse_package(data: bytes) -> Package:
    """Read the bytes of a package.json. Raises StudyError when it is damaged or was changed."""
    return _package(parse_signed(data, PACKAGE, KIND))


def _package(value: Mapping[str, Any]) -> Package:
    try:
        cases = tuple(
            PackageCase(c["code"], c["file"], c["sha256"], grid_from_json(c["grid"]), c["hint"]) for c in value["cases"]
        )
        return Package(str(value["study"]), str(value["reader"]), int(value["session"]), cases, str(value["sha256"]))
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise StudyError(f"{PACKAGE} is incomplete. Copy the original again.") from error

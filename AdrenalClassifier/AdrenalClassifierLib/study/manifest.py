"""The frozen description of a study (``study.json``) and the coordinator's key from codes to lesions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import StudyError
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import Phase
from AdrenalClassifierLib.study.hints import CONTENTS, HINTS, Content, HintKind
from AdrenalClassifierLib.study.log import Entry, Log, parse_log
from AdrenalClassifierLib.study.signed import SCHEMA_VERSION, read_signed

MANIFEST, KEY, LOG = "study.json", "coordinator/key.json", "log.csv"
CASES, PACKAGES, READERS, ANALYSIS = "coordinator/cases", "packages", "readers", "analysis"
LOG_COLUMNS = ("reading", "reason", "detail", "software_version")
READER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
DEFAULT_WASHOUT_DAYS = 28
"""At least four weeks between two readings by one person: a convention, not a measured quantity."""


@dataclass(frozen=True)
class ReadingId:
    """One pass of one reader: ``R1`` and 1 make ``R1-1``, the name of its package and of its folder of results."""

    reader: str
    session: int

    @property
    def name(self) -> str:
        """Reader, hyphen, session."""
        return f"{self.reader}-{self.session}"


@dataclass(frozen=True)
class StudyCase:
    """One case as the manifest has it.

    Attributes:
        case: its code in the study (readers know it by other codes, one for each reading).
        inputs: SHA-256 of every input by role: ``ct_portal``, ``mask``.
        shown_sha256: of the CT that readers see.
        outline_sha256: of the existing outline on that CT; None where there is none.
        grid: of that CT; it begins at (0, 0, 0) mm.
    """

    case: str
    inputs: Mapping[str, str]
    shown_sha256: str
    outline_sha256: str | None
    grid: Geometry


@dataclass(frozen=True)
class Study:
    """A study as it was frozen.

    Attributes:
        folder: the coordinator's folder.
        code: random name of the study; packages and logs carry it.
        created: UTC time.
        software_version: that created it.
        seed: decides sample and orders.
        readers: names; pseudonyms, since they appear in results.
        sessions: readings by each reader.
        washout_days: least time between two of them.
        hint, content: what readers are told and shown.
        sampling: how the cases were drawn.
        cases: in the order of their codes.
        orders: the codes of each reading in the order in which the reader meets them.
        key_sha256: checksum of the key file.
        sha256: checksum of the manifest.
    """

    folder: Path
    code: str
    created: str
    software_version: str
    seed: int
    readers: tuple[str, ...]
    sessions: int
    washout_days: int
    hint: HintKind
    content: Content
    sampling: Mapping[str, Any]
    cases: tuple[StudyCase, ...]
    orders: Mapping[str, tuple[str, ...]]
    key_sha256: str
    sha256: str = ""

    @property
    def readings(self) -> tuple[ReadingId, ...]:
        """All passes: first sessions first."""
        return readings_of(self.readers, self.sessions)

    def reading(self, reader: str, session: int) -> ReadingId:
        """One of ``readings``. Raises StudyError when there is no such one."""
        found = ReadingId(reader, session)
        if found not in self.readings:
            raise StudyError(f"The study has no session {session} of a reader '{reader[:32]}'.")
        return found

    def case(self, case: str) -> StudyCase:
        """A case by its code. Raises StudyError when there is none."""
        found = next((c for c in self.cases if c.case == case), None)
        if found is None:
            raise StudyError(f"The study has no case '{case[:16]}'.")
        return found

    def entries(self) -> tuple[Entry, ...]:
        """What the coordinator's log holds; it is not touched. Raises StudyError when it is missing or was changed."""
        path = self.folder / LOG
        if not path.is_file():
            raise StudyError(f"The study's {LOG} is missing. Put it back; without it nothing can be verified.")
        return parse_log(path.read_bytes(), LOG_COLUMNS, self.sha256, LOG).entries

    def log(self) -> Log:
        """The coordinator's log, open for further lines (inside ``log.locked``). Raises StudyError when it was changed."""
        return Log(self.folder / LOG, LOG_COLUMNS, self.sha256)

    def to_json(self) -> dict[str, Any]:
        """The object of study.json, without its checksum."""
        return {
            "kind": "study",
            "schema_version": SCHEMA_VERSION,
            "study": self.code,
            "created": self.created,
            "software_version": self.software_version,
            "seed": self.seed,
            "readers": list(self.readers),
            "sessions": self.sessions,
            "washout_days": self.washout_days,
            "hint": self.hint,
            "content": self.content,
            "sampling": dict(self.sampling),
            "cases": [
                {
                    "case": c.case,
                    "inputs": dict(c.inputs),
                    "shown_sha256": c.shown_sha256,
                    "outline_sha256": c.outline_sha256,
                    "grid": grid_to_json(c.grid),
                }
                for c in self.cases
            ],
            "orders": {name: list(codes) for name, codes in self.orders.items()},
            "key_sha256": self.key_sha256,
        }


def readings_of(readers: Sequence[str], sessions: int) -> tuple[ReadingId, ...]:
    """All passes of all readers: first sessions first."""
    return tuple(ReadingId(reader, session) for session in range(1, sessions + 1) for reader in readers)


def read_study(folder: Path) -> Study:
    """Read a study's manifest. Raises StudyError when it is missing, damaged or was changed."""
    folder = Path(folder)
    value = read_signed(folder / MANIFEST, "study")
    try:
        if value["hint"] not in HINTS or value["content"] not in CONTENTS:
            raise ValueError(value["hint"])
        return Study(
            folder,
            str(value["study"]),
            str(value["created"]),
            str(value["software_version"]),
            int(value["seed"]),
            tuple(value["readers"]),
            int(value["sessions"]),
            int(value["washout_days"]),
            value["hint"],
            value["content"],
            value["sampling"],
            tuple(
                StudyCase(c["case"], c["inputs"], c["shown_sha256"], c["outline_sha256"], grid_from_json(c["grid"]))
                for c in value["cases"]
            ),
            {name: tuple(codes) for name, codes in value["orders"].items()},
            str(value["key_sha256"]),
            str(value["sha256"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise StudyError(f"{MANIFEST} is incomplete. Copy the original again.") from error


@dataclass(frozen=True)
class KeyCase:
    """What lies behind a case's code.

    Attributes:
        lesion, patient, group, tercile, volume_ml: of the existing outline and its table.
        table: the cohort table, relative to the study's folder; None when the cases came from folders.
        cts: path of each phase, relative to the study's folder.
        shown: role in ``cts`` of the CT that readers see.
        mask, mask_label: the existing outline, or None.
        start, stop: the part of that CT which readers see, as voxels (k, j, i).
    """

    lesion: str
    patient: str
    group: str
    tercile: str
    volume_ml: float | None
    table: str | None
    cts: Mapping[Phase, str]
    shown: Phase
    mask: str | None
    mask_label: str | None
    start: tuple[int, int, int]
    stop: tuple[int, int, int]


@dataclass(frozen=True)
class Key:
    """The coordinator's secrets.

    Attributes:
        secret: 32 random bytes.
        cases: what lies behind each code.
        codes: for each reading the case behind each of its codes.
    """

    secret: bytes
    cases: Mapping[str, KeyCase]
    codes: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The object of key.json, without its checksum."""
        return {
            "kind": "study key",
            "schema_version": SCHEMA_VERSION,
            "warning": "Never give this file to a reader.",
            "secret": self.secret.hex(),
            "cases": {
                case: {**c.__dict__, "cts": dict(c.cts), "start": list(c.start), "stop": list(c.stop)}
                for case, c in self.cases.items()
            },
            "codes": {name: dict(codes) for name, codes in self.codes.items()},
        }


def read_key(study: Study) -> Key:
    """Read the key. Raises StudyError when it is missing, was changed, or belongs to another study."""
    value = read_signed(study.folder / KEY, "study key")
    if value["sha256"] != study.key_sha256:
        raise StudyError("The key file belongs to another study. Put the original back.")
    try:
        cases = {
            case: KeyCase(**{**c, "start": tuple(c["start"]), "stop": tuple(c["stop"])}) for case, c in value["cases"].items()
        }
        return Key(bytes.fromhex(value["secret"]), cases, value["codes"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StudyError("The key file is incomplete. Put the original back.") from error


def grid_to_json(grid: Geometry) -> dict[str, Any]:
    """Size, spacing and directions of a grid; a package's grids begin at (0, 0, 0)."""
    return {"shape": list(grid.shape), "spacing_mm": list(grid.spacing), "axes_lps": [list(axis) for axis in grid.axes]}


def grid_from_json(value: Mapping[str, Any]) -> Geometry:
    """The grid that ``grid_to_json`` wrote. Raises KeyError, TypeError or ValueError for another object."""
    k, j, i = (int(n) for n in value["shape"])
    a, b, c = (float(v) for v in value["spacing_mm"])
    axes = [tuple(float(v) for v in axis) for axis in value["axes_lps"]]
    return Geometry((k, j, i), (a, b, c), (axes[0], axes[1], axes[2]), (0.0, 0.0, 0.0))  # type: ignore[arg-type]

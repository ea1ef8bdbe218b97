"""What a training run keeps on disk while it works: prepared lesions and trained encoders.

Each piece is stored under a key made of everything it depends on, written whole or not at all. A run that was cut off goes on
where it stopped when the same command is given again; a changed file or setting gives another key, and the piece is made anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.cohort.table import CohortRow
from AdrenalClassifierLib.errors import OutputError
from AdrenalClassifierLib.files import atomic_path
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.imaging.network_input import InputSettings
from AdrenalClassifierLib.model.bundle import Weights
from AdrenalClassifierLib.training.examples import Voxels
from AdrenalClassifierLib.version import __version__

LAYOUT = 1
"""Raised when what is stored, or how it is computed, changes without a new software version."""


def key_of(*parts: Any) -> str:
    """A file name for whatever depends on ``parts`` (plain JSON values) and on nothing else."""
    text = json.dumps([LAYOUT, __version__, *parts], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:32]


def row_key(row: CohortRow, settings: InputSettings) -> str:
    """Key of a prepared lesion: the files it was read from (size and time of change), segment, side and settings."""
    files = {phase: _stamps(path) for phase, path in sorted(row.ct.items())}
    return key_of(files, _stamps(row.mask), row.mask_label, row.side, settings.to_json())


def _stamps(path: Path) -> list[list[Any]]:
    found = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    return [[str(p.resolve()), p.stat().st_size, p.stat().st_mtime_ns] for p in found]


@dataclass(frozen=True)
class Workspace:
    """A folder of prepared lesions and trained encoders; it may be shared by the ranks of a run.

    Attributes:
        folder: made when something is stored; None keeps nothing.
    """

    folder: Path | None = None

    def voxels(self, key: str) -> Voxels | None:
        """A prepared lesion, None when it is not there or cannot be read."""
        stored = self._load("lesions", key)
        if stored is None:
            return None
        try:
            told = json.loads(stored["told"].tobytes().decode("utf-8"))
            known = {f.name for f in fields(Measurements)}
            measured = Measurements(**{k: _tuples(v) for k, v in told["measurements"].items() if k in known})
            return Voxels(stored["views"], stored["present"], measured, told["radiomics"], tuple(told["fingerprint"]))
        except (KeyError, TypeError, ValueError):
            return None

    def keep_voxels(self, key: str, voxels: Voxels) -> None:
        """Store a prepared lesion. Raises OutputError."""
        told = {
            "measurements": voxels.measurements.to_json(),
            "radiomics": dict(voxels.radiomics),
            "fingerprint": list(voxels.fingerprint),
        }
        text = np.frombuffer(json.dumps(told).encode("utf-8"), np.uint8)
        self._save("lesions", key, {"views": voxels.views, "present": voxels.present, "told": text})

    def member(self, key: str) -> Weights | None:
        """Weights of a trained encoder, None when it is not there or cannot be read."""
        return self._load("encoders", key)

    def keep_member(self, key: str, weights: Weights) -> None:
        """Store a trained encoder. Raises OutputError."""
        self._save("encoders", key, weights)

    def _load(self, kind: str, key: str) -> dict[str, NDArray[Any]] | None:
        path = self._path(kind, key)
        if path is None or not path.is_file():
            return None
        try:
            # Opened here, since numpy leaves a file that is no archive open.
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except Exception:
            # A damaged piece is made anew, whatever damaged it (zipfile and numpy raise many kinds).
            return None

    def _save(self, kind: str, key: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        path = self._path(kind, key)
        if path is None:
            return
        try:
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, **dict(arrays))  # type: ignore[arg-type]
        except OSError as error:
            raise OutputError(f"Cannot write the work folder '{self.folder}': {error.strerror or error}.") from error

    def _path(self, kind: str, key: str) -> Path | None:
        return None if self.folder is None else self.folder / kind / f"{key}.npz"


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value

"""Lesions, and single volumes on a lesion's grid, as private files between the processes of one machine.

A numpy archive (``.npz``) without objects: reading one runs no code. Not a format to keep: another version of this software may
refuse it. Files are written whole or not at all and read back exactly.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import GeometryError, ImageReadError
from AdrenalClassifierLib.files import atomic_path
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.images import PHASES, Phase
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.notices import Notice

SCHEMA_VERSION = 1
_PHASE = "phase_"


def write_lesion(path: Path, lesion: Lesion) -> None:
    """Write a lesion, whole or not at all. Raises OutputError.

    The mask may be empty: a crop in which a lesion is still to be outlined is written the same way.
    """
    grid = lesion.geometry
    head = {
        "schema_version": SCHEMA_VERSION,
        "lesion_id": lesion.lesion_id,
        "side": lesion.side,
        "phase": lesion.phase,
        "others": list(lesion.others),
        "touches_border": lesion.touches_border,
        "notices": [[notice.code, notice.text] for notice in lesion.notices],
        "grid": {"shape": grid.shape, "spacing": grid.spacing, "axes": grid.axes, "origin": grid.origin},
    }
    _write(
        path,
        {
            "head": np.frombuffer(json.dumps(head).encode("utf-8"), np.uint8),
            "ct": np.asarray(lesion.ct, np.float32),
            "mask": np.asarray(lesion.mask, np.bool_),
            **{f"{_PHASE}{role}": np.asarray(volume, np.float32) for role, volume in lesion.others.items()},
        },
    )


def read_lesion(path: Path) -> Lesion:
    """Inverse of ``write_lesion``.

    Raises:
        ImageReadError: there is no such file, it is damaged or no lesion, or it is of a newer version.
    """
    arrays = _read(path)
    try:
        head = json.loads(arrays["head"].tobytes().decode("utf-8"))
        version = head["schema_version"]
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise ImageReadError(
                f"'{Path(path).name}' was written by a newer version of this software. Install the same version everywhere."
            )
        grid = head["grid"]
        geometry = Geometry(
            _three(grid["shape"], int),
            _three(grid["spacing"], float),
            _three([_three(axis, float) for axis in grid["axes"]], tuple),
            _three(grid["origin"], float),
        )
        others: dict[Phase, NDArray[np.float32]] = {
            role: _volume(arrays[f"{_PHASE}{role}"], np.float32, geometry) for role in head["others"]
        }
        if not {head["phase"], *others} <= set(PHASES) or head["side"] not in ("left", "right", "unknown"):
            raise ValueError("unknown phase or side")
        return Lesion(
            str(head["lesion_id"]),
            head["side"],
            head["phase"],
            _volume(arrays["ct"], np.float32, geometry),
            _volume(arrays["mask"], np.bool_, geometry),
            geometry,
            others,
            bool(head["touches_border"]),
            tuple(Notice(str(code), str(text)) for code, text in head["notices"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, GeometryError) as error:
        raise _damaged(path) from error


def write_values(path: Path, values: NDArray[Any]) -> None:
    """Write one volume (a mask, a saliency map), whole or not at all. Raises OutputError."""
    _write(path, {"values": np.asarray(values)})


def read_values(path: Path) -> NDArray[Any]:
    """Inverse of ``write_values``. Raises ImageReadError when there is no such file or it is damaged."""
    arrays = _read(path)
    if "values" not in arrays:
        raise _damaged(path)
    return arrays["values"]


def _write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with atomic_path(Path(path)) as temporary, open(temporary, "wb") as file:
        # To a file, not a name: numpy would add ".npz" to a name that ends otherwise.
        np.savez(file, **arrays)  # type: ignore[arg-type]


def _read(path: Path) -> dict[str, NDArray[Any]]:
    name = Path(path).name
    try:
        # Opened here: numpy forgets to close a file that it finds damaged.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a single array")
            return {key: archive[key] for key in archive.files}
    except OSError as error:
        raise ImageReadError(f"'{name}' cannot be opened: {error.strerror or 'reading failed'}. Try again.") from error
    except (ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, zlib.error, MemoryError, NotImplementedError) as error:
        raise _damaged(path) from error


def _volume(array: NDArray[Any], kind: type[np.generic], geometry: Geometry) -> NDArray[Any]:
    if array.dtype != kind or array.shape != geometry.shape:
        raise ValueError("a volume of another size or type than the grid says")
    return array


def _three(values: Any, kind: Any) -> Any:
    a, b, c = values
    return (kind(a), kind(b), kind(c))


def _damaged(path: Path) -> ImageReadError:
    return ImageReadError(f"'{Path(path).name}' is damaged or is no lesion file. Try again.")

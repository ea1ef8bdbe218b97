"""Where the files that ship with the software are: the bundled model, the sample case."""

from __future__ import annotations

from pathlib import Path

from AdrenalClassifierLib.errors import AdrenalError

DEFAULT_MODEL = "synthetic-adrenal"
"""Folder name of the bundled model under ``Models/``."""


def resource(*parts: str) -> Path:
    """Path of a shipped file or folder, such as ``resource("Models", DEFAULT_MODEL)``.

    Looks first inside the installed package (``shipped/``, where the wheel and the Slicer package put it), then in the
    ``Resources`` folder of a source checkout.

    Raises:
        AdrenalError: it is in neither place.
    """
    here = Path(__file__).resolve().parent
    for root in (here / "shipped", here.parents[1] / "Resources"):
        candidate = root.joinpath(*parts)
        if candidate.exists():
            return candidate
    raise AdrenalError(f"'{'/'.join(parts)}' is missing from this installation. Install the software again.")

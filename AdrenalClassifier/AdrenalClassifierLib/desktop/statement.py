"""What a model's bundle says of itself, read without loading the model."""

from __future__ import annotations

import json
from pathlib import Path

from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource


def statement_of(model: Path | None) -> str:
    """The sentence that must stand wherever a probability of this model stands; a warning when the bundle cannot be read.

    Args:
        model: folder of the bundle, None for the bundled one.
    """
    try:
        folder = resource("Models", DEFAULT_MODEL) if model is None else model
        return str(json.loads((folder / "bundle.json").read_text(encoding="utf-8"))["statement"])
    except (AdrenalError, OSError, ValueError, KeyError, TypeError):
        return _("For research use only. Not a medical device. The model of this installation cannot be read.")

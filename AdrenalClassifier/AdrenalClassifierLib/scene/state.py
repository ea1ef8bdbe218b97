"""What a case is, beside its nodes, as one JSON object on the parameter node.

No patient's identity enters it: values are kept by catalogue key, lesions by segment id, and no file name or path at all.
An object of an older version is upgraded; one of a newer version, or one that is broken, is refused in words and left as it is.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any, get_args

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.imaging.images import PHASES, Phase
from AdrenalClassifierLib.model.prediction import Options
from AdrenalClassifierLib.model.prevalence import GREATEST, LEAST, Prevalence, Setting
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.parse import FormEntry
from AdrenalClassifierLib.version import __version__

SCHEMA_VERSION = 2
"""Version 1 kept an entry as a list and neither options beside a result nor what is seen."""


class StateError(AdrenalError):
    """A stored case cannot be used."""


@dataclass
class LesionState:
    """What is kept of one lesion.

    Attributes:
        by_hand: diameters that a reader set, mm, by measurement key.
        assessment: the object of assessment.json, None before the first.
        made_with: the options that it was made with, as ``options_json`` gives them.
    """

    by_hand: dict[str, float] = field(default_factory=dict)
    assessment: dict[str, Any] | None = None
    made_with: dict[str, Any] | None = None


@dataclass
class CaseState:
    """One case. Changed in place by the session, written after every change."""

    phase: Phase = "unknown"
    current: str | None = None
    lines_visible: bool = True
    saliency_visible: bool = False
    label_visible: bool = True
    entries: dict[str, FormEntry] = field(default_factory=dict)
    options: Options = field(default_factory=lambda: Options(saliency=True))
    lesions: dict[str, LesionState] = field(default_factory=dict)
    core_visible: bool = True

    def lesion(self, segment_id: str) -> LesionState:
        """What is kept of a lesion; made when it is new."""
        return self.lesions.setdefault(segment_id, LesionState())


def write_state(state: CaseState) -> str:
    """The case as JSON text."""
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "software_version": __version__,
            "phase": state.phase,
            "current": state.current,
            "lines_visible": state.lines_visible,
            "core_visible": state.core_visible,
            "saliency_visible": state.saliency_visible,
            "label_visible": state.label_visible,
            "entries": {
                key: {"text": entry.text, "unit": entry.unit, "upper_limit": entry.upper_limit}
                for key, entry in state.entries.items()
            },
            "options": options_json(state.options),
            "lesions": {
                name: {"by_hand": lesion.by_hand, "assessment": lesion.assessment, "made_with": lesion.made_with}
                for name, lesion in state.lesions.items()
            },
        },
        allow_nan=False,
    )


def options_json(options: Options) -> dict[str, Any]:
    """All that decides how a result is presented."""
    return {
        "prevalence": [options.prevalence.setting, options.prevalence.value],
        "level": options.level,
        "show_outside": options.show_outside,
        "saliency": options.saliency,
    }


def read_state(text: str) -> CaseState:
    """The case in a JSON text.

    Raises:
        StateError: the text is broken, or of a newer version than this software knows.
    """
    try:
        stored = json.loads(text)
        version = stored["schema_version"]
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise ValueError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise StateError(_BROKEN) from None
    if version > SCHEMA_VERSION:
        raise StateError(
            "This scene's case was saved by a newer version of the software. It is left as it is; update the software to open "
            "it, or start a new case."
        )
    try:
        return _read(_upgraded(stored, version))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise StateError(_BROKEN) from None


_BROKEN = "This scene's stored case cannot be read; it is damaged. It is left as it is; start a new case to go on."


def _upgraded(stored: dict[str, Any], version: int) -> dict[str, Any]:
    """An object of any older version as one of this version; a result is kept, but nobody knows its options: it is stale."""
    if version == 1:
        names = ("text", "unit", "upper_limit")
        entries = {key: dict(zip(names, parts, strict=True)) for key, parts in stored["entries"].items()}
        lesions = {name: {**lesion, "made_with": None} for name, lesion in stored["lesions"].items()}
        stored = {
            **stored,
            "entries": entries,
            "lesions": lesions,
            "saliency_visible": False,
            "label_visible": True,
            "core_visible": True,
        }
    return stored


def _read(stored: dict[str, Any]) -> CaseState:
    phase = stored["phase"]
    if phase not in PHASES:
        raise ValueError
    setting, value = stored["options"]["prevalence"]
    if setting not in get_args(Setting) or (value is None) != (setting == "training"):
        raise ValueError
    if value is not None and not LEAST <= _number(value) <= GREATEST:
        raise ValueError
    options = stored["options"]
    level = _number(options["level"])
    if not 0 < level < 1:
        raise ValueError
    known = load_catalogue().variables
    return CaseState(
        phase,
        None if stored["current"] is None else str(stored["current"]),
        bool(stored["lines_visible"]),
        bool(stored["saliency_visible"]),
        bool(stored["label_visible"]),
        {
            key: FormEntry(_text(entry["text"]), _text(entry["unit"]), _text(entry["upper_limit"]))
            for key, entry in stored["entries"].items()
            if key in known
        },
        Options(Prevalence(setting, value), level, bool(options["show_outside"]), bool(options["saliency"])),
        {
            str(name): LesionState(
                {str(k): _number(v) for k, v in lesion["by_hand"].items()},
                _object(lesion["assessment"]),
                _object(lesion["made_with"]),
            )
            for name, lesion in stored["lesions"].items()
        },
        bool(stored["core_visible"]),
    )


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError
    return value


def _object(value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise ValueError
    return value

"""Which segments of a mask file are meant, and the side their names and codes state."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from AdrenalClassifierLib.errors import MaskError
from AdrenalClassifierLib.imaging.images import Side
from AdrenalClassifierLib.notices import Notice

MOST_LABELS = 4
"""A label map with more labels than this is an anatomy atlas, not a set of lesions: one label must be chosen."""
MOST_SEGMENTS = 16
"""The same for files whose segments have names."""
LISTED = 10
"""Labels named in a message."""

SIDES: dict[tuple[str, str], Side] = {
    ("SCT", "24028007"): "right",
    ("SCT", "7771000"): "left",
    ("SRT", "G-A100"): "right",
    ("SRT", "G-A101"): "left",
}
"""DICOM CID 244 (Laterality), with the retired SNOMED-RT codes that older files carry."""


class Candidate(NamedTuple):
    """A segment that a file offers: number and name."""

    number: int
    name: str


def choose(offered: Sequence[Candidate], label: str | None, file: str, most: int = MOST_SEGMENTS) -> list[int]:
    """Indices into ``offered`` of the segments meant by ``label``: a number or a name in any case; None means all of them.

    A label made of digits is looked up as a number first, then as a name.

    Raises:
        MaskError: nothing is offered, ``label`` matches nothing or several, or none was given for more than ``most`` segments.
    """
    if not offered:
        raise MaskError(f"'{file}' holds no segment: every voxel is background. Outline the lesion and save it again.")
    if label is None:
        if len(offered) > most:
            raise MaskError(f"'{file}' holds {len(offered)} segments; choose the lesion with --label: {listing(offered)}.")
        return list(range(len(offered)))
    wanted = str(label).strip()
    found: list[int] = []
    if re.fullmatch(r"[+-]?\d+", wanted):
        found = [n for n, c in enumerate(offered) if c.number == int(wanted)]
    if not found:
        found = [n for n, c in enumerate(offered) if c.name.casefold() == wanted.casefold()]
    if not found:
        raise MaskError(f"'{file}' has no segment '{wanted}'; it holds {listing(offered)}.")
    if len(found) > 1:
        numbers = ", ".join(str(offered[n].number) for n in found)
        raise MaskError(f"'{file}' has {len(found)} segments called '{wanted}'; choose one by number with --label: {numbers}.")
    return found


def listing(offered: Sequence[Candidate]) -> str:
    """Up to ten segments as text: ``8 'adrenal_gland_right', 9 ...``; names that only repeat the number are left out."""
    shown = [f"{c.number}" if c.name == f"label {c.number}" else f"{c.number} '{c.name[:40]}'" for c in offered[:LISTED]]
    rest = len(offered) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")


def side_of(codes: Sequence[tuple[str, str]], name: str) -> tuple[Side, tuple[Notice, ...]]:
    """The side a segment states: by its codes (scheme, value), else by the word left or right in its name.

    Only the English words count, whole (``adrenal_gland_right``, ``Left mass``), and only when one of the two stands there. Codes
    win over the name; a contradiction is reported.
    """
    coded = {SIDES[code] for code in codes if code in SIDES}
    words = {word for word in re.split(r"[^a-z]+", name.casefold()) if word in ("left", "right")}
    named: Side = "unknown"
    if len(words) == 1:
        named = "left" if "left" in words else "right"
    if len(coded) != 1:
        return ("unknown" if coded else named), ()
    (side,) = coded
    if named not in ("unknown", side):
        text = f"The segment's name says {named}, its terminology {side}; the terminology was used."
        return side, (Notice("side_contradicts_name", text),)
    return side, ()


def dicom_modifiers(item: Any) -> list[tuple[str, str]]:
    """(scheme, value) of every laterality-like modifier in a DICOM segment or ROI description."""
    found = []
    modifiers = {
        "SegmentedPropertyTypeCodeSequence": "SegmentedPropertyTypeModifierCodeSequence",
        "AnatomicRegionSequence": "AnatomicRegionModifierSequence",
        "RTROIIdentificationCodeSequence": "SegmentedPropertyTypeModifierCodeSequence",
    }
    for outer, inner in modifiers.items():
        for concept in item.get(outer) or []:
            for code in concept.get(inner) or []:
                found.append((str(code.get("CodingSchemeDesignator", "")), str(code.get("CodeValue", ""))))
    return found


def slicer_modifiers(entry: str) -> list[tuple[str, str]]:
    """(scheme, value) of the type and region modifiers of a 3D Slicer terminology entry.

    The entry is ``context~category~type~type modifier~context~region~region modifier``, each code ``scheme^value^meaning``.
    """
    parts = entry.split("~")
    codes = [part.split("^") for n, part in enumerate(parts) if n in (3, 6)]
    return [(code[0], code[1]) for code in codes if len(code) >= 2]

"""Words for phases, sides and states, as people read them."""

from __future__ import annotations

from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.imaging.images import Phase, Side
from AdrenalClassifierLib.scene.session import LesionInfo


def phase_words(phase: Phase) -> str:
    """A phase in words."""
    return {
        "unenhanced": _("Unenhanced"),
        "arterial": _("Arterial"),
        "portal": _("Portal venous"),
        "delayed": _("Delayed"),
        "unknown": _("Not known"),
    }[phase]


def side_words(side: Side) -> str:
    """A side in words."""
    return {"right": _("right"), "left": _("left"), "unknown": _("side not stated")}[side]


def lesion_words(lesion: LesionInfo) -> str:
    """One line for a list of lesions: name and how far the work on it is."""
    status = {
        "empty": _("not outlined"),
        "outlined": _("outlined"),
        "assessed": _("classified"),
        "stale": _("result out of date"),
    }[lesion.status]
    return _("{name} ({status})").format(name=lesion.name, status=status)

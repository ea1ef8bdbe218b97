"""The contrast phase of a CT series, from its header, its description and what the clinical table says of the patient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from AdrenalClassifierLib.cohort.importers.dicom_objects import CtSeries
from AdrenalClassifierLib.imaging.dicom_series import stated_phase
from AdrenalClassifierLib.imaging.images import Phase

WORDS: Mapping[Phase, str] = {
    "unenhanced": r"pre(?! ?op)|precontrast|w ?o|without|non ?con(trast)?|noncontrast|nc|ncct|unenhanced|native|plain|c-",
    "arterial": r"art|arterial",
    "portal": r"portal|porto ?venous|portovenous|venous|ven|pv|pvp",
    "delayed": r"delay|delayed|delays|equilibrium|excretory|(?:3|5|7|8|10|12|15|20) ?min(?:s|ute|utes)?",
}
"""Words of a Series Description that name a phase, as regular expressions for whole words; ``/ - _ . ,`` count as spaces."""
ENHANCED = r"post(?! ?op)|with|enhanced|iv|c\+|contrast"
"""Words that say that contrast was given, but not when."""
BESIDES = r"post(?! ?op)|with|w|c\+"
"""Of these, what beside a word for unenhanced means that the series is said to be both."""
NO_AGENT = frozenset(("", "no", "none", "n/a", "na", "nil", "0", "without", "w/o", "no contrast", "non-contrast", "unknown"))
ORAL = re.compile(r"\b(oral|po|water|gastrografin|rectal)\b")
INTRAVENOUS = re.compile(r"\b(iv|intravenous|omni\w*|visi\w*|iso\w*|ultra\w*|iohexol|iopa\w*|iodi\w*|opti\w*)\b")


@dataclass(frozen=True)
class PhaseDecision:
    """A phase and where it comes from.

    Attributes:
        phase: ``"unknown"`` when nothing says it.
        source: a few words for the report.
        contradictory: evidence for different phases; such a series is never used.
        remark: something to check, "" when there is nothing.
    """

    phase: Phase
    source: str
    contradictory: bool = False
    remark: str = ""


def decide_phase(series: CtSeries, in_table: Mapping[Phase, bool], agent_elsewhere: bool) -> PhaseDecision:
    """Decide the contrast phase of a series.

    In this order: the coded phase of the header (0018,9344); words of the Series Description; elimination among the phases that
    the clinical table has for the patient, where a named intravenous agent rules out unenhanced, and a missing one (while another
    series of the study names one) rules out all others. Evidence that disagrees is reported and decides nothing.

    Args:
        series: the series.
        in_table: phases that the table says exist or not; empty when it says nothing.
        agent_elsewhere: another series of the study names an intravenous agent.
    """
    stated, worded = stated_phase(series.headers), phases_in_words(series.first.description)
    agent = names_agent(series)
    named = worded | ({stated} if stated != "unknown" else set())
    if "unenhanced" in named and _said_to_be_both(series.first.description):
        return PhaseDecision("unknown", "contradictory: the description says with and without contrast", True)
    if len(named) > 1:
        return PhaseDecision("unknown", f"contradictory: {' and '.join(sorted(named))}", True)
    if named:
        (phase,) = named
        source = "header" if stated != "unknown" else "series description"
        remark = "" if in_table.get(phase, True) else f"The clinical table says that there is no {phase} phase."
        if phase == "unenhanced" and agent:
            if not in_table.get("unenhanced", False):
                return PhaseDecision("unknown", "contradictory: unenhanced by name, but a contrast agent is named", True)
            remark = "The header names a contrast agent; description and clinical table say unenhanced."
        return PhaseDecision(phase, source, False, remark)
    enhanced = agent or bool(_find(ENHANCED, _plain(series.first.description)))
    there = {phase for phase, yes in in_table.items() if yes}
    if enhanced:
        left = there - {"unenhanced"}
    elif agent_elsewhere:
        left = there & {"unenhanced"}
    else:
        left = there
    if len(left) == 1:
        return PhaseDecision(next(iter(left)), "clinical table, the only phase left")
    if not there:
        return PhaseDecision("unknown", "neither header nor description nor clinical table says it")
    return PhaseDecision("unknown", f"the clinical table leaves {' or '.join(sorted(left)) or 'none'}")


def phases_in_words(description: str) -> set[Phase]:
    """The phases that a Series Description names."""
    text = _plain(description)
    return {phase for phase, words in WORDS.items() if _find(words, text)}


def _said_to_be_both(description: str) -> bool:
    rest = re.sub(_whole(WORDS["unenhanced"]), " ", _plain(description))
    return re.search(_whole(BESIDES), rest) is not None


def names_agent(series: CtSeries) -> bool:
    """Whether the header names an intravenous contrast agent (one that was drunk does not count)."""
    agent = series.agent.casefold()
    if agent in NO_AGENT or not series.first.contrast:
        return False
    return not ORAL.search(agent) or bool(INTRAVENOUS.search(agent))


def _plain(description: str) -> str:
    return re.sub(r"[/_.,()\[\]:;]+|-(?!$|\s)", " ", description.casefold())


def _find(words: str, text: str) -> bool:
    return re.search(_whole(words), text) is not None


def _whole(words: str) -> str:
    return rf"(?<![a-z0-9+])(?:{words})(?![a-z0-9+])"

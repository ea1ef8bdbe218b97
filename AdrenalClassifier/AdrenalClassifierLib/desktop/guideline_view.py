"""What guidelines say, question by question, with what is missing for an open verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from AdrenalClassifierLib.desktop import widgets
from AdrenalClassifierLib.desktop.colours import Tone
from AdrenalClassifierLib.desktop.texts import _
from AdrenalClassifierLib.guidelines.verdict import Verdict
from AdrenalClassifierLib.report.wording import QUESTION_LABELS, by_guideline, published


def fill(layout: Any, verdicts: Sequence[Verdict], stale: bool = False) -> None:
    """Show the verdicts under the names of their guidelines; the tooltip has the citation and what was published.

    ``stale``: faded, because they no longer hold.
    """
    for guideline, group in by_guideline(verdicts).items():
        title = widgets.text_label(guideline, "soft" if stale else None, bold=True)
        title.toolTip = group[0].citation
        layout.addWidget(title)
        for verdict in group:
            question = QUESTION_LABELS.get(verdict.question, verdict.question)
            tone: Tone | None = "soft" if stale else None if verdict.decided else "caution"
            line = widgets.text_label(f"{question}: {verdict.text}", tone)
            known = [published(item) for item in verdict.performance]
            line.toolTip = "\n\n".join([*known, *verdict.unsourced, verdict.citation])
            layout.addWidget(line)
            if verdict.missing:
                labels = ", ".join(verdict.missing_labels)
                layout.addWidget(widgets.text_label(_("To decide, give: {labels}.").format(labels=labels), "soft"))

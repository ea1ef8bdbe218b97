"""What a result shows in the views: a label at the lesion, and the lesion in the colour of its probability.

Both stand for a result that is true. They are taken away as soon as it is not, and the lesion gets back the colour that it had,
which is kept in a tag of the segment as long as the result's colour stands.
"""

from __future__ import annotations

import re
import textwrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.report.wording import percent
from AdrenalClassifierLib.scene.case import Case
from AdrenalClassifierLib.scene.colours import of_probability
from AdrenalClassifierLib.scene.grids import ras_of
from AdrenalClassifierLib.scene.markups import add_markups
from AdrenalClassifierLib.scene.segments import Outline, segment_of, tag
from AdrenalClassifierLib.scene.volumes import remove_whole

OWN_COLOUR = "AdrenalClassifier.OwnColor"
"""Segment tag with the colour that the lesion had before it took that of its probability, and the latter."""
COLOUR_STEP = 1 / 255
"""Colours closer than this are one: files keep that many."""
TEXT_SCALE = 2.5
"""Percent of the view's size."""
ASIDE_MM = 10.0
"""Room for the length that stands at the end of a diameter."""
WIDTH = 30
"""Characters in a line."""


def role(name: str, segment_id: str, part: str = "") -> str:
    """The parameter node's role for a lesion's node; the separators of MRML's references do not enter it."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", lambda match: f"_{ord(match[0]):x}_", segment_id)
    return ".".join(word for word in (name, safe, part) if word)


def label_text(assessment: Assessment) -> str | None:
    """What stands at the lesion; None when the assessment shows no probability."""
    result = assessment.result
    if result is None or result.probability is None or assessment.statement is None:
        return None
    lines = [f"Probability of malignancy {percent(result.probability)}"]
    if result.interval is not None:
        low, high = (percent(value).removesuffix(" %") for value in result.interval)
        lines.append(f"Interval {low} to {high} %")
    if assessment.outside:
        lines.append("Outside the validated range")
    for sentence in re.split(r"(?<=\.) ", assessment.statement):
        lines.extend(textwrap.wrap(sentence, WIDTH))  # views do not break lines
    return "\n".join(lines)


def give_colour_back(segment: Any) -> None:
    """Give a segment the colour that it had before it took that of a probability; nothing when it has its own, or when somebody
    has chosen another one since."""
    own = tag(segment, OWN_COLOUR)
    if own:
        segment.RemoveTag(OWN_COLOUR)
        parts = [float(part) for part in own.split()]
        if len(parts) < 6 or np.abs(np.subtract(segment.GetColor(), parts[3:6])).max() < COLOUR_STEP:
            segment.SetColor(*parts[:3])


def _corner(outline: Outline) -> NDArray[np.float64]:
    """Where the label is anchored, LPS mm: the lesion's left front corner in its middle plane, so that the text, which views
    write to the upper right of the point, stands beside the lesion in axial views and does not cover it."""
    where = outline.geometry.to_world(np.argwhere(outline.mask))
    centre, high, low = where.mean(axis=0), where.max(axis=0), where.min(axis=0)
    return np.array([high[0] + ASIDE_MM, low[1], centre[2]])


class Overlays:
    """Shows results in the views, and takes them away.

    Args:
        case: the case.
    """

    def __init__(self, case: Case) -> None:
        self._case = case

    def show(self, segment_id: str, assessment: Assessment) -> None:
        """Label and colour a lesion; nothing is shown for an assessment without a probability."""
        text, result = label_text(assessment), assessment.result
        outline = self._case.outline(segment_id)
        if text is None or result is None or result.probability is None or outline is None:
            self.hide(segment_id)
            return
        self._label(segment_id, text, outline)
        self._colour(segment_id, result.probability)

    def hide(self, segment_id: str) -> None:
        """Take a lesion's label away and give it its own colour back."""
        label = self._case.reference(role("label", segment_id))
        if label is not None:
            remove_whole(self._case.scene, label)
        self._case.refer(role("label", segment_id), None)
        if segment_id in self._case.segment_ids():
            give_colour_back(segment_of(self._case.segmentation, segment_id))

    def update(self) -> None:
        """Show or hide the labels as the case says."""
        for segment_id in self._case.segment_ids():
            label = self._case.reference(role("label", segment_id))
            if label is not None and label.GetDisplayNode() is not None:
                label.GetDisplayNode().SetVisibility(self._case.state.label_visible)

    def _label(self, segment_id: str, text: str, outline: Outline) -> None:
        name = role("label", segment_id)
        node = self._case.reference(name)
        if node is None:
            node = add_markups(self._case.scene, "vtkMRMLMarkupsFiducialNode", "Probability", "label")
            node.SetLocked(True)
            self._case.refer(name, node)
        display = node.GetDisplayNode()
        display.SetVisibility(self._case.state.label_visible)
        display.SetTextScale(TEXT_SCALE)
        display.SetGlyphScale(0.6)
        display.SetSelectedColor(1.0, 1.0, 1.0)
        display.SetColor(1.0, 1.0, 1.0)
        display.SetPointLabelsVisibility(True)
        display.SetPropertiesLabelVisibility(False)
        display.SetSliceProjection(True)  # seen while scrolling through the lesion, not on one slice only
        display.SetSliceProjectionUseFiducialColor(True)
        display.SetSliceProjectionOpacity(1.0)
        display.SetOccludedVisibility(True)
        style = display.GetTextProperty()
        style.SetBackgroundColor(0.0, 0.0, 0.0)
        style.SetBackgroundOpacity(0.7)
        style.SetShadow(False)
        was = node.StartModify()
        node.RemoveAllControlPoints()
        node.AddControlPointWorld(*ras_of(_corner(outline)))
        node.SetNthControlPointLabel(0, text)
        node.SetNthControlPointLocked(0, True)
        node.EndModify(was)

    def _colour(self, segment_id: str, probability: float) -> None:
        segment = segment_of(self._case.segmentation, segment_id)
        if not tag(segment, OWN_COLOUR):
            colours = (*segment.GetColor(), *of_probability(probability))
            segment.SetTag(OWN_COLOUR, " ".join(f"{part:.6g}" for part in colours))
        segment.SetColor(*of_probability(probability))

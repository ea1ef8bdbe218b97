"""The rules that the models are measured against, on lesions as training sees them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from AdrenalClassifierLib.evaluation.predictions import Rule
from AdrenalClassifierLib.guidelines.ese_ensat import ese_ensat_verdicts
from AdrenalClassifierLib.guidelines.eurine_act import eurine_act_verdicts
from AdrenalClassifierLib.guidelines.evaluate import guideline_inputs
from AdrenalClassifierLib.guidelines.verdict import GuidelineInputs, Verdict, load_guideline
from AdrenalClassifierLib.patient.quantity import all_true
from AdrenalClassifierLib.training.examples import Example

SURGERY = frozenset({"surgery_usual"})
TRIPLE_POSITIVE = frozenset({"positive", "positive_usm_moderate", "positive_usm_high"})
"""Low risk in urine steroid metabolomics takes a large dense lesion back: the third test is then negative."""


def rules(examples: Sequence[Example]) -> dict[str, Rule]:
    """Size, attenuation, both, the imaging verdict of ESE/ENSAT 2023 and the triple test of EURINE-ACT.

    A rule is undecided (NaN) where a missing value could turn it either way.
    """
    ese, eurine = load_guideline("ese_ensat_2023"), load_guideline("eurine_act")
    large, low, high = eurine.thresholds["large_mm"], ese.thresholds["benign_hu"], eurine.thresholds["positive_hu"]
    inputs = [guideline_inputs(e.measurements, e.patient) for e in examples]
    return {
        "size_4cm": _rule(
            "Long axis of at least 4 cm",
            f"Long axial axis of {large:g} mm or more is positive. {eurine.citation}",
            [_at_least(i.long_axis_mm, large) for i in inputs],
        ),
        "attenuation_10": _rule(
            "Attenuation above 10 HU",
            f"Mean unenhanced attenuation above {low:g} HU is positive. {ese.citation}",
            [_above(i.spontaneous_hu, low) for i in inputs],
        ),
        "attenuation_20": _rule(
            "Attenuation above 20 HU",
            f"Mean unenhanced attenuation above {high:g} HU is positive. {eurine.citation}",
            [_above(i.spontaneous_hu, high) for i in inputs],
        ),
        "size_and_attenuation": _rule(
            "At least 4 cm and above 20 HU",
            f"Long axial axis of {large:g} mm or more and attenuation above {high:g} HU together are positive. {eurine.citation}",
            [all_true(_at_least(i.long_axis_mm, large), _above(i.spontaneous_hu, high)) for i in inputs],
        ),
        "ese_ensat_2023": _rule(
            "ESE/ENSAT 2023, surgery usual",
            "Positive where the imaging rules say that surgery is usually the choice (4 cm or more, and heterogeneous or above "
            f"20 HU). Lesions for individual discussion are negative. {ese.citation}",
            [_of(_imaging(i), SURGERY) for i in inputs],
        ),
        "eurine_act": _rule(
            "EURINE-ACT, triple test",
            "At least 4 cm and above 20 HU, unless urine steroid metabolomics says low risk; where it was not done, size and "
            f"attenuation decide. {eurine.citation}",
            [_of(eurine_act_verdicts(i)[0], TRIPLE_POSITIVE) for i in inputs],
        ),
    }


def _rule(label: str, about: str, called: Sequence[bool | None]) -> Rule:
    return Rule(label, about, np.array([np.nan if c is None else float(c) for c in called]))


def _at_least(value: float | None, limit: float) -> bool | None:
    return None if value is None else value >= limit


def _above(value: float | None, limit: float) -> bool | None:
    return None if value is None else value > limit


def _imaging(inputs: GuidelineInputs) -> Verdict:
    return next(v for v in ese_ensat_verdicts(inputs) if v.question == "imaging")


def _of(verdict: Verdict, positive: frozenset[str]) -> bool | None:
    """Whether every verdict that is still possible is positive, none is, or it is open."""
    found = {code in positive for code in verdict.possible}
    return found.pop() if len(found) == 1 else None

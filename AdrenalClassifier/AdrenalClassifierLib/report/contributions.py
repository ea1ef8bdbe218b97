"""Why a probability is what it is: the bars of the page and of the panels."""

from __future__ import annotations

from dataclasses import dataclass

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.report.sentences import share
from AdrenalClassifierLib.report.wording import input_label, input_value, number

SHOWN = 12
"""How many inputs have a bar of their own."""


@dataclass(frozen=True)
class Bar:
    """One input.

    Attributes:
        label: of the input.
        value: what was given, as text; "" for the sum of all others.
        log_odds: what it adds to the log-odds of malignancy.
    """

    label: str
    value: str
    log_odds: float

    @property
    def figure(self) -> str:
        """The log-odds with its sign."""
        return f"{'+' if self.log_odds >= 0 else ''}{number(self.log_odds, 2)}"


@dataclass(frozen=True)
class Contributions:
    """All bars of one result.

    Attributes:
        bars: the greatest first, then the rest in one, then the prevalence.
        widest: the log-odds that fills half the width of a chart.
        note: what the figures are.
    """

    bars: tuple[Bar, ...]
    widest: float
    note: str


def contributions(assessment: Assessment) -> Contributions | None:
    """The bars of the model that is shown, None when there is no probability."""
    result = assessment.result
    if result is None or result.contributions is None or result.intercept is None or result.logit is None:
        return None
    ranked = sorted(result.contributions.items(), key=lambda item: -abs(item[1]))
    shown = [(name, part) for name, part in ranked[:SHOWN] if abs(part) >= 0.005]
    prior = assessment.prior.log_odds if assessment.prior else 0.0
    rest = result.logit - result.intercept - prior - sum(part for _, part in shown)
    bars = [Bar(input_label(name), input_value(name, assessment.inputs.get(name)), part) for name, part in shown]
    if len(ranked) > len(shown):
        bars.append(Bar(f"All other inputs ({len(ranked) - len(shown)})", "", rest))
    if assessment.prior and prior:
        text = f"{share(assessment.prior.value)} instead of {share(assessment.prior.training)}"
        bars.append(Bar("Prevalence", text, prior))
    note = (
        "Log-odds added to the average case of the training cohort "
        f"({number(result.intercept, 2)}); together they give {number(result.logit, 2)}. Right (orange) speaks for malignancy, "
        "left (blue) against. A missing value can contribute, because tests are not ordered at random."
    )
    return Contributions(tuple(bars), max([abs(part) for _, part in shown] + [abs(rest), abs(prior), 0.1]), note)

"""Rules applied to values of which some are not known: by trying all that these could be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from AdrenalClassifierLib.guidelines.verdict import AT_LEAST, CANNOT_DECIDE, Guideline, GuidelineInputs, Verdict, known_inputs

MOST_PHRASES = 4
"""An open verdict's text lists no more possibilities than this; ``possible`` has them all."""

Options = tuple[Any, ...]
"""What an input may be: one value when it is known, all of its kinds when it is not."""


@dataclass(frozen=True)
class Decision:
    """Result of trying all options.

    Attributes:
        outcomes: ids that occur, in the order in which they were met.
        open: names of unknown inputs on which the outcome depends.
    """

    outcomes: tuple[str, ...]
    open: tuple[str, ...]


def options(value: bool | None) -> Options:
    """Yes, no, or both."""
    return (True, False) if value is None else (value,)


def cell(value: float | None, cells: Mapping[str, Callable[[float], bool]]) -> Options:
    """The names of the cells into which ``value`` falls (exactly one of a partition), all of them when it is not known."""
    return tuple(cells) if value is None else tuple(name for name, holds in cells.items() if holds(value))


@lru_cache(maxsize=4096)  # the same few combinations come back for every lesion of a cohort
def decide(rule: Callable[..., str], **inputs: Options) -> Decision:
    """Apply ``rule`` (a function of the module, not a closure) to every combination of the inputs' options.

    An unknown input is open when some combination of the others makes the outcome depend on it.
    """
    names = list(inputs)
    results = {values: rule(**dict(zip(names, values, strict=True))) for values in itertools.product(*inputs.values())}
    if len(set(results.values())) == 1:
        return Decision((next(iter(results.values())),), ())
    still_open = []
    for place, name in enumerate(names):
        if len(inputs[name]) == 1:
            continue
        by_others: dict[Options, set[str]] = {}
        for values, outcome in results.items():
            by_others.setdefault(values[:place] + values[place + 1 :], set()).add(outcome)
        if any(len(found) > 1 for found in by_others.values()):
            still_open.append(name)
    return Decision(tuple(dict.fromkeys(results.values())), tuple(still_open))


def verdict(
    guideline: Guideline,
    question: str,
    decision: Decision,
    inputs: GuidelineInputs,
    used: Iterable[str],
    needed: Mapping[str, tuple[str, ...]],
    detail: str = "",
    also_missing: tuple[str, ...] = (),
    also_unsourced: tuple[str, ...] = (),
) -> Verdict:
    """The verdict for a decision.

    Args:
        guideline: whose rule it is.
        question: key of the question in its data.
        decision: from ``decide``.
        inputs: what was looked at.
        used: names of the inputs to show where they are known.
        needed: for each input of the rule, the names a person would have to give.
        detail: fills ``{detail}`` of the text.
        also_missing: names to list although a rule fired (the rule itself asks for them).
        also_unsourced: details to mark in addition.
    """
    outcomes = [guideline.questions[question][key] for key in decision.outcomes]
    shown = known_inputs(inputs, *used)
    if len(outcomes) == 1:
        (only,) = outcomes
        return Verdict(
            guideline.name,
            question,
            only.rule,
            only.verdict,
            only.text.format(detail=detail),
            (only.verdict,),
            shown,
            also_missing,
            guideline.citation,
            only.performance,
            tuple(dict.fromkeys((*only.unsourced, *guideline.unsourced, *also_unsourced))),
        )
    missing = tuple(dict.fromkeys(name for key in decision.open for name in needed[key]))
    outcomes.sort(key=lambda outcome: -1 if outcome.rank is None else outcome.rank)
    least = outcomes[0]
    bounded = least.lower_bound and all(outcome.rank != least.rank for outcome in outcomes[1:])
    phrases = list(dict.fromkeys(outcome.phrase for outcome in outcomes))
    if bounded:
        text = f"At least {least.phrase}, possibly {' or '.join(phrases[1:])}."
    elif len(phrases) <= MOST_PHRASES:
        text = f"Cannot be decided yet: {'; or '.join(phrases)}."
    else:
        text = f"Cannot be decided yet: anything from '{phrases[0]}' to '{phrases[-1]}'."
    return Verdict(
        guideline.name,
        question,
        "",
        AT_LEAST + least.verdict if bounded else CANNOT_DECIDE,
        text,
        tuple(dict.fromkeys(outcome.verdict for outcome in outcomes)),
        shown,
        missing,
        guideline.citation,
        (),
        tuple(dict.fromkeys((*(d for o in outcomes for d in o.unsourced), *guideline.unsourced, *also_unsourced))),
    )

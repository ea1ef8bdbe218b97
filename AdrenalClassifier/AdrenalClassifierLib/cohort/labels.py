"""From diagnosis to target: which histologies count as malignant is data (``labels.json``), so that it can be changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.errors import CohortError


@dataclass(frozen=True)
class LabelPolicy:
    """One rule that makes a binary target of a histology.

    Attributes:
        name: key in ``labels.json``.
        about: one sentence.
        malignant: histologies that count as malignant.
        excluded: histologies that are left out of training and evaluation.
    """

    name: str
    about: str
    malignant: frozenset[str]
    excluded: frozenset[str]

    def is_malignant(self, histology: str) -> bool | None:
        """Target of a histology; None when the policy leaves it out. Raises KeyError for an unknown one."""
        _ = _table()["histologies"][histology]
        return None if histology in self.excluded else histology in self.malignant


@cache
def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = json.loads((Path(__file__).parent / "labels.json").read_text(encoding="utf-8"))
    return table


def histologies() -> Mapping[str, str]:
    """Label for people by value of the cohort table's ``histology`` column."""
    return {name: entry["label"] for name, entry in _table()["histologies"].items()}


def truth_sources() -> Mapping[str, str]:
    """Label for people by value of the cohort table's ``truth_source`` column."""
    return dict(_table()["truth_sources"])


def policy_names() -> tuple[str, ...]:
    """The policies there are, the default one first."""
    default = _table()["default_policy"]
    return (default, *(name for name in _table()["policies"] if name != default))


def label_policy(name: str | None = None) -> LabelPolicy:
    """A policy by name, the default one when None. Raises CohortError for an unknown name."""
    table = _table()
    name = name or table["default_policy"]
    if name not in table["policies"]:
        raise CohortError(f"There is no label policy '{name}'; choose one of {', '.join(policy_names())}.")
    entry = table["policies"][name]

    def of(groups: list[str]) -> frozenset[str]:
        return frozenset(h for h, item in table["histologies"].items() if item["group"] in groups)

    return LabelPolicy(name, entry["about"], of(entry["malignant_groups"]), of(entry["excluded_groups"]))


def chosen_policy(name: str | None) -> LabelPolicy | None:
    """The policy that a user names, None when he leaves it to the table. Raises CohortError for an unknown name."""
    return None if name is None else label_policy(name)

"""All that is said of one lesion, and its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.guidelines.verdict import Verdict
from AdrenalClassifierLib.imaging.images import Side
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.model.conformal import ConformalSet
from AdrenalClassifierLib.model.fusion import MODELS, ModelName
from AdrenalClassifierLib.model.plausible import WhatIf
from AdrenalClassifierLib.model.prevalence import PriorShift
from AdrenalClassifierLib.model.saliency import SaliencyMap
from AdrenalClassifierLib.model.scoring import ModelResult
from AdrenalClassifierLib.model.validity import Finding, is_outside
from AdrenalClassifierLib.notices import Notice

SCHEMA_VERSION = 2


@dataclass(frozen=True)
class Provenance:
    """Where a result came from. ``input_sha256`` is a fingerprint of voxels, mask, grid, phases and patient values."""

    software_version: str
    model_name: str | None
    model_version: str | None
    weights_sha256: str | None
    input_sha256: str
    device: str | None
    created: str


@dataclass(frozen=True)
class Assessment:
    """All that is said of one lesion. Immutable; stale as soon as CT, mask or a value changes (see ``input_sha256``).

    Attributes:
        lesion_id: of the lesion.
        side: of the lesion.
        statement: must be shown wherever the probability is.
        models: the four models; each has a probability with interval, or a reason why not.
        shown: the model whose probability is shown, None when none could be computed.
        measurements: of the lesion.
        guidelines: one verdict a rule set.
        warnings: remarks on the inputs.
        missing: catalogue keys of patient values that the model uses and that were not given.
        provenance: versions, checksums, time.
        inputs: what stands beside each contribution: the measured number or the text that was entered, None where missing.
        validity: why the model may not hold for this lesion; when any finding is ``outside``, no model has a probability unless
            it was asked for.
        prior: the prevalence for which all probabilities hold, None without a model.
        conformal: the conformal set of every model that has a probability.
        what_if: the missing values over whose plausible range the probability would move farthest.
        saliency: what the network used in the image, where it was asked for.
        saliency_file: name of the file that holds it beside assessment.json, None when it was not written.
        told_saliency: what ``to_json`` said of a map whose values are not at hand, after ``from_json``.
    """

    lesion_id: str
    side: Side
    statement: str | None
    models: Mapping[ModelName, ModelResult]
    shown: ModelName | None
    measurements: Measurements
    guidelines: tuple[Verdict, ...]
    warnings: tuple[Notice, ...]
    missing: tuple[str, ...]
    provenance: Provenance
    inputs: Mapping[str, Any]
    validity: tuple[Finding, ...] = ()
    prior: PriorShift | None = None
    conformal: Mapping[ModelName, ConformalSet] = field(default_factory=dict)
    what_if: tuple[WhatIf, ...] = ()
    saliency: SaliencyMap | None = None
    saliency_file: str | None = None
    told_saliency: Mapping[str, Any] | None = None

    @property
    def result(self) -> ModelResult | None:
        """Result of the model that is shown."""
        return None if self.shown is None else self.models[self.shown]

    @property
    def conformal_set(self) -> ConformalSet | None:
        """Conformal set of the model that is shown."""
        return None if self.shown is None else self.conformal.get(self.shown)

    @property
    def outside(self) -> bool:
        """Whether the lesion is outside the validated range, be the probability shown or not."""
        return is_outside(self.validity)

    def to_json(self) -> dict[str, Any]:
        """The object of assessment.json (DESIGN section 8).

        ``baseline_log_odds``, all contributions and the prevalence's ``log_odds`` add up to the log-odds of ``probability``.
        """
        result = self.result
        contributions = (
            []
            if result is None or result.contributions is None
            else [
                {"input": name, "value": self.inputs.get(name), "log_odds": part}
                for name, part in sorted(result.contributions.items(), key=lambda item: -abs(item[1]))
            ]
        )
        return {
            "schema_version": SCHEMA_VERSION,
            "lesion_id": self.lesion_id,
            "side": self.side,
            "statement": self.statement,
            "probability": None if result is None else result.probability,
            "interval": None if result is None or result.interval is None else list(result.interval),
            "model": self.shown,
            "models": {name: _model_json(item, self.conformal.get(name)) for name, item in self.models.items()},
            "conformal_set": None if self.conformal_set is None else self.conformal_set.to_json(),
            "prevalence": None if self.prior is None else self.prior.to_json(),
            "contributions": contributions,
            "baseline_log_odds": None if result is None else result.intercept,
            "log_odds": None if result is None else result.logit,
            "what_if": [item.to_json() for item in self.what_if],
            "validity": {"outside": self.outside, "findings": [finding.to_json() for finding in self.validity]},
            "saliency": self.told_saliency if self.saliency is None else {"file": self.saliency_file, **self.saliency.to_json()},
            "measurements": self.measurements.to_json(),
            "guidelines": [verdict.to_json() for verdict in self.guidelines],
            "warnings": [{"code": notice.code, "text": notice.text} for notice in self.warnings],
            "missing": list(self.missing),
            "provenance": dict(self.provenance.__dict__),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Assessment:
        """What ``to_json`` told: all that a page or a panel shows, and the same JSON again.

        Contributions are those of the model that is shown, inputs those beside them. The saliency map's values are kept apart:
        ``with_saliency`` puts them back. Notices of ``measurements`` are among the warnings.

        Raises:
            AdrenalError: the object is of a newer version, or none of this kind.
        """
        version = value.get("schema_version") if isinstance(value, Mapping) else None
        if isinstance(version, int) and version > SCHEMA_VERSION:
            raise AdrenalError(
                f"The saved result has the version {version}, this software reads up to {SCHEMA_VERSION}. "
                "Install a newer version of the software, or assess the lesion again."
            )
        try:
            return _restored(value)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise AdrenalError("The saved result is damaged or incomplete. Assess the lesion again.") from error

    def with_saliency(self, values: NDArray[np.float32]) -> Assessment:
        """The same with the map whose values (k, j, i) were kept apart. Raises AdrenalError when there was no such map."""
        try:
            if self.told_saliency is None:
                raise KeyError("saliency")
            found = SaliencyMap.from_json(self.told_saliency, values)
        except (KeyError, TypeError) as error:
            raise AdrenalError("The saved result has no saliency map. Assess the lesion again with it.") from error
        return replace(self, saliency=found, saliency_file=self.told_saliency.get("file"), told_saliency=None)


def _model_json(result: ModelResult, conformal: ConformalSet | None) -> dict[str, Any]:
    out: dict[str, Any] = {
        "probability": result.probability,
        "interval": None if result.interval is None else list(result.interval),
        "reason": result.reason,
    }
    return out if conformal is None else {**out, "conformal_set": conformal.to_json()}


def _restored(value: Mapping[str, Any]) -> Assessment:
    """See ``Assessment.from_json``; raises what a wrong object makes Python raise."""
    shown: ModelName | None = value["model"]
    models = {name: _model_from(value["models"][name]) for name in MODELS}
    told, baseline = value["contributions"], value["baseline_log_odds"]
    prior = None if value["prevalence"] is None else PriorShift.from_json(value["prevalence"])
    given = {name: value["models"][name].get("conformal_set") for name in MODELS}
    sets = {name: ConformalSet.from_json(item) for name, item in given.items() if item is not None}
    if shown is not None:
        parts = {item["input"]: item["log_odds"] for item in told}
        if "log_odds" in value:
            logit = value["log_odds"]
        else:  # earlier results left it to be summed up
            logit = baseline + sum(parts.values()) + (0.0 if prior is None else prior.log_odds)
        models[shown] = replace(models[shown], logit=logit, intercept=baseline, contributions=parts)
    return Assessment(
        value["lesion_id"],
        value["side"],
        value["statement"],
        models,
        shown,
        Measurements.from_json(value["measurements"]),
        tuple(Verdict.from_json(item) for item in value["guidelines"]),
        tuple(Notice(item["code"], item["text"]) for item in value["warnings"]),
        tuple(value["missing"]),
        Provenance(**value["provenance"]),
        {item["input"]: item["value"] for item in told},
        tuple(Finding.from_json(item) for item in value["validity"]["findings"]),
        prior,
        sets,
        tuple(WhatIf.from_json(item) for item in value["what_if"]),
        told_saliency=value["saliency"],
    )


def _model_from(value: Mapping[str, Any]) -> ModelResult:
    interval = value["interval"]
    if interval is None:
        return ModelResult(value["probability"], None, value["reason"])
    low, high = interval
    return ModelResult(value["probability"], (low, high), value["reason"])

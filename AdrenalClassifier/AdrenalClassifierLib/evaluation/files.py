"""What ``evaluate`` leaves on disk: metrics.json, metrics.csv and predictions.csv."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from AdrenalClassifierLib.evaluation.evaluate import Evaluation
from AdrenalClassifierLib.evaluation.predictions import Predictions
from AdrenalClassifierLib.files import write_json, write_text
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.version import __version__

METRICS, TABLE, PREDICTIONS = "metrics.json", "metrics.csv", "predictions.csv"
COLUMNS = ("model", "metric", "threshold", "value", "low", "high", "method", "n")


def write_results(folder: Path, found: Evaluation, given: Predictions) -> None:
    """Write the three files, each whole or not at all. Raises OutputError."""
    write_text(folder / PREDICTIONS, predictions_csv(given))
    write_text(folder / TABLE, metrics_csv(found))
    write_json(folder / METRICS, {"software_version": __version__, **found.to_json()})


def metrics_csv(found: Evaluation) -> str:
    """Every figure of models, baselines and rules in long form; ``threshold`` is the name of a threshold, empty where none is
    needed, and ``rule`` for a rule. A figure that does not exist has empty cells."""
    rows: list[Sequence[Any]] = []
    for model, entry in found.models.items():
        at = entry["thresholds"]
        shown = {name for calls in at.values() for name in calls} | {"accuracy", "sensitivity", "specificity", "ppv", "npv"}
        rows += _rows(model, "", {k: v for k, v in entry.items() if k not in shown})
        for name, calls in at.items():
            rows.append((model, "threshold", name, calls["threshold"], None, None, "fixed on training data", None))
            rows += _rows(model, name, calls)
    for key, entry in found.baselines.items():
        rows += _rows(f"baseline:{key}", "", entry)
    for key, entry in found.rules.items():
        rows += _rows(f"rule:{key}", "rule", entry)
    if found.ceiling is not None:
        rows += _rows("ceiling", "", {"auc": found.ceiling["auc"]})
        for model, entry in found.ceiling["models"].items():
            rows += _rows(model, "", {"auc_ratio_to_ceiling": entry["auc_ratio"]})
    return _csv(COLUMNS, rows)


def _rows(model: str, threshold: str, entry: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
    for metric, found in entry.items():
        if isinstance(found, Mapping) and "method" in found:
            yield (model, metric, threshold, *(found.get(name) for name in ("value", "low", "high", "method", "n")))


def predictions_csv(given: Predictions) -> str:
    """One row a lesion: pseudonym, class, every model's probability at the training prevalence (empty where there is none), and
    what rules and baselines say."""
    names = [f"probability_{model}" for model in MODELS]
    more = [*(f"baseline_{key}" for key in given.baselines), *(f"rule_{key}" for key in given.rules)]
    header = ("lesion_id", "malignant", "histology", *names, *more)
    scores = [*(given.log_odds[m] for m in MODELS), *given.baselines.values()]
    rows = []
    for n, lesion in enumerate(given.lesion_id):
        probabilities = [None if np.isnan(s[n]) else f"{expit(s[n]):.6f}" for s in scores]
        called = [None if np.isnan(r.called[n]) else int(r.called[n]) for r in given.rules.values()]
        rows.append((lesion, int(given.malignant[n]), given.histology[n], *probabilities, *called))
    return _csv(header, rows)


def _csv(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return out.getvalue()

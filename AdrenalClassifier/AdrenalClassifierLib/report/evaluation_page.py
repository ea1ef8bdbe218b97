"""The HTML page of an evaluation: one self-contained file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from AdrenalClassifierLib.cohort.labels import histologies
from AdrenalClassifierLib.evaluation.comparisons import FAMILIES
from AdrenalClassifierLib.evaluation.evaluate import UNDECIDED, Evaluation
from AdrenalClassifierLib.files import write_text
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.report import evaluation_figures as figures
from AdrenalClassifierLib.report import evaluation_tables as tables
from AdrenalClassifierLib.version import __version__

_STYLE = "".join((Path(__file__).parent / name).read_text(encoding="utf-8") for name in ("page.css", "evaluation_page.css"))


def write_evaluation_page(path: Path, found: Evaluation) -> None:
    """Write the page, whole or not at all. Raises OutputError."""
    write_text(path, evaluation_page(found))


def evaluation_page(found: Evaluation) -> str:
    """The page as text. It names no patient and no lesion."""
    name = escape(f"{found.model.get('name', 'model')} {found.model.get('version', '')}".strip())
    parts = [
        _head(found),
        _section("Summary", tables.models_table(found.models), _summary_note(found)),
        _section("Discrimination, decision and calibration", _curves(found)),
        _section("Probabilities", tables.probabilities_table(found.models, found.baselines), PROBABILITIES_NOTE),
        _section("At both thresholds", tables.thresholds_table(found.models), THRESHOLDS_NOTE),
        _section("The four models against each other", *_comparisons(found)),
        _section("Against a simple regression", *_baselines(found)),
        _section("Against rules", *_rules(found)),
        _section("Subgroups, combined model", tables.forest(found.subgroups, found.models["combined"]), _subgroups_note(found)),
        _section("How far from the ceiling", *_ceiling(found)),
        _section("Conformal sets", *_conformal(found)),
        _section("The published abstract", *_published(found)),
        _section("Who was judged", _cohort(found)),
        f"<p class=statement>{escape(str(found.model['statement']))}</p>",
        _footer(found),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Evaluation of {name}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Evaluation of {name}</h1>\n<article>{''.join(parts)}</article>\n</main></body></html>\n"
    )


PROBABILITIES_NOTE = (
    "Ideal: slope 1, intercept 0, calibration in the large 0 (above 0: the probabilities are too low on average). Scaled "
    "Brier: 1 is perfect, 0 is no better than the share of malignant lesions. Average precision depends on that share."
)
THRESHOLDS_NOTE = (
    "Both thresholds were fixed on training data. Predictive values at 8 % (about incidentalomas) and 26 % (about lesions "
    "that are operated on) follow from sensitivity and specificity by Bayes' rule, as if these did not change with the "
    "selection of patients; intervals: logit method of Mercaldo 2007."
)


def _section(title: str, *content: str) -> str:
    shown = [part if part.startswith("<") else f"<p class=note>{_prose(part)}</p>" for part in content if part]
    return f"<section><h3>{escape(title)}</h3>{''.join(shown)}</section>" if shown else ""


def _prose(text: str) -> str:
    """Escaped text whose percentages do not break before their sign."""
    return escape(text).replace(" %", "&nbsp;%")


def _head(found: Evaluation) -> str:
    cohort = found.cohort
    kind = "Synthetic cohort" if cohort["synthetic"] else "Cohort"
    counts = (
        f"{kind}: {cohort['lesions']} lesions of {cohort['patients']} patients, {cohort['malignant']} malignant and "
        f"{cohort['benign']} benign ({100 * cohort['prevalence']:.1f} % malignant; the model was trained at "
        f"{100 * found.model['training_prevalence']:.1f} %)"
    )
    combined = found.models["combined"]["auc"]
    value = "AUC not defined" if combined["value"] is None else f"AUC {combined['value']:.3f}"
    if combined["low"] is None:
        interval = f"No interval: {combined.get('reason', 'not known')}"
    else:
        interval = f"95 % interval {combined['low']:.3f} to {combined['high']:.3f} ({combined['method']})"
    remarks = "".join(f"<li>{_prose(text)}</li>" for text in found.remarks)
    notes = f"<section class=warnings><h3>Please note</h3><ul>{remarks}</ul></section>" if remarks else ""
    return (
        f"<div class=result><p class=label>Combined model</p><p class=big>{value}</p><p>{escape(interval)}</p>"
        f"<p>{_prose(counts)}</p><p class=statement>{escape(str(found.model['statement']))}</p></div>{notes}"
    )


def _summary_note(found: Evaluation) -> str:
    missing = {m: found.models[m]["missing"]["lesions"] for m in MODELS if found.models[m]["missing"]["lesions"]}
    left = "".join(f" {figures.SHORT[m]}: {n} lesions without a probability are left out." for m, n in missing.items())
    return (
        "Values with 95 % intervals: AUC DeLong on the logit scale, proportions Wilson. Sensitivity to NPV at the threshold "
        f"'balanced', fixed on training data; PPV and NPV at the share of malignant lesions in this cohort.{left}"
    )


def _curves(found: Evaluation) -> str:
    curves, rules = found.curves, found.rules
    roc_note = "ROC with the 95 % band of the combined model (patient-clustered stratified bootstrap, pointwise)."
    panels = [
        _figure(figures.roc_figure(curves, found.models, rules), roc_note, "ROC curves", curves["roc"]),
        _figure(
            figures.precision_recall_figure(curves),
            "Precision over recall with the 95 % band of the combined model; precision depends on the share of malignant "
            "lesions.",
            "Precision-recall curves",
            curves["precision_recall"],
        ),
        _figure(
            figures.decision_figure(curves),
            "Decision curve of the four models. Net benefit: malignant lesions operated on, less benign ones weighed by the "
            "odds of the threshold, a lesion; 95 % band of the combined model (patient-clustered bootstrap).",
            "Decision curves of the models",
            {"": curves["decision"]},
        ),
        _figure(
            figures.decision_figure(curves, rules) if rules else None,
            "Decision curve of the combined model and of the rules, whose calls are the same at every threshold.",
            "Decision curves of the combined model and the rules",
        ),
    ]
    calibration = "".join(
        _figure(figures.calibration_figure(curves, m), "", f"Calibration of the model {figures.SHORT[m]}", curves["calibration"])
        for m in MODELS
    )
    note = (
        "Calibration: smooth curve with a pointwise 95 % bootstrap band, and groups of equal size with Wilson intervals. With "
        "few lesions at high probabilities the curve is uncertain there, as the band shows."
    )
    return f"<div class=plots>{''.join(panels)}</div><div class=plots>{calibration}</div><p class=note>{note}</p>"


def _figure(svg: str | None, caption: str, label: str, curves: dict[str, Any] | None = None) -> str:
    if svg is None:
        reasons = {str(c["reason"]) for c in (curves or {}).values() if c.get("reason")}
        return f"<p class=absent>{escape(label)}: none ({escape(', '.join(sorted(reasons)))}).</p>" if reasons else ""
    text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    named = svg.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
    return f"<figure class=plot>{named}{text}</figure>"


def _comparisons(found: Evaluation) -> Iterable[str]:
    yield tables.comparisons_table(found.comparisons["models"])
    yield (
        f"Marked: the pre-specified contrasts ({FAMILIES['auc_primary']}); the others support them. AUC: paired DeLong; "
        "accuracy: exact McNemar at the threshold 'balanced', interval by patient-clustered bootstrap; Brier score: "
        "patient-clustered bootstrap, below 0 is better. Holm: adjusted within each family (AUC of the marked three, AUC of "
        "the other three, accuracy of all six)."
    )


def _baselines(found: Evaluation) -> Iterable[str]:
    if found.comparisons["baselines"]:
        yield tables.baselines_table(found.comparisons["baselines"])
        yield (
            "Fitted on the training data of the model. AUC: paired DeLong, adjusted (Holm) within this table; Brier score: "
            "patient-clustered bootstrap."
        )


def _rules(found: Evaluation) -> Iterable[str]:
    if not found.rules:
        yield "No rule was applied."
        return
    yield tables.rules_table(found.rules)
    yield UNDECIDED + " Wilson intervals."
    yield tables.against_rules_table([i for i in found.comparisons["rules"] if i["model"] == "combined"], found.rules)
    yield (
        "A rule is one point and has no AUC: the ROC curve of the combined model is read above and beside that point, with "
        "the cut-off chosen on these very lesions (anew in each resample; patient-clustered stratified bootstrap). Accuracy: "
        "exact McNemar at the model's fixed threshold, adjusted (Holm) over all models and rules; above 0 speaks for the "
        "model. Net benefit where one would operate from 20 %."
    )
    items = "".join(f"<li><b>{escape(r['label'])}.</b> {escape(r['about'])}</li>" for r in found.rules.values())
    yield f"<details><summary>What the rules are</summary><ul>{items}</ul></details>"


def _subgroups_note(found: Evaluation) -> str:
    return (
        "Dot and 95 % interval on a scale of 0 to 1 (AUC: DeLong; sensitivity and specificity: Wilson, at the threshold "
        "'balanced'); red line: all lesions. A histology has one class and therefore one kind of error. Subgroups are small "
        "and were not tested against each other; that they differ by chance is to be expected."
    )


def _ceiling(found: Evaluation) -> Iterable[str]:
    if found.ceiling is not None:
        yield tables.ceiling_table(found.ceiling, found.models)
        yield str(found.ceiling["about"]) + " Share: ratio of the AUCs, patient-clustered stratified bootstrap."
    elif found.cohort["synthetic"]:
        yield "No ceiling: the table of the truth does not stand beside the cohort."


def _conformal(found: Evaluation) -> Iterable[str]:
    if found.conformal is not None:
        yield tables.conformal_table(found.conformal)
        yield (
            f"Sets aim at {100 * found.conformal['level']:.0f} % coverage of each class. Coverage: share of lesions whose set "
            "holds their class. Wilson."
        )


def _published(found: Evaluation) -> Iterable[str]:
    yield tables.published_table(found.published, found.models)
    yield f"<p><b>{escape(str(found.published['comparison']))}</b></p>"
    yield f"{found.published['note']} Source: {found.published['citation']}."


def _cohort(found: Evaluation) -> str:
    total = found.cohort["lesions"]
    rows = [
        [escape(histologies().get(name, name.replace("_", " "))), f"{n}", f"{100 * n / total:.1f}&nbsp;%"]
        for name, n in found.cohort["histology"].items()
    ]
    return tables.table(["Histology", "Lesions", "Share"], rows)


def _footer(found: Evaluation) -> str:
    settings = found.settings
    weights = str(found.model.get("weights_sha256", ""))[:12]
    which = f", weights {escape(weights)}" if weights else ""
    return (
        f"<footer>Software {escape(__version__)}{which}, {settings['bootstrap']} bootstrap resamples, seed {settings['seed']}. "
        "All figures: metrics.json and metrics.csv; one row a lesion: predictions.csv.</footer>"
    )

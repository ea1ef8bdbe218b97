"""The HTML page of a case: one self-contained file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.files import write_text
from AdrenalClassifierLib.guidelines.verdict import Verdict
from AdrenalClassifierLib.imaging.lesion import Lesion
from AdrenalClassifierLib.model.fusion import MODELS
from AdrenalClassifierLib.report.contributions import Bar, contributions
from AdrenalClassifierLib.report.pictures import Picture, lesion_pictures, saliency_scale
from AdrenalClassifierLib.report.sentences import (
    HOW_TO_SHOW,
    SET_LABELS,
    WHAT_IF_NOTE,
    absence,
    conformal_note,
    conformal_sentence,
    prevalence_sentence,
    remarks,
    saliency_sentences,
    what_if_sentences,
)
from AdrenalClassifierLib.report.wording import (
    MODEL_LABELS,
    QUESTION_LABELS,
    by_guideline,
    input_label,
    measurement_rows,
    percent,
    published,
)

_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def write_page(path: Path, cases: Sequence[tuple[Assessment, Lesion]]) -> None:
    """Write the page of one case, a section for each lesion, whole or not at all. Raises OutputError."""
    write_text(path, page(cases))


def page(cases: Sequence[tuple[Assessment, Lesion]]) -> str:
    """The page as text. It names no patient: only what the assessments hold."""
    body = "\n".join(_lesion(assessment, lesion, len(cases) > 1) for assessment, lesion in cases)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Adrenal lesion assessment</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>Adrenal lesion assessment</h1>\n{body}\n</main></body></html>\n"
    )


def _lesion(assessment: Assessment, lesion: Lesion, several: bool) -> str:
    side = "" if assessment.side == "unknown" else f"{assessment.side} side"
    title = f"<h2>{escape(assessment.lesion_id)} <small>{side}</small></h2>" if several else ""
    parts = [
        title,
        _result(assessment, side),
        _pictures(lesion_pictures(lesion), assessment.measurements.phase),
        _saliency(assessment, lesion),
        _warnings(assessment),
        '<div class="columns"><div>',
        _section("Four models", _models(assessment)),
        _section("Why this probability", _contributions(assessment)),
        "</div>",
        _section("Measurements", _table(measurement_rows(assessment.measurements))),
        "</div>",
        _section("What guidelines say", _guidelines(assessment)),
        _section("What a missing value could change", _what_if(assessment)),
        _section("Not given", _missing(assessment)),
        _provenance(assessment),
    ]
    return f"<article>{''.join(parts)}</article>"


def _section(title: str, content: str) -> str:
    return f"<section><h3>{escape(title)}</h3>{content}</section>" if content else ""


def _table(rows: Iterable[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th scope=row>{escape(a)}</th><td>{escape(b)}</td></tr>" for a, b in rows)
    return f"<table><tbody>{cells}</tbody></table>"


def _result(assessment: Assessment, side: str) -> str:
    result = assessment.result
    where = f" <span class=side>{side}</span>" if side else ""
    if result is None or result.probability is None or result.interval is None or assessment.shown is None:
        return _no_probability(assessment, where)
    low, high = result.interval
    found, prior = assessment.conformal_set, assessment.prior
    return (
        f'<div class="result{" outside" if assessment.outside else ""}">{_outside(assessment)}'
        f"<p class=label>Probability of malignancy{where}</p>"
        f"<p class=big>{_percent(result.probability)}</p>"
        f"<p>95 % interval {_percent(low)} to {_percent(high)} &middot; model: {MODEL_LABELS[assessment.shown]}</p>"
        f'<div class=scale><i class=range style="left:{100 * low:.1f}%;width:{100 * max(high - low, 0.004):.1f}%"></i>'
        f'<i class=mark style="left:{100 * result.probability:.1f}%"></i></div>'
        "<div class=ticks><span>0 %</span><span>50 %</span><span>100 %</span></div>"
        f"{'' if prior is None else f'<p>{escape(prevalence_sentence(prior))}</p>'}"
        f"{'' if found is None else f'<p>{escape(conformal_sentence(found))}</p>'}"
        f"<p class=statement>{escape(assessment.statement or '')}</p></div>"
    )


def _no_probability(assessment: Assessment, where: str) -> str:
    if assessment.outside and assessment.statement is not None:
        reason = f"{_outside(assessment)}<p class=note>{escape(HOW_TO_SHOW)}</p>"
    else:
        reason = f"<p>{escape(assessment.models['image'].reason or '')}</p>"
    statement = assessment.statement or "For research use only. Not a medical device."
    return (
        f'<div class="result none"><p class=big>No probability{where}</p>{reason}<p class=statement>{escape(statement)}</p></div>'
    )


def _outside(assessment: Assessment) -> str:
    """The reasons why a lesion is outside the validated range."""
    reasons = [finding.text for finding in assessment.validity if finding.severity == "outside"]
    if not reasons:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in reasons)
    return f"<div class=beyond><b>Outside the validated range</b><ul>{items}</ul></div>"


def _percent(probability: float) -> str:
    """A percentage as HTML that does not break at its space."""
    return escape(percent(probability)).replace(" ", "&nbsp;")


def _pictures(pictures: Sequence[Picture], phase: str) -> str:
    shown = "" if phase == "unknown" else f", {phase} phase"
    figures = "".join(
        f'<figure><img alt="{escape(p.caption)}" src="{p.data_uri}"><figcaption>{escape(p.caption + shown)}</figcaption></figure>'
        for p in pictures
    )
    return f"<div class=pictures>{figures}</div>"


def _saliency(assessment: Assessment, lesion: Lesion) -> str:
    found = assessment.saliency
    if found is None:
        return ""
    scale = saliency_scale(found, lesion)
    limit = f"{scale:.2g}"
    return (
        "<section><h3>What the network used in the image</h3>"
        f"{_pictures(lesion_pictures(lesion, saliency=found), assessment.measurements.phase)}"
        f"<div class=legend><span>&minus;{limit}, against malignancy</span><i></i><span>+{limit}, for malignancy</span>"
        "<span class=unit>log-odds per mL</span></div>"
        f"<p class=note>{escape(saliency_sentences(found))}</p></section>"
    )


def _models(assessment: Assessment) -> str:
    rows = []
    for name in MODELS:
        result = assessment.models[name]
        if result.probability is None or result.interval is None:
            # Without a model all four lack it for the reason given above.
            text, cls = "not computed" if assessment.statement is None else escape(absence(result.reason)), "absent"
        else:
            low, high = result.interval
            own = assessment.conformal.get(name)
            names = "" if own is None else f"<small>{SET_LABELS[own.name]}</small>"
            text, cls = f"<b>{_percent(result.probability)}</b> ({_percent(low)} to {_percent(high)}){names}", ""
        mark = " class=shown" if name == assessment.shown else ""
        rows.append(f"<tr{mark}><th scope=row>{MODEL_LABELS[name]}</th><td class='{cls}'>{text}</td></tr>")
    note, found = "", assessment.conformal_set
    if found is not None:
        note = "Probability (95 % interval), and what the conformal set holds. The marked row is shown above. "
        note = f"<p class=note>{note}{escape(conformal_note(found))}</p>"
    elif assessment.shown is not None:
        note = "<p class=note>Probability (95 % interval). The marked row is shown above.</p>"
    return f"<table class=models><tbody>{''.join(rows)}</tbody></table>{note}"


def _contributions(assessment: Assessment) -> str:
    found = contributions(assessment)
    if found is None:
        return ""
    rows = "".join(_bar(bar, found.widest) for bar in found.bars)
    return f"<table class=bars><tbody>{rows}</tbody></table><p class=note>{found.note}</p>"


def _bar(bar: Bar, widest: float) -> str:
    width = 50 * abs(bar.log_odds) / widest
    side = f"left:50%;width:{width:.1f}%" if bar.log_odds >= 0 else f"left:{50 - width:.1f}%;width:{width:.1f}%"
    cls = "for" if bar.log_odds >= 0 else "against"
    return (
        f"<tr><th scope=row>{escape(bar.label)}<small>{escape(bar.value)}</small></th>"
        f'<td class=track><i class={cls} style="{side}"></i></td><td class=figure>{bar.figure}</td></tr>'
    )


def _guidelines(assessment: Assessment) -> str:
    blocks = []
    for guideline, verdicts in by_guideline(assessment.guidelines).items():
        rows = "".join(
            f"<tr><th scope=row>{escape(QUESTION_LABELS.get(v.question, v.question))}</th>"
            f"<td class='{'' if v.decided else 'open'}'>{escape(v.text)}{_lacking(v)}{_published(v)}</td></tr>"
            for v in verdicts
        )
        blocks.append(
            f"<div class=verdict><h4>{escape(guideline)}</h4><table><tbody>{rows}</tbody></table>"
            f"<p class=note>{escape(verdicts[0].citation)}</p></div>"
        )
    return "".join(blocks)


def _lacking(verdict: Verdict) -> str:
    return f"<p>To decide, give: {escape(', '.join(verdict.missing_labels))}.</p>" if verdict.missing else ""


def _published(verdict: Verdict) -> str:
    items = [published(p) for p in verdict.performance] + [f"Not verified in a source: {text}" for text in verdict.unsourced]
    if not items:
        return ""
    return (
        f"<details><summary>Published performance</summary><ul>{''.join(f'<li>{escape(i)}</li>' for i in items)}</ul></details>"
    )


def _warnings(assessment: Assessment) -> str:
    texts = remarks(assessment)
    if not texts:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<section class=warnings><h3>Please note</h3><ul>{items}</ul></section>"


def _what_if(assessment: Assessment) -> str:
    texts = what_if_sentences(assessment)
    if not texts:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f"<ul class=plain>{items}</ul><p class=note>{escape(WHAT_IF_NOTE)}</p>"


def _missing(assessment: Assessment) -> str:
    if not assessment.missing:
        return ""
    return f"<p>{escape(', '.join(input_label(key) for key in assessment.missing))}.</p>"


def _provenance(assessment: Assessment) -> str:
    p = assessment.provenance
    weights = str(p.weights_sha256)[:12]
    model = "no model" if p.model_name is None else f"model {p.model_name} {p.model_version} (weights {weights})"
    device = "" if p.device is None else f" on {p.device}"
    return (
        f"<footer>Software {escape(p.software_version)}, {escape(model)}{escape(device)}, input {p.input_sha256[:12]}, "
        f"{escape(p.created)}</footer>"
    )

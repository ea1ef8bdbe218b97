"""The thresholds of EURINE-ACT: diameter, attenuation, then urine steroid metabolomics where it was done.

Bancos et al., Lancet Diabetes Endocrinol 2020;8:773-781. Numbers, texts and performance: ``eurine_act.json``.
"""

from __future__ import annotations

from AdrenalClassifierLib.guidelines.logic import decide, options, verdict
from AdrenalClassifierLib.guidelines.verdict import GuidelineInputs, Verdict, load_guideline


def triple_test(large: bool, dense: bool, metabolomics: str | None) -> str:
    """The triple test on complete values; ``metabolomics`` is low, moderate, high, or None when it was not done."""
    if large and dense:
        return f"positive_usm_{metabolomics}" if metabolomics else "positive"
    return "size_only" if large else "imaging_only" if dense else "negative"


def eurine_act_verdicts(inputs: GuidelineInputs) -> tuple[Verdict, ...]:
    """The verdict by the thresholds of EURINE-ACT."""
    guideline = load_guideline("eurine_act")
    axis, hu = inputs.long_axis_mm, inputs.spontaneous_hu
    decision = decide(
        triple_test,
        large=options(None if axis is None else axis >= guideline.thresholds["large_mm"]),
        dense=options(None if hu is None else hu > guideline.thresholds["positive_hu"]),
        metabolomics=(inputs.patient.choice("urine_steroid_metabolomics"),),
    )
    used = ("long_axis_mm", "spontaneous_hu", "urine_steroid_metabolomics")
    needed = {"large": ("long_axis_mm",), "dense": ("spontaneous_hu",)}
    missing = ("urine_steroid_metabolomics",) if decision.outcomes == ("positive",) else ()
    return (verdict(guideline, "triple_test", decision, inputs, used, needed, also_missing=missing),)

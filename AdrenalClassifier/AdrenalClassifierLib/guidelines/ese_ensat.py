"""ESE/ENSAT 2023: imaging, growth, age and pregnancy, multidisciplinary meeting, cortisol, hormone excess, metanephrines.

Fassnacht et al., Eur J Endocrinol 2023;189:G1-G42, doi 10.1093/ejendo/lvad066. Numbers and texts: ``ese_ensat_2023.json``.
"""

from __future__ import annotations

from AdrenalClassifierLib.guidelines.hormones import PLASMA, URINE, HormoneExcess, hormone_excess
from AdrenalClassifierLib.guidelines.logic import Options, cell, decide, options, verdict
from AdrenalClassifierLib.guidelines.verdict import Guideline, GuidelineInputs, Verdict, load_guideline
from AdrenalClassifierLib.patient.catalogue import load_catalogue
from AdrenalClassifierLib.patient.quantity import Quantity, all_true, any_true, is_above, is_below

NEEDED = {
    "homogeneous": ("homogeneous",),
    "hu": ("spontaneous_hu",),
    "large": ("long_axis_mm",),
    "young": ("age",),
    "pregnant": ("pregnancy",),
    "signs": ("cushing_signs",),
    "unsuppressed": ("cortisol_dst",),
}


def ese_ensat_verdicts(inputs: GuidelineInputs) -> tuple[Verdict, ...]:
    """All verdicts of ESE/ENSAT 2023, one a question."""
    guideline = load_guideline("ese_ensat_2023")
    hu_cells = _hu(guideline, inputs)
    lipid_rich = all_true(inputs.homogeneous, None if len(hu_cells) > 1 else hu_cells == ("benign",))
    hormones = hormone_excess(inputs.patient, lipid_rich)
    grown, growth_missing = _growth(guideline, inputs)
    return (
        _imaging(guideline, inputs, hu_cells, hormones),
        _growth_verdict(guideline, inputs, grown, growth_missing),
        _young_or_pregnant(guideline, inputs, lipid_rich),
        _meeting(guideline, inputs, lipid_rich, hormones, grown, growth_missing),
        _cortisol(guideline, inputs),
        _hormones(guideline, inputs, hormones),
        _metanephrines(guideline, inputs, lipid_rich),
    )


def _hu(guideline: Guideline, inputs: GuidelineInputs) -> Options:
    benign, intermediate = guideline.thresholds["benign_hu"], guideline.thresholds["intermediate_hu"]
    return cell(
        inputs.spontaneous_hu,
        {
            "benign": lambda hu: hu <= benign,
            "intermediate": lambda hu: benign < hu <= intermediate,
            "high": lambda hu: hu > intermediate,
        },
    )


def growth_rule(grown: str) -> str:
    """Rule 5; ``grown`` is none (no earlier imaging), no or yes."""
    return {"none": "no_prior_imaging", "no": "no_relevant_growth", "yes": "reconsider_surgery"}[grown]


def threshold_rule(benign: bool, young: bool, pregnant: bool) -> str:
    """Rule 6: age below 40 or pregnancy, with a mass that is not benign by imaging."""
    return "lower_threshold" if not benign and (young or pregnant) else "usual_threshold"


def meeting_rule(benign: bool, excess: bool, grown: str) -> str:
    """Rule 7: imaging not benign, hormone excess, or growth (that surgery is considered is no input)."""
    return "mdt" if not benign or excess or grown == "yes" else "mdt_not_required"


def cortisol_rule(signs: bool, unsuppressed: bool) -> str:
    """Overt signs, or cortisol above the limit after dexamethasone without them."""
    return "overt_cortisol_excess" if signs else "macs" if unsuppressed else "no_autonomous_cortisol"


def hormone_rule(excess: bool) -> str:
    """Whether any hormone is in excess."""
    return "hormone_excess" if excess else "no_hormone_excess"


def metanephrine_rule(benign: bool) -> str:
    """Whether metanephrines are needed."""
    return "metanephrines_unnecessary" if benign else "metanephrines_needed"


def imaging_rule(homogeneous: bool, hu: str, large: bool, excess: bool) -> str:
    """Rules 1-4 of the imaging question on complete values; ``hu`` is benign, intermediate or high."""
    if homogeneous and hu == "benign":
        return "benign"
    if large and (not homogeneous or hu == "high"):
        return "surgery_usual"
    if homogeneous and hu == "intermediate" and not large and not excess:
        return "additional_imaging"
    return "individualise"


def _imaging(guideline: Guideline, inputs: GuidelineInputs, hu_cells: Options, hormones: HormoneExcess) -> Verdict:
    axis = inputs.long_axis_mm
    decision = decide(
        imaging_rule,
        homogeneous=options(inputs.homogeneous),
        hu=hu_cells,
        large=options(None if axis is None else axis >= guideline.thresholds["large_mm"]),
        excess=options(hormones.excess),
    )
    # Hormones are shown only where the rule looks at them: in a homogeneous small lesion of 10 to 20 HU.
    concerned = "additional_imaging" in decision.outcomes or (
        decision.outcomes == ("individualise",) and inputs.homogeneous and hu_cells == ("intermediate",)
    )
    used = ["long_axis_mm", "spontaneous_hu", "homogeneous", *(hormones.used if concerned else ())]
    detail = ""
    if inputs.macroscopic_fat and decision.outcomes != ("benign",):
        used.append("macroscopic_fat")
        detail = "; macroscopic fat was found, a benign sign that this rule does not consider"
    unsourced = hormones.unsourced if concerned else ()
    needed = {**NEEDED, "excess": hormones.missing}
    return verdict(guideline, "imaging", decision, inputs, used, needed, detail, also_unsourced=unsourced)


def _imaging_missing(inputs: GuidelineInputs) -> tuple[str, ...]:
    return tuple(name for name in ("homogeneous", "spontaneous_hu") if getattr(inputs, name) is None)


def _growth(guideline: Guideline, inputs: GuidelineInputs) -> tuple[Options, tuple[str, ...]]:
    """Options of growth ("none" without earlier imaging, "no", "yes") and what would decide."""
    patient = inputs.patient
    prior, rate = patient.choice("prior_imaging"), patient.quantity("growth_rate")
    by_rate = None if rate is None else _relevant(guideline, inputs.long_axis_mm, rate)
    axis, least = inputs.long_axis_mm, guideline.thresholds["growth_mm"]
    as_new = None if axis is None else axis >= least
    if prior == "new":
        grown = as_new if rate is None else any_true(as_new, by_rate)
        missing: tuple[str, ...] = ("long_axis_mm",)
    elif rate is not None:
        grown = by_rate
        missing = (*(("long_axis_mm",) if axis is None else ()), *(("growth_rate",) if rate.comparator != "=" else ()))
    elif prior == "none":
        return ("none",), ()
    elif prior == "stable":
        grown, missing = False, ()
    elif prior == "growing":
        grown, missing = None, ("growth_rate", *(("long_axis_mm",) if axis is None else ()))
    else:
        return ("none", "no", "yes"), ("prior_imaging", "growth_rate")
    return ("no", "yes") if grown is None else (("yes",) if grown else ("no",)), missing if grown is None else ()


def _relevant(guideline: Guideline, axis: float | None, rate: Quantity) -> bool | None:
    """Whether a year's growth is above 20 % of the diameter a year before, and at least 5 mm."""
    enough = is_below(rate, guideline.thresholds["growth_mm"])
    at_least = None if enough is None else not enough
    if axis is None:
        return False if at_least is False else None
    # rate > share * (axis - rate), solved for the rate
    share = guideline.thresholds["growth_share"]
    return all_true(at_least, is_above(rate, share * axis / (1 + share)))


def _growth_verdict(guideline: Guideline, inputs: GuidelineInputs, grown: Options, missing: tuple[str, ...]) -> Verdict:
    decision = decide(growth_rule, grown=grown)
    return verdict(guideline, "growth", decision, inputs, ("prior_imaging", "growth_rate", "long_axis_mm"), {"grown": missing})


def _young_or_pregnant(guideline: Guideline, inputs: GuidelineInputs, lipid_rich: bool | None) -> Verdict:
    patient = inputs.patient
    age, pregnant = patient.quantity("age"), patient.flag("pregnancy")
    old = is_below(age, guideline.thresholds["no_pregnancy_years"]) is False
    if pregnant is None and (old or patient.choice("sex") == "male"):
        pregnant = False
    missing = _imaging_missing(inputs)
    decision = decide(
        threshold_rule,
        benign=options(lipid_rich),
        young=options(is_below(age, guideline.thresholds["young_years"])),
        pregnant=options(pregnant),
    )
    used = ("age", "sex", "pregnancy", "homogeneous", "spontaneous_hu")
    return verdict(guideline, "young_or_pregnant", decision, inputs, used, {**NEEDED, "benign": missing})


def _meeting(
    guideline: Guideline,
    inputs: GuidelineInputs,
    lipid_rich: bool | None,
    hormones: HormoneExcess,
    grown: Options,
    growth_missing: tuple[str, ...],
) -> Verdict:
    decision = decide(
        meeting_rule,
        benign=options(lipid_rich),
        excess=options(hormones.excess),
        grown=grown,
    )
    reasons = [
        *(["not benign by imaging"] if lipid_rich is False else []),
        *(["hormone excess"] if hormones.excess else []),
        *(["growth"] if grown == ("yes",) else []),
    ]
    missing = _imaging_missing(inputs)
    used = ("homogeneous", "spontaneous_hu", "prior_imaging", "growth_rate", *hormones.used)
    needed = {"benign": missing, "excess": hormones.missing, "grown": growth_missing}
    return verdict(
        guideline,
        "multidisciplinary_meeting",
        decision,
        inputs,
        used,
        needed,
        ", ".join(reasons),
        also_unsourced=hormones.unsourced,
    )


def _cortisol(guideline: Guideline, inputs: GuidelineInputs) -> Verdict:
    limit = load_catalogue().variables["cortisol_dst"].decision_limit("autonomous_cortisol").value
    decision = decide(
        cortisol_rule,
        signs=options(inputs.patient.flag("cushing_signs")),
        unsuppressed=options(is_above(inputs.patient.quantity("cortisol_dst"), limit)),
    )
    return verdict(guideline, "cortisol", decision, inputs, ("cortisol_dst", "cushing_signs"), NEEDED)


def _hormones(guideline: Guideline, inputs: GuidelineInputs, hormones: HormoneExcess) -> Verdict:
    decision = decide(hormone_rule, excess=options(hormones.excess))
    detail = "; ".join(hormones.reasons)
    needed = {"excess": hormones.missing}
    return verdict(
        guideline, "hormone_excess", decision, inputs, hormones.used, needed, detail, also_unsourced=hormones.unsourced
    )


def _metanephrines(guideline: Guideline, inputs: GuidelineInputs, lipid_rich: bool | None) -> Verdict:
    missing = _imaging_missing(inputs)
    decision = decide(metanephrine_rule, benign=options(lipid_rich))
    measured = hormone_excess(inputs.patient, lipid_rich=False).findings[1]
    state = {True: "they are raised", False: "they are not raised", None: "no complete result is given"}[measured.excess]
    used = ("homogeneous", "spontaneous_hu", *PLASMA, *URINE)
    return verdict(guideline, "metanephrines", decision, inputs, used, {"benign": missing}, state)

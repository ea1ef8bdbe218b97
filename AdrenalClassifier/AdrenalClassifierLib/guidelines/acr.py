"""ACR white paper 2017 on incidental adrenal masses, after its summary at Radiopaedia.

Mayo-Smith et al., J Am Coll Radiol 2017;14:1038. Numbers, texts and what is unsourced: ``acr_2017.json``. Its own limits are
kept: below 10 HU is benign, not at 10 HU as in ESE/ENSAT; 1-4 cm includes 4.0 cm.
"""

from __future__ import annotations

from AdrenalClassifierLib.guidelines.hormones import hormone_excess
from AdrenalClassifierLib.guidelines.logic import Options, cell, decide, options, verdict
from AdrenalClassifierLib.guidelines.verdict import Guideline, GuidelineInputs, Verdict, load_guideline
from AdrenalClassifierLib.patient.quantity import any_true, is_below

PRIOR: Options = ("none", "stable", "growing", "new")
SIGNS = ("cushing_signs", "sex_steroid_signs")
"""The scope is lesions without symptoms of adrenal disease; these are the signs of hormone excess."""


def acr_rule(
    incidental: bool,
    adult: bool,
    symptoms: bool,
    size: str,
    hu: str,
    fat: bool,
    prior: str,
    cancer: bool,
    function: bool,
    washout: str,
) -> str:
    """The algorithm on complete values.

    ``size`` is tiny (< 1 cm), small (1 to < 2), medium (2 to 4) or large (> 4 cm); ``hu`` is below, at or above 10 HU;
    ``washout`` is benign, not_benign, or not_done when there was no adrenal CT.
    """
    if not adult:
        return "out_of_scope_adult"
    if not incidental:
        return "out_of_scope_incidental"
    if symptoms:
        return "out_of_scope_symptoms"
    if size == "tiny":
        return "no_work_up"
    if fat or hu == "below":
        return "benign_no_follow_up"
    if size == "large":
        return "large_pet_ct_or_biopsy" if cancer else "consider_resection"
    if prior == "stable":
        return "functioning" if function else "no_follow_up"
    if prior in ("growing", "new"):
        return "biopsy_or_pet_ct" if cancer else "adrenal_ct_or_resection"
    if not cancer and size == "small":
        return "probably_benign"
    if hu == "at" or washout == "benign":
        return "benign_by_adrenal_ct"
    if washout == "not_benign":
        return "pet_ct_or_biopsy" if cancer else "indeterminate_after_adrenal_ct"
    return "adrenal_ct_first" if cancer else "adrenal_ct"


def acr_verdicts(inputs: GuidelineInputs) -> tuple[Verdict, ...]:
    """The verdict of ACR 2017."""
    guideline = load_guideline("acr_2017")
    limits, patient = guideline.thresholds, inputs.patient
    least, small, large, benign = (limits[n] for n in ("least_mm", "small_mm", "large_mm", "benign_hu"))
    mode, prior, cancer = patient.choice("discovery_mode"), patient.choice("prior_imaging"), patient.choice("prior_cancer")
    child = is_below(patient.quantity("age"), limits["adult_years"])
    hormones = hormone_excess(patient)
    washout = _washout(guideline, inputs)
    decision = decide(
        acr_rule,
        incidental=options(None if mode is None else mode == "incidental"),
        adult=options(None if child is None else not child),
        symptoms=options(any_true(*(patient.flag(sign) for sign in SIGNS))),
        size=cell(
            inputs.long_axis_mm,
            {
                "tiny": lambda d: d < least,
                "small": lambda d: least <= d < small,
                "medium": lambda d: small <= d <= large,
                "large": lambda d: d > large,
            },
        ),
        hu=cell(
            inputs.spontaneous_hu,
            {"below": lambda hu: hu < benign, "at": lambda hu: hu == benign, "above": lambda hu: hu > benign},
        ),
        fat=options(inputs.macroscopic_fat),
        prior=PRIOR if prior is None else (prior,),
        cancer=options(None if cancer is None else cancer != "none"),
        function=options(hormones.excess),
        washout=washout,
    )
    washouts = tuple(n for n in ("absolute_washout_percent", "relative_washout_percent") if getattr(inputs, n) is None)
    needed = {
        "incidental": ("discovery_mode",),
        "adult": ("age",),
        "symptoms": tuple(sign for sign in SIGNS if patient.flag(sign) is None),
        "size": ("long_axis_mm",),
        "hu": ("spontaneous_hu",),
        "fat": ("macroscopic_fat",),
        "prior": ("prior_imaging",),
        "cancer": ("prior_cancer",),
        "function": hormones.missing,
        "washout": washouts,
    }
    used = ["discovery_mode", "age", "long_axis_mm", "spontaneous_hu", "macroscopic_fat", "prior_imaging", "prior_cancer"]
    used += [*SIGNS, "absolute_washout_percent", "relative_washout_percent"]
    concerned = bool({"no_follow_up", "functioning"} & set(decision.outcomes))
    asks_for_ct = set(decision.outcomes) <= {"adrenal_ct", "adrenal_ct_first"}
    return (
        verdict(
            guideline,
            "imaging",
            decision,
            inputs,
            dict.fromkeys([*used, *(hormones.used if concerned else ())]),
            needed,
            also_missing=washouts if asks_for_ct else (),
            also_unsourced=hormones.unsourced if concerned else (),
        ),
    )


def _washout(guideline: Guideline, inputs: GuidelineInputs) -> Options:
    absolute, relative = inputs.absolute_washout_percent, inputs.relative_washout_percent
    if absolute is None and relative is None:
        return ("not_done",)
    fast = any_true(
        None if absolute is None else absolute >= guideline.thresholds["absolute_washout"],
        None if relative is None else relative >= guideline.thresholds["relative_washout"],
    )
    return ("benign", "not_benign") if fast is None else ("benign",) if fast else ("not_benign",)

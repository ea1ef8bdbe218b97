"""The published abstract's figures, to stand beside ours, and what can be said of them."""

from __future__ import annotations

from typing import Any

from scipy import stats

from AdrenalClassifierLib.evaluation.metrics import LEVEL, proportion

CITATION = "Huang et al., Eur J Radiol 2026;201:112907, doi 10.1016/j.ejrad.2026.112907 (abstract)"
RIGHT, LESIONS = 96, 114
"""84.2 % of the lesions of 113 test patients can only be 96 of 114 (no other fraction of 112 to 115 rounds to it): one patient
had two lesions."""
INTERVAL_NOTE = (
    "The abstract prints 84.2 % (79.9 to 88.6) and AUC 0.93 (0.899 to 0.979). 84.2 % is only possible as 96 of 114 lesions; "
    "their exact interval is given here. An interval as narrow as the printed one needs about 270 lesions, the size of the "
    "training part (an inference, not a proof). The printed AUC interval reaches further up than down, which is unusual for an "
    "AUC near 1; for 114 lesions about 0.87 to 0.97 is to be expected. So the printed intervals are no target for a test part of "
    "this size."
)
SYNTHETIC_NOTE = (
    "These lesions were simulated. Figures on a synthetic cohort cannot be compared with figures on patients: they show neither "
    "that this model is better than the published one nor that it is worse."
)
CLINICAL_NOTE = (
    "Another cohort, another selection of patients and another label policy give other figures with the same model; a difference "
    "from the published ones is no proof of a better or worse model."
)


def published(synthetic: bool) -> dict[str, Any]:
    """The published accuracy and AUC, exact intervals for the former, and how far they may be compared. Plain JSON."""
    exact = stats.binomtest(RIGHT, LESIONS).proportion_ci(LEVEL, method="exact")
    return {
        "citation": CITATION,
        "accuracy": {
            "value": 0.842,
            "right": RIGHT,
            "lesions": LESIONS,
            "exact": {
                "low": float(exact.low),
                "high": float(exact.high),
                "method": "Clopper-Pearson, from 96 of 114",
            },
            "wilson": proportion(RIGHT, LESIONS).to_json(),
        },
        "auc": {"value": 0.93},
        "note": INTERVAL_NOTE,
        "comparison": SYNTHETIC_NOTE if synthetic else CLINICAL_NOTE,
    }

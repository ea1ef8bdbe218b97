"""All guidelines on one lesion."""

from __future__ import annotations

from typing import Protocol

from AdrenalClassifierLib.guidelines.acr import acr_verdicts
from AdrenalClassifierLib.guidelines.ese_ensat import ese_ensat_verdicts
from AdrenalClassifierLib.guidelines.eurine_act import eurine_act_verdicts
from AdrenalClassifierLib.guidelines.verdict import GuidelineInputs, Performance, Verdict, load_guideline
from AdrenalClassifierLib.patient.record import PatientRecord

__all__ = ["GuidelineInputs", "Performance", "Verdict", "evaluate", "guideline_inputs", "macroscopic_fat"]


class Measured(Protocol):
    """The measurements of a lesion that the rules look at (``imaging.measurements.Measurements``)."""

    @property
    def long_axis_mm(self) -> float: ...
    @property
    def spontaneous_hu(self) -> float | None: ...
    @property
    def homogeneous(self) -> bool | None: ...
    @property
    def fat_fraction(self) -> float: ...
    @property
    def absolute_washout_percent(self) -> float | None: ...
    @property
    def relative_washout_percent(self) -> float | None: ...


def evaluate(inputs: GuidelineInputs) -> tuple[Verdict, ...]:
    """What every guideline says, in a stable order: ESE/ENSAT 2023 (one verdict a question), ACR 2017, EURINE-ACT."""
    return (*ese_ensat_verdicts(inputs), *acr_verdicts(inputs), *eurine_act_verdicts(inputs))


def guideline_inputs(measurements: Measured, patient: PatientRecord) -> GuidelineInputs:
    """The inputs of the rules from a lesion's measurements and the patient's values."""
    return GuidelineInputs(
        measurements.long_axis_mm,
        measurements.spontaneous_hu,
        measurements.homogeneous,
        macroscopic_fat(measurements.fat_fraction),
        measurements.absolute_washout_percent,
        measurements.relative_washout_percent,
        patient,
    )


def macroscopic_fat(fat_fraction: float | None) -> bool | None:
    """Macroscopic fat by the share of voxels below -30 HU: yes from one half on, no up to a tenth, else for the reader to say.

    Between the two it may be fat within other tissue or a very lipid-rich adenoma. Both limits are choices of this software
    (``acr_2017.json``).
    """
    limits = load_guideline("acr_2017").thresholds
    if fat_fraction is None or not 0 <= fat_fraction <= 1:
        return None
    if fat_fraction >= limits["macroscopic_fat_from"]:
        return True
    return False if fat_fraction <= limits["no_macroscopic_fat_to"] else None

"""Words and number formats of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from AdrenalClassifierLib.guidelines.verdict import Performance, Verdict
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.model.fusion import ModelName
from AdrenalClassifierLib.patient.catalogue import load_catalogue

RESEARCH_ONLY = "For research use only. Not a medical device."
"""Stands where no model was there to give its statement."""
MODEL_LABELS: Mapping[ModelName, str] = {
    "image": "Image",
    "image+radiological": "Image + radiological data",
    "image+clinical": "Image + history and laboratory",
    "combined": "Image + radiological data + history and laboratory",
}

# key of Measurements -> (label, unit, decimals); the order is that of the table
MEASUREMENT_LABELS: Mapping[str, tuple[str, str, int]] = {
    "long_axis_mm": ("Long axis (axial)", "mm", 1),
    "short_axis_mm": ("Short axis (axial)", "mm", 1),
    "max_3d_diameter_mm": ("Maximum 3D diameter", "mm", 1),
    "volume_ml": ("Volume", "mL", 1),
    "spontaneous_hu": ("Spontaneous attenuation (unenhanced)", "HU", 0),
    "mean_hu": ("Mean attenuation", "HU", 0),
    "core_mean_hu": ("Mean attenuation of the core", "HU", 0),
    "sd_hu": ("Standard deviation", "HU", 0),
    "median_hu": ("Median attenuation", "HU", 0),
    "p10_hu": ("10th percentile", "HU", 0),
    "p90_hu": ("90th percentile", "HU", 0),
    "fat_fraction": ("Fat (below \u221230 HU)", "%", 1),
    "fluid_fraction": ("Fluid (0 to 20 HU)", "%", 1),
    "calcium_fraction": ("Calcium (above 130 HU)", "%", 1),
    "absolute_washout_percent": ("Absolute washout", "%", 0),
    "relative_washout_percent": ("Relative washout", "%", 0),
}

QUESTION_LABELS: Mapping[str, str] = {
    "imaging": "Imaging",
    "growth": "Growth on earlier imaging",
    "young_or_pregnant": "Age and pregnancy",
    "multidisciplinary_meeting": "Multidisciplinary meeting",
    "cortisol": "Cortisol",
    "hormone_excess": "Hormone excess",
    "metanephrines": "Metanephrines",
    "triple_test": "Size and attenuation",
}

_EXTRA_INPUTS = {
    "image": "Image: network",
    "image_shape": "Image: shape",
    "image_margin": "Image: margin",
    "image_composition": "Image: fat, fluid, calcium, texture",
    "image_structure_unenhanced": "Image: structure without contrast",
    "image_structure_enhanced": "Image: structure after contrast",
    "image_enhancement": "Image: enhancement",
    "paroxysms": "Headache, palpitations, sweating",
    "metanephrines": "Metanephrines",
}
NOT_AVAILABLE = "not available"


def percent(probability: float) -> str:
    """A probability as a whole percentage that never claims certainty: "<1 %", "32 %", ">99 %"."""
    value = 100 * probability
    if value < 1:
        return "<1 %"
    if value > 99:
        return ">99 %"
    return f"{value:.0f} %"


def number(value: float, decimals: int) -> str:
    """A number with a true minus sign and no negative zero."""
    text = f"{value:.{decimals}f}"
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "\u2212")


def by_guideline(verdicts: Sequence[Verdict]) -> dict[str, list[Verdict]]:
    """Verdicts under their guideline, in the order in which the guidelines first appear."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        groups.setdefault(verdict.guideline, []).append(verdict)
    return groups


def published(performance: Performance) -> str:
    """One published figure in a sentence, with its interval where there is one."""
    interval = f" ({performance.low:g} to {performance.high:g})" if performance.low is not None else ", no interval published"
    unit = " %" if performance.unit == "%" else ""
    metric = performance.metric.replace("_", " ")
    return (
        f"{performance.rule}: {metric} {performance.value:g}{unit}{interval} for {performance.target}; {performance.population} "
        f"[{performance.source.text}]"
    )


def measurement_rows(measurements: Measurements) -> list[tuple[str, str]]:
    """Label and value with unit for every measurement; a missing one says so."""
    rows = []
    for key, (label, unit, decimals) in MEASUREMENT_LABELS.items():
        value = getattr(measurements, key)
        if value is None:
            rows.append((label, NOT_AVAILABLE))
            continue
        scaled = 100 * value if key.endswith("_fraction") else value
        rows.append((label, f"{number(scaled, decimals)} {unit}"))
    homogeneous = {True: "yes", False: "no", None: NOT_AVAILABLE}[measurements.homogeneous]
    return [*rows, ("Homogeneous", homogeneous)]


def input_label(name: str) -> str:
    """What a physician calls an input of the model."""
    if name in _EXTRA_INPUTS:
        return _EXTRA_INPUTS[name]
    if name in MEASUREMENT_LABELS:
        return MEASUREMENT_LABELS[name][0]
    variable = load_catalogue().variables.get(name)
    return variable.label if variable else name


def input_value(name: str, value: object) -> str:
    """The value of an input as text; a missing one says so."""
    if value is None:
        return NOT_AVAILABLE
    if isinstance(value, float):
        _, unit, decimals = MEASUREMENT_LABELS.get(name, ("", "", 2))
        return f"{number(value, decimals)} {unit}".strip()
    return str(value)

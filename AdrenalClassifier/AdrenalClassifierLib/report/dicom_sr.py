"""Measurements and prediction as a DICOM structured report (TID 1500 Measurement Report), through highdicom.

Codes are those of DICOM, SNOMED CT, UCUM and IBSI where there is one, else of the private scheme ``99ADRENAL`` (listed in
``PRIVATE``). A value that does not exist has no item: never zero, never an empty number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.imaging.measurements import Measurements
from AdrenalClassifierLib.model.conformal import SetName
from AdrenalClassifierLib.notices import Notice
from AdrenalClassifierLib.report.dicom_seg_object import (
    ADRENAL_GLAND,
    MANUFACTURER,
    MASS,
    PRODUCT,
    SIDES,
    Code,
    Outlined,
    concept,
    label,
)
from AdrenalClassifierLib.report.dicom_source import Source
from AdrenalClassifierLib.report.sentences import remarks
from AdrenalClassifierLib.report.wording import MODEL_LABELS, RESEARCH_ONLY
from AdrenalClassifierLib.version import __version__

SCHEME = "99ADRENAL"
DEVICE_UID = "2.25.310946170733297219713108318216529461361"
"""Names this software as the observer in every report; a random UUID in the form of PS3.5 B.2."""

PRIVATE: Mapping[str, str] = {
    "PROBABILITY-LOW": "Probability of cancer, lower limit of the 95 % interval",
    "PROBABILITY-HIGH": "Probability of cancer, upper limit of the 95 % interval",
    "PREVALENCE": "Prevalence of malignancy for which the probability holds",
    "MODEL": "Inputs of the model",
    "CONFORMAL-SET": "Conformal set of benign and malignant",
    "CONFORMAL-LEVEL": "Level of the conformal set",
    "EITHER": "Benign or malignant",
    "NEITHER": "Unlike benign and malignant lesions of the training cohort",
    "SPONTANEOUS": "Spontaneous attenuation (unenhanced CT)",
    "ABSOLUTE-WASHOUT": "Absolute washout",
    "RELATIVE-WASHOUT": "Relative washout",
    "FAT": "Share of the lesion below -30 HU",
    "FLUID": "Share of the lesion at 0 to 20 HU",
    "CALCIUM": "Share of the lesion that is calcified",
    "CORE": "Core of the lesion, without its rim",
}


def _private(value: str) -> Code:
    return (value, SCHEME, PRIVATE[value])


MILLIMETRE: Code = ("mm", "UCUM", "mm")
CUBIC_CENTIMETRE: Code = ("cm3", "UCUM", "Cubic centimeter")
HOUNSFIELD: Code = ("[hnsf'U]", "UCUM", "Hounsfield unit")
PERCENT: Code = ("%", "UCUM", "Percent")
ATTENUATION: Code = ("112031", "DCM", "Attenuation Coefficient")
MEAN: Code = ("373098007", "SCT", "Mean")
MEDIAN: Code = ("373099004", "SCT", "Median")
DEVIATION: Code = ("386136009", "SCT", "Standard Deviation")
VOXEL_SUM: Code = ("126030", "DCM", "Sum of segmented voxel method for volume")
PROBABILITY: Code = ("111047", "DCM", "Probability of cancer")
COMMENT: Code = ("121106", "DCM", "Comment")
PHASE: Code = ("109058", "DCM", "Contrast Phase")
SETS: Mapping[SetName, Code] = {
    "benign": ("30807003", "SCT", "Benign"),
    "malignant": ("21594007", "SCT", "Malignant"),
    "either": _private("EITHER"),
    "none": _private("NEITHER"),
}


@dataclass(frozen=True)
class Kind:
    """How one field of ``Measurements`` is coded; ``factor`` turns its value into the unit."""

    name: Code
    unit: Code
    derivation: Code | None = None
    method: Code | None = None
    factor: float = 1.0


KINDS: Mapping[str, Kind] = {
    "volume_ml": Kind(("118565006", "SCT", "Volume"), CUBIC_CENTIMETRE, method=VOXEL_SUM),
    "long_axis_mm": Kind(("103339001", "SCT", "Long axis"), MILLIMETRE),
    "short_axis_mm": Kind(("103340004", "SCT", "Short axis"), MILLIMETRE),
    "max_3d_diameter_mm": Kind(("L0JK", "IBSI", "Maximum 3D Diameter of a Mesh"), MILLIMETRE),
    "mean_hu": Kind(ATTENUATION, HOUNSFIELD, MEAN),
    "sd_hu": Kind(ATTENUATION, HOUNSFIELD, DEVIATION),
    "median_hu": Kind(ATTENUATION, HOUNSFIELD, MEDIAN),
    "p10_hu": Kind(("QG58", "IBSI", "10th Intensity Percentile"), HOUNSFIELD),
    "p90_hu": Kind(("8DWT", "IBSI", "90th Intensity Percentile"), HOUNSFIELD),
    "core_mean_hu": Kind(ATTENUATION, HOUNSFIELD, MEAN, _private("CORE")),
    "spontaneous_hu": Kind(_private("SPONTANEOUS"), HOUNSFIELD, MEAN, _private("CORE")),
    "absolute_washout_percent": Kind(_private("ABSOLUTE-WASHOUT"), PERCENT),
    "relative_washout_percent": Kind(_private("RELATIVE-WASHOUT"), PERCENT),
    "fat_fraction": Kind(_private("FAT"), PERCENT, factor=100.0),
    "fluid_fraction": Kind(_private("FLUID"), PERCENT, factor=100.0),
    "calcium_fraction": Kind(_private("CALCIUM"), PERCENT, factor=100.0),
}
"""What of the measurements is written, in this order."""


@dataclass(frozen=True)
class Reported:
    """What the report says of one lesion.

    Attributes:
        outlined: the lesion and its name in the export.
        measurements: of the lesion as it is now.
        assessment: its assessment, None when there is none or when it is out of date.
        absent: why there is no assessment, a sentence; "" when there is one.
        notices: remarks on lesion and measurements.
    """

    outlined: Outlined
    measurements: Measurements
    assessment: Assessment | None
    absent: str
    notices: tuple[Notice, ...]


def report(source: Source, segmentation: Any, reported: Sequence[Reported], number: int) -> Any:
    """A Measurement Report with one measurement group a lesion, each referring to its segment.

    Args:
        source: the CT.
        segmentation: from ``dicom_seg_object.segmentation``, with the same lesions in the same order.
        reported: what is said of them.
        number: Series Number.

    Returns:
        highdicom.sr.Comprehensive3DSR, complete, preliminary and unverified.
    """
    import highdicom
    from pydicom import Dataset

    sr = highdicom.sr
    observer = sr.ObserverContext(
        observer_type=concept(("121007", "DCM", "Device")),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            DEVICE_UID, name=PRODUCT, manufacturer_name=MANUFACTURER, model_name=f"{PRODUCT} {__version__}"
        ),
    )
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=concept(("25045-6", "LN", "CT unspecified body region")),
        imaging_measurements=[_group(source, segmentation, n, item) for n, item in enumerate(reported, start=1)],
        title=concept(("126000", "DCM", "Imaging Measurement Report")),
    )
    for statement in dict.fromkeys(_statement(item.assessment) for item in reported):
        content[0].ContentSequence.append(_text(COMMENT, statement))
    used = {id(ds): ds for item in reported for k in np.unique(item.outlined.index[:, 0]) for ds in [source.datasets[k]]}
    made = sr.Comprehensive3DSR(
        evidence=[segmentation, *used.values()],
        content=content[0],
        series_instance_uid=highdicom.UID(),
        series_number=number,
        sop_instance_uid=highdicom.UID(),
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        series_description="Adrenal lesions, measurements - for research use only",
    )
    scheme = Dataset()
    scheme.CodingSchemeDesignator = SCHEME
    scheme.CodingSchemeName = f"Private codes of {PRODUCT}"
    scheme.CodingSchemeResponsibleOrganization = MANUFACTURER
    made.CodingSchemeIdentificationSequence = [scheme]
    made.ManufacturerModelName, made.SoftwareVersions = PRODUCT, __version__
    return made


def _group(source: Source, segmentation: Any, number: int, item: Reported) -> Any:
    from highdicom import sr

    side = SIDES.get(item.outlined.lesion.side)
    group = sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(item.outlined.tracking_uid, label(item.outlined.lesion.lesion_id)),
        referenced_segment=_segment(source, segmentation, number, item.outlined),
        finding_type=concept(MASS),
        finding_sites=[sr.FindingSite(concept(ADRENAL_GLAND), None if side is None else concept(side))],
        measurements=[*_measurements(item.measurements), *_prediction(item.assessment)],
        qualitative_evaluations=list(_evaluations(item.assessment)),
    )
    for name, text in _texts(item):
        group[0].ContentSequence.append(_text(name, text))
    return group


def _segment(source: Source, segmentation: Any, number: int, outlined: Outlined) -> Any:
    """Reference to a segment and to the slices that it was drawn on."""
    from highdicom import sr

    slices = [int(k) for k in np.unique(outlined.index[:, 0])]
    if source.enhanced:
        frames = [source.frame(k) + 1 for k in slices]
        images = [sr.SourceImageForSegmentation(source.datasets[0].SOPClassUID, source.datasets[0].SOPInstanceUID, frames)]
    else:
        used = [source.datasets[k] for k in slices]
        images = [sr.SourceImageForSegmentation(ds.SOPClassUID, ds.SOPInstanceUID) for ds in used]
    return sr.ReferencedSegment(segmentation.SOPClassUID, segmentation.SOPInstanceUID, number, source_images=images)


def _measurements(measured: Measurements) -> Iterator[Any]:
    from highdicom import sr

    algorithm = sr.AlgorithmIdentification(f"{PRODUCT} measurements", __version__)
    for key, kind in KINDS.items():
        value = getattr(measured, key)
        if value is not None:
            yield sr.Measurement(
                concept(kind.name),
                kind.factor * value,
                concept(kind.unit),
                algorithm_id=algorithm,
                derivation=None if kind.derivation is None else concept(kind.derivation),
                method=None if kind.method is None else concept(kind.method),
            )


def _prediction(assessment: Assessment | None) -> Iterator[Any]:
    """Probability, limits of its interval and what they hold for, each naming the model, its version and its weights."""
    from highdicom import sr

    result = None if assessment is None else assessment.result
    if assessment is None or result is None or result.probability is None or result.interval is None:
        return
    made_by = assessment.provenance
    algorithm = sr.AlgorithmIdentification(
        str(made_by.model_name), str(made_by.model_version), [f"weights SHA-256 {made_by.weights_sha256}"]
    )
    shares = {PROBABILITY: result.probability, _private("PROBABILITY-LOW"): result.interval[0]}
    shares[_private("PROBABILITY-HIGH")] = result.interval[1]
    if assessment.prior is not None:
        shares[_private("PREVALENCE")] = assessment.prior.value
    if assessment.conformal_set is not None:
        shares[_private("CONFORMAL-LEVEL")] = assessment.conformal_set.level
    for name, share in shares.items():
        yield sr.Measurement(concept(name), 100 * share, concept(PERCENT), algorithm_id=algorithm)


def _evaluations(assessment: Assessment | None) -> Iterator[Any]:
    from highdicom import sr

    result = None if assessment is None else assessment.result
    if assessment is not None and result is not None and result.probability is not None and assessment.conformal_set is not None:
        yield sr.QualitativeEvaluation(concept(_private("CONFORMAL-SET")), concept(SETS[assessment.conformal_set.name]))


def _texts(item: Reported) -> Iterator[tuple[Code, str]]:
    """Phase, model, reasons, remarks, and the statement beside the probability."""
    if item.measurements.phase != "unknown":
        yield PHASE, item.measurements.phase
    assessment = item.assessment
    if assessment is None:
        yield COMMENT, f"No probability of malignancy: {item.absent}"
        said: Sequence[str] = [notice.text for notice in item.notices]
    else:
        said = remarks(assessment)
        beyond = [finding.text for finding in assessment.validity if finding.severity == "outside"]
        result = assessment.result
        if result is None or result.probability is None or assessment.shown is None:
            reason = assessment.models["image"].reason or "it was not computed"
            yield COMMENT, f"No probability of malignancy: {' '.join(beyond) or reason}"
        else:
            yield _private("MODEL"), MODEL_LABELS[assessment.shown]
            if beyond:
                yield COMMENT, f"Outside the validated range: {' '.join(beyond)}"
            yield COMMENT, _statement(assessment)
    for text in dict.fromkeys(said):
        yield COMMENT, text


def _statement(assessment: Assessment | None) -> str:
    return RESEARCH_ONLY if assessment is None else assessment.statement or RESEARCH_ONLY


def _text(name: Code, value: str) -> Any:
    from highdicom import sr

    return sr.TextContentItem(concept(name), value, sr.RelationshipTypeValues.CONTAINS)

"""The sample case that ships with the software, brought into the scene; no network is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import slicer

from AdrenalClassifierLib.errors import AdrenalError
from AdrenalClassifierLib.imaging.images import PHASES
from AdrenalClassifierLib.patient.form import form_entries
from AdrenalClassifierLib.patient.parse import record_from_json
from AdrenalClassifierLib.resources import resource
from AdrenalClassifierLib.scene.masks import lesion_number
from AdrenalClassifierLib.scene.session import Session

SAMPLE = "adrenal-right-synthetic"
CT_NAME, SEGMENTATION_NAME = "Adrenal sample CT", "Adrenal sample lesions"


@dataclass(frozen=True)
class SampleCase:
    """The nodes of the sample in the scene, and the folder it came from."""

    ct: Any
    segmentation: Any
    folder: Path


def load_nodes() -> SampleCase:
    """Load CT and outline, and show the CT. Raises AdrenalError when the installation lacks them or they cannot be read."""
    folder = resource("SampleData", SAMPLE)
    case = _case(folder)
    try:
        ct = slicer.util.loadVolume(str(folder / case["ct"]), {"name": CT_NAME, "singleFile": True})
        segmentation = slicer.util.loadSegmentation(str(folder / case["mask"]), {"name": SEGMENTATION_NAME})
    except RuntimeError as error:
        raise AdrenalError("The sample case cannot be loaded. Install the software again.") from error
    ct.SetName(CT_NAME)
    segmentation.SetName(SEGMENTATION_NAME)
    segmentation.SetReferenceImageGeometryParameterFromVolumeNode(ct)
    slicer.util.setSliceViewerLayers(background=ct, fit=True)
    return SampleCase(ct, segmentation, folder)


def open_in(session: Session, sample: SampleCase) -> None:
    """Make the sample the case at work: CT, phase, outline with its side, patient values."""
    case = _case(sample.folder)
    session.set_ct(sample.ct)
    if case["phase"] in PHASES:
        session.set_phase(case["phase"])
    session.set_segmentation(sample.segmentation)
    for lesion in session.lesions:
        number = lesion_number(sample.segmentation, lesion.segment_id)
        # The session's own kind of name, so that it follows the side.
        sample.segmentation.GetSegmentation().GetSegment(lesion.segment_id).SetName(f"Lesion {number}, adrenal")
        session.set_side(lesion.segment_id, case["side"])
    session.set_entries(form_entries(record_from_json(sample.folder / case["patient"])[0]))


def _case(folder: Path) -> dict[str, Any]:
    case: dict[str, Any] = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    return case

"""The contrast phase that a volume's DICOM headers state, asked of the application's DICOM database."""

from __future__ import annotations

from typing import Any

import slicer

from AdrenalClassifierLib.imaging.dicom_series import PHASES
from AdrenalClassifierLib.imaging.images import Phase

INSTANCES = "DICOM.instanceUIDs"
"""Attribute of a volume that came from DICOM: its instances, parted by spaces, in the order of its slices."""
CONTRAST_PHASE = "0018,9344"


def stated_phase(volume: Any) -> Phase:
    """The coded phase (0018,9344) when the first, the middle and the last slice state the same one, else ``"unknown"``."""
    instances = instances_of(volume)
    database = getattr(slicer, "dicomDatabase", None)
    if not instances or database is None or not database.isOpen:
        return "unknown"
    chosen = {instances[0], instances[len(instances) // 2], instances[-1]}
    stated = {PHASES.get(str(database.instanceValue(uid, CONTRAST_PHASE)).strip().upper(), "unknown") for uid in chosen}
    return stated.pop() if len(stated) == 1 else "unknown"


def instances_of(volume: Any) -> list[str]:
    """The SOP Instance UIDs of a volume; none when it did not come from DICOM."""
    return str(volume.GetAttribute(INSTANCES) or "").split()


def files_of(volume: Any) -> list[str]:
    """The DICOM files of a volume, as far as the database knows them; empty unless it knows all."""
    instances = instances_of(volume)
    database = getattr(slicer, "dicomDatabase", None)
    if database is None or not database.isOpen:
        return []
    files = [str(database.fileForInstance(uid)) for uid in instances]
    return files if all(files) else []

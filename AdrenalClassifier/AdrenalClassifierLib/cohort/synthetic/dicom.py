"""Synthetic volumes as DICOM CT series, stamped as synthetic wherever a viewer or an archive looks."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian

from AdrenalClassifierLib.cohort.synthetic.look import SYNTHETIC_PHASES, Scan
from AdrenalClassifierLib.files import write_bytes
from AdrenalClassifierLib.imaging.images import CtImage, Phase

INTERCEPT = -1024
DATE, TIME = "20000101", "120000"
STAMP = "SYNTHETIC"
CONTRAST_AGENT = "SYNTHETIC contrast"


def synthetic_uid(*parts: object) -> str:
    """A UID (root 2.25) that depends on ``parts`` only."""
    digest = hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).digest()
    # Version and variant bits as in a UUID that is made from a name (RFC 4122).
    value = bytearray(digest[:16])
    value[6] = value[6] & 0x0F | 0x50
    value[8] = value[8] & 0x3F | 0x80
    return f"2.25.{int.from_bytes(value, 'big')}"


def write_series(
    folder: Path, image: CtImage, phase: Phase, scan: Scan, patient_id: str, lesion_id: str, sex: str, age: int, seed: int
) -> None:
    """Write one phase as a DICOM CT series, one file a slice, in a folder of its own.

    Patient, study and frame of reference are the same for all phases and lesions of a patient.

    Args:
        folder: where; made if missing.
        image: int16 HU from -1024 to 3071 on an axial grid.
        phase: contrast phase.
        scan: acquisition parameters.
        patient_id: pseudonym.
        lesion_id: the lesion around which the field of view lies.
        sex: ``female`` or ``male``.
        age: in years.
        seed: seed of the cohort, part of every UID.

    Raises:
        OutputError: a file cannot be written.
    """
    common = _common(image, phase, scan, patient_id, lesion_id, sex, age, seed)
    grid = image.geometry
    for k in range(grid.shape[0]):
        data = Dataset()
        data.update(common)
        uid = UID(synthetic_uid(STAMP, seed, lesion_id, phase, k))
        data.SOPInstanceUID = uid
        data.InstanceNumber = k + 1
        position = grid.to_world(np.array([k, 0, 0]))
        data.ImagePositionPatient = [f"{v:.6g}" for v in position]
        data.SliceLocation = f"{position[2]:.6g}"
        data.PixelData = (image.hu[k].astype(np.int32) - INTERCEPT).astype("<u2").tobytes()
        data["PixelData"].VR = "OW"
        data.file_meta = FileMetaDataset()
        data.file_meta.MediaStorageSOPClassUID = CTImageStorage
        data.file_meta.MediaStorageSOPInstanceUID = uid
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        buffer = io.BytesIO()
        data.save_as(buffer, enforce_file_format=True)
        write_bytes(folder / f"{STAMP}_{k + 1:04d}.dcm", buffer.getvalue())


def _common(image: CtImage, phase: Phase, scan: Scan, patient_id: str, lesion_id: str, sex: str, age: int, seed: int) -> Dataset:
    grid = image.geometry
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 100"
    data.ImageType = ["DERIVED", "PRIMARY", "AXIAL"]
    data.DerivationDescription = f"{STAMP}: computed phantom, not a patient"
    data.SOPClassUID = CTImageStorage
    for name in ("Study", "Series", "Acquisition", "Content"):
        setattr(data, f"{name}Date", DATE)
        setattr(data, f"{name}Time", TIME)
    data.AccessionNumber = ""
    data.Modality = "CT"
    data.Manufacturer = STAMP
    data.ManufacturerModelName = "Adrenal Classifier phantom"
    data.ReferringPhysicianName = ""
    data.StudyDescription = f"{STAMP} CT abdomen"
    data.SeriesDescription = f"{STAMP} {phase} {lesion_id}"
    data.PatientName = f"{STAMP}^{patient_id}"
    data.PatientID = patient_id
    data.PatientBirthDate = ""
    data.PatientSex = "F" if sex == "female" else "M"
    data.PatientAge = f"{age:03d}Y"
    data.PatientIdentityRemoved = "YES"
    data.DeidentificationMethod = f"{STAMP}: no patient exists"
    data.BodyPartExamined = "ABDOMEN"
    if phase != "unenhanced":
        data.ContrastBolusAgent = CONTRAST_AGENT
    data.KVP = "120"
    data.SliceThickness = f"{scan.thickness_mm:g}"
    data.SpacingBetweenSlices = f"{scan.increment_mm:g}"
    data.ConvolutionKernel = scan.kernel
    data.PatientPosition = "HFS"
    data.StudyInstanceUID = synthetic_uid(STAMP, seed, patient_id, "study")
    data.SeriesInstanceUID = synthetic_uid(STAMP, seed, lesion_id, phase, "series")
    data.FrameOfReferenceUID = synthetic_uid(STAMP, seed, patient_id, "frame")
    data.PositionReferenceIndicator = ""
    data.StudyID = "1"
    data.SeriesNumber = SYNTHETIC_PHASES.index(phase) + 1
    data.AcquisitionNumber = SYNTHETIC_PHASES.index(phase) + 1
    data.ImageOrientationPatient = [f"{v:g}" for v in (*grid.axes[2], *grid.axes[1])]
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = grid.shape[1], grid.shape[2]
    data.PixelSpacing = [f"{grid.spacing[1]:g}", f"{grid.spacing[2]:g}"]
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.BurnedInAnnotation = "NO"
    data.LossyImageCompression = "00"
    data.WindowCenter, data.WindowWidth = "40", "400"
    data.RescaleIntercept, data.RescaleSlope, data.RescaleType = str(INTERCEPT), "1", "HU"
    return data

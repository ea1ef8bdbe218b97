"""CT series, enhanced CT and structure sets written for tests with pydicom, as scanners and planning systems write them."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    RTStructureSetStorage,
    generate_uid,
)
from pydicom.valuerep import format_number_as_ds

AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
FRAME_OF_REFERENCE = "1.2.826.0.1.3680043.8.498.7"
PATIENT = {"PatientName": "DOE^JANE", "PatientID": "SECRET-4711", "PatientBirthDate": "19500123", "StudyDate": "20210607"}
IDENTITY = ("doe", "jane", "secret", "4711", "1950", "20210607")
"""What must never turn up in a message."""

Edit = Callable[[Dataset, int], None]


def body(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.int16]:
    """A body of fat with soft tissue and bone in air, with noise: whole HU from -1024 up."""
    k, j, i = np.ogrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j, -1 : 1 : shape[2] * 1j]
    radius = (k * 0.3) ** 2 + j**2 + i**2
    hu = np.select([radius < 0.08, radius < 0.4, radius < 0.7], [700, 40, -100], -1000)
    hu = hu + np.random.default_rng(seed).integers(-24, 25, shape)
    return hu.clip(-1024, 3071).astype(np.int16)


def slice_dataset(hu: NDArray[np.integer], k: int, *, stored: NDArray[np.integer] | None = None) -> Dataset:
    """One CT slice with slope 1 and intercept -1024 (or ``stored`` values as they are)."""
    pixels = np.asarray(hu + 1024 if stored is None else stored)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = CTImageStorage
    ds.SOPInstanceUID = generate_uid()
    for keyword, value in PATIENT.items():
        setattr(ds, keyword, value)
    ds.Modality = "CT"
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.InstanceNumber = k + 1
    ds.Rows, ds.Columns = pixels.shape
    ds.SamplesPerPixel = 1
    ds.PhotometricInterpretation = "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelRepresentation = int(pixels.dtype.kind == "i" and pixels.min() < 0)
    ds.RescaleSlope, ds.RescaleIntercept = "1", "-1024"
    ds.PixelData = pixels.astype("<i2" if ds.PixelRepresentation else "<u2").tobytes()
    ds["PixelData"].VR = "OW"
    return ds


def write_series(
    folder: Path,
    hu: NDArray[np.integer],
    *,
    spacing: tuple[float, float, float] = (2.0, 0.8, 0.7),
    orientation: tuple[Sequence[float], Sequence[float]] = AXIAL,
    origin: Sequence[float] = (-50.0, -60.0, -700.0),
    step: Sequence[float] | None = None,
    number: int | None = 2,
    uid: str | None = None,
    description: str = "Abdomen",
    compression: str | None = None,
    name: Callable[[int], str] = lambda k: f"IM{(k * 7919 + 13) % 9973:04d}",
    edit: Edit | None = None,
    first_instance: int = 1,
) -> list[Path]:
    """Write a CT series, one file a slice, in file order unlike the order in space; Instance Numbers run against it.

    Args:
        folder: made if needed.
        hu: (k, j, i), whole HU from -1024 up.
        spacing: mm along k, j, i.
        orientation: row and column direction in LPS.
        origin: LPS position of the first voxel.
        step: mm from slice to slice; default along the normal.
        compression: jpeg2000, jpegls or rle.
        name: file name of slice k.
        edit: called with every dataset and k before it is compressed and written.

    Returns:
        the files by k.
    """
    folder.mkdir(parents=True, exist_ok=True)
    uid = uid or generate_uid()
    row, column = (np.asarray(v, float) for v in orientation)
    along = np.cross(row, column) * spacing[0] if step is None else np.asarray(step, float)
    paths = []
    for k, plane in enumerate(hu):
        ds = slice_dataset(plane, k)
        ds.InstanceNumber = first_instance + len(hu) - 1 - k
        ds.SeriesInstanceUID, ds.FrameOfReferenceUID = uid, FRAME_OF_REFERENCE
        ds.SeriesDescription = description
        if number is not None:
            ds.SeriesNumber = number
        ds.SliceThickness = f"{spacing[0]:.6g}"
        ds.PixelSpacing = [f"{spacing[1]:.9g}", f"{spacing[2]:.9g}"]
        ds.ImageOrientationPatient = [format_number_as_ds(float(v)) for v in (*row, *column)]
        ds.ImagePositionPatient = [format_number_as_ds(float(v)) for v in np.asarray(origin) + k * along]
        if edit:
            edit(ds, k)
        compress(ds, compression)
        path = folder / name(k)
        save(ds, path)
        paths.append(path)
    return paths


def save(ds: Dataset, path: Path) -> None:
    """Write a dataset as a DICOM file."""
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    pydicom.dcmwrite(path, ds, enforce_file_format=True)


def compress(ds: Dataset, how: str | None) -> None:
    """Compress the pixels without loss."""
    if how == "jpeg2000":
        pixels = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)
        stream = io.BytesIO()
        PIL.Image.fromarray(pixels).save(stream, "JPEG2000", irreversible=False, no_jp2=True)
        ds.PixelData = encapsulate([stream.getvalue()])
        ds["PixelData"].is_undefined_length = True
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless
    elif how is not None:
        ds.compress({"jpegls": JPEGLSLossless, "rle": RLELossless}[how], generate_instance_uid=False)


def enhanced_dataset(hu: NDArray[np.integer], order: Sequence[int], intercepts: Sequence[float] | None = None) -> Dataset:
    """An Enhanced CT whose n-th frame is slice ``order[n]``; 2 x 0.8 x 0.7 mm, first slice at (-50, -60, -700)."""
    ds = slice_dataset(hu[0], 0)
    ds.SOPClassUID = EnhancedCTImageStorage
    ds.SeriesInstanceUID, ds.SeriesNumber, ds.FrameOfReferenceUID = generate_uid(), 5, FRAME_OF_REFERENCE
    del ds.RescaleSlope, ds.RescaleIntercept
    ds.NumberOfFrames = len(order)
    ds.PixelData = (hu[list(order)] + 1024).astype("<u2").tobytes()
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.8, 0.7], 2
    orientation.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    ds.SharedFunctionalGroupsSequence = [shared]
    frames = []
    for n, k in enumerate(order):
        frame, position, rescale = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [-50, -60, -700 + 2 * k]
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = 1, (intercepts or [-1024] * len(order))[n], "HU"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [rescale]
        frames.append(frame)
    ds.PerFrameFunctionalGroupsSequence = frames
    return ds


def code(value: str, scheme: str, meaning: str, **inner: list[Dataset]) -> Dataset:
    """A coded concept."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    for keyword, sequence in inner.items():
        setattr(item, keyword, sequence)
    return item


def write_rtstruct(
    path: Path, structures: dict[str, list[NDArray[np.float64]]], *, kind: str = "CLOSED_PLANAR", slab: float | None = None
) -> Path:
    """A structure set with the named structures, each a list of contours of LPS points (n, 3); ROI numbers from 3 up."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = RTStructureSetStorage, generate_uid(), "RTSTRUCT"
    for keyword, value in PATIENT.items():
        setattr(ds, keyword, value)
    frame = Dataset()
    frame.FrameOfReferenceUID = FRAME_OF_REFERENCE
    ds.ReferencedFrameOfReferenceSequence = [frame]
    rois, contours = [], []
    for number, (name, loops) in enumerate(structures.items(), start=3):
        roi, item = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName, roi.ReferencedFrameOfReferenceUID = number, name, FRAME_OF_REFERENCE
        item.ReferencedROINumber = number
        items = []
        for loop in loops:
            contour = Dataset()
            contour.ContourGeometricType = kind
            contour.NumberOfContourPoints = len(loop)
            contour.ContourData = [f"{v:.8g}" for v in np.asarray(loop).ravel()]
            if slab is not None:
                contour.ContourSlabThickness = f"{slab:g}"
            items.append(contour)
        item.ContourSequence = items
        rois.append(roi)
        contours.append(item)
    ds.StructureSetROISequence, ds.ROIContourSequence = rois, contours
    save(ds, path)
    return path


def no_identity(text: str) -> bool:
    """Whether a message is free of the test patient's identity."""
    return not any(part in text.lower() for part in IDENTITY)


def read_pixels(path: Path) -> NDArray[np.float64]:
    """HU of one slice by pydicom's own decoders: the independent check of ours."""
    ds = pydicom.dcmread(path)
    pixels: NDArray[np.float64] = ds.pixel_array * float(ds.RescaleSlope) + float(ds.RescaleIntercept)
    return pixels

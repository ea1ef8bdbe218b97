"""The synthetic cohort on disk: the same bytes every time, stamped as synthetic, readable by our own readers."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest

from AdrenalClassifierLib.cohort.check import check_cohort
from AdrenalClassifierLib.cohort.lesions import lesion_of_row
from AdrenalClassifierLib.cohort.synthetic import write as write_module
from AdrenalClassifierLib.cohort.synthetic.case import draw_cohort
from AdrenalClassifierLib.cohort.synthetic.dicom import synthetic_uid
from AdrenalClassifierLib.cohort.synthetic.render import lesion_of, render_case
from AdrenalClassifierLib.cohort.synthetic.write import write_synthetic
from AdrenalClassifierLib.cohort.table import read_cohort
from AdrenalClassifierLib.errors import CohortError, OutputError
from AdrenalClassifierLib.imaging.read import list_series, read_ct

LESIONS, SEED = 2, 5


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two lesions of seed 5, written by one process."""
    folder = tmp_path_factory.mktemp("synthetic") / "cohort"
    return write_synthetic(folder, LESIONS, SEED)


@pytest.fixture(scope="module")
def as_dicom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first of them, with DICOM series."""
    folder = tmp_path_factory.mktemp("synthetic") / "dicom"
    return write_synthetic(folder, 1, SEED, dicom=True)


def test_two_workers_write_the_same_bytes_and_tell_progress(written, tmp_path) -> None:  # type: ignore[no-untyped-def]
    steps: list[tuple[int, int, str]] = []
    path = write_synthetic(tmp_path / "again", LESIONS, SEED, lambda *step: steps.append(step), workers=2)
    assert contents(path.parent) == contents(written.parent)
    assert steps == [(n, LESIONS, "lesions") for n in range(1, LESIONS + 1)]


def test_another_seed_writes_other_bytes(written, tmp_path) -> None:  # type: ignore[no-untyped-def]
    other = contents(write_synthetic(tmp_path / "other", 1, SEED + 1).parent)
    same = contents(written.parent)
    assert not {other[name] for name in other if name.endswith(".nii.gz")} & set(same.values())


def test_the_table_has_no_problem_and_reads_back_as_drawn(written) -> None:  # type: ignore[no-untyped-def]
    problems, notices = check_cohort(written)
    assert problems == ()
    assert {n.code for n in notices} == {"few_lesions"}
    cases = draw_cohort(LESIONS, SEED)
    for row, case in zip(read_cohort(written).rows, cases, strict=True):
        assert (row.lesion_id, row.patient_id, row.side) == (case.lesion_id, case.patient_id, case.side)
        assert (row.histology, row.malignant, row.truth_source) == (case.histology, case.malignant, "synthetic")
        assert row.patient == case.patient
        assert set(row.ct) == set(case.phases)


def test_lesions_read_from_disk_have_the_voxels_of_lesions_in_memory(written) -> None:  # type: ignore[no-untyped-def]
    for row, case in zip(read_cohort(written).rows, draw_cohort(LESIONS, SEED), strict=True):
        disk, memory = lesion_of_row(row), lesion_of(case)
        assert disk.phases == memory.phases
        assert disk.side == memory.side
        assert disk.geometry.same_grid(memory.geometry)
        np.testing.assert_array_equal(disk.mask, memory.mask)
        np.testing.assert_array_equal(disk.ct, memory.ct)
        for phase in memory.phases[1:]:
            a, b = disk.hu(phase), memory.hu(phase)
            assert a is not None
            assert b is not None
            # NIfTI stores positions in single precision: linear interpolation at an edge moves by less than 0.1 HU.
            np.testing.assert_allclose(a, b, atol=0.1)


def test_every_image_says_synthetic_in_its_name_and_header(written) -> None:  # type: ignore[no-untyped-def]
    images = sorted(written.parent.rglob("*.nii.gz"))
    assert len(images) == sum(len(c.phases) + 1 for c in draw_cohort(LESIONS, SEED))
    for path in images:
        assert path.name.startswith("SYNTHETIC_")
        header = nibabel.load(path).header
        assert bytes(header["descrip"]).startswith(b"SYNTHETIC SYN-")
        assert header.get_data_dtype() == (np.uint8 if "mask" in path.name else np.int16)
    assert (written.parent / "README.txt").read_text().startswith("SYNTHETIC DATA\n")
    assert all(p.read_bytes()[4:8] == b"\0\0\0\0" for p in images)  # no time stamp in the gzip header


def test_the_truth_is_beside_the_table_with_the_exact_posterior_and_the_statement(written) -> None:  # type: ignore[no-untyped-def]
    truth = json.loads((written.parent / "truth.json").read_text())
    assert truth["data"] == "SYNTHETIC"
    assert truth["statement"] == ("For research use only. Not a medical device. This model was trained on synthetic data.")
    for entry, case in zip(truth["cases"], draw_cohort(LESIONS, SEED), strict=True):
        assert entry["lesion_id"] == case.lesion_id
        assert entry["truth"]["diameter_mm"] == case.truth.diameter_mm
        assert 0 <= entry["tabular_posterior"] <= 1
        assert set(entry["scans"]) == set(case.phases)


def test_dicom_series_are_stamped_and_hold_the_same_voxels(as_dicom) -> None:  # type: ignore[no-untyped-def]
    (row,), (case,) = read_cohort(as_dicom).rows, draw_cohort(1, SEED)
    rendered = render_case(case)
    for phase, folder in row.ct.items():
        image = read_ct(folder, phase)
        np.testing.assert_array_equal(image.hu, rendered.phases[phase].hu)
        assert image.geometry.same_grid(rendered.phases[phase].geometry)
        assert len(list_series(folder)) == 1
        files = sorted(folder.iterdir())
        assert all(f.name.startswith("SYNTHETIC_") for f in files)
        data = pydicom.dcmread(files[0])
        assert str(data.PatientName).startswith("SYNTHETIC^")
        assert data.PatientIdentityRemoved == "YES"
        assert data.SeriesDescription.startswith("SYNTHETIC")
        assert data.StudyDescription.startswith("SYNTHETIC")
        assert data.ImageType[0] == "DERIVED"
        assert len({pydicom.dcmread(f, stop_before_pixels=True).SOPInstanceUID for f in files}) == len(files)
    problems, _ = check_cohort(as_dicom)
    assert problems == ()


# Attributes that the CT Image IOD requires (DICOM PS3.3 A.3, type 1 and 2 of its mandatory modules).
REQUIRED = str.split(
    "PatientName PatientID PatientBirthDate PatientSex StudyInstanceUID StudyDate StudyTime ReferringPhysicianName StudyID "
    "AccessionNumber Modality SeriesInstanceUID SeriesNumber FrameOfReferenceUID PositionReferenceIndicator Manufacturer "
    "InstanceNumber PixelSpacing ImageOrientationPatient ImagePositionPatient SliceThickness SamplesPerPixel "
    "PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation PixelData ImageType "
    "RescaleIntercept RescaleSlope KVP AcquisitionNumber SOPClassUID SOPInstanceUID PatientPosition"
)


def test_dicom_files_have_what_a_ct_image_must_have(as_dicom) -> None:  # type: ignore[no-untyped-def]
    (row,) = read_cohort(as_dicom).rows
    folder = next(iter(row.ct.values()))
    data = pydicom.dcmread(sorted(folder.iterdir())[-1])
    assert [name for name in REQUIRED if name not in data] == []
    assert len(data.PixelData) == data.Rows * data.Columns * 2
    assert data.file_meta.MediaStorageSOPInstanceUID == data.SOPInstanceUID
    assert data.SOPClassUID == "1.2.840.10008.5.1.4.1.1.2"
    for element in data:
        if element.VR == "DS":  # at most 16 characters
            values = element.value if element.VM > 1 else [element.value]
            assert all(len(str(v)) <= 16 for v in values), element.keyword
    assert ("ContrastBolusAgent" in data) == (next(iter(row.ct)) != "unenhanced")


def test_uids_depend_on_their_parts_only_and_are_valid() -> None:
    first = synthetic_uid("SYNTHETIC", 0, "SYN-0001-L", "portal", 3)
    assert first == synthetic_uid("SYNTHETIC", 0, "SYN-0001-L", "portal", 3)
    assert pydicom.uid.UID(first).is_valid
    others = {synthetic_uid("SYNTHETIC", 0, "SYN-0001-L", "portal", k) for k in range(200)}
    assert len(others) == 200


def test_a_folder_with_something_in_it_is_left_alone(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "note.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not an empty folder"):
        write_synthetic(tmp_path, 1)
    with pytest.raises(OutputError, match="is not an empty folder"):
        write_synthetic(tmp_path / "note.txt", 1)
    assert contents(tmp_path) == {"note.txt": b"mine"}


@pytest.mark.parametrize("bad", [{"lesions": 0}, {"workers": 0}, {"dicom": True, "backgrounds": Path()}])
def test_impossible_requests_write_nothing(tmp_path, bad) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CohortError):
        write_synthetic(tmp_path / "new", **bad)
    assert not (tmp_path / "new").exists()


def test_a_stopped_run_leaves_no_table(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    class Stopped(Exception):
        pass

    def stop(done: int, total: int, what: str) -> None:
        raise Stopped

    monkeypatch.setattr(write_module, "_write_case", lambda job: job.case)
    with pytest.raises(Stopped):
        write_synthetic(tmp_path / "new", 3, progress=stop)
    assert not (tmp_path / "new" / "cohort.csv").exists()

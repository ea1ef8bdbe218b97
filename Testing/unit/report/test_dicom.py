"""DICOM objects of a case: the outline comes back voxel by voxel, the report says what was measured and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pydicom
import pytest
from scipy.spatial.transform import Rotation

from AdrenalClassifierLib.assessment import Assessment, Assessor
from AdrenalClassifierLib.errors import AdrenalError, GeometryError, ImageReadError, MissingDependencyError, OutputError
from AdrenalClassifierLib.imaging.images import Segment
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.read import read_ct, read_mask
from AdrenalClassifierLib.model.bundle import SYNTHETIC_STATEMENT, save_bundle
from AdrenalClassifierLib.patient.record import PatientRecord
from AdrenalClassifierLib.report import dicom
from AdrenalClassifierLib.report.dicom import write_dicom
from AdrenalClassifierLib.report.dicom_sr import PRIVATE
from support.bundles import complete_bundle
from support.dicom_files import FRAME_OF_REFERENCE, IDENTITY, body, enhanced_dataset, no_identity, save, write_series
from support.grids import rearranged

SHAPE = (14, 48, 56)
STUDY = "1.2.826.0.1.3680043.8.498.4711.1"
RIGHT, LEFT = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
RIGHT[2:7, 14:24, 10:20] = True
RIGHT[3, 15, 12] = RIGHT[6, 14, 10] = False
LEFT[6:12, 22:32, 35:45] = True
LEFT[8:10, 22, 35:40] = False
HEADERS = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyInstanceUID",
    "StudyDate",
    "StudyID",
    "AccessionNumber",
)


def in_study(ds: pydicom.Dataset, k: int) -> None:
    ds.StudyInstanceUID, ds.PatientSex, ds.StudyID, ds.AccessionNumber = STUDY, "F", "S1", "A7"
    ds.SpecificCharacterSet, ds.StudyTime, ds.ReferringPhysicianName = "ISO_IR 100", "101112", ""


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_series(tmp_path_factory.mktemp("series") / "ct", body(SHAPE), edit=in_study)


def lesions_on(folder: Path, *masks: tuple[np.ndarray, str], phase: str | None = "portal") -> tuple[Lesion, ...]:  # type: ignore[type-arg]
    ct = read_ct(folder, phase)  # type: ignore[arg-type]
    segments = [Segment(n, f"s{n}", m, ct.geometry, side) for n, (m, side) in enumerate(masks, start=1)]  # type: ignore[arg-type]
    return extract_lesions(ct, segments)


@pytest.fixture(scope="module")
def lesions(series: list[Path]) -> tuple[Lesion, ...]:
    return lesions_on(series[0].parent, (RIGHT, "right"), (LEFT, "left"))


@pytest.fixture(scope="module")
def assessments(lesions: tuple[Lesion, ...], tmp_path_factory: pytest.TempPathFactory) -> tuple[Assessment, ...]:
    folder = tmp_path_factory.mktemp("bundle") / "complete"
    save_bundle(complete_bundle(), folder, "# Card\n")
    assessor = Assessor(folder, "cpu")
    return tuple(assessor.assess(lesion, PatientRecord({}), show_outside=True) for lesion in lesions)


def on_ct(segment: Segment, folder: Path) -> np.ndarray:  # type: ignore[type-arg]
    """The segment's voxels on the CT as our reader orders it, found by position alone."""
    ct = read_ct(folder)
    out = np.zeros(ct.hu.shape, bool)
    index = ct.geometry.to_index(segment.geometry.to_world(np.argwhere(segment.mask)))
    np.testing.assert_allclose(index, np.rint(index), atol=1e-3)
    out[tuple(np.rint(index).astype(int).T)] = True
    return out


# -- the outlines --------------------------------------------------------------------------------------------------


def test_two_lesions_come_back_voxel_by_voxel_with_their_sides(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    rng = np.random.default_rng(3)
    shuffled = [series[n] for n in rng.permutation(len(series))]
    files = write_dicom(tmp_path / "out", shuffled, [(None, lesion) for lesion in lesions])
    assert [path.name for path in files] == ["segmentation.dcm", "measurements.dcm"]
    mask = read_mask(files[0])
    assert mask.frame_of_reference == FRAME_OF_REFERENCE
    assert [(s.number, s.name, s.side) for s in mask.segments] == [(1, "lesion-1", "right"), (2, "lesion-2", "left")]
    for segment, drawn in zip(mask.segments, (RIGHT, LEFT), strict=True):
        np.testing.assert_array_equal(on_ct(segment, series[0].parent), drawn)


@pytest.mark.parametrize("kind", ["oblique", "downwards", "sagittal"])
def test_outlines_on_series_of_any_direction_come_back(tmp_path: Path, kind: str) -> None:
    orientation = {
        "oblique": Rotation.from_euler("xyz", [12, -20, 35], degrees=True).apply([[1, 0, 0], [0, 1, 0]]),
        "downwards": np.array([[1.0, 0, 0], [0, -1, 0]]),  # the first slice in the normal's direction is the topmost
        "sagittal": np.array([[0.0, 1, 0], [0, 0, -1]]),
    }[kind]
    files = write_series(tmp_path / "ct", body(SHAPE), orientation=(orientation[0], orientation[1]), edit=in_study)
    (lesion,) = lesions_on(tmp_path / "ct", (RIGHT, "right"))
    (segment,) = read_mask(write_dicom(tmp_path / "out", files, [(None, lesion)])[0]).segments
    np.testing.assert_array_equal(on_ct(segment, tmp_path / "ct"), RIGHT)


def test_an_enhanced_ct_is_one_file_whose_frames_stand_in_any_order(tmp_path: Path) -> None:
    order = [int(k) for k in np.random.default_rng(1).permutation(SHAPE[0])]
    ds = enhanced_dataset(body(SHAPE), order)
    in_study(ds, 0)
    save(ds, tmp_path / "ct.dcm")
    (lesion,) = lesions_on(tmp_path / "ct.dcm", (LEFT, "left"))
    files = write_dicom(tmp_path / "out", [tmp_path / "ct.dcm"], [(None, lesion)])
    (segment,) = read_mask(files[0]).segments
    np.testing.assert_array_equal(on_ct(segment, tmp_path / "ct.dcm"), LEFT)
    (group,) = groups_of(files[1])
    images = [item for item in group[0].ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == "121233"]
    (image,) = (item.ReferencedSOPSequence[0] for item in images)
    assert image.ReferencedSOPInstanceUID == ds.SOPInstanceUID
    assert image.ReferencedFrameNumber == [order.index(k) + 1 for k in range(6, 12)]


def test_the_axes_of_the_crop_may_run_otherwise_than_those_of_the_files(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    lesion = lesions[0]
    mask, grid = rearranged(lesion.mask, lesion.geometry, (1, 2, 0), (True, False, True))
    ct, _ = rearranged(lesion.ct, lesion.geometry, (1, 2, 0), (True, False, True))
    (segment,) = read_mask(write_dicom(tmp_path, series, [(None, replace(lesion, mask=mask, ct=ct, geometry=grid))])[0]).segments
    np.testing.assert_array_equal(on_ct(segment, series[0].parent), RIGHT)


def test_rounding_of_the_slice_distance_by_a_host_is_forgiven(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    grid = lesions[1].geometry
    rounded = replace(lesions[1], geometry=replace(grid, spacing=(2.0018, *grid.spacing[1:])))
    assert not rounded.geometry.same_lattice(grid)  # 0.0117 of a voxel off at the last slice
    (segment,) = read_mask(write_dicom(tmp_path, series, [(None, rounded)])[0]).segments
    np.testing.assert_array_equal(on_ct(segment, series[0].parent), LEFT)


def test_a_segment_is_a_mass_in_the_adrenal_gland_drawn_as_is_said(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    unsided = replace(lesions[1], side="unknown", lesion_id="a\\b" + "x" * 80)
    seg = pydicom.dcmread(write_dicom(tmp_path, series, [(None, lesions[0]), (None, unsided)], {unsided.lesion_id})[0])
    right, other = seg.SegmentSequence
    assert seg.SegmentationType == "BINARY"
    for item in (right, other):
        assert _code(item.SegmentedPropertyCategoryCodeSequence) == ("49755003", "SCT")
        assert _code(item.SegmentedPropertyTypeCodeSequence) == ("4147007", "SCT")
        assert _code(item.AnatomicRegionSequence) == ("23451007", "SCT")
    assert _code(right.AnatomicRegionSequence[0].AnatomicRegionModifierSequence) == ("24028007", "SCT")
    assert "AnatomicRegionModifierSequence" not in other.AnatomicRegionSequence[0]
    assert (right.SegmentAlgorithmType, other.SegmentAlgorithmType) == ("MANUAL", "SEMIAUTOMATIC")
    assert "SegmentAlgorithmName" not in right
    assert "click" in other.SegmentAlgorithmName
    assert (len(other.SegmentLabel), other.SegmentLabel[:3]) == (64, "a/b")
    assert right.TrackingUID != other.TrackingUID


def test_the_objects_belong_to_the_ct_study_and_say_what_they_are_for(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    ct = pydicom.dcmread(series[0])
    objects = [pydicom.dcmread(path) for path in write_dicom(tmp_path, series, [(None, lesions[0])])]
    for made in objects:
        assert [made.get(keyword) for keyword in HEADERS] == [ct.get(keyword) for keyword in HEADERS]
        assert "research use only" in made.SeriesDescription
        assert len(made.SeriesDescription) <= 64
    assert len({d.SeriesInstanceUID for d in (ct, *objects)}) == 3
    assert len({d.SeriesNumber for d in (ct, *objects)}) == 3
    assert objects[1].VerificationFlag == "UNVERIFIED"
    referred = objects[1].CurrentRequestedProcedureEvidenceSequence[0].ReferencedSeriesSequence
    assert {str(s.SeriesInstanceUID) for s in referred} == {str(ct.SeriesInstanceUID), str(objects[0].SeriesInstanceUID)}


def test_names_outside_ascii_survive(tmp_path: Path) -> None:
    def edit(ds: pydicom.Dataset, k: int) -> None:
        in_study(ds, k)
        ds.PatientName = "MÜLLER^ZOË"

    files = write_series(tmp_path / "ct", body(SHAPE), edit=edit)
    (lesion,) = lesions_on(tmp_path / "ct", (RIGHT, "right"))
    for path in write_dicom(tmp_path / "out", files, [(None, lesion)]):
        assert str(pydicom.dcmread(path).PatientName) == "MÜLLER^ZOË"


def test_absent_and_malformed_headers_that_may_be_empty_become_empty_without_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def edit(ds: pydicom.Dataset, k: int) -> None:
        in_study(ds, k)
        for keyword in ("StudyTime", "StudyID", "AccessionNumber", "SliceThickness", "PatientName", "PatientBirthDate"):
            delattr(ds, keyword)
        with pydicom.config.disable_value_validation():
            ds.PatientSex, ds.PatientBirthDate = "W", "23.01.1950"

    files = write_series(tmp_path / "ct", body(SHAPE), edit=edit)
    (lesion,) = lesions_on(tmp_path / "ct", (RIGHT, "right"))
    caplog.clear()
    written = write_dicom(tmp_path / "out", files, [(None, lesion)])
    assert caplog.text == ""  # pydicom would quote the date of birth
    for path in written:
        made = pydicom.dcmread(path)
        assert [made[k].value or "" for k in ("PatientSex", "PatientBirthDate", "StudyTime", "StudyID", "PatientName")] == [
            ""
        ] * 5


# -- the report ----------------------------------------------------------------------------------------------------


def test_every_number_of_the_report_is_the_measured_one(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...], assessments: tuple[Assessment, ...]
) -> None:
    files = write_dicom(tmp_path, series, list(zip(assessments, lesions, strict=True)))
    sr, seg = highdicom.sr.srread(files[1]), pydicom.dcmread(files[0])
    groups = sr.content.get_volumetric_roi_measurement_groups()
    assert len(groups) == 2
    for group, assessment, item in zip(groups, assessments, seg.SegmentSequence, strict=True):
        m, result = assessment.measurements, assessment.result
        expected = {
            ("118565006", "SCT", "cm3"): [m.volume_ml],
            ("103339001", "SCT", "mm"): [m.long_axis_mm],
            ("103340004", "SCT", "mm"): [m.short_axis_mm],
            ("L0JK", "IBSI", "mm"): [m.max_3d_diameter_mm],
            ("112031", "DCM", "[hnsf'U]"): [m.mean_hu, m.sd_hu, m.median_hu, m.core_mean_hu],
            ("QG58", "IBSI", "[hnsf'U]"): [m.p10_hu],
            ("8DWT", "IBSI", "[hnsf'U]"): [m.p90_hu],
            ("FAT", "99ADRENAL", "%"): [100 * m.fat_fraction],
            ("FLUID", "99ADRENAL", "%"): [100 * m.fluid_fraction],
            ("CALCIUM", "99ADRENAL", "%"): [100 * m.calcium_fraction],
            ("111047", "DCM", "%"): [100 * result.probability],
            ("PROBABILITY-LOW", "99ADRENAL", "%"): [100 * result.interval[0]],
            ("PROBABILITY-HIGH", "99ADRENAL", "%"): [100 * result.interval[1]],
            ("PREVALENCE", "99ADRENAL", "%"): [100 * assessment.prior.value],
            ("CONFORMAL-LEVEL", "99ADRENAL", "%"): [90.0],
        }
        assert numbers_of(group) == expected
        assert (group.tracking_identifier, group.tracking_uid) == (item.TrackingID, item.TrackingUID)
        assert group.finding_type.value == "4147007"
        site = group.finding_sites[0]
        assert (site.topographical_modifier, site.laterality.meaning.lower()) == (None, assessment.side)
        segment = group.referenced_segment
        assert (segment.referenced_sop_instance_uid, segment.referenced_segment_numbers[0]) == (
            seg.SOPInstanceUID,
            item.SegmentNumber,
        )


def test_the_attenuations_are_told_apart_by_derivation_and_method(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...], assessments: tuple[Assessment, ...]
) -> None:
    m = assessments[0].measurements
    group = groups_of(write_dicom(tmp_path, series, [(assessments[0], lesions[0])])[1])[0]
    found = {
        (str(x.derivation.meaning), None if x.method is None else x.method.value): x.value
        for x in group.get_measurements()
        if x.name.value == "112031"
    }
    assert found == {
        ("Mean", None): m.mean_hu,
        ("Mean", "CORE"): m.core_mean_hu,
        ("Standard Deviation", None): m.sd_hu,
        ("Median", None): m.median_hu,
    }


def test_the_probability_names_its_model_and_weights_and_carries_the_statement(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...], assessments: tuple[Assessment, ...]
) -> None:
    path = write_dicom(tmp_path, series, [(assessments[0], lesions[0])])[1]
    group = groups_of(path)[0]
    made_by = assessments[0].provenance
    for item in group.get_measurements():
        texts = {c.ConceptNameCodeSequence[0].CodeValue: c.get("TextValue") for c in item[0].ContentSequence}
        if item.name.value in ("111047", "PROBABILITY-LOW", "PROBABILITY-HIGH"):
            assert (texts["111001"], texts["111003"]) == (made_by.model_name, made_by.model_version)
            assert texts["111002"] == f"weights SHA-256 {made_by.weights_sha256}"
        elif item.name.value == "118565006":
            assert (texts["111001"], texts["111003"]) == ("Adrenal Classifier measurements", made_by.software_version)
    document = pydicom.dcmread(path)
    assert SYNTHETIC_STATEMENT in [item.get("TextValue") for item in document.ContentSequence]
    assert SYNTHETIC_STATEMENT in comments(group)
    (chosen,) = group.get_qualitative_evaluations()
    expected = {"benign": "30807003", "malignant": "21594007", "either": "EITHER", "none": "NEITHER"}
    assert (chosen.name.value, chosen.value.value) == ("CONFORMAL-SET", expected[assessments[0].conformal_set.name])


def test_an_absent_probability_leaves_no_number_behind(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...], assessments: tuple[Assessment, ...]
) -> None:
    hidden = replace(
        assessments[0],
        shown=None,
        conformal={},
        models={
            name: replace(r, probability=None, interval=None, reason="a reason.") for name, r in assessments[0].models.items()
        },
        validity=(),
    )
    for case, why in (((None, lesions[0]), "not assessed"), ((hidden, lesions[0]), "a reason")):
        path = write_dicom(tmp_path, series, [case])[1]
        (group,) = groups_of(path)
        predicted = {"111047", "PROBABILITY-LOW", "PROBABILITY-HIGH", "PREVALENCE", "CONFORMAL-LEVEL"}
        assert not predicted & {name for name, _, _ in numbers_of(group)}
        assert not group.get_qualitative_evaluations()
        assert any(why in text for text in comments(group))
        assert "research use only" in " ".join(str(item.get("TextValue")) for item in pydicom.dcmread(path).ContentSequence)


def test_an_assessment_of_another_outline_is_left_out_and_the_numbers_are_the_outlines(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...], assessments: tuple[Assessment, ...]
) -> None:
    (edited,) = lesions_on(series[0].parent, (RIGHT | np.roll(RIGHT, 1, 2), "right"))
    (group,) = groups_of(write_dicom(tmp_path, series, [(assessments[0], edited)])[1])
    numbers = numbers_of(group)
    assert ("111047", "DCM", "%") not in numbers
    voxel = 2.0 * 0.8 * 0.7 / 1000
    assert numbers["118565006", "SCT", "cm3"] == pytest.approx([edited.mask.sum() * voxel])
    assert any("changed after" in text for text in comments(group))


@pytest.mark.parametrize("phase", ["portal", "unenhanced"])
def test_spontaneous_attenuation_is_there_on_unenhanced_ct_only(tmp_path: Path, series: list[Path], phase: str) -> None:
    (lesion,) = lesions_on(series[0].parent, (RIGHT, "right"), phase=phase)
    (group,) = groups_of(write_dicom(tmp_path, series, [(None, lesion)])[1])
    assert (("SPONTANEOUS", "99ADRENAL", "[hnsf'U]") in numbers_of(group)) == (phase == "unenhanced")
    assert phase in [item.get("TextValue") for item in group[0].ContentSequence]


def test_private_codes_fit_their_fields() -> None:
    assert all(len(code) <= 16 and len(meaning) <= 64 for code, meaning in PRIVATE.items())


# -- what is refused -----------------------------------------------------------------------------------------------


def test_a_tilted_gantry_is_refused(tmp_path: Path) -> None:
    files = write_series(tmp_path / "ct", body(SHAPE), step=(0.0, 0.5, 2.0), edit=in_study)
    (lesion,) = lesions_on(tmp_path / "ct", (np.ones(read_ct(tmp_path / "ct").hu.shape, bool), "right"))
    refused(tmp_path, files, lesion, GeometryError, "gantry was tilted by 14.0 degrees")


def test_another_series_on_the_same_grid_is_refused(tmp_path: Path, lesions: tuple[Lesion, ...]) -> None:
    other = write_series(tmp_path / "ct", body(SHAPE, seed=5), edit=in_study)
    refused(tmp_path, other, lesions[0], GeometryError, "attenuation in the outline of 'lesion-1' is not that of the CT files")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"spacing": (2.0, 0.9, 0.7)}, "is not on the grid of the CT files .spacing"),
        ({"origin": (-50.3, -60.0, -700.0)}, "is not on the grid of the CT files .position, by up to 0.3 mm"),
        ({"orientation": ((1, 0, 0), (0, 0.8, 0.6))}, "is not on the grid"),
        ({"origin": (-50.0, -60.0, -640.0)}, "reaches beyond the CT files"),
    ],
)
def test_a_lesion_of_another_grid_is_refused(tmp_path: Path, lesions: tuple[Lesion, ...], options: Any, sentence: str) -> None:
    refused(tmp_path, write_series(tmp_path / "ct", body(SHAPE), edit=in_study, **options), lesions[0], GeometryError, sentence)


def test_files_that_are_not_one_series_are_refused(tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]) -> None:
    second = write_series(tmp_path / "b", body(SHAPE, seed=5), edit=in_study)
    refused(tmp_path, [*series, *second], lesions[0], ImageReadError, "2 CT volumes")
    refused(tmp_path, [], lesions[0], ImageReadError, "did not come from DICOM files")
    refused(tmp_path, series[:1], lesions[0], ImageReadError, "a single slice")
    refused(tmp_path, [*series[:5], *series[6:]], lesions[0], GeometryError, "slices are missing")
    refused(tmp_path, [tmp_path / "gone.dcm"], lesions[0], ImageReadError, "File 1 of the CT's 1 files is gone")


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_files_without_study_or_frame_of_reference_are_refused(tmp_path: Path, lesions: tuple[Lesion, ...], keyword: str) -> None:
    def edit(ds: pydicom.Dataset, k: int) -> None:
        in_study(ds, k)
        setattr(ds, keyword, "")

    refused(tmp_path, write_series(tmp_path / "ct", body(SHAPE), edit=edit), lesions[0], ImageReadError, "lack the identifiers")


def test_without_highdicom_the_error_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    monkeypatch.setitem(sys.modules, "highdicom", None)
    refused(tmp_path, series, lesions[0], MissingDependencyError, r"pip install 'adrenal-classifier\[dicom\]'")


def test_an_error_inside_highdicom_becomes_a_sentence_without_the_patient(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("DOE^JANE is no name")

    monkeypatch.setattr(dicom, "segmentation", fails)
    error = refused(tmp_path, series, lesions[0], AdrenalError, "headers of the CT files do not allow")
    assert error.__cause__ is None
    assert error.__suppress_context__


# -- files ---------------------------------------------------------------------------------------------------------


def test_earlier_objects_stay(tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]) -> None:
    first = write_dicom(tmp_path, series, [(None, lesions[0])])
    before = [path.read_bytes() for path in first]
    second = write_dicom(tmp_path, series, [(None, lesions[1])])
    assert [path.name for path in second] == ["segmentation-2.dcm", "measurements-2.dcm"]
    assert [path.read_bytes() for path in first] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in (*first, *second))
    assert not any(part in path.name.lower() for path in second for part in IDENTITY)


def test_both_files_are_written_or_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    def full(self: Any, path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(highdicom.sr.Comprehensive3DSR, "save_as", full)
    with pytest.raises(OutputError, match="No space left"):
        write_dicom(tmp_path / "out", series, [(None, lesions[0])])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_second_file_that_cannot_be_put_in_place_takes_the_first_along(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    replace_file = Path.replace

    def fails(self: Path, target: Path) -> Path:
        if Path(target).name == "segmentation.dcm":  # put in place last
            raise OSError(5, "Input/output error")
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", fails)
    with pytest.raises(OutputError, match="Input/output"):
        write_dicom(tmp_path / "out", series, [(None, lesions[0])])
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_in_the_place_of_the_folder_is_an_output_error(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...]
) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(OutputError, match="'out'"):
        write_dicom(tmp_path / "out", series, [(None, lesions[0])])


@pytest.mark.parametrize("how", ["gone", "garbage", "cut off"])
def test_a_slice_that_cannot_be_read_is_not_called_by_its_name(
    tmp_path: Path, series: list[Path], lesions: tuple[Lesion, ...], how: str
) -> None:
    bad = tmp_path / "DOE^JANE.dcm"
    if how != "gone":
        bad.write_bytes(b"garbage" if how == "garbage" else series[0].read_bytes()[:200])
    error = refused(tmp_path, [*series, bad], lesions[0], ImageReadError, f"File {len(series) + 1} of the CT's")
    assert "DOE" not in str(error)


# -- helpers -------------------------------------------------------------------------------------------------------


def _code(sequence: Any) -> tuple[str, str]:
    return sequence[0].CodeValue, sequence[0].CodingSchemeDesignator


def groups_of(path: Path) -> Any:
    return highdicom.sr.srread(path).content.get_volumetric_roi_measurement_groups()


def numbers_of(group: Any) -> dict[tuple[str, str, str], list[float]]:
    """Code, scheme and unit of every number with its values in the order of the file."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for item in group.get_measurements():
        found.setdefault((item.name.value, item.name.scheme_designator, item.unit.value), []).append(float(item.value))
    return found


def comments(group: Any) -> list[str]:
    return list(_comments(group))


def _comments(group: Any) -> Iterator[str]:
    for item in group[0].ContentSequence:
        if item.ValueType == "TEXT" and item.ConceptNameCodeSequence[0].CodeValue == "121106":
            yield str(item.TextValue)


def refused(folder: Path, files: list[Path], lesion: Lesion, kind: type[AdrenalError], sentence: str) -> AdrenalError:
    """Nothing is written, and the sentence names no patient."""
    with pytest.raises(kind, match=sentence) as caught:
        write_dicom(folder / "refused", files, [(None, lesion)])
    assert no_identity(str(caught.value))
    assert not (folder / "refused").exists()
    return caught.value

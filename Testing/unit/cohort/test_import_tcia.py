"""The importer of Adrenal-ACC-Ki67-Seg on a small folder of the same structure, with the faults such downloads have."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest

from AdrenalClassifierLib.cohort.check import check_cohort
from AdrenalClassifierLib.cohort.importers.report import SERIES_FILE, TEXT_FILE
from AdrenalClassifierLib.cohort.importers.tcia import import_tcia
from AdrenalClassifierLib.cohort.lesions import lesion_of_row
from AdrenalClassifierLib.cohort.table import read_cohort
from AdrenalClassifierLib.errors import CohortError, ImageReadError, OutputError
from support.tcia_folder import Study, as_flat, ball, clinical_row, patient, real_portal, tissue, write_clinical

AGENT = "Omnipaque 350"


class Download:
    """A folder to be filled and imported."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root = folder, folder / "download"
        self.clinical: list[list[object]] = []

    def study(self, number: int | str, date: str = "20000822") -> Study:
        return Study(self.root, patient(number) if isinstance(number, int) else number, date)

    def take(self, name: str = "out", root: Path | None = None, **options: object) -> dict[str, dict[str, str]]:
        """Import; gives the rows of cohort.csv by lesion_id."""
        table = write_clinical(self.folder / f"{name}.csv", self.clinical)
        self.out = self.folder / name
        import_tcia(root or self.root, table, self.out, **options)  # type: ignore[arg-type]
        with open(self.out / "cohort.csv", newline="", encoding="utf-8") as file:
            return {row["lesion_id"]: row for row in csv.DictReader(file)}

    @property
    def text(self) -> str:
        """The report."""
        return (self.out / TEXT_FILE).read_text(encoding="utf-8")

    def series(self, number: int, who: int | str = 1) -> list[dict[str, str]]:
        """The lines of the series report with a series number."""
        name = patient(who) if isinstance(who, int) else who
        with open(self.out / SERIES_FILE, newline="", encoding="utf-8") as file:
            return [r for r in csv.DictReader(file) if r["series_number"] == str(number) and r["patient_id"] == name]


@pytest.fixture
def download(tmp_path: Path) -> Download:
    return Download(tmp_path)


def one_patient(download: Download, number: int = 1, description: str = "Venous", **more: object) -> Study:
    """One CT with its SEG."""
    study = download.study(number)
    study.seg(study.ct(2, description, tissue(number), **more), [ball()])  # type: ignore[arg-type]
    return study


def test_the_shared_scan_becomes_a_row_with_its_phases_and_each_series_is_accounted_for(download: Download) -> None:
    hu, gland = real_portal()
    study = download.study(1)
    fine = {"spacing": (2.0, 0.977, 0.977)}
    outlined = study.ct(5, "Abd Venous 2.0 B40f", hu, agent=AGENT, **fine)  # type: ignore[arg-type]
    study.ct(2, "Pre Abd 5.0 B40f", hu[::2] - 60, (4.0, 0.977, 0.977), SliceThickness="5")
    study.ct(6, "Abd Venous 1.0 B40f", hu.repeat(2, axis=0), (1.0, 0.977, 0.977), agent=AGENT)
    study.ct(7, "Abd Delayed 2.0", hu, kernel="B70f", agent=AGENT, **fine)  # type: ignore[arg-type]
    study.ct(8, "Delayed far away", hu, origin=(-50.0, -60.0, 200.0), agent=AGENT, **fine)  # type: ignore[arg-type]
    study.ct(9, "Delayed cor", hu, orientation=((1, 0, 0), (0, 0, -1)), agent=AGENT, **fine)  # type: ignore[arg-type]
    study.ct(1, "Topogram", hu[:2], ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    study.seg(outlined, [gland])
    download.clinical = [clinical_row(1, "Y", "Y", "Y", "Right", 61)]
    (row,) = download.take().values()
    assert (row["patient_id"], row["lesion_id"], row["side"], row["age_years"], row["sex"]) == (
        "Adrenal_Ki67_Seg_001", "Adrenal_Ki67_Seg_001-1", "right", "61", "female",
    )  # fmt: skip
    assert (row["malignant"], row["histology"], row["truth_source"], row["mask_label"]) == ("1", "acc", "surgery", "1")
    assert (download.out / row["ct_portal"]).resolve() == outlined[0].parent.resolve()
    assert "Pre Abd" in row["ct_unenhanced"]
    assert (row["ct_delayed"], row["ct_arterial"]) == ("", "")
    assert not Path(row["mask"]).is_absolute()
    reasons = {n: download.series(n)[0]["reason"] for n in (1, 2, 5, 6, 7, 8, 9)}
    assert (reasons[2], reasons[5]) == ("", "")
    assert reasons[1] == "neither a CT volume nor a segmentation"
    assert reasons[6] == "the lesion was outlined on another series of its phase"
    assert reasons[7] == "its kernel is a sharp one (lung or bone)"
    assert reasons[8] == "it does not cover the whole lesion"
    assert reasons[9] == "it is a reformat, not axial"
    assert download.series(5)[0]["used_for"] == "ct_portal of Adrenal_Ki67_Seg_001-1"
    assert download.series(300)[0]["used_for"] == "mask of Adrenal_Ki67_Seg_001-1 (segment 1)"
    assert download.series(5)[0]["series_uid"] == pydicom.dcmread(outlined[0], stop_before_pixels=True).SeriesInstanceUID
    for column in ("PathTumorSize", "TNM_Stage", "Ki67", "ResectionMargin", "DaysToDiagnosis"):
        assert f"- {column}: this is " in download.text
    assert "- Race: not needed." in download.text
    problems, _ = check_cohort(download.out / "cohort.csv")
    assert problems == ()
    lesion = lesion_of_row(read_cohort(download.out / "cohort.csv").rows[0])
    assert set(lesion.phases) == {"portal", "unenhanced"}
    assert lesion.mask.sum() == gland.sum()
    # The mean over the gland, from the voxels the series was written from.
    portal = lesion.hu("portal")
    assert portal is not None
    assert portal[lesion.mask].mean() == pytest.approx(hu[gland].mean(), abs=1e-3)


def test_a_flat_layout_and_an_excel_workbook_give_the_same_table(download: Download, tmp_path: Path) -> None:
    one_patient(download, 1)
    one_patient(download, 2, "Delayed 5 min")
    download.clinical = [clinical_row(1, "N", "Y", "N"), clinical_row(2, "N", "N", "Y", "Right", 33)]
    nested = download.take()
    flat = as_flat(download.root, tmp_path / "flat")
    again = download.take("flat-out", flat)
    book = write_clinical(tmp_path / "clinical.xlsx", download.clinical)
    import_tcia(flat, book, tmp_path / "book-out")
    assert (tmp_path / "book-out" / "cohort.csv").read_text() == (tmp_path / "flat-out" / "cohort.csv").read_text()
    paths = ("ct_portal", "ct_delayed", "mask")
    for name, row in nested.items():
        assert {k: v for k, v in row.items() if k not in paths} == {k: v for k, v in again[name].items() if k not in paths}
        assert [bool(row[k]) for k in paths] == [bool(again[name][k]) for k in paths]
    assert check_cohort(tmp_path / "flat-out" / "cohort.csv")[0] == ()


def test_all_files_in_one_folder_still_give_a_table_that_can_be_read(download: Download, tmp_path: Path) -> None:
    study = download.study(1)
    study.seg(study.ct(2, "Venous", tissue(1)), [ball()])
    study.ct(3, "Pre", tissue(2, -5))
    heap = tmp_path / "heap"
    heap.mkdir()
    for n, path in enumerate(sorted(download.root.rglob("*.dcm"))):
        shutil.copy(path, heap / f"{n:04d}")
    download.clinical = [clinical_row(1, "Y", "Y", "N")]
    assert len(download.take("heap-out", heap)) == 1
    assert check_cohort(download.out / "cohort.csv")[0] == ()
    lesion = lesion_of_row(read_cohort(download.out / "cohort.csv").rows[0])
    means = {phase: float(np.mean(lesion.hu(phase)[lesion.mask])) for phase in lesion.phases}  # type: ignore[index]
    assert means["portal"] == pytest.approx(40, abs=1)
    assert means["unenhanced"] == pytest.approx(-5, abs=1)


def test_a_seg_without_references_is_matched_by_its_frame_of_reference_and_grid(download: Download) -> None:
    study = download.study(1)
    outlined = study.ct(2, "Venous", tissue(1))
    study.ct(3, "Delayed", tissue(2, 30), (1.25, 2.0, 2.0))
    study.seg(outlined, [ball()], refer=False)
    download.clinical = [clinical_row(1, "N", "Y", "Y")]
    (row,) = download.take().values()
    assert "2.000000-Venous" in row["ct_portal"]
    assert "does not say on which series it was drawn" in download.text
    assert check_cohort(download.out / "cohort.csv")[0] == ()


def test_phases_come_from_header_words_or_elimination_and_what_stays_unknown_is_left_out_and_said(download: Download) -> None:
    one_patient(download, 1, "Abdomen", ContrastBolusAgentPhase="DELAYED", ContrastBolusAgent=AGENT)
    one_patient(download, 2, "Abdomen", agent=AGENT)  # table: pre and venous; the agent leaves venous
    one_patient(download, 3, "Abdomen", agent=AGENT)  # table: venous and delayed
    one_patient(download, 4, "Pre", agent=AGENT)  # by name unenhanced, but an agent and no such phase in the table
    one_patient(download, 5, "Abdomen")  # no row in the table
    download.clinical = [
        clinical_row(1, "N", "Y", "Y"), clinical_row(2, "Y", "Y", "N"), clinical_row(3, "N", "Y", "Y"),
        clinical_row(4, "N", "Y", "N"),
    ]  # fmt: skip
    rows = {row["patient_id"]: row for row in download.take().values()}
    assert set(rows) == {patient(1), patient(2)}
    assert rows[patient(1)]["ct_delayed"]
    assert rows[patient(2)]["ct_portal"]
    assert download.series(2, 1)[0]["phase_from"] == "header"
    assert download.series(2, 2)[0]["phase_from"] == "clinical table, the only phase left"
    assert download.series(2, 3)[0]["phase_from"] == "the clinical table leaves delayed or portal"
    assert "contradictory" in download.series(2, 4)[0]["phase_from"]
    assert f"{patient(3)}: A lesion was left out" in download.text
    assert f"{patient(5)}: There is no row in the clinical table" in download.text
    rows = {row["patient_id"]: row for row in download.take("asked", unknown_phase="portal").values()}
    assert set(rows) == {patient(1), patient(2), patient(3), patient(5)}  # what is contradictory stays out
    assert rows[patient(3)]["ct_portal"]
    assert (rows[patient(5)]["ct_portal"] != "", rows[patient(5)]["age_years"], rows[patient(5)]["side"]) == (True, "", "unknown")
    assert "--unknown-phase" in download.series(2, 3)[0]["phase_from"]


def test_of_two_studies_the_earliest_usable_is_taken_or_all_when_asked(download: Download) -> None:
    late, early = download.study(1, "20010101"), download.study(1, "20000101")
    late.seg(late.ct(2, "Venous late", tissue(1)), [ball()])
    early.seg(early.ct(2, "Venous early", tissue(2)), [ball()])
    download.clinical = [clinical_row(1, "N", "Y", "N")]
    (row,) = download.take().values()
    assert "Venous early" in row["ct_portal"]
    assert "There are outlines in 2 studies. The earliest that can be used was taken." in download.text
    assert [line["reason"] for line in download.series(2)] == [
        "", "another study of the patient was taken, the earliest that can be used",
    ]  # fmt: skip
    rows = download.take("all", all_studies=True)
    assert ["early" in rows[f"{patient(1)}-1"]["ct_portal"], "late" in rows[f"{patient(1)}-2"]["ct_portal"]] == [True, True]
    assert check_cohort(download.out / "cohort.csv")[0] == ()


def test_several_segs_of_one_lesion_become_one_row_of_the_newest_and_of_two_lesions_two(download: Download) -> None:
    study = download.study(1)
    slices = study.ct(2, "Venous", tissue(1))
    study.seg(slices, [ball(10)], 301, "20200301")
    study.seg(slices, [ball(12)], 302, "20200401")
    study.seg(slices, [ball(5, 18)], 303, "20200101")
    download.clinical = [clinical_row(1, "N", "Y", "N")]
    rows = download.take()
    assert sorted(Path(row["mask"]).parent.name.split(".")[0] for row in rows.values()) == ["302", "303"]
    assert {row["side"] for row in rows.values()} == {"unknown"}  # one laterality cannot be that of both
    assert download.series(301)[0]["reason"] == "a newer segmentation outlines the same lesion"
    assert "There are 2 lesions; the table's laterality was not taken for them." in download.text
    assert check_cohort(download.out / "cohort.csv")[0] == ()


def test_an_empty_segment_is_passed_over_and_two_segments_are_two_rows(download: Download) -> None:
    study = download.study(1)
    slices = study.ct(2, "Venous", tissue(1))
    study.seg(slices, [ball(6, -16), np.zeros_like(ball()), ball(6, 16)])
    study = download.study(2)
    study.seg(study.ct(2, "Venous", tissue(2)), [ball(), np.zeros_like(ball())])
    download.clinical = [clinical_row(n, "N", "Y", "N") for n in (1, 2)]
    rows = download.take()
    assert [(row["patient_id"], row["mask_label"]) for row in rows.values()] == [
        (patient(1), "1"), (patient(1), "3"), (patient(2), "1"),
    ]  # fmt: skip
    assert download.text.count("is empty.") == 2
    assert check_cohort(download.out / "cohort.csv")[0] == ()


def test_faults_of_a_download_are_reported_and_stop_nothing(download: Download, tmp_path: Path) -> None:
    one_patient(download, 1)
    study = download.study(2)  # one slice is cut off
    slices = study.ct(2, "Venous", tissue(2))
    study.seg(slices, [ball()])
    slices[3].write_bytes(slices[3].read_bytes()[:-20])
    slices[4].write_bytes(slices[4].read_bytes()[:600])
    study = download.study(3)  # one slice is missing
    slices = study.ct(2, "Venous", tissue(3))
    study.seg(slices, [ball()])
    slices[5].unlink()
    study = download.study(4)  # the CT is missing
    slices = study.ct(2, "Venous", tissue(4))
    study.seg(slices, [ball()])
    shutil.rmtree(slices[0].parent)
    study = download.study(5)  # the segmentation is damaged
    seg = study.seg(study.ct(2, "Venous", tissue(5)), [ball()])
    seg.write_bytes(seg.read_bytes()[:-200])
    study = download.study(6)  # the segmentation consists of nothing
    study.seg(study.ct(2, "Venous", tissue(6)), [np.zeros_like(ball())])
    download.study(7).ct(2, "Venous", tissue(7))  # no segmentation
    (download.root / "LICENSE").write_text("CC BY 4.0")
    (download.root / "empty.dcm").touch()
    download.clinical = [clinical_row(n, "N", "Y", "N") for n in range(1, 9)]
    rows = download.take()
    assert [row["patient_id"] for row in rows.values()] == [patient(1)]
    text = download.text
    assert "1-004.dcm' is shorter than its header says; download it again." in text
    assert "'1-005.dcm' is damaged: its header ends too early." in text
    assert "1 files are empty (0 bytes)" in text
    assert "2 unreadable files" in text
    assert f"{patient(3)}: A segmentation was not used: the CT it was drawn on cannot be used: 1 slices are missing" in text
    assert f"{patient(4)}: A segmentation was not used: the CT it was drawn on is not in the folder" in text
    for number in (2, 5, 6, 7):
        assert f"{patient(number)}: No lesion of this patient was imported." in text
    assert "1 patients of the clinical table have no images in the folder." in text
    assert download.series(2, 7)[0]["reason"] == "there is no outline that can be used in its study"
    assert str(tmp_path) not in text
    with open(download.out / SERIES_FILE, newline="", encoding="utf-8") as file:
        assert all(bool(line["used_for"]) != bool(line["reason"]) for line in csv.DictReader(file))


def test_an_identity_never_leaves_the_headers(download: Download) -> None:
    study = download.study("DOE-4711")
    study.seg(study.ct(2, "Venous DOE 4711 19500123", tissue(1), PatientName="DOE^JANE", PatientBirthDate="19500123"), [ball()])
    one_patient(download, 1)
    download.clinical = [clinical_row(1, "N", "Y", "N")]
    flat = as_flat(download.root, download.folder / "flat")
    rows = download.take("flat-out", flat)
    assert {row["patient_id"] for row in rows.values()} == {patient(1), "patient-001"}
    uid = str(pydicom.dcmread(next(iter(study.root.rglob("DOE*/**/*.dcm"))), stop_before_pixels=True).StudyInstanceUID)
    for name in (SERIES_FILE, TEXT_FILE):
        text = (download.out / name).read_text(encoding="utf-8").casefold()
        assert not any(part in text for part in ("doe", "jane", "4711", "1950", "2000082", uid))
    assert "any other PatientID was replaced by a running number" in download.text
    assert download.series(2, "patient-001")[0]["series_uid"] == ""


def test_folders_and_tables_that_cannot_be_used_get_one_sentence(download: Download, tmp_path: Path) -> None:
    table = write_clinical(tmp_path / "clinical.csv", [])
    with pytest.raises(ImageReadError, match="is not a folder"):
        import_tcia(tmp_path / "nowhere", table, tmp_path / "a")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(ImageReadError, match="holds no DICOM file"):
        import_tcia(tmp_path / "nothing", table, tmp_path / "a")
    (tmp_path / "other.csv").write_text("Case,Ki67\n1,2\n")
    with pytest.raises(CohortError, match="has no column Patient_ID"):
        import_tcia(tmp_path, tmp_path / "other.csv", tmp_path / "a")
    (tmp_path / "book.xlsx").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(CohortError, match="is damaged or no Excel workbook"):
        import_tcia(tmp_path, tmp_path / "book.xlsx", tmp_path / "a")
    with pytest.raises(CohortError, match="does not exist"):
        import_tcia(tmp_path, tmp_path / "gone.csv", tmp_path / "a")
    with pytest.raises(OutputError, match="is not an empty folder"):
        import_tcia(tmp_path / "nothing", table, tmp_path)
    assert not (tmp_path / "a").exists()
    one_patient(download, 1, "Abdomen")
    with pytest.raises(CohortError, match=r"No lesion can be imported from 'download'; import_report\.txt in 'b' says why"):
        import_tcia(download.root, table, tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [TEXT_FILE, SERIES_FILE]

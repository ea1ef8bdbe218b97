"""What a reader does: states, time, masks, submitting once, re-opening; and what comes back to the coordinator."""

from __future__ import annotations

import os
import shutil
import zipfile
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.errors import AdrenalError, MaskError, OutputError, StudyError
from AdrenalClassifierLib.files import sha256_of
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.imaging.read import read_mask
from AdrenalClassifierLib.imaging.resample import to_sitk
from AdrenalClassifierLib.study import work
from AdrenalClassifierLib.study.collect import collect
from AdrenalClassifierLib.study.collected import collected, results_folder
from AdrenalClassifierLib.study.create import Design
from AdrenalClassifierLib.study.manifest import Study, read_key, read_study
from AdrenalClassifierLib.study.masks import mask_on_grid, write_mask
from AdrenalClassifierLib.study.package import read_package
from AdrenalClassifierLib.study.release import release
from AdrenalClassifierLib.study.status import progress_of, unfinished
from support.grids import rearranged
from support.studies import START, TOOL, balls, make_study, read_all, scene_of
from support.studies import ball_on as ball

LESIONS = balls(4)


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    folder: Path = tmp_path_factory.mktemp("made")
    make_study(folder, LESIONS, Design(("R1", "R2"), 2, sessions=2, lesions=3))
    return folder / "study"


@pytest.fixture
def study(made: Path, tmp_path: Path) -> Study:
    shutil.copytree(made, tmp_path / "study")
    return read_study(tmp_path / "study")


@pytest.fixture
def package(study: Study) -> Path:
    return study.folder / "packages" / "R1-1"


def at(minutes: float):  # type: ignore[no-untyped-def]
    return START + timedelta(minutes=minutes)


def some(package: Path, code: str, size: int = 5):  # type: ignore[no-untyped-def]
    mask = np.zeros(read_package(package).case(code).grid.shape, bool)
    mask[10 : 10 + size, 20 : 20 + size, 20 : 20 + size] = True
    return mask


def test_a_case_goes_from_open_to_submitted_and_the_worklist_says_what_is_next(package: Path) -> None:
    work_list = work.open_package(package)
    codes = [c.code for c in work_list.cases]
    assert [c.state for c in work_list.cases] == ["open"] * 3
    assert work_list.next.code == codes[0]
    opened = work.open_case(package, codes[1], *TOOL, at(0))
    assert opened.mask is None
    assert opened.ct.is_file()
    assert opened.state.state == "started"
    assert work.open_package(package).next.code == codes[1]  # what was begun comes first
    done = work.submit(package, codes[1], some(package, codes[1]), at(3))
    assert done.state == "submitted"
    assert (done.submissions[0].tool, done.submissions[0].tool_version) == TOOL
    assert work.open_package(package).next.code == codes[0]
    assert not work.open_package(package).finished


def test_pauses_do_not_count_and_a_crash_ends_the_run_at_its_last_record(package: Path) -> None:
    code = work.open_package(package).cases[0].code
    work.open_case(package, code, *TOOL, at(0))
    assert work.pause(package, code, at(2)).active_s == 120
    with pytest.raises(StudyError, match="does not run"):
        work.pause(package, code, at(3))
    work.resume(package, code, at(10))
    with pytest.raises(StudyError, match="runs already"):
        work.resume(package, code, at(10))
    assert work.autosave(package, code, some(package, code), at(11)).active_s == 180
    # The process dies here, 25 seconds later; the reader returns after an hour.
    opened = work.open_case(package, code, *TOOL, at(71))
    assert opened.state.active_s == 180
    assert opened.mask is not None
    assert work.close_case(package, code, at(72)).active_s == 240
    work.open_case(package, code, *TOOL, at(500))
    done = work.submit(package, code, None, at(501))
    assert done.active_s == done.submissions[0].active_s == 300


def test_a_clock_that_is_set_back_adds_nothing_and_takes_nothing(package: Path) -> None:
    code = work.open_package(package).cases[0].code
    work.open_case(package, code, *TOOL, at(0))
    work.autosave(package, code, some(package, code), at(5))
    assert work.autosave(package, code, some(package, code), at(-60)).active_s == 300
    assert work.submit(package, code, None, at(-58)).active_s == 420


def test_opening_another_case_closes_the_one_that_was_left_running(package: Path) -> None:
    a, b, _ = (c.code for c in work.open_package(package).cases)
    work.open_case(package, a, *TOOL, at(0))
    work.autosave(package, a, some(package, a), at(1))
    work.open_case(package, b, *TOOL, at(30))
    state = work.open_package(package).case(a)
    assert (state.running, state.active_s, state.state) == (False, 60, "started")


def test_a_case_is_submitted_once_and_reopened_only_with_a_reason(package: Path) -> None:
    code = work.open_package(package).cases[0].code
    work.open_case(package, code, *TOOL, at(0))
    work.submit(package, code, some(package, code, 5), at(1))
    first = package / "submitted" / f"{code}-1.seg.nrrd"
    kept = first.read_bytes()
    for refused in (
        lambda: work.submit(package, code, some(package, code, 6), at(2)),
        lambda: work.autosave(package, code, some(package, code, 6), at(2)),
        lambda: work.open_case(package, code, *TOOL, at(2)),
    ):
        with pytest.raises(StudyError, match="re-open"):
            refused()
    with pytest.raises(StudyError, match="why"):
        work.reopen(package, code, "  \n ", at(3))
    assert work.reopen(package, code, "wrong side", at(3)).state == "reopened"
    with pytest.raises(StudyError, match="not submitted"):
        work.reopen(package, code, "again", at(3))
    assert work.open_package(package).next.code == code
    opened = work.open_case(package, code, *TOOL, at(4))
    assert opened.mask == first
    done = work.submit(package, code, some(package, code, 6), at(6))
    assert [s.number for s in done.submissions] == [1, 2]
    assert done.active_s == 180
    assert first.read_bytes() == kept
    assert [sha256_of(package / "submitted" / f"{code}-{n}.seg.nrrd") for n in (1, 2)] == [s.sha256 for s in done.submissions]
    assert "wrong side" in (package / "log.csv").read_text(encoding="utf-8")


def test_masks_come_back_voxel_for_voxel_and_slicer_files_are_taken(package: Path, tmp_path: Path) -> None:
    case = read_package(package).cases[0]
    work.open_case(package, case.code, *TOOL, at(0))
    mask = ball(case.grid, (25.0, 30.0, 28.0), 9.0)
    work.autosave(package, case.code, mask, at(1))
    saved = package / "autosave" / f"{case.code}.seg.nrrd"
    image = read_mask(saved)
    assert image.segments[0].name == "lesion"  # read as a segmentation of 3D Slicer
    assert np.array_equal(image.segments[0].mask, mask)
    # A segment editor saves the part that is filled, perhaps with other axes.
    (k0, j0, i0), (k1, j1, i1) = np.argwhere(mask).min(axis=0) - 1, np.argwhere(mask).max(axis=0) + 2
    part = case.grid.crop((k0, j0, i0), (k1, j1, i1))
    moved, stored = rearranged(mask[k0:k1, j0:j1, i0:i1], part, (2, 0, 1), (True, False, True))
    sitk.WriteImage(to_sitk(moved.astype(np.uint8), stored), str(tmp_path / "part.nrrd"))
    work.submit(package, case.code, tmp_path / "part.nrrd", at(2))
    assert np.array_equal(mask_on_grid(package / "submitted" / f"{case.code}-1.seg.nrrd", case.grid), mask)


def test_masks_that_do_not_belong_to_the_case_are_refused(package: Path, tmp_path: Path) -> None:
    case = read_package(package).cases[0]
    work.open_case(package, case.code, *TOOL, at(0))
    with pytest.raises(StudyError, match="Nothing was saved"):
        work.submit(package, case.code, None, at(1))
    empty = np.zeros(case.grid.shape, bool)
    assert work.autosave(package, case.code, empty, at(1)).state == "started"
    for given in (None, empty):
        with pytest.raises(MaskError, match="empty"):
            work.submit(package, case.code, given, at(1))
    with pytest.raises(StudyError, match="each voxel"):
        work.submit(package, case.code, empty[1:], at(1))
    g = case.grid
    for grid, words in (
        (Geometry(g.shape, g.spacing, g.axes, (0.4, 0.0, 0.0)), "does not lie on the grid"),
        (Geometry(g.shape, (1.5, 1.0, 1.1), g.axes, g.origin), "does not lie on the grid"),
        (Geometry(g.shape, g.spacing, g.axes, (30.0, 0.0, 0.0)), "reaches beyond"),
    ):
        sitk.WriteImage(to_sitk(np.ones(g.shape, np.uint8), grid), str(tmp_path / "m.nii.gz"))
        with pytest.raises(StudyError, match=words):
            work.submit(package, case.code, tmp_path / "m.nii.gz", at(1))
    two = np.ones(g.shape, np.uint8)
    two[:5] = 2
    sitk.WriteImage(to_sitk(two, g), str(tmp_path / "two.nii.gz"))
    with pytest.raises(StudyError, match="2 segments"):
        work.submit(package, case.code, tmp_path / "two.nii.gz", at(1))
    assert work.submit(package, case.code, tmp_path / "two.nii.gz", at(2), "2").state == "submitted"
    assert work.open_package(package).submitted == 1


def test_what_is_not_allowed_says_what_to_do(package: Path, study: Study) -> None:
    code = work.open_package(package).cases[0].code
    with pytest.raises(StudyError, match="Open it first"):
        work.submit(package, code, some(package, code), at(1))
    with pytest.raises(StudyError, match="worklist"):
        work.open_case(package, "NOSUCH", *TOOL, at(1))
    with pytest.raises(StudyError, match="tool"):
        work.open_case(package, code, "", "1", at(1))
    with pytest.raises(StudyError, match=r"package\.json"):
        work.open_package(study.folder)
    (package / "ct" / f"{code}.nii.gz").write_bytes(b"other")
    with pytest.raises(StudyError, match="was changed"):
        work.open_case(package, code, *TOOL, at(1))
    data = (package / "package.json").read_bytes()
    (package / "package.json").write_bytes(data.replace(b'"session": 1', b'"session": 2'))
    with pytest.raises(StudyError, match="checksum"):
        work.open_package(package)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are read from /proc")
def test_files_are_on_the_disk_before_the_log_names_them(package: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """The order that power loss needs: mask flushed, renamed, folder flushed, then the log's line, flushed."""
    code = work.open_package(package).cases[0].code
    work.open_case(package, code, *TOOL, at(0))
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        steps.append("flush mask" if name.startswith(".writing-") else f"flush {name}")
        real_fsync(handle)

    def replace(self: Path, target: Path) -> Path:
        steps.append(f"rename to {Path(target).name}")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    work.submit(package, code, some(package, code), at(1))
    assert steps == ["flush mask", f"rename to {code}-1.seg.nrrd", "flush submitted", "flush log.csv"]


def test_a_disk_that_is_full_leaves_the_case_unsubmitted_and_the_autosave_whole(package: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    code = work.open_package(package).cases[0].code
    work.open_case(package, code, *TOOL, at(0))
    work.autosave(package, code, some(package, code, 5), at(1))

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(os, "fsync", full)
        with pytest.raises(OutputError):
            work.autosave(package, code, some(package, code, 7), at(2))
        with pytest.raises(OutputError):
            work.submit(package, code, some(package, code, 7), at(2))
    assert work.open_package(package).case(code).state == "started"
    assert mask_on_grid(package / "autosave" / f"{code}.seg.nrrd", read_package(package).case(code).grid).sum() == 125
    assert work.submit(package, code, some(package, code, 7), at(3)).state == "submitted"


def truth(scene, _: int):  # type: ignore[no-untyped-def]
    return ball(scene.grid, scene.centre, scene.ball.radius)


def test_progress_is_told_without_results_and_finishing_is_collecting(study: Study) -> None:
    assert {r.name for r in unfinished(study)} == {"R1-1", "R2-1", "R1-2", "R2-2"}
    package = study.folder / "packages" / "R1-1"
    code = work.open_package(package).cases[0].code
    work.open_case(package, code, *TOOL, at(0))
    work.submit(package, code, some(package, code), at(1))
    first = progress_of(study)[0].to_json()
    assert (first["submitted"], first["begun"], first["collected"], first["total"]) == (1, 0, 0, 3)
    assert set(first) == {
        "reader",
        "session",
        "total",
        "released",
        "submitted",
        "begun",
        "collected",
        "finished",
        "last",
        "opens",
    }
    assert collect(study, package, at(5)).new == 1
    assert collect(study, package, at(6)).new == 0
    for state in work.open_package(package).cases[1:]:
        work.open_case(package, state.code, *TOOL, at(10))
        work.submit(package, state.code, some(package, state.code), at(11))
    shutil.make_archive(str(study.folder.parent / "back"), "zip", package.parent, package.name)
    assert collect(study, study.folder.parent / "back.zip", at(12)).new == 2
    assert {r.name for r in unfinished(study)} == {"R2-1", "R1-2", "R2-2"}
    names = {p.name for p in results_folder(study, study.readings[0]).iterdir()}
    assert names == {"package.json", "log.csv", *(f"{code}.seg.nrrd" for code in study.orders["R1-1"])}


def test_reopening_keeps_the_earlier_mask_in_the_results(study: Study) -> None:
    read_all(study, "R1-1", LESIONS, truth)
    package = study.folder / "packages" / "R1-1"
    code = study.orders["R1-1"][1]
    work.reopen(package, code, "forgot the lower pole", at(600))
    collect(study, package, at(601))
    assert not collected(study, study.readings[0]).finished
    work.open_case(package, code, *TOOL, at(602))
    work.submit(package, code, some(package, code), at(603))
    assert collect(study, package, at(604)).new == 1
    results = results_folder(study, study.readings[0])
    assert mask_on_grid(results / f"{code}.seg.nrrd", study.case(read_key(study).codes["R1-1"][code]).grid).sum() == 125
    assert (results / "earlier" / f"{code}-1.seg.nrrd").is_file()


def changed_mask(package: Path) -> None:
    path = next((package / "submitted").iterdir())
    code = path.name.split("-")[0]
    mask = some(package, code, 9)
    write_mask(path, mask, read_package(package).case(code).grid)


def changed_log(package: Path) -> None:
    path = package / "log.csv"
    path.write_bytes(path.read_bytes().replace(b"240.000", b"140.000", 1))


SPOILT = {
    "a mask was changed": (changed_mask, "changed after submission"),
    "a mask is missing": (lambda p: next((p / "submitted").iterdir()).unlink(), "no readable"),
    "the log was changed": (changed_log, "hash chain"),
    "the log is missing": (lambda p: (p / "log.csv").unlink(), "nothing was done"),
    "the package was changed": (
        lambda p: (p / "package.json").write_bytes((p / "package.json").read_bytes().replace(b"1.5", b"1.4")),
        "checksum",
    ),
    "the log is that of another reader": (
        lambda p: shutil.copy(p.with_name("R2-1") / "log.csv", p / "log.csv"),
        "hash chain",
    ),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_returned_package_is_verified_before_anything_is_copied(name: str, study: Study) -> None:
    spoil, words = SPOILT[name]
    package = study.folder / "packages" / "R1-1"
    work.open_package(package.with_name("R2-1"))
    for state in work.open_package(package).cases:
        work.open_case(package, state.code, *TOOL, at(0))
        work.submit(package, state.code, some(package, state.code), at(4))
    spoil(package)
    with pytest.raises(AdrenalError, match=words) as error:
        collect(study, package, at(5))
    assert str(study.folder.parent) not in str(error.value)
    assert list((study.folder / "readers").glob("*")) == []


def test_results_only_grow(study: Study, tmp_path: Path) -> None:
    """A package whose log was rolled back to an earlier state is not taken."""
    package = study.folder / "packages" / "R1-1"
    a, b, _ = (c.code for c in work.open_package(package).cases)
    work.open_case(package, a, *TOOL, at(0))
    work.submit(package, a, some(package, a), at(1))
    shutil.copytree(package, tmp_path / "earlier")
    work.open_case(package, b, *TOOL, at(2))
    work.submit(package, b, some(package, b), at(3))
    collect(study, package, at(4))
    with pytest.raises(StudyError, match="does not go on"):
        collect(study, tmp_path / "earlier", at(5))
    assert collected(study, study.readings[0]).submitted == 2


def test_a_package_of_another_study_and_things_that_are_none_are_refused(study: Study, tmp_path: Path) -> None:
    other = make_study(tmp_path / "other", LESIONS, Design(("R1", "R2"), 2, lesions=3), b"o" * 32)
    work.open_package(other.folder / "packages" / "R1-1")
    with pytest.raises(StudyError, match="not released by this study"):
        collect(study, other.folder / "packages" / "R1-1", at(1))
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w") as archive:
        archive.writestr("../package.txt", "x")
    for path, words in (
        (tmp_path / "text.zip", "not a readable"),
        (tmp_path / "empty.zip", "holds no"),
        (tmp_path / "nothing", "There is no"),
        (tmp_path, "no readable"),
    ):
        with pytest.raises(StudyError, match=words):
            collect(study, path, at(1))


def test_the_second_session_waits_for_the_wash_out(study: Study) -> None:
    with pytest.raises(StudyError, match="not collected complete"):
        release(study, "R1", 2, now=at(0))
    returned = read_all(study, "R1-1", LESIONS, truth)
    last = max(c.submissions[-1].when for c in returned.worklist.cases)
    ends = last + timedelta(days=28)
    with pytest.raises(StudyError, match=ends.date().isoformat()):
        release(study, "R1", 2, now=ends - timedelta(seconds=1))
    assert progress_of(study)[2].opens == ends.date()
    assert not (study.folder / "packages" / "R1-2").exists()
    folder = release(study, "R1", 2, now=ends)
    assert study.entries()[-1].event == "released"
    with pytest.raises(StudyError, match="released already"):
        release(study, "R1", 2, now=ends)
    assert [c.code for c in read_package(folder).cases] == list(study.orders["R1-2"])
    with pytest.raises(StudyError, match="no session 3"):
        release(study, "R1", 3, now=ends)


def test_an_early_release_needs_a_reason_which_is_logged(study: Study) -> None:
    read_all(study, "R2-1", LESIONS, truth)
    with pytest.raises(StudyError):
        release(study, "R2", 2, "   ", at(600))
    release(study, "R2", 2, "reader leaves the hospital", at(600))
    entry = study.entries()[-1]
    assert (entry.event, entry.values["reading"]) == ("released_early", "R2-2")
    assert entry.values["reason"] == "reader leaves the hospital"


def test_the_manifest_is_frozen_and_lists_every_input(study: Study) -> None:
    key = read_key(study)
    cohort = study.folder.parent / "cohort"
    assert not cohort.exists()  # the study was copied away; the key's paths are relative
    for case in study.cases:
        assert set(case.inputs) == {"ct_portal", "mask"}
        assert key.cases[case.case].cts["portal"].startswith("../cohort/scan_of_")
    for name in ("study.json", "coordinator/key.json"):
        path = study.folder / name
        data = path.read_bytes()
        path.write_bytes(data.replace(b"R1", b"RX").replace(b'"start": [\n    0', b'"start": [\n    1'))
        with pytest.raises(StudyError, match="checksum"):
            read_key(read_study(study.folder))
        path.write_bytes(data)
    assert read_study(study.folder) == study


def test_inputs_are_recorded_by_their_own_checksums(made: Path) -> None:
    study = read_study(made)
    key = read_key(study)
    for case in study.cases:
        found = key.cases[case.case]
        assert case.inputs["ct_portal"] == sha256_of(made / found.cts["portal"])
        assert case.inputs["mask"] == sha256_of(made / str(found.mask))
        scene = scene_of(study, key, case.case, LESIONS)
        shown = mask_on_grid(made / "coordinator" / "cases" / f"{case.case}.seg.nrrd", case.grid)
        assert np.array_equal(shown, ball(scene.grid, scene.centre, scene.ball.radius))

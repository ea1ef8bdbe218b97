"""Every byte of what a reader gets is searched for what the originals hold: names, dates, identifiers, paths, masks."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.imaging.geometry import identity
from AdrenalClassifierLib.imaging.read import read_ct
from AdrenalClassifierLib.imaging.resample import to_sitk
from AdrenalClassifierLib.study.create import Design, create_study
from AdrenalClassifierLib.study.manifest import Study, read_key
from AdrenalClassifierLib.study.package import read_package
from AdrenalClassifierLib.study.sources import sources_of_folders
from support.dicom_files import body, write_series
from support.grids import ellipsoid
from support.studies import SECRET, START, balls, make_study

WORDS = ("malignant", "benign", "adenoma", "histology", "portal", "age_years", "probability", "cohort", "outline_of", "scan_of")


def everything(package: Path) -> dict[str, bytes]:
    """Every file of a package's folder and .zip as it is and unpacked, and their names and comments."""
    found: dict[str, bytes] = {}
    for path in package.rglob("*"):
        found[f"name {path.name}"] = path.name.encode()
        if path.is_file():
            found[f"folder {path.name}"] = path.read_bytes()
    raw = package.with_name(package.name + ".zip").read_bytes()
    found["zip"] = raw
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert archive.comment == b""
        for info in archive.infolist():
            found[f"zip name {info.filename}"] = info.filename.encode() + info.extra + info.comment
            found[f"zipped {info.filename}"] = archive.read(info)
    for name, data in list(found.items()):
        if data[:2] == b"\x1f\x8b":
            found[f"unpacked {name}"] = gzip.decompress(data)
    return found


def absent(package: Path, secrets: set[str]) -> None:
    """Fails when any text is found anywhere, in any case, as ASCII or UTF-16."""
    for name, data in everything(package).items():
        lower = data.lower()
        for text in secrets:
            for encoded in (text.lower().encode(), text.lower().encode("utf-16-le")):
                assert encoded not in lower, f"{text!r} in {name}"


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:  # type: ignore[no-untyped-def]
    return make_study(tmp_path_factory.mktemp("blind"), balls(9), Design(("R1", "R2"), 11, lesions=8, hint="box"))


def test_a_package_of_a_cohort_holds_nothing_of_its_table_files_and_folders(study: Study) -> None:
    key = read_key(study)
    secrets = {*WORDS, "mueller^anna", "LESION-0", "PATIENT-0", study.folder.parent.name, "coordinator", "key.json"}
    for case, found in key.cases.items():
        secrets |= {case, found.lesion, found.patient, *(Path(p).name for p in found.cts.values()), Path(found.mask or "").name}
    secrets |= {part for part in study.folder.parts if len(part) > 3 and part != "study"}
    secrets |= {h for c in study.cases for h in c.inputs.values()} | {study.sha256, study.key_sha256, key.secret.hex()}
    for reading in ("R1-1", "R2-1"):
        own = set(study.orders[reading])
        other = set(study.orders["R2-1" if reading == "R1-1" else "R1-1"])
        assert not own & other
        absent(study.folder / "packages" / reading, secrets | other)
    # The search can find: the same words are in the originals.
    original = gzip.decompress((study.folder.parent / "cohort" / "scan_of_LESION-000.nii.gz").read_bytes())
    assert b"MUELLER^ANNA" in original


def test_a_package_holds_no_mask(study: Study) -> None:
    package = study.folder / "packages" / "R1-1"
    assert {p.suffix for p in package.rglob("*") if p.is_file()} == {".gz", ".json", ".txt"}
    contents = everything(package)
    for case in study.cases:
        outline = study.folder / "coordinator" / "cases" / f"{case.case}.seg.nrrd"
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(outline)))
        rows = [mask[k].astype(kind).tobytes() for k in range(mask.shape[0]) for kind in ("u1", "i2") if mask[k].any()]
        assert rows
        for name, data in contents.items():
            assert outline.read_bytes()[-64:] not in data, name
            assert not any(row in data for row in rows), name


def test_headers_are_fresh_and_tell_no_time(study: Study) -> None:
    package = study.folder / "packages" / "R1-1"
    for path in (package / "ct").iterdir():
        packed = path.read_bytes()
        assert packed[3] & 0b11100 == 0  # gzip without a file name, comment, or extra field
        assert packed[4:8] == b"\0\0\0\0"  # and without a time
        head = gzip.decompress(packed)[:352]
        assert head[148:228].strip(b"\0") == b""  # descrip
        assert head[228:252].strip(b"\0") == b""  # aux_file
        assert head[4:32].strip(b"\0") in (b"", b"r")  # data_type, db_name, extents, session_error, regular
        assert head[328:344].strip(b"\0") == b""  # intent_name
        assert struct.unpack("<4b", head[348:352])[0] == 0  # no extension
        assert read_ct(path).geometry.origin == pytest.approx((0, 0, 0), abs=1e-6)
    with zipfile.ZipFile(package.with_name("R1-1.zip")) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert len({path.stat().st_mtime for path in package.rglob("*")}) == 1


def test_names_in_a_package_are_in_no_order_of_the_cohort(study: Study) -> None:
    package = read_package(study.folder / "packages" / "R1-1")
    codes = read_key(study).codes["R1-1"]
    lesions = [read_key(study).cases[codes[c.code]].lesion for c in package.cases]
    by_code = [lesion for _, lesion in sorted((code, read_key(study).cases[case].lesion) for code, case in codes.items())]
    assert lesions != sorted(lesions)
    assert by_code != sorted(by_code)
    values = json.loads((package_file := study.folder / "packages" / "R1-1" / "package.json").read_text())
    assert set(values) == {"kind", "schema_version", "software_version", "study", "reader", "session", "cases", "sha256"}
    assert all(set(c) == {"code", "file", "sha256", "grid", "hint"} for c in values["cases"])
    assert b"seed" not in package_file.read_bytes()


@pytest.mark.parametrize("content", ["crop", "full"])
def test_a_package_of_dicom_holds_nothing_of_its_headers(content, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    shape = (30, 72, 72)
    spacing, origin = (4.0, 3.0, 3.0), (-108.0, -108.0, -700.0)
    grid = identity(shape, spacing, origin)
    mask = ellipsoid(grid, (-20.0, 10.0, -640.0), (20.0, 20.0, 20.0))

    def edit(ds: pydicom.Dataset, k: int) -> None:
        ds.PatientName, ds.PatientID, ds.InstitutionName = "GARNIER^LUCIE", "HUG-990817", "Hopital Secret"
        ds.AcquisitionDate, ds.AcquisitionTime, ds.StudyDescription = "20230519", "101112.131", "Surrenale gauche ? CCS"
        ds.AccessionNumber, ds.ReferringPhysicianName, ds.StudyInstanceUID = "ACC-77121", "DUPONT^MARC", "1.2.840.99.1.7"
        ds.DeviceSerialNumber, ds.ProtocolName, ds.ImageComments = "SN-55661", "Abdomen Portal", "masse 44 mm"

    for n in range(2):
        write_series(tmp_path / "cts" / f"garnier_{n}", body(shape, n), spacing=spacing, origin=origin, edit=edit)
    (tmp_path / "masks").mkdir()
    for n in range(2):
        sitk.WriteImage(to_sitk(mask, grid), str(tmp_path / "masks" / f"garnier_{n}.nrrd"))
    sources = sources_of_folders(tmp_path / "cts", tmp_path / "masks")
    study = create_study(tmp_path / "study", sources, Design(("R1",), 3, content=content), SECRET, None, START)
    secrets = {"garnier", "lucie", "tmp", tmp_path.name}
    for path in (tmp_path / "cts").rglob("*"):
        secrets.add(path.name)
        if path.is_file():
            ds = pydicom.dcmread(path)
            for element in [*ds.file_meta, *ds.iterall()]:
                if element.VR not in ("OW", "SQ") and element.VM >= 1:
                    text = str(element.value)
                    if len(text) > 5:
                        secrets.add(text)
    assert {"HUG-990817", "20230519", "1.2.840.99.1.7", "Hopital Secret"} <= secrets
    secrets |= {"-700", "-108"}  # the place in the scanner
    absent(study.folder / "packages" / "R1-1", secrets)
    # What is shown is the scan: whole, or a part of it around the lesion.
    (first, *_) = read_package(study.folder / "packages" / "R1-1").cases
    shown = read_ct(study.folder / "packages" / "R1-1" / first.file)
    key = read_key(study)
    found = key.cases[key.codes["R1-1"][first.code]]
    part = tuple(slice(a, b) for a, b in zip(found.start, found.stop, strict=True))
    assert np.array_equal(shown.hu, body(shape, int(found.lesion[-1]))[part])
    assert mask[part].sum() == mask.sum()
    assert (shown.hu.shape == shape) == (content == "full")


def test_whoever_knows_seed_and_cohort_still_cannot_tell_the_codes(tmp_path: Path) -> None:
    lesions, design = balls(5), Design(("R1",), 11, hint="none")
    a = make_study(tmp_path / "a", lesions, design)
    b = make_study(tmp_path / "b", lesions, design, b"other" * 8)
    of = [{key.cases[case].lesion: case for case in key.cases} for key in (read_key(a), read_key(b))]
    assert not set(of[0].values()) & set(of[1].values())
    # ... while sample and order are those of the seed.
    order = [[read_key(s).cases[read_key(s).codes["R1-1"][code]].lesion for code in s.orders["R1-1"]] for s in (a, b)]
    assert order[0] == order[1]

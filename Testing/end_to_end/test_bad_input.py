"""What a tired person gives by mistake: one clear sentence, exit code 2, nothing written."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from AdrenalClassifierLib.imaging.resample import to_sitk
from AdrenalClassifierLib.resources import DEFAULT_MODEL, resource
from support.dicom_files import body, write_series
from support.sample import CT, MASK, PATIENT, run, voxels

MODEL = resource("Models", DEFAULT_MODEL)


def saved(path: Path, array, grid) -> Path:  # type: ignore[no-untyped-def]
    sitk.WriteImage(to_sitk(np.asarray(array), grid), str(path))
    return path


def empty_mask(folder: Path) -> list[object]:
    _, mask, grid = voxels()
    return ["--mask", saved(folder / "mask.nii.gz", np.zeros_like(mask), grid)]


def mask_of_another_scan(folder: Path) -> list[object]:
    _, mask, grid = voxels()
    image = to_sitk(mask, grid)
    image.SetOrigin([5000.0, 0.0, 0.0])
    sitk.WriteImage(image, str(folder / "mask.nii.gz"))
    return ["--mask", folder / "mask.nii.gz"]


def mr_image(folder: Path) -> list[object]:
    _, mask, grid = voxels()
    mr = np.random.default_rng(0).gamma(2, 150, mask.shape).astype(np.int16)
    return ["--ct", saved(folder / "mr.nii.gz", mr, grid)]


def mr_series(folder: Path) -> list[object]:
    write_series(folder / "mr", body((12, 32, 32)), edit=lambda ds, k: setattr(ds, "Modality", "MR"))
    return ["--ct", folder / "mr"]


def ct_without_its_offset(folder: Path) -> list[object]:
    hu, _, grid = voxels()
    return ["--ct", saved(folder / "ct.nii.gz", (hu.astype(np.int32) + 1024).clip(0).astype(np.int16), grid)]


def flat_image(folder: Path) -> list[object]:
    sitk.WriteImage(sitk.GetImageFromArray(voxels()[0][50]), str(folder / "flat.nii.gz"))
    return ["--ct", folder / "flat.nii.gz"]


def truncated(folder: Path) -> list[object]:
    (folder / "ct.nii.gz").write_bytes(CT.read_bytes()[:100_000])
    return ["--ct", folder / "ct.nii.gz"]


def damaged(folder: Path) -> list[object]:
    raw = bytearray(gzip.decompress(CT.read_bytes()))
    raw[:348] = b"\x07" * 348
    (folder / "ct.nii.gz").write_bytes(gzip.compress(bytes(raw), 1))
    return ["--ct", folder / "ct.nii.gz"]


def text_called_nifti(folder: Path) -> list[object]:
    (folder / "ct.nii").write_text("this is not an image")
    return ["--ct", folder / "ct.nii"]


def not_a_number(folder: Path) -> list[object]:
    hu, _, grid = voxels()
    broken = hu.astype(np.float32)
    broken[60, 50, 50] = np.nan
    return ["--ct", saved(folder / "ct.nii.gz", broken, grid)]


def two_series(folder: Path) -> list[object]:
    write_series(folder / "ct", body((12, 32, 32)), number=3)
    write_series(folder / "ct", body((14, 32, 32)), number=5, name=lambda k: f"B{k}")
    return ["--ct", folder / "ct"]


def no_such_file(folder: Path) -> list[object]:
    return ["--ct", folder / "nothing.nii.gz"]


def unknown_label(folder: Path) -> list[object]:
    return ["--label", "17"]


def patient(values: object):  # type: ignore[no-untyped-def]
    def write(folder: Path) -> list[object]:
        (folder / "patient.json").write_text(values if isinstance(values, str) else json.dumps(values))
        return ["--patient", folder / "patient.json"]

    return write


def bundle(change):  # type: ignore[no-untyped-def]
    def write(folder: Path) -> list[object]:
        shutil.copytree(MODEL, folder / "model")
        change(folder / "model")
        return ["--model", folder / "model"]

    return write


def changed_byte(folder: Path) -> None:
    data = bytearray((folder / "weights.safetensors").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "weights.safetensors").write_bytes(bytes(data))


def newer_schema(folder: Path) -> None:
    text = (folder / "bundle.json").read_text().replace('"schema": 2', '"schema": 7')
    (folder / "bundle.json").write_text(text)


CASES = {
    "empty mask": (empty_mask, "holds no segment: every voxel is background"),
    "mask of another scan": (mask_of_another_scan, "belongs to another scan"),
    "MR image": (mr_image, "Hounsfield|HU"),
    "MR series": (mr_series, "MR"),
    "CT not in HU": (ct_without_its_offset, "Hounsfield|HU"),
    "2D image": (flat_image, "2D|slice|dimension"),
    "truncated file": (truncated, "damaged|truncated|incomplete|cut|short"),
    "damaged header": (damaged, "damaged|not a|cannot be read|header"),
    "text called NIfTI": (text_called_nifti, "not a|damaged|cannot be read|too short|header"),
    "NaN": (not_a_number, "not a number|NaN|not numbers"),
    "folder with two series": (two_series, "--series"),
    "no such file": (no_such_file, "nothing.nii.gz"),
    "unknown label": (unknown_label, "17"),
    "value with the wrong unit": (patient({"cortisol_dst": "3 mmol/mol"}), "nmol/L"),
    "unknown variable": (patient({"cortisol_dts": 3}), "cortisol_dst"),
    "value outside its hard range": (patient({"age": 430}), "430|100"),
    "number without a unit": (patient({"cortisol_dst": 3}), "unit"),
    "patient's name": (patient({"patient_name": "Jane Doe", "age": 61}), "identity"),
    "broken JSON": (patient("{"), "JSON"),
    "bundle with a changed byte": (bundle(changed_byte), "changed after training"),
    "bundle without its weights": (bundle(lambda f: (f / "weights.safetensors").unlink()), "weights.safetensors.*missing"),
    "bundle of a newer schema": (bundle(newer_schema), "newer software"),
    "bundle that is none": (bundle(lambda f: (f / "bundle.json").write_text("{}")), "damaged"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_gives_one_sentence_code_2_and_writes_nothing(name: str, tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    make, words = CASES[name]
    arguments: dict[str, object] = {"--ct": CT, "--mask": MASK, "--patient": PATIENT, "--phase": "unenhanced"}
    made = make(tmp_path)
    arguments.update(zip(made[::2], made[1::2], strict=True))
    out = tmp_path / "out"
    answer = run(capsys, "assess", *[w for pair in arguments.items() for w in pair], "--out", out)
    assert answer.code == 2, answer.err
    assert answer.out == ""
    assert not out.exists()
    lines = [line for line in answer.err.replace("\r", "\n").splitlines() if line.strip() and not line.startswith("Assessing")]
    assert lines[0].startswith("adrenal-classifier: ")
    assert len(lines) == 1 or name == "folder with two series", answer.err
    assert "Traceback" not in answer.err
    assert str(tmp_path) not in answer.err
    assert not {"jane", "doe^", "secret", "4711", "1950"} & set(re.findall(r"[\w^]+", answer.err.lower()))
    assert re.search(words, answer.err), answer.err


def test_a_mask_at_the_border_is_a_warning_not_an_error(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    _, mask, grid = voxels()
    low = np.argwhere(mask).min(axis=0)
    moved = np.roll(mask, -low[0], axis=0)
    answer = run(
        capsys, "assess", "--ct", CT, "--mask", saved(tmp_path / "m.nii.gz", moved, grid), "--phase", "unenhanced", "--json"
    )
    assert answer.code == 0
    assert "mask_at_border" in {w["code"] for w in answer.json["warnings"]}


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "file").write_text("in the way")
    answer = run(capsys, "assess", "--ct", CT, "--mask", MASK, "--out", tmp_path / "file" / "out")
    assert answer.code == 2
    assert "Choose another folder" in answer.err


def test_wrong_usage_exits_with_2(capsys) -> None:  # type: ignore[no-untyped-def]
    assert run(capsys, "assess", "--ct", CT).code == 2
    assert run(capsys, "no-such-command").code == 2
    assert run(capsys).code == 2
    answer = run(capsys, "assess", "--ct", CT, "--mask", MASK)
    assert answer.code == 2
    assert "--out" in answer.err

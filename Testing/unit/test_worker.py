"""The worker's protocol, by itself: what it writes, when it ends, and a graphics card without memory."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from AdrenalClassifierLib.imaging.lesion_file import write_lesion
from AdrenalClassifierLib.worker import Work, answer
from support.examples import small_lesion

MAIN = "from AdrenalClassifierLib.worker import main\nmain()"


@pytest.fixture
def lesion(tmp_path: Path) -> Path:
    path = tmp_path / "lesion.npz"
    write_lesion(path, small_lesion())
    return path


def begin(code: str = MAIN) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def asked(work: Work, **request: Any) -> list[dict[str, Any]]:
    """What is said to one request."""
    said: list[dict[str, Any]] = []
    answer(work, json.dumps(request).encode(), said.append)
    return said


def test_it_is_ready_at_once_and_what_libraries_print_is_no_answer(lesion: Path) -> None:
    loud = (
        "import os, subprocess, sys\nfrom AdrenalClassifierLib import worker\n"
        "def loud(self, asked, progress):\n"
        "    print('from Python'); os.write(1, b'from C'); subprocess.run([sys.executable, '-c', 'print(5)'])\n"
        "    return {'torch': 'torch' in sys.modules}\n"
        "worker.Work.measure = loud\nworker.main()"
    )
    start = time.monotonic()
    with begin(loud) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert time.monotonic() - start < 1.5
        assert (ready["event"], ready["pid"]) == ("ready", process.pid)
        process.stdin.write(b'not json\n\n{"id": 7, "do": "measure"}\n')
        process.stdin.flush()
        first, second = json.loads(process.stdout.readline()), json.loads(process.stdout.readline())
        process.stdin.close()
        assert process.wait(5) == 0
        assert process.stdout.read() == b""
        assert process.stderr is not None
        assert b"from Python" in process.stderr.read()
    assert (first["id"], first["event"], first["code"]) == (None, "error", "internal")
    assert second == {"id": 7, "event": "result", "torch": False}


def test_it_ends_with_its_stdin_also_in_the_middle_of_work(lesion: Path) -> None:
    with begin() as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"id": 1, "do": "assess", "lesion": str(lesion)}).encode() + b"\n")
        process.stdin.flush()
        while b'"done": 1' not in process.stdout.readline():
            pass
        start = time.monotonic()
        process.stdin.close()
        process.wait(10)
        assert time.monotonic() - start < 1
        assert b'"result"' not in process.stdout.read()


def test_measuring_growing_and_reporting_do_not_load_torch(lesion: Path, tmp_path: Path) -> None:
    from AdrenalClassifierLib.assessment import Assessor

    told = Assessor(device="cpu").assess(small_lesion(), _nobody()).to_json()
    requests = [
        {"id": 1, "do": "measure", "lesion": str(lesion)},
        {"id": 2, "do": "grow", "lesion": str(lesion), "point_lps": [0, 0, 0]},
        {"id": 3, "do": "report", "lesions": [str(lesion)], "assessments": [told], "out": str(tmp_path / "r.html")},
    ]
    code = (
        "import json, sys\nfrom AdrenalClassifierLib.worker import Work, answer\n"
        "work, say = Work(), lambda s: print(s['event'])\n"
        f"for request in json.loads({json.dumps(requests)!r}): answer(work, json.dumps(request).encode(), say)\n"
        "print([n for n in ('torch', 'safetensors', 'sklearn', 'matplotlib') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:4] == ["result", "result", "result", "[]"]


def _nobody() -> Any:
    from AdrenalClassifierLib.patient.record import PatientRecord

    return PatientRecord({})


def test_a_graphics_card_without_memory_is_said_and_the_processor_does_it(lesion: Path) -> None:
    import torch

    work = Work()
    request = {"id": 1, "do": "assess", "lesion": str(lesion), "device": "cpu", "options": {"saliency": True}}
    plain = asked(work, **request)[-1]["assessment"]
    scorer = work._assessors[None, "cpu"][1]._predictor._scorer  # type: ignore[union-attr]
    moved: list[str] = []

    def move(device: Any) -> None:
        moved.append(device.type)
        if device.type != "cpu":
            raise RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)")

    scorer.device, scorer._move = torch.device("mps"), move  # type: ignore[method-assign]
    found = asked(work, **request)[-1]["assessment"]
    assert moved == ["mps", "cpu", "mps", "cpu"]
    assert [w["text"] for w in found["warnings"] if w["code"] == "gpu_out_of_memory"] == [
        "The graphics card had no memory left; the result was computed on the CPU."
    ]
    assert found["provenance"]["device"] == "cpu"
    assert found["probability"] == plain["probability"]

    def broken(device: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access of /home/jane/x.py")

    scorer._move = broken  # type: ignore[method-assign]
    failed = asked(work, **request)[-1]
    assert (failed["event"], failed["code"]) == ("error", "internal")
    assert "jane" not in json.dumps(failed)
    assert failed["details"].endswith("RuntimeError")


def test_a_model_stays_loaded_until_its_files_change(lesion: Path, tmp_path: Path) -> None:
    from AdrenalClassifierLib.model.bundle import save_bundle
    from support.bundles import complete_bundle

    work, folder = Work(), tmp_path / "model"
    request = {"id": 1, "do": "assess", "lesion": str(lesion), "model": str(folder), "device": "cpu"}
    save_bundle(complete_bundle(seed=0), folder, "# Card\n")
    first = asked(work, **request)[-1]["assessment"]
    kept = work._assessors[folder, "cpu"][1]
    asked(work, **request)
    assert work._assessors[folder, "cpu"][1] is kept
    shutil.rmtree(folder)
    save_bundle(complete_bundle(seed=1), folder, "# Card\n")
    second = asked(work, **request)[-1]["assessment"]
    assert second["provenance"]["weights_sha256"] != first["provenance"]["weights_sha256"]
    assert second["probability"] != first["probability"]


def test_a_computer_without_memory_gets_its_own_sentence(lesion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()

    def full(asked: Any, progress: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(work, "jobs", {"measure": full})
    said = asked(work, id=3, do="measure")
    assert [(s["id"], s["code"]) for s in said] == [(3, "internal")]
    assert "no memory left" in said[0]["text"]


@pytest.mark.parametrize("line", [b"", b"[]", b"3", b'{"do": []}', b'{"do": null, "id": 4}', b"\xff\xfe", b"{" * 100000])
def test_no_line_ends_the_process(line: bytes) -> None:
    said: list[dict[str, Any]] = []
    answer(Work(), line, said.append)
    assert [s["event"] for s in said] == ["error"]
    json.dumps(said)


def test_dicom_objects_are_written(tmp_path: Path) -> None:
    from AdrenalClassifierLib.imaging.lesion import extract_lesions
    from AdrenalClassifierLib.imaging.read import read_ct, read_mask
    from support.sample import as_dicom

    folder, seg = as_dicom(tmp_path)
    ct = read_ct(folder, "unenhanced")
    write_lesion(tmp_path / "l.npz", extract_lesions(ct, read_mask(seg, None, ct.geometry).segments)[0])
    said = asked(Work(), id=1, do="dicom", lesions=[str(tmp_path / "l.npz")], assessments=[None],
                 ct_files=[str(path) for path in sorted(folder.iterdir())], out=str(tmp_path / "out"))  # fmt: skip
    assert said[-1]["event"] == "result", said
    assert [Path(name).name for name in said[-1]["files"]] == ["segmentation.dcm", "measurements.dcm"]
    assert all(Path(name).is_file() for name in said[-1]["files"])

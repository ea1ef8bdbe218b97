"""``assess --cohort`` killed, interrupted and spread over a Dask cluster."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from AdrenalClassifierLib.batch.results import LINES
from AdrenalClassifierLib.model.bundle import save_bundle
from support.bundles import untrained_bundle
from support.phantom_cohort import read_results, same_results, write_cohort
from support.sample import run

LESIONS = 8
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:  # type: ignore[no-untyped-def]
    """A folder with a cohort, a model and the results of a run that nothing disturbed."""
    folder: Path = tmp_path_factory.mktemp("place")
    write_cohort(folder / "cohort", LESIONS)
    save_bundle(untrained_bundle(), folder / "model", "card\n")
    return folder


@pytest.fixture(scope="module")
def undisturbed(place: Path) -> Path:
    from AdrenalClassifierLib.batch.run import BatchSettings, assess_cohort

    assess_cohort(place / "cohort" / "cohort.csv", place / "undisturbed", BatchSettings(place / "model"))
    return place / "undisturbed"


def start(place: Path, out: str, *more: str) -> subprocess.Popen[str]:
    program = Path(sys.executable).parent / "adrenal-classifier"
    words = ["assess", "--cohort", "cohort/cohort.csv", "--model", "model", "--out", out, *more]
    return subprocess.Popen(
        [program, *words], cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def lines(folder: Path) -> int:
    with contextlib.suppress(OSError):
        return (folder / LINES).read_bytes().count(b"\n")
    return 0


def wait_for(condition: Callable[[], bool], seconds: float = 180) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.002)
    return False


def group_is_gone(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_a_run_that_is_killed_again_and_again_ends_as_if_nothing_had_happened(place: Path, undisturbed: Path) -> None:
    out, rng = place / "killed", random.Random(0)
    for goal, workers in ((1, "1"), (3, "2")):
        process = start(place, "killed", "--workers", workers)
        assert wait_for(lambda goal=goal: lines(out) >= goal)  # type: ignore[misc]
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        process.communicate()
        assert wait_for(lambda pid=process.pid: group_is_gone(pid), 60), "workers outlive their killed parent"  # type: ignore[misc]
        assert goal <= lines(out) <= LESIONS
    # A line cut in half, as a machine that loses its power leaves it.
    with open(out / LINES, "ab") as file:
        file.write(b'{"lesion_id": "L0')
    done = start(place, "killed", "--workers", "2")
    text, errors = done.communicate(timeout=100)
    assert done.returncode == 0, errors
    assert f"{LESIONS} lesions: {LESIONS} assessed, 0 with an error." in text
    assert "were there from an earlier run" in text
    assert len(read_results(out)) == LESIONS
    assert same_results(out, undisturbed)


def test_ctrl_c_ends_with_a_word_and_leaves_no_process(place: Path) -> None:
    process = start(place, "stopped", "--workers", "2")
    assert wait_for(lambda: lines(place / "stopped") >= 1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the program and its workers
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 1
    assert errors.strip().splitlines()[-1] == "adrenal-classifier: stopped."
    assert "Traceback" not in errors
    assert wait_for(lambda: group_is_gone(process.pid), 10)


def test_the_workers_of_a_dask_cluster_give_the_same_results(place: Path, undisturbed: Path, capsys) -> None:  # type: ignore[no-untyped-def]
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0", host="127.0.0.1") as cluster:
        words = ("--scheduler", cluster.scheduler_address)
        cohort = place / "cohort" / "cohort.csv"
        answer = run(capsys, "assess", "--cohort", cohort, "--model", place / "model", "--out", place / "cluster", *words)
        assert answer.code == 0, answer.err
        assert same_results(place / "cluster", undisturbed)
        answer = run(capsys, "assess", "--cohort", cohort, "--model", place / "model", "--out", place / "cluster", *words)
        assert f"{LESIONS} of them were there from an earlier run." in answer.out

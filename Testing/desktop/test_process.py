"""The worker as a process: started, asked, cancelled, killed, interrupted by garbage, without torch, behind a launcher."""

from __future__ import annotations

import gc
import os
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from AdrenalClassifierLib.assessment import Assessment
from AdrenalClassifierLib.desktop import dependencies
from AdrenalClassifierLib.desktop.process import FOLDER, WorkerProcess, python_program
from AdrenalClassifierLib.desktop.timers import QtTimers
from AdrenalClassifierLib.imaging.lesion_file import read_lesion, read_values, write_lesion
from AdrenalClassifierLib.imaging.measurements import measure
from AdrenalClassifierLib.scene.ports import Failure
from support.examples import small_lesion

PATIENT = {"age": 61, "sex": "female", "cortisol_dst": "<50 nmol/L"}
BLOCKED = """
import sys
class Absent:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError("No module named torch", name=name)
sys.meta_path.insert(0, Absent)
from AdrenalClassifierLib.worker import main
main()
"""
LAUNCHER = """
import subprocess, sys
sys.exit(subprocess.call([sys.executable, "-m", "AdrenalClassifierLib.worker"]))
"""


@dataclass
class Heard:
    """What one request was told."""

    results: list[dict[str, Any]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    steps: list[tuple[int, int, str]] = field(default_factory=list)

    @property
    def over(self) -> bool:
        return bool(self.results or self.failures)


def ask(worker: WorkerProcess, do: str, **arguments: Any) -> Heard:
    heard = Heard()
    worker.request(do, arguments, heard.results.append, heard.failures.append, lambda *step: heard.steps.append(step))
    assert not heard.over  # nobody is called from within request()
    return heard


@pytest.fixture
def start() -> Iterator[Callable[..., WorkerProcess]]:
    """Makes workers; afterwards none of them has left a process."""
    made: list[WorkerProcess] = []
    before = {child.pid for child in psutil.Process().children(recursive=True)}

    def make(*words: Any, **more: Any) -> WorkerProcess:
        made.append(WorkerProcess(*words, **more))
        return made[-1]

    yield make
    for worker in made:
        worker.stop()
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    assert not psutil.wait_procs(left, 3)[1]
    assert len(dependencies.installed) == 0


@pytest.fixture
def lesion(tmp_path: Path) -> Path:
    path = tmp_path / "lesion.npz"
    write_lesion(path, small_lesion())
    return path


def gone(pid: int, seconds: float = 1.0) -> bool:
    """Whether a process is over, or is within some time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.01)
    return False


def test_a_case_from_measurement_to_report_in_one_process(host: Any, start: Any, lesion: Path, tmp_path: Path) -> None:
    worker = start()
    assert worker.pid is None
    begin = time.monotonic()
    measured, second = ask(worker, "measure", lesion=str(lesion)), ask(worker, "measure", lesion=str(lesion))
    host.wait(lambda: worker.pid is not None)
    assert time.monotonic() - begin < 1.5
    host.wait(lambda: second.over)
    assert measured.results == second.results
    assert measured.results[0]["measurements"] == measure(read_lesion(lesion)).to_json()
    pid = worker.pid

    grown = ask(worker, "grow", lesion=str(lesion), point_lps=[0.0, 0.0, 0.0])
    options = {"prevalence": "incidentaloma", "level": 0.9, "show_outside": False, "saliency": True}
    assessed = ask(worker, "assess", lesion=str(lesion), patient=PATIENT, notices=[{"code": "typed", "text": "Odd."}],
                   options=options, model=None, device="cpu")  # fmt: skip
    host.wait(lambda: assessed.over)
    assert not assessed.failures
    mask = read_values(Path(grown.results[0]["mask"]))
    truth = small_lesion().mask
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.9
    assert grown.results[0]["voxels"] == mask.sum()
    assert [done for done, _, _ in assessed.steps] == [0, 1, 2, 3, 4]
    found = Assessment.from_json(assessed.results[0]["assessment"])
    assert found.result is not None
    assert found.prior is not None
    assert found.prior.value == 0.08
    assert [notice.code for notice in found.warnings if notice.code == "typed"] == ["typed"]
    values = read_values(Path(assessed.results[0]["saliency"]))
    assert values.shape == small_lesion().ct.shape

    out = tmp_path / "report.html"
    told = assessed.results[0]["assessment"]
    report = ask(worker, "report", lesions=[str(lesion)], assessments=[told], saliency=[assessed.results[0]["saliency"]],
                 out=str(out))  # fmt: skip
    host.wait(lambda: report.over)
    assert report.results == [{"files": [str(out)]}]
    page = out.read_text(encoding="utf-8")
    assert found.statement in page
    assert "What the network used" in page
    assert worker.pid == pid


def test_faults_of_one_request_do_not_end_the_process(host: Any, start: Any, lesion: Path, tmp_path: Path) -> None:
    worker = start()
    broken = tmp_path / "broken.npz"
    broken.write_bytes(lesion.read_bytes()[:2000])
    requests = {
        "ImageReadError": ask(worker, "measure", lesion=str(broken)),
        "AdrenalError": ask(worker, "no such thing"),
        "internal": ask(worker, "measure"),
        "PatientValueError": ask(worker, "assess", lesion=str(lesion), patient={"age": 999}),
        "BundleError": ask(worker, "assess", lesion=str(lesion), model=str(tmp_path / "no-model")),
    }
    good = ask(worker, "measure", lesion=str(lesion))
    host.wait(lambda: good.over)
    for code, heard in requests.items():
        assert [failure.code for failure in heard.failures] == [code]
        assert heard.failures[0].text.endswith(".")
        assert str(tmp_path) not in heard.failures[0].text + heard.failures[0].details
        assert "999" not in heard.failures[0].details
    assert "worker.py, line" in requests["internal"].failures[0].details
    assert good.results


def test_cancel_ends_the_process_at_once_and_the_next_request_starts_another(host: Any, start: Any, lesion: Path) -> None:
    worker = start()
    one = ask(worker, "assess", lesion=str(lesion), patient=PATIENT)
    two = ask(worker, "measure", lesion=str(lesion))
    host.wait(lambda: len(one.steps) >= 2)  # in the middle: torch is being imported
    pid = worker.pid
    assert pid is not None
    begin = time.monotonic()
    worker.cancel()
    assert time.monotonic() - begin < 0.1
    assert [heard.failures[0].code for heard in (one, two)] == ["cancelled", "cancelled"]
    assert gone(pid, 1.0)
    third = ask(worker, "measure", lesion=str(lesion))
    host.wait(lambda: third.over)
    assert third.results
    assert worker.pid != pid
    assert (len(one.failures), len(two.failures), one.results, two.results) == (1, 1, [], [])


def test_cancel_before_it_has_said_a_word(host: Any, start: Any, lesion: Path) -> None:
    worker = start()
    heard = ask(worker, "measure", lesion=str(lesion))
    worker.cancel()
    worker.cancel()
    host.process(0.2)
    assert [failure.code for failure in heard.failures] == ["cancelled"]


def test_killed_from_outside(host: Any, start: Any, lesion: Path) -> None:
    worker = start()
    heard = ask(worker, "assess", lesion=str(lesion), patient=PATIENT)
    host.wait(lambda: bool(heard.steps))
    psutil.Process(worker.pid).kill()
    host.wait(lambda: heard.over)
    assert heard.failures[0].code == "died"
    assert "ended unexpectedly" in heard.failures[0].text
    again = ask(worker, "measure", lesion=str(lesion))
    host.wait(lambda: again.over)
    assert again.results


def test_stop_calls_nobody_and_leaves_nothing(host: Any, start: Any, lesion: Path) -> None:
    worker = start()
    heard = ask(worker, "assess", lesion=str(lesion), patient=PATIENT)
    host.wait(lambda: bool(heard.steps))
    pid = worker.pid
    worker.stop()
    assert gone(pid, 0.5)
    host.process(0.1)
    assert not heard.over


@pytest.mark.parametrize("how", ["cancel", "stop", "ended"])
def test_a_process_that_is_over_is_let_go(host: Any, start: Any, how: str) -> None:
    """Connections keep a process object, and all that it read, until it is deleted."""

    def kept() -> int:
        gc.collect()
        return sum(type(one).__name__ == "QProcess" for one in gc.get_objects())

    before = kept()
    worker = start(sys.executable, speaking("print(1)" if how == "ended" else "time.sleep(60)"))
    heard = ask(worker, "measure")
    assert kept() == before + 1
    if how == "ended":
        host.wait(lambda: heard.over)
    else:
        getattr(worker, how)()
    host.wait(lambda: kept() == before, 5)


def test_a_program_that_is_not_there(host: Any, start: Any) -> None:
    heard = ask(start("/no/such/python"), "measure", lesion="x.npz")
    host.wait(lambda: heard.over)
    assert heard.failures[0].code == "died"
    assert "could not be started" in heard.failures[0].text


@pytest.mark.parametrize("how", ["cancel", "launcher killed", "child killed", "stop"])
def test_behind_a_launcher(host: Any, start: Any, lesion: Path, how: str) -> None:
    """As PythonSlicer is: the process that was started is not the one that computes."""
    worker = start(sys.executable, ["-c", LAUNCHER])
    heard = ask(worker, "assess", lesion=str(lesion), patient=PATIENT)
    host.wait(lambda: bool(heard.steps))
    child = psutil.Process(worker.pid)
    launcher = child.parent()
    assert launcher.pid != os.getpid()
    if how == "cancel":
        worker.cancel()
    elif how == "stop":
        worker.stop()
    else:
        (launcher if how == "launcher killed" else child).kill()
        host.wait(lambda: heard.over)
        assert heard.failures[0].code == "died"
    assert gone(child.pid, 2.0)
    host.process(0.1)
    assert gone(launcher.pid, 1.0)


def test_without_torch_everything_but_the_probability_is_there(host: Any, start: Any, lesion: Path) -> None:
    worker = start(sys.executable, ["-c", BLOCKED])
    heard = ask(worker, "assess", lesion=str(lesion), patient=PATIENT)
    host.wait(lambda: heard.over)
    found = Assessment.from_json(heard.results[0]["assessment"])
    assert found.shown is None
    assert found.measurements.long_axis_mm > 20
    assert found.guidelines
    assert "torch" in (found.models["image"].reason or "")


def speaking(code: str) -> list[str]:
    """Arguments of a program that says something of its own."""
    return ["-c", "import sys, time, os\n" + textwrap.dedent(code)]


def test_garbage_on_its_output_is_kept_for_the_details_and_breaks_nothing(host: Any, start: Any) -> None:
    worker = start(sys.executable, speaking(r"""
        out = sys.stdout.buffer
        out.write(b'Loading /home/jane doe/x.so\n{"event": "ready", "pid": %d}\n{not json}\n[1]\n\n' % os.getpid())
        out.write(b'{"id": 1, "event": "prog'); out.flush(); time.sleep(0.2)
        out.write(b'ress", "done": 1, "total": 2, "what": "a"}\n{"id": 99, "event": "result"}\n\xff\xfe\n'); out.flush()
        out.write(b'{"event":' * 100000 + b'\n'); out.flush()
        sys.stderr.write('  File "/home/jane doe/lib/python/thing.py", line 3\n' + 'x' * 5000 + '\n'); sys.stderr.flush()
        out.write(b'{"id": 1, "event": "result", "a": 1}\n'); out.flush()
        sys.stdin.readline(); sys.stdin.readline()
        for n in range(100): sys.stderr.write(f'line {n}\n')
        sys.exit(3)
        """))  # fmt: skip
    first = ask(worker, "measure")
    host.wait(lambda: first.over)
    assert first.results == [{"a": 1}]
    assert first.steps == [(1, 2, "a")]
    second = ask(worker, "measure")
    host.wait(lambda: second.over)
    lines = second.failures[0].details.splitlines()
    assert len(lines) == 30
    assert lines[-1] == "line 99"


def test_a_process_that_dies_shows_its_last_words_without_folders(host: Any, start: Any) -> None:
    code = r"""
        print('{not json} from C:\\Users\\jane\\x.dll')
        sys.stderr.write('  File "/home/jane doe/lib/thing.py", line 3\nMemoryError in /opt/secret/place/lib.so: no memory')
        """
    heard = ask(start(sys.executable, speaking(code)), "measure")
    host.wait(lambda: heard.over)
    details = heard.failures[0].details
    for word in ("jane", "secret", "Users"):
        assert word not in details
    for word in ("{not json}", 'File "thing.py", line 3', "MemoryError in lib.so: no memory"):
        assert word in details


def test_a_line_of_fifty_megabytes_does_not_freeze_the_application(host: Any, start: Any) -> None:
    worker = start(sys.executable, speaking(r"""
        out = sys.stdout.buffer
        for n in range(50): out.write(b'{' * 1_000_000)
        out.write(b'\n'); out.flush()
        for n in range(200000): out.write(b'short\n')
        out.write(b'{"id": 1, "event": "result"}\n'); out.flush()
        time.sleep(60)
        """))  # fmt: skip
    heard = ask(worker, "measure")
    longest, last = 0.0, time.monotonic()
    end = last + 30
    while not heard.over and time.monotonic() < end:
        begin = time.thread_time()
        host.process()
        longest = max(longest, time.thread_time() - begin)
    assert heard.results == [{}]
    assert longest < 0.1
    assert psutil.Process().memory_info().rss < 4e9


def test_a_callback_that_fails_does_not_keep_the_next_from_being_called(
    host: Any, start: Any, lesion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *what: logged.append(what[0]))
    worker, heard = start(), Heard()
    worker.request("measure", {"lesion": str(lesion)}, lambda _: 1 / 0, heard.failures.append)
    second = ask(worker, "measure", lesion=str(lesion))
    host.wait(lambda: second.over)
    assert second.results
    assert logged == [ZeroDivisionError]
    assert not heard.failures


def test_new_packages_mean_a_new_process(host: Any, start: Any, lesion: Path) -> None:
    worker = start()
    heard = ask(worker, "measure", lesion=str(lesion))
    host.wait(lambda: heard.over)
    pid = worker.pid
    dependencies.installed("dependencies")
    assert gone(pid)
    heard = ask(worker, "measure", lesion=str(lesion))
    host.wait(lambda: heard.over)
    assert worker.pid not in (None, pid)


def test_the_process_runs_the_library_beside_it_with_the_application_s_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (FOLDER / "AdrenalClassifierLib" / "worker.py").is_file()
    assert python_program() == sys.executable
    name = "PythonSlicer.exe" if os.name == "nt" else "PythonSlicer"
    for folder in ("application", "path"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("#!/bin/sh\n")
        (tmp_path / folder / name).chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "application" / "SlicerApp-real"))
    assert python_program() == str(tmp_path / "application" / name)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    assert python_program() == str(tmp_path / "path" / name)


def test_timers_ring_once_and_can_be_stopped(host: Any) -> None:
    rung: list[str] = []
    timers = QtTimers()
    timers.later(10, lambda: rung.append("a"))
    stop = timers.later(10, lambda: rung.append("b"))
    late = timers.later(0, lambda: rung.append("c"))
    stop()
    host.wait(lambda: "a" in rung)
    host.process(0.05)
    late()
    stop()
    assert sorted(rung) == ["a", "c"]

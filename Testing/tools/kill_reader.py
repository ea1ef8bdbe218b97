"""Kill a reader's process at random points, again and again, and check that nothing that was acknowledged is lost.

    python Testing/tools/kill_reader.py --times 200 [--seed 0]

A child opens cases, saves, submits and re-opens as fast as it can, and tells the parent through a pipe what has returned. The
parent kills it (SIGKILL) after a random time and then checks the package: it opens, its log's chain is whole, every submission
ever acknowledged is there voxel for voxel, and each case's autosave is the last acknowledged one or the one under way. Every
mask is a pattern made from its case and version, so that an old, torn or mixed-up one is recognised. Ends with exit code 0, or at
the first loss with 1. Needs a system with fork (not Windows).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from AdrenalClassifierLib.files import TEMPORARY
from AdrenalClassifierLib.imaging.geometry import Geometry
from AdrenalClassifierLib.study import work
from AdrenalClassifierLib.study.collect import collect
from AdrenalClassifierLib.study.create import Design
from AdrenalClassifierLib.study.log import parse_log
from AdrenalClassifierLib.study.masks import mask_on_grid
from AdrenalClassifierLib.study.package import read_package
from AdrenalClassifierLib.study.worklist import READER_COLUMNS, READER_LOG
from support.studies import balls, make_study

SAVES = 3
Versions = dict[str, int]


def pattern(code: str, version: int, grid: Geometry) -> NDArray[np.bool_]:
    """The mask of a version: random voxels that belong to it alone."""
    seed = int.from_bytes(hashlib.sha256(f"{code} {version}".encode()).digest()[:8], "big")
    return np.random.default_rng(seed).random(grid.shape) < 0.3


def reader(folder: Path, pipe: int, versions: Versions, rng: random.Random) -> None:
    """The child: works until it is killed. Tells what it begins (small letter) and what has returned (capital)."""

    def tell(step: str, code: str, version: int) -> None:
        os.write(pipe, f"{step} {code} {version}\n".encode())

    while True:
        listed = work.open_package(folder)
        if listed.finished:
            code = rng.choice(listed.cases).code
            work.reopen(folder, code, "to go on")
            tell("R", code, versions[code])
            continue
        code = listed.next.code if listed.next else ""
        grid = listed.package.case(code).grid
        work.open_case(folder, code, "kill test", "1")
        for n in range(SAVES):
            versions[code] += 1
            mask = pattern(code, versions[code], grid)
            step = work.submit if n == SAVES - 1 else work.autosave
            letter = "s" if n == SAVES - 1 else "a"
            tell(letter, code, versions[code])
            step(folder, code, mask)
            tell(letter.upper(), code, versions[code])


class Witness:
    """What the parent knows to have been acknowledged, and what was begun after that."""

    def __init__(self, folder: Path, codes: list[str]) -> None:
        self.folder = folder
        self.begun: Versions = dict.fromkeys(codes, 0)
        self.saved: Versions = dict.fromkeys(codes, 0)
        self.submitted: dict[str, list[int]] = {code: [] for code in codes}
        self.pending: dict[str, int] = {}
        self.found: Counter[str] = Counter()

    def hear(self, lines: list[str]) -> None:
        """Note what a child said before it died."""
        for line in lines:
            step, code, text = line.split()
            version = int(text)
            if step in "as":
                self.begun[code] = version
                self.pending = {code: version} if step == "s" else {}
            elif step == "A":
                self.saved[code] = version
            elif step == "S":
                self.saved[code] = version
                self.submitted[code].append(version)
                self.pending = {}

    def check(self) -> None:
        """Compare the package with what is known. Raises AssertionError at a loss."""
        self._remains()
        listed = work.open_package(self.folder)
        for case in listed.cases:
            grid = listed.package.case(case.code).grid
            known = self.submitted[case.code]
            if len(case.submissions) == len(known) + 1:  # submitted, but killed before it could say so
                assert case.code in self.pending, "a submission appeared from nowhere"
                known.append(self.pending[case.code])
                self.saved[case.code] = known[-1]
                self.found["submitted but not yet acknowledged"] += 1
            assert len(case.submissions) == len(known), f"{case.code}: {len(known)} submitted, {len(case.submissions)} there"
            for done, version in zip(case.submissions, known, strict=True):
                path = work.submission_path(self.folder / work.SUBMITTED, case.code, done.number)
                assert np.array_equal(mask_on_grid(path, grid), pattern(case.code, version, grid)), f"{path.name} is another mask"
            autosave = self.folder / work.AUTOSAVES / f"{case.code}.seg.nrrd"
            least = self.saved[case.code]
            if autosave.exists():
                assert case.state != "submitted"
                mask = mask_on_grid(autosave, grid)
                versions = range(least, self.begun[case.code] + 1)
                assert any(np.array_equal(mask, pattern(case.code, v, grid)) for v in versions), f"{case.code}: autosave lost"
            else:
                assert not known or least == known[-1], f"{case.code}: autosave {least} lost"
                assert known or least == 0, f"{case.code}: autosave {least} lost"
        self.pending = {}

    def _remains(self) -> None:
        """Count what the kill left behind, to see that it struck in the middle of things."""
        if any(self.folder.rglob(TEMPORARY + "*")):
            self.found["file half written"] += 1
        package = read_package(self.folder)
        parsed = parse_log((self.folder / READER_LOG).read_bytes(), READER_COLUMNS, package.sha256, READER_LOG)
        if parsed.torn:
            self.found["line half written"] += 1


def kill_many(times: int, seed: int, folder: Path) -> dict[str, Any]:
    """Kill a reader ``times`` times and check after each; then collect the package. Raises AssertionError at a loss."""
    rng = random.Random(seed)
    study = make_study(folder, balls(6), Design(("R1",), 1, lesions=6))
    package = study.folder / "packages" / "R1-1"
    codes = [case.code for case in work.open_package(package).cases]
    witness = Witness(package, codes)
    started = time.monotonic()
    for n in range(times):
        source, pipe = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(source)
            versions = dict(witness.begun)
            reader(package, pipe, versions, random.Random(seed * 100_003 + n))
            os._exit(1)
        os.close(pipe)
        time.sleep(rng.uniform(0.0, 0.25))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the reader stopped by itself"
        with os.fdopen(source, encoding="utf-8") as heard:
            witness.hear(heard.read().splitlines())
        witness.check()
    for code in codes:  # finish, so that the whole can be collected
        if work.open_package(package).case(code).state != "submitted":
            work.open_case(package, code, "kill test", "1")
            work.submit(package, code, pattern(code, 0, read_package(package).case(code).grid))
    returned = collect(study, package)
    assert returned.worklist.finished
    return {
        "killed": times,
        "submissions": sum(len(done) for done in witness.submitted.values()),
        "autosaves_begun": sum(witness.begun.values()),
        "left_behind": dict(witness.found),
        "lost": 0,
        "seconds": round(time.monotonic() - started, 1),
    }


def main() -> int:
    """Run it and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        print(json.dumps(kill_many(options.times, options.seed, folder)))
    except AssertionError as loss:
        print(f"LOST: {loss}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""One seed gives one model: under PyTorch's own launcher, with several workers, and whatever the order of the rows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from AdrenalClassifierLib.cohort.synthetic.write import write_synthetic
from AdrenalClassifierLib.files import sha256_of

LIBRARY = Path(__file__).resolve().parents[2] / "AdrenalClassifier"


def test_ranks_workers_and_the_order_of_the_rows_change_nothing(tmp_path: Path) -> None:
    table = write_synthetic(tmp_path / "cohort", lesions=44, seed=3, workers=2)
    words = ["-m", "AdrenalClassifierLib", "train", "--cohort", table, "--epochs", "1", "--workers", "1", "--device", "cpu"]
    alone = [sys.executable, *words, "--out", tmp_path / "alone" / "model"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    together = [*torchrun, *words, "--out", tmp_path / "together" / "model"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(LIBRARY)}
    lines = table.read_text(encoding="utf-8").splitlines(keepends=True)
    turned = table.with_name("turned.csv")
    turned.write_text("".join([lines[0], *reversed(lines[1:])]), encoding="utf-8")
    other = [*(turned if word == table else word for word in words), "--workers", "2"]
    reordered = [sys.executable, *other, "--out", tmp_path / "reordered" / "model"]
    for command in (alone, together, reordered):
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=tmp_path, timeout=300)
        assert done.returncode == 0, done.stderr[-3000:]
        assert done.stdout.count("combined") == 1  # only one rank speaks
    names = ("alone", "together", "reordered")
    assert len({sha256_of(tmp_path / name / "model" / "weights.safetensors") for name in names}) == 1
    assert not (tmp_path / "together" / "model-work").exists()

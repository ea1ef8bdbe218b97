"""Compare 40 pairs of large masks from disk, by us and by two peers, against merely reading the files.

    python Testing/benchmarks/agreement/run.py --peers PYTHON_WITH_PEERS [--pairs 40] [--repeats 3]

PYTHON_WITH_PEERS is an interpreter of an environment of its own: pip install pymeshmetrics==1.4.1 surface-distance==0.1.
The reading floor is SimpleITK reading both files of all pairs one after another in one process. Floor and ours take turns, each
in a fresh process; ratios are medians over the turns. Imports are not counted, for anyone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from masks import SUFFIXES, make_masks

HERE = Path(__file__).resolve().parent
SHARED = ("hausdorff_mm", "hd95_mm", "assd_mm", "surface_dice_1mm", "surface_dice_2mm")


def measure(python: str, way: str, folder: Path, workers: int = 1) -> dict[str, Any]:
    words = [python, "-W", "ignore", str(HERE / "peers.py"), way, str(folder), str(workers)]
    started, used = time.perf_counter(), os.times()
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    now = os.times()
    found["total_seconds"] = time.perf_counter() - started
    found["total_cpu_seconds"] = now.children_user + now.children_system - used.children_user - used.children_system
    return found


def busy_seconds() -> float:
    """Processor time that the whole machine has spent so far; 0 where it does not say."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0.0
    user, nice, system, _idle, _wait, irq, soft, steal = (int(v) for v in stat.read_text().split()[1:9])
    return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")


def disturbed(before: float, *own: dict[str, Any]) -> str:
    """How much processor time others took during turns of ours, in percent of one core."""
    others = busy_seconds() - before - sum(found["total_cpu_seconds"] for found in own)
    return f"others took {max(100 * others / sum(found['total_seconds'] for found in own), 0):.0f} % of a core"


def deviation(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """The largest and the mean relative difference of each metric, in percent."""
    parts = []
    for key in SHARED:
        off = [abs(ours[case][key] / theirs[case][key] - 1) * 100 for case in ours if theirs[case][key]]
        parts.append(f"{key} {max(off):.3g} (mean {statistics.fmean(off):.2g})")
    return ", ".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="interpreter that has pymeshmetrics and surface-distance")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--formats", nargs="+", choices=SUFFIXES, default=SUFFIXES)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "adrenal-agreement-benchmark")
    options = parser.parse_args()
    folder = options.folder / f"{options.pairs}-pairs"
    make_masks(folder, options.pairs)
    print(f"{options.pairs} pairs of 512 x 512 x 400, lesions of 2-10 cm; {options.workers} workers; cores: {os.cpu_count()}")
    for suffix in options.formats:
        place = folder / suffix.strip(".")
        print(f"\n{suffix}   (load average {os.getloadavg()[0]:.1f} before)")
        turns = []
        for _ in range(options.repeats):
            before = busy_seconds()
            floor = measure(sys.executable, "floor", place)
            ours = measure(sys.executable, "ours", place, options.workers)
            turns.append((floor, ours))
            print(
                f"  floor {floor['seconds']:6.2f} s   ours {ours['seconds']:6.2f} s (processor {ours['cpu_seconds']:.1f} s, "
                f"peak {ours['peak_mib']:.0f} MiB)   ratio {ours['seconds'] / floor['seconds']:.2f}; "
                f"{disturbed(before, floor, ours)}"
            )
        ratio = statistics.median(o["seconds"] / f["seconds"] for f, o in turns)
        seconds = statistics.median(o["seconds"] for _, o in turns)
        print(f"  ours / reading floor: {ratio:.2f} (wanted: at most 1.3); peak {max(o['peak_mib'] for _, o in turns):.0f} MiB")
        if options.peers:
            for way, wanted in (("meshmetrics", 5), ("surface-distance", 3)):
                peer = measure(options.peers, way, place)
                print(
                    f"  {way}: {peer['seconds']:.1f} s, {peer['seconds'] / seconds:.1f} times ours (wanted: at least {wanted}), "
                    f"peak {peer['peak_mib']:.0f} MiB; {peer['versions']}"
                )
                print(f"    our values differ by at most, %: {deviation(turns[-1][1]['values'], peer['values'])}")


if __name__ == "__main__":
    main()

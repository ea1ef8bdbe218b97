"""One way to compare all pairs, timed; run by ``run.py`` in a process of its own with an interpreter that has the peer.

Usage: python peers.py {floor|ours|meshmetrics|surface-distance} FOLDER_OF_ONE_FORMAT [WORKERS]. Prints one JSON object.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any


def pairs_in(folder: Path) -> list[tuple[Path, Path]]:
    return [(a, folder / "b" / a.name) for a in sorted((folder / "a").iterdir())]


def floor(folder: Path, workers: int) -> dict[str, Any]:
    """Merely read both files of every pair, one after another."""
    import SimpleITK as sitk

    for pair in pairs_in(folder):
        for path in pair:
            sitk.ReadImage(str(path))
    return {}


def ours(folder: Path, workers: int) -> dict[str, Any]:
    from AdrenalClassifierLib.agreement.folders import readings_of
    from AdrenalClassifierLib.agreement.many import compare_many

    found = compare_many(readings_of([folder / "a", folder / "b"]), workers=workers)
    assert not found.failed
    return {pair.case: dict(pair.values) for pair in found.pairs}


def meshmetrics(folder: Path, workers: int) -> dict[str, Any]:
    import meshmetrics as peer
    import SimpleITK as sitk

    out = {}
    for a, b in pairs_in(folder):
        images = [sitk.ReadImage(str(path)) for path in (a, b)]
        found = peer.compute_metrics(*images, taus=(1.0, 2.0), metrics=("hd", "assd", "nsd", "dsc", "iou"))
        out[a.name.split(".")[0]] = {
            "dice": found["DSC"],
            "jaccard": found["IoU"],
            "hausdorff_mm": found["HD_100"],
            "hd95_mm": found["HD_95"],
            "assd_mm": found["ASSD"],
            "surface_dice_1mm": found["NSD_1.0"],
            "surface_dice_2mm": found["NSD_2.0"],
        }
    return out


def surface_distance(folder: Path, workers: int) -> dict[str, Any]:
    import SimpleITK as sitk
    import surface_distance as peer

    out = {}
    for a, b in pairs_in(folder):
        images = [sitk.ReadImage(str(path)) for path in (a, b)]
        masks = [sitk.GetArrayViewFromImage(image) > 0 for image in images]
        found = peer.compute_surface_distances(*masks, images[0].GetSpacing()[::-1])
        there, back = peer.compute_average_surface_distance(found)
        areas = [float(found[f"surfel_areas_{name}"].sum()) for name in ("gt", "pred")]
        out[a.name.split(".")[0]] = {
            "dice": float(peer.compute_dice_coefficient(*masks)),
            "hausdorff_mm": float(peer.compute_robust_hausdorff(found, 100)),
            "hd95_mm": float(peer.compute_robust_hausdorff(found, 95)),
            "assd_mm": float((there * areas[0] + back * areas[1]) / sum(areas)),
            "surface_dice_1mm": float(peer.compute_surface_dice_at_tolerance(found, 1)),
            "surface_dice_2mm": float(peer.compute_surface_dice_at_tolerance(found, 2)),
        }
    return out


WAYS = {"floor": floor, "ours": ours, "meshmetrics": meshmetrics, "surface-distance": surface_distance}
PACKAGES = ("pymeshmetrics", "surface-distance", "vtk", "SimpleITK", "numpy", "scipy")


def main() -> None:
    way, folder, workers = WAYS[sys.argv[1]], Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
    import SimpleITK  # noqa: F401  (imports are not part of what is measured)

    if sys.argv[1] == "ours":
        import AdrenalClassifierLib.agreement.many  # noqa: F401
    elif sys.argv[1] == "meshmetrics":
        import meshmetrics  # noqa: F401
    elif sys.argv[1] == "surface-distance":
        import surface_distance  # noqa: F401
    started, used = time.perf_counter(), time.process_time()
    values = way(folder, workers)
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "peak_mib": peak, "versions": versions, "values": values}))


if __name__ == "__main__":
    main()

"""Write Testing/data/agreement_peers.json: what MeshMetrics and surface-distance measure on the frozen pairs.

    PYTHONPATH=Testing PYTHON_WITH_PEERS Testing/benchmarks/agreement/reference.py

The interpreter's environment: pip install pymeshmetrics==1.4.1 surface-distance==0.1 (see run.py).
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import meshmetrics
import numpy as np
import SimpleITK as sitk
import surface_distance

from support.agreement_pairs import frozen_pairs

TESTING = Path(__file__).resolve().parents[2]


def main() -> None:
    out: dict[str, object] = {
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("pymeshmetrics", "vtk", "surface-distance", "SimpleITK", "numpy", "scipy")
        }
    }
    pairs = {}
    for name, a, b, spacing in frozen_pairs():
        images = []
        for mask in (a, b):
            image = sitk.GetImageFromArray(mask.astype(np.uint8))
            image.SetSpacing(spacing[::-1])
            images.append(image)
        mesh = meshmetrics.compute_metrics(*images, taus=(1.0, 2.0), metrics=("hd", "assd", "nsd", "dsc", "iou"))
        surfels = surface_distance.compute_surface_distances(a, b, spacing)
        areas = [float(surfels[f"surfel_areas_{side}"].sum()) for side in ("gt", "pred")]
        there, back = surface_distance.compute_average_surface_distance(surfels)
        pairs[name] = {
            "meshmetrics": {
                "dice": mesh["DSC"],
                "jaccard": mesh["IoU"],
                "hausdorff_mm": mesh["HD_100"],
                "hd95_mm": mesh["HD_95"],
                "assd_mm": mesh["ASSD"],
                "surface_dice_1mm": mesh["NSD_1.0"],
                "surface_dice_2mm": mesh["NSD_2.0"],
            },
            "surface_distance": {
                "dice": float(surface_distance.compute_dice_coefficient(a, b)),
                "hausdorff_mm": float(surface_distance.compute_robust_hausdorff(surfels, 100)),
                "hd95_mm": float(surface_distance.compute_robust_hausdorff(surfels, 95)),
                "assd_mm": float((there * areas[0] + back * areas[1]) / sum(areas)),
                "surface_dice_1mm": float(surface_distance.compute_surface_dice_at_tolerance(surfels, 1.0)),
                "surface_dice_2mm": float(surface_distance.compute_surface_dice_at_tolerance(surfels, 2.0)),
                "area_a_mm2": areas[0],
                "area_b_mm2": areas[1],
            },
        }
    out["pairs"] = pairs
    (TESTING / "data" / "agreement_peers.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Write Testing/data/radiomics_peers.json: features of given volumes by mirp, an independent IBSI-compliant software.

PYTHONPATH=Testing PYTHON_WITH_MIRP Testing/benchmarks/radiomics/reference.py      (pip install mirp==2.7.0 SimpleITK)
"""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import numpy as np
from mirp import extract_features

from support.radiomic_cases import radiomic_cases

TESTING = Path(__file__).resolve().parents[2]
KEYS = {
    "RNU0": "morph_volume",
    "C0JK": "morph_area_mesh",
    "QCFX": "morph_sphericity",
    "R3ER": "morph_vol_dens_conv_hull",
    "7T7F": "morph_area_dens_conv_hull",
    "Q3CK": "morph_pca_elongation",
    "N17B": "morph_pca_flatness",
    "KE2A": "stat_skew",
    "IPH6": "stat_kurt",
    "8DWT": "stat_p90",
    "TU9B": "cm_joint_entr_d1_3d_v_mrg",
    "QCDE": "ngt_coarseness_3d",
}


def main() -> None:
    out = {}
    for name, hu, mask in radiomic_cases():
        # One voxel of surroundings, so that the mask does not touch the border.
        (table,) = extract_features(
            image=np.pad(hu, 2, mode="edge"),
            mask=np.pad(mask, 2).astype(np.uint8),
            image_modality="ct",
            by_slice=False,
            no_approximation=True,
            anti_aliasing=False,
            resegmentation_intensity_range=[-150.0, 250.0],
            base_feature_families=["morphological", "statistics", "glcm", "ngtdm"],
            base_discretisation_method="fixed_bin_size",
            base_discretisation_bin_width=10.0,
            glcm_distance=[1.0],
            glcm_spatial_method=["3d_volume_merge"],
            ngtdm_spatial_method=["3d"],
            write_features=False,
            export_features=True,
        )
        found = {}
        for code, prefix in KEYS.items():
            (column,) = (c for c in table.columns if c.startswith(prefix))
            found[code] = float(table[column].iloc[0])
        out[name] = found
    versions = {name: importlib.metadata.version(name) for name in ("mirp", "numpy", "scipy", "scikit-image")}
    text = json.dumps({"versions": versions, "cases": out}, indent=1)
    (TESTING / "data" / "radiomics_peers.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

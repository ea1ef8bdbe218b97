"""Make the sample case: a real unenhanced CT with a synthetic lesion in the bed of the right adrenal gland.

    python Testing/tools/make_sample_case.py CT.nii.gz LABELS.nii.gz Resources/SampleData/adrenal-right-synthetic

CT and labels are TotalSegmentator's ``tests/reference_files/example_ct.nii.gz`` and its segmentation (Apache-2.0); label 8 is
the right adrenal gland. The same inputs give the same bytes.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from AdrenalClassifierLib.cohort.synthetic.case import draw_cohort
from AdrenalClassifierLib.cohort.synthetic.insert import insert_lesion
from AdrenalClassifierLib.files import write_json
from AdrenalClassifierLib.imaging.nifti_writer import write_nifti
from AdrenalClassifierLib.imaging.read import read_ct, read_mask

SEED, NUMBER = 107, 263  # a right-sided adrenocortical carcinoma of a cohort that no shipped model was trained on
RIGHT_ADRENAL = "8"


def main(ct_path: Path, labels_path: Path, folder: Path) -> None:
    """Write ``ct.nii.gz``, ``mask.nii.gz``, ``patient.json`` and ``case.json``."""
    case = draw_cohort(385, SEED)[NUMBER]
    ct = replace(read_ct(ct_path, "unenhanced"), notices=())
    (gland,) = read_mask(labels_path, RIGHT_ADRENAL).segments
    x, y, z = gland.geometry.to_world(np.argwhere(gland.mask)).mean(axis=0)
    image, segment = insert_lesion(ct, (float(x), float(y), float(z) - 8.0), case)
    write_nifti(folder / "ct.nii.gz", np.asarray(image.hu), image.geometry, "SYNTHETIC lesion in a real CT")
    write_nifti(folder / "mask.nii.gz", segment.mask.astype(np.uint8), segment.geometry, "SYNTHETIC lesion")
    write_json(folder / "patient.json", case.patient.to_json())
    write_json(
        folder / "case.json",
        {"ct": "ct.nii.gz", "mask": "mask.nii.gz", "patient": "patient.json", "phase": "unenhanced", "side": case.side},
    )


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))

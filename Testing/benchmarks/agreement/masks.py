"""Pairs of masks for the benchmark: lesions of 2 to 10 cm in 512 x 512 x 400 voxels, outlined by two simulated readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy import ndimage

SHAPE = (400, 512, 512)
SPACING = (1.0, 0.78, 0.78)
SIZES_MM = (20.0, 100.0)
SUFFIXES = (".nii.gz", ".seg.nrrd")


def make_masks(folder: Path, pairs: int, seed: int = 0) -> None:
    """Write ``folder/<suffix>/<a|b>/case-NN<suffix>`` unless they are there. Diameters are evenly spread over
    ``SIZES_MM`` on a logarithmic scale: small lesions are more frequent than large ones."""
    done = folder / f"made-{pairs}-{seed}"
    if done.exists():
        return
    for n, diameter in enumerate(np.geomspace(*SIZES_MM, pairs)):
        rng = np.random.default_rng((seed, n))
        for reader, mask in zip("ab", outlined(diameter, rng), strict=True):
            image = sitk.GetImageFromArray(mask)
            image.SetSpacing(SPACING[::-1])
            image.SetOrigin((-200.0, -180.0, -300.0))
            for suffix in SUFFIXES:
                path = folder / suffix.strip(".") / reader / f"case-{n:02d}{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                if suffix == ".seg.nrrd":
                    keys = {"ID": "Segment_1", "Name": "Mass", "LabelValue": "1", "Layer": "0"}
                    for key, value in keys.items():
                        image.SetMetaData(f"Segment0_{key}", value)
                sitk.WriteImage(image, str(path), True)
    done.touch()


def outlined(diameter: float, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two outlines of one lesion: a lumpy ellipsoid, and the same shifted by about a millimetre with a surface that wanders."""
    reach = np.ceil((diameter * 0.62 + 8) / np.asarray(SPACING)).astype(int)
    centre = [int(rng.integers(r + 2, n - r - 2)) for r, n in zip(reach, SHAPE, strict=True)]
    index = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1) * np.asarray(SPACING)
    axes = rng.uniform(0.85, 1.1, 3)
    lumps = smooth(index.shape[:3], 8.0, rng) * diameter * 0.03
    found = []
    for shift, wander in ((np.zeros(3), 0.0), (rng.normal(0, 0.6, 3), 1.0)):
        radius = np.linalg.norm((index - shift) / axes, axis=-1)
        noise = wander * smooth(index.shape[:3], 4.0, rng) if wander else 0.0
        mask = np.zeros(SHAPE, np.uint8)
        mask[tuple(slice(c - r, c + r + 1) for c, r in zip(centre, reach, strict=True))] = radius + lumps + noise < diameter / 2
        found.append(mask)
    return found[0], found[1]


def smooth(shape: tuple[int, ...], sigma_mm: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Noise of SD 1 that varies over ``sigma_mm``."""
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), [sigma_mm / s for s in SPACING])
    return np.asarray(noise / noise.std())

"""Pairs of masks given by formulas, on which independent tools have measured (``data/agreement_peers.json``)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Spacing = tuple[float, float, float]
Mask = NDArray[np.bool_]


def frozen_pairs() -> Iterator[tuple[str, Mask, Mask, Spacing]]:
    """Name, A, B (k, j, i) and spacing in mm of every frozen pair."""
    yield "concentric spheres 1 mm", *_balls(10.0, 13.0, (0, 0, 0), (1.0, 1.0, 1.0)), (1.0, 1.0, 1.0)
    yield "spheres, fine CT", *_balls(9.0, 9.5, (0.9, -0.6, 1.1), (1.0, 0.78, 0.78)), (1.0, 0.78, 0.78)
    yield "spheres, thick slices", *_balls(14.0, 13.0, (3.0, 1.5, 0), (5.0, 0.7, 0.7)), (5.0, 0.7, 0.7)
    yield "spheres, fine slices", *_balls(8.0, 8.0, (0, 1.0, 2.0), (0.5, 1.2, 0.9)), (0.5, 1.2, 0.9)
    yield "small in large", *_balls(3.0, 16.0, (1.0, 2.0, -3.0), (1.5, 1.0, 1.0)), (1.5, 1.0, 1.0)
    yield "apart", *_balls(5.0, 6.0, (0, 9.0, 24.0), (1.0, 1.0, 1.0)), (1.0, 1.0, 1.0)
    yield "lumpy", *_lumpy((1.25, 0.8, 0.8)), (1.25, 0.8, 0.8)
    yield "lumpy, large", *_lumpy((1.0, 0.9, 0.9), 2.2), (1.0, 0.9, 0.9)
    yield "checkered against its hull", *_checkered(), (2.0, 1.0, 1.5)
    yield "one voxel against a line", *_thin(), (3.0, 0.9, 0.7)


def _mesh(reach_mm: float, spacing: Spacing) -> NDArray[np.float64]:
    n = [int(np.ceil(reach_mm / s)) for s in spacing]
    return np.stack(np.meshgrid(*(np.arange(-m, m + 1) * s for m, s in zip(n, spacing, strict=True)), indexing="ij"), axis=-1)


def _balls(r_a: float, r_b: float, shift: tuple[float, float, float], spacing: Spacing) -> tuple[Mask, Mask]:
    at = _mesh(max(r_a, r_b) + max(map(abs, shift)) + 3, spacing)
    return np.linalg.norm(at, axis=-1) <= r_a + 1e-6, np.linalg.norm(at - np.asarray(shift), axis=-1) <= r_b + 1e-6


def _lumpy(spacing: Spacing, size: float = 1.0) -> tuple[Mask, Mask]:
    at = _mesh(20 * size, spacing)
    z, y, x = np.moveaxis(at, -1, 0)
    waves = np.sin(x / 3) + np.cos(y / 2.5) * np.sin(z / 4)
    a = np.sqrt(x**2 + (1.2 * y) ** 2 + (0.9 * z) ** 2) + 1.2 * waves < 12 * size
    b = np.sqrt((x - 1) ** 2 + (1.15 * y) ** 2 + (0.95 * z) ** 2) + 1.0 * np.sin(y / 2) + 0.8 * waves < 12.3 * size
    return a, b


def _checkered() -> tuple[Mask, Mask]:
    """Voxels that touch at edges and corners only, against the box around them."""
    a, b = np.zeros((8, 9, 10), bool), np.zeros((8, 9, 10), bool)
    b[2:6, 2:7, 2:8] = True
    k, j, i = np.indices(a.shape)
    a[b & ((k + j + i) % 2 == 0)] = True
    return a, b


def _thin() -> tuple[Mask, Mask]:
    a, b = np.zeros((7, 7, 14), bool), np.zeros((7, 7, 14), bool)
    a[3, 3, 3] = True
    b[3, 3, 2:11] = True
    return a, b

"""Tables of ratings (lesions x raters) given by formulas, on which an independent tool has measured."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def rating_tables() -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Name and table."""
    n = np.arange(40)[:, None]
    size = 3 + 40 * (0.5 + 0.5 * np.sin(n * 1.7)) ** 2
    yield "two readers, good", size + np.hstack([3 * np.sin(5.1 * n), 4 * np.cos(3.3 * n) + 1.5])
    yield "two readers, biased", size[:12] * [1.0, 1.35] + np.hstack([np.sin(2.9 * n), np.cos(7.7 * n)])[:12]
    yield "four readers, poor", np.hstack([np.sin((k + 2.3) * n + k) for k in range(4)])[:25] + 0.6 * np.sin(1.7 * n[:25])
    yield "three lesions", np.array([[1.0, 1.2, 0.9], [4.0, 4.4, 3.5], [2.0, 2.9, 2.2]])

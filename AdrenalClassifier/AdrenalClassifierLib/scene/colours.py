"""Colours for a probability and for a map of signed parts; both keep their order for colour-blind readers and in grey.

Probability: samples of "plasma" [Smith & van der Walt, matplotlib 2015, CC0], whose lightness rises evenly and which is never
grey, so that it stands out from a CT. Signed parts: blue below, orange above, from Okabe and Ito's set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Colour = tuple[float, float, float]

PROBABILITY: Sequence[Colour] = (
    (0.255, 0.014, 0.615),
    (0.600, 0.082, 0.625),
    (0.840, 0.334, 0.427),
    (0.982, 0.619, 0.231),
    (0.940, 0.975, 0.131),
)
"""At probabilities 0, 1/4, 1/2, 3/4, 1."""
AGAINST: Colour = (0.00, 0.45, 0.70)
FOR: Colour = (0.90, 0.62, 0.00)


def of_probability(probability: float) -> Colour:
    """The colour of a probability 0-1, each part 0-1."""
    places = np.linspace(0, 1, len(PROBABILITY))
    red, green, blue = (float(np.interp(probability, places, [c[n] for c in PROBABILITY])) for n in range(3))
    return (red, green, blue)


def of_part(share: float) -> Colour:
    """The colour of a signed part, -1 to 1 of the greatest: stronger further from 0, white at 0."""
    end = AGAINST if share < 0 else FOR
    weight = min(abs(share), 1.0)
    red, green, blue = (1 - weight * (1 - part) for part in end)
    return (red, green, blue)

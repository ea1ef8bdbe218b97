"""How much of the contrast material a lesion gives back."""

from __future__ import annotations

from dataclasses import dataclass

from AdrenalClassifierLib.notices import Notice

LEAST_ENHANCEMENT_HU = 10.0
"""Design: below this the denominator is no larger than the error of a difference of two readings (standard error of one: 7.3 HU,
Buitenwerf, EJE 2018), so a percentage would be noise."""


@dataclass(frozen=True)
class Washout:
    """Washout in percent; None where it is not defined. ``notices`` say why, when the phases were at hand."""

    absolute_percent: float | None
    relative_percent: float | None
    notices: tuple[Notice, ...] = ()


def washout(unenhanced_hu: float | None, portal_hu: float | None, delayed_hu: float | None) -> Washout:
    """Absolute washout 100 (E - D) / (E - U) and relative washout 100 (E - D) / E [Johnson, RadioGraphics 2009;29:1333].

    U is unenhanced, E portal (60-75 s after injection), D delayed (10-15 min). Negative when the lesion goes on to enhance.

    - absolute: needs the three phases; None with a notice when E - U is below ``LEAST_ENHANCEMENT_HU``.
    - relative: needs E and D; None with a notice when E is below ``LEAST_ENHANCEMENT_HU``, or when U is known and E - U is.

    Args:
        unenhanced_hu, portal_hu, delayed_hu: mean HU of the same voxels in the three phases; None for a phase not at hand.
    """
    if portal_hu is None or delayed_hu is None:
        return Washout(None, None)
    if unenhanced_hu is not None and portal_hu - unenhanced_hu < LEAST_ENHANCEMENT_HU:
        text = (
            f"Washout is not defined: the lesion gains {portal_hu - unenhanced_hu:.1f} HU from the unenhanced to the portal "
            f"phase, less than {LEAST_ENHANCEMENT_HU:.0f} HU."
        )
        return Washout(None, None, (Notice("washout_undefined", text),))
    given_back = 100 * (portal_hu - delayed_hu)
    absolute = None if unenhanced_hu is None else given_back / (portal_hu - unenhanced_hu)
    if portal_hu < LEAST_ENHANCEMENT_HU:
        text = (
            f"Relative washout is not defined: the lesion has {portal_hu:.1f} HU in the portal phase, less than "
            f"{LEAST_ENHANCEMENT_HU:.0f} HU."
        )
        return Washout(absolute, None, (Notice("washout_undefined", text),))
    return Washout(absolute, given_back / portal_hu)

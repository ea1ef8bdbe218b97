"""Washout: the formula, and where it is refused."""

from __future__ import annotations

import pytest

from AdrenalClassifierLib.imaging.washout import LEAST_ENHANCEMENT_HU, washout


def test_the_formula() -> None:
    # Johnson, RadioGraphics 2009: an adenoma of 10, 80 and 30 HU: 100 x 50 / 70 and 100 x 50 / 80.
    found = washout(10, 80, 30)
    assert found.absolute_percent == pytest.approx(500 / 7)
    assert found.relative_percent == pytest.approx(62.5)
    assert found.notices == ()


def test_a_lesion_that_goes_on_to_enhance_has_a_negative_washout() -> None:
    found = washout(30, 60, 75)
    assert found.absolute_percent == pytest.approx(-50)
    assert found.relative_percent == pytest.approx(-25)


def test_a_fat_containing_adenoma_below_zero_is_measured_too() -> None:
    found = washout(-10, 40, 10)
    assert found.absolute_percent == pytest.approx(60)
    assert found.relative_percent == pytest.approx(75)


@pytest.mark.parametrize("missing", [(10, None, 30), (10, 80, None), (None, None, 30), (None, None, None)])
def test_without_portal_and_delayed_phase_there_is_none_and_no_complaint(missing) -> None:  # type: ignore[no-untyped-def]
    found = washout(*missing)
    assert (found.absolute_percent, found.relative_percent, found.notices) == (None, None, ())


def test_without_unenhanced_phase_only_the_relative_washout_exists() -> None:
    found = washout(None, 80, 40)
    assert found.absolute_percent is None
    assert found.relative_percent == pytest.approx(50)


@pytest.mark.parametrize("portal", [24.9, 15.0, 5.0, -20.0])
def test_a_lesion_that_does_not_enhance_has_no_washout(portal: float) -> None:
    found = washout(15, portal, 14)
    assert (found.absolute_percent, found.relative_percent) == (None, None)
    assert [notice.code for notice in found.notices] == ["washout_undefined"]
    assert f"{portal - 15:.1f} HU" in found.notices[0].text


def test_the_limit_itself_is_enough() -> None:
    assert washout(15, 15 + LEAST_ENHANCEMENT_HU, 20).absolute_percent == pytest.approx(50)


@pytest.mark.parametrize("portal", [9.0, 0.0, -30.0])
def test_a_denominator_near_zero_or_below_makes_no_relative_washout(portal: float) -> None:
    for unenhanced in (None, -60.0):
        found = washout(unenhanced, portal, portal - 20)
        assert found.relative_percent is None
        assert [notice.code for notice in found.notices] == ["washout_undefined"]
        assert (found.absolute_percent is None) == (unenhanced is None)

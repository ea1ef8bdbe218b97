"""What stands in the views, drawn without a screen by Slicer's own displayable managers, in a process that may crash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from AdrenalClassifierLib.scene.colours import AGAINST, FOR, PROBABILITY, of_part, of_probability
from support.views import can_render

TOOL = Path(__file__).resolve().parents[1] / "tools" / "draw_case.py"


def coloured(picture: np.ndarray) -> np.ndarray:
    """Where a picture is not grey, that is, not CT and not white text."""
    channels = picture.astype(int)
    return channels.max(axis=2) - channels.min(axis=2) > 25


def test_label_colour_and_map_are_seen_and_go_when_stale(tmp_path: Path) -> None:
    if not can_render():
        pytest.skip("no OpenGL without a screen on this machine (Debian: libegl1 libgl1-mesa-dri)")
    environment = {**os.environ, "TQDM_DISABLE": "1"}
    words = [sys.executable, str(TOOL), str(tmp_path), "oblique"]
    done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    outline, result, map_, solid, stale = (
        np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB")) for name in ("outline", "result", "map", "solid", "stale")
    )
    # white text on black that was not there before, to the right of the lesion and above it
    text = (result > 200).all(axis=2) & ~(outline > 200).all(axis=2)
    rows, columns = np.nonzero(text)
    lesion = np.nonzero(coloured(outline))
    assert text.sum() > 1500
    assert columns.min() > lesion[1].mean()
    assert rows.max() < lesion[0].max()
    assert columns.max() < 499  # not cut at the view's edge
    assert (stale > 200).all(axis=2)[text].mean() < 0.1
    # the lesion in the colour of its probability, 2D fill and 3D surface
    low = np.array(of_probability(0.03)) * 255
    inside = result[int(lesion[0].mean()), int(lesion[1].mean()) - 12].astype(float)
    assert np.argmax(inside) == 2  # blue-violet, as low probabilities are
    assert inside[2] > inside[1] + 25
    surface = solid[225, 225].astype(float)
    assert np.corrcoef(surface, low)[0, 1] > 0.95
    # the map: both signs, on the lesion only, and its legend on the left
    legend = map_[:, :90].reshape(-1, 3).astype(float) / 255
    for end in (AGAINST, FOR):
        assert (np.abs(legend - end).max(axis=1) < 0.03).sum() > 10
    assert not coloured(result)[:, :90].any()
    changed = np.nonzero((map_ != result).any(axis=2)[:, 100:])
    assert changed[1].min() + 100 >= lesion[1].min() - 2
    assert changed[1].max() + 100 <= lesion[1].max() + 2


def luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of sRGB (IEC 61966-2-1)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def lightness(colour: tuple[float, float, float]) -> float:
    """CIE 1976 L* for the white point Y = 1."""
    y = luminance(colour)
    return 116 * y ** (1 / 3) - 16 if y > (6 / 29) ** 3 else y * (29 / 3) ** 3


DEUTERANOPIA = np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]])
"""Machado, Oliveira & Fernandes, IEEE TVCG 2009;15:1291, severity 1.0, on linear RGB."""


def deuteranopic(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    linear = np.array([c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour])
    seen = np.clip(DEUTERANOPIA @ linear, 0, 1)
    red, green, blue = (float(12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055) for c in seen)
    return (red, green, blue)


def test_the_colours_of_probabilities_keep_their_order_in_grey_and_for_the_colour_blind() -> None:
    steps = [of_probability(p) for p in np.linspace(0, 1, 41)]
    for seen in (steps, [deuteranopic(colour) for colour in steps]):
        rise = np.diff([lightness(colour) for colour in seen])
        assert (rise > 0.5).all()
        assert rise.max() < 4 * rise.min()
    assert all(max(colour) - min(colour) > 0.4 for colour in steps)  # never grey, as the CT is
    assert steps[0] == pytest.approx(PROBABILITY[0])
    assert steps[-1] == pytest.approx(PROBABILITY[-1])


def test_the_colours_of_signed_parts_part_at_zero_for_everyone() -> None:
    assert of_part(0.0) == (1.0, 1.0, 1.0)
    assert of_part(-1.0) == pytest.approx(AGAINST)
    assert of_part(1.0) == pytest.approx(FOR)
    for share in (0.3, 0.6, 1.0):
        against, for_ = deuteranopic(of_part(-share)), deuteranopic(of_part(share))
        assert against[2] > against[0]  # blue side
        assert for_[0] > for_[2]  # yellow side

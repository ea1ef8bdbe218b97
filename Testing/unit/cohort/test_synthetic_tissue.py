"""What lesions are made of: the mean is exact, compartments behave."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from AdrenalClassifierLib.cohort.synthetic.shape import draw_shape
from AdrenalClassifierLib.cohort.synthetic.tissue import attenuation, draw_parts

PHASES = ("unenhanced", "portal", "delayed")


def built(case, look=None, diameter: float = 40.0, mean: float = 34.0):  # type: ignore[no-untyped-def]
    look = look or case.look
    shape = draw_shape(np.random.default_rng(1), look, diameter)
    axes = [np.arange(-np.ceil(r), np.ceil(r) + 1, dtype=np.float32) for r in np.add(shape.reach_mm, 3)]
    level = shape.distance(axes)
    parts = draw_parts(np.random.default_rng(2), look, level, axes, shape.mean_radius_mm)
    return parts, level, attenuation(parts, look, level < 0, mean, PHASES)


def one_of_each(cases):  # type: ignore[no-untyped-def]
    return {c.lesion_class: c for c in reversed(cases)}


@pytest.mark.parametrize("name", [
    "adenoma_lipid_rich", "adenoma_lipid_poor", "phaeochromocytoma", "myelolipoma", "cyst", "ganglioneuroma", "other_benign",
    "acc", "metastasis", "lymphoma", "sarcoma",
])  # fmt: skip
def test_the_unenhanced_mean_over_the_lesion_is_the_wanted_one(cases, name) -> None:  # type: ignore[no-untyped-def]
    case = one_of_each(cases)[name]
    mean = case.truth.hu + case.truth.lesion_error_hu
    _, level, hu = built(case, mean=mean)
    assert all(volume.dtype == np.float32 for volume in hu.values())
    assert abs(hu["unenhanced"][level < 0].mean(dtype=float) - mean) < 0.01


def test_every_mean_can_be_met_whatever_the_content(cases) -> None:  # type: ignore[no-untyped-def]
    base = one_of_each(cases)["acc"].look
    for change in (
        {"necrosis_fraction": 0.5},
        {"haemorrhage_hu": 30.0},
        {"calcification": 6},
        {"wall_mm": 2.0},
        {"capsule_mm": 1.5},
    ):
        _, level, hu = built(one_of_each(cases)["acc"], replace(base, **change), mean=20.0)
        assert abs(hu["unenhanced"][level < 0].mean(dtype=float) - 20) < 0.01


def test_necrosis_is_central_darker_and_does_not_enhance(cases) -> None:  # type: ignore[no-untyped-def]
    plain = replace(
        one_of_each(cases)["phaeochromocytoma"].look, haemorrhage_hu=0.0, calcification=0, capsule_mm=0.0, texture_hu=2.0
    )
    look = replace(plain, necrosis_fraction=0.3, necrosis_edge_mm=0.5, portal=("hu", 110.0), delayed=("washout_percent", 50.0))
    parts, level, hu = built(one_of_each(cases)["phaeochromocytoma"], look, 60.0)
    core = level < 0
    dead, living = core & (parts.necrosis > 0.95), core & (parts.necrosis < 0.05)
    assert 0.15 < dead[core].mean() < 0.35
    assert level[dead].max() < -2
    assert level[dead].mean() < level[living].mean() - 3
    assert abs((hu["portal"] - hu["unenhanced"])[dead].mean()) < 3
    assert abs(hu["portal"][living].mean() - 110) < 6
    difference = hu["unenhanced"][living].mean() - hu["unenhanced"][dead].mean()
    assert abs(difference - look.necrosis_contrast_hu) < 4


def test_washout_of_living_tissue_is_the_drawn_one(cases) -> None:  # type: ignore[no-untyped-def]
    case = one_of_each(cases)["adenoma_lipid_poor"]
    look = replace(case.look, necrosis_fraction=0.0, calcification=0, capsule_mm=0.0, haemorrhage_hu=0.0, portal=("hu", 75.0),
                   delayed=("washout_percent", 62.0))  # fmt: skip
    _, level, hu = built(case, look, mean=23.0)
    u, e, d = (float(hu[p][level < 0].mean(dtype=float)) for p in PHASES)
    # APW = 100 (E - D) / (E - U); Johnson, RadioGraphics 2009;29:1333.
    assert abs(e - 75) < 0.5
    assert abs(100 * (e - d) / (e - u) - 62) < 0.5


def test_a_myelolipoma_holds_macroscopic_fat_and_more_of_it_when_it_is_darker(cases) -> None:  # type: ignore[no-untyped-def]
    case = one_of_each(cases)["myelolipoma"]
    shares = []
    for mean in (-70.0, -40.0, 10.0):
        _, level, hu = built(case, diameter=75.0, mean=mean)
        shares.append(float((hu["unenhanced"][level < 0] < -30).mean()))
        assert abs((hu["portal"] - hu["unenhanced"])[level < 0].mean() - case.look.portal[1]) < 1.5
    assert shares[0] > shares[1] > shares[2] > 0.05
    assert shares[1] > 0.35


def test_the_inside_of_a_cyst_does_not_enhance_but_its_wall_does(cases) -> None:  # type: ignore[no-untyped-def]
    case = one_of_each(cases)["cyst"]
    look = replace(case.look, wall_mm=2.0, calcification=0, portal=("above_unenhanced", 1.0), haemorrhage_hu=0.0)
    _, level, hu = built(case, look, mean=12.0)
    rise = hu["portal"] - hu["unenhanced"]
    assert abs(rise[level < -4].mean()) < 3
    assert rise[(level < -0.5) & (level > -1.5)].mean() > 15


def test_calcium_is_bright_and_lies_inside(cases) -> None:  # type: ignore[no-untyped-def]
    case = one_of_each(cases)["acc"]
    look = replace(case.look, calcification=5, rim_calcification=False, calcium_hu=500.0)
    parts, level, hu = built(case, look)
    assert hu["unenhanced"][level < 0].max() > 300
    assert (level[parts.calcium > 0.2] < 0).all()
    rim = replace(one_of_each(cases)["cyst"].look, calcification=3, rim_calcification=True)
    parts, level, _ = built(case, rim)
    assert parts.calcium.max() > 0.5
    assert (level[parts.calcium > 0.2] > -4).all()


def test_the_margin_is_as_wide_as_drawn(cases) -> None:  # type: ignore[no-untyped-def]
    for width in (0.5, 3.0):
        look = replace(one_of_each(cases)["acc"].look, margin_mm=width, irregularity=0.0)
        parts, level, _ = built(one_of_each(cases)["acc"], look)
        transition = level[(parts.inside > 0.02) & (parts.inside < 0.98)]
        assert abs(transition).max() <= width + 1e-3
        assert (parts.inside[level < -width] == 1).all()

"""The saliency volume: complete, in place, of the network (and of no other), the same however the scan is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats

from AdrenalClassifierLib.imaging.geometry import Geometry, Vector, identity
from AdrenalClassifierLib.imaging.images import CtImage
from AdrenalClassifierLib.imaging.lesion import Lesion, extract_lesions
from AdrenalClassifierLib.imaging.network_input import InputSettings, network_input
from AdrenalClassifierLib.model.encoder import EncoderSettings, build_encoder
from AdrenalClassifierLib.model.saliency import Member, saliency_map
from support.grids import ellipsoid, oblique_grid, rearranged, segment

SETTINGS = InputSettings(size=16, physical_spacing_mm=4.0)
GRID = identity((36, 56, 56), (2.0, 1.5, 1.5), (-41.0, -41.0, -35.0))
RADIUS = 20.0


def spotted(spot: Vector | None, grid: Geometry = GRID, seed: int = 0, brightness: float = 120.0) -> Lesion:
    """A ball of 20 mm in fat with a bright spot of 5 mm somewhere in it, in noise."""
    mask = ellipsoid(grid, (0.0, 0.0, 0.0), (RADIUS,) * 3)
    hu = np.where(mask, 30.0, -100.0) + np.random.default_rng(seed).normal(0, 8, grid.shape)
    if spot is not None:
        hu += brightness * ellipsoid(grid, spot, (5.0, 5.0, 5.0))
    return extract_lesions(CtImage(np.rint(hu).astype(np.int16), grid, "unenhanced"), [segment(mask, grid)])[0]


def bright(views: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
    """A model made by hand: how much of the lesion is brighter than 90 HU, in either view."""
    excess = torch.relu(views[:, :, 0] - 0.2) * views[:, :, 2]
    return excess.sum(dim=(1, 2, 3, 4))[:, None]


def first(score: np.ndarray) -> float:
    return float(score[0])


def peak(lesion: Lesion, values: np.ndarray) -> np.ndarray:
    """Centre of the strongest hundredth of a map, LPS mm."""
    strong = values >= np.quantile(values[lesion.mask], 0.99)
    return lesion.geometry.to_world(np.argwhere(strong & lesion.mask)).mean(axis=0)


def network(seed: int, width: int = 4) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_encoder(EncoderSettings(width=width, embedding=8, dropout=0.0)).eval()


def as_member(net: torch.nn.Module) -> Member:
    return lambda views, present: net(views, present)["logit"][:, None]


SPOT = (8.0, -6.0, 7.0)


def test_a_model_that_ignores_the_image_has_no_map() -> None:
    ignoring: list[Member] = [
        lambda views, present: torch.full((len(views), 1), 3.0),
        lambda views, present: 0.0 * views.sum(dim=(1, 2, 3, 4, 5))[:, None],
        lambda views, present: views[:, :, 2].mean(dim=(1, 2, 3, 4))[:, None],  # the outline alone
    ]
    for member in ignoring:
        found = saliency_map(spotted(SPOT), SETTINGS, [member], first)
        assert not found.values.any()
        assert found.logit == found.uniform_logit


def test_the_spot_that_a_model_uses_is_found_with_its_sign() -> None:
    lesion = spotted(SPOT)
    found = saliency_map(lesion, SETTINGS, [bright], first)
    assert np.linalg.norm(peak(lesion, found.values) - SPOT) < 4
    against = saliency_map(lesion, SETTINGS, [bright], lambda s: -2 * first(s))
    np.testing.assert_allclose(against.values, -2 * found.values, rtol=1e-3, atol=1e-5 * found.greatest)
    inside = ellipsoid(lesion.geometry, SPOT, (9.0, 9.0, 9.0))
    assert found.values[inside & lesion.mask].sum() > 0.8 * found.values.sum()
    assert not found.values[~lesion.mask].any()
    assert found.values.dtype == np.float32
    assert found.values.shape == lesion.geometry.shape


@pytest.mark.parametrize("head", [first, lambda s: float(np.logaddexp(1.5 * s[0], -s[0] + 0.3))], ids=["linear", "curved"])
def test_the_map_adds_up_to_what_the_whole_structure_changes(head) -> None:  # type: ignore[no-untyped-def]
    """Completeness of integrated gradients, for an ensemble and for a head that is no straight line."""
    lesion = spotted(SPOT)
    members = [as_member(network(n)) for n in range(3)]
    found = saliency_map(lesion, SETTINGS, members, head)
    whole = found.logit - found.uniform_logit
    assert found.attributed == pytest.approx(whole, abs=0.02 * max(1.0, abs(whole)))
    volume_ml = lesion.geometry.voxel_volume_mm3 / 1000
    assert float(found.values.sum(dtype=float)) * volume_ml == pytest.approx(found.attributed, abs=1e-4)
    given = network_input(lesion, SETTINGS)
    with torch.no_grad():
        outs = [float(m(torch.from_numpy(given.views[None]), torch.from_numpy(given.present[None]))[0, 0]) for m in members]
    assert found.logit == pytest.approx(head(np.array([np.mean(outs)])), abs=1e-5)


def test_each_phase_is_explained() -> None:
    """The spot shows on the portal phase only, and a model that reads that channel finds it."""
    plain, enhanced = spotted(None), spotted(SPOT, seed=3)
    both = replace(plain, others={"portal": enhanced.ct})

    def second(views: torch.Tensor, present: torch.Tensor) -> torch.Tensor:
        return (torch.relu(views[:, :, 1] - 0.2) * views[:, :, 2]).sum(dim=(1, 2, 3, 4))[:, None]

    found = saliency_map(both, SETTINGS, [second], first)
    assert np.linalg.norm(peak(both, found.values) - SPOT) < 4
    assert saliency_map(plain, SETTINGS, [second], first).greatest == 0


@pytest.mark.parametrize(
    ("order", "flips"), [((0, 1, 2), (True, False, True)), ((2, 0, 1), (False, True, False)), ((1, 2, 0), (True, True, True))]
)
def test_flipped_and_permuted_axes_give_the_flipped_and_permuted_map(order, flips) -> None:  # type: ignore[no-untyped-def]
    lesion = spotted(SPOT)
    member = as_member(network(5))
    expected = saliency_map(lesion, SETTINGS, [member], first)
    stored, grid = rearranged(lesion.ct, lesion.geometry, order, flips)
    mask, _ = rearranged(lesion.mask, lesion.geometry, order, flips)
    moved = replace(lesion, ct=stored.astype(np.float32), mask=mask.astype(bool), geometry=grid)
    found = saliency_map(moved, SETTINGS, [member], first)
    values, _ = rearranged(expected.values, lesion.geometry, order, flips)
    np.testing.assert_allclose(found.values, values, atol=2e-3 * expected.greatest)


def test_on_an_oblique_grid_the_spot_is_where_it_is_in_the_patient() -> None:
    grid = oblique_grid((60, 60, 60), (2.0, 1.6, 1.6), (0.0, 0.0, 0.0), mirror=True)
    middle = grid.to_world(np.array([29.5, 29.5, 29.5]))
    x, y, z = (float(o - m) for o, m in zip(grid.origin, middle, strict=True))
    lesion = spotted(SPOT, replace(grid, origin=(x, y, z)))
    found = saliency_map(lesion, SETTINGS, [bright], first)
    assert np.linalg.norm(peak(lesion, found.values) - SPOT) < 4


@pytest.fixture(scope="module")
def trained() -> torch.nn.Module:
    """A small network that has learnt to tell lesions with a bright spot, anywhere in them, from lesions without."""
    rng = np.random.default_rng(0)
    lesions, labels = [], []
    for n in range(24):
        spot = rng.normal(size=3)
        spot *= rng.uniform(0, 12) / np.linalg.norm(spot)
        lesions.append(spotted((float(spot[0]), float(spot[1]), float(spot[2])) if n % 2 else None, seed=100 + n))
        labels.append(float(n % 2))
    given = [network_input(lesion, SETTINGS) for lesion in lesions]
    views = torch.from_numpy(np.stack([g.views for g in given]))
    present = torch.from_numpy(np.stack([g.present for g in given]))
    target = torch.tensor(labels)
    net = network(11).train()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small work: threads would wait for each other
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        optimiser = torch.optim.Adam(net.parameters(), 3e-3)
        for _ in range(60):
            optimiser.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(net(views, present)["logit"], target)
            torch.autograd.backward(loss)
            optimiser.step()
        with torch.no_grad():
            for _ in range(30):  # running means of the normalisation settle on the final weights
                net(views, present)
    torch.set_num_threads(threads)
    net.eval()
    with torch.no_grad():
        hits = ((net(views, present)["logit"] > 0).float() == target).float().mean()
    assert float(hits) > 0.9, "the network did not learn the spot, so its map cannot be judged"
    return net


UNSEEN = [(8.0, -6.0, 7.0), (-9.0, 4.0, 2.0), (0.0, 10.0, -6.0), (3.0, 3.0, 11.0)]


def test_the_map_of_a_trained_network_finds_spots_it_has_not_seen(trained: torch.nn.Module) -> None:
    distances = []
    for n, spot in enumerate(UNSEEN):
        lesion = spotted(spot, seed=500 + n)
        found = saliency_map(lesion, SETTINGS, [as_member(trained)], first)
        distances.append(float(np.linalg.norm(peak(lesion, found.values) - np.array(spot))))
    # A point drawn at random in the ball lies about 17 mm from these spots.
    assert np.median(distances) < 5, distances


def test_the_map_changes_when_the_weights_are_random(trained: torch.nn.Module) -> None:
    """Weight randomisation [Adebayo et al., NeurIPS 2018, arXiv 1810.03292]: a map that depends on the image alone would stay."""
    similar = []
    for n, spot in enumerate(UNSEEN):
        lesion = spotted(spot, seed=500 + n)
        of_trained = saliency_map(lesion, SETTINGS, [as_member(trained)], first).values[lesion.mask]
        again = saliency_map(lesion, SETTINGS, [as_member(trained)], first).values[lesion.mask]
        np.testing.assert_array_equal(of_trained, again)
        for seed in range(3):
            of_random = saliency_map(lesion, SETTINGS, [as_member(network(seed))], first).values[lesion.mask]
            similar.append(stats.spearmanr(of_trained, of_random).statistic)
    assert abs(np.mean(similar)) < 0.35, similar

"""The network of contrasts: what counts as T1-weighted, what it is shown, and what it says of heads it never saw."""

import numpy as np
import pytest
import torch
from round_head import head

from mriuq_cli.api import WeightsError
from mriuq_cli.data.geometry import geometry_from_affine
from mriuq_hetqc.contrast import appearance
from mriuq_hetqc.contrast.dataset import Contrasts
from mriuq_hetqc.contrast.network import ContrastNet, brightness_and_size, tell_apart
from mriuq_hetqc.contrast.view import CELL, FIELD, centred, in_cells, view
from mriuq_hetqc.infer import Reading, read_scan
from mriuq_hetqc.kind import describe
from mriuq_hetqc.scan import prepare

CONFIG = {"seed": 3}


@pytest.mark.parametrize("reader", [head, lambda: head(labels=False)])
def test_an_item_is_a_function_of_seed_and_number_alone(reader):
    first, again = (Contrasts(CONFIG, [reader, reader], "train") for _ in range(2))
    far = again[9]
    for index in range(9):
        first[index]
    assert far["image"].shape == (1, *FIELD)
    assert bool(torch.isfinite(far["image"]).all())
    assert all(torch.equal(first[9][name], far[name]) for name in far)
    assert far["shares"].shape == (4, *FIELD)
    torch.testing.assert_close(far["shares"].sum(0), torch.ones(FIELD))
    assert not torch.equal(Contrasts(CONFIG, [reader], "validation")[9]["image"], far["image"])


def test_about_half_of_the_items_are_other_images():
    items = Contrasts(CONFIG, [head], "train")
    assert 12 <= sum(float(items[index]["other"]) for index in range(40)) <= 28


def test_the_order_of_tissues_decides_what_is_t1_weighted():
    rng = np.random.default_rng(0)
    for _ in range(500):
        fluid, grey, white = appearance.t1_levels(rng)
        assert fluid < grey < white
        fluid, grey, white = appearance.other_levels(rng)
        # Not the order of T1-weighted images, or so little or so much between grey and white as they never have.
        assert not fluid < grey < white or not 0.36 < grey / white < 0.96


def test_painted_tissues_have_the_levels_and_air_stays_dark():
    labels = torch.zeros(4, 20, 20, 20)
    labels[0] = 1
    labels[:, 5:15] = 0
    for tissue, at in ((1, slice(5, 8)), (2, slice(8, 11)), (3, slice(11, 15))):
        labels[tissue, at] = 1
    image = torch.zeros(20, 20, 20)
    for seed in range(20):
        found = appearance.painted(image, labels, image, (0.9, 0.5, 0.2), np.random.default_rng(seed), t1=False)
        fluid, grey, white = (float(found[at].median()) for at in (6, 9, 12))
        assert (fluid / white, grey / white) == pytest.approx((4.5, 2.5), rel=0.05)
        assert float(found[:5].abs().max()) == 0


def test_nuclei_are_brighter_than_the_cortex_on_t1_weighted_images_and_darker_on_others():
    labels = torch.zeros(4, 20, 20, 20)
    labels[2] = 1
    depth = torch.zeros(20, 20, 20)
    depth[10:] = 1
    for seed in range(20):
        for t1 in (True, False):
            rng = np.random.default_rng(seed)
            found = appearance.painted(torch.zeros_like(depth), labels, depth, (0.2, 0.5, 0.8), rng, t1=t1)
            ratio = float(found[10:].median() / found[:10].median())
            assert (0.98 < ratio < 1.17) if t1 else (0.68 < ratio < 1.02)


def test_depth_rises_from_the_surface_of_the_brain():
    shares = torch.zeros(4, 60, 60, 60)
    shares[0], shares[2, 10:50, 10:50, 10:50] = 1, 1
    depth = appearance.depth_of(shares)
    assert float(depth[30, 30, 30]) == pytest.approx(1)
    assert float(depth[:11].max()) == 0
    assert bool((depth[10:31, 30, 30].diff() > -1e-6).all())


def test_what_is_dark_all_along_is_cut_off_and_tissues_with_it():
    images = torch.zeros(2, 20, 24, 28)
    images[0, 4:9, 3:20, 10:27] = 1
    images[1] = torch.arange(28)
    assert appearance.cut(images).shape == (2, 5, 17, 17)
    assert float(appearance.cut(images)[1, 0, 0, 0]) == 10
    assert appearance.cut(torch.zeros(1, 4, 4, 4)).shape == (1, 4, 4, 4)


def test_a_label_map_keeps_its_numbers_when_it_is_turned():
    numbers = torch.randint(0, 4, (1, 20, 22, 24)).float()
    turned = appearance.turned(numbers, np.random.default_rng(2), sharp=True)
    assert set(turned.unique().tolist()) == {0, 1, 2, 3}
    assert not torch.equal(turned, numbers)


def test_cells_keep_the_mean_and_have_their_size():
    image = torch.rand(40, 48, 80)
    cells = in_cells(image, (1.0, 1.0, 0.5))
    assert tuple(cells.shape) == tuple(round(n * mm / CELL) for n, mm in zip(image.shape, (1, 1, 0.5), strict=True))
    assert float(cells.mean()) == pytest.approx(float(image.mean()), rel=1e-3)


@pytest.mark.parametrize("shape", [FIELD, (57, 63, 20), (11, 90, 56), (4, 4, 4)])
def test_the_middle_stays_in_the_middle(shape):
    image = torch.zeros(shape)
    image[tuple(n // 2 for n in shape)] = 1
    place = centred(image).nonzero()[0].tolist()
    assert all(abs(at - n // 2) <= 1 for at, n in zip(place, FIELD, strict=True))


def test_the_view_does_not_depend_on_unit_or_empty_space():
    image = head().volumes["t1"].data
    alone = view(prepare(image, geometry_from_affine(image.shape, np.eye(4))))
    wide = np.pad(image, ((7, 3), (0, 12), (5, 5))) * np.float32(64)
    padded = view(prepare(wide, geometry_from_affine(wide.shape, np.eye(4))))
    torch.testing.assert_close(alone, padded)


def test_the_objective_counts_what_is_told_right():
    shares = torch.rand(4, 4, 16, 16, 16).softmax(1)
    other, known = torch.tensor([0.0, 1, 0, 1]), torch.tensor([1.0, 1, 0, 1])
    batch = {"image": torch.rand(4, 1, 16, 16, 16), "other": other, "shares": shares, "known": known}
    net = ContrastNet([4, 8])
    found = tell_apart(net, batch)
    odds = net(batch["image"]).odds
    assert float(found["right"]) == float(((odds > 0) == (batch["other"] > 0)).float().mean())
    found["loss"].backward()
    assert all(bool((p.grad != 0).any()) for p in net.parameters())


def test_tissues_that_are_unknown_count_for_nothing():
    net = ContrastNet([4, 8])
    batch = {"image": torch.rand(2, 1, 16, 16, 16), "other": torch.tensor([0.0, 1]), "known": torch.tensor([1.0, 0])}
    shares = torch.rand(2, 4, 16, 16, 16).softmax(1)
    changed = torch.stack((shares[0], shares[1].flip(0)))
    first, second = (tell_apart(net, {**batch, "shares": s})["tissues"] for s in (shares, changed))
    assert torch.equal(first, second)


def test_brightness_is_that_of_the_tissue_and_size_its_share():
    views = torch.zeros(1, 1, 10, 10, 10)
    logits = torch.full((1, 4, 10, 10, 10), -30.0)
    for tissue, (level, at) in enumerate(
        ((0.0, slice(0, 4)), (0.2, slice(4, 6)), (0.5, slice(6, 8)), (0.8, slice(8, 10)))
    ):
        views[:, :, at] = level
        logits[:, tissue, at] = 30.0
    found = brightness_and_size(views, logits)[0]
    fluid, grey, white = (float(torch.tensor(level * 200 / 201 + 0.02).log()) for level in (0.2, 0.5, 0.8))
    expected = [5 * (fluid - white), 5 * (grey - white), 0.0]
    torch.testing.assert_close(found[1:4], torch.tensor(expected), atol=1e-4, rtol=0)
    torch.testing.assert_close(found[4:], (torch.tensor([401.0, 201, 201, 201]) / 2e4).log())


def test_weights_of_contrasts_clean_nothing():
    case = head()
    with pytest.raises(WeightsError, match="clean no scan"):
        read_scan(ContrastNet([4, 8]), prepare(case.volumes["t1"].data, case.geometry))


@pytest.mark.parametrize(("levels", "least", "most"), [(4, 0.7, 1.0), (250, 0.0, 0.1)])
def test_a_map_of_labels_is_flat_and_a_scan_is_not(levels, least, most):
    rough = torch.from_numpy(np.random.default_rng(4).normal(size=(1, 1, 8, 8, 8)).astype(np.float32))
    smooth = torch.nn.functional.interpolate(rough, size=(64, 64, 64), mode="trilinear", align_corners=True)[0, 0]
    share = (smooth - smooth.min()) / (smooth.max() - smooth.min())
    image = 0.2 + (share * levels).round() / levels
    nothing = torch.zeros_like(image)
    reading = Reading(image=image, residual=nothing, sigma=nothing, head=image > 0, classes=None, sigma_task=None,
                      marks={}, features=torch.zeros(1), brain_features=torch.zeros(1))  # fmt: skip
    found = {d.name: d.value for d in describe(reading, 0.0)}
    assert least <= found["flatness"] <= most

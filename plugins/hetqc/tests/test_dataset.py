"""Training crops: reproducible, corrupted before they are cut, clean beside corrupted."""

import numpy as np
import pytest
import torch
from round_head import head

from mriuq_hetqc.dataset import Crops, _without_skull, other_scanner
from mriuq_hetqc.marks import MARKS
from mriuq_hetqc.spoil import ARTEFACTS, add_noise, soft_region, spoil

CONFIG = {"crop": 32, "reuse": 2, "slots": 2, "seed": 3}


def test_an_item_is_a_function_of_seed_and_number_alone():
    first, again = (Crops(CONFIG, [head, head], "cpu", change=True) for _ in range(2))
    far = again[9]
    for index in range(9):
        first[index]
    assert all(torch.equal(first[9][name], far[name]) for name in far)


def test_crops_have_the_shapes_that_the_loss_expects():
    item = Crops(CONFIG, [head], "cpu", change=True)[0]
    assert item["image"].shape == item["clean"].shape == item["weight"].shape == (1, 32, 32, 32)
    assert item["labels"].shape == (32, 32, 32)
    assert set(item["labels"].unique().tolist()) <= {0, 1, 2, 3}
    assert item["marks"].shape == (MARKS,)


def test_crops_of_a_spoilt_head_are_told_nearly_the_same_of_the_whole():
    crops = Crops({**CONFIG, "reuse": 8, "slots": 1}, [head], "cpu", change=True)
    told = torch.stack([crops[index]["marks"] for index in range(8)])
    assert 0 < float(told.std(0).max()) < 0.35
    assert torch.allclose(told.mean(0), crops._pair(0).marks, atol=0.25)


def test_frequencies_that_interpolation_made_up_are_stated():
    image, labels = torch.ones(40, 40, 40), torch.full((40, 40, 40), 2, dtype=torch.uint8)
    for seed in range(20):
        seen, _, band = other_scanner(image, labels, np.random.default_rng(seed), 32)
        larger = [n / 40 for n in seen.shape]
        assert all(share <= min(1, 1 / factor) + 1e-6 for share, factor in zip(band, larger, strict=True))


def test_a_head_without_labels_says_so_in_every_voxel():
    item = Crops(CONFIG, [lambda: head(labels=False)], "cpu", change=False)[0]
    assert set(item["labels"].unique().tolist()) == {255}


def test_what_was_cut_away_stays_empty_in_some_copies_and_shows_faults_in_others():
    crops = Crops(CONFIG, [head], "cpu", change=False)
    pairs = [crops._pair(group) for group in range(12)]
    assert {bool(((pair.spoilt > 0) & (pair.clean == 0)).any()) for pair in pairs} == {True, False}


def test_a_head_smaller_than_a_crop_is_padded():
    item = Crops({**CONFIG, "crop": 64}, [head], "cpu", change=False)[0]
    assert item["image"].shape == (1, 64, 64, 64)


def test_one_in_seven_copies_is_untouched_half_are_bad_in_one_way_and_every_artefact_occurs():
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    image = torch.from_numpy(head().volumes["t1"].data)[::2, ::2, ::2].contiguous()
    found = [spoil(image, rng, generator) for _ in range(80)]
    assert {name for one in found for name in one.artefacts} == set(ARTEFACTS)
    clean = [one for one in found if not one.artefacts]
    assert 3 <= len(clean) <= 25
    assert 25 <= sum(len(one.artefacts) == 1 for one in found) <= 55
    assert all(torch.equal(one.image, image) for one in clean)


def test_a_brain_without_its_skull_fills_its_field_of_view():
    image, labels = torch.ones(70, 80, 70), torch.full((70, 80, 70), 255, dtype=torch.uint8)
    labels[20:60, 15:70, 10:50] = 2
    found, known = _without_skull(image, labels, 32)
    assert found.shape == known.shape == (42, 57, 42)
    assert bool((known == 2).any())
    small, _ = _without_skull(image, labels, 64)
    assert small.shape == (64, 64, 64)


def test_noise_has_the_level_that_is_stated():
    image = torch.full((40, 40, 40), 100.0)
    noisy = add_noise(image, 20.0, torch.Generator().manual_seed(0))
    assert float((noisy - image).std()) == pytest.approx(10, rel=0.05)


def test_regions_go_from_nothing_to_all():
    rng = np.random.default_rng(1)
    for _ in range(6):
        where = soft_region(torch.Size((60, 60, 60)), rng, torch.device("cpu"))
        assert float(where.min()) < 0.05
        assert float(where.max()) > 0.95


def test_what_lies_beyond_the_field_of_view_has_no_tissue():
    image, labels = torch.ones(32, 32, 32), torch.full((32, 32, 32), 2, dtype=torch.uint8)
    for seed in range(60):
        seen, known, _ = other_scanner(image, labels, np.random.default_rng(seed), 32)
        assert bool(((seen > 0) | (known != 2)).all())

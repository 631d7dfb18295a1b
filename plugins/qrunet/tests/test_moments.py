"""What is known of a standard score before anything is predicted: mean 0, SD 1."""

import pytest
import torch

from mriuq_qrunet.answer import Answer
from mriuq_qrunet.moments import standardised

TAUS = (0.05, 0.5, 0.95)
Z95 = 1.6449


def answer(mean, sd, n=20_000):
    """Return an answer whose conditional mean and SD vary from voxel to voxel."""
    made = mean + torch.randn(n, len(sd), generator=torch.Generator().manual_seed(0)) * 0.8
    spread = torch.tensor(sd) * (0.5 + torch.rand(n, 1, generator=torch.Generator().manual_seed(1)))
    return Answer(torch.stack([made - Z95 * spread, made, made + Z95 * spread], -1), made, TAUS)


def variance(found):
    spread = (found.quantiles[..., -1] - found.quantiles[..., 0]) / (2 * Z95)
    return found.mean.var(0, correction=0) + (spread**2).mean(0)


def test_an_answer_gets_mean_0_and_total_variance_1():
    found = standardised(answer(torch.tensor([0.4, -0.2]), [0.5, 0.9]))
    assert found.mean.mean(0).numpy() == pytest.approx([0, 0], abs=1e-5)
    assert variance(found).numpy() == pytest.approx([1, 1], abs=1e-3)


def test_what_has_the_right_moments_stays_as_it_is():
    once = standardised(answer(torch.tensor([0.3]), [0.6]))
    twice = standardised(once)
    assert torch.allclose(twice.quantiles, once.quantiles, atol=1e-5)


def test_quantiles_and_mean_keep_their_order_and_distance_in_proportion():
    raw = answer(torch.tensor([0.3]), [0.6])
    found = standardised(raw)
    ratio = (found.quantiles[..., 2] - found.quantiles[..., 0]) / (raw.quantiles[..., 2] - raw.quantiles[..., 0])
    assert ratio.std() < 1e-5 and ratio.min() > 0
    assert torch.allclose(found.quantiles[..., 1], found.mean, atol=1e-6)


def test_a_constant_answer_is_scaled_by_no_more_than_the_bound():
    flat = torch.zeros(50, 1)
    found = standardised(Answer(torch.stack([flat - 0.1, flat, flat + 0.1], -1), flat, TAUS))
    assert found.quantiles[..., 2].numpy() == pytest.approx(0.15)


def test_without_a_mean_nothing_changes():
    raw = answer(torch.tensor([0.3]), [0.6])
    assert standardised(Answer(raw.quantiles, None, TAUS)).quantiles is raw.quantiles

"""Noise is measured on the whole scan: its SD, whether it is white, and what stands out of it."""

import pytest
import torch

from mriuq_hetqc.noise import of_noise, rician_sd
from mriuq_hetqc.spoil import add_noise


@pytest.fixture
def blocks():
    """Return blocks of 16 voxels, of 0.3 and 0.7 in turn, without noise."""
    at = torch.arange(64) // 16
    return 0.3 + 0.4 * ((at[:, None, None] + at[:, None] + at) % 2).float()


def white(like, sd):
    return sd * torch.randn(like.shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("sd", [0.01, 0.05, 0.1])
def test_white_noise_has_its_sd_and_is_as_strong_in_the_next_band(blocks, sd):
    found = of_noise(blocks + white(blocks, sd))
    assert found["noise"] == pytest.approx(sd, rel=0.03)
    assert found["noise_grain"] == pytest.approx(1, abs=0.05)
    assert found["noise_contrast"] == pytest.approx(0.2 / sd, rel=0.05)


def test_smooth_noise_is_stronger_in_the_next_band(blocks):
    smooth = torch.nn.functional.avg_pool3d(white(blocks, 0.1)[None, None], 3, 1, 1)[0, 0]
    assert of_noise(blocks + smooth)["noise_grain"] > 1.5


def test_the_empty_surroundings_of_a_stripped_brain_change_nothing(blocks):
    noisy = blocks + white(blocks, 0.05)
    around = torch.nn.functional.pad(noisy, (16,) * 6)
    assert of_noise(around) == pytest.approx(of_noise(noisy), rel=0.1)


@pytest.mark.parametrize("image", [torch.zeros(8, 8, 8), torch.ones(24, 24, 24), torch.rand(8, 9, 11)])
def test_images_that_show_little_have_finite_figures(image):
    assert all(0 < value < 1e5 for value in of_noise(image).values())


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0, 3.0, 30.0])
def test_mean_and_sd_of_magnitudes_give_the_noise_of_either_channel(ratio):
    one, other = torch.randn(2, 1_000_000, generator=torch.Generator().manual_seed(0))
    magnitude = 0.1 * ((ratio + one).square() + other.square()).sqrt()
    assert rician_sd(float(magnitude.mean()), float(magnitude.std())) == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize("decibel", [20.0, 5.0, 0.0, -5.0, -10.0])
@pytest.mark.parametrize("air", [0, 16])
def test_noise_is_that_of_either_channel_however_strong_it_is(blocks, decibel, air):
    noisy = add_noise(torch.nn.functional.pad(blocks, (air,) * 6), decibel, torch.Generator().manual_seed(0))
    true = float(blocks.square().mean().sqrt()) / 10 ** (decibel / 20)
    assert of_noise(noisy)["noise"] == pytest.approx(true, rel=0.02 if -10 < decibel < 10 else 0.05)


@pytest.mark.parametrize("decibel", [10.0, 0.0])
def test_noise_that_was_interpolated_along_an_axis_is_seen_along_the_others(blocks, decibel):
    noisy = add_noise(blocks[..., ::4], decibel, torch.Generator().manual_seed(0))
    thick = torch.nn.functional.interpolate(noisy.flatten(0, 1)[:, None], scale_factor=4.0, mode="linear")[:, 0]
    image = thick.unflatten(0, noisy.shape[:2])
    true = float(blocks.square().mean().sqrt()) / 10 ** (decibel / 20)
    found, blind = (of_noise(image, band)["noise"] for band in ((1.0, 1.0, 0.25), (1.0, 1.0, 1.0)))
    assert found == pytest.approx(0.75 * true, rel=0.15)
    assert blind < 0.4 * true


def test_axes_that_were_all_interpolated_are_looked_at_as_they_are(blocks):
    noisy = add_noise(blocks, 10.0, torch.Generator().manual_seed(0))
    assert of_noise(noisy, (0.5, 0.5, 0.5)) == of_noise(noisy)

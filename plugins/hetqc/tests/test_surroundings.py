"""What is measured around each voxel, however strong noise is."""

import pytest
import torch

from mriuq_hetqc.surroundings import COARSEST, SURROUNDINGS, Cubes, of_surroundings

SIDES = (1, 1, 64, 64, 64)


def noisy(signal, sd, seed=0):
    one, other = sd * torch.randn(2, *SIDES, generator=torch.Generator().manual_seed(seed))
    return ((signal + one).square() + other.square()).sqrt()


def numbers(image, sd):
    return of_surroundings(image, Cubes(image, torch.tensor([sd])))


@pytest.mark.parametrize("true", [0.3, 1.0])
def test_the_signal_over_cubes_is_free_of_what_noise_adds_to_magnitudes(true):
    image = noisy(torch.tensor(true), 0.3)
    cubes = Cubes(image, torch.tensor([0.3]))
    found = cubes.signal(8)
    assert float(found.mean()) == pytest.approx(true, abs=0.02)
    assert found.shape == cubes.share(8).shape == (1, 1, 8, 8, 8)
    assert cubes.signal(8, 2).shape == (1, 1, 32, 32, 32)


def test_what_is_empty_does_not_darken_what_is_beside():
    image = torch.ones(SIDES)
    image[..., :21] = 0
    cubes = Cubes(image, torch.tensor([1e-6]))
    assert set(cubes.power(8).unique().tolist()) == set(cubes.power(8, 1).unique().tolist()) == {0.0, 1.0}
    assert cubes.share(8)[0, 0, 0, 0].tolist() == [0, 0, 0.375, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("sd", [1e-3, 0.1, 0.3])
def test_structure_is_told_from_noise_however_strong(sd):
    plain = torch.full(SIDES, 0.6)
    waves = 0.6 + 0.25 * torch.sign(torch.sin(torch.arange(64) * torch.pi / 4 + 0.1)) * torch.ones(SIDES)
    flat, rough = (numbers(noisy(image, sd), sd)[:, 6:9].mean((2, 3, 4)) for image in (plain, waves))
    assert (rough[0, :2] > flat[0, :2] + 0.5).all()
    assert (flat[0] < 0.75).all()


@pytest.mark.parametrize("image", [torch.zeros(SIDES), torch.rand(SIDES), torch.ones(SIDES)])
@pytest.mark.parametrize("sd", [1e-4, 0.5])
def test_numbers_are_finite_and_of_order_one(image, sd):
    found = numbers(image, sd)
    assert found.shape == (1, SURROUNDINGS, 32, 32, 32)
    assert 64 % COARSEST == 0
    assert float(found.abs().max()) < 5

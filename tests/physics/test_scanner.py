"""Laws of the scanner: unitary transforms, adjoint operators, noise of known statistics, masks of known counts."""

import numpy as np
import pytest
import torch
from scipy.stats import rice

from mriuq_cli.errors import InputError
from mriuq_cli.physics.coils import Encoding, birdcage_maps
from mriuq_cli.physics.fourier import to_image, to_kspace
from mriuq_cli.physics.noise import add_rician, complex_noise, noise_level
from mriuq_cli.physics.sampling import line_mask, phase_masks


def some(*shape: int, seed: int = 0) -> torch.Tensor:
    return complex_noise(shape, np.random.default_rng(seed), torch.zeros(()))


@pytest.mark.parametrize(("shape", "dims"), [((16, 15), (0, 1)), ((3, 8, 9, 10), (-3, -2, -1)), ((7, 12), (1,))])
def test_the_transform_is_unitary_and_its_inverse_is_its_adjoint(shape: tuple[int, ...], dims: tuple[int, ...]) -> None:
    x, y = some(*shape), some(*shape, seed=1)
    torch.testing.assert_close(to_image(to_kspace(x, dims), dims), x)
    assert float(to_kspace(x, dims).norm()) == pytest.approx(float(x.norm()), rel=1e-5)
    torch.testing.assert_close(torch.vdot(to_kspace(x, dims).flatten(), y.flatten()),
                               torch.vdot(x.flatten(), to_image(y, dims).flatten()), rtol=1e-4, atol=1e-4)  # fmt: skip


def test_a_point_in_the_middle_has_a_flat_spectrum_without_phase() -> None:
    image = torch.zeros(8, 9)
    image[4, 4] = 1
    torch.testing.assert_close(to_kspace(image), torch.full((8, 9), 1 / 72**0.5, dtype=torch.complex64))


@pytest.mark.parametrize(("shape", "rings"), [((80, 96), 1), ((40, 48, 32), 2)])
def test_maps_have_unit_norm_are_smooth_and_differ(shape: tuple[int, ...], rings: int) -> None:
    maps = birdcage_maps(shape, 8, rings=rings)
    torch.testing.assert_close(maps.abs().square().sum(0), torch.ones(shape))
    across = [torch.linspace(-1, 1, n).reshape(-1, *[1] * (len(shape) - 1 - a)) for a, n in enumerate(shape[:2])]
    inside = ((across[0] ** 2 + across[1] ** 2) < 1).expand(shape)[1:]
    assert float(maps.diff(dim=1)[:, inside].abs().max()) < 5 / shape[0]
    flat = maps.reshape(8, -1)
    overlap = (flat @ flat.mH).abs() / (flat.norm(dim=1)[:, None] * flat.norm(dim=1))
    assert float((overlap - torch.eye(8)).abs().max()) < 0.98


def test_the_encoding_and_its_adjoint_go_together() -> None:
    mask = torch.from_numpy(line_mask(24, 3, 0.1, np.random.default_rng(0)))[None]
    encoding = Encoding(birdcage_maps((20, 24), 4), mask)
    x, y = some(2, 20, 24), some(2, 4, 20, 24, seed=1)
    there, back = encoding.forward(x).flatten(), encoding.adjoint(y).flatten()
    torch.testing.assert_close(torch.vdot(there, y.flatten()), torch.vdot(x.flatten(), back), rtol=1e-4, atol=1e-4)
    whole = Encoding(encoding.maps, torch.ones(1, 24, dtype=torch.bool))
    torch.testing.assert_close(whole.adjoint(whole.forward(x)), x)


@pytest.mark.parametrize(
    ("acceleration", "calibration", "centre", "total"), [(6, 0.06, 10, 26), (8, 0.06, 10, 20), (10, 0.08, 13, 16)]
)
def test_masks_have_the_published_number_of_lines(
    acceleration: float, calibration: float, centre: int, total: int
) -> None:
    mask = line_mask(160, acceleration, calibration, np.random.default_rng(3))
    start = (160 - centre + 1) // 2
    assert mask.sum() == total
    assert mask[start : start + centre].all()


def test_every_phase_has_a_mask_of_its_own_and_the_seed_gives_it_again() -> None:
    masks = phase_masks(8, 160, 6, 0.06, seed=5)
    assert len({mask.tobytes() for mask in masks}) == 8
    np.testing.assert_array_equal(masks, phase_masks(8, 160, 6, 0.06, seed=5))
    np.testing.assert_array_equal(masks[:3], phase_masks(3, 160, 6, 0.06, seed=5))
    assert (masks != phase_masks(8, 160, 6, 0.06, seed=6)).any()


def test_a_centre_larger_than_what_is_measured_is_refused() -> None:
    with pytest.raises(InputError, match="32 calibration lines do not fit into the 16"):
        line_mask(160, 10, 0.2, np.random.default_rng(0))


def test_noise_without_signal_is_rayleigh_and_with_much_signal_gaussian() -> None:
    noise = some(100, 100, 40)
    background = add_rician(torch.zeros(noise.shape), 2.0, noise)
    assert float(background.mean()) == pytest.approx(2 * np.sqrt(np.pi / 2), rel=0.01)
    strong = add_rician(torch.full(noise.shape, 100.0), 2.0, noise)
    assert float(strong.std()) == pytest.approx(2, rel=0.01)
    weak = add_rician(torch.full(noise.shape, 4.0), 2.0, noise)
    assert float(weak.square().mean()) == pytest.approx(4.0**2 + 2 * 2.0**2, rel=0.01)


@pytest.mark.parametrize("ratio", [0.5, 1.0, 2.0, 5.0])
def test_magnitudes_have_the_mean_and_spread_of_a_rician(ratio: float) -> None:
    noise = some(100, 100, 40)
    found = add_rician(torch.full(noise.shape, 2 * ratio), 2.0, noise)
    assert float(found.mean()) == pytest.approx(rice.mean(ratio, scale=2.0), rel=0.005)
    assert float(found.std()) == pytest.approx(rice.std(ratio, scale=2.0), rel=0.01)


def test_noise_of_coils_stays_noise_of_the_stated_level_in_the_image() -> None:
    """Transform and combination are unitary: coils with unit norm leave the level of a channel as it was."""
    maps = birdcage_maps((64, 64), 8)
    image = Encoding(maps, torch.ones(1, 64, dtype=torch.bool)).adjoint(3.0 * some(20, 8, 64, 64))
    assert float(image.real.std()) == pytest.approx(3.0, rel=0.02)
    assert float(image.abs().mean()) == pytest.approx(3.0 * np.sqrt(np.pi / 2), rel=0.02)


@pytest.mark.parametrize("decibel", [-10.0, 0.0, 10.0])
def test_the_noise_level_gives_the_ratio_that_was_asked_for(decibel: float) -> None:
    image = torch.rand(20, 20, 20) + 1
    region = torch.zeros(image.shape, dtype=torch.bool)
    region[5:15] = True
    level = noise_level(image, region, decibel)
    assert 20 * np.log10(float(image[region].square().mean().sqrt()) / level) == pytest.approx(decibel, abs=1e-4)
    with pytest.raises(InputError, match="no voxel"):
        noise_level(image, torch.zeros_like(region), 0)


def test_noise_is_confined_by_weights() -> None:
    image, where = torch.ones(8, 8, 8), torch.zeros(8, 8, 8)
    where[:4] = 1
    noisy = add_rician(image, 1.0, some(8, 8, 8), where)
    assert torch.equal(noisy[4:], image[4:])
    assert (noisy[:4] != 1).any()

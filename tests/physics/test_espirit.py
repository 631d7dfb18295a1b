"""Coil maps are found again from the centre of k-space, on simulated slices and on a real one."""

import numpy as np
import pytest
import torch

from mriuq_cli.errors import InputError
from mriuq_cli.physics.coils import birdcage_maps
from mriuq_cli.physics.espirit import estimate_sensitivities
from mriuq_cli.physics.fourier import to_image, to_kspace
from mriuq_cli.physics.noise import complex_noise

SHAPE = (64, 48)


def slice_() -> tuple[torch.Tensor, torch.Tensor]:
    """Return an object with texture and a phase, and where it is."""
    grids = np.meshgrid(*(np.linspace(-1, 1, n) for n in SHAPE), indexing="ij")
    inside = (grids[0] / 0.8) ** 2 + (grids[1] / 0.7) ** 2 < 1
    rng = np.random.default_rng(0)
    image = inside * (1 + 0.3 * rng.normal(size=SHAPE)) * np.exp(0.5j * grids[0] + 0.8j * grids[1] ** 2)
    return torch.from_numpy(image.astype(np.complex64)), torch.from_numpy(inside)


def centre(kspace: torch.Tensor, lines: int) -> torch.Tensor:
    start = (kspace.shape[-1] - lines) // 2
    return kspace[..., start : start + lines]


def apart(found: torch.Tensor, truth: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
    """Sine of the angle between two sets of maps in each voxel: no phase can change it."""
    overlap = (found.conj() * truth).sum(0).abs() / (found.norm(dim=0) * truth.norm(dim=0))
    return (1 - overlap[inside].clamp_max(1).square()).sqrt()


@pytest.mark.parametrize(("lines", "bound"), [(24, 0.03), (10, 0.06)])
def test_simulated_maps_are_found_again_where_there_is_an_object(lines: int, bound: float) -> None:
    image, inside = slice_()
    truth = birdcage_maps(SHAPE, 8)
    kspace = to_kspace(truth * image)
    kspace = kspace + 0.002 * complex_noise(tuple(kspace.shape), np.random.default_rng(1), kspace)
    found = estimate_sensitivities(centre(kspace, lines), SHAPE)
    assert float(apart(found.maps, truth, inside).median()) < bound
    assert float(found.confidence[inside].median()) > 0.97
    torch.testing.assert_close(found.maps.norm(dim=0), torch.ones(SHAPE))
    assert float(found.maps[0].angle().abs().max()) < 1e-3


def test_several_phases_are_used_together() -> None:
    image, inside = slice_()
    truth = birdcage_maps(SHAPE, 4)
    phases = torch.stack([to_kspace(truth * image * scale) for scale in (1.0, 0.6, 0.3)])
    phases = phases + 0.003 * complex_noise(tuple(phases.shape), np.random.default_rng(1), phases)
    found = estimate_sensitivities(centre(phases, 12), SHAPE)
    assert float(apart(found.maps, truth, inside).median()) < 0.06


def test_noise_and_too_few_lines_are_refused() -> None:
    noise = complex_noise((8, 64, 24), np.random.default_rng(0), torch.zeros(()))
    with pytest.raises(InputError, match="mostly noise"):
        estimate_sensitivities(noise, SHAPE)
    with pytest.raises(InputError, match="3 calibration lines"):
        estimate_sensitivities(noise[..., :3], SHAPE)


def test_real_and_simulated_coils_pass_through_alike(real_data) -> None:
    """Eight coils of a real brain, and a simulated slice of their own noise: one confident map set each."""
    raw = np.load(real_data / "kspace" / "espirit_brain8" / "brain8_full_kspace.npy")
    kspace = torch.from_numpy(np.moveaxis(raw, int(np.argmin(raw.shape)), 0).astype(np.complex64))
    shape = (int(kspace.shape[1]), int(kspace.shape[2]))
    middle = tuple(slice((n - 24) // 2, (n + 24) // 2) for n in shape)
    images = to_image(kspace)
    whole = images.abs().square().sum(0).sqrt()
    inside = whole > 0.15 * whole.max()
    real = estimate_sensitivities(kspace[(slice(None), *middle)], shape)
    assert float(real.confidence[inside].median()) > 0.98
    # The maps explain the coil images: what is left after projection is as large as the noise outside the head.
    combined = (real.maps.conj() * images).sum(0)
    left = (images - real.maps * combined).abs().square().sum(0).sqrt()
    background = whole < 0.05 * whole.max()
    assert float(left[inside].median()) < 1.5 * float(whole[background].median())
    assert float(real.confidence[background].median()) < 0.9
    assert np.isfinite(real.maps.abs().numpy()).all()
    made = to_kspace(birdcage_maps(shape, 8) * combined.abs())
    made = made + 0.01 * made.abs().mean() * complex_noise(tuple(made.shape), np.random.default_rng(0), made)
    found = estimate_sensitivities(made[(slice(None), *middle)], shape)
    assert float(found.confidence[inside].median()) > 0.98
    assert float(apart(found.maps, birdcage_maps(shape, 8), inside).median()) < 0.06

"""The physics gives on a CUDA device what it gives on the CPU, to a stated tolerance."""

import numpy as np
import pytest
import torch

from mriuq_cli.physics.artefact import MENU, corrupt, draw_artefacts
from mriuq_cli.physics.coils import birdcage_maps
from mriuq_cli.physics.espirit import estimate_sensitivities
from mriuq_cli.physics.fit import fit_adc, fit_inversion_recovery, fit_t2
from mriuq_cli.physics.fit_fse import fit_fast_spin_echo
from mriuq_cli.physics.fourier import to_image, to_kspace
from mriuq_cli.physics.qmri import MATRIX, measure
from mriuq_cli.physics.signal import fast_spin_echo

TOLERANCE = 1e-4
"""Largest difference as a share of the largest value: float32, sums in another order."""

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def head():
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in (48, 56, 40)), indexing="ij"))
    r = np.sqrt((grid**2).sum(0))
    return torch.from_numpy(np.where(r < 0.8, 400 + 200 * np.cos(9 * r) * grid[0], 0).astype(np.float32))


def require_same(here, there, tolerance=TOLERANCE):
    assert there.device.type == "cuda"
    apart = float((there.cpu() - here).abs().max() / here.abs().max())
    assert apart < tolerance, f"off by {apart:.1e} of the largest value"


def test_fourier_transforms_agree():
    image = torch.randn(6, 65, 48, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    require_same(to_kspace(image), to_kspace(image.cuda()))
    require_same(to_image(image), to_image(image.cuda()))


@pytest.mark.parametrize("name", MENU)
def test_every_artefact_agrees(name):
    image = head()
    (one,) = draw_artefacts(image, np.random.default_rng(4), untouched=0, names=[name])
    require_same(corrupt(image, [one]), corrupt(image.cuda(), [one]))


def test_measured_kspace_agrees_noise_included():
    truth = {name: np.full((2, MATRIX, MATRIX), value, np.float32) for name, value in (("pd", 0.8), ("t2", 0.08))}
    maps = torch.stack([birdcage_maps((MATRIX, MATRIX), 4)] * 2)
    here, there = (measure(truth, "te", m, 40.0, np.random.default_rng(1)) for m in (maps, maps.cuda()))
    require_same(here, there)


def test_sensitivities_agree():
    maps = birdcage_maps((64, 64), 4)
    image = torch.nn.functional.pad(head()[:, :, 20], (4, 4, 8, 8))
    centre = to_kspace(image * maps)[:, 20:44, 20:44]
    here, there = (estimate_sensitivities(k, (64, 64)) for k in (centre, centre.cuda()))
    sure = here.confidence > 0.95
    require_same(here.maps.abs() * sure, there.maps.abs() * sure.cuda(), 1e-2)  # eigenvectors move with last bits


TIMES = (0.01, 0.03, 0.06, 0.1, 0.15, 0.25)
DELAYS = (0.1, 0.4, 0.9, 1.6, 2.8, 4.5)


def noisy(clean):
    return (clean + 0.005 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(2))).double()


@pytest.mark.parametrize("name", ["t2", "inversion recovery", "diffusion"])
def test_fits_agree(name):
    if name == "t2":
        y = noisy(torch.exp(-torch.tensor(TIMES) / torch.linspace(0.05, 0.2, 400)[:, None]))
        here, there = fit_t2(y, TIMES), fit_t2(y.cuda(), TIMES)
    elif name == "diffusion":
        b = (0.0, 300.0, 600.0, 1000.0)
        y = noisy(torch.exp(-torch.tensor(b) * torch.linspace(5e-4, 2e-3, 400)[:, None]))
        here, there = fit_adc(y, b), fit_adc(y.cuda(), b)
    else:
        y = noisy(1 - 2 * torch.exp(-torch.tensor(DELAYS) / torch.linspace(0.6, 2.5, 400)[:, None]))
        here, there = (fit_inversion_recovery(k, DELAYS, signed=True) for k in (y, y.cuda()))
    require_same(here.value, there.value, 1e-5)
    require_same(here.error, there.error, 1e-3)


def test_fits_of_fast_spin_echoes_agree():
    t1, t2 = torch.linspace(0.6, 2.5, 300).double(), torch.linspace(0.2, 0.05, 300).double()
    settings = [
        {"tr": 8.0, "te": te, "ti": ti, "te_last": 0.15} for te, ti in ((0.01, 0), (0.1, 0), (0.01, 0.4), (0.01, 2))
    ]
    y = noisy(torch.stack([fast_spin_echo(1.0, t1, t2, **one) for one in settings], -1))
    here, there = fit_fast_spin_echo(y, settings), fit_fast_spin_echo(y.cuda(), settings)
    require_same(here.t1, there.t1, 1e-5)
    require_same(here.t2, there.t2, 1e-5)

"""Every linear operator of the scanner has the adjoint that autograd gives it, and those written out are that one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from mriuq_cli.physics.artefact import _weighed, bias_field, wrap_around
from mriuq_cli.physics.coils import Encoding, birdcage_maps
from mriuq_cli.physics.fourier import to_image, to_kspace
from mriuq_cli.physics.motion import Motion, _resampled, _rigid, moved_kspace
from mriuq_cli.physics.noise import complex_noise
from mriuq_cli.physics.sampling import line_mask

VOLUME, SLICE = (12, 14, 10), (12, 14)
MASK = torch.from_numpy(line_mask(14, 2, 0.2, np.random.default_rng(0)))[None]
MAPS = birdcage_maps(SLICE, 3)
MOTION = Motion(1, (0.4, 0.6), ((5.0, 0.0, 2.0), (0.0, -4.0, 0.0)), ((1.0, 2.0, 0.0), (0.0, 0.0, -2.0)))
WEIGHTS = torch.rand(VOLUME, generator=torch.Generator().manual_seed(0))
COEFFICIENTS = np.random.default_rng(1).uniform(-0.5, 0.5, 19).tolist()

Operator = Callable[[torch.Tensor], torch.Tensor]
ENCODING = Encoding(MAPS, MASK)
WITH_ADJOINT: dict[str, tuple[Operator, Operator, tuple[int, ...]]] = {
    "Fourier transform": (to_kspace, to_image, SLICE),
    "its inverse": (to_image, to_kspace, SLICE),
    "mask": (lambda k: k * MASK, lambda k: k * MASK, SLICE),
    "coil combination": (lambda k: (MAPS.conj() * k).sum(0), lambda x: MAPS * x, (3, *SLICE)),
    "encoding": (ENCODING.forward, ENCODING.adjoint, SLICE),
    "weights in k-space": (lambda x: _weighed(x, WEIGHTS), lambda x: _weighed(x, WEIGHTS), VOLUME),
}
OF_REAL_IMAGES: dict[str, Operator] = {
    "another pose": lambda x: _resampled(x, _rigid((3.0, -2.0, 5.0), (1.0, 0.5, -2.0)), (1.0, 1.2, 0.9)),
    "motion": lambda x: moved_kspace(x, MOTION, (1.0, 1.2, 0.9)),
    "wrap-around": lambda x: wrap_around(x, axis=1, kept=0.7),
    "bias field": lambda x: bias_field(x, coefficients=COEFFICIENTS),
}


def some(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return complex_noise(shape, np.random.default_rng(seed), torch.zeros(()))


def inner(a: torch.Tensor, b: torch.Tensor) -> complex:
    """Return ``<a, b>`` in double precision."""
    return complex(torch.vdot(a.flatten().to(torch.complex128), b.flatten().to(torch.complex128)))


def by_autograd(operator: Operator, at: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.autograd.functional.vjp(operator, at, y)[1]


@pytest.mark.parametrize("name", WITH_ADJOINT)
def test_the_adjoint_that_is_written_out_is_the_adjoint(name: str) -> None:
    operator, adjoint, shape = WITH_ADJOINT[name]
    x, other = some(shape, 0), some(shape, 1)
    y = some(tuple(operator(x).shape), 2)
    assert inner(operator(x), y) == pytest.approx(inner(x, adjoint(y)), rel=1e-4, abs=1e-3)
    torch.testing.assert_close(by_autograd(operator, other, y), adjoint(y), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        operator(2 * x - 3j * other), 2 * operator(x) - 3j * operator(other), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("name", OF_REAL_IMAGES)
def test_an_operator_of_real_images_is_linear_and_autograd_gives_its_adjoint(name: str) -> None:
    """The adjoint is taken at another image: only a linear operator has the same one everywhere."""
    operator = OF_REAL_IMAGES[name]
    x, other = some(VOLUME, 0).real.contiguous(), some(VOLUME, 1).real.contiguous()
    made = operator(x)
    y = some(tuple(made.shape), 2)
    y = y if made.is_complex() else y.real.contiguous()
    back = by_autograd(operator, other, y)
    assert inner(made, y).real == pytest.approx(inner(x, back).real, rel=1e-4, abs=1e-3)
    torch.testing.assert_close(operator(2 * x - 3 * other), 2 * made - 3 * operator(other), rtol=1e-4, atol=1e-4)

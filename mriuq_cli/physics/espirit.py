"""Coil sensitivities from the fully measured centre of k-space, by the eigenvalue method ESPIRiT.

Neighbourhoods of k-space lie in a subspace that the coils span; what that subspace lets through at each place of the
image is the sensitivities there, with eigenvalue 1 where there is an object and less where there is none.
Source: Uecker et al., Magn Reson Med 71:990 (2014).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mriuq_cli.errors import InputError
from mriuq_cli.physics.fourier import to_image

_FULL = 0.6
"""Share of the vectors beyond which the signal has no subspace: the calibration is noise."""


@dataclass(frozen=True, slots=True, eq=False)
class Sensitivities:
    """Maps of unit norm, complex64 ``(coils, x, y)``, and how sure they are, float32 ``(x, y)`` from 0 to 1.

    The phase of the first coil is 0 everywhere: no other choice can be told from this one.
    """

    maps: Tensor
    confidence: Tensor


def estimate_sensitivities(
    calibration: Tensor, shape: tuple[int, int], *, kernel: int | None = None, threshold: float = 0.05
) -> Sensitivities:
    """Estimate the sensitivities of one slice.

    Parameters
    ----------
    calibration
        The fully measured centre of k-space, complex ``(coils, u, v)``, or of several phases ``(phases, ...)``.
    shape
        Voxels of the image.
    kernel
        Edge of the neighbourhoods; 6, or 4 where fewer than 12 lines were measured, by default.
    threshold
        Singular vectors below this share of the largest are noise.

    Raises
    ------
    InputError
        If the centre is smaller than a neighbourhood, or so noisy that it has no subspace.
    """
    stack = calibration if calibration.ndim == 4 else calibration[None]
    coils, least = stack.shape[1], min(stack.shape[2:])
    edge = kernel or (6 if least >= 12 else 4)
    if least < edge:
        raise InputError(
            f"{least} calibration lines are fewer than the {edge} that one neighbourhood takes",
            hint="Measure a larger calibration region.",
        )
    vectors = _subspace(stack, edge, threshold)
    if len(vectors) > _FULL * vectors[0].numel():
        raise InputError(
            f"the calibration region is mostly noise: {len(vectors)} of {vectors[0].numel()} vectors rise above it",
            hint="Give a larger calibration region or a higher threshold.",
        )
    gram = _projector(vectors, shape)
    values, directions = torch.linalg.eigh(gram.permute(2, 3, 0, 1))
    maps = directions[..., -1].permute(2, 0, 1)
    maps = maps * torch.exp(-1j * maps[:1].angle())
    return Sensitivities(maps.to(torch.complex64).reshape(coils, *shape), values[..., -1].clamp(0, 1).float())


def _subspace(stack: Tensor, edge: int, threshold: float) -> Tensor:
    """Return the vectors that neighbourhoods of all coils are made of, ``(n, coils, edge, edge)``."""
    windows = stack.to(torch.complex128).unfold(2, edge, 1).unfold(3, edge, 1)  # (phases, coils, u, v, edge, edge)
    rows = windows.permute(0, 2, 3, 1, 4, 5).reshape(-1, stack.shape[1] * edge * edge)
    values, vectors = torch.linalg.eigh(rows.mH @ rows)
    sizes = values.clamp_min(0).sqrt()
    kept: Tensor = vectors[:, sizes > threshold * sizes[-1]].mH  # rows of V^H: the conjugates
    return kept.reshape(-1, stack.shape[1], edge, edge)


def _projector(vectors: Tensor, shape: tuple[int, int]) -> Tensor:
    """Return at every voxel what the subspace lets through: ``(coils, coils, x, y)``, eigenvalues from 0 to 1."""
    coils, edge = vectors.shape[1:3]
    gram = torch.zeros(coils, coils, *shape, dtype=torch.complex128, device=vectors.device)
    x, y = ((n - edge + 1) // 2 for n in shape)
    for vector in vectors:
        padded = torch.zeros(coils, *shape, dtype=torch.complex128, device=vectors.device)
        padded[:, x : x + edge, y : y + edge] = vector
        image = to_image(padded)
        gram += image[:, None] * image[None].conj()
    gram *= shape[0] * shape[1] / edge**2
    return gram

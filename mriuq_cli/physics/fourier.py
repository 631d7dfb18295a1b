"""Centred orthonormal Fourier transforms: the middle of the array is the origin on both sides, and energy is kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def to_kspace(image: Tensor, dims: Sequence[int] = (-2, -1)) -> Tensor:
    """Return ``F x`` along some axes, complex; ``F`` is unitary, so its adjoint is :func:`to_image`.

    Index ``n // 2`` of every axis is the origin, in the image and in k-space.
    """
    axes = tuple(dims)
    found: Tensor = torch.fft.fftshift(torch.fft.fftn(torch.fft.ifftshift(image, axes), dim=axes, norm="ortho"), axes)
    return found


def to_image(kspace: Tensor, dims: Sequence[int] = (-2, -1)) -> Tensor:
    """Return ``F^-1 k = F^H k`` along some axes, complex."""
    axes = tuple(dims)
    found: Tensor = torch.fft.fftshift(torch.fft.ifftn(torch.fft.ifftshift(kspace, axes), dim=axes, norm="ortho"), axes)
    return found

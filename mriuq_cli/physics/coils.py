"""Receive coils: sensitivities, and the operator from one image to the k-space of all coils."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mriuq_cli.physics.fourier import to_image, to_kspace


def birdcage_maps(
    shape: Sequence[int], coils: int, *, radius: float = 1.5, rings: int = 1, twist: float = 0.0
) -> Tensor:
    """Return smooth sensitivities of loops on a cylinder about the first two axes, complex64 ``(coils, *shape)``.

    A loop receives with the inverse of its distance, and with the phase of the direction to it. The maps of each voxel
    are scaled to unit norm, so that the coils together see every place alike.

    Parameters
    ----------
    shape
        ``(x, y)`` or ``(x, y, z)``; the object is taken to fill it.
    radius
        Of the cylinder, in half sizes of the field of view.
    rings
        Rows of loops along the third axis.
    twist
        Turns the loops about the cylinder's axis, in degrees.
    """
    grids = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    height = grids[2] if len(shape) == 3 else np.zeros(tuple(shape))
    each = -(-coils // rings)
    maps = []
    for coil in range(coils):
        ring, place = divmod(coil, each)
        angle = 2 * np.pi * (place + 0.5 * (ring % 2)) / each + np.deg2rad(twist)
        level = 0.0 if rings == 1 else 2 * ring / (rings - 1) - 1
        x, y = grids[0] - radius * np.cos(angle), grids[1] - radius * np.sin(angle)
        # The phase is measured from the loop's own direction: without this the maps would be turned copies.
        direction = (-x * np.cos(angle) - y * np.sin(angle)) + 1j * (x * np.sin(angle) - y * np.cos(angle))
        distance = np.sqrt(x**2 + y**2 + (height - level) ** 2)
        maps.append(direction / np.maximum(np.abs(direction), 1e-6) / distance * np.exp(1j * angle))
    stacked = np.stack(maps)
    return torch.from_numpy((stacked / np.linalg.norm(stacked, axis=0)).astype(np.complex64))


@dataclass(frozen=True, slots=True, eq=False)
class Encoding:
    """From an image to undersampled k-space of several coils, and back: ``A = M F S`` and its adjoint.

    Parameters
    ----------
    maps
        Sensitivities ``S``, complex ``(coils, x, y)``.
    mask
        Measured places ``M``, bool, to broadcast against ``(coils, x, y)``; such as ``(1, y)`` for lines.
    """

    maps: Tensor
    mask: Tensor

    def forward(self, image: Tensor) -> Tensor:
        """Map complex ``(..., x, y)`` to k-space ``(..., coils, x, y)``, zero where nothing is measured."""
        return to_kspace(self.maps * image[..., None, :, :]) * self.mask

    def adjoint(self, kspace: Tensor) -> Tensor:
        """Map k-space ``(..., coils, x, y)`` to the image ``(..., x, y)``."""
        return (self.maps.conj() * to_image(kspace * self.mask)).sum(-3)

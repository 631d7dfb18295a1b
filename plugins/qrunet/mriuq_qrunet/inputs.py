"""What the network is fed: the same few arrays for a training crop and for a whole brain box."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mriuq_qrunet import features
from mriuq_qrunet.features import LEVELS, Place

Corner = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """An exam as tensors, with what is computed once from the whole brain.

    Parameters
    ----------
    z, own
        Scores float32 and own voxels bool, ``(4, X, Y, Z)``.
    brain
        bool ``(X, Y, Z)``.
    coarse
        :func:`features.coarse` of all of it.
    place
        Where the brain is.
    """

    z: Tensor
    own: Tensor
    brain: Tensor
    coarse: Tensor
    place: Place

    @classmethod
    def of(cls, z: Tensor, own: Tensor, brain: Tensor) -> Scene:
        """Compute the coarse copies and the place."""
        return cls(z, own, brain, features.coarse(z, own, brain), Place.of(brain))


def context(scene: Scene, given: Tensor, start: Corner, shape: Corner, flip: float = 1.0) -> Tensor:
    """Return half-resolution context ``(20, *shape / 2)`` of a crop; what is not given is zero.

    ``start`` and ``shape`` are in voxels and even; ``flip`` of -1 mirrors the left-right coordinate.
    """
    half = tuple(slice(s // 2, (s + n) // 2) for s, n in zip(start, shape, strict=True))
    copies = scene.coarse[(slice(None), *half)]
    seen = torch.cat([given.repeat(LEVELS), given.new_ones(1)])[:, None, None, None]
    cells = tuple(n // 2 for n in shape)
    place = scene.place.grid(start, (cells[0], cells[1], cells[2]), 2).to(copies.device)
    place[0] *= flip
    available = given[:, None, None, None].expand(-1, *cells)
    return torch.cat([copies * seen, available, place])


def rows(z: Tensor, smooth: Tensor, given: Tensor, place: Tensor, where: Tensor) -> Tensor:
    """Return ``(n, ROW)`` for the marked voxels of a crop; ``z`` and ``smooth`` are ``(4, X, Y, Z)``."""
    seen = given[:, None]
    values = torch.cat([z[:, where] * seen, smooth[:, where] * seen, seen.expand(-1, int(where.sum())), place[:, where]])
    return values.T.contiguous()

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
    """An exam as tensors with its coarse copies, and where its brain is.

    Parameters
    ----------
    z, own
        Scores float32 and own voxels bool, ``(4, X, Y, Z)``.
    brain
        Where any given contrast has a voxel of its own, or the mask that came with the case, bool ``(X, Y, Z)``.
    coarse
        :func:`features.coarse` of the scores.
    share
        :func:`features.share` of the brain.
    place
        Centre and extent of the brain.
    """

    z: Tensor
    own: Tensor
    brain: Tensor
    coarse: Tensor
    share: Tensor
    place: Place

    @classmethod
    def of(cls, z: Tensor, own: Tensor, brain: Tensor) -> Scene:
        """Compute everything from scores, own voxels and brain."""
        return cls(z, own, brain, features.coarse(z, own), features.share(brain), Place.of(brain))

    def within(self, brain: Tensor) -> Scene:
        """Return the scene with another brain: that of fewer contrasts. What belongs to a contrast alone stays."""
        return Scene(self.z, self.own, brain, self.coarse, features.share(brain), Place.of(brain))


def context(scene: Scene, given: Tensor, start: Corner, shape: Corner, flip: float = 1.0) -> Tensor:
    """Return half-resolution context ``(20, *shape / 2)`` of a crop; what is not given is zero.

    ``start`` and ``shape`` are in voxels and even; ``flip`` of -1 mirrors the left-right coordinate.
    """
    half = tuple(slice(s // 2, (s + n) // 2) for s, n in zip(start, shape, strict=True))
    share = scene.share[(slice(None), *half)]
    seen = given.repeat(LEVELS)[:, None, None, None]
    copies = scene.coarse[(slice(None), *half)] * (share > 0) * seen
    cells = tuple(n // 2 for n in shape)
    place = scene.place.grid(start, (cells[0], cells[1], cells[2]), 2, copies.device)
    place[0] *= flip
    available = given[:, None, None, None].expand(-1, *cells)
    return torch.cat([copies, share, available, place])


def rows(z: Tensor, smooth: Tensor, given: Tensor, place: Tensor, marked: Tensor) -> Tensor:
    """Return ``(n, ROW)`` for voxels of a crop, by flat position int64 ``(n,)``; images are ``(C, X, Y, Z)``."""
    seen = given[:, None]
    own, copies, where = (image.flatten(1)[:, marked] for image in (z, smooth, place))
    return torch.cat([own * seen, copies * seen, seen.expand(-1, len(marked)), where]).T.contiguous()

"""What a network sees beside its patch: smooth copies of every contrast, and the place in the brain.

Each copy is a normalised Gaussian mean over the contrast's own voxels, ``G(z m) / G(m)``, taken on a pyramid (the
image itself, then 2, 4 and 8 times coarser; sigma one voxel of its level). They come from the whole brain and from
that contrast alone, so neither tiles nor the other contrasts change them.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LEVELS = 3
COARSE = 4 * LEVELS + 1
"""Channels of :func:`coarse` and :func:`share`: four contrasts at three levels, and the share of brain."""

_REACH = 3
_TINY = 1e-3


def blur(image: Tensor) -> Tensor:
    """Return the Gaussian mean, sigma 1 voxel, of ``(C, X, Y, Z)``; zeros beyond the border."""
    taps = torch.exp(-0.5 * torch.arange(-_REACH, _REACH + 1, dtype=image.dtype) ** 2)
    weights: list[float] = (taps / taps.sum()).tolist()  # on the CPU, whatever the device: one need not wait for it
    for axis in (1, 2, 3):
        size = image.shape[axis]
        blurred = image * weights[_REACH]
        for shift in range(1, min(_REACH, size - 1) + 1):
            weight = weights[_REACH + shift]
            blurred.narrow(axis, shift, size - shift).add_(image.narrow(axis, 0, size - shift), alpha=weight)
            blurred.narrow(axis, 0, size - shift).add_(image.narrow(axis, shift, size - shift), alpha=weight)
        image = blurred
    return image


def fine(z: Tensor, own: Tensor) -> Tensor:
    """Return the smooth copies at full resolution, float32 ``(4, X, Y, Z)`` from scores and own masks."""
    mask = own.to(z.dtype)
    return blur(z * mask) / blur(mask).clamp_min(_TINY)


def coarse(z: Tensor, own: Tensor) -> Tensor:
    """Return the smooth copies at half resolution, float32 ``(12, X/2, Y/2, Z/2)``: level by level, four contrasts."""
    mask = own.to(z.dtype)
    total, weight = z * mask, mask
    copies = []
    for level in range(LEVELS):
        total, weight = _pool(total), _pool(weight)
        smooth = blur(total) / blur(weight).clamp_min(_TINY)
        if level:
            smooth = functional.interpolate(smooth[None], scale_factor=2**level, mode="trilinear")[0]
        copies.append(smooth)
    return torch.cat(copies)


def share(brain: Tensor) -> Tensor:
    """Return how much of each cell of half resolution is brain, float32 ``(1, X/2, Y/2, Z/2)``."""
    return _pool(brain.to(torch.float32)[None])


def _pool(image: Tensor) -> Tensor:
    """Average 2 x 2 x 2 voxels of ``(C, X, Y, Z)``."""
    c, x, y, z = image.shape
    return image.reshape(c, x // 2, 2, y // 2, 2, z // 2, 2).mean((2, 4, 6))


@dataclass(frozen=True, slots=True)
class Place:
    """Centre and half extent of the brain along each axis, in voxels of the box."""

    centre: tuple[float, float, float]
    extent: tuple[float, float, float]

    @classmethod
    def of(cls, brain: Tensor) -> Place:
        """Measure a brain mask ``(X, Y, Z)``: mean position, and twice its standard deviation."""
        centre, extent = [], []
        for axis in range(3):
            count = brain.sum(dim=[a for a in range(3) if a != axis]).double().cpu()
            along = torch.arange(len(count), dtype=torch.float64)
            mean = float((count * along).sum() / count.sum())
            centre.append(mean)
            extent.append(max(1.0, 2 * float(((count * (along - mean) ** 2).sum() / count.sum()) ** 0.5)))
        return cls((centre[0], centre[1], centre[2]), (extent[0], extent[1], extent[2]))

    def axes(self, start: tuple[int, int, int], shape: tuple[int, int, int], step: int) -> list[Tensor]:
        """Return each axis' coordinates, about -1 to 1 inside the brain, for cells of ``step`` voxels."""
        return [
            ((torch.arange(n, dtype=torch.float32) + 0.5) * step - 0.5 + s - c) / e
            for n, s, c, e in zip(shape, start, self.centre, self.extent, strict=True)
        ]

    def grid(
        self, start: tuple[int, int, int], shape: tuple[int, int, int], step: int, device: torch.device | str = "cpu"
    ) -> Tensor:
        """Return coordinates as ``(3, *shape)``."""
        axes = [axis.to(device) for axis in self.axes(start, shape, step)]
        return torch.stack(torch.meshgrid(*axes, indexing="ij"))

"""What can be measured around each voxel in closed form, however strong noise is.

The expected square of a magnitude is ``A^2 + 2 noise^2``, ``A`` being the signal (McGibney and Smith, Med Phys 20,
1993), and the variance of the square ``4 noise^2 (A^2 + noise^2)``. So the signal over a cube is known without bias,
and so is how much it differs between the cubes of a larger one: structure, that goes with noise where that is shrunk.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

COARSEST = 16
"""Edge of the largest cubes, in voxels; sides of images are multiples of it."""
_STRUCTURE = ((2, 8), (2, 16), (4, 16))
"""Edges of cubes, and of those in which they are compared."""
_SOME = 1e-3
"""Share of a cube that has to be measured for it to have a signal."""
_MIDDLE, _SPREAD = -3.0, 1.5
"""Of logarithms, about."""
_DARK = 1e-3
"""Added to signals before a logarithm is taken."""
SURROUNDINGS = 14
"""How many numbers there are for each place."""


def power_of(image: Tensor, filled: Tensor, edge: int, *, on: int = 0) -> tuple[Tensor, Tensor]:
    """Return the mean square of what is filled in cubes of an edge, and the share that is, ``(B, 1, X, Y, Z) / edge``.

    Both on cubes of the edge ``on``, interpolated, where that is given: what is empty darkens nothing beside it.
    """
    power, share = (functional.avg_pool3d(t, edge) for t in (image.square(), filled))
    if 0 < on < edge:
        power, share = (finer(t, edge // on) for t in (power, share))
    return torch.where(share > _SOME, power / share.clamp_min(_SOME), 0), share


def finer(image: Tensor, times: int) -> Tensor:
    """Interpolate cubes to cubes so many times smaller."""
    return functional.interpolate(image, scale_factor=times, mode="trilinear", align_corners=False)


def signal_of(power: Tensor, noise: Tensor) -> Tensor:
    """Return the signal that goes with a mean square, ``noise`` ``(B,)`` being the SD of noise in either channel."""
    return (power - 2 * squared(noise)).clamp_min(0).sqrt()


def squared(noise: Tensor) -> Tensor:
    """Return the variance of ``(B,)`` beside images."""
    return noise[:, None, None, None, None].square()


def of_surroundings(image: Tensor, noise: Tensor) -> Tensor:
    """Return numbers of order 1 for each cube of 2 voxels, ``(B, SURROUNDINGS, X/2, Y/2, Z/2)``.

    ``image`` is ``(B, 1, X, Y, Z)``, scaled, ``noise`` the SD of its noise ``(B,)``.
    """
    filled = (image > 0).to(image)
    variance = squared(noise)
    power, share = {}, {}
    for edge in (2, 4, 8):
        power[edge], share[edge] = power_of(image, filled, edge)
    beside = [power_of(image, filled, edge, on=2) for edge in (4, 8, COARSEST)]
    near = [signal_of(one, noise) for one, _ in beside]
    rough = (power[2] - (functional.avg_pool3d(image, 2) / share[2].clamp_min(_SOME)).square()).clamp_min(0)
    found = [*near, _log(signal_of(power[2], noise)), _log(near[1]), _log(near[2])]
    for edge, beyond in _STRUCTURE:
        times = beyond // edge
        among = functional.avg_pool3d(share[edge], times).clamp_min(_SOME)
        mean, square = (functional.avg_pool3d(share[edge] * t, times) / among for t in (power[edge], power[edge] ** 2))
        spread = square - mean.square() - 4 * variance * (mean - variance).clamp_min(0) / edge**3
        spread = spread.clamp_min(0) / (4 * (mean - 2 * variance).clamp_min(variance) + _DARK)
        found.append(_log(finer(spread, beyond // 2).sqrt()))
    found += [_log((near[0] - near[2]).abs()), _log(rough.sqrt())]
    found += [_log(finer(functional.avg_pool3d(rough, 4), 4).sqrt())]
    return torch.cat([*found, share[2], beside[2][1]], 1)


def _log(image: Tensor) -> Tensor:
    return ((image + _DARK).log() - _MIDDLE) / _SPREAD

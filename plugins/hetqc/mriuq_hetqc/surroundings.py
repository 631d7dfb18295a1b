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


class Cubes:
    """Mean squares of images over cubes, each edge worked out once, and the signal that goes with them.

    Parameters
    ----------
    image
        ``(B, 1, X, Y, Z)``, scaled.
    noise
        SD of its noise in either channel, ``(B,)``.
    """

    def __init__(self, image: Tensor, noise: Tensor) -> None:
        self.variance = noise[:, None, None, None, None].square()
        self._pools = {2: _pooled(image.square(), (image > 0).to(image))}

    def share(self, edge: int, on: int = 0) -> Tensor:
        """Return the share of each cube that is not empty, ``(B, 1, X, Y, Z)`` over ``edge``, or interpolated to it."""
        return self._pool(edge, on)[1]

    def power(self, edge: int, on: int = 0) -> Tensor:
        """Return the mean square of what is not empty, over cubes of an edge, or interpolated to cubes of ``on``.

        What is empty darkens nothing beside it.
        """
        power, share = self._pool(edge, on)
        return torch.where(share > _SOME, power / share.clamp_min(_SOME), 0)

    def signal(self, edge: int, on: int = 0) -> Tensor:
        """Return the signal that goes with :meth:`power`."""
        return (self.power(edge, on) - 2 * self.variance).clamp_min(0).sqrt()

    def structure(self, edge: int, beyond: int) -> Tensor:
        """Return the variance of the signal among the cubes within larger ones; what noise adds is taken off."""
        times = beyond // edge
        share, power = self.share(edge), self.power(edge)
        among = functional.avg_pool3d(share, times).clamp_min(_SOME)
        mean, square = (functional.avg_pool3d(share * t, times) / among for t in (power, power**2))
        spread = square - mean.square() - 4 * self.variance * (mean - self.variance).clamp_min(0) / edge**3
        signal = (mean - 2 * self.variance).clamp_min(self.variance)
        return spread.clamp_min(0) / (4 * signal + _DARK)

    def _pool(self, edge: int, on: int = 0) -> tuple[Tensor, Tensor]:
        if edge not in self._pools:
            self._pools[edge] = _pooled(*self._pool(edge // 2))
        pool = self._pools[edge]
        return (finer(pool[0], edge // on), finer(pool[1], edge // on)) if 0 < on < edge else pool


def finer(image: Tensor, times: int) -> Tensor:
    """Interpolate cubes to cubes so many times smaller."""
    return functional.interpolate(image, scale_factor=times, mode="trilinear", align_corners=False)


def of_surroundings(image: Tensor, cubes: Cubes) -> Tensor:
    """Return numbers of order 1 for each cube of 2 voxels, ``(B, SURROUNDINGS, X/2, Y/2, Z/2)``.

    ``image`` is that of the cubes, ``(B, 1, X, Y, Z)``.
    """
    near = [cubes.signal(edge, 2) for edge in (4, 8, COARSEST)]
    mean = functional.avg_pool3d(image, 2) / cubes.share(2).clamp_min(_SOME)
    rough = (cubes.power(2) - mean.square()).clamp_min(0)
    structure = [finer(cubes.structure(edge, beyond), beyond // 2).sqrt() for edge, beyond in _STRUCTURE]
    logs = [cubes.signal(2), near[1], near[2], *structure, (near[0] - near[2]).abs(), rough.sqrt(),
            finer(functional.avg_pool3d(rough, 4), 4).sqrt()]  # fmt: skip
    return torch.cat([*near, *map(_log, logs), cubes.share(2), cubes.share(COARSEST, 2)], 1)


def _pooled(power: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    return functional.avg_pool3d(power, 2), functional.avg_pool3d(share, 2)


def _log(image: Tensor) -> Tensor:
    return ((image + _DARK).log() - _MIDDLE) / _SPREAD

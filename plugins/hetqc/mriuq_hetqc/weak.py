"""How strong noise is where little stands out of it: medians of bands are then some per cent off.

The expected square of a magnitude is ``A^2 + 2 noise^2`` and the variance of the square ``4 noise^2 (A^2 + noise^2)``,
``A`` being the signal (McGibney and Smith, Med Phys 20, 1993). Both are linear in ``A^2``, so their means over many
voxels give ``noise`` whatever signals are among these. Where there is air, its mean square says it with less scatter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

_SURE = 1.02
"""By how much noise of the darkest cells and by moments may differ for these cells to be taken for air."""
_HALVINGS = 40


def of_weak(image: Tensor, cells: Tensor, voxels: int, axes: Sequence[int]) -> float:
    """Return the SD of noise in either channel of a magnitude image ``(x, y, z)``.

    Parameters
    ----------
    cells
        Mean square of cells that are not empty, ``(n,)``.
    voxels
        How many there are in a cell.
    axes
        Those along which neighbours hold noise of their own.
    """
    dark, moments = math.sqrt(_darkest(cells, voxels) / 2), _of_moments(image, axes)
    return dark if moments / _SURE < dark < moments * _SURE else moments


def _darkest(cells: Tensor, voxels: int) -> float:
    """Return the mean square of cells of noise alone, if these are the darkest ones: half of them are below it.

    They differ as means of exponential values do; all others are brighter.
    """
    low, high = float(cells.min()), float(cells.max())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = cells[cells <= middle] / middle - 1
        low, high = (middle, high) if float(below.square().mean()) < 1 / voxels else (low, middle)
    return low


def _of_moments(image: Tensor, axes: Sequence[int]) -> float:
    """Return the SD of noise by mean and variance of squares, the latter between neighbours; structure adds to it."""
    square = fine = image.square()
    filled: Tensor = image > 0
    for axis in axes:
        square, fine, filled = (t.unfold(axis, 2, 1) for t in (square, fine, filled))
        square, fine, filled = square.mean(-1), (fine[..., 0] - fine[..., 1]) / 2**0.5, filled.all(-1)
    power, variance = float(square[filled].mean()), float(fine[filled].square().mean())
    return math.sqrt((power - math.sqrt(max(0.0, power**2 - variance))) / 2)

"""How strong noise is in a scan as a whole, by Haar's wavelet, beside what else there is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from mriuq_hetqc.weak import of_weak

MAD = 0.6745
"""Median absolute value of normal noise of SD 1."""
_CELL = 8
"""Edge, in voxels, of the cells whose means noise hardly reaches."""
_FULL = 0.99
"""Share of voxels that are not 0 above which a cell counts: the edge of a brain without its head is no contrast."""
_NOTHING = 1e-4
"""SD that counts as none."""
_AIR = 0.1
"""Share of cells without signal from which on they are taken for air."""
_LIKE = (0.8, 1.25)
"""Power of a cell without signal, over what noise foretells."""
_PLAIN = 4.5
"""Squared ratio of mean to SD of the magnitude above which tissue cannot be taken for air."""
_WEAK = 6.0
"""Mean square of the magnitude, over the variance of noise, below which medians of bands are some per cent off."""
_OWN = 0.8
"""Share of an axis's frequencies that were acquired, above which neighbours along it hold noise of their own."""
_ALL = (1.0, 1.0, 1.0)
_HALVINGS = 40
"""Steps in which the ratio of signal to noise is found."""


def of_noise(image: Tensor, band: Sequence[float] = _ALL) -> dict[str, float]:
    """Return how strong noise is, and how far coarser things stand out of it.

    Parameters
    ----------
    image
        Float32 ``(x, y, z)``, shares of full scale, sides of 8 voxels or more.
    band
        Share of each axis's frequencies that the scan was acquired with: noise that was interpolated along an axis is
        smooth there and seen along the others, unless all axes were interpolated.

    Returns
    -------
    dict
        ``noise``: SD of noise in either channel, by the finest diagonal band in the brighter half of what is not empty
        (:func:`rician_sd`) or, where there is air, by its mean square, which is twice that squared; by moments where
        little stands out of it. ``noise_grain``: SD of the magnitude by the next band, over that by the finest; 1 for
        white noise, more where noise was smoothed or there is none. ``noise_contrast``: SD of the means of full cells
        of 8 voxels, over ``noise``.
    """
    mean, finest = haar(image, band)
    middle, sd = _level(mean, finest)
    cells, power, filled = (
        functional.avg_pool3d(t[None, None], _CELL) for t in (image, image.square(), (image > 0).float())
    )
    noise, full = rician_sd(middle, sd), filled > _FULL
    if bool(power[full].mean() < _WEAK * noise**2):
        noise = of_weak(image, power[full], _CELL**3, [axis for axis, native in enumerate(_native(band)) if native])
    elif (middle / sd) ** 2 > _PLAIN:
        noise *= _of_air(power[full] / (2 * noise**2))
    noise = max(_NOTHING, noise)
    spread = float(cells[full].std()) if int(full.sum()) > 1 else 0.0
    return {
        "noise": noise,
        "noise_grain": _level(*haar(mean, band))[1] * 2**1.5 / sd,
        "noise_contrast": max(_NOTHING, spread) / noise,
    }


def haar(image: Tensor, band: Sequence[float] = _ALL) -> tuple[Tensor, Tensor]:
    """Return the means of cubes of 2 voxels, and the band that is the finest along all axes not interpolated."""
    mean = fine = image
    for axis, native in enumerate(_native(band)):
        pairs = image.shape[axis] // 2
        mean, fine = (t.narrow(axis, 0, 2 * pairs).unflatten(axis, (pairs, 2)) for t in (mean, fine))
        mean = mean.mean(axis + 1)
        first, second = fine.unbind(axis + 1)
        fine = (first - second) / 2**0.5 if native else first
    return mean, fine


def _native(band: Sequence[float]) -> list[bool]:
    """Return for each axis whether neighbours along it hold noise of their own; all, where none of them does."""
    found = [share > _OWN for share in band]
    return found if any(found) else [True] * len(found)


def _of_air(power: Tensor) -> float:
    """Return by what noise has to be multiplied to be that of the cells without signal; 1 where they are few."""
    low, high = _LIKE
    air = power[(power > low) & (power < high)]
    return float(air.mean().sqrt()) if len(air) > _AIR * len(power) else 1.0


def rician_sd(mean: float, sd: float) -> float:
    """Return the SD of noise in either channel from mean and SD of the magnitude.

    The SD of magnitudes falls to .655 of it where there is no signal: Koay and Basser, J Magn Reson 179 (2006),
    equations 18 to 20, here solved by halving.
    """
    wanted = (mean / sd) ** 2
    low, high = 0.0, wanted + 1
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if (2 + middle) / _shrinkage(middle) - 1 < wanted else (low, middle)
    return sd / math.sqrt(_shrinkage(low))


def _shrinkage(ratio: float) -> float:
    """Return the variance of the magnitude over that of either channel; ``ratio`` is (signal / noise)^2."""
    x = torch.tensor(ratio / 4, dtype=torch.float64)
    mean = (2 + ratio) * torch.special.i0e(x) + ratio * torch.special.i1e(x)
    return 2 + ratio - math.pi / 8 * float(mean) ** 2


def _level(mean: Tensor, band: Tensor) -> tuple[float, float]:
    """Return the median where the mean is bright, and the SD of noise that the band shows there."""
    filled = mean > 0
    if not bool(filled.any()):
        return 0.0, _NOTHING
    bright = mean >= mean[filled].median()
    return float(mean[bright].median()), max(_NOTHING, float(band[bright].abs().median()) / MAD)

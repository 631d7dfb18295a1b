"""How strong noise is in a scan as a whole, by Haar's wavelet, beside what else there is."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

MAD = 0.6745
"""Median absolute value of normal noise of SD 1."""
_CELL = 8
"""Edge, in voxels, of the cells whose means noise hardly reaches."""
_FULL = 0.99
"""Share of voxels that are not 0 above which a cell counts: the edge of a brain without its head is no contrast."""
_NOTHING = 1e-4
"""SD that counts as none."""


def of_noise(image: Tensor) -> dict[str, float]:
    """Return how strong noise is, and how far coarser things stand out of it.

    Parameters
    ----------
    image
        Float32 ``(x, y, z)``, shares of full scale, sides of 8 voxels or more.

    Returns
    -------
    dict
        ``noise``: SD of noise by the finest diagonal band, in the brighter half of what is not empty. ``noise_grain``:
        the same of the next band, over ``noise``; 1 for white noise, more where noise was smoothed or there is none.
        ``noise_contrast``: SD of the means of full cells of 8 voxels, over ``noise``.
    """
    mean, finest = haar(image)
    noise = _level(mean, finest)
    cells, filled = (functional.avg_pool3d(t[None, None], _CELL) for t in (image, (image > 0).float()))
    full = cells[filled > _FULL]
    spread = float(full.std()) if len(full) > 1 else 0.0
    return {
        "noise": noise,
        "noise_grain": _level(*haar(mean)) * 2**1.5 / noise,
        "noise_contrast": max(_NOTHING, spread) / noise,
    }


def haar(image: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means of cubes of 2 voxels, and the band that is the finest along all three axes."""
    mean = band = image
    for axis in range(3):
        pairs = image.shape[axis] // 2
        mean, band = (t.narrow(axis, 0, 2 * pairs).unflatten(axis, (pairs, 2)) for t in (mean, band))
        mean = mean.mean(axis + 1)
        band = (band.select(axis + 1, 0) - band.select(axis + 1, 1)) / 2**0.5
    return mean, band


def _level(mean: Tensor, band: Tensor) -> float:
    """Return the SD of noise that the band shows where the mean is bright."""
    filled = mean > 0
    if not bool(filled.any()):
        return _NOTHING
    bright = mean >= mean[filled].median()
    return max(_NOTHING, float(band[bright].abs().median()) / MAD)

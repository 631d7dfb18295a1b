"""The authors' form of PSNR and SSIM: over the whole field of view, range = maximum - minimum of the truth.

Background is four fifths of that field and predicted exactly, which flatters both figures; they are printed beside
those over the brain for comparison with the paper, never instead.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.api import Estimate

_TRUNCATE = 3.5
_SIGMA = 1.5


def psnr_field(estimate: Estimate, truth: NDArray[np.float32], masks: Mapping[str, NDArray[np.bool_]]) -> float:
    """Return ``20 log10(range / RMSE)`` in dB over every voxel."""
    error = np.where(estimate.mask, estimate.value, 0) - truth
    rmse = float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))
    return float(20 * np.log10((truth.max() - truth.min()) / max(rmse, 1e-12)))


def ssim_field(estimate: Estimate, truth: NDArray[np.float32], masks: Mapping[str, NDArray[np.bool_]]) -> float:
    """Return the mean SSIM over every voxel: Gaussian window of 11, sigma 1.5, K1 .01, K2 .03."""
    from scipy.ndimage import gaussian_filter

    def smooth(image: NDArray[np.float32]) -> NDArray[np.float32]:
        return gaussian_filter(image, _SIGMA, truncate=_TRUNCATE)

    value = np.where(estimate.mask, estimate.value, np.float32(0))
    span = float(truth.max() - truth.min())
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    mx, my = smooth(value), smooth(truth)
    vx, vy, cov = smooth(value * value) - mx**2, smooth(truth * truth) - my**2, smooth(value * truth) - mx * my
    return float(np.mean((2 * mx * my + c1) * (2 * cov + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))))


AUTHORS = {"PSNR, whole field": psnr_field, "SSIM, whole field": ssim_field}

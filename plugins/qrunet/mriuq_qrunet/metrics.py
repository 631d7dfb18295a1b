"""The authors' form of PSNR and SSIM: over the whole field of view, range = maximum - minimum of the truth.

Background is four fifths of that field and predicted exactly, which flatters both figures; they are printed beside
those over the brain for comparison with the paper, never instead.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.api import Estimate, Similarity


def psnr_field(estimate: Estimate, truth: NDArray[np.float32], masks: Mapping[str, NDArray[np.bool_]]) -> float:
    """Return ``20 log10(range / RMSE)`` in dB over every voxel."""
    error = np.where(estimate.mask, estimate.value, 0) - truth
    rmse = float(np.sqrt(np.mean(np.square(error, dtype=np.float64))))
    return float(20 * np.log10((truth.max() - truth.min()) / max(rmse, 1e-12)))


def ssim_field(estimate: Estimate, truth: NDArray[np.float32], masks: Mapping[str, NDArray[np.bool_]]) -> float:
    """Return the mean SSIM over every voxel: Gaussian window of 11, sigma 1.5, K1 .01, K2 .03."""
    value = np.where(estimate.mask, estimate.value, np.float32(0))
    everywhere = np.ones(truth.shape, bool)
    return Similarity.to(truth, everywhere, float(truth.max() - truth.min())).ssim(value)


AUTHORS = {"PSNR, whole field": psnr_field, "SSIM, whole field": ssim_field}

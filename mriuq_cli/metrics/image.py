"""How near an image is to its truth over the brain.

Images are float arrays on one grid, ``(x, y, z)``; the brain is a bool array on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]
Mask = NDArray[np.bool_]

SIGMA = 1.5
_RADIUS = 5  # 3.5 sigma, so a window of 11 voxels
_K1, _K2 = 0.01, 0.03


def mae(value: Image, truth: Image) -> float:
    """Return the mean absolute error."""
    return float(np.mean(np.abs(value - truth), dtype=np.float64))


def rmse(value: Image, truth: Image) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean(np.square(value - truth, dtype=np.float64))))


def peak(truth: Image) -> float:
    """Return the 99.9th minus the 0.1th percentile of the truth's voxels: the range of PSNR and SSIM."""
    low, high = np.percentile(truth, [0.1, 99.9])
    return float(high - low)


def psnr(value: Image, truth: Image, data_range: float) -> float:
    """Return the peak signal-to-noise ratio in dB, ``20 log10(range / RMSE)``; infinite without an error."""
    error = rmse(value, truth)
    return float(20 * np.log10(data_range / error)) if error > 0 else float("inf")


@dataclass(frozen=True, slots=True, eq=False)
class Similarity:
    """Structural similarity to one truth: what depends on the truth alone is computed once.

    Three-dimensional, Gaussian window of 1.5 voxels (11 wide), K1 = .01, K2 = .03, population covariance, mean over
    the brain (Wang et al. 2004). Both images count as 0 outside the brain, so that a window at its edge compares
    like with like.
    """

    box: tuple[slice, ...]
    brain: Mask
    truth: NDArray[np.float32]
    mean: NDArray[np.float32]
    variance: NDArray[np.float32]
    data_range: float

    @classmethod
    def to(cls, truth: Image, brain: Mask, data_range: float) -> Similarity:
        """Prepare the truth; only the brain's box and half a window around it are looked at."""
        box = bounding_box(brain, _RADIUS)
        inner = _inside(truth, brain[box], box)
        mean = _blur(inner)
        return cls(box, brain[box], inner, mean, _blur(inner * inner) - mean * mean, data_range)

    def ssim(self, value: Image) -> float:
        """Return the mean structural similarity of an image on the truth's grid."""
        inner = _inside(value, self.brain, self.box)
        mean = _blur(inner)
        variance = _blur(inner * inner) - mean * mean
        covariance = _blur(inner * self.truth) - mean * self.mean
        c1, c2 = (_K1 * self.data_range) ** 2, (_K2 * self.data_range) ** 2
        top = (2 * mean * self.mean + c1) * (2 * covariance + c2)
        bottom = (mean**2 + self.mean**2 + c1) * (variance + self.variance + c2)
        return float(np.mean((top / bottom)[self.brain], dtype=np.float64))


def _inside(image: Image, brain: Mask, box: tuple[slice, ...]) -> NDArray[np.float32]:
    return np.where(brain, np.asarray(image[box], dtype=np.float32), np.float32(0))


def bounding_box(mask: Mask, margin: int = 0) -> tuple[slice, ...]:
    """Return the slices that hold all of a mask and ``margin`` voxels around it, cut at the grid's edge.

    Raises
    ------
    ValueError
        If the mask is empty.
    """
    box = []
    for axis in range(mask.ndim):
        others = tuple(a for a in range(mask.ndim) if a != axis)
        held = np.flatnonzero(mask.any(axis=others))
        if not held.size:
            raise ValueError("the mask is empty")
        box.append(slice(max(int(held[0]) - margin, 0), int(held[-1]) + 1 + margin))
    return tuple(box)


def gradient_magnitude(image: Image, mask: Mask) -> NDArray[np.float32]:
    """Return the length of the gradient in units a voxel at the voxels of ``mask``, one-dimensional."""
    box = bounding_box(mask, 1)
    inner = np.asarray(image[box], dtype=np.float32)
    parts = [np.gradient(inner, axis=axis)[mask[box]] for axis in range(inner.ndim)]
    length: NDArray[np.float32] = np.sqrt(np.sum(np.square(parts), axis=0), dtype=np.float32)
    return length


def _blur(image: NDArray[np.float32]) -> NDArray[np.float32]:
    from scipy.ndimage import correlate1d

    window = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / SIGMA) ** 2)
    window /= window.sum()
    for axis in range(image.ndim):
        image = correlate1d(image, window, axis=axis, mode="reflect")
    return image

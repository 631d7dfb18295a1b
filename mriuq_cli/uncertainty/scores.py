"""How far truths lie beyond a value, in units of the interval's own half-width.

For one subject and one target the voxels are condensed into curves over a fixed grid of stretches. Every figure that
depends on how much an interval is stretched (coverage, width, interval score) is then read from the curves, so that
calibrating on a thousand exams costs a few megabytes and no second look at any image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Curve = NDArray[np.float64]

_BINS = 2048
_LOW, _HIGH = 1e-3, 1e3
STRETCHES: Curve = np.geomspace(_LOW, _HIGH, _BINS + 1)
"""The grid: neighbours differ by 0.7 %; between them curves are interpolated linearly in the logarithm."""
_LOG_STRETCHES: Curve = np.log(STRETCHES)


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What stretching the interval by any factor would do on one subject.

    Parameters
    ----------
    n
        Number of voxels.
    miss_low, miss_high
        Share of voxels below ``value - t (value - lower)``, and above ``value + t (upper - value)``, for each ``t``
        of :data:`STRETCHES`; float64, one entry a stretch.
    excess_low, excess_high
        Mean distance beyond those bounds, in the target's unit.
    half_low, half_high
        Mean of ``value - lower`` and of ``upper - value``.
    """

    n: int
    miss_low: Curve
    miss_high: Curve
    excess_low: Curve
    excess_high: Curve
    half_low: float
    half_high: float

    def miss(self, lower: float, upper: float) -> tuple[float, float]:
        """Return the shares below and above the interval stretched by ``lower`` and ``upper``."""
        return read_curve(self.miss_low, lower), read_curve(self.miss_high, upper)

    def coverage(self, lower: float, upper: float) -> float:
        """Return the share of voxels inside the stretched interval."""
        return 1.0 - sum(self.miss(lower, upper))

    def width(self, lower: float, upper: float) -> float:
        """Return the mean width of the stretched interval."""
        return lower * self.half_low + upper * self.half_high

    def interval_score(self, lower: float, upper: float, level: float) -> float:
        """Return the mean interval score (Winkler 1972) of the stretched interval, taken as a ``level`` interval.

        Width plus ``2 / (1 - level)`` times the distance by which the truth lies outside.
        """
        outside = read_curve(self.excess_low, lower) + read_curve(self.excess_high, upper)
        return self.width(lower, upper) + 2.0 / (1.0 - level) * outside


def read_curve(curve: Curve, stretch: float) -> float:
    """Return a curve's value at a stretch, which is held to the ends of :data:`STRETCHES`."""
    return float(np.interp(np.log(max(stretch, _LOW)), _LOG_STRETCHES, curve))


def solve_curve(curve: Curve, share: float) -> float | None:
    """Return the smallest stretch at which a falling curve is ``share`` or less; None if it never is.

    The inverse of :func:`read_curve`.
    """
    below = np.flatnonzero(curve <= share)
    if not below.size:
        return None
    k = int(below[0])
    if k == 0:
        return float(STRETCHES[0])
    part = (curve[k - 1] - share) / (curve[k - 1] - curve[k])
    return float(np.exp(_LOG_STRETCHES[k - 1] + part * (_LOG_STRETCHES[k] - _LOG_STRETCHES[k - 1])))


def score_voxels(value: NDArray[Any], lower: NDArray[Any], upper: NDArray[Any], truth: NDArray[Any]) -> Scores:
    """Condense the voxels of one subject.

    A side of width 0 cannot be stretched: a truth beyond it is missed at every stretch.

    Parameters
    ----------
    value, lower, upper, truth
        One-dimensional float arrays, the voxels that count, ``lower <= value <= upper``.

    Raises
    ------
    ValueError
        If there are no voxels.
    """
    if not value.size:
        raise ValueError("no voxels to score")
    error = np.subtract(value, truth, dtype=np.float32)
    half_low = np.maximum(np.subtract(value, lower, dtype=np.float32), 0)
    half_high = np.maximum(np.subtract(upper, value, dtype=np.float32), 0)
    miss_low, excess_low = _side(error, half_low)
    miss_high, excess_high = _side(-error, half_high)
    return Scores(
        n=int(value.size), miss_low=miss_low, miss_high=miss_high, excess_low=excess_low, excess_high=excess_high,
        half_low=float(half_low.mean(dtype=np.float64)), half_high=float(half_high.mean(dtype=np.float64)),
    )  # fmt: skip


def _side(error: NDArray[np.float32], half: NDArray[np.float32]) -> tuple[Curve, Curve]:
    """Return miss share and mean excess over the grid for the voxels whose truth lies on this side of the value."""
    count = error.size
    beyond = error > 0
    error, half = error[beyond], half[beyond]
    with np.errstate(divide="ignore", over="ignore"):
        place = np.log(error / half)  # +inf where the side has no width
    place -= _LOG_STRETCHES[0]
    place *= _BINS / (_LOG_STRETCHES[-1] - _LOG_STRETCHES[0])
    # Bin 0: not above the first stretch; bin j: above stretch j-1, not above stretch j; last bin: above them all.
    bins = np.clip(np.ceil(place), 0, _BINS + 1).astype(np.int32)
    above = [
        np.cumsum(np.bincount(bins, weights, minlength=_BINS + 2)[::-1])[::-1][1:] for weights in (None, error, half)
    ]
    return above[0] / count, np.maximum(above[1] - STRETCHES * above[2], 0) / count


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Return the mean over subjects, each subject counting once whatever its number of voxels."""
    mean: Curve = np.mean(np.stack(curves), axis=0, dtype=np.float64)
    return mean

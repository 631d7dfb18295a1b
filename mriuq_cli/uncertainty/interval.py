"""Arithmetic of an interval about a value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.uncertainty.estimate import Estimate


def stretch(estimate: Estimate, lower: float, upper: float) -> Estimate:
    """Stretch the interval about the value: ``lower`` times its lower half, ``upper`` times its upper half."""
    low = estimate.value - np.float32(lower) * (estimate.value - estimate.lower)
    high = estimate.value + np.float32(upper) * (estimate.upper - estimate.value)
    return estimate.with_bounds(low, high)


def share_inside(estimate: Estimate, truth: NDArray[Any]) -> float:
    """Return the share of the estimate's voxels whose truth lies in the interval; NaN if it has no voxels."""
    inside = (truth >= estimate.lower) & (truth <= estimate.upper)
    n = int(np.count_nonzero(estimate.mask))
    return int(np.count_nonzero(inside & estimate.mask)) / n if n else float("nan")


def outlier_map(estimate: Estimate, observed: NDArray[Any]) -> NDArray[np.uint8]:
    """Say where an observed image lies: 0 inside, 1 above, 2 below its interval, 3 not evaluable (outside the mask)."""
    found = np.where(observed > estimate.upper, 1, np.where(observed < estimate.lower, 2, 0)).astype(np.uint8)
    found[~estimate.mask] = 3
    return found

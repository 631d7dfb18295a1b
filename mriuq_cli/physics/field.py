"""Random smooth fields: what varies slowly from place to place in a head and in a scanner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def smooth_field(shape: tuple[int, ...], spacing: float, rng: np.random.Generator) -> Array:
    """Random cubic B-spline field of zero mean and unit variance with knots ``spacing`` voxels apart.

    Plain sums in a fixed order, so the same seed gives the same bits whatever the number of threads.
    """
    field: Array = rng.standard_normal([int(np.ceil(n / spacing)) + 4 for n in shape], dtype=np.float32)
    for axis, size in enumerate(shape):
        place = np.arange(size) / spacing
        first = place.astype(np.intp)
        u = (place - first).astype(np.float32)
        weights = ((1 - u) ** 3 / 6, (3 * u**3 - 6 * u**2 + 4) / 6, (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6, u**3 / 6)
        wide = [1] * len(shape)
        wide[axis] = size
        smoothed = np.asarray(np.take(field, first, axis) * weights[0].reshape(wide), dtype=np.float32)
        for m in (1, 2, 3):
            smoothed += np.take(field, first + m, axis) * weights[m].reshape(wide)
        field = smoothed
    field -= field.mean()
    field /= field.std()
    return field

"""Between standard scores and what an image file holds.

An imputed contrast has no scale of its own, so files are written in a fixed display scale that the sidecar states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.errors import InputError
from mriuq_cli.uncertainty.estimate import Array, Mask


def to_display(scores: NDArray[Any], mask: Mask, display: tuple[float, float]) -> Array:
    """Turn standard scores into file units: ``mean + sd * z`` inside ``mask``, exactly 0 outside; float32."""
    mean, sd = display
    return np.where(mask, np.float32(mean) + np.float32(sd) * scores, np.float32(0)).astype(np.float32, copy=False)


def scale_like(reference: NDArray[Any]) -> tuple[float, float]:
    """Return the brain mean and standard deviation of a reference image, to be used as ``display``.

    The brain is where the reference is finite and not 0.

    Raises
    ------
    InputError
        If the reference is empty there, or constant.
    """
    brain = reference[np.isfinite(reference) & (reference != 0)].astype(np.float64)
    if brain.size < 2 or not brain.std() > 0:
        raise InputError(
            "the reference is empty or constant in the brain", where="--scale-like",
            hint="Give an image whose brain is not 0 and whose background is.",
        )  # fmt: skip
    return float(brain.mean()), float(brain.std())

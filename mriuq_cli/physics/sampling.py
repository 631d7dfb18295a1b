"""Which lines of k-space are measured."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.errors import InputError

Mask = NDArray[np.bool_]


def line_mask(width: int, acceleration: float, calibration: float, rng: np.random.Generator) -> Mask:
    """Draw phase-encoding lines: a fully measured centre, the others uniformly without replacement.

    Exactly ``floor(width / acceleration)`` lines, of which ``round(width * calibration)`` are the centre, from index
    ``(width - centre + 1) // 2`` on.

    Returns
    -------
    Mask
        Bool ``(width,)``, centred as :func:`mriuq_cli.physics.fourier.to_kspace` is.

    Raises
    ------
    InputError
        If the centre alone has more lines than the acceleration leaves.
    """
    lines, centre = int(width // acceleration), round(width * calibration)
    if not 0 <= centre <= lines <= width:
        raise InputError(
            f"{centre} calibration lines do not fit into the {lines} of {width} lines that are measured",
            where=f"acceleration {acceleration:g}, calibration {calibration:g}",
            hint="Take a smaller acceleration or calibration region.",
        )
    mask = np.zeros(width, dtype=bool)
    start = (width - centre + 1) // 2
    mask[start : start + centre] = True
    mask[rng.choice(np.flatnonzero(~mask), lines - centre, replace=False)] = True
    return mask


def phase_masks(phases: int, width: int, acceleration: float, calibration: float, seed: int) -> Mask:
    """Draw one mask a phase, ``(phases, width)``: each from a seed of its own, so that any can be drawn alone."""
    seeds = np.random.default_rng(seed).integers(2**32, size=phases)
    return np.stack([line_mask(width, acceleration, calibration, np.random.default_rng(int(s))) for s in seeds])

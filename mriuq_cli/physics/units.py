"""Times that cannot be seconds are refused: a millisecond read as a second gives an image that looks right."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mriuq_cli.errors import InputError

LONGEST = {"te": 2.0, "ti": 15.0, "tr": 40.0, "tr_gradient": 2.0, "t1": 20.0, "t2": 10.0, "spacing": 1.0}
"""Longest plausible value of each time in seconds: no tissue, and no sequence of this package, comes near it."""


def require_seconds(**times: float) -> None:
    """Refuse a time that is negative, not a number, or so long that it must be in another unit.

    Parameters
    ----------
    times
        Values by name: ``te``, ``ti``, ``tr``, ``tr_gradient`` (from excitation to excitation of a gradient echo),
        ``t1``, ``t2``, ``spacing`` (of echoes).

    Raises
    ------
    InputError
        Naming the value, its limit and what it would be if it were milliseconds.
    """
    for name, value in times.items():
        longest = LONGEST[name]
        short = name.partition("_")[0].upper()
        if not value >= 0:
            raise InputError("must be 0 or more seconds", where=f"{short} {value:g}")
        if value > longest:
            raise InputError(
                f"longer than {longest:g} s, the longest that is plausible",
                where=f"{short} {value:g} s",
                hint=f"If milliseconds were meant, give {value / 1000:g}.",
            )


def require_tissue_seconds(**times: Any) -> None:
    """Refuse relaxation times whose mean, but for zeros, is so long that they must be in another unit.

    One wild voxel of a fitted map passes, infinity (no relaxation) too, and so does a torch tensor: what a network or
    a fit tries out on its way may be anything.

    Parameters
    ----------
    times
        Numbers or numpy arrays by name, ``t1`` and ``t2``.

    Raises
    ------
    InputError
        As :func:`require_seconds` does.
    """
    for name, value in times.items():
        if isinstance(value, (int, float, np.ndarray, np.generic)):
            mean = float(np.sum(value)) / max(int(np.count_nonzero(value)), 1)
            if math.isfinite(mean) and mean > LONGEST[name]:
                require_seconds(**{name: mean})

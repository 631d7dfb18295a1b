"""Figures of how well sigma foretells errors."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mriuq_cli.api import auroc, ause, spearman

Array = NDArray[np.float64]

_SAMPLED = 200_000


def against_truth(error: Tensor, sigma: Tensor) -> dict[str, object]:
    """Compare errors with sigma, voxel by voxel of one region, both ``(n,)`` and in one unit.

    Returns
    -------
    dict
        ``rmse``, ``rms_sigma``, ``median_error``, ``median_sigma`` and its quartiles, ``spearman`` (of sigma and the
        size of the error) and ``spearman_at_best`` (what it would be if errors were normal with exactly these sigma),
        ``ause`` and ``ence`` (20 bins).
    """
    few, spread = sampled(error.abs(), sigma)
    order = np.argsort(spread, kind="stable")
    ideal = spread * np.abs(np.random.default_rng(0).normal(size=len(spread)))
    quartiles = np.quantile(spread, (0.25, 0.5, 0.75))
    return {
        "rmse": float(error.square().mean().sqrt()), "rms_sigma": float(sigma.square().mean().sqrt()),
        "median_error": float(np.median(few)), "median_sigma": float(quartiles[1]),
        "sigma_q1": float(quartiles[0]), "sigma_q3": float(quartiles[2]),
        "spearman": spearman(few, spread), "spearman_at_best": spearman(ideal, spread), "ause": ause(few, spread),
        "ence": ence(few[order], spread[order]),
    }  # fmt: skip


def order(error: Tensor, sigma: Tensor) -> float:
    """Return Spearman's correlation of the size of errors ``(n,)`` and sigma ``(n,)``, on a sample of them."""
    return spearman(*sampled(error.abs(), sigma))


def sampled(*parts: Tensor) -> list[Array]:
    """Return values of the same voxels of each ``(n,)``, not more than can be sorted quickly."""
    step = max(1, len(parts[0]) // _SAMPLED)
    return [part[::step].double().cpu().numpy() for part in parts]


def dice(found: Tensor, truth: Tensor) -> float:
    """Return Dice's overlap of two masks, 1 where both are empty."""
    size = float(found.sum() + truth.sum())
    return 2 * float((found & truth).sum()) / size if size else 1.0


def ence(error: Array, sigma: Array, bins: int = 20) -> float:
    """Return the expected normalised calibration error; both sorted by sigma."""
    gaps = []
    for e, s in zip(np.array_split(error, bins), np.array_split(sigma, bins), strict=True):
        size = math.sqrt(float(np.mean(s**2)))
        gaps.append(abs(size - math.sqrt(float(np.mean(e**2)))) / size)
    return float(np.mean(gaps))


def r_squared(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the squared correlation of two series."""
    return float(np.corrcoef(x, y)[0, 1] ** 2) if np.ptp(x) and np.ptp(y) else math.nan


def auroc_between(low: Sequence[float], high: Sequence[float]) -> float:
    """Return the chance that one of ``high`` lies above one of ``low``; NaN where one of them is empty."""
    return auroc(np.array([*low, *high]), np.repeat([False, True], [len(low), len(high)]))

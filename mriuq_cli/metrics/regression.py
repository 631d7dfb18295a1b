"""What intervals are worth, and whether a width says how wrong the value is.

All arrays are one-dimensional, one entry a voxel. Orders are taken with ties in random order (fixed seed), so that a
width that does not vary orders like chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Values = NDArray[Any]


def coverage(lower: Values, upper: Values, truth: Values) -> float:
    """Return the share of truths in ``[lower, upper]``."""
    return float(np.mean((truth >= lower) & (truth <= upper)))


def interval_score(lower: Values, upper: Values, truth: Values, level: float) -> float:
    """Return the mean interval score (Winkler 1972): width plus ``2 / (1 - level)`` times the distance outside."""
    outside = np.maximum(lower - truth, 0) + np.maximum(truth - upper, 0)
    return float(np.mean(upper - lower + 2 / (1 - level) * outside, dtype=np.float64))


def ause(error: Values, uncertainty: Values, steps: int = 200) -> float:
    """Return the area under the sparsification error as a share of that of a random order.

    Voxels are taken away, most uncertain first; the curve is the mean absolute error of those left. 0: the order of
    the errors themselves; 1: as good as chance; above 1: worse.
    """
    size = np.abs(error)
    kept = np.unique(np.linspace(1, size.size, steps, dtype=np.int64))
    ours = _left(size[_order(uncertainty)], kept)
    oracle = _left(np.sort(size), kept)
    chance = float(size.mean(dtype=np.float64))
    area, best = float(np.trapezoid(ours, kept)), float(np.trapezoid(oracle, kept))
    scale = chance * float(kept[-1] - kept[0]) - best
    return (area - best) / scale if scale > 0 else float("nan")


def spearman(a: Values, b: Values) -> float:
    """Return the rank correlation; NaN if one of the two does not vary."""
    first, second = _ranks(a), _ranks(b)
    if first.size < 2 or first.min() == first.max() or second.min() == second.max():
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])


def coverage_by_width(lower: Values, upper: Values, truth: Values, parts: int = 5) -> list[float]:
    """Return the coverage in equal parts of the voxels, narrowest intervals first."""
    inside = ((truth >= lower) & (truth <= upper))[_order(upper - lower)]
    return [float(part.mean()) if part.size else float("nan") for part in np.array_split(inside, parts)]


def auroc(score: Values, label: NDArray[np.bool_]) -> float:
    """Return the chance that a labelled voxel scores above an unlabelled one; NaN without both kinds."""
    label = np.asarray(label, dtype=bool)
    n, m = int(label.sum()), int((~label).sum())
    if not n or not m:
        return float("nan")
    return float((_ranks(score)[label].sum() - n * (n + 1) / 2) / (n * m))


def exceedance(value: Values, lower: Values, upper: Values, truth: Values) -> Values:
    """Return how far a truth lies out, in half-widths of its side: 1 at the bound, above 1 outside."""
    above = truth > value
    half = np.where(above, upper - value, value - lower)
    distance = np.abs(truth - value)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(distance == 0, 0.0, distance / half)


def _ranks(values: Values) -> NDArray[np.float64]:
    """Return ranks from 1, ties with their mean (scipy.stats would take longer to import than to use)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    starts = np.flatnonzero(new)
    ends = np.append(starts[1:], values.size)
    ranks = np.empty(values.size)
    ranks[order] = np.repeat((starts + 1 + ends) / 2, ends - starts)
    return ranks


def _order(values: Values) -> NDArray[np.int64]:
    shuffled = np.random.default_rng(0).permutation(values.size)
    return np.asarray(shuffled[np.argsort(values[shuffled], kind="stable")])


def _left(sizes: Values, kept: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean of the first ``k`` entries for each ``k``."""
    return np.asarray(np.cumsum(sizes, dtype=np.float64)[kept - 1] / kept)

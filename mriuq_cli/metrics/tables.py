"""Figures over subjects: mean, spread, and paired comparisons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Summary:
    """A figure over subjects: mean, sample standard deviation (NaN for one subject), smallest, largest, n."""

    mean: float
    sd: float
    smallest: float
    largest: float
    n: int

    def facts(self) -> dict[str, float | int | None]:
        """Return JSON-ready figures; what is not finite becomes null."""
        return {
            "mean": finite(self.mean), "sd": finite(self.sd), "min": finite(self.smallest),
            "max": finite(self.largest), "n": self.n,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Paired:
    """Mean over subjects of a difference, with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def below_zero(self) -> bool:
        """True if the whole interval is below 0."""
        return self.high < 0

    @property
    def above_zero(self) -> bool:
        """True if the whole interval is above 0."""
        return self.low > 0

    def facts(self) -> dict[str, float | int | None]:
        """Return JSON-ready figures."""
        return {"mean": finite(self.mean), "low": finite(self.low), "high": finite(self.high), "n": self.n}


def summarise(values: Sequence[float]) -> Summary:
    """Summarise a figure over the subjects that have it (NaN: has not)."""
    known = np.array([v for v in values if not math.isnan(v)], dtype=np.float64)
    if not known.size:
        return Summary(math.nan, math.nan, math.nan, math.nan, 0)
    sd = float(known.std(ddof=1)) if known.size > 1 else math.nan
    return Summary(float(known.mean()), sd, float(known.min()), float(known.max()), int(known.size))


def paired_difference(ours: Sequence[float], theirs: Sequence[float], draws: int = 10_000, seed: int = 0) -> Paired:
    """Return the mean of ``ours - theirs`` over subjects and its 95 % percentile bootstrap interval.

    Subjects are drawn with replacement, both figures of a subject together; those without both are left out.
    """
    gaps = np.array([a - b for a, b in zip(ours, theirs, strict=True)], dtype=np.float64)
    gaps = gaps[np.isfinite(gaps)]
    if not gaps.size:
        return Paired(math.nan, math.nan, math.nan, 0)
    means = gaps[np.random.default_rng(seed).integers(gaps.size, size=(draws, gaps.size))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Paired(float(gaps.mean()), float(low), float(high), int(gaps.size))


def finite(value: float) -> float | None:
    """Return the number, or None where JSON has no word for it."""
    return float(value) if math.isfinite(value) else None

"""How much to stretch an interval: two rules, and leaving each subject out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from mriuq_cli.errors import WeightsError
from mriuq_cli.uncertainty.scores import STRETCHES, Curve, Scores, mean_curve, read_curve, solve_curve

Rule = Literal["plug-in", "risk"]
RULES: tuple[Rule, ...] = ("plug-in", "risk")


class Stretch(NamedTuple):
    """Factors of the lower and of the upper half of an interval."""

    lower: float
    upper: float


UNCHANGED = Stretch(1.0, 1.0)


def subjects_needed(level: float) -> int:
    """Return the smallest number of subjects with which the ``risk`` rule can promise ``level``."""
    return math.ceil(round(1 / (1 - level), 6)) - 1


def fit_stretch(scores: Sequence[Scores], level: float, rule: Rule = "plug-in") -> Stretch:
    """Choose the stretch from subjects that the weights have never seen.

    ``plug-in``: the mean over subjects of the share below the interval is half of ``1 - level``, and so is that above.
    ``risk``: those two factors times the smallest common ``s`` for which ``(n R(s) + 1) / (n + 1) <= 1 - level``,
    where ``R`` is the mean over subjects of the share outside (conformal risk control, Angelopoulos et al. 2022).

    Raises
    ------
    WeightsError
        If there is no subject, or too few for the ``risk`` rule.
    """
    if not scores:
        raise WeightsError("no subject to calibrate on", hint="Give a cohort that the weights have not learnt from.")
    return _fit(mean_curve([s.miss_low for s in scores]), mean_curve([s.miss_high for s in scores]),
                len(scores), level, rule)  # fmt: skip


def leave_one_out(scores: Sequence[Scores], level: float, rule: Rule = "plug-in") -> list[Stretch]:
    """Return for each subject the stretch that all the others ask for.

    Raises
    ------
    WeightsError
        If there are fewer than two subjects, or too few for the ``risk`` rule once one is left out.
    """
    n = len(scores)
    if n < 2:
        raise WeightsError("leaving one subject out takes at least 2", hint="Give more exams, or a calibration.")
    low = np.stack([s.miss_low for s in scores])
    high = np.stack([s.miss_high for s in scores])
    return [
        _fit(np.delete(low, i, axis=0).mean(axis=0), np.delete(high, i, axis=0).mean(axis=0), n - 1, level, rule)
        for i in range(n)
    ]


def _fit(low: Curve, high: Curve, n: int, level: float, rule: Rule) -> Stretch:
    side = (1 - level) / 2
    # Where too many truths lie beyond a side without width no stretch will do: the largest is as good as it gets.
    pair = Stretch(*(solve_curve(curve, side) or float(STRETCHES[-1]) for curve in (low, high)))
    return _control(low, high, n, level, pair) if rule == "risk" else pair


def _control(low: Curve, high: Curve, n: int, level: float, pair: Stretch) -> Stretch:
    """Stretch ``pair`` further by the smallest factor that keeps the risk."""
    needed = subjects_needed(level)
    if n < needed:
        raise WeightsError(
            f"the risk rule cannot promise {level:.0%} with {n} subjects: it takes at least {needed}",
            hint="Give more exams, a lower --level, or --rule plug-in.",
        )
    allowed = ((n + 1) * (1 - level) - 1) / n + 1e-12

    def risk(s: float) -> float:
        return read_curve(low, s * pair.lower) + read_curve(high, s * pair.upper)

    floor, ceiling = 1e-3, float(STRETCHES[-1] / min(pair))
    if risk(ceiling) > allowed:
        raise WeightsError(
            f"no stretch brings the share outside down to the {max(allowed, 0):.3f} that {n} subjects allow",
            hint=f"Well above {needed} subjects are needed for {level:.0%}; give more, or use --rule plug-in.",
        )
    for _ in range(60):  # bisection on the logarithm; the risk never rises with the stretch
        middle = math.sqrt(floor * ceiling)
        floor, ceiling = (floor, middle) if risk(middle) <= allowed else (middle, ceiling)
    return Stretch(ceiling * pair.lower, ceiling * pair.upper)

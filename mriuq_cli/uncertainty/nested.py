"""The stretch of every set of given inputs together: who is told less never states a narrower interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mriuq_cli.uncertainty.scores import Scores
from mriuq_cli.uncertainty.stretch import Rule, Stretch, fit_stretch, leave_one_out

MARGIN = 1.02
"""Wider by this much than with more inputs, so that the order is kept on subjects that had no part in it."""

Situations = Mapping[str, Sequence[Scores]]
"""Situation key (``t1+t2``) to scores, one a subject; the same subjects in the same order for every key."""


def fit_nested(scores: Situations, level: float, rule: Rule = "plug-in") -> dict[str, Stretch]:
    """Choose the stretch of every situation of one target.

    Each is that of :func:`~mriuq_cli.uncertainty.stretch.fit_stretch`. Where the mean width over subjects would be
    below :data:`MARGIN` times that of a situation with the same inputs and more, both factors are raised to reach it.

    Raises
    ------
    WeightsError
        If there is no subject, or too few for the ``risk`` rule.
    """
    return _widened({key: fit_stretch(found, level, rule) for key, found in scores.items()}, scores)


def leave_one_out_nested(scores: Situations, level: float, rule: Rule = "plug-in") -> dict[str, list[Stretch]]:
    """Return for each situation and subject the stretch that all the other subjects ask for.

    Raises
    ------
    WeightsError
        If there are fewer than two subjects, or too few for the ``risk`` rule once one is left out.
    """
    pairs = {key: leave_one_out(found, level, rule) for key, found in scores.items()}
    subjects = range(len(next(iter(scores.values()))))
    without = [
        _widened({key: pairs[key][i] for key in scores},
                 {key: [s for k, s in enumerate(found) if k != i] for key, found in scores.items()})
        for i in subjects
    ]  # fmt: skip
    return {key: [one[key] for one in without] for key in scores}


def _widened(pairs: Mapping[str, Stretch], scores: Situations) -> dict[str, Stretch]:
    inputs = {key: frozenset(key.split("+")) for key in pairs}
    widths: dict[str, float] = {}
    found = {}
    for key in sorted(pairs, key=lambda one: -len(inputs[one])):
        width = float(np.mean([s.width(*pairs[key]) for s in scores[key]]))
        floor = MARGIN * max((widths[more] for more in widths if inputs[key] < inputs[more]), default=0.0)
        factor = floor / width if 0 < width < floor else 1.0
        widths[key] = factor * width
        found[key] = Stretch(*(factor * part for part in pairs[key]))
    return {key: found[key] for key in pairs}

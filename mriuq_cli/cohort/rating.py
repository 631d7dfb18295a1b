"""From a score and its yardstick to a percentile, a verdict, and how often such a verdict is wrong.

A percentile is the share of the yardstick's clean scans that are better. With n of them it has n + 1 values and no
more: beyond all of them is 100, however far. How often a threshold is wrong is counted on the yardstick itself: false
alarms with each clean scan compared with the others, so that it is judged as a new scan would be; misses on the
spoilt copies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.cohort.thresholds import Limits, Thresholds
from mriuq_cli.uncertainty.familiarity import exact_interval
from mriuq_cli.uncertainty.judgement import Judgement, Score, Yardstick

Level = Literal["pass", "warn", "fail"]
GROUPS = ("visual", "algorithmic")
FEWEST = 8
"""A yardstick with fewer clean scans says too little to judge by."""

_ORDER = ("pass", "unfamiliar", "warn", "fail")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a score stands: ``better`` of ``n`` clean scans are better; ``simulated`` of the ``n`` are simulated."""

    better: int
    n: int
    simulated: int = 0

    @property
    def percentile(self) -> float:
        """Percentage of the clean scans that are better."""
        return 100 * self.better / self.n

    @property
    def words(self) -> str:
        """How a person says it, without more precision than there is."""
        if self.better == self.n:
            return f"beyond all {self.n} clean scans"
        if self.better == 0:
            return f"none of {self.n} clean scans is better"
        return f"{self.better} of {self.n} clean scans are better"

    def reaches(self, threshold: float | None) -> bool:
        """Tell whether the percentile is at or above a threshold."""
        return threshold is not None and _reaches(self.better, self.n, threshold)


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """How often a threshold is wrong on the yardstick.

    ``false_alarms`` of ``clean`` scans reach it, with the exact 95 % interval of that share; ``misses`` says for each
    artefact how many of how many spoilt copies do not.
    """

    threshold: float
    false_alarms: int
    clean: int
    interval: tuple[float, float]
    misses: Mapping[str, tuple[int, int]]

    @property
    def missed(self) -> tuple[int, int]:
        """Misses of all artefacts together."""
        return sum(k for k, _ in self.misses.values()), sum(n for _, n in self.misses.values())

    def facts(self) -> dict[str, Any]:
        """Return JSON-ready figures."""
        return {
            "threshold": self.threshold, "false_alarms": self.false_alarms, "clean": self.clean,
            "interval": list(self.interval), "misses": {name: list(pair) for name, pair in self.misses.items()},
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class GroupRating:
    """What the headline of one kind of quality says; ``standing`` is None where the score could not be had."""

    group: str
    score: str
    standing: Standing | None
    level: Level
    rates: Mapping[str, ErrorRates] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """One line: where the scan stands, and how often such a verdict is wrong."""
        if self.standing is None:
            return f"{self.group} quality ({self.score}) cannot be had"
        said = f"{self.group} quality ({self.score}): {self.standing.words}"
        return f"{said}; {wrong}" if (wrong := self.wrong) else said

    @property
    def wrong(self) -> str:
        """How often such a verdict is wrong: false alarms of a warning or failure, misses of a pass."""
        rates = self.rates.get(self.level if self.level != "pass" else ("warn" if "warn" in self.rates else "fail"))
        if rates is None:
            return ""
        if self.level != "pass":
            low, high = rates.interval
            return f"false alarms {rates.false_alarms} of {rates.clean} clean ({low:.1%} to {high:.1%})"
        k, n = rates.missed
        return f"misses {k} of {n} spoilt" if n else ""


@dataclass(frozen=True, slots=True)
class Rating:
    """A verdict on a scan by one method; None where it does not rate it."""

    verdict: str | None
    reason: str = ""
    groups: Mapping[str, GroupRating] = field(default_factory=dict)


def rate(judgement: Judgement, thresholds: Thresholds) -> Rating:
    """Turn a method's judgement into a verdict: the worst of its two headlines'; none for an unfamiliar scan."""
    familiarity = judgement.familiarity
    if familiarity is not None and not familiarity.familiar:
        return Rating(
            "unfamiliar", f"not rated, unlike the scans that the method knows: {'; '.join(familiarity.reasons)}"
        )
    found = {group: one for group in GROUPS if (one := _group(judgement, group, getattr(thresholds, group)))}
    if not found:
        return Rating(None)
    worst = max(found.values(), key=lambda one: _ORDER.index(one.level))
    reasons = [one.reason for one in found.values() if one.level == worst.level]
    return Rating(worst.level, "; ".join(reasons), found)


def worst_of(verdicts: list[str | None]) -> str | None:
    """Return the worst of several verdicts; None if nobody has one."""
    said = [verdict for verdict in verdicts if verdict is not None]
    return max(said, key=_ORDER.index) if said else None


def reaches(verdict: str | None, level: str, thresholds: Thresholds) -> bool:
    """Tell whether a verdict is as bad as ``level`` (``warn`` or ``fail``); a scan not rated counts as agreed."""
    counted = verdict if verdict in ("pass", "warn", "fail") else thresholds.unfamiliar
    return _ORDER.index(counted) >= _ORDER.index(level)


def standing(score: Score) -> Standing | None:
    """Return where a score stands, None without a value or enough clean scans to compare with."""
    yardstick = score.yardstick
    clean = _finite(yardstick.clean) if yardstick is not None else np.empty(0)
    if yardstick is None or not np.isfinite(score.value) or len(clean) < FEWEST:
        return None
    return Standing(_better(clean, score.value, score.better), len(clean), yardstick.simulated)


def error_rates(yardstick: Yardstick, better: str, threshold: float) -> ErrorRates:
    """Count on a yardstick how often a threshold is wrong.

    Parameters
    ----------
    better
        ``low`` or ``high``: which end of the score is good.
    threshold
        A percentile, above 0 and up to 100.
    """
    clean = _finite(yardstick.clean)
    n = len(clean)
    alarms = sum(_reaches(_better(np.delete(clean, i), clean[i], better), n - 1, threshold) for i in range(n))
    misses = {
        name: (sum(not _reaches(_better(clean, value, better), n, threshold) for value in values), len(values))
        for name, values in yardstick.spoilt.items()
    }
    return ErrorRates(threshold, alarms, n, exact_interval(alarms, n), misses)


def _group(judgement: Judgement, group: str, limits: Limits) -> GroupRating | None:
    """Rate the headline of a group: its first score with a yardstick that is large enough."""
    for name, score in judgement.scores.items():
        yardstick = score.yardstick
        if score.group != group or yardstick is None or len(_finite(yardstick.clean)) < FEWEST:
            continue
        found = standing(score)
        given = {level: limit for level in ("warn", "fail") if (limit := getattr(limits, level)) is not None}
        rates = {level: error_rates(yardstick, score.better, limit) for level, limit in given.items()}
        if found is None:  # what cannot be measured must not pass unseen
            return GroupRating(group, name, None, "warn", rates)
        level: Level = "fail" if found.reaches(limits.fail) else "warn" if found.reaches(limits.warn) else "pass"
        return GroupRating(group, name, found, level, rates)
    return None


def _better(clean: NDArray[np.float64], value: float, better: str) -> int:
    return int(np.count_nonzero(clean < value if better == "low" else clean > value))


def _reaches(better: int, n: int, threshold: float) -> bool:
    return n > 0 and 100 * better >= threshold * n


def _finite(values: tuple[float, ...]) -> NDArray[np.float64]:
    array = np.array(values, dtype=np.float64)
    return array[np.isfinite(array)]

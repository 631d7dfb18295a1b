"""How like the calibration subjects a scan is.

Each descriptor becomes a standard score against the reference subjects. A scan's distance is the mean of the largest
absolute score and of their root mean square: one gross oddity raises the first, many small ones the second. The
reference subjects' own distances are found with each of them left out, so they are those of new scans. A reference
subject that is itself far from all others is no reference.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.errors import WeightsError
from mriuq_cli.uncertainty.estimate import Descriptor

_FEWEST = 8
_MANY = 20
_MOST_REASONS = 3
_ODD, _FAR = 3.0, 5.0
"""A reference subject beyond so many times the median distance, and so many SD, is itself unfamiliar.

Of 14 subjects alike (normal descriptors, 3 to 31 of them) one is beyond both in about one draw of a hundred.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Descriptors of reference subjects: ``names`` of the columns, ``rows`` ``(n, d)`` float64, NaN if unknown."""

    names: tuple[str, ...]
    rows: NDArray[np.float64]

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data; NaN becomes null."""
        rows = [[float(v) if math.isfinite(v) else None for v in row] for row in self.rows]
        return {"names": list(self.names), "rows": rows}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Reference:
        """Read what :meth:`to_json` wrote; ValueError if rows and names do not fit."""
        names = tuple(map(str, data["names"]))
        rows = [[math.nan if v is None else float(v) for v in row] for row in data["rows"]]
        if any(len(row) != len(names) for row in rows):
            raise ValueError("familiarity rows and names do not fit")
        return cls(names, np.array(rows, dtype=np.float64).reshape(len(rows), len(names)))


@dataclass(frozen=True, slots=True)
class Familiarity:
    """Verdict on one scan.

    Parameters
    ----------
    distance, threshold
        In standard deviations of the reference subjects; infinite if a descriptor has no value.
    percentile
        Percentage of reference subjects that are nearer than this scan.
    n
        Number of reference subjects, without those that are unlike the others themselves.
    familiar
        True if ``distance <= threshold``.
    reasons
        What is unusual, in words, most extreme first; empty if familiar.
    false_alarm
        Share of familiar scans that such a threshold is expected to flag; not below ``1 / (n + 1)``.
    false_alarm_interval
        Exact 95 % interval of that share, from the reference subjects beyond the threshold.
    """

    distance: float
    threshold: float
    percentile: float
    n: int
    familiar: bool
    reasons: tuple[str, ...] = ()
    false_alarm: float = math.nan
    false_alarm_interval: tuple[float, float] = (0.0, 1.0)

    def facts(self) -> dict[str, Any]:
        """Return JSON-ready figures; an infinite distance becomes null."""
        return {
            "familiar": self.familiar,
            "distance": self.distance if math.isfinite(self.distance) else None,
            "threshold": self.threshold, "percentile": self.percentile, "n": self.n, "reasons": list(self.reasons),
            "false_alarm": self.false_alarm, "false_alarm_interval": list(self.false_alarm_interval),
        }  # fmt: skip


def reference_for(familiarity: Mapping[str, Reference], available: Collection[str]) -> Reference | None:
    """Return the reference of a situation, or of the nearest one: most inputs in common, fewest beside them."""
    given = frozenset(available)

    def nearness(key: str) -> tuple[int, int]:
        names = frozenset(key.split("+"))
        return len(names & given), -len(names - given)

    return familiarity[max(familiarity, key=nearness)] if familiarity else None


def is_reference_of(familiarity: Mapping[str, Reference], available: Collection[str]) -> bool:
    """Return whether there is a reference of this very situation."""
    return any(frozenset(key.split("+")) == frozenset(available) for key in familiarity)


def judge(descriptors: Sequence[Descriptor], reference: Reference) -> Familiarity:
    """Say how like the reference subjects a scan is.

    Descriptors that the reference does not know are passed over. With fewer than 20 reference subjects the threshold
    is the largest of their distances, else their 95 % quantile.

    Raises
    ------
    WeightsError
        If the reference has fewer than 8 subjects (their spread would be a guess) or knows none of the descriptors.
    """
    n = len(reference.rows)
    described = dict(zip(reference.names, np.isfinite(reference.rows).sum(axis=0), strict=True))
    known = [d for d in descriptors if described.get(d.name, 0) >= _FEWEST]
    if n < _FEWEST or not known:
        raise WeightsError(
            "the calibration cannot say whether a scan is familiar",
            hint=f"It has {n} reference subjects and shares {len(known)} descriptors with the method.",
        )
    rows = reference.rows[:, [reference.names.index(d.name) for d in known]]
    rows, theirs = _without_odd_ones(rows, known)
    n = len(rows)
    values = np.array([d.value for d in known], dtype=np.float64)
    scores = _scores(values, rows, known)
    distances = np.array([_distance(row) for row in theirs])
    threshold = float(distances.max() if n < _MANY else np.quantile(distances, 0.95, method="higher"))
    distance = _distance(scores)
    familiar = distance <= threshold
    return Familiarity(
        distance=distance, threshold=threshold, percentile=100 * float(np.mean(distances < distance)), n=n,
        familiar=familiar, reasons=() if familiar else _reasons(scores, np.abs(theirs).max(axis=0), known),
        false_alarm=(np.count_nonzero(distances > threshold) + 1) / (n + 1),
        false_alarm_interval=exact_interval(int(np.count_nonzero(distances > threshold)), n),
    )  # fmt: skip


familiarity_of = judge
"""The name under which methods use it."""


def _without_odd_ones(
    rows: NDArray[np.float64], known: Sequence[Descriptor]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the reference subjects that resemble each other, and the scores of each against all others.

    A subject much further from the others than most (a cut field of view, say) would widen every spread and the
    threshold with it, so that nothing could be unfamiliar any more; it is left out, down to the fewest that will do.
    """
    while True:
        scores = np.stack([np.nan_to_num(_scores(row, np.delete(rows, i, 0), known)) for i, row in enumerate(rows)])
        distances = np.array([_distance(row) for row in scores])
        worst = int(distances.argmax())
        if len(rows) <= _FEWEST or distances[worst] <= max(_ODD * np.median(distances), _FAR):
            return rows, scores
        rows = np.delete(rows, worst, axis=0)


def exact_interval(k: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Return the Clopper-Pearson interval of a share of which ``k`` of ``n`` were seen."""
    tail = (1 - level) / 2
    if k in (0, n):  # closed form, which spares predict an import
        reach = 1 - tail ** (1 / n)
        return (0.0, reach) if k == 0 else (1 - reach, 1.0)
    from scipy.special import betaincinv

    return float(betaincinv(k, n - k + 1, tail)), float(betaincinv(k + 1, n - k, 1 - tail))


def _scores(values: NDArray[np.float64], rows: NDArray[np.float64], known: Sequence[Descriptor]) -> NDArray[np.float64]:
    """Return standard scores ``(d,)``: 0 on a side that is not unusual, NaN where the value is."""
    floors = np.array([max(d.floor, 1e-12) for d in known])
    # A column that no reference subject has says nothing: its mean is taken to be the value itself.
    described = np.isfinite(rows).sum(axis=0)
    filled = np.where(np.isfinite(rows), rows, 0)
    means = np.where(described > 0, filled.sum(axis=0) / np.maximum(described, 1), values)
    spread = np.where(np.isfinite(rows), rows - means, 0)
    sds = np.sqrt((spread**2).sum(axis=0) / np.maximum(described - 1, 1))
    scores: NDArray[np.float64] = (values - means) / np.maximum(sds, floors)
    silent = np.array([not (d.high if s > 0 else d.low) for d, s in zip(known, scores, strict=True)])
    return np.where(silent & np.isfinite(scores), 0.0, scores)


def _distance(scores: NDArray[np.float64]) -> float:
    if not np.isfinite(scores).all():
        return math.inf
    return float((np.abs(scores).max() + np.sqrt(np.mean(scores**2))) / 2)


def _reasons(scores: NDArray[np.float64], largest: NDArray[np.float64], known: Sequence[Descriptor]) -> tuple[str, ...]:
    """Name the descriptors beyond every reference subject, most extreme first; at least the most extreme one."""
    sizes = np.where(np.isfinite(scores), np.abs(scores), np.inf)
    order = np.argsort(-sizes, kind="stable")
    beyond = [j for j in order if sizes[j] > largest[j]][:_MOST_REASONS] or [int(order[0])]
    words = []
    for j in beyond:
        descriptor = known[j]
        if not np.isfinite(scores[j]):
            words.append(f"{descriptor.name} cannot be described")
        else:
            words.append(descriptor.high if scores[j] > 0 else descriptor.low)
    return tuple(dict.fromkeys(words))

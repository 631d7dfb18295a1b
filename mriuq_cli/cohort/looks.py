"""Which exams of an evaluation the familiarity check flags, and whether those it passes are covered."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mriuq_cli.cohort.evaluation import Look
from mriuq_cli.cohort.gate import GateItem
from mriuq_cli.errors import WeightsError
from mriuq_cli.metrics.tables import finite
from mriuq_cli.uncertainty.conformal import Calibration, find_factors, self_check_descriptor
from mriuq_cli.uncertainty.estimate import Descriptor
from mriuq_cli.uncertainty.familiarity import Familiarity, Reference, is_reference_of, judge, reference_for

_MOST = 100
"""Others that an exam is compared with: judging takes time with the square of their number."""

Coverages = Mapping[tuple[int, str], Mapping[str, float]]
"""Case and situation to target to coverage."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict on one case in one situation.

    ``verdict`` is None where nothing can be compared; ``against`` is ``leave-one-out`` (the other exams of the
    evaluation), ``file`` (a calibration that does not know the exam) or None.
    """

    case: int
    situation: str
    verdict: Familiarity | None
    against: str | None

    @property
    def flagged(self) -> bool:
        """True if the exam is called unfamiliar."""
        return self.verdict is not None and not self.verdict.familiar


def descriptors_of(look: Look, calibration: Calibration) -> tuple[Descriptor, ...]:
    """Return a look's descriptors, its self-check with a calibration's factors among them."""
    shares = self_check(look, calibration)
    return (*look.descriptors, self_check_descriptor(shares)) if shares else look.descriptors


def self_check(look: Look, calibration: Calibration) -> list[float]:
    """Return the share of each given image's voxels inside the interval predicted from the others."""
    shares = []
    for name, (available, scores) in look.checks.items():
        if name in calibration.factors:
            _, factors, _ = find_factors(calibration, name, available)
            shares.append(scores.coverage(factors.lower, factors.upper))
    return shares


def reference_table(rows: Sequence[Sequence[Descriptor]]) -> Reference:
    """Make a reference of subjects' descriptors, one row a subject."""
    names = tuple(dict.fromkeys(descriptor.name for row in rows for descriptor in row))
    values = [{descriptor.name: descriptor.value for descriptor in row} for row in rows]
    table = np.array([[row.get(name, math.nan) for name in names] for row in values], dtype=np.float64)
    return Reference(names, table.reshape(len(rows), len(names)))


def judge_looks(
    looks: Sequence[Look], shipped: Mapping[int, Calibration], factors: Mapping[int, Calibration]
) -> list[Judged]:
    """Judge every look.

    Parameters
    ----------
    shipped
        Case to the calibration whose reference exams it is compared with; other cases are compared with the other
        looks of their situation.
    factors
        Case to the calibration with whose factors its given images are checked in that second way.
    """
    described: dict[str, dict[int, tuple[Descriptor, ...]]] = defaultdict(dict)
    for look in looks:
        own = factors.get(look.case)
        described[look.situation.key][look.case] = look.descriptors if own is None else descriptors_of(look, own)
    found = []
    for look in looks:
        key, known = look.situation.key, shipped.get(look.case)
        if known is not None:
            reference = reference_for(known.familiarity, look.situation.available)
            exact = is_reference_of(known.familiarity, look.situation.available)
            mine = descriptors_of(look, known) if exact else look.descriptors
        else:
            others = [row for case, row in described[key].items() if case != look.case]
            reference = reference_table(others[:: math.ceil(len(others) / _MOST) or 1])
            mine = described[key][look.case]
        verdict = _verdict(mine, reference)
        against = None if verdict is None else "leave-one-out" if known is None else "file"
        found.append(Judged(look.case, key, verdict, against))
    return found


def _verdict(descriptors: Sequence[Descriptor], reference: Reference | None) -> Familiarity | None:
    if reference is None or not descriptors:
        return None
    try:
        return judge(descriptors, reference)
    except WeightsError:  # too few exams to compare with
        return None


def familiarity_section(
    judged: Sequence[Judged], coverages: Coverages, names: Sequence[str], level: float
) -> tuple[dict[str, Any], GateItem]:
    """Return JSON-ready data, and the demand that no exam with a coverage far below the level goes unflagged.

    Far below is .70 for a level of .90, and as far from any other.
    """
    bound = round(level - 0.2, 6)
    looks = []
    low: dict[str, None] = {}
    for one in judged:
        coverage = coverages.get((one.case, one.situation), {})
        if not one.flagged and any(share < bound for share in coverage.values()):
            low[names[one.case]] = None
        verdict = one.verdict
        looks.append({
            "case": names[one.case], "situation": one.situation, "against": one.against,
            "familiar": None if verdict is None else verdict.familiar,
            "distance": None if verdict is None else finite(verdict.distance),
            "threshold": None if verdict is None else finite(verdict.threshold),
            "reasons": [] if verdict is None else list(verdict.reasons),
            "coverage": {target: finite(share) for target, share in coverage.items()},
        })  # fmt: skip
    facts = {"bound": bound, "unflagged_below": list(low), "flagged": sum(one.flagged for one in judged),
             "judged": sum(one.verdict is not None for one in judged), "looks": looks}  # fmt: skip
    return facts, GateItem(_words(bound), "none", ", ".join([str(len(low)), *low]), not low)


def familiarity_line(facts: Mapping[str, Any]) -> str:
    """Return the line that ``evaluate`` prints of it."""
    low = facts["unflagged_below"]
    named = f" ({', '.join(low)})" if low else ""
    judged = f"{facts['judged']} of {len(facts['looks'])} looks could be judged, {facts['flagged']} are flagged"
    return f"{_words(facts['bound'])}: {len(low)}{named}; {judged}"


def _words(bound: float) -> str:
    return f"unflagged exams with coverage below {f'{bound:.2f}'.removeprefix('0')}"

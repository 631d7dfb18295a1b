"""The uncertainty gate: what intervals must hold on subjects the weights never saw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mriuq_cli.cohort.figures import SubjectFigures
from mriuq_cli.metrics.tables import Summary, paired_difference, summarise
from mriuq_cli.uncertainty.stretch import Rule


@dataclass(frozen=True, slots=True)
class GateItem:
    """One demand; ``passed`` is None where a figure is reported and nothing is demanded."""

    item: str
    demand: str
    found: str
    passed: bool | None

    def facts(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {"item": self.item, "demand": self.demand, "found": self.found, "passed": self.passed}


_FEWEST = 2


def gate(subjects: Sequence[SubjectFigures], level: float, rule: Rule) -> list[GateItem]:
    """Hold the figures of one target in one situation against the demands.

    Stated for a level of .90; for another level the bounds keep their distance from it. Its means and rivals are of
    several people: for one there is no gate.
    """
    if len(subjects) < _FEWEST:
        return []
    return [*_coverage(subjects, level, rule), _conditional(subjects, level), *_sharp(subjects), *_order(subjects),
            *_aims(subjects), *_regions(subjects)]  # fmt: skip


def column(subjects: Sequence[SubjectFigures], name: str) -> list[float]:
    """Return one figure of every subject."""
    return [float(getattr(subject, name)) for subject in subjects]


def _summary(subjects: Sequence[SubjectFigures], name: str) -> Summary:
    return summarise(column(subjects, name))


def _coverage(subjects: Sequence[SubjectFigures], level: float, rule: Rule) -> list[GateItem]:
    found = _summary(subjects, "coverage")
    low, high, worst = round(level - 0.02, 6), round(level + 0.03, 6), round(level - 0.1, 6)
    mean, smallest = f"mean {found.mean:.3f}", f"worst {found.smallest:.3f}"
    if rule == "risk":
        return [GateItem("coverage", f"mean >= {level:g} (risk)", mean, found.mean >= level)]
    return [
        GateItem("coverage", f"mean in [{low:g}, {high:g}]", mean, low <= found.mean <= high),
        GateItem("coverage, worst subject", f">= {worst:g}", smallest, found.smallest >= worst),
    ]


def _conditional(subjects: Sequence[SubjectFigures], level: float) -> GateItem:
    low, high = round(level - 0.06, 6), round(level + 0.06, 6)
    parts = quintiles(subjects)
    found = " ".join(f"{part:.3f}" for part in parts)
    passed = bool(parts) and all(low <= part <= high for part in parts)
    return GateItem("coverage by fifths of width", f"each in [{low:g}, {high:g}]", found, passed)


def quintiles(subjects: Sequence[SubjectFigures]) -> list[float]:
    """Return the mean over subjects of the coverage in each fifth of predicted width."""
    rows = [subject.quintiles for subject in subjects if subject.quintiles]
    return [summarise(part).mean for part in zip(*rows, strict=True)]


def _sharp(subjects: Sequence[SubjectFigures]) -> list[GateItem]:
    ours, flat = column(subjects, "interval_score"), column(subjects, "constant_score")
    better = sum(a < b for a, b in zip(ours, flat, strict=True))
    gap = paired_difference(column(subjects, "sampled_score"), column(subjects, "intensity_score"))
    return [
        GateItem(
            "sharper than constant width", "interval score lower on every subject",
            f"{summarise(ours).mean:.3f} against {summarise(flat).mean:.3f}, lower on {better} of {len(ours)}",
            better == len(ours),
        ),
        GateItem(
            "sharper than width by intensity", "mean difference of interval scores below 0 (95 % bootstrap)",
            f"{gap.mean:+.3f} [{gap.low:+.3f}, {gap.high:+.3f}]", gap.below_zero,
        ),
    ]  # fmt: skip


def _order(subjects: Sequence[SubjectFigures]) -> list[GateItem]:
    items = []
    for name, lower_is_better in (("ause", True), ("spearman", False)):
        ours = _summary(subjects, name).mean
        for rival in ("intensity", "gradient"):
            theirs = _summary(subjects, f"{rival}_{name}").mean
            passed = ours < theirs if lower_is_better else ours > theirs
            word = "AUSE below" if lower_is_better else "Spearman above"
            items.append(GateItem(f"{word} that of {rival}", "mean over subjects", f"{ours:.3f} against {theirs:.3f}",
                                  passed if not math.isnan(theirs) else False))  # fmt: skip
    return items


def _aims(subjects: Sequence[SubjectFigures]) -> list[GateItem]:
    ours, flat = _summary(subjects, "interval_score").mean, _summary(subjects, "constant_score").mean
    return [
        GateItem("aim: interval score", "10 % below constant width", f"{100 * (ours / flat - 1):+.1f} %", None),
        GateItem("aim: AUSE", "<= .5 of a random order", f"{_summary(subjects, 'ause').mean:.3f}", None),
        GateItem("aim: Spearman", ">= .4", f"{_summary(subjects, 'spearman').mean:.3f}", None),
    ]


def _regions(subjects: Sequence[SubjectFigures]) -> list[GateItem]:
    names = sorted({name for subject in subjects for name in subject.regions})
    found = {name: summarise([s.regions.get(name, math.nan) for s in subjects]) for name in names}
    return [
        GateItem(f"coverage, {name}", "reported", f"mean {s.mean:.3f}, worst {s.smallest:.3f}, n {s.n}", None)
        for name, s in found.items()
    ]

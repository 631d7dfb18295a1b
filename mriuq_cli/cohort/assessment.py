"""Everything that ``evaluate`` says, as JSON-ready data: rows, paired comparisons, the gate."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mriuq_cli.cohort.calibrating import group_records, left_out_pairs
from mriuq_cli.cohort.figures import SubjectFigures, subject_figures
from mriuq_cli.cohort.gate import GateItem, column, gate, quintiles
from mriuq_cli.cohort.looks import Judged, familiarity_line, familiarity_section
from mriuq_cli.cohort.records import Record, dropped_words
from mriuq_cli.metrics.tables import finite, paired_difference, summarise
from mriuq_cli.uncertainty.conformal import Calibration, find_factors
from mriuq_cli.uncertainty.stretch import UNCHANGED, Rule, Stretch

IMAGE_FIGURES = ("psnr_mean", "psnr", "ssim", "mae", "rmse")
INTERVAL_FIGURES = (
    "coverage", "width", "interval_score", "ause", "spearman", "outlier_auroc", "contrast_auroc",
    "constant_score", "constant_coverage", "sampled_score", "intensity_score", "intensity_coverage",
    "intensity_ause", "intensity_spearman", "gradient_ause", "gradient_spearman",
)  # fmt: skip
_TREES = ("tree", "boost")


def assess(
    records: Sequence[Record], names: Sequence[str], level: float, rule: Rule, calibration: Calibration | None,
    *, method: str, left_out: bool, thorough: frozenset[str], judged: Sequence[Judged] = (),
) -> dict[str, Any]:  # fmt: skip
    """Turn the records of one group of cases into rows, comparisons and the gate.

    Parameters
    ----------
    names
        Id of each case, by position.
    left_out
        Calibrate each case with all the others.
    thorough
        Keys of the situations for which baselines are compared and the gate is held.
    judged
        Verdicts of the familiarity check.
    """
    rows: list[dict[str, Any]] = []
    comparisons: list[dict[str, Any]] = []
    gates: list[dict[str, Any]] = []
    widths: dict[str, dict[str, float]] = {}
    coverages: dict[tuple[int, str], dict[str, float]] = defaultdict(dict)
    for target, groups in group_records(records).items():
        pairs = left_out_pairs(groups, level, rule) if left_out else _stretched(groups, calibration)
        for key, group in groups.items():
            subjects = subject_figures(group, level, rule, pairs[key])
            rows.append(_method_row(group, subjects, names, method))
            widths.setdefault(target, {})[key] = summarise(column(subjects, "width")).mean
            for subject in subjects:
                coverages[subject.case, key][target] = subject.coverage
            if key in thorough:
                rows += _baseline_rows(group)
                comparisons += compare(group)
                items = gate(subjects, level, rule)
                gates.append({"target": target, "situation": key, "items": [item.facts() for item in items]})
    cases = [names[i] for i in dict.fromkeys(record.case for record in sorted(records, key=lambda r: r.case))]
    familiarity, unflagged = familiarity_section(judged, coverages, names, level)
    claims = [*monotone(widths), unflagged]
    return {"cases": cases, "rows": rows, "paired": comparisons, "gate": gates, "narrower": narrower(widths),
            "claims": [claim.facts() for claim in claims], "familiarity": familiarity,
            "notes": [dropped_words(records), familiarity_line(familiarity)]}  # fmt: skip


def _stretched(groups: Mapping[str, Sequence[Record]], calibration: Calibration | None) -> dict[str, list[Stretch]]:
    """Return the stretch of every record of a target: as a calibration says, without one none."""
    pairs = {}
    for key, group in groups.items():
        pair = UNCHANGED
        if calibration is not None:
            _, known, _ = find_factors(calibration, group[0].target, group[0].situation.available)
            pair = Stretch(known.lower, known.upper)
        pairs[key] = [pair] * len(group)
    return pairs


def _method_row(
    group: Sequence[Record], subjects: Sequence[SubjectFigures], names: Sequence[str], method: str
) -> dict[str, Any]:
    per_case: list[dict[str, Any]] = []
    for record, subject in zip(group, subjects, strict=True):
        figures = {name: record.figures.get(name, math.nan) for name in IMAGE_FIGURES}
        figures |= {name: float(getattr(subject, name)) for name in INTERVAL_FIGURES}
        figures |= {f"coverage_{name}": share for name, share in subject.regions.items()}
        figures["dropped"] = float(record.dropped)
        per_case.append({"case": names[record.case], **{n: finite(v) for n, v in figures.items()}})
    known = dict.fromkeys(name for entry in per_case for name in entry if name != "case")
    return {
        **_row(method, group),
        "figures": {name: _summary([entry.get(name) for entry in per_case]) for name in known},
        "authors": {name: summarise([record.authors[name] for record in group]).facts() for name in group[0].authors},
        "quintiles": [finite(part) for part in quintiles(subjects)],
        "per_case": per_case,
    }


def _baseline_rows(group: Sequence[Record]) -> list[dict[str, Any]]:
    rows = []
    for name in _baselines(group):
        figures = {
            figure: summarise([r.baselines[name].get(figure, math.nan) for r in group]).facts()
            for figure in ("psnr", "ssim", "mae", "rmse")
        }
        rows.append({**_row(name, group), "figures": figures, "authors": {}, "quintiles": [], "per_case": []})
    return rows


def _row(predictor: str, group: Sequence[Record]) -> dict[str, Any]:
    first = group[0]
    return {
        "predictor": predictor, "target": first.target, "situation": first.situation.key, "unit": first.unit,
        "n": len(group),
    }  # fmt: skip


def _summary(values: Sequence[float | None]) -> dict[str, float | int | None]:
    return summarise([math.nan if value is None else value for value in values]).facts()


def _baselines(group: Sequence[Record]) -> list[str]:
    """Return the baselines that every subject of the group has."""
    return [name for name in group[0].baselines if all(name in record.baselines for record in group)]


def compare(group: Sequence[Record]) -> list[dict[str, Any]]:
    """Compare with the best simple baseline and with boosted trees, paired over subjects.

    MAE is the value's, PSNR that of the mean where the method has one. "Best" is chosen apart for MAE and PSNR.
    """
    known = _baselines(group)
    trees = [name for name in known if any(word in name for word in _TREES)]
    simple = [name for name in known if name not in trees]
    found = []
    for rivals, kind in ((simple, "best simple"), (trees, "boosted trees")):
        for figure, sign in (("mae", 1), ("psnr", -1)) if rivals else ():
            means = {n: sign * summarise([r.baselines[n][figure] for r in group]).mean for n in rivals}
            best = min(means, key=lambda n: means[n])
            theirs = [r.baselines[best][figure] for r in group]
            ours = [r.figures.get("psnr_mean", r.figures["psnr"]) if figure == "psnr" else r.figures[figure]
                    for r in group]  # fmt: skip
            gap = paired_difference(ours, theirs)
            relative = summarise(ours).mean / summarise(theirs).mean - 1 if figure == "mae" else math.nan
            found.append({
                "target": group[0].target, "situation": group[0].situation.key, "kind": kind, "baseline": best,
                "figure": figure, "difference": gap.facts(), "relative": finite(relative),
                "better": gap.below_zero if sign > 0 else gap.above_zero,
            })  # fmt: skip
    return found


def narrower(widths: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return the pairs of situations in which fewer inputs give narrower intervals on average: ideally none."""
    return [
        {"target": target, "fewer": few, "more": many, "width_fewer": widths[target][few],
         "width_more": widths[target][many]}
        for target, few, many in _nested(widths) if widths[target][few] < widths[target][many]
    ]  # fmt: skip


def monotone(widths: Mapping[str, Mapping[str, float]]) -> list[GateItem]:
    """Return the demand that fewer inputs never give narrower intervals; none without situations to compare."""
    pairs = len(_nested(widths))
    if not pairs:
        return []
    found = len(narrower(widths))
    item = "fewer inputs, never narrower intervals"
    return [GateItem(item, "mean width, each pair of situations", f"{found} of {pairs} pairs narrower", not found)]


def _nested(widths: Mapping[str, Mapping[str, float]]) -> list[tuple[str, str, str]]:
    """Return target, situation, and each situation that holds all its inputs and more."""
    return [
        (target, few, many) for target, keys in widths.items() for few in keys for many in keys
        if set(few.split("+")) < set(many.split("+"))
    ]  # fmt: skip

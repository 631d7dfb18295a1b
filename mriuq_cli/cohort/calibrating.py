"""From collected predictions to a calibration."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from mriuq_cli.cohort.evaluation import Collected, Look
from mriuq_cli.cohort.looks import descriptors_of, reference_table
from mriuq_cli.cohort.records import Record
from mriuq_cli.errors import WeightsError
from mriuq_cli.uncertainty.conformal import Calibration, Factors, fit_factors
from mriuq_cli.uncertainty.estimate import Descriptor
from mriuq_cli.uncertainty.familiarity import Reference
from mriuq_cli.uncertainty.stretch import UNCHANGED, Rule, Stretch, leave_one_out

_FEWEST = 3


def group_records(records: Sequence[Record]) -> dict[tuple[str, str], list[Record]]:
    """Return the records of each target and situation, in order of cases."""
    groups: dict[tuple[str, str], list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda r: r.case):
        groups[record.target, record.situation.key].append(record)
    return dict(groups)


def fit_calibration(
    found: Collected, level: float, rule: Rule, *, method: str, weights: Sequence[str],
    subjects: Sequence[Sequence[str]], cross_fitted: bool, made_for: Sequence[str] = (),
) -> Calibration:  # fmt: skip
    """Fit factors for every target and situation, and describe what the subjects look like.

    Parameters
    ----------
    weights
        Hashes of the weights that predicted.
    subjects
        Fingerprints of each case that was predicted.
    made_for
        Hashes of weights that the calibration will ship with, where those are others.

    Raises
    ------
    WeightsError
        If there are too few subjects for the rule.
    """
    factors: dict[str, dict[str, Factors]] = defaultdict(dict)
    for (target, key), records in group_records(found.records).items():
        names = {name for record in records for name in record.regions}
        regions = {name: [record.regions.get(name) for record in records] for name in sorted(names)}
        factors[target][key] = fit_factors([r.scores for r in records], level, rule, regions)
    calibration = Calibration(
        method=method, weights_sha256=tuple(weights), level=level, rule=rule, n=len(subjects),
        subjects=tuple(tuple(sorted(prints)) for prints in subjects), factors=dict(factors),
        cross_fitted=cross_fitted, made_for=tuple(made_for),
    )  # fmt: skip
    return replace(calibration, familiarity=_references(found.looks, left_out(found.records, calibration)))


def left_out(records: Sequence[Record], calibration: Calibration) -> dict[int, Calibration]:
    """Return for each case the calibration that all the others make (factors only)."""
    theirs: dict[int, dict[str, dict[str, Factors]]] = defaultdict(lambda: defaultdict(dict))
    for (target, key), group in group_records(records).items():
        pairs: Sequence[Stretch]
        try:
            pairs = leave_one_out([r.scores for r in group], calibration.level, calibration.rule)
        except WeightsError:  # too few to leave one out: as good as it gets
            known = calibration.factors.get(target, {}).get(key)
            pairs = [Stretch(known.lower, known.upper) if known else UNCHANGED] * len(group)
        for record, pair in zip(group, pairs, strict=True):
            theirs[record.case][target][key] = Factors(*pair, math.nan, math.nan, math.nan)
    return {case: replace(calibration, factors=factors) for case, factors in theirs.items()}


def _references(looks: Sequence[Look], calibrations: Mapping[int, Calibration]) -> dict[str, Reference]:
    """Return a reference for every situation in which at least three subjects have descriptors."""
    rows: dict[str, list[Sequence[Descriptor]]] = defaultdict(list)
    for look in sorted(looks, key=lambda one: one.case):
        found = descriptors_of(look, calibrations[look.case])
        if found:
            rows[look.situation.key].append(found)
    return {key: reference_table(found) for key, found in rows.items() if len(found) >= _FEWEST}

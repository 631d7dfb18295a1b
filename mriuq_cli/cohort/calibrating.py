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
from mriuq_cli.uncertainty.conformal import Calibration, Factors, state_factors
from mriuq_cli.uncertainty.estimate import Descriptor
from mriuq_cli.uncertainty.familiarity import Reference
from mriuq_cli.uncertainty.nested import fit_nested, leave_one_out_nested
from mriuq_cli.uncertainty.scores import Scores
from mriuq_cli.uncertainty.stretch import UNCHANGED, Rule, Stretch

_FEWEST = 3


def group_records(records: Sequence[Record]) -> dict[str, dict[str, list[Record]]]:
    """Return target to situation to records, in order of cases."""
    groups: dict[str, dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in sorted(records, key=lambda r: r.case):
        groups[record.target][record.situation.key].append(record)
    return {target: dict(known) for target, known in groups.items()}


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
    for target, groups in group_records(found.records).items():
        pairs = fit_nested(_scores(groups), level, rule)
        without = left_out_pairs(groups, level, rule)
        for key, group in groups.items():
            names = sorted({name for record in group for name in record.regions})
            regions = {name: [record.regions.get(name) for record in group] for name in names}
            scores = [record.scores for record in group]
            factors[target][key] = state_factors(pairs[key], scores, without.get(key, ()), regions)
    calibration = Calibration(
        method=method, weights_sha256=tuple(weights), level=level, rule=rule, n=len(subjects),
        subjects=tuple(tuple(sorted(prints)) for prints in subjects), factors=dict(factors),
        cross_fitted=cross_fitted, made_for=tuple(made_for),
    )  # fmt: skip
    return replace(calibration, familiarity=_references(found.looks, left_out(found.records, calibration)))


def left_out_pairs(groups: Mapping[str, Sequence[Record]], level: float, rule: Rule) -> Mapping[str, Sequence[Stretch]]:
    """Return for each situation of one target the stretch without each subject; empty if nobody can be left out."""
    try:
        return leave_one_out_nested(_scores(groups), level, rule)
    except WeightsError:
        return {}


def left_out(records: Sequence[Record], calibration: Calibration) -> dict[int, Calibration]:
    """Return for each case the calibration that all the others make (factors only)."""
    theirs: dict[int, dict[str, dict[str, Factors]]] = defaultdict(lambda: defaultdict(dict))
    for target, groups in group_records(records).items():
        without = left_out_pairs(groups, calibration.level, calibration.rule)
        for key, group in groups.items():
            known = calibration.factors.get(target, {}).get(key)  # of all of them: as good as it gets
            same = Stretch(known.lower, known.upper) if known else UNCHANGED
            for record, pair in zip(group, without.get(key) or [same] * len(group), strict=True):
                theirs[record.case][target][key] = Factors(*pair, math.nan, math.nan, math.nan)
    return {case: replace(calibration, factors=factors) for case, factors in theirs.items()}


def _scores(groups: Mapping[str, Sequence[Record]]) -> dict[str, list[Scores]]:
    return {key: [record.scores for record in group] for key, group in groups.items()}


def _references(looks: Sequence[Look], calibrations: Mapping[int, Calibration]) -> dict[str, Reference]:
    """Return a reference for every situation in which at least three subjects have descriptors."""
    rows: dict[str, list[Sequence[Descriptor]]] = defaultdict(list)
    for look in sorted(looks, key=lambda one: one.case):
        found = descriptors_of(look, calibrations[look.case])
        if found:
            rows[look.situation.key].append(found)
    return {key: reference_table(found) for key, found in rows.items() if len(found) >= _FEWEST}

"""Figures of calibrated intervals, each subject judged with factors that it had no part in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.cohort.records import Record, Sample
from mriuq_cli.errors import WeightsError
from mriuq_cli.metrics import regression as measure
from mriuq_cli.uncertainty.stretch import Rule, Stretch, leave_one_out

_BINS = 20
_FIT = 50_000
_NAN = math.nan


@dataclass(frozen=True, slots=True)
class SubjectFigures:
    """Figures of one subject in one situation, for one target.

    ``quintiles`` is the coverage in fifths of the voxels by predicted width, narrowest first. ``constant_...`` is an
    interval of one width about the same value, ``intensity_...`` one whose bounds depend on the predicted value alone;
    both are fitted on the other subjects. ``sampled_score`` is the method's interval score on the very voxels that
    ``intensity_score`` is taken from.
    """

    case: int
    coverage: float
    width: float
    interval_score: float
    regions: dict[str, float] = field(default_factory=dict)
    quintiles: tuple[float, ...] = ()
    ause: float = _NAN
    spearman: float = _NAN
    outlier_auroc: float = _NAN
    contrast_auroc: float = _NAN
    constant_score: float = _NAN
    constant_coverage: float = _NAN
    sampled_score: float = _NAN
    intensity_score: float = _NAN
    intensity_coverage: float = _NAN
    intensity_ause: float = _NAN
    intensity_spearman: float = _NAN
    gradient_ause: float = _NAN
    gradient_spearman: float = _NAN


def subject_figures(
    records: Sequence[Record], level: float, rule: Rule, pairs: Sequence[Stretch]
) -> list[SubjectFigures]:
    """Return the figures of each record; the records are one situation and one target, one a subject.

    ``pairs`` is how far the intervals of each are stretched.
    """
    constant = _others_flat(records, level, rule)
    return [_figures(i, records, pairs[i], constant[i] if constant else None, level) for i in range(len(records))]


def _others_flat(records: Sequence[Record], level: float, rule: Rule) -> list[Stretch] | None:
    flat = [r.flat for r in records if r.flat is not None]
    try:
        return leave_one_out(flat, level, rule) if len(flat) == len(records) else None
    except WeightsError:
        return None


def _figures(
    i: int, records: Sequence[Record], pair: Stretch, constant: Stretch | None, level: float
) -> SubjectFigures:
    record = records[i]
    found = SubjectFigures(
        case=record.case,
        coverage=record.scores.coverage(*pair),
        width=record.scores.width(*pair),
        interval_score=record.scores.interval_score(*pair, level),
        regions={name: scores.coverage(*pair) for name, scores in record.regions.items()},
    )
    values = {name: getattr(found, name) for name in ("case", "coverage", "width", "interval_score", "regions")}
    if constant is not None and record.flat is not None:
        values["constant_score"] = record.flat.interval_score(*constant, level)
        values["constant_coverage"] = record.flat.coverage(*constant)
    if record.sample is not None:
        values |= _of_order(record.sample, pair, level)
        others = [r.sample for k, r in enumerate(records) if k != i and r.sample is not None]
        if others:
            values |= _of_intensity(record.sample, others, level)
    return SubjectFigures(**values)


def _of_order(sample: Sample, pair: Stretch, level: float) -> dict[str, object]:
    """Return what a sample says of the order of widths."""
    lower = sample.value - np.float32(pair.lower) * (sample.value - sample.lower)
    upper = sample.value + np.float32(pair.upper) * (sample.upper - sample.value)
    error, width = np.abs(sample.truth - sample.value), upper - lower
    found: dict[str, object] = {
        "quintiles": tuple(measure.coverage_by_width(lower, upper, sample.truth)),
        "sampled_score": measure.interval_score(lower, upper, sample.truth, level),
        "ause": measure.ause(error, width), "spearman": measure.spearman(error, width),
        "gradient_ause": measure.ause(error, sample.gradient),
        "gradient_spearman": measure.spearman(error, sample.gradient),
    }  # fmt: skip
    if sample.tumour.any():
        beyond = measure.exceedance(sample.value, lower, upper, sample.truth)
        found["outlier_auroc"] = measure.auroc(beyond, sample.tumour)
        found["contrast_auroc"] = measure.auroc(np.abs(sample.truth), sample.tumour)
    return found


def _of_intensity(sample: Sample, others: Sequence[Sample], level: float) -> dict[str, object]:
    """Return figures of intervals that know the predicted value and nothing else, fitted on the other subjects."""
    centres, low, high = intensity_bounds(others, level)
    lower = sample.value + np.interp(sample.value, centres, low).astype(np.float32)
    upper = sample.value + np.interp(sample.value, centres, high).astype(np.float32)
    error = np.abs(sample.truth - sample.value)
    return {
        "intensity_score": measure.interval_score(lower, upper, sample.truth, level),
        "intensity_coverage": measure.coverage(lower, upper, sample.truth),
        "intensity_ause": measure.ause(error, upper - lower),
        "intensity_spearman": measure.spearman(error, upper - lower),
    }


Column = NDArray[np.float64]


def intensity_bounds(samples: Sequence[Sample], level: float) -> tuple[Column, Column, Column]:
    """Return residual quantiles by predicted value: centres of equally filled bins, lower and upper quantile."""
    per = [slice(None, None, max(1, s.value.size // _FIT)) for s in samples]
    value = np.concatenate([s.value[p] for s, p in zip(samples, per, strict=True)])
    residual = np.concatenate([(s.truth - s.value)[p] for s, p in zip(samples, per, strict=True)])
    order = np.argsort(value)
    centres, low, high = [], [], []
    for part in np.array_split(order, _BINS):
        if part.size:
            centres.append(float(np.median(value[part])))
            quantiles = np.quantile(residual[part], [(1 - level) / 2, (1 + level) / 2])
            low.append(float(quantiles[0]))
            high.append(float(quantiles[1]))
    return np.array(centres), np.array(low), np.array(high)

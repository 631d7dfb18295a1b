"""What is said of a case: the method's raw prediction, calibrated, checked against itself, judged for familiarity.

Arithmetic only; nothing is written here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.case import Case
from mriuq_cli.errors import InputError, MethodError, WeightsError
from mriuq_cli.uncertainty.conformal import (
    Calibration,
    CalibrationNote,
    calibrate_check,
    calibrate_estimate,
    self_check_descriptor,
)
from mriuq_cli.uncertainty.estimate import Check, Descriptor, Estimate, Mask, Prediction
from mriuq_cli.uncertainty.familiarity import Familiarity, judge, reference_for
from mriuq_cli.uncertainty.interval import outlier_map, share_inside

NOT_CALIBRATED = "not calibrated: how often these intervals hold is not known"
_WHOLE = 0.9
"""Share of the brain that a check must speak of before it is shown as a map; a sample of voxels is far below."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A prediction after the core has had its say.

    Parameters
    ----------
    estimates
        Calibrated, in the method's own unit.
    notes
        What calibration was applied to each target; empty if there is none.
    maps
        Images to write as they are.
    inside
        Share of each given image's voxels inside the interval predicted from the others.
    familiarity
        How like the reference exams this one is; None where there is no reference.
    """

    estimates: Mapping[str, Estimate]
    notes: Mapping[str, CalibrationNote]
    maps: Mapping[str, NDArray[Any]]
    inside: Mapping[str, float]
    familiarity: Familiarity | None
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def self_check(self) -> float | None:
        """Mean share inside over the checks, None without checks."""
        return float(np.mean(list(self.inside.values()))) if self.inside else None


def settle(
    prediction: Prediction, case: Case, targets: tuple[str, ...], calibration: Calibration | None, *, outliers: bool
) -> Answer:
    """Turn a raw prediction into what is told to the person.

    Parameters
    ----------
    targets
        What was to be predicted.
    outliers
        Whether checks that speak of the whole brain become outlier maps.

    Raises
    ------
    MethodError
        If the method answered another question, or on another grid.
    """
    _require_sound(prediction, case, targets)
    available = prediction.available or tuple(case.volumes)
    estimates: dict[str, Estimate] = {}
    notes: dict[str, CalibrationNote] = {}
    for name, raw in prediction.estimates.items():
        estimates[name] = raw
        if calibration is not None:
            estimates[name], notes[name] = calibrate_estimate(raw, name, available, calibration)
    checks, inside = _settle_checks(prediction.checks, calibration)
    maps = dict(prediction.maps)
    if outliers:
        maps |= _outlier_maps(checks, _brain(case, estimates))
    descriptors = (*prediction.descriptors, *([self_check_descriptor(list(inside.values()))] if inside else ()))
    familiarity, unknown = _judged(descriptors, available, calibration)
    warnings = [*case.warnings, *prediction.notes, *unknown]
    warnings += [warning for note in notes.values() for warning in note.warnings]
    if calibration is None and (estimates or checks):
        warnings.append(NOT_CALIBRATED)
    if familiarity is not None and not familiarity.familiar:
        warnings.append(f"unfamiliar: {'; '.join(familiarity.reasons)}")
    return Answer(estimates, notes, maps, inside, familiarity, tuple(dict.fromkeys(warnings)), dict(prediction.facts))


def refuse_unfamiliar(answer: Answer, case_id: str) -> None:
    """Raise InputError if the exam is unlike the reference exams."""
    if answer.familiarity is not None and not answer.familiarity.familiar:
        raise InputError(
            f"unfamiliar: {'; '.join(answer.familiarity.reasons)}",
            where=case_id,
            hint="Intervals may not hold for it; without --refuse-unfamiliar it is predicted with a warning.",
        )


def _require_sound(prediction: Prediction, case: Case, targets: tuple[str, ...]) -> None:
    if not isinstance(prediction, Prediction):
        raise MethodError(f"mriuq_predict returned {type(prediction).__name__}, not a Prediction")
    strangers = sorted(set(prediction.estimates) - set(targets))
    if strangers:
        raise MethodError(f"mriuq_predict answered for {', '.join(strangers)}, which nobody asked for")
    if targets and not prediction.estimates:
        raise MethodError(f"mriuq_predict gave no estimate of {', '.join(targets)}")
    for name, estimate in prediction.estimates.items():
        for array in (estimate.value, estimate.lower, estimate.upper, estimate.mask):
            if array.shape != case.geometry.shape:
                raise MethodError(f"the estimate of {name} has shape {array.shape}, the case {case.geometry.shape}")
        if not all(bool(np.isfinite(a).all()) for a in (estimate.value, estimate.lower, estimate.upper)):
            raise MethodError(f"the estimate of {name} holds numbers that are not finite")
    for name, array in prediction.maps.items():
        if array.shape != case.geometry.shape:
            raise MethodError(f"the map {name} has shape {array.shape}, the case {case.geometry.shape}")


def _settle_checks(
    checks: Mapping[str, Check], calibration: Calibration | None
) -> tuple[dict[str, Check], dict[str, float]]:
    """Return the checks with calibrated intervals, and the share of each image that its interval holds."""
    settled, inside = {}, {}
    for name, check in checks.items():
        if calibration is None:
            estimate, share = check.estimate, share_inside(check.estimate, check.observed)
        else:
            estimate, share = calibrate_check(check, name, calibration)
        settled[name] = replace(check, estimate=estimate)
        if np.isfinite(share):
            inside[name] = share
    return settled, inside


def _judged(
    descriptors: tuple[Descriptor, ...], available: tuple[str, ...], calibration: Calibration | None
) -> tuple[Familiarity | None, tuple[str, ...]]:
    """Return the verdict, or None and the sentence that says why there is none."""
    reference = reference_for(calibration.familiarity, available) if calibration else None
    if reference is None or not descriptors:
        return None, ()
    try:
        return judge(descriptors, reference), ()
    except WeightsError as error:  # a person's own calibration on one or two exams still calibrates
        return None, (error.what,)


def _brain(case: Case, estimates: Mapping[str, Estimate]) -> Mask:
    if estimates:
        return next(iter(estimates.values())).mask
    if case.mask is not None:
        return case.mask
    brain: Mask = np.zeros(case.geometry.shape, dtype=bool)
    for volume in case.volumes.values():
        brain |= volume.data != 0
    return brain


def _outlier_maps(checks: Mapping[str, Check], brain: Mask) -> dict[str, NDArray[Any]]:
    size = int(np.count_nonzero(brain))
    maps = {}
    for name, check in checks.items():
        if size and np.count_nonzero(check.estimate.mask & brain) >= _WHOLE * size:
            maps[f"{name}_outlier"] = outlier_map(check.estimate, check.observed)
    return maps

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
from mriuq_cli.uncertainty.familiarity import Familiarity, is_reference_of, judge, reference_for
from mriuq_cli.uncertainty.interval import outlier_map, share_inside

NOT_CALIBRATED = "not calibrated: how often these intervals hold is not known"
_NOT_JUDGED = "no exams to compare with: whether this scan is familiar is not known"
_WHOLE = 0.9
"""Share of the brain below which an outlier map comes with a warning."""


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
        How like the reference exams this one is; None where that cannot be said.
    unjudged
        Why it cannot be said, in words; empty otherwise.
    """

    estimates: Mapping[str, Estimate]
    notes: Mapping[str, CalibrationNote]
    maps: Mapping[str, NDArray[Any]]
    inside: Mapping[str, float]
    familiarity: Familiarity | None
    unjudged: str = ""
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def self_check(self) -> float | None:
        """Mean share inside over the checks, None without checks."""
        return float(np.mean(list(self.inside.values()))) if self.inside else None


def settle(
    prediction: Prediction,
    case: Case,
    targets: tuple[str, ...],
    calibration: Calibration | None,
    *,
    outliers: tuple[str, ...] = (),
    weights: str | None = None,
) -> Answer:
    """Turn a raw prediction into what is told to the person.

    Parameters
    ----------
    targets
        What was to be predicted.
    outliers
        Given images of which an outlier map was asked for.
    weights
        Hash of the weights that predicted; None for a method without a network.

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
            estimates[name], note = calibrate_estimate(raw, name, available, calibration)
            notes[name] = replace(note, ours=calibration.speaks_for(weights))
    inside = _shares_inside(prediction.checks, calibration)
    unchecked = _unchecked(prediction.checks, calibration)
    maps, unseen = _outlier_maps(prediction.outliers, outliers, calibration, _brain(case, estimates))
    familiarity, unjudged = _judged(prediction.descriptors, inside, available, calibration)
    warnings = [*case.warnings, *prediction.notes, *unchecked, *unseen]
    warnings += [warning for note in notes.values() for warning in note.warnings]
    if calibration is None and (estimates or inside or maps):
        warnings.append(NOT_CALIBRATED)
    if unjudged:
        warnings.append(unjudged)
    if familiarity is not None and not familiarity.familiar:
        warnings.append(f"unfamiliar: {'; '.join(familiarity.reasons)}")
    told = tuple(dict.fromkeys(warnings))
    facts = dict(prediction.facts)
    return Answer(estimates, notes, dict(prediction.maps) | maps, inside, familiarity, unjudged, told, facts)


def refuse_unfamiliar(answer: Answer, case_id: str) -> None:
    """Raise InputError if the exam is unlike the reference exams, WeightsError if there is nothing to compare with."""
    if answer.familiarity is None:
        raise WeightsError(
            answer.unjudged, where=case_id, hint="Without --refuse-unfamiliar it is predicted with a warning."
        )
    if not answer.familiarity.familiar:
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
    for name, check in (*prediction.checks.items(), *prediction.outliers.items()):
        if name not in case.volumes:
            raise MethodError(f"the check of {name} is of an image that is not given")
        if not check.estimate.mask.shape == check.observed.shape == case.geometry.shape:
            raise MethodError(f"the check of {name} has shape {check.observed.shape}, the case {case.geometry.shape}")


def _knows(calibration: Calibration | None, name: str) -> bool:
    """Return whether a check of an image can be made: a calibration of one situation knows its targets alone."""
    return calibration is None or name in calibration.factors


def _unchecked(checks: Mapping[str, Check], calibration: Calibration | None) -> list[str]:
    """Return a sentence for each given image that is not checked."""
    return [
        f"{name}: not checked against the other images, the calibration does not know it"
        for name in checks
        if not _knows(calibration, name)
    ]


def _settled(name: str, check: Check, calibration: Calibration | None) -> tuple[Estimate, float]:
    """Return a check's calibrated estimate, and the share of the image that its interval holds."""
    if calibration is None:
        return check.estimate, share_inside(check.estimate, check.observed)
    return calibrate_check(check, name, calibration)


def _shares_inside(checks: Mapping[str, Check], calibration: Calibration | None) -> dict[str, float]:
    known = {name: check for name, check in checks.items() if _knows(calibration, name)}
    shares = {name: _settled(name, check, calibration)[1] for name, check in known.items()}
    return {name: share for name, share in shares.items() if np.isfinite(share)}


def _judged(
    descriptors: tuple[Descriptor, ...],
    inside: Mapping[str, float],
    available: tuple[str, ...],
    calibration: Calibration | None,
) -> tuple[Familiarity | None, str]:
    """Return the verdict, or None and the sentence that says why there is none.

    The self-check is one descriptor more, where the reference is of this very situation: how well images predict one
    another depends on how many there are.
    """
    known = calibration.familiarity if calibration else {}
    reference = reference_for(known, available)
    if inside and is_reference_of(known, available):
        descriptors = (*descriptors, self_check_descriptor(list(inside.values())))
    if reference is None or not descriptors:
        return None, _NOT_JUDGED
    try:
        return judge(descriptors, reference), ""
    except WeightsError as error:  # a person's own calibration on a few exams still calibrates
        return None, error.what


def _brain(case: Case, estimates: Mapping[str, Estimate]) -> Mask:
    if estimates:
        return next(iter(estimates.values())).mask
    if case.mask is not None:
        return case.mask
    brain: Mask = np.zeros(case.geometry.shape, dtype=bool)
    for volume in case.volumes.values():
        brain |= volume.data != 0
    return brain


def _outlier_maps(
    checks: Mapping[str, Check], wanted: tuple[str, ...], calibration: Calibration | None, brain: Mask
) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Return the maps that were asked for, and a sentence for each that is absent or covers less than the brain."""
    size = max(int(np.count_nonzero(brain)), 1)
    maps, words = {}, []
    for name in wanted:
        if name not in checks:
            words.append(f"{name}: no outlier map, the method did not predict it from the others")
            continue
        if not _knows(calibration, name):
            words.append(f"{name}: no outlier map, the calibration does not know it")
            continue
        estimate, _ = _settled(name, checks[name], calibration)
        maps[f"{name}_outlier"] = outlier_map(estimate, checks[name].observed)
        share = np.count_nonzero(estimate.mask & brain) / size
        if share < _WHOLE:
            words.append(f"{name}: the outlier map speaks of {share:.0%} of the brain, the rest is not evaluable")
    return maps, words

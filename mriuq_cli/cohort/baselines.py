"""Predictors that every method is compared with; a method adds its own through ``mriuq_baselines``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from mriuq_cli.cohort.records import true_image
from mriuq_cli.data.case import Case
from mriuq_cli.uncertainty.estimate import Array

if TYPE_CHECKING:
    from mriuq_cli.cohort.situations import Situation
    from mriuq_cli.hooks.roles import Baseline, Predictor


def predict_zero(cases: Iterable[Case], available: tuple[str, ...], targets: tuple[str, ...]) -> Predictor:
    """Predict the brain's mean everywhere: 0 in z units."""

    def predict(case: Case) -> Mapping[str, Array]:
        return {target: np.zeros(case.geometry.shape, np.float32) for target in targets}

    return predict


def copy_best(cases: Iterable[Case], available: tuple[str, ...], targets: tuple[str, ...]) -> Predictor:
    """Predict the standard scores of another contrast: the one nearest to the target on the cases fitted on."""
    errors = {target: np.zeros(len(available)) for target in targets}
    n = 0
    for case in cases:
        n += 1
        inputs = [standard_scores(case, name) for name in available]
        for target in targets:
            truth = standard_scores(case, target)
            brain = truth != 0
            errors[target] += [float(np.abs(image[brain] - truth[brain]).mean()) for image in inputs]
    if not n:
        raise ValueError("no case to choose on")
    chosen = {target: available[int(np.argmin(sums))] for target, sums in errors.items()}

    def predict(case: Case) -> Mapping[str, Array]:
        return {target: standard_scores(case, name) for target, name in chosen.items()}

    return predict


def standard_scores(case: Case, name: str) -> Array:
    """Return an image of a case, given or true, in z units."""
    volumes = {**case.volumes, **case.truth}
    return true_image(replace(case, truth={name: volumes[name]}), name, "z")


CORE: Mapping[str, Baseline] = {"zero": predict_zero, "copy": copy_best}


def fit_all(baselines: Mapping[str, Baseline], cases: Iterable[Case], situation: Situation) -> dict[str, Predictor]:
    """Fit every baseline for one situation; ``cases`` is gone through once for each."""
    return {name: fit(cases, situation.available, situation.targets) for name, fit in baselines.items()}

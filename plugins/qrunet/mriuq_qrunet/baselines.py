"""What a network has to beat: regressions on the voxel alone, and boosted trees on the network's own features."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from mriuq_cli.api import Baseline, Case, Predictor
from mriuq_qrunet import features
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.exam import Exam, prepare, restore
from mriuq_qrunet.inputs import Scene

Rows = NDArray[np.float32]
Columns = Callable[[Exam], Rows]
"""The explaining values of every brain voxel, ``(n, k)``."""

_VOXELS = 40_000
"""Voxels of each exam that a fit sees."""


def _voxelwise(exam: Exam, degree: int) -> Rows:
    """Return all products of the given contrasts up to ``degree``, the constant included."""
    z = exam.z[exam.given][:, exam.brain]
    terms = [np.ones(z.shape[1], np.float32)]
    for size in range(1, degree + 1):
        terms += [np.prod(z[list(which)], axis=0) for which in combinations_with_replacement(range(len(z)), size)]
    return np.stack(terms, 1)


def _multiscale(exam: Exam) -> Rows:
    """Return what the network is given: scores, smooth copies at four scales, place in the brain."""
    scene = Scene.of(*(torch.from_numpy(a) for a in (exam.z, exam.own, exam.brain)))
    given = torch.from_numpy(exam.given)
    fine = features.fine(scene.z, scene.own)
    wide = functional.interpolate(scene.coarse[None], scale_factor=2, mode="nearest")[0]
    place = scene.place.grid((0, 0, 0), tuple(scene.brain.shape), 1)  # type: ignore[arg-type]
    columns = [scene.z[given], fine[given], wide[given.repeat(features.LEVELS)], place]
    return torch.cat([part[:, scene.brain] for part in columns]).T.contiguous().numpy()


def _fitted(columns: Columns, learn: Callable[[Rows, Rows], Callable[[Rows], Rows]]) -> Baseline:
    """Make a baseline of the explaining columns and a way to learn one target from them."""

    def fit(cases: Iterable[Case], available: tuple[str, ...], targets: tuple[str, ...]) -> Predictor:
        inputs: list[Rows] = []
        truths: dict[str, list[Rows]] = {name: [] for name in targets}
        for number, case in enumerate(cases):
            whole = prepare(case)
            exam = whole.seeing(available)
            chosen = np.random.default_rng(number).permutation(int(exam.brain.sum()))[:_VOXELS]
            inputs.append(columns(exam)[chosen])
            for name in targets:
                truths[name].append(whole.z[CONTRASTS.index(name)][exam.brain][chosen])
        table = np.concatenate(inputs)
        learnt = {name: learn(table, np.concatenate(values)) for name, values in truths.items()}

        def predictor(case: Case) -> Mapping[str, Rows]:
            exam = prepare(case, available)
            rows = columns(exam)
            return {name: _image(model(rows), exam, case) for name, model in learnt.items()}

        return predictor

    return fit


def _image(values: Rows, exam: Exam, case: Case) -> Rows:
    full = np.zeros(exam.brain.shape, np.float32)
    full[exam.brain] = values
    return restore(full, exam, case).astype(np.float32)


def _least_squares(x: Rows, y: Rows) -> Callable[[Rows], Rows]:
    gram = x.astype(np.float64).T @ x + 1e-3 * np.eye(x.shape[1])
    weights = np.linalg.solve(gram, x.astype(np.float64).T @ y).astype(np.float32)
    return lambda rows: rows @ weights


def _trees(loss: str) -> Callable[[Rows, Rows], Callable[[Rows], Rows]]:
    def learn(x: Rows, y: Rows) -> Callable[[Rows], Rows]:
        from sklearn.ensemble import HistGradientBoostingRegressor

        model: Any = HistGradientBoostingRegressor(loss=loss, max_iter=300, random_state=0).fit(x, y)
        return lambda rows: model.predict(rows).astype(np.float32)

    return learn


_ATLAS = (48, 56, 48)
"""Cells of the mean image over the brain box."""


def _mean_image(cases: Iterable[Case], available: tuple[str, ...], targets: tuple[str, ...]) -> Predictor:
    """Average the targets over the learning cases, brain box on brain box; the given contrasts are not looked at."""
    total, count = torch.zeros(len(CONTRASTS), *_ATLAS), torch.zeros(len(CONTRASTS), *_ATLAS)
    for case in cases:
        exam = prepare(case)
        z, own = torch.from_numpy(exam.z), torch.from_numpy(exam.own).float()
        total += _resized(z, _ATLAS)
        count += _resized(own, _ATLAS)
    mean = total / count.clamp_min(0.5)

    def predictor(case: Case) -> Mapping[str, Rows]:
        exam = prepare(case, available)
        image = _resized(mean, exam.brain.shape).numpy() * exam.brain
        return {name: restore(image[CONTRASTS.index(name)], exam, case).astype(np.float32) for name in targets}

    return predictor


def _resized(image: torch.Tensor, shape: tuple[int, ...]) -> torch.Tensor:
    return functional.interpolate(image[None], shape, mode="trilinear")[0]


BASELINES: dict[str, Baseline] = {
    "mean image": _mean_image,
    "linear": _fitted(lambda exam: _voxelwise(exam, 1), _least_squares),
    "cubic": _fitted(lambda exam: _voxelwise(exam, 3), _least_squares),
    "trees, squared error": _fitted(_multiscale, _trees("squared_error")),
    "trees, absolute error": _fitted(_multiscale, _trees("absolute_error")),
}

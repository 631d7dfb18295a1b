"""The answer to ``mriuq_predict``: missing contrasts with intervals, checks of the given ones, and descriptors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mriuq_cli.api import Case, Check, Context, Estimate, InputError, Prediction
from mriuq_qrunet.answer import Answer
from mriuq_qrunet.contrasts import CONTRASTS, DISPLAY
from mriuq_qrunet.describe import describe
from mriuq_qrunet.exam import (
    MULTIPLE,
    Bools,
    Exam,
    brain_voxels,
    observed,
    own_voxels,
    prepare,
    restore,
    restore_mask,
)
from mriuq_qrunet.infer import Box, Inference

_CHECKED = 64
"""Edge in voxels of the central cube in which given contrasts are predicted from each other."""


@torch.inference_mode()
def predict(model: nn.Module, case: Case, options: Mapping[str, Any], context: Context) -> Prediction:
    """Predict every contrast that the case lacks, in z units of that contrast over the brain.

    Raises
    ------
    InputError
        If nothing is given, or nothing is missing and no outlier maps are asked for.
    """
    given = tuple(name for name in CONTRASTS if name in case.volumes)
    missing = tuple(name for name in CONTRASTS if name not in case.volumes)
    outliers = bool(options.get("outliers"))
    if not given or not (missing or outliers):
        state = "nothing is given" if not given else "nothing is missing"
        raise InputError(f"{state}: {', '.join(CONTRASTS)}", where=case.id)
    context.progress(0.0, "prepare")
    exam = prepare(case)
    inference = Inference(model, context.config, exam, context.device, context.tile)
    estimates = {}
    if missing:
        context.progress(0.2, "network")
        answer, mask = inference.ask(given, missing)
        context.progress(0.6, "finish")
        estimates = dict(zip(missing, _estimates(answer, mask, exam, case, brain_voxels(case, given)), strict=True))
    context.progress(0.7, "checks")
    # A network with one field of view has no small cube to check: each check would cost as much as the prediction.
    checks = _checks(inference, given, exam, case, _centre(exam)) if inference.free else {}
    everywhere = _checks(inference, given, exam, case) if outliers else {}
    context.progress(0.9, "describe")
    return Prediction(
        estimates=estimates,
        available=given,
        checks=checks,
        outliers=everywhere,
        descriptors=describe(case, exam),
        facts={"BrainVoxels": int(exam.brain.sum()), "Taus": list(context.config["taus"])},
    )


def _checks(
    inference: Inference, given: Sequence[str], exam: Exam, case: Case, box: Box | None = None
) -> dict[str, Check]:
    """Predict each given contrast from the other given ones, inside a box or in the whole brain."""
    corner, shape = box or ((0, 0, 0), exam.brain.shape)
    cube = tuple(slice(s, s + n) for s, n in zip(corner, shape, strict=True))
    checks = {}
    for name in given if len(given) > 1 else ():
        others = tuple(other for other in given if other != name)
        answer, mask = inference.ask(others, (name,), box)
        placed = np.zeros(exam.brain.shape, bool)
        placed[cube] = mask.cpu().numpy()
        speaks = placed & exam.own[CONTRASTS.index(name)]
        found = _estimates(answer, torch.from_numpy(placed), exam, case, own_voxels(case, name), speaks)
        checks[name] = Check(next(found), observed(case, exam, name), others)
    return checks


def _estimates(
    answer: Answer, mask: Tensor, exam: Exam, case: Case, own: Bools, speaks: Bools | None = None
) -> Iterator[Estimate]:
    """Yield an estimate for each target, inside ``own`` of the case's grid.

    For a check, ``speaks`` limits on the box where it speaks, and no mean is needed.
    """
    inside = mask.cpu().numpy()
    counted = inside if speaks is None else speaks
    native = restore_mask(counted, exam, case, own)
    lower, value, upper = _bounds(answer.taus)

    def image(values: Tensor) -> NDArray[np.float32]:
        full = np.zeros(inside.shape, np.float32)
        full[inside] = values.cpu().numpy()
        found = restore(full, exam, case, counted)
        return found if exam.grid == exam.native else np.where(native, found, np.float32(0))

    for target in range(answer.quantiles.shape[1]):
        low, mid, high = (image(answer.quantiles[:, target, i]) for i in (lower, value, upper))
        mean = None if answer.mean is None or speaks is not None else image(answer.mean[:, target])
        level = answer.taus[upper] - answer.taus[lower]
        yield Estimate(mid, low, high, native, round(level, 6), "z", "median", mean, DISPLAY)


def _bounds(taus: tuple[float, ...]) -> tuple[int, int, int]:
    """Return the positions of the outermost quantiles and of the median."""
    return 0, taus.index(0.5), len(taus) - 1


def _centre(exam: Exam) -> Box | None:
    """Return a cube about the middle of the brain box, cut on multiples of 8 voxels; None for a brain within it."""
    sizes = exam.brain.shape
    if max(sizes) <= _CHECKED:
        return None
    edges = [min(_CHECKED, size) for size in sizes]
    starts = [(size - edge) // 2 // MULTIPLE * MULTIPLE for size, edge in zip(sizes, edges, strict=True)]
    return (starts[0], starts[1], starts[2]), (edges[0], edges[1], edges[2])

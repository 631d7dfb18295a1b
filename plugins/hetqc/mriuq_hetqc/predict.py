"""The answer to ``mriuq_predict``: the cleaned scan, each voxel between bounds that sigma gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import nn

from mriuq_cli.api import Case, Context, Estimate, InputError, Prediction
from mriuq_hetqc import yardsticks
from mriuq_hetqc.contrast.shipped import other_than_t1
from mriuq_hetqc.infer import Reading, read_scan
from mriuq_hetqc.kind import describe
from mriuq_hetqc.quality import for_users
from mriuq_hetqc.scan import Scan, prepare

LEVEL = 0.9
STANDARD = 1.6449
"""Standard deviations to either side that hold 90 % of a normal distribution."""


def predict(model: nn.Module, case: Case, options: Mapping[str, Any], context: Context) -> Prediction:
    """Clean the scan ``t1``.

    Raises
    ------
    InputError
        If a tile is asked for: the network says what it says of a whole head.
    """
    if context.tile is not None:
        raise InputError("a scan is judged whole, not in tiles", where=case.id, hint="Leave out --tile.")
    name = "t1" if "t1" in case.volumes else next(iter(case.volumes))
    context.progress(0.0, "prepare")
    scan = prepare(case.volumes[name].data, case.geometry, case.id)
    context.progress(0.2, "network")
    reading = for_users(read_scan(model, scan, context.device), yardsticks.of(context.weights))
    other = other_than_t1(scan, context.device)
    context.progress(0.8, "finish")
    return Prediction(
        {"recovered": clean_estimate(case.volumes[name].data, scan, reading)},
        available=tuple(case.volumes),
        maps={"sigma-recon": scan.restore(reading.sigma * scan.scale)},
        descriptors=describe(reading, other, volume=scan.voxel_volume),
    )


def clean_estimate(image: np.ndarray[Any, Any], scan: Scan, reading: Reading) -> Estimate:
    """Return the cleaned image in the unit of the scan, not calibrated; the mask is where the scan is not empty."""
    mask = image != 0
    clean = np.maximum(image + scan.restore(reading.residual * scan.scale), 0)
    half = scan.restore(reading.sigma * scan.scale * STANDARD)
    value, half = (np.where(mask, part, np.float32(0)) for part in (clean, half))
    return Estimate(value, value - half, value + half, mask, LEVEL, unit="a.u.", kind="mean")

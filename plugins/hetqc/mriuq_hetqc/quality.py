"""Figures of a scan's quality, read off one pass of the network.

Sigma and what was removed are shares of full scale, the 99th percentile of the bright voxels of the scan as given
(:func:`mriuq_hetqc.scan.full_scale`), so that figures of scans in other units compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mriuq_hetqc.infer import Reading
from mriuq_hetqc.region import widened

_LEAST = 20_000
"""Voxels below which a region is not taken for what it is called: a scan with no more brain than that shows none."""
_SAMPLED = 500_000
_BRIGHT, _COARSE, _FAR = 0.15, 4, 3
"""Level of what is taken for head, on cells of so many voxels; air begins so many cells away from it."""
_LEAST_AIR = 5_000
_ZSCORE, _MAD = 10.0, 1.4826
_LITTLE = 1e-6
"""Added to figures before their logarithm is taken: some are 0 in good scans."""
_NEAR = 2
"""Voxels around grey matter in which the segmentation is decided."""

MEANINGS = {
    "visual": "log-odds of being spoilt, whole head, read off the network's features: how it looks",
    "algorithmic": "mean sigma of the segmentation in the brain: how good it is for telling tissues apart",
    "sigma_recon_median": "median sigma of cleaning, brain",
    "sigma_recon_q1": "first quartile of it",
    "sigma_recon_q3": "third quartile of it",
    "sigma_recon_rms": "root mean square sigma of cleaning, brain",
    "sigma_recon_p90": "90th percentile of it",
    "sigma_recon_mean": "mean of it",
    "recoverable": "root mean square of what was removed, brain",
    "visual_rms": "root of mean sigma^2 and what was removed^2, whole head",
    "sigma_task_median": "median sigma of the segmentation about grey matter",
    "sigma_task_p90": "90th percentile of it",
    "air_artefact": "share of the air around the head that is 10 robust standard deviations above its median",
    "air_level": "root mean square of that air",
    "ratio_brain_head": "mean sigma of cleaning in the brain over that in the head: below 1 for artefacts outside it",
    "epistemic": "root mean square spread of the cleaned brain over passes with dropout",
}
"""What each figure is; the first two are the headlines."""

_GROUNDS = (
    "visual_rms", "sigma_recon_median", "sigma_recon_rms", "sigma_recon_p90", "recoverable", "algorithmic",
    "sigma_task_p90", "ratio_brain_head",
)  # fmt: skip


def figures(reading: Reading) -> dict[str, float]:
    """Return figures of :data:`MEANINGS`: those that need no reading of features, nor passes with dropout.

    Those of the segmentation only where the network has one.
    """
    head = reading.head
    brain = reading.brain if int(reading.brain.sum()) >= _LEAST else head
    sigma, removed = reading.sigma[brain], reading.residual[brain]
    quartiles = _quantiles(sigma, (0.25, 0.5, 0.75, 0.9))
    whole = reading.sigma[head].square() + reading.residual[head].square()
    found = {
        "sigma_recon_median": quartiles[1],
        "sigma_recon_q1": quartiles[0],
        "sigma_recon_q3": quartiles[2],
        "sigma_recon_rms": float(sigma.square().mean().sqrt()),
        "sigma_recon_p90": quartiles[3],
        "sigma_recon_mean": float(sigma.mean()),
        "recoverable": float(removed.square().mean().sqrt()),
        "visual_rms": float(whole.mean().sqrt()),
        "ratio_brain_head": float(sigma.mean() / reading.sigma[head].mean()),
        **_of_air(reading.image),
    }
    if reading.sigma_task is None or reading.classes is None:
        return found
    grey = reading.classes == 2
    task = reading.sigma_task[widened(grey, _NEAR) if int(grey.sum()) >= _LEAST else brain]
    middle, high = _quantiles(task, (0.5, 0.9))
    return found | {
        "algorithmic": float(reading.sigma_task[brain].mean()),
        "sigma_task_median": middle,
        "sigma_task_p90": high,
    }


def _of_air(image: Tensor) -> dict[str, float]:
    """Return what there is in the air around the head: ghosts and movement show where nothing should be.

    The share is Mortamet's QI1 (Magn Reson Med 62:365, 2009) with cubes of two voxels in place of an opening, and all
    around the head. Voxels of exactly 0 were masked and are no air; without air both are 0.
    """
    small = functional.avg_pool3d(image[None, None], _COARSE, ceil_mode=True)
    air = ~widened(small > _BRIGHT, _FAR)
    outside = functional.interpolate(air.float(), size=image.shape, mode="nearest")[0, 0] > 0
    values = image[outside & (image > 0)]
    if len(values) < _LEAST_AIR:
        return {"air_artefact": 0.0, "air_level": 0.0}
    thinned = values[:: max(1, len(values) // _SAMPLED)]
    middle = thinned.median()
    # Whole numbers hold quiet air in one or two grey values: no distance from the median is then typical.
    spread = float((thinned - middle).abs().median()) * _MAD or float(thinned.std())
    cubes = functional.avg_pool3d((image * outside)[None, None], 2)
    bright = int((cubes > float(middle) + _ZSCORE * spread).sum()) * 8
    return {"air_artefact": min(1.0, bright / len(values)), "air_level": float(values.square().mean().sqrt())}


def grounds_of(features: Sequence[float], found: Mapping[str, float]) -> NDArray[np.float64]:
    """Return what linear readings are made of, ``(c,)``: the network's deepest features and logarithms of figures."""
    return np.array([*features, *(math.log(found[name] + _LITTLE) for name in _GROUNDS)])


def _quantiles(values: Tensor, at: tuple[float, ...]) -> list[float]:
    thinned = values[:: max(1, len(values) // _SAMPLED)]
    return torch.quantile(thinned, torch.tensor(at, device=thinned.device)).tolist()

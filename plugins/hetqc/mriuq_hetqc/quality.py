"""Figures of a scan's quality, read off one pass of the network.

Sigma and what was removed are shares of full scale, the 99th percentile of the bright voxels of the scan as given
(:func:`mriuq_hetqc.scan.full_scale`), so that figures of scans in other units compare.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriuq_hetqc.infer import Reading
from mriuq_hetqc.region import widened
from mriuq_hetqc.yardsticks import Yardsticks

_LEAST = 20_000
"""Voxels below which a region is not taken for what it is called: a scan with no more brain than that shows none."""
_SAMPLED = 500_000
_LITTLE = 1e-6
"""Added to figures before their logarithm is taken: some are 0 in good scans."""
_NEAR = 2
"""Voxels around grey matter in which the segmentation is decided."""

MEANINGS = {
    "visual": "log-odds of an artefact against none, read off the features of the head and k-space: how it looks",
    "algorithmic": "expected loss of Dice's overlap of brain tissues, read off the network's features in the brain",
    "sigma_recon_median": "median sigma of cleaning as the network states it, brain",
    "sigma_recon_q1": "first quartile of it",
    "sigma_recon_q3": "third quartile of it",
    "sigma_recon_rms": "root mean square sigma of cleaning, brain",
    "sigma_recon_p90": "90th percentile of it",
    "sigma_recon_mean": "mean of it",
    "recoverable": "root mean square of what was removed, brain",
    "visual_rms": "root of mean sigma^2 and what was removed^2, whole head",
    "sigma_task_mean": "mean sigma of the segmentation in the brain",
    "sigma_task_median": "median sigma of the segmentation about grey matter",
    "sigma_task_p90": "90th percentile of it",
    "ratio_brain_head": "mean sigma of cleaning in the brain over that in the head: below 1 for artefacts outside it",
    "kspace_peak": "logarithm of the brightest point of k-space over those around it: spikes",
    "echo": "amplitude of the largest echo along an axis, as a share of the image: ghosts, moves, cut k-space",
    "ghost": "the same of echoes that stand alone: regular ghosts",
    "noise": "SD of noise in either channel, by the finest diagonal band of Haar's wavelet, by air or by moments",
    "noise_grain": "SD by the next band over that by the finest: 1 for white noise, more where it is smooth or little",
    "noise_contrast": "SD of means over 8 voxels, over the SD of noise",
    "epistemic": "root mean square spread of the cleaned brain over passes with dropout",
}
"""What each figure is; the first two are the headlines."""

TRACES = ("kspace_peak", "echo", "ghost")
"""Figures of faults that were born in k-space."""
_GROUNDS = (
    "visual_rms", "sigma_recon_median", "sigma_recon_rms", "sigma_recon_p90", "recoverable", "sigma_task_mean",
    "sigma_task_p90", "ratio_brain_head", "noise", "noise_contrast", *TRACES,
)  # fmt: skip
_BRAIN_GROUNDS = (
    "sigma_recon_median", "sigma_recon_rms", "sigma_recon_p90", "recoverable", "sigma_task_mean", "sigma_task_median",
    "sigma_task_p90",
)  # fmt: skip
CLEAN = "clean"
"""What a scan without an artefact is called."""
LEAST_LOSS = 0.01
"""Added to a loss of overlap before its logarithm is taken."""


def figures(reading: Reading) -> dict[str, float]:
    """Return figures of :data:`MEANINGS`: those that need no linear reading, nor passes with dropout.

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
        **reading.marks,
    }
    if reading.sigma_task is None or reading.classes is None:
        return found
    grey = reading.classes == 2
    task = reading.sigma_task[widened(grey, _NEAR) if int(grey.sum()) >= _LEAST else brain]
    middle, high = _quantiles(task, (0.5, 0.9))
    return found | {
        "sigma_task_mean": float(reading.sigma_task[brain].mean()),
        "sigma_task_median": middle,
        "sigma_task_p90": high,
    }


def headlines(reading: Reading, found: Mapping[str, float], known: Yardsticks) -> dict[str, float]:
    """Return ``visual`` and ``algorithmic`` of a reading with these figures."""
    ground = grounds_of(reading.features.tolist(), found)
    loss = known.readings["loss"].logits(brain_grounds_of(reading.brain_features.tolist(), found))
    return {
        "visual": known.readings["artefacts"].odds_against(ground, CLEAN),
        "algorithmic": math.exp(float(loss[0])) - LEAST_LOSS,
    }


def for_users(reading: Reading, known: Yardsticks | None) -> Reading:
    """Return a reading whose sigma is as large as it has to be in scans that look like it.

    Figures stay those of the network; without readings sigma does too.
    """
    if known is None:
        return reading
    found = figures(reading)
    shares = known.readings["artefacts"].shares(grounds_of(reading.features.tolist(), found))
    grounds = sigma_grounds_of(shares, found)
    return replace(reading, sigma=known.told(reading.image, reading.residual, reading.sigma, grounds))


def grounds_of(features: Sequence[float], found: Mapping[str, float]) -> NDArray[np.float64]:
    """Return what is read of the whole head, ``(c,)``: the network's deepest features and logarithms of figures."""
    return _joined(features, found, _GROUNDS)


def brain_grounds_of(features: Sequence[float], found: Mapping[str, float]) -> NDArray[np.float64]:
    """Return what is read of the brain alone, ``(c,)``."""
    return _joined(features, found, _BRAIN_GROUNDS)


def sigma_grounds_of(shares: Mapping[str, float], found: Mapping[str, float]) -> NDArray[np.float64]:
    """Return what says how large sigma has to be, ``(c,)``: how much the scan looks like what, and the figures."""
    return _joined(list(shares.values()), found, _GROUNDS)


def _joined(features: Sequence[float], found: Mapping[str, float], names: Sequence[str]) -> NDArray[np.float64]:
    return np.array([*features, *(math.log(found[name] + _LITTLE) for name in names)])


def _quantiles(values: Tensor, at: tuple[float, ...]) -> list[float]:
    thinned = values[:: max(1, len(values) // _SAMPLED)]
    return torch.quantile(thinned, torch.tensor(at, device=thinned.device)).tolist()

"""Standard scores have mean 0 and SD 1 over the brain, whatever the exam; so what is predicted of them ought to."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import torch
from torch import Tensor

from mriuq_qrunet.answer import Answer

_WIDEST = 1.5
"""The most that scores are scaled by, up or down: beyond it the answer is at fault in more than its scale."""


def standardised(answer: Answer) -> Answer:
    """Shift and scale an answer over a whole brain so that each contrast has the moments of a standard score.

    By the law of total variance, that of a contrast is the variance of its conditional mean plus the mean of its
    conditional variance; the latter is taken from the outermost quantiles as if they were a normal distribution's.
    With mean ``m`` and that variance ``v`` over the brain, every value ``x`` becomes ``(x - m) / sqrt(v)``. Exams
    differ in scanner and protocol, and what the network gets wrong on an unseen one is to a good part such a shift
    and scale. Without a conditional mean (the published network) nothing is changed.
    """
    if answer.mean is None or not len(answer.mean):
        return answer
    mean, scale = _moments(answer.mean, answer.quantiles, answer.taus)
    quantiles = (answer.quantiles - mean[:, None]) * scale[:, None]
    return replace(answer, quantiles=quantiles, mean=(answer.mean - mean) * scale)


def _moments(mean: Tensor, quantiles: Tensor, taus: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """Return for each target the mean over the brain, and one over the SD within bounds."""
    span = NormalDist().inv_cdf(taus[-1]) - NormalDist().inv_cdf(taus[0])
    sd = (quantiles[..., -1] - quantiles[..., 0]).double() / span
    centre = mean.double().mean(0)
    variance = mean.double().var(0, correction=0) + (sd**2).mean(0)
    scale = torch.rsqrt(variance.clamp_min(1e-12)).clamp(1 / _WIDEST, _WIDEST)
    return centre.float(), scale.float()

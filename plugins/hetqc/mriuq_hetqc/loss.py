"""Losses that learn a variance for each voxel, as printed and in a form that cannot run away.

Equation 1: ``1/2 exp(-s) (y - f)^2 + 1/2 s`` with ``s = log sigma_r^2``, whose optimum is the expected squared error.
Equation 2: ``exp(-s) CE + 1/2 s`` with ``s = log sigma_s^2``. Equation 3: their sum. ``s`` is bounded by the network.
With ``beta`` the gradient that reaches the mean (or the classes) is multiplied by ``sigma^(2 beta)``, as in Seitzer et
al. (ICLR 2022), and the one that reaches ``s`` is left as it is (Stirn et al., AISTATS 2023): 0 is the equations as
printed, 1 gives the mean the gradient of the squared error. As printed, the mean of a quiet image has a gradient many
times that of a bad one, whose share is then lost where gradients are clipped, and sigma learns what is usual instead of
what is to be expected. With .5 both gradients are of one size whatever sigma is. For the same reason a voxel counts as
missed by five sigma at most: one that is wrong and sure of it would drown all others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mriuq_hetqc.network import CLASSES, Answer

_SURPRISE = 12.5
"""Misfit over variance at most, where ``beta`` is not 0: half of five sigma squared."""


def regression(error: Tensor, log_variance: Tensor, beta: float = 0.0) -> Tensor:
    """Return equation 1 for each voxel, float32; ``error`` is ``y - f``."""
    return _heteroscedastic(0.5 * error.float().square(), log_variance.float(), beta)


def segmentation(logits: Tensor, log_variance: Tensor, labels: Tensor, beta: float = 0.0) -> Tensor:
    """Return equation 2 for each voxel, float32; 0 where ``labels`` are not among the classes."""
    known = labels < logits.shape[1]
    entropy = functional.cross_entropy(logits.float(), labels.where(known, 0), reduction="none")
    return torch.where(known, _heteroscedastic(entropy, log_variance[:, 0].float(), beta), 0.0)


def _heteroscedastic(misfit: Tensor, s: Tensor, beta: float) -> Tensor:
    """Return ``exp(-s) misfit + s / 2``; with ``beta`` in the form with gradients of one size."""
    if not beta:
        return torch.exp(-s) * misfit + 0.5 * s
    surprise = torch.exp(-s) * misfit.detach()
    surprise = surprise * (_SURPRISE / surprise.detach().clamp_min(_SURPRISE))
    fit = torch.exp((beta - 1) * s.detach()) * misfit
    return surprise + 0.5 * s + (fit - fit.detach())


class Objective:
    """Loss of a batch of :class:`mriuq_hetqc.dataset.Crops`: equation 3 over the head and a little of what is around.

    Parameters
    ----------
    beta
        0 for the equations as printed; see above.
    grey_only
        Whether the segmentation tells grey matter from everything else, as published, instead of every tissue.
    """

    def __init__(self, beta: float, *, grey_only: bool = False) -> None:
        self.beta = beta
        self.grey_only = grey_only

    def __call__(self, model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the loss and its parts, each a scalar; ``ratio`` is RMS error over RMS sigma, 1 if sizes are right."""
        answer: Answer = model(batch["image"], batch["marks"])
        weight = batch["weight"]
        error = batch["clean"] - batch["image"] - answer.residual
        total = weight.sum().clamp_min(1.0)
        clean = (regression(error, answer.log_variance, self.beta) * weight).sum() / total
        with torch.no_grad():
            squares = (error.square() * weight).sum() / (answer.log_variance.exp() * weight).sum()
        parts = {"loss": clean, "clean": clean, "ratio": squares.sqrt()}
        if answer.logits is None or answer.task_log_variance is None:
            return parts
        labels = batch["labels"]
        if self.grey_only:
            labels = torch.where(labels < CLASSES, (labels == 2).long(), labels)
        known = (labels < answer.logits.shape[1]) * weight[:, 0]
        task = segmentation(answer.logits, answer.task_log_variance, labels, self.beta) * weight[:, 0]
        mean = task.sum() / known.sum().clamp_min(1.0)
        return {**parts, "loss": clean + mean, "task": mean}

"""Losses that learn a variance for each voxel, as printed and in a form that cannot run away.

Equation 1: ``1/2 exp(-s) (y - f)^2 + 1/2 s`` with ``s = log sigma_r^2``, whose optimum is the expected squared error.
Equation 2: ``exp(-s) CE + 1/2 s`` with ``s = log sigma_s^2``. Equation 3: their sum. ``s`` is bounded by the network.
With ``beta`` a voxel's loss is multiplied by ``sigma^(2 beta)`` without gradient (Seitzer et al., ICLR 2022), so that
hard voxels are not given up early, and a few that are wrong and sure of it do not drown the rest: 0 is the equation as
printed, 1 gives the mean the gradient of the squared error. That factor is divided by its own mean over each image:
otherwise one task would outweigh the other, and the noisiest image of a batch would leave the clean ones nothing to
learn from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from mriuq_hetqc.network import CLASSES, Answer


def regression(error: Tensor, log_variance: Tensor, beta: float = 0.0) -> Tensor:
    """Return equation 1 for each voxel, float32; ``error`` is ``y - f``, its first axis the image of a batch."""
    s = log_variance.float()
    return _tempered(0.5 * torch.exp(-s) * error.float().square() + 0.5 * s, s, beta)


def segmentation(logits: Tensor, log_variance: Tensor, labels: Tensor, beta: float = 0.0) -> Tensor:
    """Return equation 2 for each voxel, float32; 0 where ``labels`` are not among the classes."""
    known = labels < logits.shape[1]
    entropy = functional.cross_entropy(logits.float(), labels.where(known, 0), reduction="none")
    s = log_variance[:, 0].float()
    return torch.where(known, _tempered(torch.exp(-s) * entropy + 0.5 * s, s, beta), 0.0)


def _tempered(loss: Tensor, s: Tensor, beta: float) -> Tensor:
    """Multiply losses of voxels, images first, by their variance to the power ``beta``, over its mean in the image."""
    if not beta:
        return loss
    factor = torch.exp(beta * s.detach())
    return loss * factor / factor.flatten(1).mean(1).reshape(-1, *(1,) * (s.dim() - 1))


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
        answer: Answer = model(batch["image"], batch["kspace"])
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

"""Pinball loss for the quantiles and half the squared error for the mean, over the brain.

The quantiles follow equation 1 of the method (``max(tau (y - q), (tau - 1) (y - q))``), its order of difference
included: with ``q - y`` the 0.977 head would learn the 0.023 quantile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

_WIDE = 3.0
"""Errors beyond this many SD count linearly in the loss of the mean."""


def pinball(predicted: Tensor, truth: Tensor, taus: Sequence[float]) -> Tensor:
    """Return the pinball loss, ``(..., len(taus))``, of quantiles ``(..., len(taus))`` against ``(...)``."""
    tau = torch.tensor(taus, dtype=predicted.dtype, device=predicted.device)
    error = truth[..., None] - predicted
    return torch.maximum(tau * error, (tau - 1) * error)


class Objective:
    """Loss of a batch ``{folded, context, rows, where, truth, weight}``.

    ``truth`` and ``weight`` are ``(n, 4)``: scores of every contrast, and how much each counts there.
    """

    def __init__(self, taus: Sequence[float], mean_weight: float) -> None:
        self.taus = tuple(taus)
        self.mean_weight = mean_weight

    def __call__(self, model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the loss and its two parts, each a scalar."""
        output = model(batch["folded"], batch["context"], batch["rows"], batch["where"])
        truth, weight = batch["truth"], batch["weight"]
        quantiles = pinball(output[..., 1:], truth, self.taus).sum(-1)
        mean = functional.huber_loss(output[..., 0], truth, reduction="none", delta=_WIDE)
        total = weight.sum().clamp_min(1.0)
        parts = {"pinball": (quantiles * weight).sum() / total, "mean": (mean * weight).sum() / total}
        return {"loss": parts["pinball"] + self.mean_weight * parts["mean"], **parts}

"""The network of contrasts and its objective: find the tissues in any contrast, then compare their brightness."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mriuq_hetqc.network import CLASSES, Block, Decoder, fold

_HIDDEN = 16
_DARK = 0.02
"""Brightness, of full scale, that is added before logarithms are taken."""
_SOME = 1.0
"""Cells that are added to each tissue, so that none is empty."""
_STEEP = 5.0
"""What logarithms of brightness are multiplied by: grey matter is a tenth to a half darker than white."""
_USUAL = 2e4
"""Cells of grey matter in a head, about (500 cm3)."""
_TISSUES = 10.0
"""Weight of the tissues in the loss: most cells are air and say nothing."""


class Found(NamedTuple):
    """What the network says of views ``(B, 1, *FIELD)``.

    Parameters
    ----------
    odds
        Natural log-odds of being no T1-weighted head, float32 ``(B,)``.
    logits
        Of outside, fluid, grey and white matter, float32 ``(B, CLASSES, *FIELD)``.
    """

    odds: Tensor
    logits: Tensor


class ContrastNet(nn.Module):
    """A U-Net for the tissues, and a small reading of their brightness, their sizes and the deepest features.

    Parameters
    ----------
    widths
        Channels at 6 mm and each halving below it.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(Block(a, b) for a, b in zip((8, *widths[:-1]), widths, strict=True))
        self.tissues = Decoder(widths, CLASSES)
        self.reading = nn.Sequential(
            nn.Linear(2 * CLASSES + widths[-1], _HIDDEN), nn.LeakyReLU(0.1), nn.Linear(_HIDDEN, 1)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, a=0.1, nonlinearity="leaky_relu")

    def forward(self, views: Tensor) -> Found:
        """Answer for ``(B, 1, *FIELD)``."""
        levels: list[Tensor] = []
        x = fold(views)
        for depth, block in enumerate(self.encoder):
            x = block(functional.max_pool3d(x, 2) if depth else x)
            levels.append(x)
        logits = self.tissues(levels).float()
        figures = torch.cat((brightness_and_size(views.float(), logits), x.float().flatten(2).mean(-1)), 1)
        return Found(self.reading(figures).float()[:, 0], logits)


def brightness_and_size(views: Tensor, logits: Tensor) -> Tensor:
    """Return logarithms ``(B, 2 CLASSES)``: brightness of the four tissues against white matter, then their sizes."""
    shares = logits.softmax(1).flatten(2)
    sizes = shares.sum(-1) + _SOME
    brightness = ((shares * views.flatten(2)).sum(-1) / sizes + _DARK).log()
    return torch.cat((_STEEP * (brightness - brightness[:, -1:]), (sizes / _USUAL).log()), 1)


def tell_apart(model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the loss of ``{image, other, shares, known}``, its two cross-entropies, and the share told right."""
    found: Found = model(batch["image"])
    other = batch["other"].to(found.odds)
    kind = functional.binary_cross_entropy_with_logits(found.odds, other)
    entropy = functional.cross_entropy(found.logits, batch["shares"], reduction="none").flatten(1).mean(1)
    tissues = (entropy * batch["known"]).sum() / batch["known"].sum().clamp_min(1.0)
    right = ((found.odds > 0) == (other > 0)).float().mean()
    return {"loss": kind + _TISSUES * tissues, "kind": kind, "tissues": tissues, "right": right}


@torch.inference_mode()
def log_odds(model: nn.Module, views: Tensor) -> float:
    """Return the natural log-odds that one view ``(1, *FIELD)`` shows no T1-weighted head."""
    return float(model(views[None].to(next(model.parameters()).device)).odds)

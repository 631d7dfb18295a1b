"""The published network as its sources have it: NiftyNet's form of the 3-D U-Net with instance norm.

Widths 30 to 480, two convolutions a block, linear up-sampling, residual and log-variance by 1 x 1 x 1 convolutions on
the last features; with the second task, an encoder and bottom for both and a decoder for each.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from mriuq_hetqc.network import SIGMA, TASK, Answer, bounded


class NormBlock(nn.Sequential):
    """Two 3 x 3 x 3 convolutions, each with instance norm and a leaky rectifier."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__(*self._half(inputs, middle), *self._half(middle, outputs))

    @staticmethod
    def _half(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
        return (
            nn.Conv3d(inputs, outputs, 3, padding=1, bias=False),
            nn.InstanceNorm3d(outputs, affine=True),
            nn.LeakyReLU(0.02),
        )


class _Decoder(nn.Module):
    def __init__(self, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        above = [widths[0], *widths[:-2]][::-1]  # each block ends at the width of the level above it
        self.blocks = nn.ModuleList(NormBlock(2 * w, w, a) for w, a in zip(list(widths[:-1])[::-1], above, strict=True))
        self.value = nn.Conv3d(widths[0], classes, 1)
        self.spread = nn.Conv3d(widths[0], 1, 1)

    def forward(self, levels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        x = levels[-1]
        for block, beside in zip(self.blocks, levels[-2::-1], strict=True):
            x = functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
            x = block(torch.cat((x, beside), dim=1))
        return self.value(x), self.spread(x)


class PublishedUNet(nn.Module):
    """The paper's network; statistics over the field of view, so it must always see the same one."""

    def __init__(self, widths: Sequence[int], *, multi_task: bool) -> None:
        super().__init__()
        self.multiple = 2 ** (len(widths) - 1)
        last = len(widths) - 1
        self.encoder = nn.ModuleList(
            NormBlock(a, b, b if depth < last else a)
            for depth, (a, b) in enumerate(zip((1, *widths[:-1]), widths, strict=True))
        )
        self.clean = _Decoder(widths, 1)
        self.task = _Decoder(widths, 2) if multi_task else None
        nn.init.zeros_(self.clean.value.weight)
        nn.init.zeros_(self.clean.value.bias)
        nn.init.constant_(self.clean.spread.bias, -6.0)

    def forward(self, image: Tensor, marks: Tensor | None = None) -> Answer:
        """Answer for ``(B, 1, X, Y, Z)``, sides multiples of ``multiple``; two classes, grey matter or not.

        What ``marks`` say is not looked at.
        """
        levels = []
        x = image
        for depth, block in enumerate(self.encoder):
            x = block(functional.max_pool3d(x, 2) if depth else x)
            levels.append(x)
        residual, spread = self.clean(levels)
        if self.task is None:
            return Answer(residual.float(), bounded(spread, SIGMA), None, None, x)
        logits, task = self.task(levels)
        return Answer(residual.float(), bounded(spread, SIGMA), logits.float(), bounded(task, TASK), x)

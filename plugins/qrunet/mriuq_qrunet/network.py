"""The network of our own presets: convolutions at half resolution and coarser, one small perceptron for each voxel.

The trunk sees the image folded 2 x 2 x 2 into channels (nothing is lost), its smooth copies and the place in the
brain; its answer is interpolated to full resolution. There a perceptron reads it beside the voxel's own values, and
that only where there is brain. Batch norm is frozen in use, so a voxel's answer depends on its surroundings alone.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional

from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.features import COARSE

N = len(CONTRASTS)
FOLDED = 8 * N
CONTEXT = COARSE + N + 3
"""Channels at half resolution beside the folded image: smooth copies, share of brain, availability, place."""
ROW = 3 * N + 3
"""Values of a voxel: score and smooth copy of each contrast, availability, place."""


def fold(image: Tensor) -> Tensor:
    """Fold ``(B, C, X, Y, Z)`` into ``(B, 8 C, X/2, Y/2, Z/2)``."""
    b, c, x, y, z = image.shape
    split = image.reshape(b, c, x // 2, 2, y // 2, 2, z // 2, 2)
    return split.permute(0, 3, 5, 7, 1, 2, 4, 6).reshape(b, 8 * c, x // 2, y // 2, z // 2)


class Block(nn.Sequential):
    """Convolution, batch norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm3d(outputs, momentum=0.05),
            nn.SiLU(),
        )


class Residual(nn.Module):
    """Two convolutions around an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = Block(width, width)
        self.second = nn.Sequential(
            nn.Conv3d(width, width, 3, padding=1, bias=False), nn.BatchNorm3d(width, momentum=0.05)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, width, x, y, z)`` to the same shape."""
        return functional.silu(x + self.second(self.first(x)))


def double(image: Tensor) -> Tensor:
    """Repeat every cell twice along each axis."""
    return functional.interpolate(image, scale_factor=2, mode="nearest")


class Trunk(nn.Module):
    """A residual U-Net over three scales, from half resolution down."""

    HALO = 4
    """Cells of half resolution around a tile: enough for :meth:`top` with ``up0`` or with ``down1``'s first step."""

    def __init__(self, widths: tuple[int, int, int], outputs: int) -> None:
        super().__init__()
        a, b, c = widths
        self.image = nn.Conv3d(FOLDED, a, 3, padding=1, bias=False)
        self.context = nn.Conv3d(CONTEXT, a, 1, bias=False)
        self.norm = nn.Sequential(nn.BatchNorm3d(a, momentum=0.05), nn.SiLU())
        self.down1 = nn.Sequential(Block(a, b, stride=2), Residual(b))
        self.down2 = nn.Sequential(Block(b, c, stride=2), Residual(c), Residual(c))
        self.up1 = nn.Sequential(Block(b + c, b, 1), Residual(b))
        self.up0 = nn.Sequential(Block(a + b, a, 1), Residual(a))
        self.out = nn.Conv3d(a, outputs, 1)
        self.width = a

    def forward(self, folded: Tensor, context: Tensor) -> Tensor:
        """Map ``(B, 32, x, y, z)`` and ``(B, 20, x, y, z)`` to ``(B, outputs, x, y, z)``; sizes multiples of 4."""
        return self.out(self.hidden(folded, context))

    def hidden(self, folded: Tensor, context: Tensor) -> Tensor:
        """Return what ``out`` is computed from, ``(B, widths[0], x, y, z)``."""
        top = self.top(folded, context)
        return self.up0(torch.cat([double(self.below(self.down1(top))), top], 1))

    def top(self, folded: Tensor, context: Tensor) -> Tensor:
        """Return the first features at half resolution."""
        return self.norm(self.image(folded) + self.context(context))

    def below(self, middle: Tensor) -> Tensor:
        """Return what quarter resolution makes of :attr:`down1`'s answer with all that lies coarser."""
        return self.up1(torch.cat([double(self.down2(middle)), middle], 1))


class Head(nn.Module):
    """Perceptron from a voxel's own values and the trunk's answer there to the outputs, beside a linear map."""

    def __init__(self, around: int, hidden: tuple[int, int], outputs: int) -> None:
        super().__init__()
        own, joint = hidden
        self.own = nn.Sequential(nn.Linear(ROW, own), nn.SiLU(), nn.Linear(own, own), nn.SiLU())
        self.joint = nn.Sequential(nn.Linear(own + around, joint), nn.SiLU(), nn.Linear(joint, outputs))
        self.linear = nn.Linear(ROW, outputs, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(self, rows: Tensor, around: Tensor) -> Tensor:
        """Map ``(n, ROW)`` and ``(n, around)`` to float32 ``(n, outputs)``."""
        return self.joint(torch.cat([self.own(rows), around.to(rows.dtype)], 1)).float() + self.linear(rows).float()


class PyramidNet(nn.Module):
    """Trunk and head: mean and quantiles of every contrast in every voxel of the brain."""

    def __init__(self, widths: Iterable[int], around: int, hidden: Iterable[int], outputs: int) -> None:
        super().__init__()
        a, b, c = widths
        own, joint = hidden
        self.trunk = Trunk((a, b, c), around)
        self.head = Head(around, (own, joint), N * outputs)
        self.outputs = outputs

    def forward(self, folded: Tensor, context: Tensor, rows: Tensor, where: Tensor) -> Tensor:
        """Return ``(n, 4, outputs)`` for the voxels that ``where``, bool ``(B, X, Y, Z)``, marks.

        ``rows`` is ``(n, ROW)``, in the order of ``where``'s voxels.
        """
        fine = functional.interpolate(self.trunk(folded, context).float(), scale_factor=2, mode="trilinear")
        marked = where.flatten().nonzero()[:, 0]
        around = fine.permute(0, 2, 3, 4, 1).flatten(0, 3).index_select(0, marked)
        return self.head(rows, around).reshape(len(rows), N, self.outputs)

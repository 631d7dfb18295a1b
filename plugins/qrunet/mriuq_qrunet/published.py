"""The published network: MONAI's residual U-Net (4, 8, 16) with three quantiles, in plain torch, and how it learns.

Parameter names and arithmetic equal those of ``monai.networks.nets.UNet``, so weights go either way; predicting needs
torch alone. Instance norm takes its statistics over the field of view, so that field is fixed here: the brain box
padded to a multiple of 8, in training and in use, never tiles of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from mriuq_cli.api import Cases
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.exam import prepare
from mriuq_qrunet.loss import pinball

N = len(CONTRASTS)


class _NormAct(nn.Sequential):
    """Instance norm without parameters, then PReLU with one slope."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.add_module("N", nn.InstanceNorm3d(channels))
        self.add_module("A", nn.PReLU())


class _Convolution(nn.Sequential):
    """Convolution (or its transpose), then norm and activation unless ``bare``."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, *, up: bool = False, bare: bool = False) -> None:
        super().__init__()
        conv: nn.Module = (
            nn.ConvTranspose3d(inputs, outputs, 3, stride, 1, output_padding=stride - 1)
            if up
            else nn.Conv3d(inputs, outputs, 3, stride, 1)
        )
        self.add_module("conv", conv)
        if not bare:
            self.add_module("adn", _NormAct(outputs))


class _Unit(nn.Module):
    """Convolutions around a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, units: int, *, bare: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential()
        for index in range(units):
            first = index == 0
            part = _Convolution(inputs if first else outputs, outputs, stride if first else 1, bare=bare)
            self.conv.add_module(f"unit{index}", part)
        self.residual: nn.Module = nn.Identity()
        if inputs != outputs or stride != 1:
            kernel = 3 if stride != 1 else 1
            self.residual = nn.Conv3d(inputs, outputs, kernel, stride, kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inputs, x, y, z)`` to ``(B, outputs, x / stride, ...)``."""
        shortcut: Tensor = self.residual(x)
        return self.conv(x) + shortcut


class _Skip(nn.Module):
    """Put the input beside the output of what lies below."""

    def __init__(self, submodule: nn.Module) -> None:
        super().__init__()
        self.submodule = submodule

    def forward(self, x: Tensor) -> Tensor:
        """Concatenate along channels."""
        return torch.cat([x, self.submodule(x)], 1)


def _level(inputs: int, outputs: int, channels: Sequence[int], *, top: bool) -> nn.Sequential:
    """Build one level: down by 2, what lies below, up by 2."""
    width, below = channels[0], channels[1:]
    bottom: nn.Module = _level(width, width, below, top=False) if len(below) > 1 else _Unit(width, below[0], 1, units=2)
    joined = width + (width if len(below) > 1 else below[0])
    up = nn.Sequential(_Convolution(joined, outputs, 2, up=True), _Unit(outputs, outputs, 1, units=1, bare=top))
    return nn.Sequential(_Unit(inputs, width, 2, units=2), _Skip(bottom), up)


class ResidualUNet(nn.Module):
    """Four standardised contrasts (missing ones 0) to ``quantiles`` images of each: ``(B, quantiles, 4, X, Y, Z)``.

    The last axis order is that of the configuration's ``taus``: groups are looked up by tau, never by position.
    """

    def __init__(self, channels: Sequence[int], quantiles: int) -> None:
        super().__init__()
        self.quantiles = quantiles
        self.model = _level(N, N * quantiles, channels, top=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 4, X, Y, Z)``, sizes multiples of 4."""
        return self.model(x).unflatten(1, (self.quantiles, N))

    def some(self, x: Tensor, columns: Tensor) -> Tensor:
        """Return ``(B, quantiles, len(columns), X, Y, Z)``: the same images of some contrasts only.

        The last convolution is more than a third of the work, and most of its outputs are seldom wanted.
        """
        down, below, up = self.model
        raised = up[0](below(down(x)))
        last = up[1].conv.unit0.conv
        rows = (torch.arange(self.quantiles, device=x.device)[:, None] * N + columns).flatten()
        found = functional.conv3d(raised, last.weight[rows], last.bias[rows], padding=1) + raised[:, rows]
        return found.unflatten(1, (self.quantiles, len(columns)))


class PublishedObjective:
    """Pinball loss over every voxel, background included, and all four contrasts, masked or not (the paper's)."""

    def __init__(self, taus: Sequence[float]) -> None:
        self.taus = tuple(taus)

    def __call__(self, model: nn.Module, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the mean pinball loss summed over quantiles."""
        output = model(batch["image"]).float().movedim(1, -1)
        return {"loss": pinball(output, batch["truth"], self.taus).sum(-1).mean()}


class Brains(Dataset[Any]):
    """Whole brain boxes as an endless stream, with the paper's augmentation and a fresh mask each time."""

    def __init__(self, config: Mapping[str, Any], cases: Cases, *, change: bool) -> None:
        self.config = config
        self.change = change
        self.exams = [prepare(read()) for read in cases]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return one box, ``image`` with masked contrasts 0 and ``truth``, both float32 ``(4, X, Y, Z)``."""
        rng = np.random.default_rng((int(self.config["seed"]), 3, index))
        exam = self.exams[int(rng.integers(len(self.exams)))]
        z, own = torch.from_numpy(exam.z), torch.from_numpy(exam.own)
        if self.change:
            axes = [axis for axis in (1, 2, 3) if rng.random() < 0.5]
            z, own = z.flip(axes), own.flip(axes)
            z = (z * rng.uniform(0.9, 1.1) + rng.uniform(-0.1, 0.1)) * own
        given = torch.from_numpy(self.draw_given(rng))[:, None, None, None]
        return {"image": z * given, "truth": z}

    def draw_given(self, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Mask each contrast with its own probability; draw again when none is left."""
        while True:
            given = rng.random(N) >= np.array([self.config["masked"][i] for i in range(N)])
            if given.any():
                return given

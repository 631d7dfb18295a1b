"""The network of our own presets: a U-Net on the image folded 2 x 2 x 2 into channels, one decoder a task.

Folding loses nothing and takes the work to half resolution. The correction is ``r - sum_k g_k b_k``: what is put in,
and the shares that are taken out of the bands ``b_k`` into which means over 2, 4 and 8 voxels part the input (a
pyramid, Burt and Adelson 1983, shrunk as is learnt). All maps are smooth where noise gives way to the mean around it,
while the correction itself is as rough as the noise; and the network need not make that mean, whose errors would be
errors of brightness. There is no norm over the field of view, so what is said of a voxel does not depend on how much
is in the picture. A fault of k-space is spread over the whole of it and hard to tell from anatomy in any part, so the
decoder that cleans is told what was measured on the whole (:mod:`mriuq_hetqc.marks`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mriuq_hetqc.marks import MARKS

CLASSES = 4
"""Outside the brain, fluid, grey matter, white matter."""
SIGMA = (-13.8, math.log(0.25))
"""Bounds of ``log sigma_r^2``: sigma from a thousandth of full scale to a half of it (Popoviciu's inequality)."""
TASK = (-7.0, 5.0)
"""Bounds of ``log sigma_s^2``."""
BANDS = (2, 4, 8)
"""Edges, in voxels, of the cubes whose means part the input into bands."""
_FIRST_SIGMA = -6.0
"""Where ``log sigma_r^2`` starts: sigma 0.05 of full scale."""
_HIDDEN = 16


class Answer(NamedTuple):
    """What a network says of scaled images ``(B, 1, X, Y, Z)``.

    Parameters
    ----------
    residual
        ``(B, 1, X, Y, Z)``; the clean image is the input plus it.
    log_variance
        ``log sigma_r^2`` of the clean image, within :data:`SIGMA`, same shape.
    logits
        ``(B, CLASSES, X, Y, Z)``, or None for a network without the second task.
    task_log_variance
        ``log sigma_s^2`` of the segmentation, within :data:`TASK`, ``(B, 1, X, Y, Z)``, or None.
    features
        The bottom of the network, ``(B, C, x, y, z)``, which says what kind of image this is.
    """

    residual: Tensor
    log_variance: Tensor
    logits: Tensor | None
    task_log_variance: Tensor | None
    features: Tensor


def fold(image: Tensor) -> Tensor:
    """Fold ``(B, C, X, Y, Z)`` into ``(B, 8 C, X/2, Y/2, Z/2)``."""
    b, c, x, y, z = image.shape
    split = image.reshape(b, c, x // 2, 2, y // 2, 2, z // 2, 2)
    return split.permute(0, 3, 5, 7, 1, 2, 4, 6).reshape(b, 8 * c, x // 2, y // 2, z // 2)


def unfold(image: Tensor) -> Tensor:
    """Undo :func:`fold`."""
    b, c, x, y, z = image.shape
    split = image.reshape(b, 2, 2, 2, c // 8, x, y, z)
    return split.permute(0, 4, 5, 1, 6, 2, 7, 3).reshape(b, c // 8, 2 * x, 2 * y, 2 * z)


def bands(image: Tensor) -> Iterator[Tensor]:
    """Yield what a mean over each edge of :data:`BANDS` takes away, finest first; ``(B, 1, X, Y, Z)`` as the image.

    The bands and the mean over the last edge add up to the image. Sides are multiples of the last edge.
    """
    finer = image
    for edge in BANDS:
        mean = functional.avg_pool3d(image, edge)
        coarser = functional.interpolate(mean, size=image.shape[2:], mode="trilinear", align_corners=False)
        yield finer - coarser
        finer = coarser


def bounded(z: Tensor, limits: tuple[float, float]) -> Tensor:
    """Keep a log-variance within limits, smoothly: ``lo + softplus(z - lo)``, and so from above; float32.

    Without a floor the loss has none either, and confident voxels would drive it.
    """
    low, high = limits
    return high - functional.softplus(high - low - functional.softplus(z.float() - low))


class Block(nn.Sequential):
    """Two 3 x 3 x 3 convolutions, each with a leaky rectifier."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
            nn.Conv3d(outputs, outputs, 3, padding=1),
            nn.LeakyReLU(0.1, inplace=True),
        )


class Film(nn.Module):
    """Scale and shift channels by what is known of the whole scan (Perez et al., AAAI 2018); at first by nothing."""

    def __init__(self, known: int, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(known, _HIDDEN), nn.LeakyReLU(0.1), nn.Linear(_HIDDEN, 2 * width))
        nn.init.zeros_(self.layers[-1].weight)
        nn.init.zeros_(self.layers[-1].bias)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """Modulate ``(B, C, x, y, z)`` by ``(B, known)``."""
        scale, shift = self.layers(known)[..., None, None, None].chunk(2, dim=1)
        return x * (1 + scale) + shift


class Decoder(nn.Module):
    """From the bottom back to the folded grid, with the encoder's images beside.

    Parameters
    ----------
    known
        How many numbers about the whole scan it is told.
    """

    def __init__(self, widths: Sequence[int], outputs: int, known: int = 0) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(widths))[::-1]
        self.blocks = nn.ModuleList(Block(below + width, width) for width, below in pairs)
        self.films = nn.ModuleList(Film(known, width) for width, _ in pairs if known)
        self.head = nn.Conv3d(widths[0], outputs, 1)

    def forward(self, levels: Sequence[Tensor], known: Tensor | None = None) -> Tensor:
        """Map the encoder's images, finest first, and ``(B, known)`` to ``(B, outputs, x, y, z)``."""
        x = levels[-1]
        for depth, beside in enumerate(levels[-2::-1]):
            x = functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
            x = self.blocks[depth](torch.cat((x, beside), dim=1))
            if known is not None:
                x = self.films[depth](x, known)
        found: Tensor = self.head(x)
        return found


class FoldedUNet(nn.Module):
    """Cleaned image with its log-variance and, as a second task, tissue classes with theirs.

    Parameters
    ----------
    widths
        Channels at half resolution and each halving below it.
    multi_task
        Whether there is a second decoder.
    dropout
        Chance that a channel of the two deepest images is left out, in training and for the epistemic uncertainty.
    """

    def __init__(self, widths: Sequence[int], *, multi_task: bool, dropout: float = 0.0) -> None:
        super().__init__()
        self.multiple = max(2 ** len(widths), BANDS[-1])
        self.dropout = nn.Dropout3d(dropout)
        self.encoder = nn.ModuleList(Block(a, b) for a, b in zip((8, *widths[:-1]), widths, strict=True))
        self.clean = Decoder(widths, 8 * (2 + len(BANDS)), known=MARKS)
        self.task = Decoder(widths, 8 * (CLASSES + 1)) if multi_task else None
        self._begin()

    def _begin(self) -> None:
        """Start as a copy of the input that is unsure by the same everywhere."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, a=0.1, nonlinearity="leaky_relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for decoder in (self.clean, self.task):
            if decoder is not None:
                nn.init.normal_(decoder.head.weight, std=1e-3)
        with torch.no_grad():
            self.clean.head.bias.copy_(torch.tensor([0.0, _FIRST_SIGMA, *(0.0 for _ in BANDS)]).repeat(8))

    def forward(self, image: Tensor, marks: Tensor) -> Answer:
        """Answer for ``(B, 1, X, Y, Z)``, sides multiples of ``multiple``, and ``(B, MARKS)``."""
        levels = []
        x = fold(image)
        for depth, block in enumerate(self.encoder):
            x = block(functional.max_pool3d(x, 2) if depth else x)
            if depth >= len(self.encoder) - 2:
                x = self.dropout(x)
            levels.append(x)
        clean = unfold(self.clean(levels, marks))
        residual = clean[:, :1].float()
        for k, band in enumerate(bands(image), 2):
            residual = residual - clean[:, k : k + 1].float() * band
        log_variance = bounded(clean[:, 1:2], SIGMA)
        if self.task is None:
            return Answer(residual, log_variance, None, None, x)
        task = unfold(self.task(levels))
        return Answer(residual, log_variance, task[:, :CLASSES].float(), bounded(task[:, CLASSES:], TASK), x)

"""The network of our own presets: a U-Net on the image folded 2 x 2 x 2 into channels, one decoder a task.

Folding loses nothing and takes the work to half resolution. The correction is ``r - sum_k g_k b_k``: what is put in,
and the shares that are taken out of the bands ``b_k`` into which signals over 2, 4 and 8 voxels part the input (a
pyramid, Burt and Adelson 1983, shrunk as is learnt). All maps are smooth where noise gives way to the signal around it,
while the correction itself is as rough as the noise; and the network need not make that signal, whose errors would be
errors of brightness: noise of magnitudes adds to their mean, and is taken off in closed form. There is no norm over the
field of view, so what is said of a voxel does not depend on how much is in the picture. A fault of k-space is spread
over the whole of it and hard to tell from anatomy in any part, so the decoder that cleans is told what was measured on
the whole (:mod:`mriuq_hetqc.marks`). Its last layers are told besides what noise cannot hide
(:mod:`mriuq_hetqc.surroundings`): how strong a band is beside its noise says how far to shrink it, and what that costs.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mriuq_hetqc.marks import MARKS, noise_told
from mriuq_hetqc.surroundings import COARSEST, SURROUNDINGS, Cubes, of_surroundings

CLASSES = 4
"""Outside the brain, fluid, grey matter, white matter."""
SIGMA = (-13.8, math.log(0.25))
"""Bounds of ``log sigma_r^2``: sigma from a thousandth of full scale to a half of it (Popoviciu's inequality)."""
TASK = (-7.0, 5.0)
"""Bounds of ``log sigma_s^2``."""
BANDS = (2, 4, 8)
"""Edges, in voxels, of the cubes whose signals part the input into bands."""
_FIRST_SIGMA = -6.0
"""Where ``log sigma_r^2`` starts: sigma 0.05 of full scale."""
_HIDDEN, _BENT = 16, 48
_SLAB = 8


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


def bands(image: Tensor, cubes: Cubes) -> Iterator[Tensor]:
    """Yield the bands of an image, finest first, and what is left; each ``(B, 1, X, Y, Z)`` as the image.

    A band is what the signal over an edge of :data:`BANDS` takes away; all add up to the image, that of the cubes.
    Sides are multiples of the last edge.
    """
    finest, filled = image, (image > 0).to(image)
    for edge in BANDS:
        coarser = filled * cubes.signal(edge, 1)
        yield finest - coarser
        finest = coarser
    yield finest


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


class Closing(nn.Module):
    """From features, and what is measured beside them, to maps: a linear layer, and what bends beside it.

    Places are worked on slab by slab, which takes little memory.
    """

    def __init__(self, features: int, beside: int, maps: int) -> None:
        super().__init__()
        self.maps = maps
        self.plain = nn.Linear(features, 8 * maps)
        self.bent = nn.Sequential(
            nn.Linear(features + beside, _BENT), nn.LeakyReLU(0.1, inplace=True),
            nn.Linear(_BENT, _BENT), nn.LeakyReLU(0.1, inplace=True), nn.Linear(_BENT, 8 * maps),
        )  # fmt: skip

    def forward(self, features: Tensor, around: Tensor, known: Tensor) -> Tensor:
        """Map folded ``(B, C, x, y, z)`` and ``(B, n, x, y, z)``, and ``(B, m)``, to ``(B, maps, 2x, 2y, 2z)``."""
        batch, _, *size = features.shape
        found = features.new_empty(batch, self.maps, *(2 * n for n in size))
        for start in range(0, size[0], _SLAB):
            slab = slice(start, start + _SLAB)
            inner, beside = (image[:, :, slab].movedim(1, -1) for image in (features, around))
            told = known[:, None, None, None].expand(*beside.shape[:-1], -1)
            maps = self.of_places(inner, torch.cat((beside, told), -1)).movedim(-1, 1)
            found[:, :, 2 * start : 2 * (start + _SLAB)] = unfold(maps)
        return found

    def of_places(self, features: Tensor, beside: Tensor) -> Tensor:
        """Map ``(..., C)`` and ``(..., n + m)`` to ``(..., 8 maps)``."""
        found: Tensor = self.plain(features) + self.bent(torch.cat((features, beside.to(features)), -1))
        return found


class Decoder(nn.Module):
    """From the bottom back to the folded grid, with the encoder's images beside.

    Parameters
    ----------
    known
        How many numbers about the whole scan it is told.
    around
        How many numbers about each place its last layers are told; without any it ends in one linear layer.
    """

    def __init__(self, widths: Sequence[int], maps: int, known: int = 0, around: int = 0) -> None:
        super().__init__()
        pairs = list(itertools.pairwise(widths))[::-1]
        self.blocks = nn.ModuleList(Block(below + width, width) for width, below in pairs)
        self.films = nn.ModuleList(Film(known, width) for width, _ in pairs if known)
        self.head = Closing(widths[0], known + around, maps) if around else nn.Conv3d(widths[0], 8 * maps, 1)

    def features(self, levels: Sequence[Tensor], known: Tensor | None = None) -> Tensor:
        """Map the encoder's images, finest first, and ``(B, known)`` to an image like the first."""
        x = levels[-1]
        for depth, beside in enumerate(levels[-2::-1]):
            x = functional.interpolate(x, scale_factor=2, mode="trilinear", align_corners=False)
            x = self.blocks[depth](torch.cat((x, beside), dim=1))
            if known is not None:
                x = self.films[depth](x, known)
        return x

    def forward(self, levels: Sequence[Tensor]) -> Tensor:
        """Map the encoder's images to ``(B, maps, X, Y, Z)``, in a decoder that is told nothing."""
        return unfold(self.head(self.features(levels)))


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
        self.multiple = max(2 ** len(widths), COARSEST)
        self.dropout = nn.Dropout3d(dropout)
        self.encoder = nn.ModuleList(Block(a, b) for a, b in zip((8, *widths[:-1]), widths, strict=True))
        self.clean = Decoder(widths, 3 + len(BANDS), MARKS, SURROUNDINGS)
        self.task = Decoder(widths, CLASSES + 1) if multi_task else None
        self._begin()

    def _begin(self) -> None:
        """Start as a copy of the input that is unsure by the same everywhere."""
        for layer in self.modules():
            if isinstance(layer, nn.Conv3d):
                nn.init.kaiming_normal_(layer.weight, a=0.1, nonlinearity="leaky_relu")
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        for values in self.clean.head.bent[-1].parameters():
            nn.init.zeros_(values)
        for last in (self.clean.head.plain, *(() if self.task is None else (self.task.head,))):
            nn.init.normal_(last.weight, std=1e-3)
        with torch.no_grad():
            self.clean.head.plain.bias.copy_(torch.tensor([0.0, _FIRST_SIGMA, 0.0, *(0.0 for _ in BANDS)]).repeat(8))

    def forward(self, image: Tensor, marks: Tensor) -> Answer:
        """Answer for ``(B, 1, X, Y, Z)``, sides multiples of ``multiple``, and ``(B, MARKS)``."""
        levels = []
        x = fold(image)
        for depth, block in enumerate(self.encoder):
            x = block(functional.max_pool3d(x, 2) if depth else x)
            if depth >= len(self.encoder) - 2:
                x = self.dropout(x)
            levels.append(x)
        residual, log_variance = self._cleaned(image, levels, marks)
        if self.task is None:
            return Answer(residual, log_variance, None, None, x)
        task = self.task(levels)
        return Answer(residual, log_variance, task[:, :CLASSES].float(), bounded(task[:, CLASSES:], TASK), x)

    def _cleaned(self, image: Tensor, levels: Sequence[Tensor], marks: Tensor) -> tuple[Tensor, Tensor]:
        """Return correction and log-variance; what is needed on the way is gone before the second task begins."""
        cubes = Cubes(image, noise_told(marks))
        features = self.clean.features(levels, marks)
        maps = self.clean.head(features, of_surroundings(image, cubes), marks)
        residual = maps[:, :1].float()
        for k, band in enumerate(bands(image, cubes), 2):
            residual = residual - maps[:, k : k + 1].float() * band
        return residual, bounded(maps[:, 1:2], SIGMA)

"""Training crops as an endless stream: item ``i`` is a function of the seed and ``i`` alone.

Heads are changed as other scanners show them, corrupted whole, scaled as in use, and then cut.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from mriuq_cli.api import Case, Cases, ras_geometry, to_ras
from mriuq_hetqc.looks import smooth, thick
from mriuq_hetqc.marks import MARKS, UNSURE, as_input, of_scan
from mriuq_hetqc.region import widened
from mriuq_hetqc.scan import full_scale, pad_to, prepare, to_working
from mriuq_hetqc.spoil import soft_region, spoil

_UNKNOWN = 255
_HEAD = 0.1
"""Share of full scale above which a voxel of the clean image is head."""
_REACH = 5
"""Voxels around the head that count fully."""
_OUTSIDE = 0.1
"""How much the rest of the background counts."""

_NO_AIR = 0.4
"""Chance that what is dark was set to 0, as scanners and conversions do."""
_CUT_LATER = 0.7
"""Chance that skull or face were cut away after a scanner had spoilt the head, so that no fault shows there."""


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """A clean head on the working grid: scaled image (float16) and tissue labels (uint8; 255 where unknown)."""

    image: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A corrupted head and the clean one, both scaled by the corrupted one, with labels and places inside the head.

    ``marks`` is what the network is told of the corrupted head as a whole.
    """

    spoilt: Tensor
    clean: Tensor
    labels: Tensor
    inside: Tensor
    marks: Tensor


class Crops(Dataset[Any]):
    """Cubes of corrupted heads beside the clean ones.

    Parameters
    ----------
    config
        ``crop`` (edge in voxels), ``reuse`` (crops of a corrupted head), ``slots`` (corrupted heads at hand), ``seed``.
    cases
        Readers of clean heads, image ``t1``; labels 1 fluid, 2 grey matter, 3 white matter where they are known.
    device
        Where the work is done.
    change
        Whether contrast, size and field of view are varied.
    """

    def __init__(self, config: Mapping[str, Any], cases: Cases, device: str, *, change: bool) -> None:
        self.config = config
        self.device = torch.device(device)
        self.change = change
        self.heads = [self._read(case) for case in cases]
        self.ready: dict[int, tuple[int, Pair]] = {}

    def _read(self, read: Callable[[], Case]) -> Head:
        head, _ = read_head(read)
        least = self.config["crop"]
        image, labels = (pad_to(t, 1 if min(t.shape) >= least else least) for t in (head.image, head.labels))
        return Head(image.to(self.device), labels.to(self.device))

    def _pair(self, group: int) -> Pair:
        """Return a head, changed and corrupted."""
        rng = np.random.default_rng((int(self.config["seed"]), 1, group))
        generator = torch.Generator(self.device).manual_seed(int(rng.integers(2**62)))
        head = self.heads[int(rng.integers(len(self.heads)))]
        clean, labels, band = head.image.float(), head.labels, (1.0, 1.0, 1.0)
        if self.change:
            clean, labels, band = other_scanner(clean, labels, rng, int(self.config["crop"]))
        bad = spoil(clean, rng, generator).image
        if rng.random() < _CUT_LATER:
            bad = bad * (clean > 0)
        scale = full_scale(bad)
        inside = (clean > _HEAD * full_scale(clean)).flatten().nonzero()[:, 0]
        bad = bad / scale
        return Pair(bad, clean / scale, labels, inside, as_input(of_scan(bad, band)))

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return ``image``, ``clean``, ``weight`` ``(1, n, n, n)``, ``labels`` ``(n, n, n)``, int64, and ``marks``."""
        slots, reuse = int(self.config["slots"]), int(self.config["reuse"])
        slot, turn = index % slots, index // slots // reuse
        group = turn * slots + slot
        if self.ready.get(slot, (-1,))[0] != group:
            self.ready[slot] = (group, self._pair(group))
        pair = self.ready[slot][1]
        rng = np.random.default_rng((int(self.config["seed"]), 2, index))
        cube = self._cube(pair, rng)
        clean = pair.clean[cube]
        near = widened(clean > _HEAD, _REACH)[None].float()
        return {
            "image": pair.spoilt[cube][None],
            "clean": clean[None],
            "weight": near + _OUTSIDE * (1 - near),
            "labels": pair.labels[cube].long(),
            "marks": pair.marks + UNSURE * torch.from_numpy(rng.normal(0, 1, MARKS).astype(np.float32)),
        }

    def _cube(self, pair: Pair, rng: np.random.Generator) -> tuple[slice, slice, slice]:
        """Draw a cube around a random voxel of the head, its corner on even voxels."""
        edge, size = int(self.config["crop"]), tuple(pair.clean.shape)
        place = int(pair.inside[int(rng.integers(len(pair.inside)))]) if len(pair.inside) else 0
        centre = np.unravel_index(place, size)
        starts = [min(max(0, int(c) - edge // 2), n - edge) // 2 * 2 for c, n in zip(centre, size, strict=True)]
        return (*(slice(s, s + edge) for s in starts),)  # type: ignore[return-value]


def read_head(read: Callable[[], Case]) -> tuple[Head, tuple[float, ...]]:
    """Return a clean head on the working grid, and the edges of its voxels, mm."""
    case = read()
    scan = prepare(case.volumes["t1"].data, case.geometry, case.id)
    image = (scan.image / scan.scale).clamp(0, 8).half()
    labels = torch.full(image.shape, _UNKNOWN, dtype=torch.uint8)
    if case.labels is not None:
        ras = torch.from_numpy(np.ascontiguousarray(to_ras(case.labels, case.geometry)[scan.box]))
        shares = [to_working((ras == k).float(), ras_geometry(case.geometry).spacing) for k in range(4)]
        labels = torch.stack(shares).argmax(0).to(torch.uint8)
    return Head(image, labels), scan.spacing


def other_scanner(
    image: Tensor, labels: Tensor, rng: np.random.Generator, least: int
) -> tuple[Tensor, Tensor, tuple[float, ...]]:
    """Change a clean head as other scanners, sizes and preparations show it; sides stay at ``least`` voxels or more.

    Returns
    -------
    tuple
        Image, labels, and the share of each axis's frequencies that interpolation left in place.
    """
    band = [1.0, 1.0, 1.0]
    if rng.random() < 0.5:
        image, labels = image.flip(0), labels.flip(0)
    if rng.random() < 0.6:
        factor = float(rng.uniform(0.85, 1.25))
        shape = [max(least, round(n * factor)) for n in image.shape]
        band = [min(1.0, n / size) for n, size in zip(image.shape, shape, strict=True)]
        image = functional.interpolate(image[None, None], size=shape, mode="trilinear", align_corners=False)[0, 0]
        moved = functional.interpolate(labels[None, None].float(), size=shape, mode="nearest-exact")[0, 0]
        labels = moved.to(torch.uint8)
    if rng.random() < 0.2:
        axis, factor = int(rng.integers(3)), float(rng.uniform(2, 5))
        slices = max(4, round(image.shape[axis] / factor))
        image = thick(image, axis, slices)
        band[axis] = slices / image.shape[axis]
    image = image.clamp_min(0) ** float(rng.uniform(0.75, 1.35))
    image = image * smooth(image.shape, rng, 3, 0.2, image.device).exp()
    if rng.random() < _NO_AIR:
        image = image.masked_fill(image < float(rng.uniform(0.02, 0.1)), 0)
    if rng.random() < 0.3 and bool(_brain(labels).any()):
        image, labels = _without_skull(image, labels, least)
    elif rng.random() < 0.1:  # a field of view that ends early, or a face that was taken off
        gone = soft_region(image.shape, rng, image.device) >= 0.5
        image, labels = image.masked_fill(gone, 0), labels.masked_fill(gone, _UNKNOWN)
    return image, labels, tuple(band)


def _brain(labels: Tensor) -> Tensor:
    return (labels > 0) & (labels < 4)


def _without_skull(image: Tensor, labels: Tensor, least: int) -> tuple[Tensor, Tensor]:
    """Keep the brain alone, and of the field of view what it fills, or ``least`` voxels, as in use."""
    brain = widened(_brain(labels), 1)
    box = []
    for axis, n in enumerate(brain.shape):
        places = torch.movedim(brain, axis, 0).flatten(1).any(1).nonzero()[:, 0]
        start, stop = int(places[0]), int(places[-1]) + 1
        start = max(0, min(start, n - least))
        box.append(slice(start, max(stop, start + least)))
    return (image * brain)[tuple(box)], labels[tuple(box)]

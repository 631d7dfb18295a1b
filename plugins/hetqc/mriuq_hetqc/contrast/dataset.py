"""Views of heads, half of them T1-weighted, as an endless stream: item ``i`` follows from the seed and ``i`` alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from mriuq_cli.api import Case, Cases
from mriuq_hetqc.contrast import appearance
from mriuq_hetqc.contrast.view import centred, in_cells, scaled
from mriuq_hetqc.dataset import read_head

_TISSUES = 4
_BLOBS, _LABELS = 0.05, 0.05
"""Shares of the other images that are no head at all, and that are label maps."""


class Contrasts(Dataset[Any]):
    """Heads in the order of T1-weighted images or another, as various scanners show them.

    Parameters
    ----------
    config
        ``seed``.
    cases
        Readers of clean T1-weighted heads, image ``t1``; labels 1 fluid, 2 grey matter, 3 white matter. Without
        labels a head is shown as it is, or with its brightnesses shuffled.
    split
        ``train`` or ``validation``: another stream of the same kind.
    """

    def __init__(self, config: Mapping[str, Any], cases: Cases, split: str) -> None:
        self.key = (int(config["seed"]), int(split != "train"))
        self.heads = [_in_cells(read) for read in cases]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return a view and what it shows.

        ``image`` ``(1, *FIELD)``; ``other``, 1 where it is no T1-weighted head; ``shares`` of the tissues
        ``(4, *FIELD)``; ``known``, 1 where these hold.
        """
        rng = np.random.default_rng((*self.key, index))
        image, shares, depth = self.heads[int(rng.integers(len(self.heads)))]
        known = bool((shares[1:] > 0).any())
        other = bool(rng.random() < 0.5)
        draw = rng.random() if other else 1.0
        labels = _BLOBS <= draw < _BLOBS + _LABELS
        if draw < _BLOBS:
            shown, known = appearance.blobs(image.shape, rng), False
        elif labels:
            shown = appearance.flat(shares, image, rng)
        else:
            shown = _drawn(image, shares, depth, rng, other=other)
        both = appearance.cut(torch.cat((shown[None], shares[1:])))
        both = appearance.turned(both, rng, sharp=labels)
        if not labels:
            both[0] = appearance.scanned(both[0], rng)
        both = centred(appearance.ended(both, rng))
        inner = both[1:].clamp(0, 1)
        shares = torch.cat(((1 - inner.sum(0, keepdim=True)).clamp_min(0), inner))
        found = {"image": scaled(both[0]), "shares": shares, "known": float(known), "other": float(other)}
        return {name: torch.as_tensor(value) for name, value in found.items()}


def _drawn(image: Tensor, shares: Tensor, depth: Tensor, rng: np.random.Generator, *, other: bool) -> Tensor:
    labelled = bool((shares[1:] > 0).any())
    if other and (not labelled or rng.random() < 0.05):
        return appearance.recoloured(image, rng, rising=False)
    if not other and (not labelled or rng.random() < 0.4):
        shown = image ** float(rng.uniform(0.7, 1.4))
    else:
        levels = appearance.other_levels(rng) if other else appearance.t1_levels(rng)
        shown = appearance.painted(image, shares, depth, levels, rng, t1=not other)
    return shown * (shares[0] < 0.5) if labelled and rng.random() < 0.35 else shown


def _in_cells(read: Callable[[], Case]) -> tuple[Tensor, Tensor, Tensor]:
    """Return a head's scaled image, the shares of its tissues and how deep they lie, in cells."""
    head, spacing = read_head(read)
    known = torch.stack([in_cells((head.labels == k).float(), spacing) for k in range(_TISSUES)])
    return in_cells(head.image.float(), spacing).clamp_min(0), known, appearance.depth_of(known)

"""Training crops as an endless stream: item ``i`` is a function of the seed and ``i`` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from mriuq_cli.api import Cases
from mriuq_qrunet import features
from mriuq_qrunet.augment import other_scanner
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.exam import prepare
from mriuq_qrunet.features import Place
from mriuq_qrunet.inputs import Corner, Scene, context, rows
from mriuq_qrunet.network import fold

_ONE_MISSING = 0.7
"""Share of the crops that lack one contrast, the commonest case in use."""
_CHANGED = 0.75
"""Share of the exams that are changed as another scanner might have changed them."""
_N = len(CONTRASTS)


def draw_given(rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Draw which contrasts are given: mostly all but one, else any proper subset that is not empty."""
    if rng.random() < _ONE_MISSING:
        return np.arange(_N) != rng.integers(_N)
    bits = int(rng.integers(1, 2**_N - 1))
    return np.array([bool(bits >> i & 1) for i in range(_N)])


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What is kept of an exam, and computed once: scores as float16 on the device, and where its brain is.

    ``inside`` (flat positions of the voxels of brain) and ``marked`` (the mask itself) stay in the CPU's memory, where
    crops are drawn.
    """

    z: Tensor
    own: Tensor
    brain: Tensor
    share: Tensor
    place: Place
    inside: NDArray[np.int64]
    marked: NDArray[np.bool_]

    @classmethod
    def of(cls, z: Tensor, own: Tensor, brain: Tensor, device: str) -> Kept:
        """Measure a brain and take the exam to the device."""
        inside = np.flatnonzero(brain.numpy())
        there = [image.to(device) for image in (z, own, brain, features.share(brain))]
        return cls(there[0], there[1], there[2], there[3], Place.of(brain), inside, brain.numpy())


@dataclass(frozen=True, slots=True, eq=False)
class Ready:
    """An exam that crops are cut from, as the network sees it; ``flip`` is -1 for its mirror image, else 1."""

    kept: Kept
    scene: Scene
    smooth: Tensor
    flip: float


class Crops(Dataset[Any]):
    """Cubes out of exams that are changed as another scanner might have changed them.

    A few exams are kept ready at a time, each used for ``reuse`` crops before the slot gets the next one. Chance is
    drawn by the CPU, so items are the same on every device but for the last bits of sums.

    Parameters
    ----------
    config
        ``crop`` (edge in voxels, multiple of 8), ``reuse``, ``slots``, ``augment`` (strength), ``share`` of the brain
        voxels that enter the loss, ``given_weight`` of contrasts that are given, ``seed``.
    cases
        Readers of the subjects.
    device
        Where the items are made.
    """

    def __init__(self, config: Mapping[str, Any], cases: Cases, *, change: bool, device: str = "cpu") -> None:
        self.config = config
        self.strength = float(config["augment"]) if change else 0.0
        self.device = device
        self.exams = [self._store(prepare(read())) for read in cases]
        self.ready: dict[int, tuple[int, Ready]] = {}

    def _store(self, exam: Any) -> Kept:
        """Keep scores as float16; pad boxes that are smaller than a crop."""
        short = [max(0, self.config["crop"] - n) for n in exam.brain.shape]
        pad = [0, short[2], 0, short[1], 0, short[0]]
        images = (torch.from_numpy(a) for a in (exam.z.astype(np.float16), exam.own, exam.brain))
        z, own, brain = (functional.pad(image, pad) for image in images)
        return Kept.of(z, own, brain, self.device)

    def _exam_of(self, index: int) -> Ready:
        """Return the changed exam that item ``index`` is cut from."""
        slots, reuse = int(self.config["slots"]), int(self.config["reuse"])
        slot, turn = index % slots, index // slots // reuse
        group = turn * slots + slot
        if self.ready.get(slot, (-1,))[0] != group:
            rng = np.random.default_rng((int(self.config["seed"]), 1, group))
            kept = self.exams[int(rng.integers(len(self.exams)))]
            flip = -1.0 if rng.random() < 0.5 else 1.0
            changed = other_scanner(kept.z.float(), kept.own, self.strength * float(rng.random() < _CHANGED), rng)
            coarse, smooth = features.coarse(changed, kept.own), features.fine(changed, kept.own)
            scene = Scene(changed, kept.own, kept.brain, coarse, kept.share, kept.place)
            self.ready[slot] = (group, Ready(kept, scene, smooth, flip))
        return self.ready[slot][1]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return one crop as network inputs, truth and weights.

        What the network sees is changed as another scanner might have; what it is to say of a contrast is not, since
        no other contrast could tell how that one was changed.
        """
        exam = self._exam_of(index)
        scene, flip = exam.scene, exam.flip
        rng = np.random.default_rng((int(self.config["seed"]), 2, index))
        start, shape = self._cube(exam.kept, rng)
        drawn = torch.from_numpy(draw_given(rng)).float()
        cube = tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))
        where = exam.kept.marked[cube] & (rng.random(shape, np.float32) < self.config["share"])
        given = drawn.to(self.device)
        z, truth, own, smooth = (i[(slice(None), *cube)] for i in (scene.z, exam.kept.z, scene.own, exam.smooth))
        place = scene.place.grid(start, shape, 1, self.device)
        around = context(scene, given, start, shape, flip)
        place[0] *= flip
        if flip < 0:
            z, truth, own, smooth, place, around = (t.flip(-3) for t in (z, truth, own, smooth, place, around))
            where = where[::-1]
        marked = _sent(np.flatnonzero(where), self.device)
        weight = torch.where(given > 0, float(self.config["given_weight"]), 1.0)
        return {
            "folded": fold((z * given[:, None, None, None])[None])[0],
            "context": around,
            "rows": rows(z, smooth, given, place, marked),
            "where": _sent(np.ascontiguousarray(where), self.device),
            "truth": truth.flatten(1)[:, marked].T.float().contiguous(),
            "weight": (own.flatten(1)[:, marked] * weight[:, None]).T.contiguous(),
        }

    def _cube(self, exam: Kept, rng: np.random.Generator) -> tuple[Corner, Corner]:
        """Draw a cube around a random voxel of brain, its corner on even voxels."""
        edge, size = int(self.config["crop"]), exam.marked.shape
        centre = np.unravel_index(int(exam.inside[int(rng.integers(len(exam.inside)))]), size)
        start = [min(max(0, int(c) - edge // 2), n - edge) // 2 * 2 for c, n in zip(centre, size, strict=True)]
        return (start[0], start[1], start[2]), (edge, edge, edge)

    @staticmethod
    def collate(items: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Stack the cubes; put the rows of their marked voxels one below the other."""
        stacked = {name: torch.stack([item[name] for item in items]) for name in ("folded", "context", "where")}
        return stacked | {name: torch.cat([item[name] for item in items]) for name in ("rows", "truth", "weight")}


def _sent(array: NDArray[Any], device: str) -> Tensor:
    """Return an array as a tensor on the device; the CPU does not wait for it to arrive."""
    tensor = torch.from_numpy(array)
    return tensor if device == "cpu" else tensor.pin_memory().to(device, non_blocking=True)

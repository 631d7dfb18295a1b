"""Training crops as an endless stream: item ``i`` is a function of the seed and ``i`` alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from mriuq_cli.api import Cases
from mriuq_qrunet import features
from mriuq_qrunet.augment import other_scanner
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.exam import prepare
from mriuq_qrunet.inputs import Corner, Scene, context, rows
from mriuq_qrunet.network import fold

_MARGIN = 3
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
class Ready:
    """An exam that crops are cut from: as the network sees it, its true scores, and where its brain is.

    ``inside`` holds the flat positions of the voxels of brain; ``flip`` is -1 where crops are mirrored, else 1.
    """

    scene: Scene
    truth: Tensor
    inside: Tensor
    flip: float


class Crops(Dataset[Any]):
    """Cubes out of exams that are changed as another scanner might have changed them.

    A few exams are kept ready at a time, each used for ``reuse`` crops before the slot gets the next one.

    Parameters
    ----------
    config
        ``crop`` (edge in voxels, multiple of 8), ``reuse``, ``slots``, ``augment`` (strength), ``share`` of the brain
        voxels that enter the loss, ``given_weight`` of contrasts that are given, ``seed``.
    cases
        Readers of the subjects.
    """

    def __init__(self, config: Mapping[str, Any], cases: Cases, *, change: bool) -> None:
        self.config = config
        self.strength = float(config["augment"]) if change else 0.0
        self.exams = [self._store(prepare(read())) for read in cases]
        self.ready: dict[int, tuple[int, Ready]] = {}

    def _store(self, exam: Any) -> tuple[Tensor, Tensor, Tensor]:
        """Keep scores as float16; pad boxes that are smaller than a crop."""
        short = [max(0, self.config["crop"] - n) for n in exam.brain.shape]
        pad = [0, short[2], 0, short[1], 0, short[0]]
        z, own, brain = (torch.from_numpy(a) for a in (exam.z.astype(np.float16), exam.own, exam.brain))
        return functional.pad(z, pad), functional.pad(own, pad), functional.pad(brain, pad)

    def _exam_of(self, index: int) -> Ready:
        """Return the changed exam that item ``index`` is cut from."""
        slots, reuse = int(self.config["slots"]), int(self.config["reuse"])
        slot, turn = index % slots, index // slots // reuse
        group = turn * slots + slot
        if self.ready.get(slot, (-1,))[0] != group:
            rng = np.random.default_rng((int(self.config["seed"]), 1, group))
            z, own, brain = self.exams[int(rng.integers(len(self.exams)))]
            flip = -1.0 if rng.random() < 0.5 else 1.0
            truth = z.float()
            changed = other_scanner(truth, own, self.strength * float(rng.random() < _CHANGED), rng)
            inside = brain.flatten().nonzero()[:, 0]
            self.ready[slot] = (group, Ready(Scene.of(changed, own, brain), truth, inside, flip))
        return self.ready[slot][1]

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        """Return one crop as network inputs, truth and weights.

        What the network sees is changed as another scanner might have; what it is to say of a contrast is not, since
        no other contrast could tell how that one was changed.
        """
        exam = self._exam_of(index)
        scene, truth, flip = exam.scene, exam.truth, exam.flip
        rng = np.random.default_rng((int(self.config["seed"]), 2, index))
        start, shape = self._cube(exam, rng)
        given = torch.from_numpy(draw_given(rng)).float()
        cube = tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))
        z, truth, own = (image[(slice(None), *cube)] for image in (scene.z, truth, scene.own))
        brain = scene.brain[cube]
        where = brain & (torch.from_numpy(rng.random(shape, np.float32)) < self.config["share"])
        place = scene.place.grid(start, shape, 1)
        place[0] *= flip
        smooth = _fine_of_crop(scene, start, shape)
        parts = (fold((z * given[:, None, None, None])[None])[0], context(scene, given, start, shape, flip))
        if flip < 0:
            z, truth, own, where, smooth, place = (t.flip(-3) for t in (z, truth, own, where, smooth, place))
            parts = (fold((z * given[:, None, None, None])[None])[0], parts[1].flip(-3))
        weight = torch.where(given > 0, float(self.config["given_weight"]), 1.0)
        return {
            "folded": parts[0],
            "context": parts[1],
            "rows": rows(z, smooth, given, place, where),
            "where": where,
            "truth": truth[:, where].T.contiguous(),
            "weight": (own[:, where] * weight[:, None]).T.contiguous(),
        }

    def _cube(self, exam: Ready, rng: np.random.Generator) -> tuple[Corner, Corner]:
        """Draw a cube around a random voxel of brain, its corner on even voxels."""
        edge, size = int(self.config["crop"]), tuple(exam.scene.brain.shape)
        centre = np.unravel_index(int(exam.inside[int(rng.integers(len(exam.inside)))]), size)
        start = [min(max(0, int(c) - edge // 2), n - edge) // 2 * 2 for c, n in zip(centre, size, strict=True)]
        return (start[0], start[1], start[2]), (edge, edge, edge)

    @staticmethod
    def collate(items: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
        """Stack the cubes; put the rows of their marked voxels one below the other."""
        stacked = {name: torch.stack([item[name] for item in items]) for name in ("folded", "context", "where")}
        return stacked | {name: torch.cat([item[name] for item in items]) for name in ("rows", "truth", "weight")}


def _fine_of_crop(scene: Scene, start: Corner, shape: Corner) -> Tensor:
    """Return :func:`features.fine` of a crop as if it had been computed on the whole."""
    low = [max(0, s - _MARGIN) for s in start]
    wide = tuple(slice(a, s + n + _MARGIN) for a, s, n in zip(low, start, shape, strict=True))
    smooth = features.fine(scene.z[(slice(None), *wide)], scene.own[(slice(None), *wide)])
    inner = tuple(slice(s - a, s - a + n) for a, s, n in zip(low, start, shape, strict=True))
    return smooth[(slice(None), *inner)]

"""A network over a brain box: quantiles and mean of the wanted contrasts in every voxel of brain."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

import torch
from torch import Tensor, nn

from mriuq_cli.api import Config, UsageError
from mriuq_qrunet import features
from mriuq_qrunet.answer import Answer
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.exam import MULTIPLE, Exam
from mriuq_qrunet.inputs import Corner, Scene, context
from mriuq_qrunet.moments import standardised
from mriuq_qrunet.network import PyramidNet, Trunk, double, fold
from mriuq_qrunet.voxels import VoxelHead

Box = tuple[Corner, Corner]
"""Corner, on even voxels, and shape."""
Slices = tuple[slice, ...]


class Inference:
    """A network made ready for one exam; asked once for each set of given contrasts.

    Parameters
    ----------
    model
        In eval mode, on ``device``.
    exam
        Scores on the brain box; everything that does not depend on the set given is computed here, once.
    tile
        Edge of the tiles in voxels for the trunk, or None for the whole box.
    """

    def __init__(self, model: nn.Module, config: Config, exam: Exam, device: str, tile: int | None) -> None:
        self.model, self.config, self.device = model, config, device
        self.z = torch.from_numpy(exam.z).to(device)
        self.own = torch.from_numpy(exam.own).to(device)
        self.free = isinstance(model, PyramidNet)
        if tile is not None and not self.free:
            raise UsageError("this network has one field of view and cannot work in tiles", hint="leave out --tile")
        self.tile = None if tile is None else max(MULTIPLE, tile // MULTIPLE * MULTIPLE)
        self.mask = torch.from_numpy(exam.brain).to(device) if exam.masked else None
        self.scene = Scene.of(self.z, self.own, self._brain(torch.from_numpy(exam.given))) if self.free else None
        self.smooth = features.fine(self.z, self.own) if self.free else self.z

    def ask(self, given: Sequence[str], wanted: Sequence[str], box: Box | None = None) -> tuple[Answer, Tensor]:
        """Return what ``given`` says of ``wanted`` inside a box, and the mask of its rows.

        Rows exist where any given contrast has a voxel. Without a box, that of the whole brain; only its answer can be
        standardised.
        """
        seen = torch.tensor([name in given for name in CONTRASTS], device=self.device)
        columns = torch.tensor([CONTRASTS.index(name) for name in wanted], device=self.device)
        brain = self._brain(seen)
        if self.scene is None:
            return self._published(seen, brain, columns)
        scene, seen = self.scene.within(brain), seen.float()
        corner, shape = box or ((0, 0, 0), tuple(brain.shape))
        cube = tuple(slice(s, s + n) for s, n in zip(corner, shape, strict=True))
        z = scene.z[(slice(None), *cube)]
        hidden = self._trunk(fold((z * seen[:, None, None, None])[None]), context(scene, seen, corner, shape)[None])
        place = [axis.to(self.device) for axis in scene.place.axes(corner, shape, 1)]
        head = VoxelHead(self.model, columns)  # type: ignore[arg-type]
        found = head(hidden, z, self.smooth[(slice(None), *cube)], seen, place, brain[cube])
        answer = Answer(found[..., 1:].sort(-1).values, found[..., 0], tuple(self.config["taus"]))
        return (answer if box else standardised(answer)), brain[cube]

    def _brain(self, seen: Tensor) -> Tensor:
        """Return the mask that came with the case, else where any contrast that is seen has a voxel."""
        return self.mask if self.mask is not None else self.own[seen].any(0)

    def _trunk(self, folded: Tensor, around: Tensor) -> Tensor:
        """Return the trunk's last hidden layer at half resolution, ``(width, X/2, Y/2, Z/2)``."""
        trunk: Trunk = self.model.trunk  # type: ignore[assignment]
        return _hidden(trunk, folded, around) if self.tile is None else _in_tiles(trunk, folded, around, self.tile // 2)

    def _published(self, seen: Tensor, brain: Tensor, columns: Tensor) -> tuple[Answer, Tensor]:
        image = (self.z * seen[:, None, None, None])[None].contiguous(memory_format=torch.channels_last_3d)
        found = self.model.some(image, columns)[0][..., brain]  # type: ignore[operator]
        taus = tuple(sorted(self.config["taus"]))
        return Answer(found.permute(2, 1, 0).sort(-1).values, None, taus), brain


def _hidden(trunk: Trunk, folded: Tensor, around: Tensor) -> Tensor:
    """Return the trunk's hidden layer, its convolutions in the layout that CPUs are fast in."""
    layout = torch.channels_last_3d
    return trunk.hidden(folded.contiguous(memory_format=layout), around.contiguous(memory_format=layout))[0]


def _in_tiles(trunk: Trunk, folded: Tensor, around: Tensor, edge: int) -> Tensor:
    """Return the trunk's hidden layer, what is done at half resolution tile by tile.

    An output sees nearly a whole brain through the coarser levels, but they take an eighth of the memory: they are
    computed whole, once.
    """
    size = tuple(folded.shape[2:])
    strided, residual = trunk.down1
    middle: Tensor | None = None
    for window, inner, target in _windows(size, edge, Trunk.HALO):
        found = strided(_top(trunk, folded, around, window))[_halved(inner)]
        if middle is None:
            middle = found.new_zeros((*found.shape[:2], *(n // 2 for n in size)))
        middle[_halved(target)] = found
    below = trunk.below(residual(middle))
    result = folded.new_zeros((trunk.width, *size))
    for window, inner, target in _windows(size, edge, Trunk.HALO):
        parts = [double(below[_halved(window)]), _top(trunk, folded, around, window)]
        result[target[1:]] = trunk.up0(torch.cat(parts, 1))[inner][0]
    return result


def _top(trunk: Trunk, folded: Tensor, around: Tensor, window: Slices) -> Tensor:
    layout = torch.channels_last_3d
    return trunk.top(folded[window].contiguous(memory_format=layout), around[window].contiguous(memory_format=layout))


def _windows(size: tuple[int, ...], edge: int, halo: int) -> Iterator[tuple[Slices, Slices, Slices]]:
    """Yield for each tile: itself with its surroundings, itself within these, and its place; all of ``(B, C, ...)``."""
    for corner in product(*(range(0, n, edge) for n in size)):
        ends = [min(c + edge, n) for c, n in zip(corner, size, strict=True)]
        low = [max(0, c - halo) for c in corner]
        window = [slice(a, min(n, end + halo)) for a, end, n in zip(low, ends, size, strict=True)]
        inner = [slice(c - a, end - a) for c, a, end in zip(corner, low, ends, strict=True)]
        target = [slice(c, end) for c, end in zip(corner, ends, strict=True)]
        every = (slice(None), slice(None))
        yield (*every, *window), (*every, *inner), (*every, *target)


def _halved(cells: Slices) -> Slices:
    """Return slices of half resolution as those of a quarter."""
    return (*cells[:2], *(slice(part.start // 2, part.stop // 2) for part in cells[2:]))

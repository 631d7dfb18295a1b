"""A network over a brain box: quantiles and mean of the wanted contrasts in every voxel of brain."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mriuq_cli.api import Config, UsageError
from mriuq_qrunet import features
from mriuq_qrunet.answer import Answer
from mriuq_qrunet.contrasts import CONTRASTS
from mriuq_qrunet.exam import MULTIPLE, Exam
from mriuq_qrunet.inputs import Corner, Scene, context
from mriuq_qrunet.moments import standardised
from mriuq_qrunet.network import PyramidNet, Trunk, fold
from mriuq_qrunet.voxels import VoxelHead

Box = tuple[Corner, Corner]
"""Corner, on even voxels, and shape."""


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
    """Return the trunk's hidden layer computed tile by tile, each with the surroundings that it can see."""
    size = tuple(folded.shape[2:])
    reach = Trunk.REACH
    result = folded.new_zeros((trunk.width, *size))
    for corner in torch.cartesian_prod(*(torch.arange(0, n, edge) for n in size)).tolist():
        low = [max(0, c - reach) for c in corner]
        high = [min(n, c + edge + reach) for c, n in zip(corner, size, strict=True)]
        window = (slice(None), slice(None), *(slice(a, b) for a, b in zip(low, high, strict=True)))
        hidden = _hidden(trunk, folded[window], around[window])
        inner = [slice(c - a, min(c + edge, n) - a) for c, a, n in zip(corner, low, size, strict=True)]
        target = [slice(c, min(c + edge, n)) for c, n in zip(corner, size, strict=True)]
        result[(slice(None), *target)] = hidden[(slice(None), *inner)]
    return result

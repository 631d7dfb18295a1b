"""The head over every voxel of a brain: the function of :class:`network.Head`, arranged for speed.

Values are kept channels first, so that each layer is one matrix product. Voxels are taken in eight groups, by their
place in the 2 x 2 x 2 cell: within a group, interpolating the trunk's answer is the same weighted sum of neighbouring
cells everywhere. Only the wanted outputs are computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from mriuq_qrunet.network import N, PyramidNet

_CHUNK = 16_384
"""Voxels worked on at a time: what fits the processor's caches."""


class VoxelHead:
    """Head and last trunk layer of a network, for some of the contrasts.

    Parameters
    ----------
    columns
        Positions of the wanted contrasts, int64.
    """

    def __init__(self, model: PyramidNet, columns: Tensor) -> None:
        head, out = model.head, model.trunk.out
        self.outputs, self.targets = model.outputs, len(columns)
        self.own = [(layer.weight, layer.bias[:, None]) for layer in (head.own[0], head.own[2])]
        width = self.own[1][0].shape[0]
        joint, last = head.joint[0], head.joint[2]
        self.joint_own, self.joint_around = joint.weight[:, :width], joint.weight[:, width:]
        self.joint_bias = joint.bias[:, None]
        self.around, self.around_bias = out.weight.flatten(1), out.bias[:, None]
        wanted = (columns[:, None] * model.outputs + torch.arange(model.outputs, device=columns.device)).flatten()
        self.last, self.last_bias = last.weight[wanted], last.bias[wanted, None]
        self.linear = head.linear.weight[wanted]

    def __call__(
        self, hidden: Tensor, z: Tensor, smooth: Tensor, seen: Tensor, place: list[Tensor], brain: Tensor
    ) -> Tensor:
        """Return ``(n, targets, outputs)`` for the voxels of ``brain`` in order.

        ``hidden`` is ``(width, X/2, Y/2, Z/2)``; ``z`` and ``smooth`` are ``(4, X, Y, Z)``; ``place`` holds each
        axis' coordinates.
        """
        shape = brain.shape
        order = torch.full(shape, -1, dtype=torch.int64, device=brain.device)
        count = int(brain.sum())
        order[brain] = torch.arange(count, device=brain.device)
        result = z.new_empty((self.targets * self.outputs, count))
        given = seen.nonzero()[:, 0]
        cells = torch.addmm(self.around_bias, self.around, hidden.flatten(1)).reshape(-1, *hidden.shape[1:])
        for corner in product((0, 1), repeat=3):
            every = (..., *(slice(start, None, 2) for start in corner))
            target = order[every].flatten()
            where = (target >= 0).nonzero()[:, 0]
            images = [image[every].reshape(N, -1) for image in (z, smooth)]
            axes = [axis[start::2] for axis, start in zip(place, corner, strict=True)]
            around = _between(cells, corner).flatten(1)
            for chunk in where.split(_CHUNK):
                values = torch.cat(list(self._values(images, seen, given, axes, chunk)))
                result[:, target[chunk]] = self._layers(values, around[:, chunk])
        return result.reshape(self.targets, self.outputs, count).permute(2, 0, 1)

    def _values(
        self, images: list[Tensor], seen: Tensor, given: Tensor, axes: list[Tensor], chunk: Tensor
    ) -> Iterator[Tensor]:
        """Yield what :func:`inputs.rows` holds, channels first."""
        for image in images:
            values = image.new_zeros((N, len(chunk)))
            values[given] = image[given][:, chunk] if len(given) == 1 else image[:, chunk][given]
            yield values
        yield seen[:, None].expand(-1, len(chunk))
        ny, nz = len(axes[1]), len(axes[2])
        yield torch.stack([axes[0][chunk // (ny * nz)], axes[1][chunk // nz % ny], axes[2][chunk % nz]])

    def _layers(self, values: Tensor, around: Tensor) -> Tensor:
        (first, first_bias), (second, second_bias) = self.own
        own = functional.silu(torch.addmm(first_bias, first, values), inplace=True)
        own = functional.silu(torch.addmm(second_bias, second, own), inplace=True)
        joint = torch.addmm(self.joint_bias, self.joint_own, own).addmm_(self.joint_around, around)
        joint = functional.silu(joint, inplace=True)
        return torch.addmm(self.last_bias, self.last, joint).addmm_(self.linear, values)


def _between(cells: Tensor, corner: tuple[int, ...]) -> Tensor:
    """Return ``(C, x, y, z)`` interpolated at one voxel of each cell: a quarter of a cell off its centre, each axis."""
    for axis, side in enumerate(corner, start=1):
        size = cells.shape[axis]
        inner, outer = (0, 1) if side else (1, 0)
        near = cells.mul(0.75)
        near.narrow(axis, inner, size - 1).add_(cells.narrow(axis, outer, size - 1), alpha=0.25)
        edge = size - 1 if side else 0
        near.select(axis, edge).add_(cells.select(axis, edge), alpha=0.25)
        cells = near
    return cells

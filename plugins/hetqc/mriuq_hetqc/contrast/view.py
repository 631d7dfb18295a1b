"""A scan as the network of contrasts sees it: cells of 3 mm, a field of fixed size about the middle, scaled."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mriuq_hetqc.scan import Scan, along, full_scale, interpolation

CELL = 3.0
"""Edge of a cell, mm."""
FIELD = (72, 88, 72)
"""Cells of the field: 22 x 26 x 22 cm."""
_SMALLEST = 4


def view(scan: Scan) -> Tensor:
    """Return the scan in cells, float32 ``(1, *FIELD)``, not negative, divided by its own full scale."""
    return scaled(centred(in_cells(scan.image, scan.spacing)))


def in_cells(image: Tensor, spacing: Sequence[float]) -> Tensor:
    """Average ``(x, y, z)`` into cells of :data:`CELL`."""
    for axis, mm in enumerate(spacing):
        n = max(_SMALLEST, round(image.shape[axis] * float(mm) / CELL))
        image = along(image, interpolation(n, image.shape[axis]), axis)
    return image


def centred(image: Tensor) -> Tensor:
    """Cut or fill the last three axes with zeros to :data:`FIELD`, the middle staying in the middle."""
    for axis, n in zip((-3, -2, -1), FIELD, strict=True):
        spare = image.shape[axis] - n
        if spare > 0:
            image = image.narrow(axis, spare // 2, n)
        elif spare < 0:
            before, after = list(image.shape), list(image.shape)
            before[axis], after[axis] = -spare // 2, -spare - -spare // 2
            image = torch.cat((image.new_zeros(before), image, image.new_zeros(after)), axis)
    return image


def scaled(image: Tensor) -> Tensor:
    """Divide an image by its full scale and give it a channel."""
    bright = image.clamp_min(0)
    return (bright / full_scale(bright))[None]

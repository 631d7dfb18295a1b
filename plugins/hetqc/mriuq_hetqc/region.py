"""Regions as masks."""

from __future__ import annotations

from torch import Tensor


def widened(mask: Tensor, reach: int) -> Tensor:
    """Return a mask and all voxels within a cube about it: ``reach`` voxels along each of the last three axes.

    The same as a maximum over windows of ``2 reach + 1``, in steps that grow with what is covered already.

    Parameters
    ----------
    mask
        bool ``(..., x, y, z)``.
    """
    for axis in (-3, -2, -1):
        size, covered = mask.shape[axis], 0
        while covered < min(reach, size - 1):
            step = min(covered + 1, reach - covered, size - 1)
            grown = mask.clone()
            for to, start in ((step, 0), (0, step)):
                grown.narrow(axis, to, size - step).logical_or_(mask.narrow(axis, start, size - step))
            mask, covered = grown, covered + step
    return mask

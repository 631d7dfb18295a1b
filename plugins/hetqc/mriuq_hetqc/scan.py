"""A scan as the network sees it: axes right-anterior-superior, voxels near 1 mm, empty space cut off, scaled.

Voxels from 0.75 to 1.3 mm are left as they are; other axes are brought to 1 mm by linear interpolation, which averages
where it makes voxels larger. What the network says is brought back the same way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mriuq_cli.api import Geometry, InputError, from_ras, ras_geometry, to_ras

Array = NDArray[np.float32]
_NEAR = (0.75, 1.3)
"""Voxel edges in mm that need no interpolation: the network learns from heads of such sizes."""
_SMALLEST = 16
_SAMPLED = 500_000
"""About how many voxels a percentile is taken of."""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A scan on the working grid.

    Parameters
    ----------
    image
        float32 ``(x, y, z)``, as cut out and interpolated, in the unit of the file.
    scale
        What the network divides by: see :func:`full_scale`.
    geometry
        The grid of the file.
    box
        Where the voxels that are not empty lie on the file's grid in RAS order.
    """

    image: Tensor
    scale: float
    geometry: Geometry
    box: tuple[slice, slice, slice]

    @property
    def spacing(self) -> tuple[float, ...]:
        """Edges of the working grid's voxels, mm."""
        return tuple(float(mm) if _is_near(mm) else 1.0 for mm in ras_geometry(self.geometry).spacing)

    @property
    def band(self) -> tuple[float, ...]:
        """Share of the working grid's frequencies along each axis that the file's voxels can hold."""
        native = ras_geometry(self.geometry).spacing
        return tuple(min(1.0, mm / float(edge)) for mm, edge in zip(self.spacing, native, strict=True))

    @property
    def voxel_volume(self) -> float:
        """Of the working grid, mm^3."""
        return float(np.prod(self.spacing))

    def padded(self, multiple: int) -> Tensor:
        """Return the scaled image as a batch of one, zeros added at the far ends to a multiple of voxels."""
        return pad_to(self.image / self.scale, multiple)[None, None]

    def restore(self, values: Tensor) -> Array:
        """Return an image of the working grid on the file's own grid, zeros outside :attr:`box`."""
        inner = values.float().cpu()
        shape = [part.stop - part.start for part in self.box]
        for axis, n in enumerate(shape):
            if inner.shape[axis] != n:
                inner = along(inner, interpolation(n, inner.shape[axis]), axis)
        whole = np.zeros(ras_geometry(self.geometry).shape, np.float32)
        whole[self.box] = inner.numpy()
        return from_ras(whole, self.geometry)

    def restore_labels(self, classes: Tensor) -> NDArray[np.uint8]:
        """Return classes of the working grid on the file's own: in each voxel the one with the largest share."""
        if all(part.stop - part.start == n for part, n in zip(self.box, classes.shape, strict=True)):
            return self.restore(classes).astype(np.uint8)
        shares = [self.restore(classes == k) for k in range(int(classes.max()) + 1)]
        return np.argmax(shares, axis=0).astype(np.uint8)


def prepare(image: Array, geometry: Geometry, where: str = "") -> Scan:
    """Bring an image to the working grid.

    Raises
    ------
    InputError
        If it is smaller than a head can be, or shows nothing.
    """
    ras = to_ras(image, geometry)
    box = _box(ras != 0)
    if box is None:
        raise InputError("the scan is empty", where=where)
    working = to_working(torch.from_numpy(np.ascontiguousarray(ras[box])), ras_geometry(geometry).spacing)
    if min(working.shape) < _SMALLEST:
        size = "x".join(f"{n}" for n in working.shape)
        raise InputError(f"too small to be a head: {size} mm or voxels", where=where)
    return Scan(working, full_scale(working), geometry, box)


def to_working(image: Tensor, spacing: Sequence[float]) -> Tensor:
    """Interpolate the axes whose voxels are not near 1 mm to 1 mm."""
    for axis, mm in enumerate(spacing):
        if not _is_near(mm):
            n = max(1, round(image.shape[axis] * float(mm)))
            image = along(image, interpolation(n, image.shape[axis]), axis)
    return image


def full_scale(image: Tensor) -> float:
    """Return the 99th percentile of the voxels above the mean of those that are not 0; the same however they lie.

    It is taken of the image as given, artefacts and all: in use there is no other.
    """
    values = image.flatten()
    values = values[values != 0]
    bright = values[values > values.mean()]
    bright = bright[:: max(1, len(bright) // _SAMPLED)]
    return max(float(torch.quantile(bright.float(), 0.99)), 1e-6) if len(bright) else 1.0


def pad_to(image: Tensor, multiple: int) -> Tensor:
    """Add zeros at the far ends of the last three axes to a multiple of voxels."""
    missing = [-n % multiple for n in image.shape[-3:]]
    return torch.nn.functional.pad(image, (0, missing[2], 0, missing[1], 0, missing[0]))


def interpolation(to: int, size: int) -> Tensor:
    """Return the matrix ``(to, size)`` that resamples a line of ``size`` cells to ``to`` cells of the same extent.

    Linear between cell centres; where cells become larger the kernel widens with them. Rows add up to 1.
    """
    ratio = size / to
    centres = (torch.arange(to, dtype=torch.float64) + 0.5) * ratio - 0.5
    apart = (centres[:, None] - torch.arange(size, dtype=torch.float64)).abs() / max(1.0, ratio)
    weights = (1 - apart).clamp_min(0)
    return (weights / weights.sum(1, keepdim=True)).float()


def along(image: Tensor, matrix: Tensor, axis: int) -> Tensor:
    """Apply a matrix along one axis."""
    return torch.movedim(torch.movedim(image, axis, -1) @ matrix.T.to(image), -1, axis)


def _is_near(mm: float) -> bool:
    return _NEAR[0] <= mm <= _NEAR[1]


def _box(filled: NDArray[np.bool_]) -> tuple[slice, slice, slice] | None:
    if not filled.any():
        return None
    found = []
    for axis in range(3):
        rest = tuple(other for other in range(3) if other != axis)
        where = np.flatnonzero(filled.any(axis=rest))
        found.append(slice(int(where[0]), int(where[-1]) + 1))
    return found[0], found[1], found[2]

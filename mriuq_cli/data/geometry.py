"""Where voxels lie in the world: grids, orientations, and whether two grids are the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

SAME_GRID = 1e-3
"""Two grids are the same if no corner is displaced by more than this many voxels."""

_POSITIVE, _NEGATIVE = "RAS", "LPI"


@dataclass(frozen=True, slots=True)
class Forms:
    """The spatial fields of a NIfTI header as they were read, so that outputs repeat them to the bit.

    Parameters
    ----------
    version
        1 (fields are float32 in the file) or 2 (float64); float32 values survive the stay in a Python float.
    qform_code, sform_code, xyzt_units
        Codes of the NIfTI standard.
    pixdim, quatern, qoffset, srow
        8, 3, 3 and 12 numbers.
    """

    version: int
    qform_code: int
    sform_code: int
    xyzt_units: int
    pixdim: tuple[float, ...]
    quatern: tuple[float, ...]
    qoffset: tuple[float, ...]
    srow: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """A grid of voxels in the RAS world.

    Parameters
    ----------
    shape
        Voxels along the three axes of the file.
    affine
        float64 ``(4, 4)``, voxel index to mm, finite and invertible.
    forms
        Header fields to repeat on writing; None for a grid that came from no NIfTI file.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    forms: Forms | None = None

    @property
    def spacing(self) -> NDArray[np.float64]:
        """Distance of neighbouring voxels along each axis, float64 ``(3,)``, mm."""
        lengths: NDArray[np.float64] = np.sqrt(np.sum(self.affine[:3, :3] ** 2, axis=0))
        return lengths

    @property
    def axcodes(self) -> tuple[str, str, str]:
        """Where each axis points, closest of left/right, posterior/anterior, inferior/superior: ``('L', 'P', 'S')``."""
        world, signs = _closest_axes(self.affine)
        a, b, c = (_POSITIVE[w] if s > 0 else _NEGATIVE[w] for w, s in zip(world, signs, strict=True))
        return a, b, c


def _closest_axes(affine: NDArray[np.float64]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return, for each voxel axis, the world axis it is closest to and the direction (+1 or -1).

    All six assignments are tried, so that no world axis is taken twice however oblique the grid is.
    """
    matrix = affine[:3, :3] / np.sqrt(np.sum(affine[:3, :3] ** 2, axis=0))
    world = max(permutations(range(3)), key=lambda p: float(sum(abs(matrix[p[i], i]) for i in range(3))))
    return world, tuple(1 if matrix[world[i], i] >= 0 else -1 for i in range(3))


def _voxel_axes(geometry: Geometry) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """Return the voxel axis that serves each RAS axis, and slices that flip in RAS order."""
    world, signs = _closest_axes(geometry.affine)
    axes = tuple(world.index(w) for w in range(3))
    return axes, tuple(slice(None, None, signs[axis]) for axis in axes)


def _check_shape(array: NDArray[Any], shape: tuple[int, ...], what: str) -> None:
    if array.ndim < 3 or array.shape[:3] != shape:
        raise ValueError(f"array of shape {array.shape} is not on the {what} grid {shape}")


def to_ras(array: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """Permute and flip axes so that they point right, anterior, superior as closely as they can.

    Parameters
    ----------
    array
        ``(x, y, z)`` or ``(x, y, z, t)`` on the grid of ``geometry``, any dtype.

    Returns
    -------
    ndarray
        A C-contiguous copy on the grid of ``ras_geometry(geometry)``; no value is interpolated.

    Raises
    ------
    ValueError
        If the array is not on the grid.
    """
    return np.array(ras_view(array, geometry), order="C", copy=True)


def ras_view(array: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """Return what :func:`to_ras` returns without a copy: a view with other strides."""
    _check_shape(array, geometry.shape, "file's")
    axes, flips = _voxel_axes(geometry)
    return array.transpose(*axes, *range(3, array.ndim))[flips]


def from_ras(array: NDArray[Any], geometry: Geometry) -> NDArray[Any]:
    """Undo :func:`to_ras`: back to the axes of ``geometry``, exactly.

    Returns
    -------
    ndarray
        A copy in file order (Fortran-contiguous), as arrays are that come from a file.

    Raises
    ------
    ValueError
        If the array is not on the grid of ``ras_geometry(geometry)``.
    """
    axes, flips = _voxel_axes(geometry)
    _check_shape(array, tuple(geometry.shape[axis] for axis in axes), "RAS")
    back = tuple(axes.index(axis) for axis in range(3))
    return np.array(array[flips].transpose(*back, *range(3, array.ndim)), order="F", copy=True)


def ras_geometry(geometry: Geometry) -> Geometry:
    """Return the grid that :func:`to_ras` brings an array to."""
    axes, flips = _voxel_axes(geometry)
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for ras, (axis, flip) in enumerate(zip(axes, flips, strict=True)):
        change[axis, ras] = flip.step
        change[axis, 3] = geometry.shape[axis] - 1 if flip.step < 0 else 0
    a, b, c = (geometry.shape[axis] for axis in axes)
    return Geometry((a, b, c), geometry.affine @ change)


def geometry_from_affine(shape: Sequence[int], affine: Any) -> Geometry:
    """Make a grid from a shape and a voxel-to-RAS matrix in mm.

    Raises
    ------
    ValueError
        If the shape is not three positive numbers or the matrix cannot be inverted.
    """
    matrix = np.array(affine, dtype=np.float64)
    if len(shape) != 3 or min(shape) < 1:
        raise ValueError(f"a grid has three positive sides, not {tuple(shape)}")
    if not usable(matrix):
        raise ValueError("the affine is not an invertible 4x4 matrix of finite numbers")
    matrix.setflags(write=False)
    a, b, c = (int(n) for n in shape)
    return Geometry((a, b, c), matrix)


def usable(affine: NDArray[np.float64]) -> bool:
    """Tell whether a matrix is 4x4, finite, ends in 0 0 0 1 and maps no axis to nothing."""
    if affine.shape != (4, 4) or not np.isfinite(affine).all() or not np.array_equal(affine[3], (0, 0, 0, 1)):
        return False
    lengths = np.sqrt(np.sum(affine[:3, :3] ** 2, axis=0))
    return bool((lengths > 0).all() and abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-4)


def corners(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return the homogeneous voxel indices of the eight corners, ``(4, 8)``."""
    ends = np.meshgrid(*((0.0, float(n - 1)) for n in shape), [1.0], indexing="ij")
    return np.stack([end.ravel() for end in ends])


def grid_difference(a: Geometry, b: Geometry) -> str | None:
    """Say how two grids differ, or None if they are the same to 1e-3 voxel.

    Returns
    -------
    str or None
        Words to put into a message, such as ``240x240x155 against 182x218x182 voxels``.
    """
    if a.shape != b.shape:
        return f"{shape_text(a.shape)} against {shape_text(b.shape)} voxels"
    points = corners(a.shape)
    apart = np.linalg.solve(a.affine, b.affine @ points) - points
    worst = float(np.abs(apart[:3]).max())
    if worst <= SAME_GRID:
        return None
    if a.axcodes != b.axcodes:
        return f"axes {''.join(a.axcodes)} against {''.join(b.axcodes)}"
    if not np.allclose(a.spacing, b.spacing, rtol=1e-3):
        return f"voxels of {spacing_text(a)} against {spacing_text(b)} mm"
    return f"corners up to {worst:.3g} voxels apart"


def shape_text(shape: Sequence[int]) -> str:
    """Write a shape the way people say it: ``240x240x155``."""
    return "x".join(map(str, shape))


def spacing_text(geometry: Geometry) -> str:
    """Write the voxel size: ``1x1x5.5``."""
    return "x".join(f"{length:.4g}" for length in geometry.spacing)

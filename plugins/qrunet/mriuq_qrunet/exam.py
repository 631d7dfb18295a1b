"""From a case to standard scores on the box of the brain, in RAS order at 1 mm, and back to the case's own grid.

Everything downstream sees this box alone, so nothing depends on how much empty space surrounds the head or on the
order of the file's axes. Means, SDs and the question which voxels are a contrast's own are settled on the case's own
grid; where that is not of 1 mm, interpolation weighs own voxels alone, so no background is mixed into tissue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.api import Case, InputError, from_ras, ras_geometry, to_ras
from mriuq_qrunet.contrasts import CONTRASTS

MULTIPLE = 8
"""The box is padded at its far ends to a multiple of this."""

_NEAR_1_MM = 0.05
_EPSILON = 1e-6
_TOUCHED = 1e-3
"""A voxel of the case's own grid has a value if the 1 mm voxels that have one reach it with more than this weight."""
_LARGEST = 2**27
"""Voxels of the 1 mm grid, before the box is cut: 512 mm along each axis."""

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """A case on the brain box.

    Parameters
    ----------
    z
        Standard scores float32 ``(4, X, Y, Z)``: population mean and SD over the contrast's own voxels, 0 elsewhere.
    own
        Where each contrast has a voxel of its own (non-zero, inside the mask if one was given), bool ``(4, X, Y, Z)``.
    brain
        Where any given contrast has one, or the mask that came with the case, bool ``(X, Y, Z)``.
    given
        Which contrasts there are, bool ``(4,)``.
    scale
        Mean and SD of each contrast over its own voxels of the case's own grid, float32 ``(4, 2)``.
    masked
        Whether the brain is a mask that came with the case.
    box
        Start and stop of the box on the RAS grid, before padding to a multiple of 8.
    grid
        Shape of the RAS grid at 1 mm.
    native
        Shape of the RAS grid at the case's own voxel size; the same as ``grid`` if nothing was interpolated.
    """

    z: Floats
    own: Bools
    brain: Bools
    given: Bools
    scale: Floats
    masked: bool
    box: tuple[slice, slice, slice]
    grid: tuple[int, ...]
    native: tuple[int, ...]

    def seeing(self, names: tuple[str, ...]) -> Exam:
        """Return the exam with only these contrasts given (the box stays)."""
        kept = np.array([name in names for name in CONTRASTS]) & self.given
        keep = kept[:, None, None, None]
        own = self.own & keep
        brain = self.brain if self.masked else own.any(0)
        return replace(self, z=self.z * keep, own=own, brain=brain, given=kept)


def prepare(case: Case, names: tuple[str, ...] = CONTRASTS) -> Exam:
    """Bring the given contrasts of a case onto the brain box.

    Raises
    ------
    InputError
        If a contrast has no voxel of its own, or the grid at 1 mm would be larger than any head.
    """
    native, grid = ras_geometry(case.geometry).shape, _grid(case)
    mask = None if case.mask is None else to_ras(case.mask, case.geometry)
    images = {name: to_ras(case.volumes[name].data, case.geometry) for name in names if name in case.volumes}
    own = {name: (image != 0) if mask is None else (image != 0) & mask for name, image in images.items()}
    shares = {name: _resample(voxels, grid) for name, voxels in own.items()}
    fine = {name: _majority(share) for name, share in shares.items()}
    for name, voxels in fine.items():
        if not voxels.any():
            where = "" if mask is None else " inside the mask"
            raise InputError(f"{name} has no voxel other than 0{where}", where=case.id)
    brain = np.logical_or.reduce(list(fine.values())) if mask is None else _majority(_resample(mask, grid))
    box = _box(brain)
    shape = tuple(-(-(s.stop - s.start) // MULTIPLE) * MULTIPLE for s in box)
    part = tuple(slice(0, s.stop - s.start) for s in box)
    z = np.zeros((len(CONTRASTS), *shape), np.float32)
    owned = np.zeros(z.shape, bool)
    scale = np.tile(np.array([0, 1], np.float32), (len(CONTRASTS), 1))
    for name, image in images.items():
        channel = CONTRASTS.index(name)
        values = image[own[name]]
        scale[channel] = values.mean(dtype=np.float64), max(values.std(dtype=np.float64), _EPSILON)
        owned[channel][part] = fine[name][box]
        if grid == native:
            z[channel][part] = _scores(image[box], scale[channel])
        else:
            scores = _resample(_scores(image, scale[channel]) * own[name], grid)[box]
            z[channel][part] = scores / np.maximum(shares[name][box], np.float32(0.5))
        z[channel] *= owned[channel]
    padded = np.zeros(shape, bool)
    padded[part] = brain[box]
    given = np.array([n in images for n in CONTRASTS])
    return Exam(z, owned, padded, given, scale, mask is not None, box, grid, native)


def restore(values: Floats, exam: Exam, case: Case, where: Bools | None = None) -> Floats:
    """Put an image of the box onto the case's own grid.

    Parameters
    ----------
    values
        float32 ``(X, Y, Z)`` on the box.
    where
        Voxels of the box whose values count, bool ``(X, Y, Z)``; the brain if None. The others are not interpolated
        with.

    Returns
    -------
    ndarray
        float32 on the case's grid, 0 where no voxel that counts is near.
    """
    where = exam.brain if where is None else where
    found = _resample(_unboxed(values * where, exam), exam.native)
    if exam.grid != exam.native:
        share = _resample(_unboxed(where, exam), exam.native)
        found = np.where(share > _TOUCHED, found / np.maximum(share, np.float32(_TOUCHED)), np.float32(0))
    return from_ras(found, case.geometry)


def restore_mask(where: Bools, exam: Exam, case: Case, own: Bools) -> Bools:
    """Return where :func:`restore` has values, inside ``own`` of the case's own grid (see :func:`own_voxels`)."""
    found = _resample(_unboxed(where, exam), exam.native)
    return from_ras(found if found.dtype == bool else found > _TOUCHED, case.geometry) & own


def own_voxels(case: Case, name: str) -> Bools:
    """Return where a contrast has voxels of its own on the case's grid: not 0, and inside the mask if there is one."""
    own: Bools = case.volumes[name].data != 0
    return own if case.mask is None else own & case.mask


def brain_voxels(case: Case, names: tuple[str, ...]) -> Bools:
    """Return the brain on the case's grid as these contrasts show it: the mask, or where any has a voxel."""
    if case.mask is not None:
        return case.mask
    return np.logical_or.reduce([own_voxels(case, name) for name in names])


def observed(case: Case, exam: Exam, name: str) -> Floats:
    """Return the standard scores of a given contrast on the case's grid, not interpolated."""
    scores = _scores(case.volumes[name].data, exam.scale[CONTRASTS.index(name)])
    return np.where(own_voxels(case, name), scores, np.float32(0))


def _grid(case: Case) -> tuple[int, ...]:
    geometry = ras_geometry(case.geometry)
    if np.abs(geometry.spacing - 1).max() <= _NEAR_1_MM:
        return geometry.shape
    extent = np.array(geometry.shape) * geometry.spacing
    if extent.prod() > _LARGEST:
        raise InputError(
            f"covers {' x '.join(f'{mm:.0f}' for mm in extent)} mm, more than any head exam does",
            where=case.id,
            hint="Is the voxel size in the header right, in mm?",
        )
    return tuple(int(n) for n in np.maximum(1, np.round(extent)))


def _scores(image: Floats, scale: Floats) -> Floats:
    mean, sd = scale
    return (image - mean) / sd


def _majority(share: NDArray[np.generic]) -> Bools:
    return share if share.dtype == bool else share > 0.5


def _unboxed(values: NDArray[np.generic], exam: Exam) -> NDArray[np.generic]:
    full = np.zeros(exam.grid, values.dtype)
    full[exam.box] = values[tuple(slice(0, s.stop - s.start) for s in exam.box)]
    return full


def _box(mask: Bools) -> tuple[slice, slice, slice]:
    spans = []
    for axis in range(3):
        where = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append(slice(int(where[0]), int(where[-1]) + 1))
    return (spans[0], spans[1], spans[2])


def _resample(image: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Interpolate linearly onto a grid of another shape over the same field of view, one axis after the other.

    A mask becomes the share of each voxel that it covers; on the same grid the image comes back as it is.
    """
    if image.shape == tuple(shape):
        return image
    found = image.astype(np.float32)
    for axis, (n, m) in enumerate(zip(shape, image.shape, strict=True)):
        if n == m:
            continue
        place = np.clip((np.arange(n) + 0.5) * (m / n) - 0.5, 0, m - 1)
        low = np.floor(place).astype(np.intp)
        part = (place - low).astype(np.float32).reshape([-1 if a == axis else 1 for a in range(3)])
        above = np.take(found, np.minimum(low + 1, m - 1), axis) * part
        found = np.take(found, low, axis)
        found *= 1 - part
        found += above
    return found

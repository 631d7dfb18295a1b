"""From a case to standard scores on the box of the brain, in RAS order at 1 mm, and back to the case's own grid.

Everything downstream sees this box alone, so nothing depends on how much empty space surrounds the head or on the
order of the file's axes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.api import Case, InputError, from_ras, ras_geometry, to_ras
from mriuq_qrunet.contrasts import CONTRASTS

MULTIPLE = 8
"""The box is padded at its far ends to a multiple of this."""

_NEAR_1_MM = 0.05
_EPSILON = 1e-6

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
    masked
        Whether the brain is a mask that came with the case.
    box
        Start and stop of the box on the RAS grid, before padding to a multiple of 8.
    grid
        Shape of the RAS grid at 1 mm.
    native
        Shape of the RAS grid at the case's own voxel size.
    """

    z: Floats
    own: Bools
    brain: Bools
    given: Bools
    masked: bool
    box: tuple[slice, slice, slice]
    grid: tuple[int, int, int]
    native: tuple[int, int, int]

    def seeing(self, names: tuple[str, ...]) -> Exam:
        """Return the exam with only these contrasts given (the box stays)."""
        kept = np.array([name in names for name in CONTRASTS]) & self.given
        keep = kept[:, None, None, None]
        own = self.own & keep
        brain = self.brain if self.masked else own.any(0)
        return Exam(self.z * keep, own, brain, kept, self.masked, self.box, self.grid, self.native)


def prepare(case: Case, names: tuple[str, ...] = CONTRASTS) -> Exam:
    """Bring the given contrasts of a case onto the brain box.

    Raises
    ------
    InputError
        If there is no voxel of brain.
    """
    first = next(iter(case.volumes.values()))
    native = to_ras(first.data, case.geometry).shape
    mask = None if case.mask is None else to_ras(case.mask, case.geometry)
    spacing = ras_geometry(case.geometry).spacing
    if np.abs(spacing - 1).max() <= _NEAR_1_MM:
        spacing = np.ones(3)
    grid = tuple(int(n) for n in np.maximum(1, np.round(np.array(native) * spacing)))
    images = {n: _resample(to_ras(case.volumes[n].data, case.geometry), grid) for n in names if n in case.volumes}
    inside = None if mask is None else _resample(mask, grid)
    own = {name: (image != 0) if inside is None else (image != 0) & inside for name, image in images.items()}
    brain = np.logical_or.reduce(list(own.values())) if inside is None else inside
    if not brain.any():
        raise InputError("has no voxel of brain", where=case.id)
    box = _box(brain)
    shape = tuple(-(-(s.stop - s.start) // MULTIPLE) * MULTIPLE for s in box)
    z = np.zeros((len(CONTRASTS), *shape), np.float32)
    owned = np.zeros(z.shape, bool)
    for name, image in images.items():
        channel = CONTRASTS.index(name)
        values = image[own[name]]
        mean, sd = values.mean(dtype=np.float64), values.std(dtype=np.float64)
        part = tuple(slice(0, s.stop - s.start) for s in box)
        owned[channel][part] = own[name][box]
        np.divide(image[box] - np.float32(mean), np.float32(max(sd, _EPSILON)), out=z[channel][part])
        z[channel] *= owned[channel]
    padded = np.zeros(shape, bool)
    padded[part] = brain[box]
    return Exam(z, owned, padded, np.array([n in images for n in CONTRASTS]), mask is not None, box, grid, native)


def restore(values: NDArray[np.generic], exam: Exam, case: Case) -> NDArray[np.generic]:
    """Put an array ``(X, Y, Z)`` of the box back onto the case's own grid, 0 (or False) outside the box."""
    full = np.zeros(exam.grid, values.dtype)
    full[exam.box] = values[tuple(slice(0, s.stop - s.start) for s in exam.box)]
    return from_ras(_resample(full, exam.native), case.geometry)


def _box(mask: Bools) -> tuple[slice, slice, slice]:
    spans = []
    for axis in range(3):
        where = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
        spans.append(slice(int(where[0]), int(where[-1]) + 1))
    return (spans[0], spans[1], spans[2])


def _resample(image: NDArray[np.generic], shape: tuple[int, ...]) -> NDArray[np.generic]:
    """Resample onto a grid of another shape over the same field of view: linear, masks by majority."""
    if image.shape == tuple(shape):
        return image
    from scipy.ndimage import map_coordinates

    axes = [(np.arange(n) + 0.5) * (m / n) - 0.5 for n, m in zip(shape, image.shape, strict=True)]
    points = np.meshgrid(*axes, indexing="ij")
    found = map_coordinates(image.astype(np.float32), points, order=1, mode="nearest")
    return found > 0.5 if image.dtype == bool else found.astype(np.float32)

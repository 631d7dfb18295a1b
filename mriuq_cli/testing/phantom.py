"""Small made-up exams for any method: an ellipsoid with smooth structure, zero around it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mriuq_cli.data.case import Case
    from mriuq_cli.data.geometry import Geometry

SHAPE = (40, 36, 32)


def phantom_case(names: Sequence[str], seed: int = 0, shape: tuple[int, int, int] = SHAPE) -> Case:
    """Return a case with one image for each name, on a 2 mm RAS grid.

    The images share anatomy (they are different mixtures of the same smooth fields), so one tells of another; nothing
    is symmetric, so a swapped side is seen. Values are about 100 to 700 inside the ellipsoid and 0 outside.

    Parameters
    ----------
    names
        Names of the images.
    seed
        Chooses anatomy and noise.
    shape
        Voxels along the axes.
    """
    import numpy as np

    from mriuq_cli.data.case import Case
    from mriuq_cli.data.geometry import geometry_from_affine

    generator = np.random.default_rng(seed)
    brain = _ellipsoid(shape)
    fields = [_smooth(generator, shape) for _ in range(3)]
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = -1.0 * (np.array(shape) - 1)
    geometry = geometry_from_affine(shape, affine)
    images = {}
    for number, name in enumerate(names):
        weights = np.cos(np.arange(3) * (1.0 + number) + number)
        image = 400 + 60 * sum(w * f for w, f in zip(weights, fields, strict=True))
        image = image + 5 * generator.standard_normal(shape)
        images[name] = np.where(brain, np.clip(image, 100, 700), 0).astype(np.float32)
    volumes = {name: _volume(image, geometry) for name, image in images.items()}
    fingerprints = {name: hashlib.sha256(image.tobytes()).hexdigest() for name, image in images.items()}
    return Case(f"phantom-{seed}", geometry, volumes, fingerprints=fingerprints)


def padded(case: Case, before: Sequence[int], after: Sequence[int]) -> Case:
    """Return the case with that many empty voxels more at the ends of each axis, in the same place of the world."""
    import numpy as np

    from mriuq_cli.data.geometry import geometry_from_affine

    affine = case.geometry.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ np.asarray(before, dtype=float)
    shape = [n + b + a for n, b, a in zip(case.geometry.shape, before, after, strict=True)]
    ends = list(zip(before, after, strict=True))
    return _changed(case, geometry_from_affine(shape, affine), lambda image: np.pad(image, ends))


def reoriented(case: Case, order: Sequence[int], flips: Sequence[bool]) -> Case:
    """Return the same exam with its axes stored in another order and direction; the world does not change.

    Parameters
    ----------
    order
        For each new axis, the old axis it is.
    flips
        For each new axis, whether it runs the other way.
    """
    import numpy as np

    from mriuq_cli.data.geometry import geometry_from_affine

    shape = [case.geometry.shape[axis] for axis in order]
    change = np.zeros((4, 4))
    change[3, 3] = 1
    for new, (old, flip) in enumerate(zip(order, flips, strict=True)):
        change[old, new] = -1 if flip else 1
        change[old, 3] = shape[new] - 1 if flip else 0
    geometry = geometry_from_affine(shape, case.geometry.affine @ change)
    return _changed(case, geometry, lambda image: turned(image, order, flips))


def turned(image: NDArray[Any], order: Sequence[int], flips: Sequence[bool]) -> NDArray[Any]:
    """Return an array with its axes in another order and direction, as :func:`reoriented` does with images."""
    import numpy as np

    return np.ascontiguousarray(np.flip(image.transpose(order), _axes(flips)))


def turned_back(image: NDArray[Any], order: Sequence[int], flips: Sequence[bool]) -> NDArray[Any]:
    """Undo :func:`turned`."""
    import numpy as np

    return np.ascontiguousarray(np.flip(image, _axes(flips)).transpose(np.argsort(order)))


def _axes(flips: Sequence[bool]) -> tuple[int, ...]:
    return tuple(axis for axis, flip in enumerate(flips) if flip)


def _changed(case: Case, geometry: Geometry, change: Any) -> Case:
    volumes = {name: _volume(change(volume.data), geometry) for name, volume in case.volumes.items()}
    truth = {name: _volume(change(volume.data), geometry) for name, volume in case.truth.items()}
    mask = None if case.mask is None else change(case.mask)
    return replace(case, geometry=geometry, volumes=volumes, truth=truth, mask=mask)


def _volume(image: Any, geometry: Geometry) -> Any:
    from mriuq_cli.data.volume import Volume

    return Volume(image, geometry)


def _ellipsoid(shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    import numpy as np

    # A little off the centre, so that no mirror image of the ellipsoid is the ellipsoid.
    axes = [(np.arange(n) - 0.48 * (n - 1)) / (0.36 * n) for n in shape]
    x, y, z = np.meshgrid(*axes, indexing="ij")
    inside: NDArray[np.bool_] = x**2 + y**2 + z**2 < 1
    return inside


def _smooth(generator: np.random.Generator, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Return a smooth field of mean 0 and SD 1: a sum of a few long waves."""
    import numpy as np

    grids = np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij")
    field = np.zeros(shape)
    for _ in range(12):
        wave = sum(k * g for k, g in zip(generator.uniform(-4, 4, 3), grids, strict=True))
        field += np.cos(2 * np.pi * wave + generator.uniform(0, 2 * np.pi))
    standard: NDArray[np.float64] = (field - field.mean()) / field.std()
    return standard

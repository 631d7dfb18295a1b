"""A seeded head: tissue fractions of a deformed MNI152 brain on a grid like that of public tumour exams."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.errors import MachineError

Array = NDArray[np.float32]

GRID_SHAPE = (240, 240, 155)
GRID_AFFINE = np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]])
"""1 mm, axes to the left, to the back and up, as in the exams of the BraTS challenges."""

BOX = (slice(36, 204), slice(30, 230), slice(0, 155))
"""The part of the grid where a brain can lie; fields are computed there alone."""

_CENTRE = (119.0, 134.0, 76.0)


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Tissue fractions inside :data:`BOX`, float32 ``(x, y, z)``, summing to 1 in ``brain`` and to 0 outside.

    ``detail`` is what the template's T1 image shows beyond its tissue classes (deep nuclei, brain stem), in shares
    of T1; ``parameters`` are the random choices, JSON-ready.
    """

    brain: NDArray[np.bool_]
    grey: Array
    white: Array
    csf: Array
    blood: Array
    detail: Array
    parameters: dict[str, Any]


def smooth_field(shape: tuple[int, ...], spacing: float, rng: np.random.Generator) -> Array:
    """Random cubic B-spline field of zero mean and unit variance with knots ``spacing`` voxels apart.

    Plain sums in a fixed order, so the same seed gives the same bits whatever the number of threads.
    """
    field: Array = rng.standard_normal([int(np.ceil(n / spacing)) + 4 for n in shape], dtype=np.float32)
    for axis, size in enumerate(shape):
        place = np.arange(size) / spacing
        first = place.astype(np.intp)
        u = (place - first).astype(np.float32)
        weights = ((1 - u) ** 3 / 6, (3 * u**3 - 6 * u**2 + 4) / 6, (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6, u**3 / 6)
        wide = [1] * len(shape)
        wide[axis] = size
        smoothed = np.asarray(np.take(field, first, axis) * weights[0].reshape(wide), dtype=np.float32)
        for m in (1, 2, 3):
            smoothed += np.take(field, first + m, axis) * weights[m].reshape(wide)
        field = smoothed
    field -= field.mean()
    field /= field.std()
    return field


def box_shape() -> tuple[int, int, int]:
    """Return the number of voxels of :data:`BOX` along x, y, z."""
    x, y, z = (part.stop - part.start for part in BOX)
    return x, y, z


def build_anatomy(rng: np.random.Generator) -> Anatomy:
    """Deform the template at random and turn its maps into crisp tissue fractions.

    Raises
    ------
    MachineError
        If nilearn, which carries the maps, is not installed.
    """
    maps, affine = _template()
    scale = float(rng.uniform(0.86, 0.94))
    atrophy = float(rng.uniform(0.3, 1.4))
    places = _places(affine, maps["brain"], scale, rng)
    from scipy import ndimage

    brain = ndimage.map_coordinates(maps["brain"], places, order=1) > 0.5
    within = places[:, brain]

    def warp(name: str) -> Array:
        whole = np.zeros(brain.shape, dtype=np.float32)
        whole[brain] = ndimage.map_coordinates(maps[name], within, order=1)
        return whole

    grey, white, csf = _sharpen(warp("grey"), warp("white"), brain, atrophy, rng)
    blood = _vessels(csf, brain, rng)
    rest = 1 - blood
    return Anatomy(
        brain=brain,
        grey=grey * rest,
        white=white * rest,
        csf=csf * rest,
        blood=blood,
        detail=np.clip(warp("detail"), -0.2, 0.2),
        parameters={"scale": round(scale, 4), "atrophy": round(atrophy, 4), "brain_voxels": int(brain.sum())},
    )


def _template() -> tuple[dict[str, Array], NDArray[np.float64]]:
    """Return the template's maps at 1 mm and their affine (voxel to mm)."""
    try:
        from nilearn.datasets import load_mni152_gm_template, load_mni152_template, load_mni152_wm_template
    except ImportError as error:
        raise MachineError(
            "the template brain is not installed", where="nilearn", hint="Install it: pip install 'mriuq[simulate]'"
        ) from error
    image = load_mni152_template(resolution=1)
    t1 = np.asarray(image.dataobj, dtype=np.float32)
    grey = np.asarray(load_mni152_gm_template(resolution=1).dataobj, dtype=np.float32)
    white = np.asarray(load_mni152_wm_template(resolution=1).dataobj, dtype=np.float32)
    brain = (t1 > 0).astype(np.float32)
    inside = brain > 0
    classes = np.stack([grey[inside], white[inside], np.clip(1 - grey - white, 0, 1)[inside]], axis=1)
    # Normal equations by plain sums: three unknowns, and no threads that could change the last bits.
    levels = np.linalg.solve(
        np.einsum("ni,nj->ij", classes, classes, dtype=np.float64),
        np.einsum("ni,n->i", classes, t1[inside], dtype=np.float64),
    ).astype(np.float32)
    detail = np.zeros_like(t1)
    # Darker than its tissue class on a T1-weighted image means a longer T1.
    detail[inside] = (classes * levels).sum(axis=1) - t1[inside]
    return {"brain": brain, "grey": grey, "white": white, "detail": detail}, np.asarray(image.affine)


def _places(affine: NDArray[np.float64], brain: Array, scale: float, rng: np.random.Generator) -> Array:
    """Template voxel coordinates ``(3, x, y, z)`` of every voxel of the box."""
    middle = (affine @ [*np.argwhere(brain > 0).mean(axis=0), 1])[:3]
    centre = (GRID_AFFINE @ [*_CENTRE, 1])[:3]
    tilt = _rotation(rng.normal(0, 3, 3))
    stretch = np.eye(3) / (scale * rng.uniform(0.97, 1.03, 3))
    # grid voxel -> mm -> turned and stretched about the brain's centre -> template voxel
    linear = np.linalg.inv(affine[:3, :3]) @ stretch @ tilt @ GRID_AFFINE[:3, :3]
    start = np.array([part.start for part in BOX], dtype=np.float64)
    offset = (
        np.linalg.inv(affine[:3, :3]) @ (stretch @ tilt @ (GRID_AFFINE[:3, 3] - centre) + middle - affine[:3, 3])
        + linear @ start
    )
    shape = box_shape()
    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    places = np.empty((3, *shape), dtype=np.float32)
    for axis in range(3):
        bend = 3.0 * smooth_field(shape, 36, rng) + 1.0 * smooth_field(shape, 14, rng)
        places[axis] = sum(linear[axis, k] * grids[k] for k in range(3)) + offset[axis] + bend
    return places


def _rotation(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotation matrix of three small turns about x, y, z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def _sharpen(
    grey: Array, white: Array, brain: NDArray[np.bool_], atrophy: float, rng: np.random.Generator
) -> tuple[Array, Array, Array]:
    """Turn average probabilities of 152 people into the fractions of one.

    Random sheets fold the blurred cortex into gyri and sulci that differ from seed to seed.
    """
    # Where a smooth field crosses zero lies a winding sheet: fluid on it, grey matter beside it, white farther away.
    fold = np.minimum(np.abs(smooth_field(grey.shape, 7, rng)), 1.2)
    loose = 0.8 * smooth_field(grey.shape, 4, rng)
    odds = (
        2.2 * np.log(grey + 0.03),
        2.2 * np.log(white + 0.03) + 2.0 * (fold - 0.7) + loose,
        2.2 * np.log(np.clip(1 - grey - white, 0, 1) + 0.03) + 4.0 * (0.5 - fold) + atrophy,
    )
    peak = np.maximum(np.maximum(odds[0], odds[1]), odds[2])
    parts = [np.exp(odd - peak) for odd in odds]
    total = parts[0] + parts[1] + parts[2]
    first, second, third = (np.where(brain, part / total, 0).astype(np.float32) for part in parts)
    return first, second, third


def _vessels(csf: Array, brain: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Fraction of blood: thin tubes, where two random surfaces meet, near fluid."""
    from scipy import ndimage

    across = smooth_field(csf.shape, 12, rng) ** 2 + smooth_field(csf.shape, 12, rng) ** 2
    near = np.clip(3 * ndimage.gaussian_filter(csf, 2) - 0.6, 0, 1)
    return np.where(brain, 0.9 * near * np.exp(-across / (2 * 0.11**2)), 0).astype(np.float32)

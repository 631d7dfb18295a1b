"""A seeded glioma: necrotic core and enhancing rim, or one that does not enhance; oedema that follows white matter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.physics.anatomy import Anatomy
from mriuq_cli.physics.field import Array, smooth_field

NECROSIS, OEDEMA, ENHANCING = 1, 2, 4
"""Label values, as in the BraTS challenges up to 2020; tumour that does not enhance has that of necrosis."""

_NOT_ENHANCING = 0.25
"""Share of tumours without a rim and a dead core."""


@dataclass(frozen=True, slots=True, eq=False)
class Tumour:
    """Fractions of the box's voxels, float32 ``(x, y, z)``, and the labels that an expert would draw, uint8."""

    necrosis: Array
    enhancing: Array
    infiltrated: Array
    oedema: Array
    labels: NDArray[np.uint8]
    parameters: dict[str, Any]


def grow_tumour(anatomy: Anatomy, rng: np.random.Generator) -> Tumour:
    """Grow one tumour at a random place in white matter."""
    from scipy import ndimage

    shape = anatomy.white.shape
    white = ndimage.gaussian_filter(anatomy.white, 3)
    centre = _place(white, anatomy.brain, rng)
    core = float(rng.uniform(11, 18))
    dead = float(rng.uniform(0.5, 0.75))
    reach = float(rng.uniform(12, 22))

    grids = np.ogrid[tuple(slice(0, n) for n in shape)]
    stretch = rng.uniform(0.8, 1.25, 3)
    distance = np.sqrt(sum(((grid - c) / s) ** 2 for grid, c, s in zip(grids, centre, stretch, strict=True)))
    distance = distance.astype(np.float32) * (1 + 0.16 * smooth_field(shape, 11, rng))
    brain = anatomy.brain
    whole = _within(distance, core, 0.7) * brain
    necrosis = whole * _within(distance, core * dead * (1 + 0.2 * smooth_field(shape, 7, rng)), 0.8)
    border = core + reach * (0.1 + 1.1 * white) * (1 + 0.25 * smooth_field(shape, 14, rng))
    open_to_fluid = 1 - np.clip(anatomy.csf + anatomy.blood, 0, 1)
    oedema = (1 - whole) * _within(distance, border, 2.0) * open_to_fluid * brain
    gliosis = float(rng.uniform(0.0, 0.6))
    oedema = np.maximum(oedema, gliosis * (1 - whole) * beside_ventricles(anatomy) * open_to_fluid)

    enhancing, infiltrated = whole - necrosis, np.zeros_like(whole)
    if rng.random() < _NOT_ENHANCING:
        necrosis, enhancing, infiltrated = infiltrated, infiltrated, whole
    parts = np.stack([1 - whole - oedema, necrosis + infiltrated, oedema, enhancing])
    labels = np.array([0, NECROSIS, OEDEMA, ENHANCING], dtype=np.uint8)[np.argmax(parts, axis=0)]
    facts = {
        "enhances": bool(enhancing.any()),
        "centre_box_voxel": [int(c) for c in centre],
        "core_radius_mm": round(core, 3),
        "necrotic_share_of_radius": round(dead, 3),
        "oedema_reach_mm": round(reach, 3),
        "gliosis_beside_ventricles": round(gliosis, 3),
    }
    return Tumour(
        necrosis.astype(np.float32),
        enhancing.astype(np.float32),
        infiltrated.astype(np.float32),
        oedema.astype(np.float32),
        labels * brain,
        facts,
    )


def _place(white: Array, brain: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, int, int]:
    """Choose a voxel in white matter, 17 mm or more below the brain's surface."""
    from scipy import ndimage

    # A box of ones erodes faster than a ball and does as well here.
    deep = ndimage.minimum_filter(brain.astype(np.uint8), 35)
    candidates = np.flatnonzero((white > 0.55) & (deep > 0))
    x, y, z = np.unravel_index(candidates[rng.integers(candidates.size)], white.shape)
    return int(x), int(y), int(z)


def beside_ventricles(anatomy: Anatomy) -> Array:
    """White matter beside the ventricles, which is bright on FLAIR in most adults: 1 at the border, fading in 5 mm."""
    from scipy import ndimage

    ventricles = ndimage.gaussian_filter(anatomy.csf, 2.5) > 0.75
    near = np.clip(2 * ndimage.gaussian_filter(ventricles.astype(np.float32), 2.5), 0, 1)
    return np.asarray(near * anatomy.white, dtype=np.float32)


def _within(distance: Array, radius: float | Array, softness: float) -> Array:
    """Fall from 1 inside ``radius`` to 0 outside, over about ``softness`` mm."""
    return np.asarray(1 / (1 + np.exp(np.clip((distance - radius) / softness, -30, 30))), dtype=np.float32)

"""What lies around a brain: as the label map has it, or a plausible skull, scalp, face and neck where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.physics.anatomy import Anatomy
from mriuq_cli.physics.field import Array, smooth_field

_SOFT = 0.7


def with_outside(anatomy: Anatomy, rng: np.random.Generator) -> Anatomy:
    """Return a whole head: muscle among the fat of a labelled one, invented tissues around a bare brain."""
    found = _with_muscle(anatomy, rng) if anatomy.outside else _invented(anatomy, rng)
    facts = {**anatomy.parameters, "invented_outside": not anatomy.outside}
    return replace(anatomy, outside=found, parameters=facts)


def _with_muscle(anatomy: Anatomy, rng: np.random.Generator) -> dict[str, Array]:
    """Part what label maps call soft tissue: fat in the scalp, bundles of muscle in it below the brain."""
    fat = anatomy.outside.get("fat", np.zeros(anatomy.brain.shape, np.float32))
    low = _below(anatomy)
    bundles = 1 / (1 + np.exp(-5 * (smooth_field(fat.shape, 9, rng) + 1.6 * low - 1.1)))
    muscle = (fat * bundles).astype(np.float32)
    return {**anatomy.outside, "fat": fat - muscle, "muscle": anatomy.outside.get("muscle", 0) + muscle}


def _below(anatomy: Anatomy) -> Array:
    """Return how far down a place is: 0 at the middle of the brain, 1 from 60 mm below it on."""
    z = np.arange(anatomy.brain.shape[2], dtype=np.float32) + anatomy.grid.box[2].start
    down = np.clip((anatomy.grid.middle[2] - z) / 60, 0, 1).astype(np.float32)
    return np.asarray(down[None, None, :])


def _invented(anatomy: Anatomy, rng: np.random.Generator) -> dict[str, Array]:
    """Wrap a brain into fluid, bone with marrow, fat and skin, on a neck with a spine and with a face in front."""
    from scipy import ndimage

    brain, shape = anatomy.brain, anatomy.brain.shape
    smooth = ndimage.gaussian_filter(brain.astype(np.float32), 4) > 0.35
    away = ndimage.distance_transform_edt(~smooth).astype(np.float32)
    away -= ndimage.distance_transform_edt(smooth).astype(np.float32)
    thick = 1 + 0.2 * smooth_field(shape, 30, rng)
    x, y, z = np.ogrid[tuple(slice(0, n) for n in shape)]
    mx, my, mz = (m - part.start for m, part in zip(anatomy.grid.middle, anatomy.grid.box, strict=True))
    # Lengths of a head in mm; neck and face are a cylinder and an ellipsoid about the places where they belong.
    neck = np.sqrt((x - mx) ** 2 + ((y - my + 20) * 0.9) ** 2) - 52 + 1e3 * (z > mz - 40)
    face = np.sqrt(((x - mx) / 58) ** 2 + ((y - my - 50) / 42) ** 2 + ((z - mz + 72) / 52) ** 2) * 50 - 50
    depth = np.minimum(np.minimum(away / thick - 15, neck), face).astype(np.float32)
    fluid, skull, scalp = away < 3 * thick, away < 9 * thick, depth < 0
    marrow = (away > 4.5 * thick) & (away < 7.5 * thick)
    skin = scalp & (depth > -2.5)
    bundles = smooth_field(shape, 9, rng) + 1.6 * _below(anatomy) > 0.6
    spine = (np.hypot(x - mx, y - my + 25) < 14) & (z < mz - 55)
    air = (np.abs(x - mx) < 9) & (np.hypot((y - my - 48) / 2, z - mz + 78) < 12)
    shell = scalp & ~fluid & ~air
    cord = spine & (np.hypot(x - mx, y - my + 25) < 5)
    parts = {
        "eye": _eyes(x - mx, y - my, z - mz) & ~fluid,
        "bone": shell & ((skull & ~marrow) | (spine & ~cord)),
        "marrow": shell & skull & marrow,
        "mucosa": shell & ~skull & (np.abs(x - mx) < 20) & (np.hypot((y - my - 48) / 2, z - mz + 78) < 22),
        "muscle": shell & ~skull & (skin | bundles),
    }
    taken = brain.copy()
    for name, part in parts.items():
        parts[name] = part & ~taken
        taken |= parts[name]
    parts["fat"] = shell & ~taken & ~cord
    fluid_around = fluid & ~brain & ~taken
    found = {name: ndimage.gaussian_filter(part.astype(np.float32), _SOFT) * ~brain for name, part in parts.items()}
    found["csf"] = ndimage.gaussian_filter(fluid_around.astype(np.float32), _SOFT) * ~brain
    found["white"] = ndimage.gaussian_filter(cord.astype(np.float32), _SOFT) * ~brain
    return {name: part.astype(np.float32) for name, part in found.items()}


def _eyes(x: Array, y: Array, z: Array) -> NDArray[np.bool_]:
    """Return two balls of 12 mm radius."""
    return np.asarray(np.minimum((x - 33) ** 2, (x + 33) ** 2) + (y - 72) ** 2 + (z + 32) ** 2 < 12**2)

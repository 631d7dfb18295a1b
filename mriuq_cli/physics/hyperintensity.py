"""White matter hyperintensities, as most ageing brains have them: caps and bands beside the ventricles, and spots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mriuq_cli.physics.anatomy import Anatomy
from mriuq_cli.physics.field import Array, smooth_field
from mriuq_cli.physics.tumour import beside_ventricles


@dataclass(frozen=True, slots=True, eq=False)
class Hyperintensities:
    """Share of the box's voxels, float32 ``(x, y, z)``, and the random choices."""

    share: Array
    parameters: dict[str, Any]


def hyperintensities(anatomy: Anatomy, rng: np.random.Generator) -> Hyperintensities:
    """Draw lesions whose burden rises with the drawn age; some brains have next to none."""
    from scipy import ndimage

    shape = anatomy.white.shape
    age = float(anatomy.parameters["age"])
    burden = float(np.clip(rng.beta(1.2, 2.5) + 0.15 * age, 0, 1))
    deep = np.clip(2 * ndimage.gaussian_filter(anatomy.white, 2.5) - 1, 0, 1)
    caps = np.clip(2.2 * burden * beside_ventricles(anatomy) * (1 + 0.4 * smooth_field(shape, 9, rng)) - 0.3, 0, 1)
    spots = 1 / (1 + np.exp(-6 * (smooth_field(shape, 5, rng) - (3.0 - 1.5 * burden))))
    share = np.clip(np.maximum(caps, spots * deep), 0, 1) * anatomy.white
    facts = {"burden": round(burden, 4), "voxels": int((share > 0.5).sum())}
    return Hyperintensities(share.astype(np.float32), facts)

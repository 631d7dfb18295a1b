"""The head that is always there: tissue maps of the MNI152 average brain, which come with nilearn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.errors import MachineError
from mriuq_cli.physics.field import Array

NAME = "MNI152 (ICBM 2009a), nilearn"


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """Probabilities at 1 mm, float32 ``(x, y, z)``; ``detail`` in shares of T1, ``affine`` from voxels to mm."""

    brain: Array
    grey: Array
    white: Array
    detail: Array
    affine: NDArray[np.float64]


@cache
def load_template() -> Template:
    """Return the template's maps.

    Raises
    ------
    MachineError
        If nilearn, which carries the maps, is not installed.
    """
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
    return Template(brain, grey, white, detail, np.asarray(image.affine))

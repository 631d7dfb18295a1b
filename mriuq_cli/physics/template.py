"""The head that is always there: tissue maps of the MNI152 average brain, which come with nilearn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.nifti import read_volume
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
    (t1, affine), (grey, _), (white, _) = (_read(kind) for kind in ("t1", "gm", "wm"))
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
    return Template(brain, grey, white, detail, affine)


def _read(kind: str) -> tuple[Array, NDArray[np.float64]]:
    """Return a map, its maximum 1, and its affine.

    It is what ``nilearn.datasets.load_mni152_template(resolution=1)`` and its fellows return, without importing them:
    that takes longer than a whole exam's physics.
    """
    package = find_spec("nilearn")
    folder = Path(package.origin).parent if package and package.origin else None
    path = folder / "datasets" / "data" / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz" if folder else None
    if path is None or not path.is_file():
        raise MachineError(
            "the template brain is not installed", where="nilearn", hint="Install it: pip install 'mriuq[simulate]'"
        )
    volume = read_volume(path)
    return volume.data / volume.data.max(), np.asarray(volume.geometry.affine)

"""An image array with its place in space."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.geometry import Geometry


@dataclass(frozen=True, slots=True, eq=False)
class Volume:
    """Array, grid and unit.

    Parameters
    ----------
    data
        float32, ``(x, y, z)`` or ``(x, y, z, t)``, in the file's own axis order.
    geometry
        The grid, RAS world in mm.
    unit
        ``a.u.`` for scanner units, else a physical one.
    source
        The file it came from.
    warnings
        What was odd about the file.
    """

    data: NDArray[np.float32]
    geometry: Geometry
    unit: str = "a.u."
    source: Path | None = None
    warnings: tuple[str, ...] = ()

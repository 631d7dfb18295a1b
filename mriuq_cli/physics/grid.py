"""The grids that heads are simulated on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Box = tuple[slice, slice, slice]
Kind = TypeVar("Kind", bound=np.generic)


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Voxels of 1 mm.

    Parameters
    ----------
    shape
        ``(x, y, z)``.
    affine
        From voxels to RAS mm.
    box
        The part where a head can lie; fields are computed there alone.
    middle
        Voxel at which the middle of the brain lies.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]
    box: Box
    middle: tuple[float, float, float]

    @property
    def centre(self) -> NDArray[np.float64]:
        """The middle of the brain in mm."""
        return np.asarray((self.affine @ [*self.middle, 1])[:3])

    @property
    def box_shape(self) -> tuple[int, int, int]:
        """Voxels of the box along x, y, z."""
        x, y, z = (part.stop - part.start for part in self.box)
        return x, y, z

    def whole(self, part: NDArray[Kind]) -> NDArray[Kind]:
        """Place an array of the box in the whole grid."""
        found = np.zeros(self.shape, dtype=part.dtype)
        found[self.box] = part
        return found


EXAM_GRID = Grid(
    (240, 240, 155),
    np.array([[-1.0, 0, 0, 0], [0, -1, 0, 239], [0, 0, 1, 0], [0, 0, 0, 1]]),
    (slice(36, 204), slice(30, 230), slice(0, 155)),
    (119.0, 134.0, 76.0),
)
"""1 mm, axes to the left, to the back and up, as in the exams of the BraTS challenges."""

HEAD_GRID = Grid(
    (192, 240, 240),
    np.array([[1.0, 0, 0, -96], [0, 1, 0, -120], [0, 0, 1, -140], [0, 0, 0, 1]]),
    (slice(0, 192), slice(0, 240), slice(0, 240)),
    (96.0, 118.0, 148.0),
)
"""1 mm, RAS, from the neck to the crown."""

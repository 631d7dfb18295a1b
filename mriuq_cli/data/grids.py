"""Refusing images that do not lie on one grid."""

from __future__ import annotations

from pathlib import Path

from mriuq_cli.data.geometry import Geometry, grid_difference, shape_text
from mriuq_cli.errors import InputError


def require_same_grid(path: Path, geometry: Geometry, other_path: Path, other: Geometry) -> None:
    """Refuse two images whose grids differ by more than 1e-3 voxel.

    Raises
    ------
    InputError
        Naming both files and how they differ.
    """
    difference = grid_difference(geometry, other)
    if difference is not None:
        raise InputError(
            f"is not on the grid of {path}: {_second_first(difference)}",
            where=other_path,
            hint="Register and resample the images to one grid first.",
        )


def _second_first(difference: str) -> str:
    """Keep the order of the sentence: the first file's figure is named first."""
    return difference.replace(" against ", " there against ", 1)


def require_3d(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse a flat image and one with more than four axes.

    Raises
    ------
    InputError
        With the shape in words.
    """
    text = shape_text(shape)
    if len(shape) < 3:
        raise InputError(f"is 2-D ({text}); a whole volume is needed", where=path)
    if min(shape[:3]) < 2:
        raise InputError(f"is a single slice ({text}); a whole volume is needed", where=path)
    if len(shape) > 4:
        raise InputError(f"is {len(shape)}-D ({text}); a 3-D image or a 4-D file of contrasts is needed", where=path)

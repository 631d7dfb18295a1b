"""Lay out the real T1-weighted heads as a cohort that `mriuq train hetqc` reads: a folder a person, labels where known.

    python benchmarks/heads.py OUT

Heads with skull, defaced, stripped, and thick-sliced; labels are 1 fluid, 2 grey matter, 3 white matter. Reads the
folder in MRIUQ_DATA; images are stored again as NIfTI on their own grid.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np

from mriuq_cli.data.geometry import ras_geometry
from mriuq_cli.data.nifti import read_volume, write_volume

DATA = Path(os.environ.get("MRIUQ_DATA", "~/.cache/mriuq-data")).expanduser()
FLUID = (4, 5, 14, 15, 24, 31, 43, 44, 63, 72)
WHITE = (2, 7, 16, 28, 41, 46, 60, 77, 85, 192, *range(251, 256))
ATLAS = {"visualqc_id001": "visualqc_id001_aparc+aseg", "aomic_sub0001": "aomic_sub0001_aseg"}


def main() -> None:
    out = Path(sys.argv[1])
    out.mkdir(exist_ok=True)
    for path in sorted([*(DATA / "heads/t1w").iterdir(), *(DATA / "heads/t1w_lowres").iterdir()]):
        name = path.name.split(".")[0].removesuffix("_T1")
        write(out, name, read_volume(path), atlas_tissues(name))
    for path in sorted((DATA / "heads/brain_only").glob("*_tissues.nii.gz")):
        name = path.name.removesuffix("_tissues.nii.gz")
        write(out, name, read_volume(path.with_name(f"{name}.nii.gz")), read_volume(path))
    for path in sorted((DATA / "brats18").glob("*/*_t1.nii.gz")):
        write(out, path.parent.name, read_volume(path), None)
    write(out, "ms_patient19", read_volume(DATA / "multicontrast/ms_patient19/ms_patient19_t1.nii.gz"), None)


def atlas_tissues(name: str):
    """Return tissues on the atlas's own grid, or None."""
    if name not in ATLAS:
        return None
    found = read_volume(DATA / "labels/brain_atlas" / f"{ATLAS[name]}.nii.gz")
    labels = np.rint(found.data).astype(int)
    tissues = np.where(np.isin(labels, FLUID), 1, np.where(np.isin(labels, WHITE), 3, np.where(labels > 0, 2, 0)))
    return type(found)(tissues.astype(np.float32), found.geometry)


def write(out: Path, name: str, image, labels) -> None:
    folder = out / name
    folder.mkdir(exist_ok=True)
    write_volume(folder / f"{name}_t1.nii.gz", image.data, image.geometry)
    if labels is not None:
        moved = on_grid(labels.data, labels.geometry.affine, image.geometry)
        write_volume(folder / f"{name}_seg.nii.gz", moved.astype(np.uint8), image.geometry, dtype="uint8")
    print(f"{name}: {image.data.shape}, {ras_geometry(image.geometry).spacing.round(2)} mm, "
          f"{'no labels' if labels is None else f'{np.mean(moved > 0):.1%} brain'}")  # fmt: skip


def on_grid(labels: np.ndarray, affine: np.ndarray, geometry) -> np.ndarray:
    """Return labels on another grid, nearest neighbour."""
    from scipy.ndimage import affine_transform

    matrix = np.linalg.solve(affine, geometry.affine)
    return affine_transform(labels, matrix[:3, :3], matrix[:3, 3], geometry.shape, order=0)


if __name__ == "__main__":
    main()

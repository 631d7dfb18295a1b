"""From a case that was found to a case in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.case import Case, CaseRef, VolumeRef
from mriuq_cli.data.geometry import Geometry, grid_difference, ras_view
from mriuq_cli.data.grids import require_3d, require_same_grid
from mriuq_cli.data.nifti import read_header, read_volumes
from mriuq_cli.data.volume import Volume
from mriuq_cli.errors import InputError

Mask = NDArray[np.bool_]


def read_case(ref: CaseRef) -> Case:
    """Read the volumes of a case; a 4-D file is read once, whatever number of its volumes is asked for.

    Non-finite voxels become 0 (background) and are counted in a warning. Labels become the regions ``tumour`` (any),
    ``enhancing`` (3 or 4), ``oedema`` (2) and ``necrosis`` (1); labels on another grid are left out with a warning.

    Parameters
    ----------
    ref
        At least one volume.

    Returns
    -------
    Case
        float32 volumes in file order; fingerprints are SHA-256 of the cleaned voxels.

    Raises
    ------
    InputError
        If a file is unreadable or damaged, grids differ, a contrast has no finite voxel or only one value, or the
        mask is empty.
    MachineError
        If the case would not fit into memory.
    """
    if ref.problem is not None:
        raise ref.problem
    raw = _read(ref.volumes)
    (first, _), *others = [(ref.volumes[name], raw[name]) for name in ref.volumes]
    geometry = raw[next(iter(ref.volumes))].geometry
    for other, volume in others:
        require_same_grid(first.path, geometry, other.path, volume.geometry)
    mask = None if ref.mask is None else _read_mask(ref.mask, first.path, geometry)
    warnings: list[str] = []
    volumes = {}
    for name, volume in raw.items():
        data, words = _cleaned(name, volume.data, ref.volumes[name].path)
        volumes[name] = Volume(data, volume.geometry, volume.unit, volume.source, volume.warnings)
        warnings += [f"{ref.volumes[name].path.name}: {text}" for text in volume.warnings] + words
    labels, words = _read_labels(ref.labels, geometry)
    return Case(
        ref.id,
        geometry,
        volumes,
        mask=mask,
        regions={} if labels is None else _tumour_regions(labels),
        labels=labels,
        fingerprints={name: fingerprint(volume.data, volume.geometry) for name, volume in volumes.items()},
        warnings=tuple(dict.fromkeys(warnings + words)),
    )


def fingerprint(data: NDArray[np.float32], geometry: Geometry) -> str:
    """Return the SHA-256 of voxels in RAS order, x fastest; it is blind to name, stored type and order of the axes."""
    found = hashlib.sha256()
    for plane in np.moveaxis(ras_view(data, geometry), 2, 0):  # one at a time: a whole copy takes three times as long
        found.update(np.ascontiguousarray(plane.T, dtype="<f4").data)
    return found.hexdigest()


def _read(refs: Mapping[str, VolumeRef]) -> dict[str, Volume]:
    """Read every file once, and return volumes in the order of ``refs``."""
    indices: dict[Path, set[int]] = {}
    for ref in refs.values():
        indices.setdefault(ref.path, set()).add(ref.index or 0)
    found = {path: read_volumes(path, wanted) for path, wanted in indices.items()}
    return {name: found[ref.path][ref.index or 0] for name, ref in refs.items()}


def _cleaned(name: str, data: NDArray[np.float32], path: Path) -> tuple[NDArray[np.float32], list[str]]:
    """Return finite voxels and what was done to them; refuse an image that shows nothing."""
    words = []
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(data.sum())  # one pass instead of a mask for every scan
    if suspicious:
        bad = ~np.isfinite(data)
        count = int(np.count_nonzero(bad))
        if count == data.size:
            raise InputError(f"no voxel of {name} is a finite number", where=path)
        if count:
            data = np.where(bad, np.float32(0), data)
            are = "voxel is not a finite number and counts" if count == 1 else "voxels are not finite numbers and count"
            words.append(f"{name}: {count} {are} as background.")
    flat = data.ravel(order="K")  # a view; indexing across file order would take four times as long
    inside = flat[flat != 0]
    if inside.size == 0 and words:
        raise InputError(f"no voxel of {name} is a finite number other than 0 (read as float32)", where=path)
    if inside.size == 0:
        raise InputError(f"every voxel of {name} is 0", where=path, hint="Was the right file or volume given?")
    if inside.min() == inside.max():
        raise InputError(
            f"{name} is constant: every voxel that is not 0 is {inside[0]:g}",
            where=path,
            hint="A mask or label map instead of an image?",
        )
    return data, words


def _read_mask(ref: VolumeRef, first: Path, geometry: Geometry) -> Mask:
    volume = read_single(ref.path, "a mask")
    require_same_grid(first, geometry, ref.path, volume.geometry)
    mask: Mask = volume.data > 0.5  # NaN is outside
    if not mask.any():
        raise InputError("the mask is empty: no voxel is above 0.5", where=ref.path)
    return mask


def _read_labels(ref: VolumeRef | None, geometry: Geometry) -> tuple[NDArray[np.int16] | None, list[str]]:
    if ref is None:
        return None, []
    volume = read_single(ref.path, "a label map")
    difference = grid_difference(geometry, volume.geometry)
    if difference is not None:
        return None, [f"{ref.path.name}: labels are not used, they lie on another grid ({difference})."]
    return np.rint(volume.data).astype(np.int16), []


def _tumour_regions(labels: NDArray[np.int16]) -> dict[str, Mask]:
    return {
        "tumour": labels > 0,
        "enhancing": (labels == 3) | (labels == 4),  # 4 until BraTS 2021, 3 from 2023
        "oedema": labels == 2,
        "necrosis": labels == 1,
    }


def read_single(path: Path, what: str) -> Volume:
    """Read a file that holds one 3-D image; InputError, naming ``what`` it was to be, if it holds more."""
    header = read_header(path)
    require_3d(path, header.shape)
    if header.n_volumes > 1:
        raise InputError(f"holds {header.n_volumes} volumes; {what} is one 3-D image", where=path)
    return read_volumes(path, (0,))[0]

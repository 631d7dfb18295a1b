"""Measured k-space of a series of slices, and its HDF5 file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.atomic import atomic_file
from mriuq_cli.errors import InputError, MachineError


@dataclass(frozen=True, slots=True, eq=False)
class KSpace:
    """What several coils measured of slices in several phases (echo times, inversion times).

    Parameters
    ----------
    data
        complex64 ``(slices, phases, coils, x, y)``, centred and orthonormal: index ``n // 2`` is the origin, lines are
        encoded along y.
    times
        Seconds, one a phase.
    kind
        What the times are: ``te`` or ``ti``.
    maps
        Coil sensitivities complex64 ``(slices, coils, x, y)``, or empty where they are not known.
    truth
        Name to float32 ``(slices, x, y)``, such as ``t2`` in seconds and ``pd``.
    masks
        Name to bool ``(phases, y)``: lines that an undersampled measurement would keep.
    spacing
        Of the voxels in mm along x, y and across slices.
    """

    data: NDArray[np.complex64]
    times: tuple[float, ...]
    kind: str
    maps: NDArray[np.complex64]
    truth: Mapping[str, NDArray[np.float32]]
    masks: Mapping[str, NDArray[np.bool_]]
    spacing: tuple[float, float, float]


def write_kspace(path: Path, kspace: KSpace, facts: Mapping[str, str | float]) -> None:
    """Write one HDF5 file; groups ``truth`` and ``masks``, the rest as datasets and attributes of the root.

    Raises
    ------
    MachineError
        If h5py is not installed, or the file cannot be written.
    """
    h5py = _h5py()
    with atomic_file(path) as part, h5py.File(part, "w", locking=False) as file:
        for name in ("data", "maps"):
            if getattr(kspace, name).size:
                file.create_dataset(name, data=getattr(kspace, name))
        file.create_dataset("times", data=np.asarray(kspace.times, np.float64))
        for group in ("truth", "masks"):
            for name, image in getattr(kspace, group).items():
                stored = image.astype(np.uint8) if image.dtype == np.bool_ else image
                file.create_dataset(f"{group}/{name}", data=stored)
        file.attrs.update({"times_are": kspace.kind, "spacing_mm": kspace.spacing, **facts})


def read_kspace(path: Path) -> KSpace:
    """Read what :func:`write_kspace` wrote.

    Raises
    ------
    InputError
        If the file is not of that form.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            groups: dict[str, dict[str, Any]] = {
                group: {name: image[()] for name, image in file.get(group, {}).items()} for group in ("truth", "masks")
            }
            return KSpace(
                data=file["data"][()],
                times=tuple(map(float, file["times"][()])),
                kind=str(file.attrs["times_are"]),
                maps=file["maps"][()] if "maps" in file else np.zeros(0, np.complex64),
                truth=groups["truth"],
                masks={name: mask.astype(bool) for name, mask in groups["masks"].items()},
                spacing=tuple(map(float, file.attrs["spacing_mm"])),  # type: ignore[arg-type]
            )
    except FileNotFoundError as error:
        raise InputError("there is no such file", where=path) from error
    except (OSError, KeyError) as error:
        raise InputError("is not the k-space of a series (HDF5 with data and times)", where=path) from error


def _h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise MachineError(
            "what reads and writes k-space is not installed",
            where="h5py",
            hint="Install it: pip install 'mriuq[simulate]'",
        ) from error
    return h5py

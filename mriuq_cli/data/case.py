"""One subject-visit, loaded: named volumes on one grid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.geometry import Geometry
from mriuq_cli.data.kspace import KSpace
from mriuq_cli.data.volume import Volume
from mriuq_cli.errors import MriuqError


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """Named volumes of one subject-visit on one grid.

    Parameters
    ----------
    id
        Name of the case; output names begin with it.
    geometry
        The grid that all volumes share.
    volumes
        Given inputs by role name, float32 ``(x, y, z)`` in file orientation; non-finite voxels are 0.
    truth
        Targets that are known (training, evaluation), never shown to ``mriuq_predict``.
    mask
        Brain mask that came with the case, bool ``(x, y, z)``, or None.
    regions
        Named regions for figures (``tumour``), bool ``(x, y, z)``.
    labels
        The label map as the file has it, int16 ``(x, y, z)``, for methods that read labels of their own; or None.
    kspace
        Measured k-space, where the case has that instead of volumes.
    fingerprints
        Volume name to SHA-256 of its voxels: recognises a subject whatever the file is called.
    warnings
        What was odd about the files.
    """

    id: str
    geometry: Geometry
    volumes: Mapping[str, Volume]
    truth: Mapping[str, Volume] = field(default_factory=dict)
    mask: NDArray[np.bool_] | None = None
    regions: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)
    labels: NDArray[np.int16] | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kspace: KSpace | None = None
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def hiding(self, names: Iterable[str]) -> Case:
        """Return the case with these volumes moved from ``volumes`` to ``truth``."""
        hidden = set(names)
        kept = {name: volume for name, volume in self.volumes.items() if name not in hidden}
        moved = {name: volume for name, volume in self.volumes.items() if name in hidden}
        return replace(self, volumes=kept, truth={**self.truth, **moved})


@dataclass(frozen=True, slots=True)
class VolumeRef:
    """A 3-D image in a file: the file itself, or volume ``index`` of a 4-D one."""

    path: Path
    index: int | None = None


@dataclass(frozen=True, slots=True)
class CaseRef:
    """A case that was found but not read yet.

    ``subfolder`` is where its outputs go below the output folder (it mirrors the input's place in its cohort).
    ``problem`` is why a case among several cannot be used; reading the case raises it, so the others go on.
    """

    id: str
    volumes: Mapping[str, VolumeRef]
    labels: VolumeRef | None = None
    mask: VolumeRef | None = None
    subfolder: PurePath = field(default_factory=PurePath)
    problem: MriuqError | None = None

    @property
    def folder(self) -> Path:
        """Folder that holds the first file of the case."""
        return next(iter(self.volumes.values())).path.parent

    def hiding(self, names: Iterable[str]) -> CaseRef:
        """Return the reference without these volumes: they will not be read at all."""
        hidden = set(names)
        return replace(self, volumes={k: v for k, v in self.volumes.items() if k not in hidden})


@dataclass(frozen=True, slots=True)
class Cohort(Sequence[CaseRef]):
    """An ordered set of cases."""

    refs: tuple[CaseRef, ...]

    def __getitem__(self, index: Any) -> Any:
        """Return one reference, or a smaller cohort for a slice."""
        return Cohort(self.refs[index]) if isinstance(index, slice) else self.refs[index]

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.refs)

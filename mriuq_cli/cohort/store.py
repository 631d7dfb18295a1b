"""Cases that are needed many times: read once, kept without their empty space, unpacked when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mriuq_cli.data.case import Case, CaseRef
from mriuq_cli.data.people import anatomy_of
from mriuq_cli.data.volume import Volume


@dataclass(frozen=True, slots=True, eq=False)
class _Packed:
    """A case whose volumes hold only the voxels ``where`` any of them is not 0 (flat indices)."""

    frame: Case
    where: NDArray[np.int64]
    bits: Mapping[str, NDArray[np.uint8]]


KEPT = 64
"""Cases that stay in memory; a stripped 240 x 240 x 155 exam of four contrasts takes about 35 MB packed."""


class CaseStore:
    """The cases of a cohort by position; the first look at a case reads it.

    The first ``kept`` cases stay in memory, packed; the others are read anew whenever they are asked for. (Cases are
    gone through in turn, so that dropping the oldest would drop each just before it is needed.)
    """

    def __init__(self, refs: Sequence[CaseRef], reader: Callable[[CaseRef], Case], kept: int = KEPT) -> None:
        self._refs = refs
        self._reader = reader
        self._kept = kept
        self._packed: dict[int, _Packed] = {}
        self._prints: dict[int, frozenset[str]] = {}

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self._refs)

    def read(self, index: int) -> Case:
        """Return one case with all of its images."""
        if index in self._packed:
            return _unpack(self._packed[index])
        case = self._reader(self._refs[index])
        self._prints[index] = frozenset(case.fingerprints.values())
        if len(self._packed) < self._kept:
            self._packed[index] = _pack(case)
        return case

    @property
    def known(self) -> tuple[int, ...]:
        """Positions of the cases that have been read."""
        return tuple(sorted(self._prints))

    def fingerprints(self, index: int) -> frozenset[str]:
        """Return what a case is recognised by."""
        if index not in self._prints:
            self.read(index)
        return self._prints[index]

    def anatomy(self, index: int) -> str | None:
        """Return what a simulated case was made from; None for any other."""
        return anatomy_of(self._refs[index])

    def cases(self, indices: Sequence[int]) -> Cases:
        """Return these cases as something that can be gone through any number of times."""
        return Cases(self, tuple(indices))


@dataclass(frozen=True, slots=True)
class Cases:
    """Some cases of a store, one in memory at a time."""

    store: CaseStore
    indices: tuple[int, ...]

    def __iter__(self) -> Iterator[Case]:
        """Go through the cases."""
        return map(self.store.read, self.indices)

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.indices)


def _pack(case: Case) -> _Packed:
    support = np.zeros(case.geometry.shape, dtype=bool)
    for volume in case.volumes.values():
        support |= volume.data != 0
    where = np.flatnonzero(support)
    bits = {name: np.packbits(region) for name, region in case.regions.items()}
    if case.mask is not None:
        bits["\0mask"] = np.packbits(case.mask)
    slim = {name: replace(volume, data=volume.data.ravel()[where]) for name, volume in case.volumes.items()}
    return _Packed(replace(case, volumes=slim, regions={}, mask=None), where, bits)


def _unpack(packed: _Packed) -> Case:
    frame, shape = packed.frame, packed.frame.geometry.shape

    def full(volume: Volume) -> Volume:
        data = np.zeros(shape, np.float32)
        data.ravel()[packed.where] = volume.data
        return replace(volume, data=data)

    def mask(bits: NDArray[np.uint8]) -> NDArray[Any]:
        return np.unpackbits(bits, count=int(np.prod(shape))).astype(bool).reshape(shape)

    masks = {name: mask(bits) for name, bits in packed.bits.items()}
    brain = masks.pop("\0mask", None)
    return replace(frame, volumes={n: full(v) for n, v in frame.volumes.items()}, regions=masks, mask=brain)

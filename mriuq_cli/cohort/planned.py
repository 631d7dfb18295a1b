"""A request, the cases that it means with their places, and the plan of a run: facts that everything else reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriuq_cli.data.case import CaseRef
from mriuq_cli.data.traces import MAPS, PARTS, receipt_of

if TYPE_CHECKING:
    from mriuq_cli.inference.weights import WeightsFolder


@dataclass(frozen=True, slots=True)
class Request:
    """What the command line asks for."""

    inputs: tuple[Path, ...]
    files: Mapping[str, Path] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    order: tuple[str, ...] | None = None
    mask: Path | None = None
    case_id: str | None = None
    weights: Path | None = None
    calibration: Path | None = None
    out: Path | None = None
    overwrite: bool = False
    resume: bool = False
    device: str = "auto"
    threads: int | None = None
    tile: int | None = None
    scale_like: Path | None = None
    refuse_unfamiliar: bool = False
    outliers: bool = False
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A case with its place: what will be written where, in which tiles, and whether it is done already.

    ``checks`` are the given images that get an outlier map; ``demand`` is the predicted peak memory in bytes;
    ``basis`` is filled where receipts were asked; ``warnings`` is what was odd about the files' names.
    """

    ref: CaseRef
    folder: Path
    targets: tuple[str, ...]
    checks: tuple[str, ...] = ()
    tile: int | None = None
    demand: int = 0
    done: bool = False
    basis: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of outputs that are foreseen; each has a sidecar and a receipt."""
        return (*self.targets, MAPS) if self.checks or not self.targets else self.targets

    def images(self, target: str) -> dict[str, Path]:
        """Return the four images of a target: ``value``, ``lower``, ``upper``, ``width``."""
        names = ("value", "lower", "upper", "width")
        return {name: self.path(f"{target}{part}.nii.gz") for name, part in zip(names, PARTS, strict=True)}

    def map_image(self, name: str) -> Path:
        """Return the path of a further image."""
        return self.path(f"{name}.nii.gz")

    def sidecar(self, group: str) -> Path:
        """Return the path of a group's sidecar."""
        return self.path(f"{group}.json")

    def receipt(self, group: str) -> Path:
        """Return the path of a group's receipt."""
        return receipt_of(self.folder, f"{self.ref.id}_{group}")

    def path(self, ending: str) -> Path:
        """Return the path of one of the case's files."""
        return self.folder / f"{self.ref.id}_{ending}"

    def foreseen_by_group(self) -> dict[str, list[Path]]:
        """Return the files that may be written, by group; receipts first."""
        files = {group: [self.receipt(group), self.sidecar(group)] for group in self.groups}
        for target in self.targets:
            files[target] += self.images(target).values()
        if self.checks:
            files[MAPS] += [self.map_image(f"{name}_outlier") for name in self.checks]
        return files

    def foreseen(self) -> list[Path]:
        """Return every file that may be written."""
        return [path for files in self.foreseen_by_group().values() for path in files]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is settled before the first exam is read.

    ``shared`` is the part of the basis all cases share; ``folder`` is the one that all outputs go to (or below), or
    None where every case has its own.
    """

    method: str
    request: Request
    cases: tuple[PlannedCase, ...]
    weights: WeightsFolder | None
    calibration: Path | None
    device: str
    threads: int
    folder: Path | None
    shared: Mapping[str, Any]

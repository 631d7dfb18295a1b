"""From a request to cases with output paths: everything that can be known, and refused, before any work."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriuq_cli.cohort import receipts
from mriuq_cli.data.case import CaseRef, Cohort
from mriuq_cli.data.traces import is_ours, receipt_of
from mriuq_cli.errors import InputError, MachineError, UsageError
from mriuq_cli.hooks.method import Method

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.inference.weights import WeightsFolder

MAPS = "maps"
"""Name of the group that holds a case's further images: outlier maps, whatever the method adds."""

_PARTS = ("", "_lower", "_upper", "_width")
_LEAST_TILE = 16


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
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """A case with its place: what will be written where, in which tiles, and whether it is done already.

    ``demand`` is the predicted peak memory in bytes; ``basis`` is filled where receipts were asked.
    """

    ref: CaseRef
    folder: Path
    targets: tuple[str, ...]
    checks: tuple[str, ...] = ()
    tile: int | None = None
    demand: int = 0
    done: bool = False
    basis: Mapping[str, Any] | None = None

    @property
    def groups(self) -> tuple[str, ...]:
        """Names of the groups of outputs that are foreseen; each has a sidecar and a receipt."""
        return (*self.targets, MAPS) if self.checks or not self.targets else self.targets

    def images(self, target: str) -> dict[str, Path]:
        """Return the four images of a target: ``value``, ``lower``, ``upper``, ``width``."""
        names = ("value", "lower", "upper", "width")
        return {name: self.path(f"{target}{part}.nii.gz") for name, part in zip(names, _PARTS, strict=True)}

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

    def foreseen(self) -> list[Path]:
        """Return every file that may be written, receipts first."""
        files = [self.receipt(group) for group in self.groups]
        files += [self.sidecar(group) for group in self.groups]
        files += [path for target in self.targets for path in self.images(target).values()]
        return files + [self.map_image(f"{name}_outlier") for name in self.checks]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is settled before the first exam is read. ``shared`` is the part of the basis all cases share."""

    method: str
    request: Request
    cases: tuple[PlannedCase, ...]
    weights: WeightsFolder | None
    calibration: Path | None
    device: str
    threads: int
    folders: tuple[Path, ...]
    shared: Mapping[str, Any]


def make_plan(plugin: Plugin, request: Request) -> Plan:
    """Find the cases, the weights and the places to write to; check what can be checked without reading an image.

    Raises
    ------
    UsageError, InputError, WeightsError, MachineError
        Whatever stands in the way of the whole run.
    """
    from mriuq_cli.inference.device import pick_device, usable_cores

    _check_words(request)
    cohort = _find(plugin.method, request)
    weights = _find_weights(plugin, request)
    calibration = request.calibration or (weights.calibration if weights else None)
    device, threads = pick_device(request.device), request.threads or usable_cores()
    shared = _shared_basis(plugin, request, weights, calibration, device, threads)
    root = _root(request.out)
    placed = [_place(ref, plugin.method, request, root) for ref in cohort]
    if request.resume:
        placed = [_checked(case, shared) for case in placed]
    elif not request.overwrite:
        _refuse_existing(placed)
    _refuse_to_replace_scans(placed)
    sized = tuple(_sized(case, weights, request.tile) for case in placed)
    folders = (root,) if root else tuple(dict.fromkeys(case.folder for case in sized))
    return Plan(plugin.name, request, sized, weights, calibration, device, threads, folders, shared)


def _find(method: Method, request: Request) -> Cohort:
    """Find the cases; one with nothing missing is worth looking at only for outlier maps."""
    from mriuq_cli.data.layouts import find_cohort

    def find(complete: bool) -> Cohort:
        return find_cohort(
            list(request.inputs),
            method.inputs,
            order=request.order,
            missing=frozenset(request.missing),
            files=request.files,
            mask=request.mask,
            case_id=request.case_id,
            complete=complete,
        )

    if not method.partial:
        return find(complete=True)
    try:
        return find(complete=False)
    except UsageError:
        if request.missing or not request.options.get("outliers"):
            raise
        return find(complete=True)


def _check_words(request: Request) -> None:
    if request.overwrite and request.resume:
        raise UsageError("--overwrite and --resume contradict each other", hint="--resume redoes what is not whole.")
    if request.tile is not None and request.tile < _LEAST_TILE:
        raise UsageError(f"--tile must be {_LEAST_TILE} or more", where=f"--tile {request.tile}")
    if request.threads is not None and request.threads < 1:
        raise UsageError("--threads must be 1 or more", where=f"--threads {request.threads}")
    name = request.case_id
    if name is not None and (not name or name != Path(name).name or name.startswith(".")):
        raise UsageError("--id must be a plain name, without a folder", where=f"--id {name}")
    for path, option in ((request.scale_like, "--scale-like"), (request.calibration, "--calibration")):
        if path is not None and not path.is_file():
            raise InputError("no such file", where=f"{option} {path}")


def _find_weights(plugin: Plugin, request: Request) -> WeightsFolder | None:
    """Return the weights, or None for a method without a network."""
    from mriuq_cli.inference.weights import find_weights

    if not plugin.has("mriuq_model"):
        if request.weights is not None:
            raise UsageError("the method has no network, so it takes no weights", where=f"--weights {request.weights}")
        return None
    weights = find_weights(plugin, request.weights)
    if request.tile is not None and weights.config.get("fov") == "fixed":
        raise UsageError("these weights see the whole field at once and take no tiles", where=f"--tile {request.tile}")
    return weights


def _shared_basis(
    plugin: Plugin,
    request: Request,
    weights: WeightsFolder | None,
    calibration: Path | None,
    device: str,
    threads: int,
) -> dict[str, Any]:
    from mriuq_cli.data.sidecar import sha256_file

    return {
        "Method": plugin.name,
        "MethodVersion": plugin.version,
        "CoreVersion": version("mriuq"),
        "Options": dict(request.options),
        "Weights": weights.sha256 if weights else None,
        "Calibration": sha256_file(calibration) if calibration else None,
        "ScaleLike": sha256_file(request.scale_like) if request.scale_like else None,
        "Device": device,
        "Threads": threads,
        "Seed": request.seed,
        "Tile": request.tile,
    }


def _root(out: Path | None) -> Path | None:
    """Return the output folder that was asked for; its parent must exist, it may not."""
    if out is None:
        return None
    root = out.absolute()
    if root.is_dir():
        if not os.access(root, os.W_OK | os.X_OK):
            raise MachineError("the output folder cannot be written to", where=out)
    elif root.exists():
        raise MachineError("the output folder is a file", where=out)
    elif not root.parent.is_dir():
        raise MachineError("the parent of the output folder does not exist", where=out, hint="Make it, or check --out.")
    elif not os.access(root.parent, os.W_OK | os.X_OK):
        raise MachineError("the output folder cannot be made: no permission", where=out)
    return root


def _place(ref: CaseRef, method: Method, request: Request, root: Path | None) -> PlannedCase:
    folder = root / ref.subfolder if root else _beside(ref)
    given = set(ref.volumes)
    targets = tuple(t.name for t in method.targets if not (method.partial and t.name in given))
    outliers = bool(request.options.get("outliers")) and len(given) > 1
    checks = tuple(role.name for role in method.inputs if outliers and role.name in given)
    if not targets and not checks and ref.problem is None:
        raise InputError(
            f"all contrasts are given ({', '.join(ref.volumes)}): there is nothing to predict",
            where=ref.id,
            hint="Say which one to predict with --missing; it is then not looked at.",
        )
    return PlannedCase(ref, folder, targets, checks)


def _beside(ref: CaseRef) -> Path:
    """Return the input's folder, or the working folder where the former cannot be written to."""
    folder = ref.folder.absolute()
    if os.access(folder, os.W_OK | os.X_OK):
        return folder
    here = Path.cwd()
    if not os.access(here, os.W_OK | os.X_OK):
        raise MachineError("neither the input's folder nor the working folder can be written to", where=folder,
                           hint="Name a folder with --out.")  # fmt: skip
    print(f"{folder} cannot be written to: outputs go to the working folder {here}", file=sys.stderr)
    return here / ref.subfolder


def _refuse_existing(cases: Sequence[PlannedCase]) -> None:
    found = [path for case in cases for path in case.foreseen() if path.exists()]
    if found:
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        raise MachineError(
            f"the output exists already{more}",
            where=min(found),
            hint="--overwrite replaces it; --resume keeps what is whole and does the rest.",
        )


def _refuse_to_replace_scans(cases: Sequence[PlannedCase]) -> None:
    """Refuse places where an image lies that is no output of ours: it may be the very scan that was left out."""
    for case in cases:
        places = [(case.receipt(target), path) for target in case.targets for path in case.images(target).values()]
        places += [(case.receipt(MAPS), case.map_image(f"{name}_outlier")) for name in case.checks]
        for receipt, path in places:
            if path.exists() and not is_ours(receipt):
                raise MachineError(
                    "is an image that mriuq did not write, so it is never replaced",
                    where=path,
                    hint="Name another folder with --out, or another --id.",
                )


def _checked(case: PlannedCase, shared: Mapping[str, Any]) -> PlannedCase:
    """Ask the receipts whether the case is done."""
    if case.ref.problem is not None:
        return case
    base = receipts.basis(case.ref, shared)
    written = {name for group in case.groups for name in receipts.groups_of(case.receipt(group))}
    done = bool(written) and all(receipts.is_whole(case.receipt(group), base) for group in sorted(written))
    return replace(case, done=done, basis=base)


def _sized(case: PlannedCase, weights: WeightsFolder | None, tile: int | None) -> PlannedCase:
    """Predict the memory a case takes and choose tiles where it would not fit whole."""
    from mriuq_cli.data.nifti import read_header
    from mriuq_cli.inference.memory import fit_tile, predict_demand

    if case.done or case.ref.problem is not None:
        return case
    shape = read_header(next(iter(case.ref.volumes.values())).path).geometry.shape
    figures = weights.config.get("memory", {}) if weights else {"per_voxel_bytes": 64}
    tiles = weights is not None and weights.config.get("fov") != "fixed"
    counts = len(case.ref.volumes), len(case.targets) + len(case.checks)
    chosen = fit_tile(shape, *counts, figures, tiles=tiles, tile=tile)
    return replace(case, tile=chosen, demand=predict_demand(shape, *counts, figures, chosen).total)

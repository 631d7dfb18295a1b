"""From a request to cases with output paths: everything that can be known, and refused, before any work."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriuq_cli.cohort import receipts
from mriuq_cli.cohort.planned import Plan, PlannedCase, Request
from mriuq_cli.data.case import CaseRef, Cohort
from mriuq_cli.data.traces import is_ours, our_outputs
from mriuq_cli.errors import InputError, MachineError, UsageError, WeightsError
from mriuq_cli.hooks.method import Method

if TYPE_CHECKING:
    from mriuq_cli.hooks.manager import Plugin
    from mriuq_cli.inference.weights import WeightsFolder


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
    if request.refuse_unfamiliar and calibration is None:
        raise WeightsError("there is no calibration to compare scans with", where="--refuse-unfamiliar",
                           hint="Name one with --calibration, or leave the option out.")  # fmt: skip
    device, threads = pick_device(request.device), request.threads or usable_cores()
    shared = _shared_basis(plugin, request, weights, calibration, device, threads)
    root = _root(request.out)
    placed = [_place(ref, plugin.method, request, root) for ref in cohort]
    if not (request.resume or request.overwrite):
        _refuse_existing(placed)
    for case in placed:
        require_ours(case, case.foreseen_by_group())
    sized = [_sized(case, weights, request.tile) for case in placed]
    if request.resume:
        sized = [_checked(case, shared) for case in sized]
    folders = {root} if root else {case.folder for case in sized}
    folder = folders.pop() if len(folders) == 1 else None
    return Plan(plugin.name, request, tuple(sized), weights, calibration, device, threads, folder, shared)


def basis_of(case: PlannedCase, shared: Mapping[str, Any]) -> dict[str, Any]:
    """Return the receipt's basis of a case, its tile among it; the files are hashed."""
    return receipts.basis(case.ref, {**shared, "Tile": case.tile})


def _find(method: Method, request: Request) -> Cohort:
    """Find the cases; one with nothing missing is worth looking at only for outlier maps."""
    from mriuq_cli.data.layouts import find_cohort

    return find_cohort(
        list(request.inputs),
        method.inputs,
        order=request.order,
        missing=frozenset(request.missing),
        files=request.files,
        mask=request.mask,
        case_id=request.case_id,
        complete=not method.partial,
        welcome=request.outliers,
    )


def _check_words(request: Request) -> None:
    from mriuq_cli.inference.device import require_threads
    from mriuq_cli.inference.memory import require_tile

    if request.overwrite and request.resume:
        raise UsageError("--overwrite and --resume contradict each other", hint="--resume redoes what is not whole.")
    require_tile(request.tile)
    require_threads(request.threads)
    scale, calibration = request.scale_like, request.calibration
    if scale is not None and not scale.is_file():
        raise InputError("no such file", where=f"--scale-like {scale}")
    if calibration is not None and not calibration.is_file():
        raise WeightsError("no such file", where=f"--calibration {calibration}")


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
        "RefuseUnfamiliar": request.refuse_unfamiliar,
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
    outliers = request.outliers and len(given) > 1
    checks = tuple(role.name for role in method.inputs if outliers and role.name in given)
    if not targets and not checks and ref.problem is None:
        raise InputError(
            f"all contrasts are given ({', '.join(ref.volumes)}): there is nothing to predict",
            where=ref.id,
            hint="Say which one to predict with --missing; it is then not looked at.",
        )
    return PlannedCase(ref, folder, targets, checks, warnings=_odd_inputs(ref))


def _odd_inputs(ref: CaseRef) -> tuple[str, ...]:
    """Say which files were named though they are outputs of ours; in folders such files are passed over."""
    paths = dict.fromkeys(volume.path for volume in ref.volumes.values())
    try:
        odd = [path.name for path in paths if our_outputs(path.parent, [path.name])]
    except OSError:  # a folder that can be entered but not listed
        return ()
    return tuple(f"{name} was written by mriuq: it is a prediction, not a scan" for name in odd)


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


def require_ours(case: PlannedCase, groups: Mapping[str, Sequence[Path]]) -> None:
    """Refuse places where a file lies that is no output of ours: it may be the very scan that was left out.

    Parameters
    ----------
    groups
        Files that are to be written, by group; receipts are told by their name.
    """
    scans = {volume.path.absolute() for volume in case.ref.volumes.values()}
    for group, files in groups.items():
        receipt = case.receipt(group)
        for path in files:
            if path != receipt and path.exists() and (path.absolute() in scans or not is_ours(receipt, path)):
                raise MachineError(
                    "is a file that mriuq did not write, so it is never replaced",
                    where=path,
                    hint="Name another folder with --out, or another --id.",
                )


def _checked(case: PlannedCase, shared: Mapping[str, Any]) -> PlannedCase:
    """Ask the receipts whether the case is done."""
    if case.ref.problem is not None:
        return case
    base = basis_of(case, shared)
    written = {name for group in case.groups for name in receipts.groups_of(case.receipt(group))}
    done = bool(written) and all(receipts.is_whole(case.receipt(group), base) for group in sorted(written))
    return replace(case, done=done, basis=base)


def _sized(case: PlannedCase, weights: WeightsFolder | None, tile: int | None) -> PlannedCase:
    """Predict the memory a case takes and choose tiles where it would not fit whole."""
    from mriuq_cli.data.nifti import read_header
    from mriuq_cli.inference.memory import Task, fit_tile, predict_demand

    if case.ref.problem is not None:
        return case
    shape = read_header(next(iter(case.ref.volumes.values())).path).geometry.shape
    figures = weights.config.get("memory", {}) if weights else {"per_voxel_bytes": 64}
    tiles = weights is not None and weights.config.get("fov") != "fixed"
    task = Task(shape, len(case.ref.volumes), len(case.targets), len(case.checks))
    chosen = fit_tile(task, figures, tiles=tiles, tile=tile)
    return replace(case, tile=chosen, demand=predict_demand(task, figures, chosen))

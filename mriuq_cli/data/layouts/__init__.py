"""Finding exams: what the user points at becomes an ordered set of cases, judged by headers alone."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from mriuq_cli.data.case import CaseRef, Cohort, VolumeRef
from mriuq_cli.data.grids import require_3d, require_same_grid
from mriuq_cli.data.layouts import brats, files, four_d
from mriuq_cli.data.naming import names_of, resolve
from mriuq_cli.data.nifti import read_header
from mriuq_cli.errors import InputError, MriuqError, UsageError

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Role

__all__ = ["expanded", "find_cohort"]


def find_cohort(
    inputs: Sequence[Path],
    roles: Sequence[Role],
    *,
    order: tuple[str, ...] | None = None,
    missing: frozenset[str] = frozenset(),
    files: Mapping[str, Path] | None = None,
    mask: Path | None = None,
    case_id: str | None = None,
    complete: bool = False,
    welcome: bool = False,
) -> Cohort:
    """Find the exams that inputs mean, and check everything that headers tell; no voxel is read.

    Parameters
    ----------
    inputs
        4-D files, case folders, folders of these, or patterns of such names that the shell did not expand.
    roles
        Images that the method reads, in the order a 4-D file holds them.
    order
        Contrast of each volume of a 4-D file, if not that order.
    missing
        Contrasts that are absent or not to be read; they are dropped here.
    files
        Contrast to 3-D file, instead of ``inputs``.
    mask
        Brain mask of the one case.
    case_id
        Name of the one case.
    complete
        True where every contrast is needed (training, evaluation, methods that are not partial); False where at
        least one must be absent, since that is what is predicted.
    welcome
        True where an exam that lacks nothing is worth looking at all the same (outlier maps).

    Returns
    -------
    Cohort
        In the order of inputs, within a folder in the order of paths. A single unfit exam is refused at once; one
        among several is kept with its ``problem``, which reading it raises.

    Raises
    ------
    UsageError
        If names do not fit the method or each other, or nothing is missing.
    InputError
        If a file is missing or unfit.
    """
    given = files or {}
    chosen = None if order is None else resolve(order, roles, "--order")
    dropped = frozenset(resolve(sorted(missing), roles, "--missing"))
    if not complete and len(dropped) == len(roles):
        raise UsageError("all contrasts are missing, there is nothing to predict from", where="--missing")
    if bool(given) == bool(inputs):
        raise UsageError(
            "give either INPUT or one file a contrast, not both" if given else "no image is given",
            hint=f"For example exam.nii.gz, or --{roles[0].name} FILE ...",
        )
    refs = _from_files(given, roles, chosen, dropped) if given else _from_inputs(inputs, roles, chosen, dropped)
    refs = _of_one_case(refs, mask, case_id)
    checked = [_checked(ref, roles, dropped, complete, welcome) for ref in refs]
    problems = [ref.problem for ref in checked if ref.problem]
    if len(problems) == len(checked):
        raise problems[0]
    _require_distinct(checked)
    return Cohort(tuple(checked))


def _from_files(
    given: Mapping[str, Path], roles: Sequence[Role], order: tuple[str, ...] | None, missing: frozenset[str]
) -> list[CaseRef]:
    if order is not None:
        raise UsageError("is for 4-D files; here each file's contrast is named", where="--order")
    return [files.find(given, roles, missing)]


def _from_inputs(
    inputs: Sequence[Path], roles: Sequence[Role], order: tuple[str, ...] | None, missing: frozenset[str]
) -> list[CaseRef]:
    paths = expanded(inputs)
    root = os.path.commonpath([os.path.abspath(path if path.is_dir() else path.parent) for path in paths])
    refs: list[CaseRef] = []
    for path in paths:
        try:
            refs += (
                brats.find(path, roles, order, missing) if path.is_dir() else [four_d.find(path, roles, order, missing)]
            )
        except InputError as error:
            if len(paths) == 1 or not path.exists():  # a name that means nothing is a mistake in the command
                raise
            refs.append(replace(brats.broken(path, roles), problem=error))
    return [replace(ref, subfolder=PurePath(os.path.relpath(os.path.abspath(ref.folder), root))) for ref in refs]


def expanded(inputs: Sequence[Path]) -> list[Path]:
    """Expand patterns that the shell left alone, and drop repetitions."""
    found: dict[str, Path] = {}
    for item in inputs:
        text = str(item)
        matches = [text]
        if not os.path.lexists(text) and glob.has_magic(text):
            matches = sorted(glob.glob(text, recursive=True))
            if not matches:
                raise InputError("no file or folder matches this pattern", where=text)
        for match in matches:
            found.setdefault(os.path.abspath(match), Path(match))
    return list(found.values())


def _of_one_case(refs: list[CaseRef], mask: Path | None, case_id: str | None) -> list[CaseRef]:
    """Apply the options that are about one exam."""
    for option, value in (("--mask", mask), ("--id", case_id)):
        if value is not None and len(refs) > 1:
            raise UsageError(f"is for one exam, but {len(refs)} were found", where=option)
    if case_id is not None:
        if not case_id or case_id.startswith((".", "-")) or any(c in case_id for c in "/\\\0\n"):
            raise UsageError(f"{case_id!r} cannot be the beginning of a file name", where="--id")
        refs = [replace(refs[0], id=case_id)]
    return refs if mask is None else [replace(refs[0], mask=VolumeRef(Path(mask)))]


def _checked(ref: CaseRef, roles: Sequence[Role], missing: frozenset[str], complete: bool, welcome: bool) -> CaseRef:
    if ref.problem is not None:
        return ref
    try:
        _check_contrasts(ref, roles, missing, complete, welcome)
        _check_headers(ref)
    except MriuqError as error:
        return replace(ref, problem=error)
    return ref


def _check_contrasts(
    ref: CaseRef, roles: Sequence[Role], missing: frozenset[str], complete: bool, welcome: bool
) -> None:
    names = names_of(roles)
    absent = [name for name in names if name not in ref.volumes]
    if not ref.volumes:
        raise UsageError("no contrast is left to predict from: all that are given are missing", where="--missing")
    if complete and (needed := [name for name in absent if name not in missing]):
        where = next(iter(ref.volumes.values())).path
        raise InputError(f"exam {ref.id} lacks {', '.join(needed)}; all of {', '.join(names)} are needed", where=where)
    if not complete and not absent and not welcome:
        raise UsageError(
            f"nothing is missing in {ref.id}: {', '.join(names)} are all given",
            hint=f"Say which contrast to predict instead of reading it: --missing {names[0]}",
        )


def _check_headers(ref: CaseRef) -> None:
    """Refuse wrong dimensions and grids."""
    named = list(ref.volumes.values()) + ([ref.mask] if ref.mask else [])
    headers = {volume.path: read_header(volume.path) for volume in named}
    first = named[0]
    for volume in named:
        header = headers[volume.path]
        require_3d(volume.path, header.shape)
        if volume.index is None and header.n_volumes > 1:
            raise InputError(
                f"holds {header.n_volumes} volumes where one 3-D image is expected",
                where=volume.path,
                hint="Give a 4-D file of contrasts as INPUT, without a contrast's name.",
            )
        require_same_grid(first.path, headers[first.path].geometry, volume.path, header.geometry)


def _require_distinct(refs: Sequence[CaseRef]) -> None:
    """Refuse two exams whose outputs would have the same names."""
    seen: dict[tuple[PurePath, str], CaseRef] = {}
    for ref in refs:
        other = seen.setdefault((ref.subfolder, ref.id), ref)
        if other is not ref:
            paths = [next(iter(r.volumes.values())).path for r in (other, ref)]
            raise UsageError(f"two exams would both be called {ref.id}", where=f"{paths[0]} and {paths[1]}")

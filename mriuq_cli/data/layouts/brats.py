"""Folders of exams: BraTS case folders of 2017 to 2023, 4-D files, or folders of these at any depth."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mriuq_cli.data.case import CaseRef, VolumeRef
from mriuq_cli.data.layouts import four_d
from mriuq_cli.data.layouts.bids import in_data_set, raw
from mriuq_cli.data.layouts.contrasts import LABELS, role_of_ending
from mriuq_cli.data.naming import names_of
from mriuq_cli.data.nifti import SUFFIXES, read_header, stem
from mriuq_cli.data.traces import our_outputs
from mriuq_cli.errors import InputError, MriuqError

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Role


def find(folder: Path, roles: Sequence[Role], order: tuple[str, ...] | None, missing: frozenset[str]) -> list[CaseRef]:
    """Find every exam in a folder and below, in the order of paths; hidden files and folders are passed over.

    Outputs of an earlier run (a receipt beside them lists them) are no inputs. A case that cannot be used comes with
    its ``problem``.

    Raises
    ------
    InputError
        If there is none.
    """
    cases = [case for place in _folders(folder) for case in _in_folder(place, roles, order, missing)]
    if not cases:
        raise InputError(
            "no exam found in this folder",
            where=folder,
            hint=f"Expected are 4-D .nii.gz files, or one file a contrast: CASE_{names_of(roles)[0]}.nii.gz ...",
        )
    return cases


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folder and all below, in a BIDS data set its raw data; links to folders are followed once."""
    seen: set[str] = set()
    data_set = in_data_set(root)
    for place, below, _ in os.walk(root, followlinks=True):
        below[:] = sorted(name for name in (raw(below) if data_set else below) if not name.startswith("."))
        real = os.path.realpath(place)
        if real in seen:
            below.clear()
            continue
        seen.add(real)
        yield Path(place)


def _in_folder(
    folder: Path, roles: Sequence[Role], order: tuple[str, ...] | None, missing: frozenset[str]
) -> list[CaseRef]:
    images = [path for path in sorted(folder.iterdir()) if _is_image(path)]
    ours = our_outputs(folder, [path.name for path in images])
    images = [path for path in images if path.name not in ours]
    groups: dict[str, list[tuple[str, Path]]] = {}
    single: list[Path] = []
    for path in images:
        case, ending = _split(path)
        role = LABELS if ending == LABELS else role_of_ending(ending, roles)
        if role is None:
            single.append(path)
        else:
            groups.setdefault(case, []).append((role, path))
    if len(roles) == 1 and groups:  # masks and maps beside the image that is named
        single = []
    alone = [ref for path in single if (ref := _single(path, roles, order, missing)) is not None]
    named = {ref.id for ref in alone}
    grouped = [_group(name, found, roles, missing) for name, found in groups.items() if name not in named]
    return sorted([ref for ref in grouped if ref is not None] + alone, key=lambda ref: ref.id)


def _is_image(path: Path) -> bool:
    name = path.name
    return not name.startswith(".") and name.lower().endswith(SUFFIXES) and not path.is_dir()


def _split(path: Path) -> tuple[str, str]:
    """Split ``CASE_t1ce.nii.gz`` or ``CASE-t1c.nii.gz``; for ``t1.nii.gz`` the folder names the case."""
    pieces = re.fullmatch(r"(?:(.+)[_-])?([^_-]+)", stem(path))
    if pieces is None:
        return stem(path), ""
    return pieces[1] or path.absolute().parent.name, pieces[2].lower()


def _group(case: str, found: list[tuple[str, Path]], roles: Sequence[Role], missing: frozenset[str]) -> CaseRef | None:
    """Make a case of the files of one name; None if labels are all there is."""
    problem: MriuqError | None = None
    paths: dict[str, Path] = {}
    for role, path in found:
        if role in paths and role not in missing:
            problem = InputError(f"is a second file for {role}, beside {paths[role].name}", where=path)
        paths[role] = path
    volumes = {name: VolumeRef(paths[name]) for name in names_of(roles) if name in paths}
    if not volumes:
        return None
    labels = VolumeRef(paths[LABELS]) if LABELS in paths else None
    kept = {name: ref for name, ref in volumes.items() if name not in missing}
    if not kept:
        first = next(iter(volumes.values()))
        problem = problem or InputError("nothing is left of this exam without the missing contrasts", where=first.path)
    return CaseRef(case, kept or volumes, labels=labels, problem=problem)


def _single(
    path: Path, roles: Sequence[Role], order: tuple[str, ...] | None, missing: frozenset[str]
) -> CaseRef | None:
    """Make a case of a 4-D file; other 3-D images in a folder (atlases, masks) are none of ours."""
    try:
        if len(roles) > 1 and read_header(path).n_volumes == 1:
            return None
        return four_d.find(path, roles, order, missing)
    except MriuqError as error:
        return replace(broken(path, roles), problem=error)


def broken(path: Path, roles: Sequence[Role]) -> CaseRef:
    """Stand in for a case whose header cannot be read."""
    return CaseRef(stem(path), {roles[0].name: VolumeRef(path)})

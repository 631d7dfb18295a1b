"""Finding single scans: files, and folders of them at any depth; in a BIDS data set its T1-weighted ones."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mriuq_cli.data.case import CaseRef, VolumeRef
from mriuq_cli.data.grids import require_3d
from mriuq_cli.data.layouts import expanded
from mriuq_cli.data.layouts.bids import in_data_set, raw
from mriuq_cli.data.nifti import SUFFIXES, read_header, stem
from mriuq_cli.data.traces import our_outputs
from mriuq_cli.errors import InputError, MriuqError, UsageError

SCAN = "scan"
"""Name of the one volume of such a case."""


@dataclass(frozen=True, slots=True)
class _Found:
    """A scan, and the folder below which its place is mirrored; or why there is none."""

    path: Path
    root: Path
    problem: MriuqError | None = None


def find_scans(inputs: Sequence[Path]) -> list[CaseRef]:
    """Find the scans that inputs mean, each a case with one volume, ``scan``; headers are not read yet.

    Parameters
    ----------
    inputs
        Files, folders (searched at any depth for .nii, .nii.gz, .mgz, .mgh; hidden ones and outputs of ours are
        passed over), patterns that the shell did not expand. Below a folder with ``dataset_description.json`` only
        ``anat/*_T1w`` files are taken.

    Returns
    -------
    list
        In the order of inputs, within a folder in the order of paths, each file once. ``subfolder`` mirrors the place
        below the folder that all have in common. An input that is not there or holds no scan is a case with a
        ``problem``.
    """
    found: dict[str, _Found] = {}
    for item in inputs:
        for one in _of_one(item):
            found.setdefault(os.path.abspath(one.path), one)
    root = os.path.commonpath([os.path.abspath(one.root) for one in found.values()])
    return [_ref(one, root) for one in found.values()]


def require_one_image(path: Path) -> None:
    """Raise InputError unless a file holds one three-dimensional image."""
    header = read_header(path)
    require_3d(path, header.shape)
    if header.n_volumes > 1:
        raise InputError(
            f"holds {header.n_volumes} volumes; the quality of one 3-D image is judged at a time",
            where=path,
            hint="Split it, one file a volume, and name the ones that matter.",
        )


def require_distinct(refs: Sequence[CaseRef]) -> None:
    """Raise UsageError if two scans would have outputs of the same names."""
    seen: dict[tuple[PurePath, str], CaseRef] = {}
    for ref in refs:
        other = seen.setdefault((ref.subfolder, ref.id), ref)
        if other is not ref:
            paths = [each.volumes[SCAN].path for each in (other, ref)]
            raise UsageError(f"outputs of both would be called {ref.id}", where=f"{paths[0]} and {paths[1]}",
                             hint="Name one of them, or give them output folders of their own.")  # fmt: skip


def _of_one(item: Path) -> Iterator[_Found]:
    try:
        for path in expanded([item]):
            if path.is_dir():
                yield from (_Found(scan, path) for scan in _below(path))
            elif path.exists():
                yield _Found(path, path.parent)
            else:
                raise InputError("no such file or folder", where=path)
    except InputError as error:
        yield _Found(item, item.parent, error)


def _below(folder: Path) -> list[Path]:
    """Return the scans of a folder; InputError if there are none."""
    data_set = in_data_set(folder)
    scans: list[Path] = []
    for place, folders, names in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(f for f in (raw(folders) if data_set else folders) if not f.startswith("."))
        images = [n for n in sorted(names) if n.lower().endswith(SUFFIXES) and not n.startswith(".")]
        if data_set:
            images = [name for name in images if here.name == "anat" and stem(Path(name)).endswith("_T1w")]
        if images:
            ours = our_outputs(here, images)
            scans += [here / name for name in images if name not in ours]
    if not scans:
        what = "anat/*_T1w file in this BIDS data set" if data_set else f"scan ({', '.join(SUFFIXES)}) in this folder"
        raise InputError(f"no {what}", where=folder)
    return scans


def _ref(found: _Found, root: str) -> CaseRef:
    subfolder = PurePath(os.path.relpath(os.path.abspath(found.path.parent), root))
    return CaseRef(stem(found.path), {SCAN: VolumeRef(found.path)}, subfolder=subfolder, problem=found.problem)

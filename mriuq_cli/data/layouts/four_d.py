"""Exams in one file: a 4-D file of contrasts, or a 3-D file for a method that reads a single image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mriuq_cli.data.case import CaseRef, VolumeRef
from mriuq_cli.data.grids import require_3d
from mriuq_cli.data.naming import names_of
from mriuq_cli.data.nifti import read_header, stem
from mriuq_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Role


def find(path: Path, roles: Sequence[Role], order: tuple[str, ...] | None, missing: frozenset[str]) -> CaseRef:
    """Name the volumes of a file and drop the missing ones; only the header is read.

    Parameters
    ----------
    order
        A role name for each volume, or None for the order of ``roles``.
    missing
        Role names that are not to be read.

    Raises
    ------
    InputError
        If the file is unreadable, or its number of volumes does not tell which is which.
    UsageError
        If every volume is dropped.
    """
    header = read_header(path)
    require_3d(path, header.shape)
    count, names = header.n_volumes, names_of(roles)
    if order is not None:
        if len(order) != count:
            raise InputError(
                f"holds {_volumes(count)}, but --order names {len(order)} ({', '.join(order)})", where=path
            )
        given = order
    elif count == len(names):
        given = names
    elif count == len(names) - 1 and len(missing) == 1:
        given = tuple(name for name in names if name not in missing)
    else:
        raise _ambiguous(path, count, names, missing)
    index = (lambda i: None) if count == 1 else (lambda i: i)
    kept = {name: VolumeRef(path, index(i)) for i, name in enumerate(given) if name not in missing}
    if not kept:
        raise UsageError("no contrast is left to predict from: all that are given are missing", where="--missing")
    return CaseRef(stem(path), {name: kept[name] for name in names if name in kept})


def _volumes(count: int) -> str:
    return "one volume" if count == 1 else f"{count} volumes"


def _ambiguous(path: Path, count: int, names: tuple[str, ...], missing: frozenset[str]) -> InputError:
    """Spell out the readings there are."""
    what = f"holds {_volumes(count)}; {len(names)} are expected ({', '.join(names)})"
    if count == 1:
        return InputError(what, where=path, hint=f"Say which contrast a 3-D file is, for example --{names[0]} FILE.")
    if count == len(names) - 1 and not missing:
        rest = [name for name in names if name != names[0]]
        return InputError(
            f"{what}: is one left out, or is the order another one?",
            where=path,
            hint=f"If {names[0]} is left out: --missing {names[0]} reads {', '.join(rest)}. "
            f"Otherwise name every volume: --order {','.join(names[:count])}",
        )
    if count < len(names):
        reading = [name for name in names if name not in missing]
        told = f"{','.join(reading)}" if len(reading) == count else ",".join(names[:count])
        return InputError(what, where=path, hint=f"Name every volume that is there, for example --order {told}")
    return InputError(
        what,
        where=path,
        hint=f"Give a file with these only, or one file a contrast: --{names[0]} FILE ...",
    )

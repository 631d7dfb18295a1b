"""Exams with one file a contrast, named on the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mriuq_cli.data.case import CaseRef, VolumeRef
from mriuq_cli.data.layouts.contrasts import role_of_ending
from mriuq_cli.data.naming import names_of, resolve
from mriuq_cli.data.nifti import stem
from mriuq_cli.errors import UsageError

if TYPE_CHECKING:
    from mriuq_cli.hooks.method import Role

_SEPARATORS = "_-. "


def find(files: Mapping[str, Path], roles: Sequence[Role], missing: frozenset[str]) -> CaseRef:
    """Make a case of one file a contrast; a missing contrast's file is not even opened.

    Raises
    ------
    UsageError
        If a contrast is unknown or named twice, or one file is given for two contrasts.
    """
    given = dict(zip(resolve(files, roles, "contrast files"), map(Path, files.values()), strict=True))
    seen: dict[str, str] = {}
    for name, path in given.items():
        other = seen.setdefault(os.path.realpath(path), name)
        if other != name:
            raise UsageError(f"the same file is given as {other} and as {name}", where=path)
    ordered = {name: given[name] for name in names_of(roles) if name in given}
    kept = {name: VolumeRef(path) for name, path in ordered.items() if name not in missing}
    return CaseRef(common_stem(list(ordered.values()), roles), kept)


def common_stem(paths: Sequence[Path], roles: Sequence[Role]) -> str:
    """Return the part that names of an exam's files share: ``p1`` of ``p1_t1.nii.gz`` and ``p1_t1ce.nii.gz``.

    Contrast names at the end are cut off first; what remains is cut at a separator. ``exam`` if nothing is shared.
    """
    stems = [_without_contrast(stem(path), roles) for path in paths]
    if len(set(stems)) == 1 and stems[0]:
        return stems[0]
    shared = os.path.commonprefix(stems)  # noqa: RUF071 - letters are what is compared here
    if any(len(s) > len(shared) and s[len(shared)] not in _SEPARATORS for s in stems):  # not in the midst of a word
        shared = re.sub(rf"[^{re.escape(_SEPARATORS)}]*$", "", shared)
    return shared.strip(_SEPARATORS) or "exam"


def _without_contrast(name: str, roles: Sequence[Role]) -> str:
    """Cut a contrast name off the end."""
    pieces = re.fullmatch(r"(.*?)[_\-. ]*([^_\-. ]+)", name)
    return pieces[1] if pieces and role_of_ending(pieces[2], roles) else name

"""Files that a verb writes at the end of long work: looked at before it starts."""

from __future__ import annotations

import os
from pathlib import Path

from mriuq_cli.errors import MachineError


def require_place(path: Path | None, *, overwrite: bool) -> None:
    """Raise MachineError if a file cannot be written there, or exists and must not be replaced."""
    if path is None:
        return
    parent = path.absolute().parent
    if not parent.is_dir():
        raise MachineError("the folder does not exist", where=parent, hint="Make it, or check the name.")
    if path.is_dir():
        raise MachineError("is a folder, not a file", where=path)
    if path.exists() and not overwrite:
        raise MachineError("exists already", where=path, hint="--overwrite replaces it.")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise MachineError("the folder cannot be written to", where=parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; MachineError if that fails."""
    from mriuq_cli.data.atomic import atomic_file

    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

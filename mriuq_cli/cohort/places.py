"""Files that a verb writes at the end of long work: looked at before it starts."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
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


def require_folder(path: Path, *, overwrite: bool) -> None:
    """Raise MachineError if files cannot be written to a folder there, or lie there and must not be replaced."""
    if not path.is_dir():
        require_place(path, overwrite=False)
    elif any(path.iterdir()) and not overwrite:
        raise MachineError("the folder is not empty", where=path, hint="--overwrite replaces what is there.")
    elif not os.access(path, os.W_OK | os.X_OK):
        raise MachineError("the folder cannot be written to", where=path)


@contextmanager
def run_folder(path: Path) -> Iterator[None]:
    """Make a folder, but no parents, and hold it while a block runs; one that was made for nothing is removed again.

    Raises
    ------
    MachineError
        If it cannot be made or written to, or another run holds it.
    """
    from mriuq_cli.cohort.lock import exclusive
    from mriuq_cli.data.atomic import machine_error

    parent = path.absolute().parent
    if path.exists() and not path.is_dir():
        raise MachineError("is a file, not a folder", where=path)
    if not parent.is_dir():
        raise MachineError("the folder does not exist", where=parent, hint="Make it, or check the name.")
    made = not path.exists()
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise machine_error(error, path) from error
    try:
        with exclusive([path]):
            yield
    finally:
        if made and not any(path.iterdir()):
            path.rmdir()


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all; MachineError if that fails."""
    from mriuq_cli.data.atomic import atomic_file

    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""One run at a time in an output folder, and no hurry while it is cleared up."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mriuq_cli.data.atomic import machine_error
from mriuq_cli.errors import MachineError

NAME = ".mriuq.lock"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def exclusive(folders: Iterable[Path]) -> Iterator[None]:
    """Hold the folders while a block runs.

    The system frees the lock of a process that dies, so one that was killed leaves at most an empty-handed file that
    the next run takes over.

    Raises
    ------
    MachineError
        If another run holds one of the folders, or it cannot be written to.
    """
    with ExitStack() as stack:
        for folder in folders:
            stack.enter_context(_held(folder / NAME))
        yield


@contextmanager
def undisturbed() -> Iterator[None]:
    """Pay no attention to ctrl-C, SIGTERM and SIGHUP while a block runs: a second one must not cut this short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    try:
        descriptor = _acquire(path)
    except OSError as error:
        raise machine_error(error, path.parent) from error
    try:
        yield
    finally:
        with suppress(OSError):
            os.unlink(path)
        os.close(descriptor)


def _acquire(path: Path) -> int:
    """Return a descriptor of the lock file, locked; the file is the one that has this name now."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode(errors="replace").strip()
            os.close(descriptor)
            raise MachineError(
                f"another run is writing here{f' (process {owner})' if owner.isdigit() else ''}",
                where=path.parent,
                hint="Wait for it, or name another folder with --out.",
            ) from None
        except OSError:  # a file system without locks: the check costs nothing, so go on without it
            return descriptor
        if _is_current(descriptor, path):
            with suppress(OSError):  # on a full disk the file stays empty: the lock holds all the same
                os.truncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
            return descriptor
        os.close(descriptor)  # its owner finished and removed it between our two calls


def _is_current(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False

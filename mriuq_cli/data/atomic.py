"""Files that appear whole or not at all.

A file is written under ``.NAME.part`` beside its target, flushed to the disk and renamed. A process that is killed
leaves at most that one file, which the next run that writes the same target takes over.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mriuq_cli.errors import MachineError

_WORDS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would be larger than the file system or limit allows",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "no permission to write there",
    errno.EPERM: "no permission to write there",
    errno.ENOENT: "the folder does not exist",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EISDIR: "is a folder",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EIO: "the disk reports an error",
    errno.ELOOP: "is a symbolic link that leads in a circle or is not followed here",
}


def machine_error(error: OSError, where: object) -> MachineError:
    """Word what the system said about writing ``where``."""
    words = _WORDS.get(error.errno or 0, error.strerror or str(error))
    return MachineError(f"cannot be written: {words}", where=where)


def part_name(path: Path) -> Path:
    """Return the name under which a file is written."""
    return path.with_name(f".{path.name}.part")


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Lend a path to write to, and put the file in place when the block ends well.

    Parameters
    ----------
    path
        The target; what is there is replaced in one step.

    Yields
    ------
    Path
        ``.NAME.part`` in the same folder, created and empty. It is removed however the block is left.

    Raises
    ------
    MachineError
        For every error of the system while the file is written, and if another process is writing the same file.
    """
    path = Path(path)
    part = part_name(path)
    try:
        lock = _claim(part, path)
        try:
            yield part
            _flush(part)
            os.replace(part, path)
            _flush(path.parent)
        finally:
            with suppress(OSError):  # after the rename there is nothing to remove
                os.unlink(part)
            os.close(lock)
    except OSError as error:
        raise machine_error(error, path) from error


def _claim(part: Path, path: Path) -> int:
    """Create or take over the temporary file, locked until closed."""
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise MachineError("another process is writing this file now", where=path) from None
    except (ImportError, OSError):  # no locks on this system or file system: go on without
        pass
    os.truncate(part, 0)
    return descriptor


def _flush(path: Path) -> None:
    """Make file or folder survive a loss of power; some file systems cannot do that for folders."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(descriptor)

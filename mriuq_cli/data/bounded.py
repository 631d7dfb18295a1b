"""Reading files whose sizes are not to be trusted, plain or gzip-compressed.

Nothing is allocated on a header's word alone: what it announces must fit into the file (deflate shrinks nothing by
more than 1032 to 1), under an absolute limit and into memory. Checksums of gzip members are always verified.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mriuq_cli.errors import InputError, MachineError

GZIP_MAGIC = b"\x1f\x8b"
DEFLATE_BOUND = 1032
LARGEST = 2**34
"""Bytes of voxels above which no file is believed: 16 GiB."""

_SKIP = 2**20
_WORDS = {
    errno.ENOENT: "no such file",
    errno.EACCES: "no permission to read it",
    errno.EPERM: "no permission to read it",
    errno.EISDIR: "is a folder, not an image",
    errno.ENOTDIR: "no such file",
    errno.ENAMETOOLONG: "no such file (the name is too long)",
    errno.ELOOP: "symbolic links go round in a circle",
}


@dataclass(frozen=True, slots=True)
class Stream:
    """An open file that yields uncompressed bytes."""

    path: Path
    file: BinaryIO
    compressed: bool
    file_size: int

    def fill(self, buffer: memoryview) -> None:
        """Fill ``buffer`` completely.

        Raises
        ------
        InputError
            If the file ends before.
        """
        view, done = buffer.cast("B"), 0
        while done < len(view):
            count = self.file.readinto(view[done:])  # type: ignore[attr-defined]
            if not count:
                raise InputError("the file ends before its voxels do (truncated)", where=self.path, hint=COPY_AGAIN)
            done += count

    def skip(self, count: int) -> None:
        """Pass over ``count`` bytes."""
        if not self.compressed:
            self.file.seek(count, os.SEEK_CUR)
            return
        scratch = memoryview(bytearray(min(count, _SKIP)))
        while count:
            step = min(count, _SKIP)
            self.fill(scratch[:step])
            count -= step

    def finish(self, slack: int) -> None:
        """Read to the end, which verifies the checksum; at most ``slack`` bytes may follow the voxels.

        Raises
        ------
        InputError
            If there are more: the header lies, or the file is made to fill the memory.
        """
        if len(self.file.read(slack + 1)) > slack:
            raise InputError(
                "holds more voxels than its header says", where=self.path, hint="Export or convert the image again."
            )


COPY_AGAIN = "Copy or download it again."


@contextmanager
def opened(path: Path) -> Iterator[Stream]:
    """Open a plain or gzip file (told by its first bytes, not its name) and word every failure.

    Raises
    ------
    InputError
        If the file is missing, unreadable, empty or damaged.
    """
    from zlib_ng import gzip_ng, zlib_ng

    unpack: Any = gzip_ng.GzipNGFile
    bad_deflate: Any = zlib_ng.error
    try:
        if not stat.S_ISREG(mode := os.stat(path).st_mode):  # opening a pipe would wait for a writer
            raise InputError(_WORDS[errno.EISDIR] if stat.S_ISDIR(mode) else "is not a regular file", where=path)
        with open(path, "rb") as raw:
            status = os.fstat(raw.fileno())
            if status.st_size == 0:
                raise InputError("the file is empty", where=path, hint=COPY_AGAIN)
            compressed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            if compressed:
                with unpack(fileobj=raw, mode="rb") as file:
                    yield Stream(path, file, True, status.st_size)
            else:
                yield Stream(path, raw, False, status.st_size)
    except EOFError as error:
        raise InputError("the compressed file ends too early (truncated)", where=path, hint=COPY_AGAIN) from error
    except OSError as error:
        words = _WORDS.get(error.errno or 0) or f"cannot be read ({error.strerror or _damage(error)})"
        raise InputError(words, where=path, hint=None if error.errno else COPY_AGAIN) from error
    except bad_deflate as error:
        raise InputError("the compressed data are damaged", where=path, hint=COPY_AGAIN) from error


def _damage(error: OSError) -> str:
    """Word what gzip found."""
    text = str(error)
    return "gzip checksum is wrong, the file is damaged" if "CRC" in text or "length" in text else text


def head(path: Path, count: int) -> tuple[bytes, bool, int]:
    """Return the first ``count`` bytes (fewer if there are no more), whether compressed, and the file's size."""
    with opened(path) as stream:
        return stream.file.read(count), stream.compressed, stream.file_size


def check_announced(path: Path, announced: int, *, compressed: bool, file_size: int, slack: int) -> None:
    """Refuse a header that announces what the file cannot hold.

    Parameters
    ----------
    announced
        Bytes from the start of the (uncompressed) file to the end of its voxels.
    slack
        How many bytes may follow the voxels.

    Raises
    ------
    InputError
        In one or two lines that name both sizes.
    """
    if announced > LARGEST:
        raise InputError(
            f"the header announces {size_text(announced)}, more than any image read here ({size_text(LARGEST)})",
            where=path,
        )
    most = file_size * DEFLATE_BOUND if compressed else file_size
    if announced > most:
        said, there = sizes_text(announced, file_size)
        raise InputError(
            f"the header announces {said}, but a file of {there} cannot hold that (truncated, or the header is wrong)",
            where=path,
            hint=COPY_AGAIN,
        )
    if not compressed and file_size - announced > slack:
        said, there = sizes_text(announced, file_size)
        raise InputError(f"the header announces {said}, but the file has {there}", where=path)


def check_memory(path: Path, needed: int) -> None:
    """Refuse what would not fit into the memory that is free now (where the system tells).

    Raises
    ------
    MachineError
        With both sizes.
    """
    free = _free_memory()
    if free is not None and needed > free:
        raise MachineError(
            f"reading it takes {size_text(needed)} of memory, {size_text(free)} are free",
            where=path,
            hint="Close other programs or use a machine with more memory.",
        )


def _free_memory() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def sizes_text(one: int, other: int) -> tuple[str, str]:
    """Write two numbers of bytes for people, to the byte where they would look equal."""
    texts = size_text(one), size_text(other)
    return (f"{one} bytes", f"{other} bytes") if texts[0] == texts[1] and one != other else texts


def size_text(count: int) -> str:
    """Write a number of bytes for people."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"

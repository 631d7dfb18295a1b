"""How this process uses the machine: CPU threads, and memory that was freed."""

from __future__ import annotations

import ctypes
from contextlib import suppress

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Parameters of glibc's ``mallopt(3)``."""
_ALL = 2**31 - 1


def settle(threads: int, *, keep_memory: bool = True) -> None:
    """Let torch keep so many cores busy.

    Parameters
    ----------
    threads
        CPU cores.
    keep_memory
        Keep memory that is freed for the arrays that come next: faster, and up to a third more of it is held.
    """
    if keep_memory:
        _keep_freed_memory()
    import torch

    torch.set_num_threads(threads)


def _keep_freed_memory() -> None:
    """Serve large arrays from the heap as well, and leave it as large as it was.

    By default glibc gives each large array back to the system, which clears its pages again for the next one: a fifth
    of the time of a prediction goes there. Up to 2 GiB are kept. Other C libraries stay as they are.
    """
    with suppress(OSError, AttributeError, TypeError):
        change = ctypes.CDLL(None).mallopt
        change(_MMAP_MAX, 0)
        change(_TRIM_THRESHOLD, _ALL)

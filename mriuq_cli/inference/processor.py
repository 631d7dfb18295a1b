"""How torch uses the processor and the memory beside it."""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress

_SETTINGS = {-4: 0, -1: 2**31 - 1}
"""``M_MMAP_MAX`` and ``M_TRIM_THRESHOLD`` of glibc: no block has a mapping of its own, and little is given back."""
_OWN_WISHES = ("GLIBC_TUNABLES", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_")


def set_up(threads: int) -> None:
    """Keep torch to so many CPU threads, and memory that it frees in the process.

    As it comes, glibc hands every large block back to Linux, which clears its pages anew for the next one: a quarter of
    the time of a pass over a whole head. Where the user has set malloc up, or it is not glibc's, it is left as it is.
    """
    import torch

    torch.set_num_threads(threads)
    if any(name in os.environ for name in _OWN_WISHES):
        return
    with suppress(AttributeError, OSError, TypeError):  # no glibc
        mallopt = ctypes.CDLL(None).mallopt
        for name, value in _SETTINGS.items():
            mallopt(name, value)

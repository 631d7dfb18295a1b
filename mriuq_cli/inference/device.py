"""Which device computes."""

from __future__ import annotations

import os
import re
from pathlib import Path

from mriuq_cli.errors import MachineError, UsageError

_NODES = ("/dev/nvidiactl", "/dev/nvidia0", "/dev/kfd", "/dev/dxg")
"""Files that exist where a driver for CUDA (or ROCm, or CUDA below Windows) is loaded."""


def pick_device(name: str) -> str:
    """Return the torch device string for ``--device``.

    Torch is imported only where a GPU is asked for or a driver is loaded: elsewhere the answer is known without it,
    and the first exam can be read while torch is being imported.

    Parameters
    ----------
    name
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises
    ------
    UsageError
        If the name is none of these.
    MachineError
        If the device is not there.
    """
    word = name.strip().lower()
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", word):
        raise UsageError("no such kind of device", where=f"--device {name}", hint="Use auto, cpu, cuda or cuda:N.")
    if word == "cpu" or (word == "auto" and not any(Path(node).exists() for node in _NODES)):
        return "cpu"
    found = _cuda_devices()
    if word == "auto":
        return "cuda:0" if found else "cpu"
    index = int(word.partition(":")[2] or 0)
    if index < found:
        return f"cuda:{index}"
    raise MachineError(
        "no CUDA device here" if found == 0 else f"only {found} CUDA device(s) here, counted from 0",
        where=f"--device {name}",
        hint="Use --device cpu, or look at `mriuq doctor`.",
    )


def _cuda_devices() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def require_threads(threads: int | None) -> None:
    """Raise UsageError unless it is None (all usable cores) or 1 and more."""
    if threads is not None and threads < 1:
        raise UsageError("--threads must be 1 or more", where=f"--threads {threads}")


def usable_cores() -> int:
    """Return how many CPU cores this process may use (its affinity, not the machine's size)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

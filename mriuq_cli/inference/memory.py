"""How much memory a prediction will need, told before it starts."""

from __future__ import annotations

import math
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mriuq_cli.errors import MachineError, UsageError

RESIDENT = 330 * 2**20
"""Bytes of a process that has imported torch, nibabel and scipy, before it reads anything."""

_FLOAT = 4
_RESULT = 19
"""Bytes a voxel for what is held of each image that is predicted: value, bounds, mean or truth, mask, and slack."""

_LOOSE = 20
"""Bytes a voxel of arrays under way while results are calibrated, measured and written."""

_LEAST_TILE = 16
_TILES = (192, 160, 128, 96, 64)
_WORK_PER_VOXEL = 512.0
"""Bytes of activations a voxel where the weights state no figure: some hundred channels and their copies."""


@dataclass(frozen=True, slots=True)
class Task:
    """What one case asks for: voxels of the grid, images given, images to predict, outlier maps to make."""

    shape: tuple[int, int, int]
    inputs: int
    targets: int
    outliers: int = 0

    @property
    def voxels(self) -> int:
        """Voxels of the grid."""
        return math.prod(self.shape)


def predict_demand(task: Task, figures: Mapping[str, Any], tile: int | None = None) -> int:
    """Predict the peak memory of one case in bytes, with the next case already being read.

    It is reached while the network works on the last question, with the results of the others held, or after it, with
    all results held.

    Parameters
    ----------
    figures
        What the weights' configuration says under ``memory``: ``per_voxel_bytes`` (activations per voxel of the
        grid, or of the tile), ``base_bytes`` (the process before it reads), ``array_copies`` (copies of each input
        held at once), ``self_checks`` (false if given images are not predicted from one another).
    tile
        Edge of the tiles, or None.
    """
    checks = task.inputs if task.inputs > 1 and figures.get("self_checks", True) else 0
    results = task.targets + checks + task.outliers
    earlier = results - 1 if task.outliers else 0  # self-checks ask for a small box, other questions for the whole
    at_once = task.voxels if tile is None else min(task.voxels, tile**3)
    network = at_once * float(figures.get("per_voxel_bytes", _WORK_PER_VOXEL)) + task.voxels * _RESULT * earlier
    finish = task.voxels * (_RESULT * results + _LOOSE)
    inputs = task.voxels * _FLOAT * float(figures.get("array_copies", 3.0)) * task.inputs
    return int(float(figures.get("base_bytes", RESIDENT)) + inputs + max(network, finish))


def fit_tile(
    task: Task,
    figures: Mapping[str, Any],
    *,
    tiles: bool,
    tile: int | None,
    available: int | None = None,
) -> int | None:
    """Return the tile to use, so that the case fits: the one asked for, none, or the largest that does.

    Parameters
    ----------
    tiles
        Whether the weights may be run in tiles at all.
    tile
        The size asked for with ``--tile``, or None.
    available
        Bytes to be had; asked of the machine when None.

    Raises
    ------
    MachineError
        If it does not fit, with the reason and what would.
    """
    room = available_memory() if available is None else available
    need = predict_demand(task, figures, tile)
    if need <= room:
        return tile
    smaller = [size for size in _TILES if tile is None or size < tile]
    fitting = (s for s in smaller if predict_demand(task, figures, s) <= room)
    best = next(fitting, None) if tiles else None
    if tile is None and best is not None:
        return best
    if best is not None:
        hint = f"--tile {best} would fit."
    else:
        hint = "Free some memory, or use a machine with more" + ("." if tiles else "; these weights take no tiles.")
    raise MachineError(
        f"predicting a {'x'.join(map(str, task.shape))} case needs about {_gib(need)}, {_gib(room)} are free",
        where="memory",
        hint=hint,
    )


def require_tile(tile: int | None) -> None:
    """Raise UsageError for tiles so small that hardly any voxel would see its surroundings."""
    if tile is not None and tile < _LEAST_TILE:
        raise UsageError(f"--tile must be {_LEAST_TILE} or more", where=f"--tile {tile}")


def available_memory() -> int:
    """Return the bytes that this process may still take: the least of machine, control group and process limit."""
    limits = [_meminfo(), _cgroup(), _address_space()]
    return min((limit for limit in limits if limit is not None), default=2**62)


def peak_memory() -> int:
    """Return the largest resident size of this program so far, in bytes.

    Linux says so in ``/proc``; its ``ru_maxrss`` also counts the process that started this one.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        lines = []
    mark = next((line for line in lines if line.startswith("VmHWM:")), None)
    return int(mark.split()[1]) * 1024 if mark else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _meminfo(path: Path = Path("/proc/meminfo")) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 + _own_size()
    return None


def _cgroup(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return what the control group leaves; page cache that can be dropped counts as free."""
    for limit, usage in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        most, used = _number(root / limit), _number(root / usage)
        if most is not None and used is not None and most < 2**60:
            return max(0, most - used + _droppable(root / limit) + _own_size())
    return None


def _droppable(limit: Path) -> int:
    try:
        words = (limit.parent / "memory.stat").read_text().split()
    except OSError:
        return 0
    stat = dict(zip(words[::2], words[1::2], strict=False))
    return int(stat.get("inactive_file", stat.get("total_inactive_file", "0")))


def _address_space() -> int | None:
    """Return what ``ulimit -v`` allows in all, less what torch maps without ever touching it."""
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return None
    return max(0, soft - 2 * 2**30)


def _own_size() -> int:
    """Return the resident bytes of this process: a demand counts them, so they are to be had as well."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None

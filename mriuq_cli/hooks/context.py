"""What the core lends a method while it works; nothing global."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def _silent(done: float, what: str) -> None:
    """Take progress and show nothing."""


@dataclass(frozen=True, slots=True)
class Context:
    """Device, threads, seed and an ear for progress.

    Parameters
    ----------
    config
        The configuration that the loaded weights were made with.
    device
        A torch device string, ``cpu`` or ``cuda:0``.
    threads
        How many CPU threads the method may keep busy.
    weights
        The folder of the loaded weights, for files of the method's own beside them; None for a method without any.
    tile
        Edge of the tiles in voxels, or None for the whole field at once.
    seed
        Fixes every random choice.
    progress
        Called with the share done (0 to 1) and a word for what is going on.
    """

    config: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    threads: int = 1
    weights: Path | None = None
    tile: int | None = None
    seed: int = 0
    progress: Callable[[float, str], None] = _silent

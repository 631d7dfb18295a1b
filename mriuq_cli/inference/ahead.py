"""Torch, imported while something else is being done: it takes longer than reading a scan."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from threading import Thread


class TorchAhead:
    """Begins to import torch in a thread of its own.

    Parameters
    ----------
    threads
        How many CPU threads torch may use.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._importing: Thread | None = Thread(target=_begin, name="torch", daemon=True)
        self._importing.start()

    def ready(self) -> None:
        """Wait until torch is there and keep it to its threads. Raises whatever its import raises."""
        if self._importing is None:
            return
        self._importing.join()
        self._importing = None
        import torch

        torch.set_num_threads(self._threads)


def _begin() -> None:
    with suppress(Exception):  # whoever waits imports it again, and is told
        import_module("torch")

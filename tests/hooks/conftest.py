"""Methods that are seen by this very process, and forgotten after the test."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mriuq_cli.hooks.discovery import discover
from mriuq_cli.hooks.manager import get_plugin


@pytest.fixture
def with_method(install_method: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    """Return ``add(name, source)``: install a method and put it on this process's path."""

    def add(name: str, source: str, **facts: str) -> None:
        monkeypatch.syspath_prepend(install_method(name, source, **facts))
        discover.cache_clear()
        get_plugin.cache_clear()

    yield add
    monkeypatch.undo()
    discover.cache_clear()
    get_plugin.cache_clear()

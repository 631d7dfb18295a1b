"""The weights that ship with a method, for code that is called without having been named: a judge of scans."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from mriuq_cli.errors import WeightsError
from mriuq_cli.hooks.manager import Plugin, get_plugin
from mriuq_cli.inference.weights import META, WeightsFolder, find_weights, load_model

if TYPE_CHECKING:
    from torch import nn


@cache
def shipped_model(method: str, weights: str | None = None, device: str = "cpu") -> tuple[nn.Module, WeightsFolder]:
    """Return the network of a set of weights that ships with a method, filled, and what its folder says.

    The first call checks the hash and loads; later ones of this process return the same network.

    Parameters
    ----------
    method
        Name of the method; it implements ``mriuq_model``.
    weights
        Name of the set, a folder in ``Method.weights``; its default set if None.
    device
        A torch device string.

    Returns
    -------
    tuple
        The network, in evaluation mode and without gradients, and its folder: ``folder`` (the path, for files of the
        method's own), ``meta`` (``weights.json``), ``config`` and ``sha256``.

    Raises
    ------
    WeightsError
        If there is no such set, or it is altered or does not fit the network.
    MachineError
        If the device has no room for it.
    """
    plugin = get_plugin(method)
    sets, shipped = shipped_state(plugin), plugin.method.weights
    if weights is None and not sets:
        raise WeightsError("the method ships no weights, so it cannot be used yet", where=method)
    if weights is not None and weights not in sets:
        raise WeightsError(f"the method ships no weights called {weights!r}", where=method)
    # By its full path: a folder of that name where the user stands must not be taken for it.
    place = shipped / weights if shipped is not None and weights is not None else None
    found = find_weights(plugin, place)
    return load_model(plugin, found, device), found


def shipped_state(plugin: Plugin) -> dict[str, Any]:
    """Return what a receipt says of the weights that ship with a method: hashes of their descriptions by set."""
    shipped = plugin.method.weights
    if shipped is None or not shipped.is_dir():
        return {}
    sets = sorted(entry for entry in shipped.iterdir() if (entry / META).is_file())
    return {entry.name: {f.name: _sha256(f.read_bytes()) for f in sorted(entry.glob("*.json"))} for entry in sets}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()

"""Weights: a safetensors file beside the JSON that says what it is; nothing else is ever loaded.

A weights folder holds ``weights.safetensors``, ``weights.json`` and perhaps ``calibration.json``. Finding weights
checks everything that needs no torch (hash, method, version); loading them fills the method's network strictly.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mriuq_cli.errors import MachineError, WeightsError
from mriuq_cli.hooks.method import API_VERSION

if TYPE_CHECKING:
    from torch import nn

    from mriuq_cli.hooks.manager import Plugin

TENSORS = "weights.safetensors"
META = "weights.json"
CALIBRATION = "calibration.json"
FORMAT = 1
_META_LIMIT = 16 * 2**20
_PICKLE_NAMES = (".pt", ".pth", ".ckpt", ".pkl", ".bin")
_RULE = "Weights are a folder with weights.safetensors and weights.json, as `mriuq train` writes it."


@dataclass(frozen=True, slots=True)
class WeightsFolder:
    """Weights that were found and whose hash was checked.

    Parameters
    ----------
    folder
        Where they lie.
    meta
        What ``weights.json`` says.
    sha256
        Hash of ``weights.safetensors``, computed now: the one that ``weights.json`` states.
    """

    folder: Path
    meta: Mapping[str, Any]
    sha256: str

    @property
    def name(self) -> str:
        """Name of the folder, as sidecars state it."""
        return self.folder.name

    @property
    def calibration(self) -> Path | None:
        """The calibration that came with the weights, or None."""
        path = self.folder / CALIBRATION
        return path if path.is_file() else None

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration of the network."""
        config = self.meta["config"]
        assert isinstance(config, Mapping)
        return config


def find_weights(plugin: Plugin, folder: Path | None) -> WeightsFolder:
    """Find weights and check that they are whole and made for this method.

    Parameters
    ----------
    plugin
        The method.
    folder
        A weights folder, the name of a set that ships with the method, or None for its default set.

    Raises
    ------
    WeightsError
        If they are absent, altered, of another method or contract, or a pickle under whatever name.
    """
    place = _place(plugin, folder)
    tensors = place / TENSORS
    _refuse_strangers(place, tensors)
    meta = _read_meta(place / META)
    _check_meta(meta, plugin.name, place / META)
    digest = hashlib.sha256(_read(tensors)).hexdigest()
    if digest != meta["sha256"]:
        raise WeightsError(
            f"the weights are not the ones that {META} describes (SHA-256 {digest[:12]}..., stated "
            f"{str(meta['sha256'])[:12]}...)",
            where=tensors,
            hint="The file was altered or cut short: install the method again, or copy the folder anew.",
        )
    return WeightsFolder(place, meta, digest)


def load_model(plugin: Plugin, weights: WeightsFolder, device: str) -> nn.Module:
    """Build the network of ``weights`` and fill it; returned in evaluation mode, without gradients.

    Raises
    ------
    WeightsError
        If the file changed since it was found, is no safetensors file, or does not fit the network exactly.
    MachineError
        If the device has no room for it.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    path = weights.folder / TENSORS
    data = _read(path)
    if hashlib.sha256(data).hexdigest() != weights.sha256:
        raise WeightsError("the weights changed while they were being read", where=path)
    try:
        state = load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"not a readable safetensors file ({error})", where=path, hint=_RULE) from error
    model: nn.Module = plugin.call("mriuq_model", config=weights.config)
    try:
        model.load_state_dict(state, strict=True)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
        raise WeightsError(
            f"the weights do not fit the network of {plugin.name} {plugin.version}: {first[:200]}",
            where=path,
            hint=f"They were made with {weights.meta.get('versions') or 'an unknown version'}.",
        ) from error
    return _moved(model, device).eval().requires_grad_(False)


def _moved(model: nn.Module, device: str) -> nn.Module:
    import torch

    if device.startswith("cuda"):
        torch.backends.cudnn.allow_tf32 = False  # it would keep three digits of what is promised to be the CPU's answer
    try:
        return model.to(device)
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise MachineError(
            f"the network does not fit into the memory of {device}", where="memory", hint="Try --device cpu."
        ) from error


def _place(plugin: Plugin, folder: Path | None) -> Path:
    shipped = plugin.method.weights
    sets = _sets(shipped)
    if folder is None:
        if shipped is None or not sets:
            raise WeightsError(
                "the method ships no weights", where=plugin.name, hint=f"Name some with --weights DIR. {_RULE}"
            )
        return shipped / (plugin.method.default_weights or sets[0])
    if folder.is_dir():
        return folder
    if folder.is_file():
        _refuse_pickle(folder)
        raise WeightsError("a file, not a weights folder", where=folder, hint=_RULE)
    if shipped is not None and str(folder) in sets:
        return shipped / folder
    offer = f" {plugin.name} ships: {', '.join(sets)}." if sets else ""
    raise WeightsError("no such weights folder", where=folder, hint=f"{_RULE}{offer}")


def _sets(shipped: Path | None) -> list[str]:
    if shipped is None or not shipped.is_dir():
        return []
    return sorted(entry.name for entry in shipped.iterdir() if (entry / META).is_file())


def _refuse_strangers(place: Path, tensors: Path) -> None:
    if tensors.is_file():
        _refuse_pickle(tensors)
        return
    strangers = []
    if place.is_dir():
        strangers = sorted(entry for entry in place.iterdir() if entry.suffix in _PICKLE_NAMES)
    if strangers:
        raise WeightsError("pickled weights are never loaded: they can run code", where=strangers[0], hint=_RULE)
    raise WeightsError(f"no {TENSORS} there", where=place, hint=_RULE)


def _refuse_pickle(path: Path) -> None:
    """Refuse what `pickle`, `torch.save` or `joblib` wrote, whatever the file is called."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror})", where=path) from error
    if head[8:9] == b"{":
        return  # a safetensors header; the length before it may look like the start of a pickle
    binary_pickle = len(head) > 1 and head[0] == 0x80 and head[1] <= 5
    if binary_pickle or head[:4] == b"PK\x03\x04" or head[:2] in (b"\x1f\x8b", b"(d", b"(l", b"c_"):
        raise WeightsError(
            "a pickle or an archive, not safetensors: refused, since loading it can run code", where=path, hint=_RULE
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror})", where=path) from error


def _read_meta(path: Path) -> dict[str, Any]:
    try:
        if os.path.getsize(path) > _META_LIMIT:
            raise WeightsError("too large to be a description of weights", where=path, hint=_RULE)
        meta = json.loads(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"cannot be read ({error.strerror})", where=path, hint=_RULE) from error
    except ValueError as error:
        raise WeightsError(f"not JSON ({error})", where=path, hint=_RULE) from error
    if not isinstance(meta, dict):
        raise WeightsError("not a JSON object", where=path, hint=_RULE)
    return meta


def _check_meta(meta: Mapping[str, Any], method: str, path: Path) -> None:
    absent = [key for key in ("format", "method", "api_version", "config", "sha256") if key not in meta]
    if absent:
        raise WeightsError(f"lacks {', '.join(absent)}", where=path, hint=_RULE)
    if meta["method"] != method:
        raise WeightsError(
            f"weights of the method {meta['method']}, not of {method}",
            where=path,
            hint=f"Use `mriuq predict {meta['method']}`, or other weights.",
        )
    if meta["format"] != FORMAT or meta["api_version"] != API_VERSION:
        raise WeightsError(
            f"format {meta['format']} for contract {meta['api_version']}; this mriuq reads format {FORMAT} for "
            f"contract {API_VERSION}",
            where=path,
            hint="Train again, or install the mriuq that made them.",
        )
    if not isinstance(meta["config"], dict):
        raise WeightsError("its config is not an object", where=path, hint=_RULE)

"""Training states and weights on disk: safetensors beside JSON, each pair whole or not there.

A state holds the network, its moving average, the optimiser and the counters; weights hold what prediction needs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from mriuq_cli.data.atomic import atomic_file
from mriuq_cli.errors import WeightsError


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def _flatten_optimiser(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"optimiser.{index}.{name}": value
        for index, slots in optimiser.state_dict()["state"].items()
        for name, value in slots.items()
    }


def _fill_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split(".")
        state.setdefault(int(index), {})[name] = value
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}


def save_state(
    folder: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer, facts: Mapping[str, Any]
) -> None:
    """Write a resumable state. The JSON is written last and carries the hash of the tensors it belongs to.

    Two tensor files alternate, so that the pair that the JSON names is always whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    tensors |= _flatten_optimiser(optimiser)
    content = save_tensors({key: value.detach().cpu().contiguous() for key, value in tensors.items()})
    name = "state-a.safetensors" if _named_file(folder) != "state-a.safetensors" else "state-b.safetensors"
    _write(folder / name, content)
    stated = {**facts, "file": name, "sha256": hashlib.sha256(content).hexdigest()}
    _write(folder / "state.json", json.dumps(stated, indent=1, sort_keys=True).encode())


def _named_file(folder: Path) -> str | None:
    try:
        return str(json.loads((folder / "state.json").read_bytes())["file"])
    except FileNotFoundError:
        return None


def load_state(
    folder: Path, model: nn.Module, average: nn.Module, optimiser: torch.optim.Optimizer
) -> dict[str, Any] | None:
    """Fill model, average and optimiser from a state and return its facts; None where there is no state.

    Raises
    ------
    WeightsError
        If the tensors are not those that the JSON names.
    """
    if not (folder / "state.json").exists():
        return None
    try:
        facts: dict[str, Any] = json.loads((folder / "state.json").read_bytes())
        content = (folder / facts["file"]).read_bytes()
        whole = hashlib.sha256(content).hexdigest() == facts["sha256"]
    except (OSError, ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise WeightsError("the training state was altered", where=folder, hint="start the training anew")
    tensors = load_tensors(content)
    try:
        model.load_state_dict(_part(tensors, "model."))
        average.load_state_dict(_part(tensors, "average."))
    except RuntimeError:
        raise WeightsError(
            "the training state is of another network", where=folder, hint="the method has changed since: start anew"
        ) from None
    _fill_optimiser(optimiser, _part(tensors, "optimiser."))
    return facts


def save_weights(folder: Path, model: nn.Module, facts: Mapping[str, Any], subjects: Sequence[Sequence[str]]) -> None:
    """Write ``weights.safetensors`` and ``weights.json``, what ``predict --weights`` reads.

    Parameters
    ----------
    facts
        ``method``, ``api_version``, ``preset``, ``config``, ``training`` and ``versions``.
    subjects
        Fingerprints of each subject that the weights have seen.
    """
    folder.mkdir(parents=True, exist_ok=True)
    content = save_tensors({key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()})
    stated = {
        "format": 1,
        **facts,
        "parameters": sum(p.numel() for p in model.parameters()),
        "subjects": [sorted(subject) for subject in subjects],
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    (folder / "weights.json").unlink(missing_ok=True)
    _write(folder / "weights.safetensors", content)
    _write(folder / "weights.json", (json.dumps(stated, indent=1, sort_keys=True) + "\n").encode())

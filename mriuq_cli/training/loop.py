"""The training loop: one step a function of recipe, seed and step number alone, so that a resume is exact."""

from __future__ import annotations

import copy
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from mriuq_cli.data.atomic import atomic_file
from mriuq_cli.errors import MachineError
from mriuq_cli.training.checkpoint import load_state, save_state
from mriuq_cli.training.recipe import Optimisation, Validation

Objective = Callable[[nn.Module, Any], Mapping[str, Tensor]]
Report = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Task:
    """What one stage trains: network, objective, data, and where to leave traces."""

    model: nn.Module
    objective: Objective
    data: Dataset[Any]
    watch: Dataset[Any] | None
    folder: Path
    seed: int
    device: str


def pick_precision(wanted: str, device: str) -> torch.dtype:
    """Return the dtype to compute in: ``auto`` is bfloat16 on CUDA, float32 elsewhere."""
    if wanted == "auto":
        wanted = "bfloat16" if device.startswith("cuda") else "float32"
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[wanted]


def seed_all(seed: int, step: int) -> None:
    """Seed Python, numpy and torch for one step."""
    word = int(np.random.SeedSequence((seed, step)).generate_state(1)[0])
    random.seed(word)
    np.random.seed(word)  # noqa: NPY002 - datasets of other people draw from the global generator
    torch.manual_seed(word)


def batch_indices(data: Dataset[Any], seed: int, step: int, batch: int) -> list[int]:
    """Return the items of one step.

    A dataset without a length is a stream: its items are asked for once each, in order. One with a length is
    shuffled anew every epoch.
    """
    first = step * batch
    if not hasattr(data, "__len__"):
        return list(range(first, first + batch))
    size = len(data)
    return [
        int(np.random.default_rng((seed, position // size)).permutation(size)[position % size])
        for position in range(first, first + batch)
    ]


def rate_at(options: Optimisation, step: int, share: float) -> float:
    """Return the learning rate: linear warm-up over steps, half cosine over the share of the budget spent."""
    warm = min(1.0, (step + 1) / max(1, options.warmup))
    return options.rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))


def to_device(item: Any, device: str) -> Any:
    """Move every tensor inside nested lists, tuples and mappings."""
    if isinstance(item, Tensor):
        return item.to(device)
    if isinstance(item, Mapping):
        return {key: to_device(value, device) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return type(item)(to_device(value, device) for value in item)
    return item


def fetch(data: Dataset[Any], indices: list[int], device: str) -> Any:
    """Return the items as one batch on the device (``data.collate`` joins them where the dataset has one)."""
    collate = getattr(data, "collate", default_collate)
    return to_device(collate([data[index] for index in indices]), device)


def train(task: Task, options: Optimisation, validation: Validation, *, resume: bool, report: Report) -> nn.Module:
    """Train and return the averaged network in eval mode.

    Writes ``log.jsonl`` (one JSON object a step), ``last/`` and, with a watch set, ``best/`` below ``task.folder``.

    Raises
    ------
    MachineError
        If the loss or its gradient stops being finite.
    """
    model, average = _prepare(task)
    optimiser = torch.optim.AdamW(model.parameters(), lr=options.rate, weight_decay=options.decay)
    facts = (load_state(task.folder / "last", model, average, optimiser) if resume else None) or {}
    done, spent, best = int(facts.get("step", 0)), float(facts.get("seconds", 0.0)), float(facts.get("best", math.inf))
    dtype = pick_precision(options.precision, task.device)
    began = time.monotonic() - spent
    with _open_log(task.folder / "log.jsonl", done) as log:
        for step in _steps(done, options, lambda: time.monotonic() - began):
            share = _share(options, step, time.monotonic() - began)
            figures = _one_step(task, model, average, optimiser, options, step, share, dtype)
            entry: dict[str, Any] = {"step": step, **figures, "seconds": round(time.monotonic() - began, 3)}
            done = step + 1
            if task.watch is not None and done % validation.every == 0:
                entry["watched"] = _watch(task, average, validation, options.batch)
                if entry["watched"] < best:
                    best = entry["watched"]
                    save_state(task.folder / "best", model, average, optimiser, {"step": done, "watched": best})
            log.write(json.dumps(entry) + "\n")
            report(share, f"step {done}  loss {figures['loss']:.4f}")
            if done % options.save_every == 0:
                log.flush()
                state = {"step": done, "seconds": time.monotonic() - began, "best": best}
                save_state(task.folder / "last", model, average, optimiser, state)
    state = {"step": done, "seconds": time.monotonic() - began, "best": best}
    save_state(task.folder / "last", model, average, optimiser, state)
    return average.eval()


def _prepare(task: Task) -> tuple[nn.Module, nn.Module]:
    """Move the network to the device (channels last where it is all 3-D) and copy it for averaging."""
    model = task.model.to(task.device).train()
    if task.device.startswith("cuda"):
        torch.backends.cudnn.benchmark = True  # batches are of one size: trying its algorithms once pays
    ranks = {parameter.dim() for parameter in model.parameters()}
    if 5 in ranks and 4 not in ranks:
        model = model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    average = copy.deepcopy(model).eval().requires_grad_(False)
    return model, average


def _share(options: Optimisation, step: int, seconds: float) -> float:
    """Return the part of the budget that is spent: of steps or of minutes, whichever is further."""
    by_step = step / options.steps if options.steps else 0.0
    by_time = seconds / 60 / options.minutes if options.minutes else 0.0
    return min(1.0, max(by_step, by_time))


def _steps(first: int, options: Optimisation, elapsed: Callable[[], float]) -> Iterator[int]:
    step = first
    while (options.steps is None or step < options.steps) and (
        options.minutes is None or elapsed() < options.minutes * 60
    ):
        yield step
        step += 1


def _one_step(
    task: Task,
    model: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    options: Optimisation,
    step: int,
    share: float,
    dtype: torch.dtype,
) -> dict[str, float]:
    """Fetch, forward, backward, move, average; return the figures of the step."""
    seed_all(task.seed, step)
    batch = fetch(task.data, batch_indices(task.data, task.seed, step, options.batch), task.device)
    rate = rate_at(options, step, share)
    for group in optimiser.param_groups:
        group["lr"] = rate
    with torch.autocast(torch.device(task.device).type, dtype, enabled=dtype is not torch.float32):
        losses = task.objective(model, batch)
    optimiser.zero_grad(set_to_none=True)
    losses["loss"].backward()  # type: ignore[no-untyped-call]
    norm = nn.utils.clip_grad_norm_(model.parameters(), options.clip)
    # One question to the device a step: each makes it run dry while the CPU waits.
    *values, gradient = torch.stack([value.detach().double() for value in (*losses.values(), norm)]).tolist()
    figures = dict(zip(losses, values, strict=True))
    for name, value in (("loss", figures["loss"]), ("gradient", gradient)):
        if not math.isfinite(value):
            raise MachineError(f"the {name} is not finite at step {step}", hint="lower the rate in the recipe")
    optimiser.step()
    _follow(average, model, min(options.average, (step + 1) / (step + 10)))
    return figures | {"gradient": gradient, "rate": rate}


@torch.no_grad()
def _follow(average: nn.Module, model: nn.Module, keep: float) -> None:
    """Move the averaged weights towards the current ones; buffers (such as running statistics) likewise."""
    for slow, fast in zip(average.state_dict().values(), model.state_dict().values(), strict=True):
        if slow.is_floating_point():
            slow.lerp_(fast, 1 - keep)
        else:
            slow.copy_(fast)


@torch.no_grad()
def _watch(task: Task, average: nn.Module, validation: Validation, batch: int) -> float:
    """Return the averaged network's mean loss over fixed batches of the watch set."""
    assert task.watch is not None
    total = 0.0
    for step in range(validation.batches):
        seed_all(task.seed + 1, step)
        items = fetch(task.watch, batch_indices(task.watch, task.seed + 1, step, batch), task.device)
        total += float(task.objective(average, items)["loss"])
    return total / validation.batches


def _open_log(path: Path, step: int) -> Any:
    """Open the log for adding, cut back to the steps that the state has seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = path.read_text().splitlines()[:step] if path.exists() and step else []
    with atomic_file(path) as temporary:
        temporary.write_text("".join(line + "\n" for line in lines))
    return path.open("a")

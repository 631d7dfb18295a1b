"""Checks of what training and evaluation need: networks, stages, losses, datasets, baselines, metrics."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mriuq_cli.hooks.context import Context
from mriuq_cli.testing.check import NotApplicable, require

if TYPE_CHECKING:
    from mriuq_cli.hooks.roles import Stage
    from mriuq_cli.testing.bench import Bench

MAIN = "main"
SMALL = (16, 14, 12)
"""Voxels of the exams that baselines are fitted on."""


def presets_build(bench: Bench) -> str:
    """Require that every preset makes a network (on the meta device, so that size does not matter)."""
    sizes = _sizes(bench)
    return ", ".join(f"{name} {size:,} parameters" for name, size in sizes.items())


def stages(bench: Bench) -> str:
    """Require that stages have names of their own and build on earlier ones only."""
    if not bench.plugin.has("mriuq_stages"):
        raise NotApplicable("one stage")
    earlier: list[str] = []
    for stage in _stages(bench):
        require(stage.name not in earlier, f"stage {stage.name!r} comes twice")
        require(stage.builds_on is None or stage.builds_on in earlier, f"{stage.name!r} builds on no earlier stage")
        earlier.append(stage.name)
    require(earlier, "no stage")
    return ", ".join(earlier)


def training_step(bench: Bench) -> str:
    """Require of the cheapest preset a finite loss, and finite gradients that are not all zero."""
    import torch

    if not (bench.plugin.has("mriuq_loss") and bench.plugin.has("mriuq_dataset")):
        raise NotApplicable("the method is not trained")
    if bench.plugin.has("mriuq_step"):
        raise NotApplicable("the method has a training step of its own")
    stage = _stages(bench)[0].name if bench.plugin.has("mriuq_stages") else MAIN
    sizes = _sizes(bench)
    batches = {name: _first_batch(bench, _recipe(bench, name), stage) for name in sizes}
    preset = min(sizes, key=lambda name: sizes[name] * _numbers(batches[name]))
    config = _recipe(bench, preset)
    torch.manual_seed(0)
    model = bench.plugin.call("mriuq_model", config=config).train()
    losses = bench.plugin.call("mriuq_loss", config=config, stage=stage)(model, batches[preset])
    require("loss" in losses, "the objective does not return 'loss'")
    figures = {name: float(torch.as_tensor(value).detach()) for name, value in losses.items()}
    require(all(map(math.isfinite, figures.values())), f"a loss is not finite: {_shown(figures)}")
    losses["loss"].backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    require(gradients, "no parameter gets a gradient")
    require(all(bool(torch.isfinite(grad).all()) for grad in gradients), "a gradient is not finite")
    require(any(bool((grad != 0).any()) for grad in gradients), "all gradients are zero")
    return f"preset {preset or 'without name'}: {_shown(figures)}"


def _recipe(bench: Bench, preset: str) -> Mapping[str, Any]:
    """Return a preset's values as a recipe without wishes of its own hands them on."""
    return {**bench.plugin.method.presets.get(preset, {}), "seed": 0}


def _first_batch(bench: Bench, config: Mapping[str, Any], stage: str) -> Any:
    """Return the first item of a training on two exams, as a batch."""
    from mriuq_cli.training.loop import batch_indices, fetch

    cases = [lambda seed=seed: _whole(bench, seed) for seed in (1, 2)]
    dataset = bench.plugin.call(
        "mriuq_dataset", config=config, cases=cases, stage=stage, split="train", previous={}, context=Context(config)
    )
    length = len(dataset) if hasattr(dataset, "__len__") else None
    require(length != 0, "the training dataset is empty")
    return fetch(dataset, batch_indices(dataset, seed=0, step=0, batch=1), "cpu")


def _numbers(batch: Any) -> int:
    """Count the numbers in nested tensors."""
    if isinstance(batch, Mapping):
        return sum(map(_numbers, batch.values()))
    if isinstance(batch, list | tuple):
        return sum(map(_numbers, batch))
    return int(batch.numel()) if hasattr(batch, "numel") else 1


def baselines(bench: Bench) -> str:
    """Require that every baseline fits on two exams and gives finite images on the grid."""
    import numpy as np

    if not bench.plugin.has("mriuq_baselines"):
        raise NotApplicable("the method names no baselines")
    case = bench.hidden(bench.exam or bench.exam_number(0, SMALL))
    available = tuple(case.volumes)
    targets = tuple(role.name for role in bench.plugin.method.targets if role.name in case.truth)
    found: Mapping[str, Any] = bench.plugin.call("mriuq_baselines", config=bench.config)
    exams = [bench.exam or bench.exam_number(seed, SMALL) for seed in (1, 2)]
    for name, baseline in found.items():
        with _one_thread():
            images = baseline(exams, available, targets)(case)
        require(set(images) == set(targets), f"{name} gives {', '.join(images)} for {', '.join(targets)}")
        for image in images.values():
            require(image.shape == case.geometry.shape, f"{name} does not keep the grid")
            require(np.isfinite(image).all(), f"{name} is not finite")
    return ", ".join(found)


def metrics(bench: Bench) -> str:
    """Require that every metric of the method is finite on a prediction."""
    if not bench.plugin.has("mriuq_metrics"):
        raise NotApplicable("the method has no metrics of its own")
    found: Mapping[str, Any] = bench.plugin.call("mriuq_metrics", config=bench.config)
    for name, metric in found.items():
        for target, estimate in bench.answer.estimates.items():
            value = metric(estimate, estimate.upper, {"brain": estimate.mask})
            require(math.isfinite(value), f"{name} of {target} is {value}")
    return ", ".join(found) or "none named"


def protocols(bench: Bench) -> str:
    """Require that protocols have names that can be those of files, say what they are, and can be called."""
    if not bench.plugin.has("mriuq_protocols"):
        raise NotApplicable("the method names no protocols")
    found: Mapping[str, Any] = bench.plugin.call("mriuq_protocols")
    for name, protocol in found.items():
        require(re.fullmatch(r"[a-z0-9][a-z0-9-]*", name), f"{name!r}: small letters, digits and hyphens make a name")
        require(str(getattr(protocol, "summary", "")).strip(), f"{name} says nothing of itself")
        for part in ("measure", "report"):
            require(callable(getattr(protocol, part, None)), f"{name}: {part} cannot be called")
    return ", ".join(found)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Keep scikit-learn to one thread where its helper is there: tiny fits on a busy machine only wait for others."""
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]
    except ImportError:
        yield
        return
    with threadpool_limits(1):
        yield


def _sizes(bench: Bench) -> dict[str, int]:
    """Return preset name to number of parameters."""
    import torch

    sizes = {}
    for name, config in (bench.plugin.method.presets or {"": {}}).items():
        with torch.device("meta"):
            model = bench.plugin.call("mriuq_model", config=config)
        require(isinstance(model, torch.nn.Module), f"preset {name!r}: {type(model).__name__} is no torch.nn.Module")
        sizes[name] = sum(parameter.numel() for parameter in model.parameters())
    return sizes


def _stages(bench: Bench) -> list[Stage]:
    config = bench.plugin.method.presets.get(bench.plugin.method.default_preset, {})
    return list(bench.plugin.call("mriuq_stages", config=config))


def _whole(bench: Bench, seed: int) -> Any:
    """Return an exam whose volumes are all inputs; targets that are not inputs are its truth."""
    return bench.exam or bench.exam_number(seed)


def _shown(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in figures.items())

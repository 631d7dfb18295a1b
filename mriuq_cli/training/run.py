"""A training from recipe to weights: split by subject, every stage in order, one folder that holds it all."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mriuq_cli.data.atomic import atomic_file
from mriuq_cli.data.case import Case, CaseRef, Cohort
from mriuq_cli.data.reader import read_case
from mriuq_cli.errors import InputError, MachineError, UsageError
from mriuq_cli.hooks.manager import Plugin
from mriuq_cli.hooks.roles import Stage
from mriuq_cli.training.checkpoint import save_weights
from mriuq_cli.training.loop import Report, Task, seed_all, train
from mriuq_cli.training.recipe import Recipe, write_recipe


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training happens and how."""

    folder: Path
    device: str
    threads: int
    resume: bool
    report: Report


def split(cohort: Cohort, recipe: Recipe) -> tuple[Cohort, Cohort]:
    """Return the training subjects and those to watch; the fold that is held out is in neither.

    Raises
    ------
    UsageError
        If a fold does not exist or nothing is left to train on.
    """
    refs = sorted(cohort, key=lambda ref: ref.id)
    if recipe.folds:
        if recipe.folds.hold_out >= recipe.folds.count:
            raise UsageError(f"fold {recipe.folds.hold_out} of {recipe.folds.count} does not exist (they count from 0)")
        refs = [ref for i, ref in enumerate(refs) if i % recipe.folds.count != recipe.folds.hold_out]
    watched = recipe.validation.subjects
    if len(refs) <= watched:
        raise UsageError(f"{len(refs)} cases are too few to train on with {watched} set apart")
    return Cohort(tuple(refs[watched:])), Cohort(tuple(refs[:watched]))


def resolve_config(plugin: Plugin, recipe: Recipe) -> dict[str, Any]:
    """Return the preset with the recipe's changes and seed. Raises UsageError for names that do not exist."""
    presets = plugin.method.presets
    if recipe.preset not in presets:
        raise UsageError(f"'{plugin.name}' has no preset '{recipe.preset}'", hint=f"presets: {', '.join(presets)}")
    unknown = set(recipe.model) - set(presets[recipe.preset])
    if unknown:
        raise UsageError(f"preset '{recipe.preset}' has nothing called {', '.join(sorted(unknown))}")
    return {**presets[recipe.preset], **recipe.model, "seed": recipe.seed}


def run_training(plugin: Plugin, recipe: Recipe, cohort: Cohort, run: Run) -> Path:
    """Train every stage and return the folder of the weights.

    Raises
    ------
    UsageError
        If recipe and cohort do not fit together, or the recipe states no budget.
    MachineError
        If the folder holds another training.
    """
    if recipe.train.steps is None and recipe.train.minutes is None:
        raise UsageError("the recipe states no budget", hint="give --steps or --minutes, or state one under 'train'")
    config = resolve_config(plugin, recipe)
    learners, watched = split(cohort, recipe)
    text = write_recipe(recipe)
    _claim(run.folder, text, resume=run.resume)
    torch.set_num_threads(run.threads)
    torch.manual_seed(recipe.seed)
    model: nn.Module = plugin.call("mriuq_model", config=config)
    seen: dict[str, tuple[str, ...]] = {}
    began = time.monotonic()
    previous: dict[str, nn.Module] = {}
    for stage in _stages(plugin, config):
        seed_all(recipe.seed, 0)  # what a method draws while it makes its data must not depend on where a resume began
        task = _task(plugin, config, stage.name, model, (learners, watched), previous, seen, recipe, run)
        previous[stage.name] = train(task, recipe.train, recipe.validation, resume=run.resume, report=run.report)
        model.load_state_dict(previous[stage.name].state_dict())  # the next stage goes on from the average
    facts = {
        "method": plugin.name,
        "api_version": plugin.method.api_version,
        "preset": recipe.preset,
        "config": config,
        "training": {
            "seed": recipe.seed,
            "seconds": round(time.monotonic() - began, 1),
            "recipe_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "subjects": len(learners),
        },
        "versions": {"mriuq": version("mriuq"), plugin.distribution: plugin.version, "torch": torch.__version__},
    }
    for ref in learners:  # a data set that reads late may have read some of them before a resume only
        if ref.id not in seen:
            _remember(ref, seen)
    save_weights(run.folder / "weights", model, facts, [seen[ref.id] for ref in learners])
    return run.folder / "weights"


def _claim(folder: Path, text: str, *, resume: bool) -> None:
    """Make the run folder ours: new, or the same recipe to go on with."""
    stated = folder / "recipe.yaml"
    if stated.exists():
        if not resume:
            raise MachineError(
                "holds a training already", where=folder, hint="go on with --resume, or choose another --out"
            )
        if stated.read_text() != text:
            raise MachineError("holds the training of another recipe", where=folder, hint="choose another --out")
        return
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_file(stated) as temporary:
        temporary.write_text(text)


def _stages(plugin: Plugin, config: Mapping[str, Any]) -> list[Stage]:
    return list(plugin.call("mriuq_stages", config=config)) if plugin.has("mriuq_stages") else [Stage("main")]


def _task(
    plugin: Plugin,
    config: Mapping[str, Any],
    stage: str,
    model: nn.Module,
    cohorts: tuple[Cohort, Cohort],
    previous: Mapping[str, nn.Module],
    seen: dict[str, tuple[str, ...]],
    recipe: Recipe,
    run: Run,
) -> Task:
    """Ask the method for the objective and the data of one stage."""

    def dataset(cohort: Cohort, split: str) -> Any:
        cases = [partial(_remember, ref, seen) for ref in cohort]
        return plugin.call("mriuq_dataset", config=config, cases=cases, stage=stage, split=split, previous=previous)

    return Task(
        model=model,
        objective=plugin.call("mriuq_loss", config=config, stage=stage),
        data=dataset(cohorts[0], "train"),
        watch=dataset(cohorts[1], "validation") if len(cohorts[1]) else None,
        folder=run.folder / stage,
        seed=recipe.seed,
        device=run.device,
    )


def _remember(ref: CaseRef, seen: dict[str, tuple[str, ...]], read: Callable[[CaseRef], Case] = read_case) -> Case:
    """Read a case and note its fingerprints, which the weights will carry."""
    case = read(ref)
    if not case.volumes:
        raise InputError("has no image to learn from", where=ref.id)
    seen[ref.id] = tuple(case.fingerprints.values())
    return case

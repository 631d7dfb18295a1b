"""A training from recipe to weights: split by subject, every stage in order, one folder that holds it all."""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
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
from mriuq_cli.data.people import anatomy_of
from mriuq_cli.data.reader import read_case
from mriuq_cli.errors import InputError, MachineError, MethodError, UsageError
from mriuq_cli.hooks.context import Context
from mriuq_cli.hooks.manager import Plugin
from mriuq_cli.hooks.roles import Stage
from mriuq_cli.inference.weights import WeightsFolder, find_weights, load_model
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

    Simulated cases of one anatomy are one person: they go together.

    Raises
    ------
    UsageError
        If a fold does not exist or nothing is left to train on.
    """
    people = _people(cohort)
    if recipe.folds:
        if recipe.folds.hold_out >= recipe.folds.count:
            raise UsageError(f"fold {recipe.folds.hold_out} of {recipe.folds.count} does not exist (they count from 0)")
        people = [refs for i, refs in enumerate(people) if i % recipe.folds.count != recipe.folds.hold_out]
    watched = recipe.validation.subjects
    if len(people) <= watched:
        copies = len(_people(cohort)) < len(cohort)
        raise UsageError(
            f"{len(people)} {'people' if copies else 'cases'} are too few to train on with {watched} set apart",
            hint="Simulated heads of one anatomy are one person; --anatomy simulates others." if copies else None,
        )
    return _joined(people[watched:]), _joined(people[:watched])


def _joined(people: list[list[CaseRef]]) -> Cohort:
    return Cohort(tuple(sorted(itertools.chain.from_iterable(people), key=_name)))


def _people(cohort: Cohort) -> list[list[CaseRef]]:
    """Return the cases of each person, in the order of their first names."""
    found: dict[object, list[CaseRef]] = {}
    for ref in sorted(cohort, key=_name):
        found.setdefault(anatomy_of(ref) or _name(ref), []).append(ref)
    return list(found.values())


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
    MethodError
        If the method has a training step of its own, or a stage builds on no earlier one.
    """
    if plugin.has("mriuq_step"):
        raise MethodError("has a training step of its own (mriuq_step), which is not supported yet", where=plugin.name)
    if recipe.train.steps is None and recipe.train.minutes is None:
        raise UsageError("the recipe states no budget", hint="give --steps or --minutes, or state one under 'train'")
    config = resolve_config(plugin, recipe)
    learners, watched = split(cohort, recipe)
    torch.set_num_threads(run.threads)
    torch.manual_seed(recipe.seed)
    fresh: nn.Module = plugin.call("mriuq_model", config=config)
    start = _fill(plugin, fresh, recipe.start) if recipe.start else None
    text = write_recipe(recipe)
    _claim(run.folder, text, _listed(learners, watched), resume=run.resume)
    seen: dict[int, tuple[str, ...]] = {}
    began = time.monotonic()
    previous: dict[str, nn.Module] = {}
    stages = _stages(plugin, config)
    for stage in stages:
        seed_all(recipe.seed, 0)  # what a method draws while it makes its data must not depend on where a resume began
        model = _begin(fresh, stage, previous)
        task = _task(plugin, config, stage.name, model, (learners, watched), previous, seen, recipe, run)
        previous[stage.name] = train(task, recipe.train, recipe.validation, resume=run.resume, report=run.report)
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
            "people": len(_people(learners)),
            **({"start_sha256": start.sha256} if start else {}),
        },
        "versions": {"mriuq": version("mriuq"), plugin.distribution: plugin.version, "torch": torch.__version__},
    }
    for place, ref in enumerate(learners):  # a data set that reads late may have read some before a resume only
        if place not in seen:
            _remember(place, ref, seen)
    taught = {tuple(map(str, marks)) for marks in start.meta.get("subjects", ())} if start else set()
    subjects = [seen[i] for i in range(len(learners))]
    subjects += sorted(taught - set(subjects))
    anatomies = {anatomy for ref in learners if (anatomy := anatomy_of(ref))}
    facts["anatomies"] = sorted(anatomies | set(start.meta.get("anatomies", ()) if start else ()))
    save_weights(run.folder / "weights", previous[stages[-1].name], facts, subjects)
    return run.folder / "weights"


def _fill(plugin: Plugin, fresh: nn.Module, given: str) -> WeightsFolder:
    """Fill a fresh network with weights to start from, and return those."""
    found = find_weights(plugin, Path(given))
    try:
        fresh.load_state_dict(load_model(plugin, found, "cpu").state_dict())
    except RuntimeError as error:
        preset = found.meta.get("preset")
        raise UsageError(
            "these weights are of another network than the recipe's", where=given, hint=f"their preset is '{preset}'"
        ) from error
    return found


def _name(ref: CaseRef) -> tuple[str, str]:
    """Return what is unique in a cohort: ids are unique in their folder only."""
    return str(ref.subfolder), ref.id


def _listed(learners: Cohort, watched: Cohort) -> str:
    """Return the subjects as the run folder states them: names and sizes of files, whatever place they moved to."""
    parts = {"learners": learners, "watched": watched}
    stated = {part: [[*_name(ref), _sizes(ref)] for ref in cohort] for part, cohort in parts.items()}
    return json.dumps(stated, indent=1) + "\n"


def _sizes(ref: CaseRef) -> list[int]:
    try:
        return [path.stat().st_size for path in sorted({volume.path for volume in ref.volumes.values()})]
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=error.filename or ref.id) from error


def _claim(folder: Path, text: str, cohort: str, *, resume: bool) -> None:
    """Make the run folder ours: new, or the same recipe and subjects to go on with."""
    stated, subjects = folder / "recipe.yaml", folder / "cohort.json"
    if stated.exists():
        if not resume:
            raise MachineError(
                "holds a training already", where=folder, hint="go on with --resume, or choose another --out"
            )
        if stated.read_text() != text:
            raise MachineError("holds the training of another recipe", where=folder, hint="choose another --out")
        if subjects.exists() and subjects.read_text() != cohort:
            raise MachineError(
                "holds the training on other exams", where=folder, hint="give the same --data, or choose another --out"
            )
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in ((subjects, cohort), (stated, text)):
        if not path.exists():
            with atomic_file(path) as temporary:
                temporary.write_text(content)


def _stages(plugin: Plugin, config: Mapping[str, Any]) -> list[Stage]:
    return list(plugin.call("mriuq_stages", config=config)) if plugin.has("mriuq_stages") else [Stage("main")]


def _begin(fresh: nn.Module, stage: Stage, previous: Mapping[str, nn.Module]) -> nn.Module:
    """Return the network that a stage starts from: that of the stage it builds on, else a fresh one."""
    model = copy.deepcopy(fresh)  # the averages in ``previous`` take no gradients and stay as they are
    if stage.builds_on is not None:
        if stage.builds_on not in previous:
            raise MethodError(f"stage {stage.name!r} builds on {stage.builds_on!r}, which is no earlier stage")
        model.load_state_dict(previous[stage.builds_on].state_dict())
    return model


def _task(
    plugin: Plugin,
    config: Mapping[str, Any],
    stage: str,
    model: nn.Module,
    cohorts: tuple[Cohort, Cohort],
    previous: Mapping[str, nn.Module],
    seen: dict[int, tuple[str, ...]],
    recipe: Recipe,
    run: Run,
) -> Task:
    """Ask the method for the objective and the data of one stage."""
    context = Context(config, run.device, run.threads, seed=recipe.seed)

    def dataset(cohort: Cohort, split: str) -> Any:
        noted = seen if split == "train" else {}
        cases = [partial(_remember, place, ref, noted) for place, ref in enumerate(cohort)]
        return plugin.call(
            "mriuq_dataset", config=config, cases=cases, stage=stage, split=split, previous=previous, context=context
        )

    return Task(
        model=model,
        objective=plugin.call("mriuq_loss", config=config, stage=stage),
        data=dataset(cohorts[0], "train"),
        watch=dataset(cohorts[1], "validation") if len(cohorts[1]) else None,
        folder=run.folder / stage,
        seed=recipe.seed,
        device=run.device,
    )


def _remember(
    place: int, ref: CaseRef, seen: dict[int, tuple[str, ...]], read: Callable[[CaseRef], Case] = read_case
) -> Case:
    """Read the case at a place of its cohort and note its fingerprints, which the weights will carry."""
    case = read(ref)
    if not case.volumes:
        raise InputError("has no image to learn from", where=ref.id)
    seen[place] = tuple(case.fingerprints.values())
    return case

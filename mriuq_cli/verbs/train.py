"""``mriuq train METHOD RECIPE.yaml``: from a recipe and a cohort to weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer


def train(
    method: str,
    options: Mapping[str, Any],
    recipe: Annotated[
        Path, typer.Argument(help="YAML file that states the training, or the name of a recipe that ships.")
    ],
    data: Annotated[list[Path], typer.Option(help="Cohort to learn from: folders of cases, or 4-D files.")],
    out: Annotated[Path, typer.Option(help="Run folder: recipe, log, checkpoints, weights.")],
    steps: Annotated[int | None, typer.Option(help="Budget in steps (overrides the recipe).")] = None,
    minutes: Annotated[float | None, typer.Option(help="Budget in minutes (overrides the recipe).")] = None,
    fold: Annotated[int | None, typer.Option(help="Fold to hold out, from 0; takes --folds.")] = None,
    folds: Annotated[int | None, typer.Option(help="Number of folds; without them every exam is learnt from.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed (overrides the recipe).")] = None,
    start: Annotated[
        str | None, typer.Option(help="Weights to start from: a folder, or the name of a set that ships.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in --out stopped.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="CPU threads; all usable cores by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Train a method's weights."""
    from json import dumps

    from mriuq_cli.cohort.places import run_folder
    from mriuq_cli.data.layouts import find_cohort
    from mriuq_cli.hooks.manager import get_plugin
    from mriuq_cli.inference.device import pick_device, require_threads, usable_cores
    from mriuq_cli.present.console import progress
    from mriuq_cli.training.run import Run, run_training

    plugin = get_plugin(method)
    require_threads(threads)
    stated = _changed(_recipe(plugin, recipe), method, steps=steps, minutes=minutes, seed=seed, start=start)
    stated = _folded(_wished(stated, plugin, options), fold, folds)
    cohort = find_cohort(data, plugin.method.inputs, complete=True)
    with run_folder(out), progress(f"train {method}") as report:
        run = Run(out, pick_device(device), threads or usable_cores(), resume, report)
        weights = run_training(plugin, stated, cohort, run)
    print(dumps({"method": method, "weights": str(weights), "cases": len(cohort)}) if json else weights)


def _recipe(plugin: Any, given: Path) -> Any:
    """Read the recipe from a file, or by name from those that the plugin ships."""
    from mriuq_cli.training.recipe import read_recipe

    folder = plugin.method.recipes
    shipped = folder / f"{given}.yaml" if folder else given
    named = (given.is_dir() or not given.exists()) and shipped.exists()  # a folder of that name is no recipe
    return read_recipe(shipped if named else given)


def _changed(
    recipe: Any, method: str, *, steps: int | None, minutes: float | None, seed: int | None, start: str | None
) -> Any:
    """Return the recipe with the command line's changes; raise UsageError if it is another method's."""
    from mriuq_cli.errors import UsageError
    from mriuq_cli.training.recipe import change_recipe

    if recipe.method != method:
        raise UsageError(f"the recipe is for '{recipe.method}', not '{method}'")
    changes: dict[str, Any] = {}
    if steps is not None or minutes is not None:
        changes["train"] = {**recipe.train.model_dump(), "steps": steps, "minutes": minutes}
    if seed is not None:
        changes["seed"] = seed
    if start is not None:
        changes["start"] = start
    return change_recipe(recipe, changes)


def _folded(recipe: Any, fold: int | None, folds: int | None) -> Any:
    """Return the recipe with the folds of the command line."""
    from mriuq_cli.errors import UsageError
    from mriuq_cli.training.recipe import change_recipe

    if fold is None and folds is None:
        return recipe
    if fold is None:
        raise UsageError(f"--folds {folds} takes --fold, the one to hold out")
    count = folds if folds is not None else recipe.folds and recipe.folds.count
    if count is None:
        raise UsageError(f"--fold {fold} takes --folds, the number of folds")
    return change_recipe(recipe, {"folds": {"count": count, "hold_out": fold}})


def _wished(recipe: Any, plugin: Any, options: Mapping[str, Any]) -> Any:
    """Return the recipe with the method's own options that were given: each replaces the preset's value of its name."""
    from mriuq_cli.hooks.options import default_values
    from mriuq_cli.training.recipe import change_recipe

    usual = default_values(plugin.options("train"))
    given = {name: value for name, value in options.items() if value != usual[name]}
    plain = {n: list(v) if isinstance(v, tuple) else str(v) if isinstance(v, Path) else v for n, v in given.items()}
    return change_recipe(recipe, {"model": {**recipe.model, **plain}}) if plain else recipe
